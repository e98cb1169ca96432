#include "detectors/pairwise.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "deepsad/core/error.h"
#include "kernels/distance/distance.h"
#include "kernels/radial/radial.h"

namespace deepsad {
namespace {

using kernels::kPanelRows;
using Clock = std::chrono::steady_clock;

/// Rows and columns of a tile of the stored matrix: whole panels, small enough for the second-level cache.
constexpr std::size_t kTile = 3 * kPanelRows;
/// Work (pairs times features) from which on it is worth saying how long it takes.
constexpr double kLongWork = 2e11;
constexpr std::size_t kMedianRows = 1000;
constexpr std::size_t kSlabBytes = std::size_t{32} << 20;
constexpr std::size_t kFewestRows = 4;  // three of a step, and one more

std::size_t machine_memory() {
  const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0 ? static_cast<std::size_t>(pages) * static_cast<std::size_t>(size) : 0;
}

std::string bytes_text(std::size_t bytes) {
  const double megabytes = static_cast<double>(bytes) / 1e6;
  return megabytes < 1000 ? fmt::format("{:.1f} MB", megabytes) : fmt::format("{:.1f} GB", megabytes / 1000);
}

}  // namespace

std::string kernel_name(KernelKind kind) {
  constexpr std::array kNames{"rbf", "linear", "poly"};
  return kNames[static_cast<std::size_t>(kind)];
}

KernelKind kernel_by_name(const std::string& name) {
  for (const KernelKind kind : {KernelKind::rbf, KernelKind::linear, KernelKind::poly})
    if (name == kernel_name(kind)) return kind;
  throw InvalidArgument(fmt::format("unknown kernel \"{}\"; known: rbf, linear, poly", name));
}

PairValue pair_value(KernelKind kind) {
  return kind == KernelKind::rbf ? PairValue::squared_distance : PairValue::dot_product;
}

PackedRows::PackedRows(MatrixView<const float> x)
    : packed_(kernels::n_panels(x.rows()) * kPanelRows * x.cols()), n_(x.rows()), d_(x.cols()) {
  kernels::pack_rows(x.data(), x.stride(), n_, d_, packed_.data());
}

std::size_t PackedRows::padded() const {
  return kernels::n_panels(n_) * kPanelRows;
}

void PackedRows::pairs(PairValue value, MatrixView<const float> a, float* dst) const {
  (value == PairValue::squared_distance ? kernels::squared_distances : kernels::dot_products)(
      a.data(), a.stride(), a.rows(), packed_.data(), kernels::n_panels(n_), d_, dst, padded());
}

PairMatrix::PairMatrix(MatrixView<const float> x, PairValue value, const MemoryPlan& plan, ThreadPool& pool,
                       const Observer& observer, const StopToken* stop)
    : x_(x), value_(value), packed_(x) {
  const std::size_t budget = plan.budget > 0 ? plan.budget : machine_memory() / 2;
  const std::size_t row_bytes = padded() * sizeof(float);
  const bool store = x.rows() <= budget / 2 / row_bytes;
  const std::size_t matrix_bytes = store ? x.rows() * row_bytes : 0;
  budget_left_ = budget - std::min(budget, matrix_bytes);
  const char* what = value == PairValue::squared_distance ? "squared distances" : "dot products";
  observer.info(store
                    ? fmt::format("memory: {} x {} {} take {}, kernel rows at most {}", x.rows(), x.rows(),
                                  what, bytes_text(matrix_bytes), bytes_text(budget_left_))
                    : fmt::format("memory: {} x {} {} would take {}, more than half of {}; they are computed "
                                  "when needed, kernel rows take at most {}",
                                  x.rows(), x.rows(), what, bytes_text(x.rows() * row_bytes),
                                  bytes_text(budget), bytes_text(budget_left_)));
  diagonal_.assign(x.rows(), 0);
  if (value == PairValue::dot_product) {  // the same sum as in the matrix, from a panel of the row alone
    AlignedBuffer<float> panel(kPanelRows * x.cols()), products(kPanelRows);
    for (std::size_t i = 0; i < x.rows(); ++i) {
      kernels::pack_rows(x.data() + i * x.stride(), x.stride(), 1, x.cols(), panel.data());
      kernels::dot_products(x.data() + i * x.stride(), x.stride(), 1, panel.data(), 1, x.cols(),
                            products.data(), kPanelRows);
      diagonal_[i] = products[0];
    }
  }
  const double work =
      static_cast<double>(x.rows()) * static_cast<double>(x.rows()) / 2 * static_cast<double>(x.cols());
  if (work > kLongWork) {
    const std::size_t n_probe = std::min(kTile, x.rows());
    AlignedBuffer<float> probe(n_probe * padded());
    const auto begin = Clock::now();
    packed_.pairs(value, x.rows_from(0, n_probe), probe.data());
    const double all = std::chrono::duration<double>(Clock::now() - begin).count() *
                       static_cast<double>(x.rows()) / static_cast<double>(n_probe);
    observer.info(
        store
            ? fmt::format("the {} take about {:.0f} s", what, all / 2 / static_cast<double>(pool.n_threads()))
            : fmt::format("all rows of {} take about {:.0f} s; a kernel needs from a tenth of them "
                          "to all, and those that are not kept again",
                          what, all));
  }
  if (!store) return;
  matrix_ = AlignedBuffer<float>(x.rows() * padded());
  fill(pool, stop);
}

// Tiles of the upper triangle, each computed once and written twice.
void PairMatrix::fill(ThreadPool& pool, const StopToken* stop) {
  const std::size_t n = x_.rows(), ld = padded();
  const std::size_t n_tiles = (n + kTile - 1) / kTile;
  const auto kernel =
      value_ == PairValue::squared_distance ? kernels::squared_distances : kernels::dot_products;
  // Row r of tiles has n_tiles - r of them; rows r and n_tiles - 1 - r together make equal shares.
  const std::size_t n_shares = (n_tiles + 1) / 2;
  pool.parallel_for(n_shares, [&](std::size_t share) {
    if (stop != nullptr && stop->stop_requested()) return;
    for (const std::size_t r : {share, n_tiles - 1 - share}) {
      const std::size_t i0 = r * kTile, rows = std::min(kTile, n - i0);
      const float* a = x_.data() + i0 * x_.stride();
      for (std::size_t j0 = i0; j0 < n; j0 += kTile) {
        const std::size_t columns = std::min(kTile, n - j0);
        kernel(a, x_.stride(), rows, packed_.panel(j0), kernels::n_panels(columns), x_.cols(),
               matrix_.data() + i0 * ld + j0, ld);
        if (j0 == i0) continue;
        for (std::size_t i = 0; i < rows; ++i)
          for (std::size_t j = 0; j < columns; ++j)
            matrix_[(j0 + j) * ld + i0 + i] = matrix_[(i0 + i) * ld + j0 + j];
      }
      if (r == n_tiles - 1 - share && share == r) break;  // the middle row is its own partner
    }
  });
  if (stop != nullptr && stop->stop_requested()) throw Interrupted("stopped while computing distances");
}

const float* PairMatrix::row(std::size_t i, float* scratch) const {
  if (stored()) return matrix_.data() + i * padded();
  packed_.pairs(value_, x_.rows_from(i, 1), scratch);
  return scratch;
}

CachedKernelRows::CachedKernelRows(const PairMatrix& pairs, const Kernel& kernel, std::size_t budget)
    : pairs_(pairs),
      kernel_(kernel),
      capacity_(std::clamp(budget / (pairs.padded() * sizeof(float)), kFewestRows,
                           std::max(kFewestRows, pairs.n()))),
      slab_rows_(std::clamp(kSlabBytes / (pairs.padded() * sizeof(float)), std::size_t{1}, capacity_)),
      slot_of_(pairs.n(), kNone),
      scratch_(pairs.stored() ? 0 : pairs.padded()) {}

double CachedKernelRows::diagonal(std::size_t i) const {
  float value = pairs_.diagonal(i);
  apply_kernel(kernel_, 1, &value, &value);
  return static_cast<double>(value);
}

// Makes `slot` the newest.
void CachedKernelRows::use(std::uint32_t slot) {
  if (newest_ == slot) return;
  if (newer_[slot] != kNone) {  // it stands in the list, and not at its end
    older_[newer_[slot]] = older_[slot];
    (older_[slot] != kNone ? newer_[older_[slot]] : oldest_) = newer_[slot];
  }
  older_[slot] = newest_;
  newer_[slot] = kNone;
  if (newest_ != kNone) newer_[newest_] = slot;
  newest_ = slot;
  if (oldest_ == kNone) oldest_ = slot;
}

const float* CachedKernelRows::row(std::size_t i) {
  if (slot_of_[i] == kNone) {
    std::uint32_t slot = oldest_;
    if (row_of_.size() < capacity_) {
      slot = static_cast<std::uint32_t>(row_of_.size());
      if (slot % slab_rows_ == 0)
        slabs_.emplace_back(std::min(slab_rows_, capacity_ - slot) * pairs_.padded());
      row_of_.push_back(kNone);
      newer_.push_back(kNone);
      older_.push_back(kNone);
    } else {
      slot_of_[row_of_[slot]] = kNone;
    }
    apply_kernel(kernel_, pairs_.n(), pairs_.row(i, scratch_.data()), this->slot(slot));
    slot_of_[i] = slot;
    row_of_[slot] = static_cast<std::uint32_t>(i);
  }
  use(slot_of_[i]);
  return slot(slot_of_[i]);
}

void apply_kernel(const Kernel& kernel, std::size_t n, const float* values, float* dst) {
  const auto gamma = static_cast<float>(kernel.gamma);
  switch (kernel.kind) {
    case KernelKind::rbf:
      kernels::exp_of_distances(n, values, gamma, dst);
      break;
    case KernelKind::linear:
      std::copy_n(values, n, dst);
      break;
    case KernelKind::poly:
      for (std::size_t i = 0; i < n; ++i) {
        const float base = gamma * values[i];
        dst[i] = base * base * base;
      }
      break;
  }
}

void weighted_differences(std::span<const float> x, MatrixView<const float> rows,
                          std::span<const double> factors, std::span<float> dst) {
  std::vector<double> sums(x.size());
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    if (factors[i] == 0) continue;
    const std::span<const float> row = rows.row(i);
    for (std::size_t j = 0; j < x.size(); ++j)
      sums[j] += factors[i] * (static_cast<double>(x[j]) - static_cast<double>(row[j]));
  }
  std::transform(sums.begin(), sums.end(), dst.begin(), [](double sum) { return static_cast<float>(sum); });
}

void weighted_rows(MatrixView<const float> rows, std::span<const double> factors, std::span<float> dst) {
  std::vector<double> sums(rows.cols());
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const std::span<const float> row = rows.row(i);
    for (std::size_t j = 0; j < sums.size(); ++j) sums[j] += factors[i] * static_cast<double>(row[j]);
  }
  std::transform(sums.begin(), sums.end(), dst.begin(), [](double sum) { return static_cast<float>(sum); });
}

double median_squared_distance(MatrixView<const float> x) {
  const std::size_t n = std::min(x.rows(), kMedianRows);
  if (n < 2) return 0;
  Matrix<float> sample(n, x.cols());
  for (std::size_t i = 0; i < n; ++i) std::ranges::copy(x.row(i * x.rows() / n), sample.row(i).begin());
  const PackedRows packed({sample.values.data(), n, x.cols()});
  AlignedBuffer<float> row(packed.padded());
  std::vector<float> distances;
  distances.reserve(n * (n - 1) / 2);
  for (std::size_t i = 1; i < n; ++i) {
    packed.pairs(PairValue::squared_distance, {sample.row(i).data(), 1, x.cols()}, row.data());
    distances.insert(distances.end(), row.begin(), row.begin() + i);
  }
  const auto middle = distances.begin() + static_cast<std::ptrdiff_t>(distances.size() / 2);
  std::nth_element(distances.begin(), middle, distances.end());
  return static_cast<double>(*middle);
}

}  // namespace deepsad
