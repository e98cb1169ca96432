#include "model/columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace deepsad {
namespace {

std::string number_text(double value) {
  // Raw values come back from float32: more digits than that would be noise.
  return fmt::format("{:.6g}", value == 0 ? 0.0 : value);
}

// "2024-02-29", of a mean of dates the day it falls on.
std::string date_text(double days) {
  constexpr double kLimit = 1e7;  // beyond the calendar's years
  if (!(std::abs(days) < kLimit)) return number_text(days);
  constexpr double kRounding = 1e-3;  // a minute: means of rows come back from float32
  const std::chrono::year_month_day date{
      std::chrono::sys_days{std::chrono::days{static_cast<int>(std::floor(days + kRounding))}}};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

// From the raw values of the column's features, which lie as Schema says: the value or the categories and
// "other", then whether it is missing.
std::string cell_text(const ColumnSchema& column, std::span<const double> values) {
  constexpr double kSet = 0.5;  // of an indicator; of a mean of rows: in most of them
  const char* const missing = "missing";
  const char* const other = "other";
  if (column.missing == MissingPolicy::impute && values.back() > kSet) return missing;
  switch (column.kind) {
    case ColumnKind::one_hot: {
      const auto end = values.begin() + static_cast<std::ptrdiff_t>(column.categories.size() + 1);
      const auto largest = std::max_element(values.begin(), end);
      if (*largest <= 0) return missing;
      return largest + 1 == end ? other
                                : column.categories[static_cast<std::size_t>(largest - values.begin())];
    }
    case ColumnKind::ordinal: {
      if (values[1] > kSet) return other;
      const double last = static_cast<double>(column.categories.size() - 1);
      return column.categories[static_cast<std::size_t>(std::clamp(std::round(values[0]), 0.0, last))];
    }
    case ColumnKind::date:
      return date_text(values[0]);
    default:
      return number_text(values[0]);
  }
}

}  // namespace

std::vector<ExplainedColumn> explained_columns(const Model& model) {
  std::vector<ExplainedColumn> columns;
  const std::vector<std::size_t>& shape = model.sample_shape();
  const std::vector<std::string>& names = model.feature_names();
  const auto d = static_cast<std::uint32_t>(model.scaler().n_features());
  if (shape.size() == 3) {
    const auto plane = static_cast<std::uint32_t>(shape[1] * shape[2]);
    for (std::uint32_t pixel = 0; pixel < plane; ++pixel) {
      ExplainedColumn column{fmt::format("y {}, x {}", pixel / shape[2], pixel % shape[2]), {}, {}};
      for (std::uint32_t c = 0; c < shape[0]; ++c) column.features.push_back(c * plane + pixel);
      columns.push_back(std::move(column));
    }
    return columns;
  }
  if (model.schema()) {
    const Schema& schema = model.schema()->schema;
    for (std::uint32_t j = 0; j < d; ++j) {
      const std::uint32_t column = schema.features()[j].column;
      if (columns.empty() || columns.back().schema_column != column)
        columns.push_back({schema.columns()[column].name, {}, column});
      columns.back().features.push_back(j);
    }
    return columns;
  }
  for (std::uint32_t j = 0; j < d; ++j)
    columns.push_back({names.empty() ? fmt::format("feature {}", j) : names[j], {j}, {}});
  return columns;
}

std::string column_value(const Model& model, const ExplainedColumn& column, std::span<const double> row) {
  std::vector<double> values;
  for (const std::uint32_t j : column.features) values.push_back(row[j]);
  if (column.schema_column) return cell_text(model.schema()->schema.columns()[*column.schema_column], values);
  std::string text;
  for (const double value : values) text += (text.empty() ? "" : "/") + number_text(value);
  return text;
}

}  // namespace deepsad
