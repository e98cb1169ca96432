// What is wrong with a table before anybody trains on it: leaks of the label, duplicates and clashes, columns
// that hold no information or the wrong kind of it, and what the labels are enough for. Nothing is changed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "deepsad/data/labels.h"
#include "deepsad/data/table_file.h"

namespace deepsad {

enum class Severity {
  note,     ///< worth knowing, nothing to do
  warning,  ///< results will suffer, or will look better than they are
  problem   ///< training will refuse the data, or learn something that is not there
};

/// "note", "warning", "problem".
[[nodiscard]] const char* severity_name(Severity severity);

struct DataFinding {
  std::string name;  ///< stable: "label_leak", docs/data-check.md lists all
  Severity severity = Severity::note;
  std::vector<std::string> columns;  ///< the columns concerned; empty if it is about rows or labels
  std::string seen;                  ///< the figures
  std::string why;                   ///< why it matters
  std::string advice;                ///< what to do
};

struct DataCheckOptions {
  TableOptions table{};  ///< how text is read and which columns are labels; labels_path, schema and
                         ///< max_rows have no say
  /// Today as days since 1970-01-01, so that later dates can be told; empty: no date is too late.
  std::optional<double> today{};
  /// Cells of the sample of rows from which everything but counts is computed (8 bytes each, up to three
  /// times: of all rows, of known anomalies and of known normals). Files of no more cells are seen whole.
  std::size_t max_sample_cells = std::size_t{4} << 20;
  /// Most different rows whose copies are counted exactly (64 bytes each); beyond, a share of them, chosen by
  /// the hash of a row, stands for all.
  std::size_t max_distinct_rows = std::size_t{1} << 20;
};

/// One column as it was seen.
struct ColumnSummary {
  std::string name;
  std::string kind;  ///< "number", "text", "date", "mixed", "empty", or the role: "label", "truth", "id"
  std::uint64_t n_missing = 0;
  /// Different values among the rows of the sample.
  std::size_t n_distinct = 0;
  /// Of its numbers; NaN if there is none. The median is that of the sample.
  double min = std::numeric_limits<double>::quiet_NaN(), median = min, max = min;
};

struct DataCheck {
  std::string file;
  std::uint64_t n_rows = 0;
  std::uint64_t n_bad_rows = 0;  ///< could not be read
  std::size_t n_sampled = 0;     ///< rows of the sample; n_rows if all
  std::vector<ColumnSummary> columns{};
  std::optional<LabelCounts> semi{}, truth{};
  std::uint64_t n_duplicates = 0;             ///< rows that are copies of an earlier one
  std::optional<std::uint64_t> n_in_other{};  ///< rows of the other file that are rows of this one
  /// What these labels and rows are enough for, a sentence each.
  std::vector<std::string> allowances{};
  std::vector<DataFinding> findings{};  ///< the gravest first

  /// The gravest severity among the findings, if there is one.
  [[nodiscard]] std::optional<Severity> worst() const;
};

/// Reads a table of any format in one pass and bounded memory: delimited text (a file or "-"), or what
/// read_samples() reads, images apart. The same file and options give the same report.
/// @param against another table, such as the test part, whose columns are found by name: rows and columns of
/// the two are compared; "" for none
/// @throws DataError if the file cannot be read at all, a label is not understood, or it holds images
/// @throws InvalidArgument for columns that are not there
/// Memory: as the options say, and a dictionary of at most 2,000 texts of 80 bytes a column.
[[nodiscard]] DataCheck check_data(const std::string& path, const DataCheckOptions& options = {},
                                   const std::string& against = "");

/// The same for delimited text alone.
[[nodiscard]] DataCheck check_data(std::unique_ptr<ByteStream> in, const DataCheckOptions& options = {});

/// For a person.
[[nodiscard]] std::string data_check_text(const DataCheck& check);
/// One JSON object, docs/data-check.md.
[[nodiscard]] std::string data_check_json(const DataCheck& check);

}  // namespace deepsad
