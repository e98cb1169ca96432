#include "data/label_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "data/cell_text.h"
#include "data/schema_kinds.h"
#include "deepsad/core/error.h"
#include "deepsad/storage/byte_stream.h"

namespace deepsad {

std::size_t find_column(const DelimitedReader& reader, const std::string& wanted, const char* what) {
  const std::vector<std::string>& names = reader.column_names();
  const auto found = std::ranges::find(names, wanted);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  const std::optional<double> position = parse_number(wanted);
  if (position && *position >= 1 && *position <= static_cast<double>(names.size()) &&
      *position == static_cast<double>(static_cast<std::size_t>(*position))) {
    return static_cast<std::size_t>(*position) - 1;
  }
  const std::string nearest = nearest_name(wanted, names.data(), names.size());
  throw InvalidArgument(fmt::format(
      "{}: {}: there is no column {}{}; wanted a name or a position from 1 to {}", reader.name(), what,
      shown(wanted), nearest.empty() ? "" : fmt::format(", did you mean {}?", shown(nearest)), names.size()));
}

std::string id_of(const DelimitedReader& reader, std::size_t cell) {
  std::string scratch;
  return std::string(as_utf8(trimmed(reader.cells()[cell].text), scratch));
}

SemiLabel LabelColumn::label(DelimitedReader& reader, LabelKind kind) {
  const std::string_view text = reader.cells()[cell_].text;
  if (const auto found = known_.find(text); found != known_.end()) return found->second;
  const std::optional<SemiLabel> label = map_.find(as_utf8(text, scratch_));
  if (!label) refuse(reader, kind);
  constexpr std::size_t kMostKnown = 1000;
  if (known_.size() < kMostKnown) known_.emplace(text, *label);
  return *label;
}

TrueLabel LabelColumn::truth(DelimitedReader& reader) {
  const SemiLabel label = this->label(reader, LabelKind::truth);
  if (label == SemiLabel::unlabelled)
    return map_.truth_of(as_utf8(reader.cells()[cell_].text, scratch_), reader.place(cell_));
  return label == SemiLabel::normal ? TrueLabel::normal : TrueLabel::anomaly;
}

void LabelColumn::refuse(DelimitedReader& reader, LabelKind kind) {
  constexpr std::size_t kMostRows = 100'000, kMostWords = 1000;
  const std::string place = reader.place(cell_);
  const std::string cell(as_utf8(reader.cells()[cell_].text, scratch_));
  LabelWords words;
  for (const auto& [word, label] : known_) words.try_emplace(CategoryKey(as_utf8(word, scratch_)).text(), 0);
  try {
    for (std::size_t row = 0; row < kMostRows && words.size() < kMostWords; ++row) {
      ++words[CategoryKey(as_utf8(reader.cells()[cell_].text, scratch_)).text()];
      if (!reader.next()) break;
    }
  } catch (const Error&) {  // of a later row: the label comes first
  }
  refuse_label(map_, cell, place, kind, words);
}

namespace {

// Whether the first record holds a label already: then it is no header.
bool starts_with_label(const std::string& path, const LabelMap& map) {
  DelimitedReader labels(open_input(path), {.header = false});
  return labels.next() && std::ranges::any_of(labels.cells(), [&map](const Cell& cell) {
           return map.find(cell.text).has_value();
         });
}

std::vector<SemiLabel> labels_in_order(DelimitedReader& labels, LabelColumn& column,
                                       const RowsToLabel& rows) {
  std::vector<SemiLabel> semi;
  while (labels.next()) semi.push_back(column.semi(labels));
  if (semi.size() != rows.n_rows && !rows.cut) {
    throw DataError(
        fmt::format("{}: found {} labels for the {} rows of {}; blank lines are no labels, write "
                    "unlabeled (or \"\") there",
                    labels.name(), semi.size(), rows.n_rows, rows.name));
  }
  semi.resize(rows.n_rows);
  return semi;
}

// Rows that the file does not name are unlabelled.
std::vector<SemiLabel> labels_by_id(DelimitedReader& labels, LabelColumn& column, std::size_t id_cell,
                                    const RowsToLabel& rows) {
  TextMap<std::size_t> row_of;
  for (std::size_t row = 0; row < rows.ids.size(); ++row) {
    if (!row_of.emplace(rows.ids[row], row).second) {
      throw DataError(fmt::format("{}:{}: the id {} is there twice, so that labels cannot be joined by it",
                                  rows.name, rows.lines[row], shown(rows.ids[row])));
    }
  }
  std::vector<SemiLabel> semi(rows.n_rows, SemiLabel::unlabelled);
  std::vector<bool> given(rows.n_rows);
  while (labels.next()) {
    const std::string id = id_of(labels, id_cell);
    const auto found = row_of.find(id);
    if (found == row_of.end()) {
      if (rows.cut) continue;
      throw DataError(
          fmt::format("{}: {} has no row with the id {}", labels.place(id_cell), rows.name, shown(id)));
    }
    if (given[found->second]) {
      throw DataError(fmt::format("{}: the id {} is there twice", labels.place(id_cell), shown(id)));
    }
    given[found->second] = true;
    semi[found->second] = column.semi(labels);
  }
  return semi;
}

}  // namespace

std::vector<SemiLabel> read_label_file(const std::string& path, const std::string& column,
                                       const LabelMap& map, const std::vector<std::string>& missing_words,
                                       const RowsToLabel& rows) {
  const bool joined = !rows.id_column.empty();
  DelimitedOptions text;
  text.missing_words = missing_words;
  text.header = joined || !starts_with_label(path, map);
  DelimitedReader labels(open_input(path), text);
  std::optional<std::size_t> id_cell;
  if (joined) {
    const auto& names = labels.column_names();
    const auto found = std::ranges::find(names, rows.id_column);
    if (found == names.end()) {
      throw DataError(fmt::format("{}: has no column {}, by which its labels are joined to the rows of {}",
                                  labels.name(), shown(rows.id_column), rows.name));
    }
    id_cell = static_cast<std::size_t>(found - names.begin());
  }
  std::size_t cell = 0;
  if (!column.empty()) {
    cell = find_column(labels, column, "the label column");
  } else {
    const std::size_t n_others = joined ? 1 : 0;
    if (labels.column_names().size() != 1 + n_others) {
      throw InvalidArgument(fmt::format("{}: has {} columns; name the one that holds the labels",
                                        labels.name(), labels.column_names().size()));
    }
    cell = joined ? 1 - *id_cell : 0;
  }
  LabelColumn labels_of(map, cell);
  return joined ? labels_by_id(labels, labels_of, *id_cell, rows) : labels_in_order(labels, labels_of, rows);
}

void add_label_messages(Table& table) {
  if (!table.semi.empty()) table.messages.push_back("labels: " + count_labels(table.semi).text());
  if (table.truth.empty()) return;
  const auto anomalies = static_cast<std::size_t>(std::ranges::count(table.truth, TrueLabel::anomaly));
  table.messages.push_back(
      fmt::format("true labels: {} normal, {} anomalous", table.truth.size() - anomalies, anomalies));
}

}  // namespace deepsad
