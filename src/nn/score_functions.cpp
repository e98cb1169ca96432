#include "nn/score_functions.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/loss/loss.h"

namespace deepsad {
namespace {

using kernels::kLanes;

}  // namespace

template <class T>
SquaredDistanceScore<T>::SquaredDistanceScore(std::span<const T> center) : center_(center.size()) {
  std::copy(center.begin(), center.end(), center_.begin());
}

template <class T>
void SquaredDistanceScore<T>::evaluate(const GroupScore<T>& group) const noexcept {
  alignas(kAlignment) std::array<T, kLanes> distance;
  alignas(kAlignment) std::array<T, kLanes> factor{};
  std::fill_n(factor.begin(), group.n_valid, T{1});
  kernels::squared_distance(center_.size(), group.output, center_.data(), distance.data());
  kernels::squared_distance_backward(center_.size(), group.output, center_.data(), factor.data(),
                                     group.d_output);
  for (std::size_t l = 0; l < kLanes; ++l) group.score[l] = static_cast<double>(distance[l]);
}

template <class T>
void ReconstructionScore<T>::evaluate(const GroupScore<T>& group) const noexcept {
  kernels::squared_error(n_features_, group.n_valid, group.output, group.input, T{1}, group.d_output,
                         group.score);
}

template <class T>
void ReconstructionScore<T>::add_direct(std::size_t n_valid, const T* input, const T* output,
                                        T* d_input) const noexcept {
  const T factor = static_cast<T>(2.0 / static_cast<double>(n_features_));
  for (std::size_t j = 0; j < n_features_; ++j) {
    for (std::size_t l = 0; l < n_valid; ++l)
      d_input[j * kLanes + l] += factor * (input[j * kLanes + l] - output[j * kLanes + l]);
  }
}

template <class T>
void CrossEntropyScore<T>::evaluate(const GroupScore<T>& group) const noexcept {
  alignas(kAlignment) std::array<T, kLanes> weight;
  weight.fill(T{1});
  kernels::bernoulli_loss(n_features_, group.n_valid, group.output, group.input, weight.data(),
                          group.d_output, group.score);
}

// s = sum_j softplus(y_j) - x_j y_j.
template <class T>
void CrossEntropyScore<T>::add_direct(std::size_t n_valid, const T* /*input*/, const T* output,
                                      T* d_input) const noexcept {
  for (std::size_t j = 0; j < n_features_; ++j) {
    for (std::size_t l = 0; l < n_valid; ++l) d_input[j * kLanes + l] -= output[j * kLanes + l];
  }
}

template <class T>
void OutputScore<T>::evaluate(const GroupScore<T>& group) const noexcept {
  for (std::size_t l = 0; l < kLanes; ++l) {
    group.score[l] = static_cast<double>(group.output[l]);
    group.d_output[l] = l < group.n_valid ? T{1} : T{0};
  }
}

template <class T>
void ClassProbabilityScore<T>::evaluate(const GroupScore<T>& group) const noexcept {
  for (std::size_t l = 0; l < kLanes; ++l) {
    const auto difference =
        static_cast<double>(group.output[kLanes + l]) - static_cast<double>(group.output[l]);
    const double q = 1 / (1 + std::exp(-difference));
    group.score[l] = q;
    // q (1 - q), where 1 - q keeps its digits.
    const T slope = l < group.n_valid ? static_cast<T>(q / (1 + std::exp(difference))) : T{0};
    group.d_output[l] = -slope;
    group.d_output[kLanes + l] = slope;
  }
}

template <class T>
void OutputProductScore<T>::evaluate(const GroupScore<T>& group) const noexcept {
  std::fill_n(group.score, kLanes, 0.0);
  for (std::size_t k = 0; k < factors_.cols(); ++k) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      const T factor = l < group.n_valid ? factors_(group.first_row + l, k) : T{0};
      group.d_output[k * kLanes + l] = factor;
      group.score[l] += static_cast<double>(factor) * static_cast<double>(group.output[k * kLanes + l]);
    }
  }
}

template class SquaredDistanceScore<float>;
template class SquaredDistanceScore<double>;
template class ReconstructionScore<float>;
template class ReconstructionScore<double>;
template class CrossEntropyScore<float>;
template class CrossEntropyScore<double>;
template class OutputScore<float>;
template class OutputScore<double>;
template class ClassProbabilityScore<float>;
template class ClassProbabilityScore<double>;
template class OutputProductScore<float>;
template class OutputProductScore<double>;

}  // namespace deepsad
