#include "data/schema_inference.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <unordered_map>
#include <utility>

#include "data/cell_text.h"
#include "data/schema_kinds.h"
#include "deepsad/core/error.h"

namespace deepsad {
namespace {

// A cell that is no number is kept as a NaN with a code in its lower half: no number of a table is a NaN.
constexpr std::uint64_t kCodeBits = 0x7ff8'0000'0000'0000;
constexpr std::uint32_t kMissing = 0xffff'ffff;
constexpr std::uint32_t kSomeText = 0xffff'fffe;  // the dictionary is full

double coded(std::uint32_t code) {
  return std::bit_cast<double>(kCodeBits | code);
}
std::uint32_t code_of(double cell) {
  return static_cast<std::uint32_t>(std::bit_cast<std::uint64_t>(cell));
}
bool is_number(double cell) {
  return !std::isnan(cell);
}

std::uint64_t mixed(std::uint64_t hash, double cell) {
  // -0 and 0 are one value. The multiplier is that of Fibonacci hashing, 2^64 divided by the golden ratio.
  constexpr std::uint64_t kMultiplier = 0x9e3779b97f4a7c15;
  const double value = cell == 0 ? 0.0 : cell;
  return std::rotl((hash ^ std::bit_cast<std::uint64_t>(value)) * kMultiplier, 29);
}

bool same_cell(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b) || a == b;
}

ColumnKind kind_of(ColumnWish wish) {
  switch (wish) {
    case ColumnWish::label:
      return ColumnKind::label;
    case ColumnWish::truth:
      return ColumnKind::truth;
    case ColumnWish::id:
      return ColumnKind::id;
    default:
      return ColumnKind::ignored;
  }
}

}  // namespace

SchemaInference::SchemaInference(std::vector<std::string> names, std::vector<ColumnWish> wishes,
                                 InferenceOptions options)
    : options_(std::move(options)), missing_words_(options_.missing_words) {
  for (std::size_t j = 0; j < names.size(); ++j) {
    Column& column = columns_.emplace_back();
    column.name = std::move(names[j]);
    column.wish = wishes[j];
    if (wishes[j] == ColumnWish::infer || wishes[j] == ColumnWish::category) cells_.push_back(j);
  }
  constexpr std::size_t kBlockCells = std::size_t{1} << 19;
  block_rows_ = std::max<std::size_t>(1, kBlockCells / std::max<std::size_t>(1, cells_.size()));
}

void SchemaInference::add(const DelimitedReader& reader) {
  const std::size_t row_in_block = n_rows_ % block_rows_;
  if (row_in_block == 0)
    blocks_.push_back(std::make_unique_for_overwrite<double[]>(block_rows_ * cells_.size()));
  double* dst = blocks_.back().get() + row_in_block * cells_.size();
  const std::span<const Cell> cells = reader.cells();
  for (const std::size_t j : cells_) {
    const std::string_view text = cells[j].text;
    const double number = number_or_nan(text);
    if (is_number(number) && missing_words_.contains(number)) {
      ++columns_[j].n_missing;
      *dst++ = coded(kMissing);
    } else {
      *dst++ = is_number(number) ? number : add_text(columns_[j], text, reader, j);
    }
  }
  ++n_rows_;
}

double SchemaInference::add_text(Column& column, std::string_view text, const DelimitedReader& reader,
                                 std::size_t cell) {
  if (missing_words_.contains(text)) {
    ++column.n_missing;
    return coded(kMissing);
  }
  text = trimmed(text);
  if (column.n_dates == column.n_texts || options_.dates) {
    const std::optional<double> date = parse_date(text);
    if (date) ++column.n_dates;
    if (date && options_.dates && column.wish != ColumnWish::category) {
      ++column.n_texts;
      return *date;
    }
  }
  ++column.n_texts;
  if (!column.first_text) column.first_text = Place{std::string(text), reader.place(cell)};
  if (column.many_texts) return coded(kSomeText);
  text = as_utf8(text, scratch_);
  if (const auto found = column.codes.find(text); found != column.codes.end()) return coded(found->second);
  const auto code = static_cast<std::uint32_t>(column.texts.size());
  if (column.wish == ColumnWish::infer && code == options_.max_categories) {
    column.many_texts = true;
    return coded(kSomeText);
  }
  column.codes.emplace(text, code);
  column.texts.emplace_back(text);
  return coded(code);
}

double SchemaInference::median(std::size_t j) const {
  std::vector<double> values;
  for (std::size_t row = 0; row < n_rows_; ++row)
    if (is_number(cell(row, j))) values.push_back(cell(row, j));
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return std::midpoint(*std::max_element(values.begin(), middle), *middle);
}

// As categories they would lose their order and distance, unnoticed.
void SchemaInference::refuse_decimal_commas(const Column& column) {
  constexpr double kMost = 0.8;
  const auto n = static_cast<double>(std::ranges::count_if(column.texts, has_decimal_comma));
  if (n == 0 || n < kMost * static_cast<double>(column.texts.size())) return;
  throw DataError(
      fmt::format("{}: column {}: found {}; numbers with a decimal comma are read as texts: write them with "
                  "decimal points, or declare the column as categories, or ignore it",
                  column.first_text->where, shown(column.name), shown(column.first_text->text)));
}

ColumnSchema SchemaInference::decide(std::size_t j) const {
  const Column& column = columns_[cells_[j]];
  const std::size_t n_present = n_rows_ - column.n_missing, n_numbers = n_present - column.n_texts;
  ColumnSchema result{.name = column.name};
  const auto ignore = [&](std::string why) {
    result.kind = ColumnKind::ignored;
    result.why = std::move(why);
    return result;
  };
  const auto missing_text = [&] {
    return column.n_missing == 0 ? std::string() : fmt::format("{} missing", column.n_missing);
  };
  if (n_present == 0) return ignore("empty: no row has a value");
  if (column.n_missing > 0) result.missing = MissingPolicy::impute;

  bool constant = column.n_missing == 0 && !column.many_texts;
  for (std::size_t row = 1; row < n_rows_ && constant; ++row) constant = same_cell(cell(row, j), cell(0, j));
  if (constant) {
    const double value = cell(0, j);
    return ignore(
        fmt::format("constant: always {}", is_number(value) && column.n_dates == 0 ? number_text(value)
                                           : is_number(value) ? std::string("the same date")
                                                              : shown(column.texts[code_of(value)])));
  }
  const bool wanted = column.wish == ColumnWish::category;
  if (column.n_texts == 0 && !wanted) {
    result.why = missing_text();
    if (column.n_missing > 0) result.imputed = median(j);
    return result;
  }
  if (n_numbers > column.n_texts && !wanted) {
    const Place place = column.first_text.value_or(Place{"a date", column.name});
    throw DataError(fmt::format(
        "{}: column {}: found {} in a column of numbers ({} numbers, {} texts); declare it as a word for "
        "missing values, the column as categories, or ignore the column",
        place.where, shown(column.name), shown(place.text), n_numbers, column.n_texts));
  }
  if (!wanted) refuse_decimal_commas(column);
  if (column.n_dates == column.n_texts && n_numbers == 0 && !wanted) {
    if (!options_.dates) return ignore("dates, which become numbers only on request");
    result.kind = ColumnKind::date;
    result.why = missing_text();
    if (column.n_missing > 0) result.imputed = median(j);
    return result;
  }
  if (column.n_dates > 0 && options_.dates && !wanted) {
    throw DataError(
        fmt::format("{}: column {}: found {} in a column of {} dates; ignore the column or declare "
                    "the text as a word for missing values",
                    column.first_text ? column.first_text->where : column.name, shown(column.name),
                    column.first_text ? shown(column.first_text->text) : "a number", column.n_dates));
  }

  const std::string how = "give it as categories to use it";
  std::set<double> values;
  for (std::size_t row = 0; row < n_rows_ && n_numbers > 0; ++row) {
    if (is_number(cell(row, j))) values.insert(cell(row, j));
    if (!wanted && values.size() > options_.max_categories) break;
  }
  const std::size_t n_different = column.texts.size() + values.size();
  if (!wanted && (column.many_texts || n_different > options_.max_categories)) {
    return ignore(fmt::format("more than {} different texts, as of ids or free text; {}",
                              options_.max_categories, how));
  }
  constexpr std::size_t kFewCategories = 2;
  if (!wanted && n_different > std::max(kFewCategories, n_present / 2)) {
    return ignore(fmt::format("{} different texts in {} rows, as of ids or free text; {}", n_different,
                              n_present, how));
  }
  result.kind = ColumnKind::one_hot;
  result.categories = column.texts;
  for (const double value : values) result.categories.push_back(number_text(value));
  std::ranges::sort(result.categories);
  result.why = missing_text();
  return result;
}

void SchemaInference::ignore_duplicates(std::vector<ColumnSchema>& columns) const {
  // Row by row through the blocks, so that memory is read once.
  std::vector<std::uint64_t> hashes(cells_.size());
  for (std::size_t row = 0; row < n_rows_; ++row)
    for (std::size_t j = 0; j < cells_.size(); ++j) hashes[j] = mixed(hashes[j], cell(row, j));
  std::unordered_map<std::uint64_t, std::vector<std::size_t>> seen;
  for (std::size_t j = 0; j < cells_.size(); ++j) {
    ColumnSchema& column = columns[cells_[j]];
    if (column.kind == ColumnKind::ignored) continue;
    std::vector<std::size_t>& alike = seen[hashes[j]];
    for (const std::size_t other : alike) {
      const ColumnSchema& first = columns[cells_[other]];
      // Texts are known by their codes; those of two columns mean the same if their dictionaries agree.
      bool same = first.kind == column.kind && columns_[cells_[other]].texts == columns_[cells_[j]].texts;
      for (std::size_t row = 0; row < n_rows_ && same; ++row)
        same = same_cell(cell(row, j), cell(row, other));
      if (!same) continue;
      column = {.name = column.name,
                .kind = ColumnKind::ignored,
                .why = fmt::format("the same as column {} in every row", shown(first.name))};
      break;
    }
    if (column.kind != ColumnKind::ignored) alike.push_back(j);
  }
}

Schema SchemaInference::infer(const std::string& source) const {
  std::vector<ColumnSchema> columns;
  for (const Column& column : columns_)
    columns.push_back({.name = column.name, .kind = kind_of(column.wish), .why = {}});
  for (std::size_t j = 0; j < columns_.size(); ++j)
    if (columns_[j].wish == ColumnWish::ignore) columns[j].why = "as asked for";
  for (std::size_t j = 0; j < cells_.size(); ++j) columns[cells_[j]] = decide(j);
  ignore_duplicates(columns);
  try {
    return Schema(std::move(columns), options_.missing_words, source);
  } catch (const InvalidArgument& error) {
    throw DataError(error.what());
  }
}

std::vector<double> SchemaInference::take_features(const Schema& schema) {
  // Per kept column: what its codes become.
  struct Target {
    std::size_t j;
    const ColumnSchema* column;
    std::vector<std::size_t> category_of_code;
    CategoryIndex categories;
  };
  std::vector<Target> targets;
  for (std::size_t j = 0; j < cells_.size(); ++j) {
    const ColumnSchema& column = schema.columns()[cells_[j]];
    if (column.kind == ColumnKind::ignored) continue;
    Target& target = targets.emplace_back(Target{j, &column, {}, CategoryIndex(column.categories)});
    for (const std::string& text : columns_[cells_[j]].texts)
      target.category_of_code.push_back(target.categories.find(text).value_or(0));
  }
  std::vector<double> features;
  features.reserve(n_rows_ * schema.n_features());
  for (std::size_t block = 0; block < blocks_.size(); ++block) {
    const std::size_t first = block * block_rows_, last = std::min(n_rows_, first + block_rows_);
    for (std::size_t row = first; row < last; ++row) {
      for (const Target& target : targets) {
        const double value = cell(row, target.j);
        const bool missing = !is_number(value) && code_of(value) == kMissing;
        if (target.column->kind == ColumnKind::one_hot) {
          const std::size_t start = features.size();
          features.resize(start + target.column->categories.size() + 1);  // the last: other
          if (!missing) {
            features[start + (is_number(value) ? target.categories.find(value).value_or(0)
                                               : target.category_of_code[code_of(value)])] = 1;
          }
        } else {
          features.push_back(missing ? target.column->imputed : value);
        }
        if (target.column->missing == MissingPolicy::impute) features.push_back(missing ? 1 : 0);
      }
    }
    blocks_[block].reset();
  }
  blocks_.clear();
  n_rows_ = 0;
  return features;
}

}  // namespace deepsad
