// Squared distances or dot products between the rows of a training set, computed once for every kernel width,
// and the rows of a kernel matrix made of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "deepsad/core/aligned_buffer.h"
#include "deepsad/core/matrix_view.h"
#include "deepsad/core/parallel.h"
#include "deepsad/core/progress.h"
#include "detectors/dual_solver.h"

namespace deepsad {

enum class PairValue { squared_distance, dot_product };

enum class KernelKind { rbf, linear, poly };

/// k(x, y) = exp(-gamma |x - y|^2), <x, y>, or (gamma <x, y>)^3.
struct Kernel {
  KernelKind kind = KernelKind::rbf;
  double gamma = 1;
};

/// "rbf", "linear", "poly".
[[nodiscard]] std::string kernel_name(KernelKind kind);
/// @throws InvalidArgument for another name
[[nodiscard]] KernelKind kernel_by_name(const std::string& name);
[[nodiscard]] PairValue pair_value(KernelKind kind);

/// Rows of n x d floats in the panels that the distance kernels read (kernels/distance).
class PackedRows {
 public:
  PackedRows() = default;
  explicit PackedRows(MatrixView<const float> x);
  [[nodiscard]] std::size_t n() const { return n_; }
  [[nodiscard]] std::size_t n_features() const { return d_; }
  /// n rounded up to whole panels: the floats that pairs() writes for one row.
  [[nodiscard]] std::size_t padded() const;
  /// dst[i * padded() + j] = value of row i of `a` with packed row j; dst is 64-byte aligned.
  void pairs(PairValue value, MatrixView<const float> a, float* dst) const;
  /// The panel that begins with row `first`, a multiple of a panel's rows.
  [[nodiscard]] const float* panel(std::size_t first) const { return packed_.data() + first * d_; }

 private:
  AlignedBuffer<float> packed_;
  std::size_t n_ = 0, d_ = 0;
};

/// How much memory distances and kernel rows may take.
struct MemoryPlan {
  std::size_t budget = 0;  ///< bytes; 0 = half of the machine's memory
};

/// The pair values of all rows of a training set with each other: stored whole, if that takes at most half of
/// the budget, else computed row by row when asked for. Both ways give the same bits. Reading is safe from
/// many threads.
class PairMatrix {
 public:
  /// Says through the observer what it will store, and about how long that takes, before it starts.
  /// @throws Interrupted
  PairMatrix(MatrixView<const float> x, PairValue value, const MemoryPlan& plan, ThreadPool& pool,
             const Observer& observer, const StopToken* stop);

  [[nodiscard]] std::size_t n() const { return x_.rows(); }
  [[nodiscard]] std::size_t padded() const { return packed_.padded(); }
  [[nodiscard]] PairValue value() const { return value_; }
  [[nodiscard]] const PackedRows& packed() const { return packed_; }
  [[nodiscard]] bool stored() const { return !matrix_.empty(); }
  /// Bytes left for kernel rows.
  [[nodiscard]] std::size_t budget_left() const { return budget_left_; }
  /// The n values of row i: in the matrix, or computed into `scratch` (padded() floats, 64-byte aligned).
  [[nodiscard]] const float* row(std::size_t i, float* scratch) const;
  /// x_i with itself.
  [[nodiscard]] float diagonal(std::size_t i) const { return diagonal_[i]; }

 private:
  void fill(ThreadPool& pool, const StopToken* stop);
  MatrixView<const float> x_;
  PairValue value_;
  PackedRows packed_;
  AlignedBuffer<float> matrix_;
  std::vector<float> diagonal_;
  std::size_t budget_left_ = 0;
};

/// Rows of a kernel matrix, computed when first asked for and kept while the budget lasts (then the row that
/// was not used for the longest time makes room).
class CachedKernelRows final : public KernelRows {
 public:
  /// @param budget bytes for kept rows; at least four rows are kept whatever it is
  CachedKernelRows(const PairMatrix& pairs, const Kernel& kernel, std::size_t budget);
  [[nodiscard]] const float* row(std::size_t i) override;
  [[nodiscard]] double diagonal(std::size_t i) const override;

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  void use(std::uint32_t slot);
  const PairMatrix& pairs_;
  Kernel kernel_;
  [[nodiscard]] float* slot(std::uint32_t slot) {
    return slabs_[slot / slab_rows_].data() + (slot % slab_rows_) * pairs_.padded();
  }
  std::size_t capacity_;
  std::size_t slab_rows_;  // slots are allocated by the slab, for large pages
  std::vector<AlignedBuffer<float>> slabs_;
  std::vector<std::uint32_t> slot_of_, row_of_;  // row -> slot, slot -> row
  std::vector<std::uint32_t> newer_, older_;     // slots by last use, doubly linked
  std::uint32_t newest_ = kNone, oldest_ = kNone;
  AlignedBuffer<float> scratch_;
};

/// values[i] = k of pair value values[i], i < n.
void apply_kernel(const Kernel& kernel, std::size_t n, const float* values, float* dst);

/// dst_j = sum_i factors[i] (x_j - rows_ij), in double: what the gradients of sums of radial functions are
/// made of.
void weighted_differences(std::span<const float> x, MatrixView<const float> rows,
                          std::span<const double> factors, std::span<float> dst);
/// dst_j = sum_i factors[i] rows_ij, for sums of functions of dot products.
void weighted_rows(MatrixView<const float> rows, std::span<const double> factors, std::span<float> dst);

/// The median squared distance between two of (at most 1000, evenly spread) rows. 0 if most rows are equal.
[[nodiscard]] double median_squared_distance(MatrixView<const float> x);

}  // namespace deepsad
