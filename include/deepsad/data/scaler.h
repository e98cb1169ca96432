// Preprocessing: from a Dataset's raw values to the float32 rows that detectors see.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "deepsad/core/aligned_buffer.h"
#include "deepsad/core/matrix_view.h"
#include "deepsad/data/dataset.h"
#include "deepsad/data/raw_rows.h"

namespace deepsad {

/// What a table's scaler maps the fitted rows to, feature by feature (x = raw value):
/// - min_max:     smallest and largest value to 0 and 1, as the authors' published code does;
/// - standardise: mean 0, population standard deviation 1, as Ruff et al. 2020, section 4.4 say;
/// - robust:      median 0, interquartile range 1 (standard deviation 1 where that range is 0): wild values
/// have
///                no say in the constants;
/// - quantile:    the share of the rows below x, uniform in [0, 1] whatever the distribution;
/// - none:        x itself.
enum class Scaling { min_max, standardise, robust, quantile, none };

/// "min-max", "standardise", "robust", "quantile", "none".
[[nodiscard]] const char* scaling_name(Scaling scaling);
/// @throws InvalidArgument for another name
[[nodiscard]] Scaling scaling_from_name(const std::string& name);

/// Constants fitted on training rows once, then applied to every row the model ever sees. Immutable; all
/// members may be called from many threads.
///
/// pixels: x / 255 in float32, for byte images; nothing is fitted.
/// table:  z_j = (x_j - mean_j) / std_j, y_j = (z_j - min_j) / (max_j - min_j), in double, then rounded to
///         float32; a zero range divides by 1.
///         min_max:     mean and population standard deviation (divisor n) of the fitted rows, min and max
///         over
///                      their z_j. (The detour over z is the published code's; it tells only in rounding.)
///         standardise: the same mean and std; min_j = max_j = 0.
///         robust:      mean_j = median, std_j = interquartile range (linear interpolation between order
///                      statistics, as NumPy's percentile), min_j = max_j = 0.
///         none, quantile: 0, 1, 0, 0.
///         quantile has constants of its own instead: q_1 <= ... <= q_m of the fitted rows at the
///         probabilities (k - 1) / (m - 1), m the smaller of 1000 and the number of rows, linear
///         interpolation between order statistics. y = (k - 1 + (x - q_k) / (q_(k+1) - q_k)) / (m - 1)
///         between two of them; a value that equals several gets the mean of the first's and the last's share
///         (the ends get 0 and 1); below q_1 and above q_m it goes on as min-max would, (x - q_1) / (q_m -
///         q_1). A feature that is constant in the fitted rows has std_j = 1 and min_j = max_j = 0: its
///         fitted rows become exactly 0 (none: stay), any other value its difference from the constant.
///         Values of new rows are not clipped.
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
  [[nodiscard]] static Scaler fit_table(const Dataset& data, std::span<const std::uint32_t> rows,
                                        Scaling scaling = Scaling::min_max);
  /// pixels() for a Dataset of bytes, whatever the scaling, fit_table() for one of doubles.
  [[nodiscard]] static Scaler fit(const Dataset& data, std::span<const std::uint32_t> rows,
                                  Scaling scaling = Scaling::min_max);
  /// Fits a table scaler on rows in the caller's memory. The same numbers give the same constants as above.
  /// @throws as fit_table for a Dataset
  [[nodiscard]] static Scaler fit_table(const RawRows& rows, Scaling scaling = Scaling::min_max);
  /// A table scaler from stored constants, one entry per feature.
  /// @throws InvalidArgument if the lengths differ or are 0, an entry is not finite, a std is not positive,
  /// or a max
  ///         is below its min
  [[nodiscard]] static Scaler table_from_parts(std::vector<double> mean, std::vector<double> std,
                                               std::vector<double> min, std::vector<double> max,
                                               Scaling scaling = Scaling::min_max);

  /// A scaler of quantiles from stored ones: those of the first feature, then of the next, equally many each.
  /// @throws InvalidArgument if a number is not finite, they do not ascend, or do not divide into n_features
  [[nodiscard]] static Scaler quantile_from_parts(std::vector<double> quantiles, std::size_t n_features);

  [[nodiscard]] Kind kind() const { return kind_; }
  /// How a table's constants were fitted; of no meaning for pixels.
  [[nodiscard]] Scaling scaling() const { return scaling_; }
  [[nodiscard]] std::size_t n_features() const { return n_features_; }
  /// The constants of a table scaler, one per feature; empty for pixels.
  [[nodiscard]] const std::vector<double>& mean() const { return mean_; }
  [[nodiscard]] const std::vector<double>& std() const { return std_; }
  [[nodiscard]] const std::vector<double>& min() const { return min_; }
  [[nodiscard]] const std::vector<double>& max() const { return max_; }
  /// As quantile_from_parts() takes them; empty for other scalings.
  [[nodiscard]] const std::vector<double>& quantiles() const { return quantiles_; }

  /// The raw value that becomes `scaled` in a feature, up to the rounding of float32.
  [[nodiscard]] double raw_value(std::size_t feature, double scaled) const;
  /// What the mean of the fitted rows becomes (quantile: their median); for pixels 0, black.
  [[nodiscard]] double scaled_mean(std::size_t feature) const;

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
  /// Rows first, first + 1, ... of `rows`, as many as dst has, with the same result as from a Dataset.
  /// @throws as above; also DataError if a pixel is not whole or outside 0..255
  void transform(const RawRows& rows, std::size_t first, MatrixView<float> dst) const;

 private:
  Scaler(Kind kind, std::size_t n_features) : kind_(kind), n_features_(n_features) {}
  struct Names;  // of file and features, for messages
  template <class RowAt>
  static Scaler fit_rows(const Names& names, std::size_t d, std::span<const std::uint32_t> rows,
                         Scaling scaling, const RowAt& row_at);
  void scale_row(const Names& names, std::span<const double> x, std::size_t row, std::span<float> dst) const;

  Kind kind_;
  Scaling scaling_ = Scaling::min_max;
  std::size_t n_features_;
  std::vector<double> mean_;
  std::vector<double> std_;
  std::vector<double> min_;
  std::vector<double> max_;
  std::vector<double> quantiles_;
};

}  // namespace deepsad
