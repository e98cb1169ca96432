// The losses of the deep methods, each a mean over the samples of a batch.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "deepsad/core/aligned_buffer.h"
#include "deepsad/data/dataset.h"
#include "deepsad/nn/network_spec.h"
#include "nn/plan.h"

namespace deepsad {

/// What a loss makes of a network's output before it compares.
enum class OutputUnit { identity, sigmoid };

/// Reconstruction: (1/d) sum_j (y_j - x_j)^2 against the network's input x; y is the network's output, or its
/// sigmoid.
template <class T>
class ReconstructionLoss final : public Loss<T> {
 public:
  explicit ReconstructionLoss(std::size_t n_features, OutputUnit unit = OutputUnit::identity)
      : n_features_(n_features), unit_(unit) {}
  void evaluate(const GroupLoss<T>& group) const noexcept override;

 private:
  std::size_t n_features_;
  OutputUnit unit_;
};

/// An autoencoder as its training runs it: a sigmoid at the end is left to the loss, which computes it, its
/// error and the gradient in one pass. Same parameters, same bits.
struct ReconstructionTraining {
  explicit ReconstructionTraining(const NetworkSpec& autoencoder);
  NetworkSpec network;
  OutputUnit unit = OutputUnit::identity;
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

/// Binary cross-entropy of one logit z per sample: w_t (log(1 + e^z) - t z), t = 1 for rows labelled
/// anomalous, else 0, as max(z, 0) - t z + log(1 + e^-|z|), which neither overflows nor loses small losses.
template <class T>
class CrossEntropyLoss final : public Loss<T> {
 public:
  struct Weights {
    double normal = 1, anomaly = 1;  ///< w_0, w_1
  };
  /// @param semi one entry for each row of the training matrix; outlives the loss
  explicit CrossEntropyLoss(std::span<const SemiLabel> semi, Weights weights = {})
      : semi_(semi), weights_(weights) {}
  void evaluate(const GroupLoss<T>& group) const noexcept override;

 private:
  std::span<const SemiLabel> semi_;
  Weights weights_;
};

}  // namespace deepsad
