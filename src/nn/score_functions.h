// The scores of the deep methods with their derivatives, for Plan<T>::score_gradient().
#pragma once

#include <span>

#include "deepsad/core/aligned_buffer.h"
#include "deepsad/core/matrix_view.h"
#include "nn/plan.h"

namespace deepsad {

/// Deep SAD, Deep SVDD: s = |y - c|^2 of the output y.
template <class T>
class SquaredDistanceScore final : public ScoreFunction<T> {
 public:
  explicit SquaredDistanceScore(std::span<const T> center);
  void evaluate(const GroupScore<T>& group) const noexcept override;

 private:
  AlignedBuffer<T> center_;
};

/// Autoencoder: s = (1/d) sum_j (y_j - x_j)^2 of output y and input x.
template <class T>
class ReconstructionScore final : public ScoreFunction<T> {
 public:
  explicit ReconstructionScore(std::size_t n_features) : n_features_(n_features) {}
  void evaluate(const GroupScore<T>& group) const noexcept override;
  void add_direct(std::size_t n_valid, const T* input, const T* output, T* d_input) const noexcept override;

 private:
  std::size_t n_features_;
};

/// VAE: s = -sum_j [x_j log r_j + (1 - x_j) log(1 - r_j)], r = sigmoid(y) of the output y, x the input.
template <class T>
class CrossEntropyScore final : public ScoreFunction<T> {
 public:
  explicit CrossEntropyScore(std::size_t n_features) : n_features_(n_features) {}
  void evaluate(const GroupScore<T>& group) const noexcept override;
  void add_direct(std::size_t n_valid, const T* input, const T* output, T* d_input) const noexcept override;

 private:
  std::size_t n_features_;
};

/// Classifier: s = y, the only output.
template <class T>
class OutputScore final : public ScoreFunction<T> {
 public:
  void evaluate(const GroupScore<T>& group) const noexcept override;
};

/// M2, M1+M2: s = q(y = 1 | x) = 1 / (1 + exp(a_0 - a_1)) of the two outputs a.
template <class T>
class ClassProbabilityScore final : public ScoreFunction<T> {
 public:
  void evaluate(const GroupScore<T>& group) const noexcept override;
};

/// s = <d_i, y> for row i: the gradient is the transposed Jacobian times d_i, for what another function makes
/// of the output.
template <class T>
class OutputProductScore final : public ScoreFunction<T> {
 public:
  /// @param factors a row for each row of the matrix, a column for each output; outlives the function
  explicit OutputProductScore(MatrixView<const T> factors) : factors_(factors) {}
  void evaluate(const GroupScore<T>& group) const noexcept override;

 private:
  MatrixView<const T> factors_;
};

extern template class SquaredDistanceScore<float>;
extern template class SquaredDistanceScore<double>;
extern template class ReconstructionScore<float>;
extern template class ReconstructionScore<double>;
extern template class CrossEntropyScore<float>;
extern template class CrossEntropyScore<double>;
extern template class OutputScore<float>;
extern template class OutputScore<double>;
extern template class ClassProbabilityScore<float>;
extern template class ClassProbabilityScore<double>;
extern template class OutputProductScore<float>;
extern template class OutputProductScore<double>;

}  // namespace deepsad
