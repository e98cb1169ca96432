// The losses of the deep methods, each a mean over the samples of a batch.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "deepsad/core/aligned_buffer.h"
#include "deepsad/data/dataset.h"
#include "nn/plan.h"

namespace deepsad {

/// Reconstruction: (1/d) sum_j (y_j - x_j)^2 of the network's output y against its input x.
template <class T>
class ReconstructionLoss final : public Loss<T> {
 public:
  explicit ReconstructionLoss(std::size_t n_features) : n_features_(n_features) {}
  void evaluate(const GroupLoss<T>& group) const noexcept override;

 private:
  std::size_t n_features_;
};

/// Deep SAD [Ruff et al. 2020, eq. 7]: d for unlabelled rows, eta (d + epsilon)^y for rows labelled y = +1 or
/// -1, with d = |z - c|^2 and z the network's output.
template <class T>
class DeepSadLoss final : public Loss<T> {
 public:
  /// @param semi one entry for each row of the training matrix; outlives the loss
  DeepSadLoss(std::span<const T> center, std::span<const SemiLabel> semi, double eta, double epsilon);
  void evaluate(const GroupLoss<T>& group) const noexcept override;

 private:
  AlignedBuffer<T> center_;
  std::span<const SemiLabel> semi_;
  T eta_, epsilon_;
};

/// Soft-boundary Deep SVDD [Ruff et al. 2018, eq. 3]: R^2 + (1/nu) max(0, d - R^2). The radius is not learned
/// by gradient: the caller sets it from the distances that each batch left behind.
template <class T>
class SoftBoundaryLoss final : public Loss<T> {
 public:
  /// @param n_rows rows of the training matrix
  SoftBoundaryLoss(std::span<const T> center, double nu, std::size_t n_rows);
  void evaluate(const GroupLoss<T>& group) const noexcept override;
  void set_radius(double radius) { squared_radius_ = static_cast<T>(radius * radius); }
  [[nodiscard]] T squared_radius() const { return squared_radius_; }
  void set_squared_radius(T squared_radius) { squared_radius_ = squared_radius; }
  /// Squared distance of a row when it was last in a batch.
  [[nodiscard]] T distance(std::uint32_t row) const { return distances_[row]; }

 private:
  AlignedBuffer<T> center_;
  T inverse_nu_;
  T squared_radius_ = 0;
  mutable std::vector<T>
      distances_;  // by row; every row belongs to one group of a batch, so threads never meet
};

/// Binary cross-entropy of one logit z per sample: log(1 + e^z) - t z, t = 1 for rows labelled anomalous,
/// else 0, as max(z, 0) - t z + log(1 + e^-|z|), which neither overflows nor loses small losses.
template <class T>
class CrossEntropyLoss final : public Loss<T> {
 public:
  /// @param semi one entry for each row of the training matrix; outlives the loss
  explicit CrossEntropyLoss(std::span<const SemiLabel> semi) : semi_(semi) {}
  void evaluate(const GroupLoss<T>& group) const noexcept override;

 private:
  std::span<const SemiLabel> semi_;
};

}  // namespace deepsad
