// Delimited text (CSV, TSV and their relatives) as records of cells, front to back, in bounded memory.
// Source: RFC 4180; beyond it: any of the separators , ; tab | and space, bare line feeds or carriage returns
// as line ends, a byte-order mark, a first line "sep=;" as Excel writes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace deepsad {

class ByteStream;

/// How a file of delimited text is written.
struct Dialect {
  char separator = ',';  ///< ',', ';', '\t', '|' or ' ' (then any run of spaces separates)
  bool header = true;    ///< the first record holds the names of the columns
};

struct DelimitedOptions {
  std::optional<char> separator{};  ///< empty: detected
  std::optional<bool> header{};     ///< empty: detected
  std::size_t skip_lines = 0;       ///< lines before the table (a preamble)
  /// Words that stand for a missing value; they say nothing about whether the first record is a header.
  std::vector<std::string> missing_words{};
  /// If one of them is a cell of the first record, that is a header: the names a schema expects.
  std::vector<std::string> expected_names{};
  /// Decide on separator and header as soon as a whole line is there, and never wait for more than the next
  /// record: for a pipe that trickles.
  bool eager = false;
  std::size_t max_record_bytes = std::size_t{16} << 20;  ///< most bytes of one record
};

/// One cell. The text lies in the reader's buffer, valid until the next call of next().
struct Cell {
  std::string_view text;  ///< quotes and doubled quotes taken away
  std::uint32_t offset;   ///< bytes from the start of its record
};

/// Reads records one by one. Not safe for use by two threads at once.
class DelimitedReader {
 public:
  /// Reads as far as needed to find separator, header and number of columns.
  /// @throws DataError if the stream is empty, is no text (UTF-16, NUL bytes), or its first record is broken
  /// @throws InvalidArgument for a separator that is none of the five
  DelimitedReader(std::unique_ptr<ByteStream> in, DelimitedOptions options = {});
  ~DelimitedReader();
  DelimitedReader(const DelimitedReader&) = delete;
  DelimitedReader& operator=(const DelimitedReader&) = delete;

  [[nodiscard]] const std::string& name() const;
  [[nodiscard]] const Dialect& dialect() const;
  /// Names of the columns, those of the header, or "column1", "column2", ... A header that is one cell short
  /// (as R's write.table leaves it) gets "row_names" in front.
  /// Unique and valid UTF-8; an empty name becomes "columnN".
  [[nodiscard]] const std::vector<std::string>& column_names() const;
  /// What was detected, forced or repaired, one sentence each, for a person.
  [[nodiscard]] const std::vector<std::string>& messages() const;

  /// Goes to the next record that is not blank; false at the end of the text.
  /// @throws DataError naming file, line and column: a record with more or fewer cells than there are
  /// columns, an open quote, text after a closing quote, a NUL byte, a record beyond max_record_bytes. After
  /// such an error next() goes on with the following line.
  bool next();
  /// The cells of the record that next() went to: one per column.
  [[nodiscard]] std::span<const Cell> cells() const;
  /// The line, from 1, at which the record starts.
  [[nodiscard]] std::uint64_t line() const;
  /// Whether a further record lies in the buffer, so that next() need not wait for the stream.
  [[nodiscard]] bool has_buffered_record() const;
  /// "FILE:LINE:COLUMN" of a cell; the column counts bytes from 1, on the line where the cell starts.
  [[nodiscard]] std::string place(std::size_t column) const;
  /// The stream that is read.
  [[nodiscard]] ByteStream& stream();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// "comma", "semicolon", "tab", "bar", "space".
[[nodiscard]] const char* separator_name(char separator);
/// The separator of such a name, or of the character itself. @throws InvalidArgument for another
[[nodiscard]] char separator_from_name(const std::string& name);

/// The number that a cell holds: decimal digits with optional sign, point and exponent, spaces around it;
/// whatever the locale. Empty for anything else, infinities, NaN and numbers beyond the range of a double
/// among it; smaller ones than the smallest double become 0.
[[nodiscard]] std::optional<double> parse_number(std::string_view text);

}  // namespace deepsad
