#include "evaluation/column_findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include "data/cell_text.h"
#include "deepsad/core/percent_text.h"
#include "deepsad/data/delimited.h"
#include "deepsad/data/labels.h"
#include "evaluation/quantile.h"

namespace deepsad {
namespace {

constexpr std::size_t kFewRows = 20;  // below, shares say nothing

std::uint64_t n_filled(const ColumnProfile& column) {
  return column.n_numbers + column.n_texts;
}

class ColumnFindings {
 public:
  ColumnFindings(const TableProfile& profile, bool has_labels, std::vector<DataFinding>& findings)
      : profile_(profile), has_labels_(has_labels), findings_(findings) {}

  void find() {
    find_numbers_as_names();
    find_header_inside();
    for (std::size_t j = 0; j < profile_.columns().size(); ++j) {
      if (!profile_.is_feature(j)) continue;
      const ColumnProfile& column = profile_.columns()[j];
      if (!has_labels_) find_unnamed_label(j);
      if (find_missing(column) || find_constant(j)) continue;
      find_types(column);
      find_dates(column);
      find_near_constant(j);
      find_variants(column);
      find_left_out(j);
      if (column.n_numbers > column.n_texts) find_extremes(j);
    }
    for (const std::size_t j : id_like_columns(profile_)) add_id(profile_.columns()[j]);
    find_copies();
    find_scaled_copies();
  }

 private:
  void add(const char* name, Severity severity, std::vector<std::string> columns, std::string seen,
           const char* why, std::string advice) {
    findings_.push_back({name, severity, std::move(columns), std::move(seen), why, std::move(advice)});
  }

  // A row of data, or a line of sizes, that was taken for the header; but not 0, 1, 2, ..., as pandas names
  // columns.
  void find_numbers_as_names() {
    std::vector<std::string> names;
    bool counts = true;
    for (const ColumnProfile& column : profile_.columns()) {
      if (!parse_number(column.name)) continue;
      counts = counts && column.name == std::to_string(names.size());
      names.push_back(column.name);
    }
    if (counts) return;
    const std::string list = some_of(names);
    add("number_as_name", Severity::note, std::move(names), fmt::format("columns are called {}", list),
        "The first line was taken for the header because it holds a text, too. If it is a row of data, that "
        "row "
        "is lost.",
        "nothing if these are names, such as years; --header false if the line is a row; --skip-lines 1 if "
        "it is "
        "neither");
  }

  // Several columns of numbers with one text each, all in one line.
  void find_header_inside() {
    std::vector<std::string> columns, texts;
    std::uint64_t line = 0;
    for (const ColumnProfile& column : profile_.columns()) {
      if (column.n_texts != 1 || column.n_numbers == 0) continue;
      if (line == 0) line = column.first_text.line;
      if (column.first_text.line != line) continue;
      columns.push_back(column.name);
      texts.push_back(column.first_text.text);
    }
    constexpr std::size_t kFewest = 3;
    if (columns.size() < kFewest) return;
    header_line_ = line;
    const std::size_t n = columns.size();
    add("header_inside", Severity::problem, std::move(columns),
        fmt::format("line {} holds texts in {} columns of numbers: {}", line, n, some_of(texts)),
        "They read like the names of the columns. Training and scoring refuse texts in columns of numbers.",
        fmt::format("--skip-lines {} if the table starts there; else take the line out", line - 1));
  }

  // "a", "b", "c", ...
  static std::string some_of(const std::vector<std::string>& words) {
    constexpr std::size_t kShown = 4;
    std::string text;
    for (std::size_t i = 0; i < std::min(kShown, words.size()); ++i)
      text += (i == 0 ? "" : ", ") + shown(words[i]);
    return words.size() > kShown ? text + ", ..." : text;
  }

  bool find_missing(const ColumnProfile& column) {
    if (n_filled(column) == 0) {
      add("empty_column", Severity::note, {column.name},
          fmt::format("all {} cells are missing", column.n_missing),
          "It says nothing; training leaves it out by itself.", "nothing, or repair the export that lost it");
      return true;
    }
    constexpr double kMostlyMissing = 0.5;
    if (static_cast<double>(column.n_missing) > kMostlyMissing * static_cast<double>(profile_.n_rows())) {
      add("mostly_missing", Severity::warning, {column.name},
          fmt::format("{} of {} cells are missing ({})", column.n_missing, profile_.n_rows(),
                      short_percent_text(column.n_missing, profile_.n_rows())),
          "Training puts the median in their place and adds a feature that says so: most of what the model "
          "sees of "
          "this column is whether it was filled in.",
          "leave it out (--ignore-columns) unless that very fact matters");
    }
    return false;
  }

  // Equal cells and how many rows of the sample hold them.
  [[nodiscard]] std::unordered_map<std::uint64_t, std::size_t> counts(std::size_t j) const {
    std::unordered_map<std::uint64_t, std::size_t> result;
    const RowSample& sample = profile_.rows();
    for (std::size_t i = 0; i < sample.size(); ++i) ++result[profile_.cell(sample, i, j).bits()];
    return result;
  }

  bool find_constant(std::size_t j) {
    const ColumnProfile& column = profile_.columns()[j];
    const bool one_number = column.n_texts == 0 && column.min == column.max;
    const bool one_text = column.n_numbers == 0 && column.texts.size() == 1;
    if (column.n_missing > 0 || !(one_number || one_text)) return false;
    add("constant_column", Severity::note, {column.name},
        fmt::format("every row holds {}",
                    one_number ? fmt::format("{}", column.min) : shown(column.texts.begin()->second)),
        "It says nothing; training leaves it out by itself.", "nothing, or repair the export that froze it");
    return true;
  }

  void find_near_constant(std::size_t j) {
    const RowSample& sample = profile_.rows();
    constexpr std::size_t kFewestRows = 200;
    constexpr double kNearlyAll = 0.995;
    if (sample.size() < kFewestRows) return;
    std::uint64_t top = 0;
    std::size_t n_top = 0, first_row = 0;
    for (const auto& [bits, n] : counts(j)) {
      if (n <= n_top) continue;
      top = bits;
      n_top = n;
    }
    if (static_cast<double>(n_top) < kNearlyAll * static_cast<double>(sample.size())) return;
    while (profile_.cell(sample, first_row, j).bits() != top) ++first_row;
    const SampleCell cell = profile_.cell(sample, first_row, j);
    if (cell.is_missing()) return;  // mostly_missing says it
    add("near_constant_column", Severity::note, {profile_.columns()[j].name},
        fmt::format("{} of {} rows hold {}", n_top, sample.size(), profile_.text_of(j, cell)),
        "The few other values decide what the model makes of the column; standardising blows them up, "
        "because the "
        "deviation is tiny.",
        "keep it if the rare values matter; else leave it out (--ignore-columns)");
  }

  void find_types(const ColumnProfile& column) {
    const std::uint64_t n = column.n_texts;
    const auto share_of_texts = [n](std::uint64_t part) {
      return n == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(n);
    };
    constexpr double kMost = 0.8;
    if (share_of_texts(column.n_decimal_commas) >= kMost) {
      add("decimal_comma", Severity::problem, {column.name},
          fmt::format("{} cells are numbers with a decimal comma, such as {} in line {}",
                      column.n_decimal_commas, shown(column.first_text.text), column.first_text.line),
          "deepsad reads decimal points only, whatever the locale: these cells are texts. Training refuses "
          "them, as "
          "categories would lose their order and distance.",
          "export with decimal points, or replace the commas");
      return;
    }
    if (share_of_texts(column.n_numbers_with_unit) >= kMost) {
      add("numbers_with_units", Severity::warning, {column.name},
          fmt::format("{} cells are numbers with something around them, such as {} in line {}",
                      column.n_numbers_with_unit, shown(column.first_text.text), column.first_text.line),
          "They are texts to deepsad: their order and distance are lost, and a column of many different "
          "texts is left "
          "out.",
          "take unit and sign out of the cells; values below a detection limit need a number of your choice");
      return;
    }
    if (column.n_numbers == 0 || n == 0) return;
    if (n == 1 && column.first_text.line == header_line_) return;
    if (n <= column.n_numbers) {
      add("mixed_types", Severity::problem, {column.name},
          fmt::format("{} numbers and {} texts, such as {} in line {}", column.n_numbers, n,
                      shown(column.first_text.text), column.first_text.line),
          "It counts as a column of numbers, in which training and scoring refuse a text.",
          fmt::format("correct the cells, or say what they are: --missing-words {} if the value is missing, "
                      "--category-columns {} if the column holds names",
                      shown(column.first_text.text), shown(column.name)));
      return;
    }
    constexpr double kManyNumbers = 0.05;
    if (static_cast<double>(column.n_numbers) < kManyNumbers * static_cast<double>(n_filled(column))) return;
    add("mixed_types", Severity::note, {column.name},
        fmt::format("{} texts and {} numbers, such as {} in line {}", n, column.n_numbers,
                    column.first_number.text, column.first_number.line),
        "It counts as a column of texts; the numbers become categories or, if there are many, the column is "
        "left out.",
        "nothing if they are codes; else split the column");
  }

  void find_dates(const ColumnProfile& column) {
    const std::uint64_t n_local = column.n_day_first + column.n_month_first + column.n_either_first;
    constexpr double kMost = 0.8;
    if (column.n_texts == 0) return;
    const auto n_texts = static_cast<double>(column.n_texts);
    if (column.n_day_first > 0 && column.n_month_first > 0) {
      add("mixed_date_formats", Severity::warning, {column.name},
          fmt::format("{} dates have the day first, {} the month first, and {} could be either",
                      column.n_day_first, column.n_month_first, column.n_either_first),
          "Nobody can tell any more which day the ambiguous ones mean; two sources were probably put "
          "together.",
          "repair it at the source, and write dates as 2024-02-29");
    } else if (static_cast<double>(n_local) >= kMost * n_texts) {
      add("local_dates", Severity::note, {column.name},
          fmt::format("{} dates such as {}", n_local, shown(column.first_text.text)),
          "deepsad reads dates as 2024-02-29 only, so that day and month cannot be confused; the column is "
          "left out.",
          "write them as 2024-02-29 and give --dates if the date should be a feature");
    }
    if (static_cast<double>(column.n_dates) < kMost * n_texts) return;
    for (std::size_t k = 0; k < kPlaceholderDates.size(); ++k) {
      constexpr std::uint64_t kRepeated = 3;
      if (column.n_placeholders[k] < kRepeated) continue;
      add("suspicious_dates", Severity::warning, {column.name},
          fmt::format("{} of {} dates are {}", column.n_placeholders[k], column.n_dates,
                      kPlaceholderDates[k].text),
          "Programs write this date where they have none.", "make the cells empty if no date is meant");
    }
    if (column.n_late_dates > 0) {
      add("suspicious_dates", Severity::warning, {column.name},
          fmt::format("{} of {} dates lie in the future, such as {} in line {}", column.n_late_dates,
                      column.n_dates, shown(column.first_late_date.text), column.first_late_date.line),
          "They are mistakes, or the column was filled in with what was planned, not with what happened.",
          "check the cells");
    }
  }

  void find_variants(const ColumnProfile& column) {
    constexpr std::size_t kMostCategories = 500;
    if (column.texts.size() < 2 || column.texts.size() > kMostCategories) return;
    std::map<std::string, std::set<std::string>> variants;
    for (const auto& [bits, text] : column.texts) {
      std::string plain;
      for (const char c : text)
        if (c != ' ' && c != '-' && c != '_') plain += lower_ascii(c);
      if (!plain.empty()) variants[plain].insert(text);
    }
    std::string list;
    std::size_t n = 0;
    for (const auto& [plain, texts] : variants) {
      if (texts.size() < 2) continue;
      constexpr std::size_t kShown = 3;
      if (++n > kShown) continue;
      std::string line;
      for (const std::string& text : texts) line += (line.empty() ? "" : " and ") + shown(text);
      list += (list.empty() ? "" : "; ") + line;
    }
    if (n == 0) return;
    add("category_variants", Severity::warning, {column.name},
        fmt::format("{} texts are written in several ways: {}", n, list),
        "Each spelling is a category of its own; rows of the rarer one look unusual.", "write them alike");
  }

  // As the inference of schemas does it.
  void find_left_out(std::size_t j) {
    const ColumnProfile& column = profile_.columns()[j];
    constexpr std::size_t kMostCategories = 64;
    if (column.n_texts <= column.n_numbers || column.n_dates * 2 > column.n_texts ||
        column.texts.size() <= kMostCategories)
      return;
    add("text_left_out", Severity::note, {column.name},
        fmt::format("{}{} different texts in {} rows", column.texts.size() < 2000 ? "" : "at least ",
                    column.texts.size(), profile_.n_rows()),
        "Training leaves out text columns of more than 64 categories.",
        "nothing if it is an id or free text; else give --category-columns, or make fewer categories of it");
  }

  void find_unnamed_label(std::size_t j) {
    const ColumnProfile& column = profile_.columns()[j];
    const auto few_values = counts(j);
    constexpr std::size_t kMostLabels = 10;
    if (few_values.size() < 2 || few_values.size() > kMostLabels || profile_.n_rows() < kFewRows) return;
    constexpr std::array kNames = {"label",     "labels",   "class",      "target",  "y",
                                   "truth",     "outlier",  "is_outlier", "anomaly", "is_anomaly",
                                   "fraud",     "isfraud",  "is_fraud",   "attack",  "ground_truth",
                                   "diagnosis", "malignant"};
    const bool named =
        std::ranges::any_of(kNames, [&](const char* name) { return same_word(column.name, name); });
    bool normal = false, anomaly = false, other = column.n_numbers > 0;
    const LabelMap words;
    for (const auto& [bits, text] : column.texts) {
      const auto label = words.find(text);
      normal = normal || label == SemiLabel::normal;
      anomaly = anomaly || label == SemiLabel::anomaly;
      other = other || !label;
    }
    const bool worded = normal && anomaly && !other;
    if (!named && !worded) return;
    add("unnamed_label", Severity::warning, {column.name},
        fmt::format("{} different values{}", few_values.size(),
                    worded ? ", which are words for normal and anomalous" : " under a name that labels have"),
        "As a feature it would give the answer away: it is not there when new rows are scored.",
        fmt::format("--label-column {0} if the training may know it, --truth-column {0} if it is for "
                    "evaluation only, "
                    "--ignore-columns {0} if neither",
                    column.name));
  }

  void find_extremes(std::size_t j) {
    const ColumnProfile& column = profile_.columns()[j];
    std::vector<double> values = sorted_numbers(profile_, profile_.rows(), j);
    if (values.size() < kFewRows) return;
    if (find_sentinels(column, values)) return;
    const double low = std::min(values.front(), column.min), high = std::max(values.back(), column.max);
    double middle = quantile_of(values, 0.75) - quantile_of(values, 0.25);
    const char* what = "middle half";
    if (middle == 0) {
      middle = quantile_of(values, 0.95) - quantile_of(values, 0.05);
      what = "middle nine tenths";
    }
    constexpr double kSqueezed = 0.005;
    const double share = middle / (high - low);
    if (middle <= 0 || share >= kSqueezed) return;
    const double median = quantile_of(values, 0.5);
    const bool high_is_far = high - median > median - low;
    add("wild_feature", Severity::warning, {column.name},
        fmt::format(
            "the {} of the values spans {:.4g}, but they go from {:.6g} to {:.6g} (the extreme in line {}): "
            "scaled to [0, 1] it keeps {:.2g} of the range",
            what, middle, low, high, high_is_far ? column.max_line : column.min_line, share),
        "Min-max scaling, the default, presses nearly all rows into one point of this feature; standardising "
        "lets "
        "the extremes rule it.",
        "correct the extremes if they are mistakes; else --scaling robust or quantile, or take the "
        "logarithm");
  }

  // A number that stands for "no number": 9s or the bound of an integer type, repeated, at the end of the
  // range and far from the rest. The values lose it. @returns whether one was found
  bool find_sentinels(const ColumnProfile& column, std::vector<double>& values) {
    constexpr std::array kSentinels = {
        -1.0,    -9.0,     99.0,     -99.0,        999.0,         -999.0,      9999.0,     -9999.0,
        99999.0, -99999.0, 999999.0, -999999.0,    9999999.0,     -9999999.0,  99999999.0, -99999999.0,
        32767.0, -32768.0, 65535.0,  2147483647.0, -2147483648.0, 4294967295.0};
    bool found = false;
    for (const bool at_top : {false, true}) {
      const double value = at_top ? values.back() : values.front();
      if (std::ranges::find(kSentinels, value) == kSentinels.end()) continue;
      const auto [first, last] = std::equal_range(values.begin(), values.end(), value);
      const auto n = static_cast<std::size_t>(last - first);
      constexpr std::size_t kRepeated = 3;
      if (n < kRepeated || values.size() - n < kFewRows) continue;
      std::vector<double> rest(at_top ? values.begin() : last, at_top ? first : values.end());
      const double gap = at_top ? value - rest.back() : rest.front() - value;
      // Half the range of all others, far beyond any spacing within it.
      if (gap < (rest.back() - rest.front()) / 2 || rest.back() == rest.front()) continue;
      add("sentinel_value", Severity::warning, {column.name},
          fmt::format("{} of {} values are {}, far from the others, which go from {:.6g} to {:.6g}", n,
                      values.size(), value, rest.front(), rest.back()),
          "Such a number usually stands for a missing value; as a number it is the most extreme of all.",
          fmt::format("--missing-words {} if it means missing", value));
      values = std::move(rest);
      found = true;
    }
    return found;
  }

  void add_id(const ColumnProfile& column) {
    add("id_like_column", Severity::warning, {column.name},
        fmt::format("{} whole numbers from {} to {}, all different{}", column.n_numbers, column.min,
                    column.max,
                    column.rises_by_one ? ", rising by one from row to row"
                    : column.rises      ? ", rising from row to row"
                                        : ""),
        "It names or counts the rows instead of measuring them. The model learns which rows were first, and "
        "every "
        "later row "
        "looks unusual.",
        fmt::format("--id-column {0} or --ignore-columns {0}", column.name));
  }

  void find_copies() {
    std::map<std::uint64_t, std::vector<std::string>> same;
    for (std::size_t j = 0; j < profile_.columns().size(); ++j) {
      const ColumnProfile& column = profile_.columns()[j];
      const bool constant = column.n_texts == 0 && column.min == column.max;
      if (profile_.is_feature(j) && n_filled(column) > 0 && !constant)
        same[column.content].push_back(column.name);
    }
    for (auto& [content, names] : same) {
      if (names.size() < 2) continue;
      add("duplicate_column", Severity::note, names, "the same cells in every row",
          "Training keeps the first by itself, so that it does not count twice.", "nothing");
    }
  }

  void find_scaled_copies() {
    std::vector<std::size_t> columns;
    for (std::size_t j = 0; j < profile_.columns().size(); ++j) {
      const ColumnProfile& column = profile_.columns()[j];
      if (profile_.is_feature(j) && column.n_texts == 0 && column.min < column.max) columns.push_back(j);
    }
    constexpr std::size_t kMostRows = 2000, kMostColumns = 1000;
    const RowSample& sample = profile_.rows();
    if (columns.size() > kMostColumns || sample.size() < kFewRows) return;
    const std::size_t n = std::min(kMostRows, sample.size());
    // Standardised, so that a product of two columns is their correlation; empty where a cell is missing.
    std::vector<std::vector<double>> values;
    for (const std::size_t j : columns) {
      std::vector<double>& x = values.emplace_back();
      double sum = 0, squares = 0;
      for (std::size_t k = 0; k < n; ++k)
        x.push_back(profile_.cell(sample, k * sample.size() / n, j).value());
      for (const double v : x) sum += v;
      for (double& v : x) {
        v -= sum / static_cast<double>(n);
        squares += v * v;
      }
      for (double& v : x) v /= std::sqrt(squares);
    }
    std::set<std::uint64_t> copies;
    for (std::size_t a = 0; a < columns.size(); ++a) {
      for (std::size_t b = a + 1; b < columns.size(); ++b) {
        double r = 0;
        for (std::size_t k = 0; k < n; ++k) r += values[a][k] * values[b][k];
        constexpr double kSame = 1 - 1e-9;
        const ColumnProfile &first = profile_.columns()[columns[a]], &second = profile_.columns()[columns[b]];
        if (!(std::abs(r) >= kSame) || first.content == second.content) continue;
        if (!copies.insert(b).second) continue;
        add("scaled_copy", Severity::note, {first.name, second.name},
            fmt::format("correlation {} in {} rows: one is the other in another unit", r > 0 ? "1" : "-1", n),
            "What they measure counts twice.", "leave one of them out (--ignore-columns)");
      }
    }
  }

  const TableProfile& profile_;
  bool has_labels_;
  std::vector<DataFinding>& findings_;
  std::uint64_t header_line_ = 0;  // 0: none
};

}  // namespace

void find_column_defects(const TableProfile& profile, bool has_labels, std::vector<DataFinding>& findings) {
  ColumnFindings(profile, has_labels, findings).find();
}

std::vector<std::size_t> id_like_columns(const TableProfile& profile) {
  std::vector<std::size_t> result;
  if (profile.n_rows() < kFewRows) return result;
  for (std::size_t j = 0; j < profile.columns().size(); ++j) {
    const ColumnProfile& column = profile.columns()[j];
    if (!profile.is_feature(j) || column.n_missing > 0 || column.n_texts > 0) continue;
    if (column.n_integers != column.n_numbers) continue;
    const std::vector<double> values = sorted_numbers(profile, profile.rows(), j);
    if (std::ranges::adjacent_find(values) != values.end()) continue;
    // All different: rising with the rows, or without gaps, or called an id.
    const bool dense = column.max - column.min < 1.5 * static_cast<double>(profile.n_rows());
    std::string name;
    for (const char c : column.name) name += lower_ascii(c);
    const bool named = name == "id" || name == "index" || name == "key" || name == "no" ||
                       name.ends_with("_id") || name.ends_with(" id") || name.starts_with("unnamed");
    if (column.rises || dense || named) result.push_back(j);
  }
  return result;
}

std::vector<double> sorted_numbers(const TableProfile& profile, const RowSample& sample, std::size_t column) {
  std::vector<double> values;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    const SampleCell cell = profile.cell(sample, i, column);
    if (cell.is_number()) values.push_back(cell.value());
  }
  std::ranges::sort(values);
  return values;
}

}  // namespace deepsad
