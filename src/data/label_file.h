// Labels that text files hold: a column of the table itself, or a file of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/label_words.h"
#include "data/row_encoder.h"
#include "deepsad/data/dataset.h"
#include "deepsad/data/delimited.h"
#include "deepsad/data/labels.h"
#include "deepsad/data/table_file.h"

namespace deepsad {

/// The column of that name, or else of that position from 1. @param what for the message: "the label column"
/// @throws InvalidArgument if there is none
[[nodiscard]] std::size_t find_column(const DelimitedReader& reader, const std::string& wanted,
                                      const char* what);

/// The name of the reader's current row.
[[nodiscard]] std::string id_of(const DelimitedReader& reader, std::size_t cell);

/// Labels cell by cell; the same words come again and again.
class LabelColumn {
 public:
  LabelColumn(const LabelMap& map, std::size_t cell) : map_(map), cell_(cell) {}

  /// The label in the reader's current row. @throws DataError as LabelMap::label_of() and truth_of(), after
  /// reading on for the words of the column
  [[nodiscard]] SemiLabel semi(DelimitedReader& reader) { return label(reader, LabelKind::semi); }
  [[nodiscard]] TrueLabel truth(DelimitedReader& reader);

 private:
  SemiLabel label(DelimitedReader& reader, LabelKind kind);
  [[noreturn]] void refuse(DelimitedReader& reader, LabelKind kind);

  const LabelMap& map_;
  std::size_t cell_;
  TextMap<SemiLabel> known_;
  std::string scratch_;
};

/// The rows that a label file is about.
struct RowsToLabel {
  std::string name;  ///< of their file, for messages
  std::size_t n_rows = 0;
  bool cut = false;            ///< the file goes on behind them, and so may the labels
  std::string id_column = {};  ///< not empty: labels are joined by ids, else by their order
  std::span<const std::string> ids = {};
  std::span<const std::uint64_t> lines = {};  ///< of the rows, for messages; with ids
};

/// One label a row. @param column name or position; may be empty if the file has one (beside the ids)
/// @throws DataError, InvalidArgument as read_table()
[[nodiscard]] std::vector<SemiLabel> read_label_file(const std::string& path, const std::string& column,
                                                     const LabelMap& map,
                                                     const std::vector<std::string>& missing_words,
                                                     const RowsToLabel& rows);

/// Appends how many rows of each class a table has, if it has labels, to its messages.
void add_label_messages(Table& table);

}  // namespace deepsad
