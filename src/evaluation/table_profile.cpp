#include "evaluation/table_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "data/cell_text.h"
#include "deepsad/data/delimited.h"
#include "deepsad/data/schema.h"

namespace deepsad {
namespace {

constexpr std::size_t kMaxTexts = 2000, kMaxTextBytes = 80;
constexpr std::size_t kFewestRows = 256;  // of the sample, however many columns there are

std::uint64_t hash_of(std::string_view text) {
  // FNV-1a, scrambled because it spreads short texts badly.
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return scrambled(hash);
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// A number with something short before or behind it that is no part of it: "12 kg", "5%", "$3", "EUR 3",
// "<0.1".
bool has_unit(std::string_view text) {
  const auto part_of_number = [](char c) { return is_digit(c) || c == '.' || c == '-' || c == '+'; };
  const auto* const first = std::ranges::find_if(text, part_of_number);
  if (first == text.end()) return false;
  const auto begin = static_cast<std::size_t>(first - text.begin());
  std::size_t end = begin;
  while (end < text.size() && part_of_number(text[end])) ++end;
  if (!parse_number(text.substr(begin, end - begin))) return false;
  if (begin > 0 && end < text.size()) return false;
  // "A12" and "12b" are names, "remark 12" is one, too: a unit is a sign, a currency in front, or stands
  // apart.
  const auto letter = [](char c) { return lower_ascii(c) >= 'a' && lower_ascii(c) <= 'z'; };
  constexpr std::size_t kLongestPrefix = 4, kLongestUnit = 8;
  const std::string_view prefix = text.substr(0, begin), unit = text.substr(end);
  if (begin > 0) {
    const auto small = [](char c) { return c >= 'a' && c <= 'z'; };
    return prefix.size() <= kLongestPrefix && std::ranges::none_of(prefix, small) &&
           (std::ranges::none_of(prefix, letter) || prefix.back() == ' ');
  }
  return unit.size() <= kLongestUnit && !unit.empty() &&
         (unit[0] == ' ' || std::ranges::none_of(unit, letter));
}

// The first two numbers of "31/12/2024" or "31.12.24".
bool parts_of_local_date(std::string_view text, int& first, int& second) {
  const auto number = [&text](std::size_t most) {
    const std::string_view digits = take_digits(text);
    if (digits.empty() || digits.size() > most) return -1;
    int n = 0;
    for (const char c : digits) n = 10 * n + (c - '0');
    return n;
  };
  first = number(2);
  if (first < 1 || text.empty()) return false;
  const char mark = text[0];
  if (mark != '/' && mark != '.' && mark != '-') return false;
  text.remove_prefix(1);
  second = number(2);
  if (second < 1 || text.empty() || text[0] != mark) return false;
  text.remove_prefix(1);
  const std::size_t n_left = text.size();
  return number(4) >= 0 && (n_left - text.size() == 2 || n_left - text.size() == 4) &&
         (text.empty() || text[0] == ' ');
}

}  // namespace

TableProfile::TableProfile(const std::vector<std::string>& names, std::vector<bool> is_feature,
                           const ProfileOptions& options)
    : columns_(names.size()),
      is_feature_(std::move(is_feature)),
      options_(options),
      max_rows_(std::max(kFewestRows, options.max_sample_cells / std::max<std::size_t>(1, names.size()))),
      row_(names.size()),
      all_{.sample = {}, .random = RandomStream(0, "data_check/rows")},
      anomalies_{.sample = {}, .random = RandomStream(0, "data_check/anomalies")},
      normals_{.sample = {}, .random = RandomStream(0, "data_check/normals")},
      sketch_(options.max_distinct_rows) {
  for (std::size_t j = 0; j < names.size(); ++j) {
    columns_[j].name = names[j];
    name_hashes_.push_back(hash_of(names[j]));
  }
}

void TableProfile::tally_text(ColumnProfile& column, std::string_view text, std::uint64_t line) const {
  if (column.n_texts++ == 0) {
    std::string scratch;
    column.first_text = {line, std::string(as_utf8(text.substr(0, kMaxTextBytes), scratch))};
  }
  if (const auto days = parse_date(text)) {
    ++column.n_dates;
    for (std::size_t k = 0; k < kPlaceholderDates.size(); ++k)
      column.n_placeholders[k] += std::floor(*days) == kPlaceholderDates[k].days ? 1 : 0;
    const bool placeholder =
        std::ranges::any_of(kPlaceholderDates, [&](const auto& p) { return std::floor(*days) == p.days; });
    if (*days >= options_.today + 1 && !placeholder && column.n_late_dates++ == 0)
      column.first_late_date = {line, std::string(text.substr(0, kMaxTextBytes))};
    return;
  }
  int first = 0, second = 0;
  if (parts_of_local_date(text, first, second)) {
    constexpr int kMonths = 12;
    if (first > kMonths && second <= kMonths) ++column.n_day_first;
    if (second > kMonths && first <= kMonths) ++column.n_month_first;
    if (first <= kMonths && second <= kMonths) ++column.n_either_first;
    return;
  }
  if (has_decimal_comma(text))
    ++column.n_decimal_commas;
  else if (has_unit(text))
    ++column.n_numbers_with_unit;
}

void TableProfile::tally(ColumnProfile& column, const CellValue& cell, std::uint64_t line) {
  switch (cell.kind) {
    case CellValue::Kind::missing:
      ++column.n_missing;
      return;
    case CellValue::Kind::text:
      tally_text(column, cell.text, line);
      return;
    case CellValue::Kind::number:
      break;
  }
  const double x = cell.number;
  if (column.n_numbers++ == 0) {
    column.first_number = {line, cell.text.empty() ? fmt::format("{}", x) : std::string(cell.text)};
  } else {
    column.rises = column.rises && x > column.last;
    column.rises_by_one = column.rises_by_one && x == column.last + 1;
  }
  column.last = x;
  column.n_integers += x == std::floor(x) ? 1 : 0;
  if (x < column.min) {
    column.min = x;
    column.min_line = line;
  }
  if (x > column.max) {
    column.max = x;
    column.max_line = line;
  }
}

void TableProfile::add(std::span<const CellValue> row, SemiLabel label, std::uint64_t line) {
  std::uint64_t content = 0;
  bool empty = true;
  for (std::size_t j = 0; j < row.size(); ++j) {
    ColumnProfile& column = columns_[j];
    CellValue cell = row[j];
    if (cell.kind == CellValue::Kind::text) cell.text = trimmed(cell.text);
    tally(column, cell, line);
    row_[j] = cell.kind == CellValue::Kind::number ? SampleCell::number(cell.number)
              : cell.kind == CellValue::Kind::text ? SampleCell::text(hash_of(cell.text))
                                                   : SampleCell::missing();
    if (cell.kind == CellValue::Kind::text && column.texts.size() < kMaxTexts &&
        !column.texts.contains(row_[j].bits())) {
      std::string scratch;
      column.texts.emplace(row_[j].bits(), as_utf8(cell.text.substr(0, kMaxTextBytes), scratch));
    }
    column.content = scrambled(column.content ^ row_[j].bits());
    if (!is_feature_[j]) continue;
    empty = empty && row_[j].is_missing();
    // A sum, so that the order of columns plays no role.
    content += scrambled(row_[j].bits() ^ name_hashes_[j]);
  }
  ++n_rows_;
  n_empty_rows_ += empty ? 1 : 0;
  sketch_.add(scrambled(content), label, line);
  offer(all_, label, line);
  if (label == SemiLabel::anomaly) offer(anomalies_, label, line);
  if (label == SemiLabel::normal) offer(normals_, label, line);
}

// Vitter's algorithm R: the i-th row is kept with chance max_rows_ / i, in the place of a random other.
void TableProfile::offer(Reservoir& reservoir, SemiLabel label, std::uint64_t line) {
  RowSample& sample = reservoir.sample;
  ++reservoir.n_seen;
  if (sample.size() < max_rows_) {
    sample.cells.insert(sample.cells.end(), row_.begin(), row_.end());
    sample.labels.push_back(label);
    sample.lines.push_back(line);
    return;
  }
  const std::uint64_t place = reservoir.random.below(reservoir.n_seen);
  if (place >= max_rows_) return;
  std::ranges::copy(row_, sample.cells.begin() + static_cast<std::ptrdiff_t>(place * row_.size()));
  sample.labels[place] = label;
  sample.lines[place] = line;
}

void TableProfile::sort_by_line(RowSample& sample, std::size_t n_columns) {
  std::vector<std::size_t> order(sample.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return sample.lines[i]; });
  RowSample sorted;
  sorted.cells.reserve(sample.cells.size());
  for (const std::size_t i : order) {
    const auto row = sample.cells.begin() + static_cast<std::ptrdiff_t>(i * n_columns);
    sorted.cells.insert(sorted.cells.end(), row, row + static_cast<std::ptrdiff_t>(n_columns));
    sorted.labels.push_back(sample.labels[i]);
    sorted.lines.push_back(sample.lines[i]);
  }
  sample = std::move(sorted);
}

void TableProfile::finish() {
  if (is_whole()) return;
  for (Reservoir* reservoir : {&all_, &anomalies_, &normals_})
    if (reservoir->n_seen > reservoir->sample.size()) sort_by_line(reservoir->sample, columns_.size());
}

RowSketch TableProfile::sketch_without(std::span<const std::size_t> columns) const {
  RowSketch sketch(options_.max_distinct_rows);
  std::vector<bool> counts = is_feature_;
  for (const std::size_t j : columns) counts[j] = false;
  for (std::size_t i = 0; i < rows().size(); ++i) {
    std::uint64_t content = 0;
    for (std::size_t j = 0; j < columns_.size(); ++j)
      if (counts[j]) content += scrambled(cell(rows(), i, j).bits() ^ name_hashes_[j]);
    sketch.add(scrambled(content), rows().labels[i], rows().lines[i]);
  }
  return sketch;
}

std::string TableProfile::text_of(std::size_t column, SampleCell cell) const {
  if (cell.is_missing()) return "(missing)";
  if (cell.is_number()) return fmt::format("{}", cell.value());
  const auto found = columns_[column].texts.find(cell.bits());
  return found == columns_[column].texts.end() ? "(a text)" : shown(found->second);
}

}  // namespace deepsad
