#include "nn/losses.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/loss/loss.h"

namespace deepsad {
namespace {

using kernels::kLanes;

template <class T>
AlignedBuffer<T> copy(std::span<const T> values) {
  AlignedBuffer<T> buffer(values.size());
  std::copy(values.begin(), values.end(), buffer.begin());
  return buffer;
}

}  // namespace

template <class T>
void ReconstructionLoss<T>::evaluate(const GroupLoss<T>& group) const noexcept {
  if (unit_ == OutputUnit::sigmoid) {
    kernels::sigmoid_squared_error(n_features_, group.n_valid, group.output, group.input, group.scale,
                                   group.d_output, group.lane_loss);
  } else {
    kernels::squared_error(n_features_, group.n_valid, group.output, group.input, group.scale, group.d_output,
                           group.lane_loss);
  }
}

ReconstructionTraining::ReconstructionTraining(const NetworkSpec& autoencoder) : network(autoencoder) {
  if (network.layers.empty() || network.layers.back().kind != LayerKind::sigmoid) return;
  network.layers.pop_back();
  unit = OutputUnit::sigmoid;
}

template <class T>
DeepSadLoss<T>::DeepSadLoss(std::span<const T> center, std::span<const SemiLabel> semi, double eta,
                            double epsilon)
    : center_(copy(center)), semi_(semi), eta_(static_cast<T>(eta)), epsilon_(static_cast<T>(epsilon)) {}

template <class T>
void DeepSadLoss<T>::evaluate(const GroupLoss<T>& group) const noexcept {
  std::array<T, kLanes> label{};
  for (std::size_t lane = 0; lane < group.n_valid; ++lane)
    label[lane] = static_cast<T>(semi_[group.rows[lane]]);
  kernels::deep_sad_loss(center_.size(), group.n_valid, group.output,
                         {center_.data(), label.data(), eta_, epsilon_}, group.scale, group.d_output,
                         group.lane_loss);
}

template <class T>
SoftBoundaryLoss<T>::SoftBoundaryLoss(std::span<const T> center, double nu, std::size_t n_rows)
    : center_(copy(center)), inverse_nu_(static_cast<T>(1 / nu)), distances_(n_rows) {}

template <class T>
void SoftBoundaryLoss<T>::evaluate(const GroupLoss<T>& group) const noexcept {
  alignas(kAlignment) std::array<T, kLanes> distance;
  alignas(kAlignment) std::array<T, kLanes> factor{};
  kernels::squared_distance(center_.size(), group.output, center_.data(), distance.data());
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    group.lane_loss[lane] = 0;
    if (lane >= group.n_valid) continue;
    const T outside = distance[lane] - squared_radius_;
    const bool inside = outside <= 0;  // not of NaN, which must be seen
    distances_[group.rows[lane]] = distance[lane];
    group.lane_loss[lane] = static_cast<double>(squared_radius_ + (inside ? T{0} : inverse_nu_ * outside));
    factor[lane] = inside ? T{0} : inverse_nu_ * group.scale;
  }
  kernels::squared_distance_backward(center_.size(), group.output, center_.data(), factor.data(),
                                     group.d_output);
}

template <class T>
void CrossEntropyLoss<T>::evaluate(const GroupLoss<T>& group) const noexcept {
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    group.lane_loss[lane] = 0;
    group.d_output[lane] = 0;
    if (lane >= group.n_valid) continue;
    const T z = group.output[lane];
    const bool anomaly = semi_[group.rows[lane]] == SemiLabel::anomaly;
    const T target = anomaly ? T{1} : T{0};
    const T weight = static_cast<T>(anomaly ? weights_.anomaly : weights_.normal);
    const T decay = std::exp(-std::abs(z));  // in (0, 1]
    group.lane_loss[lane] =
        static_cast<double>(weight * (std::max(z, T{0}) - target * z + std::log1p(decay)));
    const T probability = (z >= 0 ? T{1} : decay) / (1 + decay);
    group.d_output[lane] = weight * ((probability - target) * group.scale);
  }
}

template class ReconstructionLoss<float>;
template class ReconstructionLoss<double>;
template class DeepSadLoss<float>;
template class DeepSadLoss<double>;
template class SoftBoundaryLoss<float>;
template class SoftBoundaryLoss<double>;
template class CrossEntropyLoss<float>;
template class CrossEntropyLoss<double>;

}  // namespace deepsad
