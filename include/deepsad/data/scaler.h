// Preprocessing: from a Dataset's raw values to the float32 rows that detectors see.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "deepsad/core/aligned_buffer.h"
#include "deepsad/core/matrix_view.h"
#include "deepsad/data/dataset.h"

namespace deepsad {

/// Constants fitted on training rows once, then applied to every row the model ever sees. Immutable; all
/// members may be called from many threads.
///
/// pixels: x / 255 in float32, for byte images; nothing is fitted.
/// table:  z_j = (x_j - mean_j) / std_j, y_j = (z_j - min_j) / (max_j - min_j), in double, then rounded to
/// float32, with
///         mean and population standard deviation (divisor n) of the fitted rows, min and max over the fitted
///         rows' z_j. A feature that is constant in the fitted rows has std_j = 1 and min_j = max_j = 0, a
///         zero range divides by 1: its fitted rows become exactly 0, any other value its difference from the
///         constant. Values of new rows are not clipped and may leave [0, 1].
/// Source: Ruff et al. 2020, section 4.4, standardise; the authors' published code adds the min-max step, as
/// here.
class Scaler {
 public:
  enum class Kind { pixels, table };

  /// The scaler of byte images with n_features = C*H*W values each.
  /// @throws InvalidArgument if n_features is 0
  [[nodiscard]] static Scaler pixels(std::size_t n_features);
  /// Fits a table scaler on the given rows of a Dataset that holds doubles, and on no other row.
  /// @throws InvalidArgument if rows is empty or names a row that is not there, or the Dataset holds bytes
  /// @throws DataError if one of these rows holds NaN or infinity, or values too large for their variance to
  /// be a
  ///         number; names file, row and feature
  [[nodiscard]] static Scaler fit_table(const Dataset& data, std::span<const std::uint32_t> rows);
  /// pixels() for a Dataset of bytes, fit_table() for one of doubles.
  [[nodiscard]] static Scaler fit(const Dataset& data, std::span<const std::uint32_t> rows);
  /// A table scaler from stored constants, one entry per feature.
  /// @throws InvalidArgument if the lengths differ or are 0, an entry is not finite, a std is not positive,
  /// or a max
  ///         is below its min
  [[nodiscard]] static Scaler table_from_parts(std::vector<double> mean, std::vector<double> std,
                                               std::vector<double> min, std::vector<double> max);

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] std::size_t n_features() const { return n_features_; }
  /// The constants of a table scaler, one per feature; empty for pixels.
  [[nodiscard]] const std::vector<double>& mean() const { return mean_; }
  [[nodiscard]] const std::vector<double>& std() const { return std_; }
  [[nodiscard]] const std::vector<double>& min() const { return min_; }
  [[nodiscard]] const std::vector<double>& max() const { return max_; }

  /// The given rows, scaled: rows.size() x n_features.
  /// @throws as the other transform
  [[nodiscard]] Matrix<float> transform(const Dataset& data, std::span<const std::uint32_t> rows) const;
  /// All rows, scaled.
  [[nodiscard]] Matrix<float> transform(const Dataset& data) const;
  /// The given rows into the caller's memory, for streaming through a buffer of one batch.
  /// @param dst rows.size() x n_features; overlaps nothing
  /// @throws DataError if the Dataset has another number of features (names both) or another kind of values
  /// than this
  ///         scaler, or a row holds NaN, infinity or a value that leaves float32 when scaled (names file,
  ///         row, feature)
  /// @throws InvalidArgument if a row is not there or dst has another shape
  void transform(const Dataset& data, std::span<const std::uint32_t> rows, MatrixView<float> dst) const;

 private:
  Scaler(Kind kind, std::size_t n_features) : kind_(kind), n_features_(n_features) {}

  Kind kind_;
  std::size_t n_features_;
  std::vector<double> mean_;
  std::vector<double> std_;
  std::vector<double> min_;
  std::vector<double> max_;
};

}  // namespace deepsad
