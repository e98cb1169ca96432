// A table in a text file as samples: delimited text through a schema and label maps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "deepsad/data/dataset.h"
#include "deepsad/data/delimited.h"
#include "deepsad/data/labels.h"
#include "deepsad/data/schema.h"

namespace deepsad {

struct TableOptions {
  std::optional<char> separator{};  ///< empty: detected
  std::optional<bool> header{};     ///< empty: detected
  std::size_t skip_lines = 0;       ///< lines before the table
  /// Columns by name or by position from 1; a name is tried first. Empty: none, or those of the schema.
  std::string label_column{};  ///< semi labels: what the training may know
  std::string truth_column{};  ///< true labels: for evaluation only
  std::string id_column{};     ///< names of the rows
  /// A column whose different texts are classes, by name or position; it may be a feature, too. Else with
  /// classes_of_labels the column of true labels or, without one, of semi labels.
  std::string class_column{};
  bool classes_of_labels = false;
  /// Semi labels from a file of their own: one column, or several of which label_column names one. With
  /// id_column, which must then be in both files, rows are joined by it; else by their order.
  std::string labels_path{};
  LabelMap label_map{};
  LabelMap truth_map{};
  std::vector<std::string> ignore_columns{};    ///< by name or position
  std::vector<std::string> category_columns{};  ///< inference: categories even if numbers or many
  std::optional<Schema> schema{};               ///< empty: inferred
  std::vector<std::string> missing_words = default_missing_words();  ///< with a schema: those of the schema
  bool dates = false;               ///< inference: dates become numbers (else they are ignored)
  std::size_t max_categories = 64;  ///< inference: a text column with more different texts is ignored
  std::uint64_t max_rows = std::numeric_limits<std::uint64_t>::max();  ///< rows beyond are not read
};

/// How the text of such a table is written.
[[nodiscard]] DelimitedOptions delimited_options(const TableOptions& options);

/// Most classes of a class column.
inline constexpr std::size_t kMaxClasses = 1000;

/// A row of a table whose features the schema refuses.
struct RefusedRow {
  std::uint32_t row;   ///< position in the table
  std::string reason;  ///< the message, "FILE:LINE:COLUMN: ..."
};

/// A table in memory. All vectors over rows have one entry a row, or none if there is no such column.
struct Table {
  Dataset data;  ///< numbers as doubles, feature names, source; no labels
  Schema schema;
  std::vector<SemiLabel> semi;
  std::vector<TrueLabel> truth;
  std::vector<std::string> ids;
  std::vector<int> classes;  ///< of the class column: positions in class_names; empty if it has too many
  std::vector<std::string> class_names;  ///< its texts in the order of their first rows
  std::vector<std::uint64_t> lines;      ///< line of the file at which the row starts, from 1
  std::vector<std::string> messages;     ///< what was detected, counted, left out; one sentence each
  std::vector<std::uint64_t> n_unseen;   ///< per column of the schema: cells that fell into `other`
  /// Ascending; only if the schema was inferred from some of the rows. The others' features are all there; of
  /// these they are 0 and mean nothing.
  std::vector<RefusedRow> refused;
};

/// Reads a whole table from a file (plain, gzip, xz, bzip2) or, for "-", from standard input.
/// Memory: the numbers twice at most while a schema is inferred, once with a schema.
/// @throws DataError naming file, line and column: as DelimitedReader; a column of numbers that holds a text;
/// an infinite number; a missing cell that the schema refuses; columns that the schema lacks or wants; a
/// label that the map lacks
/// @throws InvalidArgument for columns that are not there or options that contradict each other
[[nodiscard]] Table read_table(const std::string& path, const TableOptions& options = {});
[[nodiscard]] Table read_table(std::unique_ptr<ByteStream> in, const TableOptions& options = {});

/// Says of a table without features yet (labels, ids and lines are there) which rows the schema may know.
using ChooseRows = std::function<std::vector<bool>(const Table&)>;

/// As read_table(), but the schema is that of the chosen rows, as if there were no others: their categories,
/// their medians. Rows that are held out for tests leave no trace in it; what is unknown in them is `other`,
/// and what the schema refuses is in Table::refused. With a schema in the options nothing is inferred, and
/// @p choose merely called.
/// @param open opens the same content each time; it is read three times
/// @throws as read_table(); DataError also if the content changes meanwhile
[[nodiscard]] Table read_table(const std::function<std::unique_ptr<ByteStream>()>& open,
                               const TableOptions& options, const ChooseRows& choose);

/// Whether a file that starts with these bytes may be text: not empty, and no control bytes but tab, line
/// feed, carriage return and form feed.
[[nodiscard]] bool looks_like_text(const std::uint8_t* first_bytes, std::size_t n);

/// A row that cannot be used.
struct RejectedRow {
  std::uint64_t line;
  std::string reason;  ///< the message, "FILE:LINE:COLUMN: ..."
};

/// Some rows of a table.
struct TableChunk {
  std::vector<double> values;         ///< size() x n_features
  std::vector<std::uint64_t> lines;   ///< size() lines
  std::vector<std::string> ids;       ///< size() names, or empty if there is no id column
  std::vector<RejectedRow> rejected;  ///< rows between them that were left out
  [[nodiscard]] std::size_t size() const { return lines.size(); }
};

struct TableRowOptions {
  DelimitedOptions text{};   ///< missing and expected words are the schema's
  bool reject_rows = false;  ///< bad rows go to TableChunk::rejected; else they throw
};

/// Rows of a table as a schema encodes them, a chunk at a time; for files of any length and endless streams.
/// Not safe for use by two threads at once.
class TableRowReader {
 public:
  /// Reads the header. Columns are found by name, in any order; without a header, by position.
  /// @throws DataError naming the columns that are missing or that the schema does not know
  TableRowReader(std::unique_ptr<ByteStream> in, const Schema& schema, TableRowOptions options = {});
  ~TableRowReader();
  TableRowReader(const TableRowReader&) = delete;
  TableRowReader& operator=(const TableRowReader&) = delete;

  /// Up to @p max_rows (at least 1) further rows replace what @p chunk holds. With DelimitedOptions::eager it
  /// returns as soon as it has a row (or a rejected one) and would have to wait for the next.
  /// @returns false at the end, then with an empty chunk
  /// @throws DataError for a bad row, unless rows are rejected; always if the stream itself is damaged. The
  /// rows before it come first: the call after theirs throws.
  bool next_chunk(std::size_t max_rows, TableChunk& chunk);

  /// Rows to come are encoded by another schema, and n_unseen() counts anew.
  /// @throws DataError as the constructor, if it does not read the columns of this table; nothing has changed
  /// then
  void set_schema(const Schema& schema);

  [[nodiscard]] const Schema& schema() const;
  [[nodiscard]] const std::vector<std::string>& messages() const;
  /// Per column of the schema: cells of accepted rows that fell into `other`.
  [[nodiscard]] const std::vector<std::uint64_t>& n_unseen() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace deepsad
