#include "data/dialect.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include "data/cell_text.h"
#include "data/record_scan.h"

namespace deepsad {
namespace {

// Tables in which a decimal comma or a comma in a text could mislead come before the comma itself.
constexpr std::array kSeparators = {'\t', ';', '|', ',', ' '};
constexpr std::size_t kMostRecords = 200;

using Record = std::vector<std::string_view>;

// The first records of the sample, without blank ones; broken ones end it.
std::vector<Record> records_of(std::string_view sample, bool at_end, char separator) {
  std::vector<Record> records;
  std::vector<RawCell> cells;
  while (!sample.empty() && records.size() < kMostRecords) {
    const ScanResult scan = scan_record(sample, at_end, separator, cells);
    if (scan.status != ScanStatus::record) break;
    if (!is_blank_record(sample, cells, scan.quoted)) {
      Record& record = records.emplace_back();
      for (const RawCell& cell : cells)
        record.push_back(trimmed(sample.substr(cell.begin, cell.end - cell.begin)));
    }
    sample.remove_prefix(scan.next);
    if (scan.ended_by_cr && !sample.empty() && sample.front() == '\n') sample.remove_prefix(1);
  }
  return records;
}

// Share of the records that have the most frequent number of cells, if that is at least two.
double agreement(const std::vector<Record>& records) {
  std::map<std::size_t, std::size_t> counts;
  for (const Record& record : records) ++counts[record.size()];
  std::size_t best = 0;
  for (const auto& [n_cells, n_records] : counts)
    if (n_cells > 1) best = std::max(best, n_records);
  return records.empty() ? 0 : static_cast<double>(best) / static_cast<double>(records.size());
}

// A number, be it one that is read as a text.
bool looks_like_number(std::string_view cell) {
  return parse_number(cell).has_value() || has_decimal_comma(cell);
}

// 0, 1, 2, ..., perhaps behind an empty cell: names that nobody gave, as pandas writes them.
bool counts_columns(const Record& first) {
  const std::size_t begin = !first.empty() && first[0].empty() ? 1 : 0;
  constexpr std::size_t kFewest = 3;  // with the empty cell
  if (first.size() < kFewest) return false;
  for (std::size_t j = begin; j < first.size(); ++j)
    if (parse_number(first[j]) != static_cast<double>(j - begin)) return false;
  return true;
}

bool detect_header(const std::vector<Record>& records, const DelimitedOptions& options, std::string& why) {
  if (records.empty()) return false;
  const Record& first = records.front();
  for (const std::string& name : options.expected_names) {
    if (std::ranges::find(first, name) == first.end()) continue;
    why = fmt::format("the first record names the column {}", shown(name));
    return true;
  }
  if (records.size() == 1) {
    const bool numbers = std::ranges::any_of(first, looks_like_number);
    why = numbers ? "the first record holds numbers" : "the first record holds no number";
    return !numbers;
  }
  if (counts_columns(first)) {
    why = "the first record counts the columns";
    return true;
  }
  bool any_number_column = false;
  for (std::size_t j = 0; j < first.size(); ++j) {
    std::size_t numbers = 0, texts = 0;
    for (std::size_t i = 1; i < records.size(); ++i) {
      if (j >= records[i].size() || is_missing_word(records[i][j], options.missing_words)) continue;
      ++(looks_like_number(records[i][j]) ? numbers : texts);
    }
    if (numbers <= texts) continue;
    any_number_column = true;
    if (looks_like_number(first[j]) || is_missing_word(first[j], options.missing_words)) continue;
    why = fmt::format("the first record holds the text {} in a column of numbers", shown(first[j]));
    return true;
  }
  if (any_number_column) {
    why = "the first record holds numbers, as those below it do";
    return false;
  }
  std::set<std::string_view> names;
  for (std::size_t j = 0; j < first.size(); ++j) {
    bool recurs = first[j].empty() || !names.insert(first[j]).second;
    for (std::size_t i = 1; i < records.size() && !recurs; ++i)
      recurs = j < records[i].size() && records[i][j] == first[j];
    if (!recurs) continue;
    why = fmt::format("the first record's {} turns up again, or is empty", shown(first[j]));
    return false;
  }
  why = "all columns hold texts, and those of the first record turn up nowhere else";
  return true;
}

}  // namespace

DetectedDialect detect_dialect(std::string_view sample, bool at_end, const DelimitedOptions& options) {
  DetectedDialect found;
  std::vector<Record> records;
  if (options.separator) {
    found.dialect.separator = *options.separator;
    records = records_of(sample, at_end, *options.separator);
  } else {
    double best = 0;
    for (const char separator : kSeparators) {
      std::vector<Record> cut = records_of(sample, at_end, separator);
      const double share = agreement(cut);
      if (share <= best) continue;
      best = share;
      found.dialect.separator = separator;
      records = std::move(cut);
    }
    constexpr double kLeastAgreement = 0.5;
    if (best < kLeastAgreement) {  // one column of texts, some of which hold a separator
      found.dialect.separator = ',';
      records = records_of(sample, at_end, ',');
    }
  }
  found.dialect.header = options.header ? *options.header : detect_header(records, options, found.why_header);
  return found;
}

}  // namespace deepsad
