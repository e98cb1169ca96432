#include "deepsad/data/scaler.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "data/row_positions.h"
#include "deepsad/core/error.h"

namespace deepsad {
namespace {

constexpr int kPixelMax = 255;

// "data/cardio.mat" where the file is known, else the name of the set.
std::string place(const Dataset& data) {
  if (!data.sources.empty()) return data.sources.front().path;
  return data.name.empty() ? "table" : data.name;
}

void require_rows(const Dataset& data, std::span<const std::uint32_t> rows, const char* operation) {
  const std::size_t n = data.size();
  for (const std::uint32_t row : rows) {
    if (row >= n)
      throw InvalidArgument(fmt::format("[{}] row {} of a Dataset with {} rows", operation, row, n));
  }
}

std::span<const double> row_of(const std::vector<double>& values, std::size_t row, std::size_t d) {
  return std::span(values).subspan(row * d, d);
}

constexpr std::array<std::pair<Scaling, const char*>, 5> kScalingNames{{{Scaling::min_max, "min-max"},
                                                                        {Scaling::standardise, "standardise"},
                                                                        {Scaling::robust, "robust"},
                                                                        {Scaling::quantile, "quantile"},
                                                                        {Scaling::none, "none"}}};

constexpr std::size_t kMostQuantiles = 1000;

// The share of the quantiles below x, in [0, 1]; beyond them it goes on as min-max does.
double share_below(std::span<const double> quantiles, double x) {
  const double first = quantiles.front(), last = quantiles.back();
  if (first == last) return x - first;  // constant
  if (x <= first) return (x - first) / (last - first);
  if (x >= last) return 1 + (x - last) / (last - first);
  // Quantiles equal to x lie at [begin, end); a value that many rows share gets the middle of its shares.
  const auto [begin, end] = std::equal_range(quantiles.begin(), quantiles.end(), x);
  const auto steps = static_cast<double>(quantiles.size() - 1);
  const auto position = static_cast<double>(begin - quantiles.begin());
  if (begin != end) return (position + static_cast<double>(end - 1 - quantiles.begin())) / 2 / steps;
  const double below = *(begin - 1);
  return (position - 1 + (x - below) / (*begin - below)) / steps;
}

// The q-quantile of the values, which it reorders: linear interpolation between order statistics.
double quantile(std::vector<double>& values, double q) {
  const double place = q * static_cast<double>(values.size() - 1);
  const auto below = values.begin() + static_cast<std::ptrdiff_t>(place);
  std::nth_element(values.begin(), below, values.end());
  const double share = place - std::floor(place);
  if (share == 0) return *below;
  const double next = *std::min_element(below + 1, values.end());
  return *below + share * (next - *below);
}

// Appends the quantiles of an ascending column at equally spaced probabilities from 0 to 1.
void add_quantiles(const std::vector<double>& column, std::vector<double>& quantiles) {
  const std::size_t n = std::min(column.size(), kMostQuantiles);
  for (std::size_t k = 0; k < n; ++k) {
    // Place k (size - 1) / (n - 1), whole part and rest exactly, so that the ends are the extremes
    // themselves.
    const std::size_t steps = std::max<std::size_t>(n - 1, 1), scaled = k * (column.size() - 1);
    const std::size_t below = scaled / steps, rest = scaled % steps;
    double value = column[below];
    if (rest > 0)
      value = std::lerp(value, column[below + 1], static_cast<double>(rest) / static_cast<double>(steps));
    quantiles.push_back(value);
  }
}

// A zero range means a constant feature, which is left where standardising put it.
double divisor_of_range(double min, double max) {
  return max > min ? max - min : 1.0;
}

void require_features(std::size_t d, const std::string& place) {
  if (d == 0) throw DataError(fmt::format("{}: the table has 0 features; wanted at least 1", place));
}

// Row i of the view as doubles: in place if it holds them, else in `buffer`.
std::span<const double> as_doubles(MatrixView<const double> view, std::size_t i,
                                   std::vector<double>& /*buffer*/) {
  return view.row(i);
}
template <class T>
std::span<const double> as_doubles(MatrixView<const T> view, std::size_t i, std::vector<double>& buffer) {
  buffer.assign(view.row(i).begin(), view.row(i).end());
  return buffer;
}

}  // namespace

struct Scaler::Names {
  std::string place;  // the file, or what stands for it
  std::span<const std::string> features;
  std::size_t first_row = 0;  // number of row 0

  [[nodiscard]] std::string feature(std::size_t j) const {
    return j < features.size() ? fmt::format("feature {} (\"{}\")", j, features[j])
                               : fmt::format("feature {}", j);
  }
  void require_finite(std::span<const double> values, std::size_t row) const {
    const auto bad = std::find_if(values.begin(), values.end(), [](double x) { return !std::isfinite(x); });
    if (bad == values.end()) return;
    throw DataError(fmt::format(
        "{}: row {}, {} (both counted from 0): found {}, wanted a finite number; remove or replace the "
        "missing values",
        place, first_row + row, feature(static_cast<std::size_t>(bad - values.begin())), *bad));
  }
};

Scaler Scaler::pixels(std::size_t n_features) {
  if (n_features == 0) throw InvalidArgument("[Scaler] samples have 0 pixels; wanted at least 1");
  return {Kind::pixels, n_features};
}

const char* scaling_name(Scaling scaling) {
  for (const auto& [value, name] : kScalingNames)
    if (value == scaling) return name;
  return "";
}

Scaling scaling_from_name(const std::string& name) {
  for (const auto& [value, known] : kScalingNames)
    if (name == known) return value;
  throw InvalidArgument(fmt::format(
      "unknown scaling \"{}\"; wanted one of min-max, standardise, robust, quantile, none", name));
}

Scaler Scaler::fit(const Dataset& data, std::span<const std::uint32_t> rows, Scaling scaling) {
  return std::holds_alternative<std::vector<double>>(data.values) ? fit_table(data, rows, scaling)
                                                                  : pixels(data.n_features());
}

Scaler Scaler::fit_table(const Dataset& data, std::span<const std::uint32_t> rows, Scaling scaling) {
  const auto* values = std::get_if<std::vector<double>>(&data.values);
  if (values == nullptr) {
    throw InvalidArgument(
        fmt::format("[Scaler] {} holds bytes; a table scaler is fitted on numbers", place(data)));
  }
  const std::size_t d = data.n_features();
  require_features(d, place(data));
  require_rows(data, rows, "Scaler");
  return fit_rows({place(data), data.feature_names}, d, rows, scaling,
                  [&](std::size_t row, std::vector<double>&) { return row_of(*values, row, d); });
}

Scaler Scaler::fit_table(const RawRows& rows, Scaling scaling) {
  require_features(rows.n_features(), rows.name);
  return fit_rows({rows.name, rows.feature_names, rows.first_row}, rows.n_features(), all_rows(rows.size()),
                  scaling, [&](std::size_t row, std::vector<double>& buffer) {
                    return std::visit([&](const auto& view) { return as_doubles(view, row, buffer); },
                                      rows.values);
                  });
}

// row_at(row, buffer): the values of a row, perhaps in the buffer.
template <class RowAt>
Scaler Scaler::fit_rows(const Names& names, std::size_t d, std::span<const std::uint32_t> rows,
                        Scaling scaling, const RowAt& row_at) {
  if (rows.empty()) throw InvalidArgument("[Scaler] no row to fit on; wanted at least 1");
  std::vector<double> buffer;
  for (const std::uint32_t row : rows) names.require_finite(row_at(row, buffer), row);

  Scaler scaler(Kind::table, d);
  scaler.scaling_ = scaling;
  if (scaling == Scaling::none || scaling == Scaling::quantile) {
    scaler.mean_.assign(d, 0.0);
    scaler.std_.assign(d, 1.0);
    scaler.min_ = scaler.max_ = scaler.mean_;
    if (scaling == Scaling::none) return scaler;
    std::vector<double> column(rows.size());
    for (std::size_t j = 0; j < d; ++j) {
      for (std::size_t i = 0; i < rows.size(); ++i) column[i] = row_at(rows[i], buffer)[j];
      std::sort(column.begin(), column.end());
      if (!std::isfinite(column.back() - column.front())) {
        throw DataError(fmt::format("{}: {} spans {} to {}: its range leaves that of double; rescale it",
                                    names.place, names.feature(j), column.front(), column.back()));
      }
      add_quantiles(column, scaler.quantiles_);
    }
    return scaler;
  }
  const auto n = static_cast<double>(rows.size());
  auto& mean = scaler.mean_;
  auto& std_dev = scaler.std_;
  auto& min = scaler.min_;
  auto& max = scaler.max_;
  // Raw extremes first: they tell a constant feature exactly. Its computed mean may miss the constant by a
  // rounding, and the deviation, then tiny instead of 0, would blow any other value up to 1e16.
  const std::span<const double> first = row_at(rows.front(), buffer);
  min.assign(first.begin(), first.end());
  max = min;
  mean.assign(d, 0.0);
  std_dev.assign(d, 0.0);
  for (const std::uint32_t row : rows) {
    const auto x = row_at(row, buffer);
    for (std::size_t j = 0; j < d; ++j) {
      mean[j] += x[j];
      min[j] = std::min(min[j], x[j]);
      max[j] = std::max(max[j], x[j]);
    }
  }
  for (std::size_t j = 0; j < d; ++j) mean[j] = min[j] == max[j] ? min[j] : mean[j] / n;
  for (const std::uint32_t row : rows) {
    const auto x = row_at(row, buffer);
    for (std::size_t j = 0; j < d; ++j) std_dev[j] += (x[j] - mean[j]) * (x[j] - mean[j]);
  }
  for (std::size_t j = 0; j < d; ++j) {
    std_dev[j] = std::sqrt(std_dev[j] / n);
    if (!std::isfinite(mean[j]) || !std::isfinite(std_dev[j])) {
      throw DataError(
          fmt::format("{}: {} spans {} to {}: its mean and deviation leave the range of double; rescale it",
                      names.place, names.feature(j), min[j], max[j]));
    }
    // 0 for a constant feature, and for one so small that its variance underflows: the min-max step still
    // scales that.
    if (std_dev[j] == 0) std_dev[j] = 1;
    // Standardising is monotone, also in floating point, so the extremes of z are the images of the raw
    // extremes.
    min[j] = (min[j] - mean[j]) / std_dev[j];
    max[j] = (max[j] - mean[j]) / std_dev[j];
  }
  if (scaling == Scaling::min_max) return scaler;
  if (scaling == Scaling::robust) {
    std::vector<double> column(rows.size());
    for (std::size_t j = 0; j < d; ++j) {
      if (min[j] == max[j]) continue;  // constant
      for (std::size_t i = 0; i < rows.size(); ++i) column[i] = row_at(rows[i], buffer)[j];
      const double range = quantile(column, 0.75) - quantile(column, 0.25);
      mean[j] = quantile(column, 0.5);
      if (range > 0 && std::isfinite(range)) std_dev[j] = range;
    }
  }
  min.assign(d, 0.0);
  max = min;
  return scaler;
}

Scaler Scaler::table_from_parts(std::vector<double> mean, std::vector<double> std, std::vector<double> min,
                                std::vector<double> max, Scaling scaling) {
  const std::size_t d = mean.size();
  if (d == 0 || std.size() != d || min.size() != d || max.size() != d) {
    throw InvalidArgument(fmt::format(
        "[Scaler] mean, std, min, max have {}, {}, {}, {} entries; wanted equal numbers, at least 1", d,
        std.size(), min.size(), max.size()));
  }
  for (std::size_t j = 0; j < d; ++j) {
    if (!std::isfinite(mean[j]) || !std::isfinite(std[j]) || !std::isfinite(min[j]) ||
        !std::isfinite(max[j]) || !(std[j] > 0) || min[j] > max[j]) {
      throw InvalidArgument(
          fmt::format("[Scaler] feature {}: mean {}, std {}, min {}, max {}; wanted finite numbers, std > 0 "
                      "and min <= max",
                      j, mean[j], std[j], min[j], max[j]));
    }
  }
  Scaler scaler(Kind::table, d);
  scaler.scaling_ = scaling;
  scaler.mean_ = std::move(mean);
  scaler.std_ = std::move(std);
  scaler.min_ = std::move(min);
  scaler.max_ = std::move(max);
  return scaler;
}

Scaler Scaler::quantile_from_parts(std::vector<double> quantiles, std::size_t n_features) {
  if (n_features == 0 || quantiles.empty() || quantiles.size() % n_features != 0) {
    throw InvalidArgument(
        fmt::format("[Scaler] {} quantiles for {} features; wanted equal numbers, at least 1 a feature",
                    quantiles.size(), n_features));
  }
  const std::size_t n = quantiles.size() / n_features;
  for (std::size_t j = 0; j < n_features; ++j) {
    const auto first = quantiles.begin() + static_cast<std::ptrdiff_t>(j * n);
    const auto last = first + static_cast<std::ptrdiff_t>(n);
    const bool finite = std::all_of(first, last, [](double q) { return std::isfinite(q); });
    if (!finite || !std::is_sorted(first, last) || !std::isfinite(*(last - 1) - *first)) {
      throw InvalidArgument(
          fmt::format("[Scaler] feature {}: its quantiles are not finite or do not ascend", j));
    }
  }
  Scaler scaler(Kind::table, n_features);
  scaler.scaling_ = Scaling::quantile;
  scaler.mean_.assign(n_features, 0.0);
  scaler.std_.assign(n_features, 1.0);
  scaler.min_ = scaler.max_ = scaler.mean_;
  scaler.quantiles_ = std::move(quantiles);
  return scaler;
}

Matrix<float> Scaler::transform(const Dataset& data, std::span<const std::uint32_t> rows) const {
  Matrix<float> result(rows.size(), n_features_);
  transform(data, rows, {result.values.data(), result.rows, result.cols});
  return result;
}

Matrix<float> Scaler::transform(const Dataset& data) const {
  return transform(data, all_rows(data.size()));
}

void Scaler::transform(const Dataset& data, std::span<const std::uint32_t> rows,
                       MatrixView<float> dst) const {
  const std::size_t d = n_features_;
  if (data.n_features() != d) {
    throw DataError(fmt::format("{}: samples have {} features; the model was fitted on {}", place(data),
                                data.n_features(), d));
  }
  require_rows(data, rows, "Scaler::transform");
  if (dst.rows() != rows.size() || dst.cols() != d) {
    throw InvalidArgument(fmt::format("[Scaler::transform] destination is {} x {}; wanted {} x {}",
                                      dst.rows(), dst.cols(), rows.size(), d));
  }
  if (kind_ == Kind::pixels) {
    const auto* bytes = std::get_if<std::vector<std::uint8_t>>(&data.values);
    if (bytes == nullptr) {
      throw DataError(fmt::format("{}: holds numbers; the model was fitted on images of bytes", place(data)));
    }
    std::array<float, kPixelMax + 1> scaled{};
    for (int i = 0; i <= kPixelMax; ++i) {
      scaled[static_cast<std::size_t>(i)] = static_cast<float>(i) / static_cast<float>(kPixelMax);
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::uint8_t* src = bytes->data() + rows[i] * d;
      float* out = dst.row(i).data();
      for (std::size_t j = 0; j < d; ++j) out[j] = scaled[src[j]];
    }
    return;
  }
  const auto* values = std::get_if<std::vector<double>>(&data.values);
  if (values == nullptr) {
    throw DataError(
        fmt::format("{}: holds images of bytes; the model was fitted on a table of numbers", place(data)));
  }
  const Names names{place(data), data.feature_names};
  for (std::size_t i = 0; i < rows.size(); ++i)
    scale_row(names, row_of(*values, rows[i], d), rows[i], dst.row(i));
}

void Scaler::scale_row(const Names& names, std::span<const double> x, std::size_t row,
                       std::span<float> dst) const {
  names.require_finite(x, row);
  const std::size_t n_quantiles = quantiles_.size() / n_features_;
  for (std::size_t j = 0; j < n_features_ && n_quantiles > 0; ++j) {
    const std::span<const double> quantiles = std::span(quantiles_).subspan(j * n_quantiles, n_quantiles);
    dst[j] = static_cast<float>(share_below(quantiles, x[j]));
    if (!std::isfinite(dst[j])) {
      throw DataError(fmt::format(
          "{}: row {}, {} (both counted from 0): {} lies so far from the training values ({} to "
          "{}) that its scaled value is no longer a number",
          names.place, names.first_row + row, names.feature(j), x[j], quantiles.front(), quantiles.back()));
    }
  }
  if (n_quantiles > 0) return;
  for (std::size_t j = 0; j < n_features_; ++j) {
    const double z = (x[j] - mean_[j]) / std_[j];
    dst[j] = static_cast<float>((z - min_[j]) / divisor_of_range(min_[j], max_[j]));
    if (!std::isfinite(dst[j])) {
      throw DataError(
          fmt::format("{}: row {}, {} (both counted from 0): {} lies so far from the training values (mean "
                      "{}, standard deviation "
                      "{}) that its scaled value is no longer a number",
                      names.place, names.first_row + row, names.feature(j), x[j], mean_[j], std_[j]));
    }
  }
}

double Scaler::raw_value(std::size_t feature, double scaled) const {
  if (kind_ == Kind::pixels) return scaled * kPixelMax;
  if (!quantiles_.empty()) {
    const std::size_t n = quantiles_.size() / n_features_;
    const std::span<const double> quantiles = std::span(quantiles_).subspan(feature * n, n);
    const double first = quantiles.front(), last = quantiles.back();
    if (first == last || !(scaled >= 0 && scaled <= 1)) return first + scaled * divisor_of_range(first, last);
    const double position = scaled * static_cast<double>(n - 1);
    const std::size_t below = std::min(static_cast<std::size_t>(position), n - 2);
    return quantiles[below] +
           (position - static_cast<double>(below)) * (quantiles[below + 1] - quantiles[below]);
  }
  const double z = scaled * divisor_of_range(min_[feature], max_[feature]) + min_[feature];
  return z * std_[feature] + mean_[feature];
}

double Scaler::scaled_mean(std::size_t feature) const {
  if (kind_ == Kind::pixels) return 0;
  if (!quantiles_.empty()) return 0.5;
  return -min_[feature] / divisor_of_range(min_[feature], max_[feature]);
}

void Scaler::transform(const RawRows& rows, std::size_t first, MatrixView<float> dst) const {
  if (rows.n_features() != n_features_) {
    throw DataError(fmt::format("{}: samples have {} features; the model was fitted on {}", rows.name,
                                rows.n_features(), n_features_));
  }
  if (first + dst.rows() > rows.size() || dst.cols() != n_features_) {
    throw InvalidArgument(fmt::format(
        "[Scaler::transform] destination is {} x {}; wanted {} columns, and rows {} to {} are of {}",
        dst.rows(), dst.cols(), n_features_, first, first + dst.rows(), rows.size()));
  }
  const Names names{rows.name, rows.feature_names, rows.first_row};
  std::vector<double> buffer;
  for (std::size_t i = 0; i < dst.rows(); ++i) {
    const std::size_t row = first + i;
    const std::span<const double> x =
        std::visit([&](const auto& view) { return as_doubles(view, row, buffer); }, rows.values);
    if (kind_ == Kind::table) {
      scale_row(names, x, row, dst.row(i));
      continue;
    }
    for (std::size_t j = 0; j < n_features_; ++j) {
      if (!(x[j] >= 0 && x[j] <= kPixelMax && x[j] == std::floor(x[j]))) {
        throw DataError(
            fmt::format("{}: row {}, pixel {} (both counted from 0): found {}, wanted a whole number from 0 "
                        "to {}: the model was fitted on images of bytes",
                        rows.name, rows.first_row + row, j, x[j], kPixelMax));
      }
      dst.row(i)[j] = static_cast<float>(x[j]) / static_cast<float>(kPixelMax);
    }
  }
}

}  // namespace deepsad
