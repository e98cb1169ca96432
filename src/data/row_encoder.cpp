#include "data/row_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "data/bad_record.h"
#include "data/cell_text.h"
#include "data/schema_kinds.h"
#include "deepsad/core/error.h"

namespace deepsad {
namespace {

bool gives_features(ColumnKind kind) {
  return kind != ColumnKind::ignored && !is_role(kind);
}

std::string list_of(const std::vector<std::string>& names) {
  constexpr std::size_t kMostShown = 10;
  std::string text;
  for (std::size_t i = 0; i < std::min(kMostShown, names.size()); ++i)
    text += (i == 0 ? "" : ", ") + shown(names[i]);
  if (names.size() > kMostShown) text += fmt::format(" and {} more", names.size() - kMostShown);
  return text;
}

}  // namespace

CategoryIndex::CategoryIndex(const std::vector<std::string>& categories) {
  for (std::size_t k = 0; k < categories.size(); ++k) {
    const std::string_view text = trimmed(categories[k]);
    by_text_.emplace(text, k);
    if (const std::optional<double> value = parse_number(text)) by_value_.emplace(*value, k);
  }
}

std::optional<std::size_t> CategoryIndex::find(std::string_view text) const {
  if (const auto found = by_text_.find(text); found != by_text_.end()) return found->second;
  if (by_value_.empty()) return {};
  const std::optional<double> value = parse_number(text);
  return value ? find(*value) : std::nullopt;
}

std::optional<std::size_t> CategoryIndex::find(double value) const {
  const auto found = by_value_.find(value);
  return found == by_value_.end() ? std::nullopt : std::optional(found->second);
}

RowEncoder::RowEncoder(Schema schema, const DelimitedReader& reader)
    : schema_(std::move(schema)),
      missing_words_(schema_.missing_words()),
      cell_of_(schema_.columns().size()),
      n_unseen_(schema_.columns().size()) {
  if (reader.dialect().header) {
    find_by_name(reader);
  } else {
    find_by_position(reader);
  }
  for (std::size_t j = 0; j < schema_.columns().size(); ++j) {
    const ColumnSchema& column = schema_.columns()[j];
    if (!gives_features(column.kind)) continue;
    Target& target = targets_.emplace_back(Target{*cell_of_[j], j, {}});
    if (!column.categories.empty()) target.categories.emplace(column.categories);
  }
}

void RowEncoder::find_by_name(const DelimitedReader& reader) {
  std::vector<std::string> missing, unknown;
  const std::vector<std::string>& names = reader.column_names();
  for (std::size_t cell = 0; cell < names.size(); ++cell) {
    if (const auto column = schema_.find(names[cell])) {
      cell_of_[*column] = cell;
    } else {
      unknown.push_back(names[cell]);
    }
  }
  for (std::size_t j = 0; j < schema_.columns().size(); ++j)
    if (!cell_of_[j] && gives_features(schema_.columns()[j].kind))
      missing.push_back(schema_.columns()[j].name);
  if (missing.empty() && unknown.empty()) return;
  std::string message = fmt::format("{}: the columns are not those of the schema:", reader.name());
  if (!missing.empty()) message += fmt::format(" missing {}", list_of(missing));
  if (!unknown.empty()) message += fmt::format("{} unknown {}", missing.empty() ? "" : ",", list_of(unknown));
  if (missing.size() == 1 && unknown.size() == 1) message += "; was it renamed?";
  throw DataError(message);
}

void RowEncoder::find_by_position(const DelimitedReader& reader) {
  const std::size_t found = reader.column_names().size();
  // The labels may be left out, and the ids too.
  const auto without = [&](bool ids_too) {
    std::vector<std::size_t> columns;
    for (std::size_t j = 0; j < schema_.columns().size(); ++j) {
      const ColumnKind kind = schema_.columns()[j].kind;
      if (kind == ColumnKind::label || kind == ColumnKind::truth || (ids_too && kind == ColumnKind::id))
        continue;
      columns.push_back(j);
    }
    return columns;
  };
  std::vector<std::size_t> all;
  for (std::size_t j = 0; j < schema_.columns().size(); ++j) all.push_back(j);
  for (const std::vector<std::size_t>& columns : {all, without(false), without(true)}) {
    if (columns.size() != found) continue;
    for (std::size_t cell = 0; cell < found; ++cell) cell_of_[columns[cell]] = cell;
    return;
  }
  throw DataError(
      fmt::format("{}: found {} columns without a header, wanted the {} of the schema, in its order{}; with "
                  "a header they "
                  "are found by name",
                  reader.name(), found, all.size(),
                  without(true).size() < all.size() ? ", with or without labels and ids" : ""));
}

std::optional<std::size_t> RowEncoder::role(ColumnKind kind) const {
  const std::optional<std::size_t> column = schema_.find(kind);
  return column ? cell_of_[*column] : std::nullopt;
}

void RowEncoder::encode(const DelimitedReader& reader, double* dst) {
  const std::span<const Cell> cells = reader.cells();
  unseen_in_row_.clear();
  for (const Target& target : targets_) {
    const ColumnSchema& column = schema_.columns()[target.column];
    const std::string_view text = cells[target.cell].text;
    const auto refuse = [&](const std::string& why) {
      throw BadRecord(fmt::format("{}: column {}: {}", reader.place(target.cell), shown(column.name), why));
    };
    const bool impute = column.missing == MissingPolicy::impute;
    const auto missing = [&](bool is) {
      if (is && !impute) {
        refuse(
            fmt::format("a missing value ({}), which the schema refuses; wanted {}, or missing = \"impute\" "
                        "in the schema",
                        shown(trimmed(text)), column.categories.empty() ? "a value" : "a category"));
      }
      return is;
    };
    bool is_missing = false;
    switch (column.kind) {
      case ColumnKind::number:
      case ColumnKind::date: {
        const bool date = column.kind == ColumnKind::date;
        double value = date ? parse_date(text).value_or(kNoNumber) : number_or_nan(text);
        if (std::isnan(value) || (!date && missing_words_.contains(value))) {
          is_missing = missing(!std::isnan(value) || missing_words_.contains(text));
          if (!is_missing) {
            refuse(fmt::format("found {}, wanted {}", shown(trimmed(text)),
                               date ? "a date as 2024-12-31" : "a finite number"));
          }
          value = column.imputed;
        }
        *dst++ = value;
        break;
      }
      case ColumnKind::one_hot:
      case ColumnKind::ordinal: {
        is_missing = missing(missing_words_.contains(text));
        const std::optional<std::size_t> category =
            is_missing ? std::nullopt : target.categories->find(as_utf8(trimmed(text), scratch_));
        const bool other = !is_missing && !category;
        if (other) unseen_in_row_.push_back(target.column);
        if (column.kind == ColumnKind::one_hot) {
          std::fill_n(dst, column.categories.size(), 0.0);
          if (category) dst[*category] = 1;
          dst += column.categories.size();
        } else {
          *dst++ = category ? static_cast<double>(*category) : column.imputed;
        }
        *dst++ = other ? 1 : 0;
        break;
      }
      case ColumnKind::ignored:
      case ColumnKind::label:
      case ColumnKind::truth:
      case ColumnKind::id:
        continue;
    }
    if (impute) *dst++ = is_missing ? 1 : 0;
  }
  for (const std::size_t column : unseen_in_row_) ++n_unseen_[column];
}

}  // namespace deepsad
