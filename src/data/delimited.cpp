#include "deepsad/data/delimited.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>
#include <utility>

#include "data/bad_record.h"
#include "data/cell_text.h"
#include "data/dialect.h"
#include "data/record_scan.h"
#include "deepsad/core/error.h"
#include "deepsad/storage/byte_stream.h"

namespace deepsad {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kBufferBytes = std::size_t{256} << 10;
constexpr std::size_t kSampleBytes = std::size_t{64} << 10;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf"sv;

struct SeparatorName {
  char separator;
  const char* name;
};
constexpr std::array<SeparatorName, 5> kSeparatorNames = {
    {{',', "comma"}, {';', "semicolon"}, {'\t', "tab"}, {'|', "bar"}, {' ', "space"}}};

// "" in a quoted cell stands for ".
std::size_t undouble_quotes(char* text, std::size_t n) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < n; ++i) {
    text[kept++] = text[i];
    if (text[i] == '"') ++i;
  }
  return kept;
}

}  // namespace

const char* separator_name(char separator) {
  for (const SeparatorName& entry : kSeparatorNames)
    if (entry.separator == separator) return entry.name;
  return "unknown";
}

char separator_from_name(const std::string& name) {
  for (const SeparatorName& entry : kSeparatorNames)
    if (name == entry.name || (name.size() == 1 && name[0] == entry.separator)) return entry.separator;
  if (name == "\\t") return '\t';
  throw InvalidArgument(
      fmt::format("{} is no separator; known: comma (,), semicolon (;), tab, bar (|), space", shown(name)));
}

struct DelimitedReader::State {
  State(std::unique_ptr<ByteStream> stream, DelimitedOptions opts)
      : in(std::move(stream)), options(std::move(opts)), buffer(kBufferBytes) {}

  [[nodiscard]] std::string_view rest() const { return {buffer.data() + begin, end - begin}; }

  // Gets more text behind what is there; false at the end of the stream.
  bool refill() {
    if (at_end) return false;
    if (begin > 0) {
      std::memmove(buffer.data(), buffer.data() + begin, end - begin);
      end -= begin;
      begin = 0;
    }
    if (end == buffer.size()) buffer.resize(2 * buffer.size());
    const std::size_t got =
        in->read_available({reinterpret_cast<std::uint8_t*>(buffer.data()) + end, buffer.size() - end});
    end += got;
    at_end = got == 0;
    return !at_end;
  }

  // The line feed of a carriage return that ended the line before.
  void skip_line_feed() {
    if (!after_cr) return;
    if (begin == end && !refill()) return;
    if (buffer[begin] == '\n') ++begin;
    after_cr = false;
  }

  // Goes to the next line of the file, whatever it holds.
  void skip_line() {
    skip_line_feed();
    while (true) {
      const std::size_t found = rest().find_first_of("\r\n");
      if (found != std::string_view::npos) {
        after_cr = buffer[begin + found] == '\r';
        begin += found + 1;
        ++next_line;
        return;
      }
      begin = end;
      if (!refill()) return;
    }
  }

  [[nodiscard]] std::string place_of(std::size_t offset) const {
    const std::string_view before(buffer.data() + record, offset);
    const auto line_feeds = static_cast<std::uint64_t>(std::ranges::count(before, '\n'));
    const std::size_t last = before.rfind('\n');
    return fmt::format("{}:{}:{}", in->name(), line + line_feeds,
                       last == std::string_view::npos ? offset + 1 : offset - last);
  }

  // The record that starts here is of no use: says why, and stands on the next line.
  [[noreturn]] void refuse(std::size_t offset, const std::string& why) {
    const std::string message = fmt::format("{}: {}", place_of(offset), why);
    next_line = line;
    begin = record;
    skip_line();
    throw BadRecord(message);
  }

  // Scans the next record that is not blank; false at the end.
  bool scan() {
    while (true) {
      skip_line_feed();
      if (begin == end && !refill()) return false;
      record = begin;
      line = next_line;
      const ScanResult result = scan_record(rest(), at_end, dialect.separator, cells);
      switch (result.status) {
        case ScanStatus::need_more:
          if (end - begin > options.max_record_bytes) {
            const bool in_quotes = begin + result.next < end && buffer[begin + result.next] == '"';
            refuse(result.next, in_quotes
                                    ? fmt::format("a quote opens here and is not closed within {} "
                                                  "bytes; close it, or double it if it is meant as text",
                                                  options.max_record_bytes)
                                    : fmt::format("a record of more than {} bytes; is this a table?",
                                                  options.max_record_bytes));
          }
          refill();
          continue;
        case ScanStatus::open_quote:
          refuse(result.next,
                 "a quote opens here and is never closed; close it, or double it if it is meant as text");
        case ScanStatus::text_after_quote:
          refuse(
              result.next,
              fmt::format("found {} after a closing quote, wanted {} or the end of the line; a quote within "
                          "quotes is written twice",
                          shown(rest().substr(result.next, 1)), separator_name(dialect.separator)));
        case ScanStatus::nul_byte:
          refuse(result.next, "a NUL byte: this is no text (UTF-16 is converted by `iconv -t utf-8`)");
        case ScanStatus::too_many_cells:
          refuse(result.next, fmt::format("more than {} cells in one record; is this a table?", kMostCells));
        case ScanStatus::record:
          break;
      }
      begin += result.next;
      after_cr = result.ended_by_cr;
      const std::string_view text(buffer.data() + record, result.next);
      next_line = line + 1;
      if (result.quoted) {
        for (const RawCell& cell : cells)
          next_line += static_cast<std::uint64_t>(
              std::ranges::count(text.substr(cell.begin, cell.end - cell.begin), '\n'));
      }
      if (!is_blank_record(text, cells, result.quoted)) return true;
    }
  }

  void take_cells() {
    current.clear();
    for (const RawCell& cell : cells) {
      char* const text = buffer.data() + record + cell.begin;
      std::size_t n = cell.end - cell.begin;
      if (cell.doubled_quotes) {
        const std::size_t written = n;
        n = undouble_quotes(text, n);
        std::fill(text + n, text + written, ' ');  // so that line feeds are counted once
      }
      current.push_back({{text, n}, cell.start});
    }
  }

  void begin_text() {
    // Enough to decide; of a pipe that trickles no more than the first line.
    while (!at_end &&
           (options.eager ? rest().find_first_of("\r\n") == std::string_view::npos
                          : end - begin < kSampleBytes) &&
           end - begin <= options.max_record_bytes) {
      refill();
    }
    const std::string_view start = rest();
    if (start.starts_with("\xff\xfe"sv) || start.starts_with("\xfe\xff"sv)) {
      throw DataError(
          fmt::format("{}: found UTF-16 text, wanted UTF-8; convert it with `iconv -f utf-16 -t "
                      "utf-8`",
                      in->name()));
    }
    if (start.starts_with(kByteOrderMark)) begin += kByteOrderMark.size();
    for (std::size_t i = 0; i < options.skip_lines; ++i) skip_line();
    skip_line_feed();
    // Excel's way to name the separator.
    constexpr std::string_view kExcel = "sep=";
    const std::string_view first = rest().substr(0, rest().find_first_of("\r\n"));
    if (first.size() == kExcel.size() + 1 && same_word(first.substr(0, kExcel.size()), kExcel)) {
      const char named = first.back();
      if (!options.separator && separator_name(named) != "unknown"sv) options.separator = named;
      skip_line();
      skip_line_feed();
    }
    while (!options.eager && !at_end && end - begin < kSampleBytes && refill()) {
    }
  }

  void decide() {
    const DetectedDialect found = detect_dialect(rest(), at_end, options);
    dialect = found.dialect;
    messages.push_back(fmt::format("separator: {} ({})", separator_name(dialect.separator),
                                   options.separator ? "given" : "detected"));
    messages.push_back(fmt::format("header: {} ({})", dialect.header ? "yes" : "no",
                                   options.header ? "given" : fmt::format("detected: {}", found.why_header)));
    if (!scan()) throw DataError(fmt::format("{}: is empty, wanted a table", in->name()));
    n_columns = cells.size();
    if (dialect.header) {
      take_cells();
      header_line = line;
      std::vector<std::string> names;
      std::string scratch;
      bool latin1 = false;
      for (const Cell& cell : current) {
        const std::string_view utf8 = as_utf8(trimmed(cell.text), scratch);
        latin1 = latin1 || utf8.data() == scratch.data();
        names.emplace_back(utf8);
      }
      if (latin1) messages.push_back("the header is no UTF-8; it is read as Latin-1");
      // R's write.table has no name above the row names; others end each row, but not the header, with a
      // separator. Known from the next record, if that is there.
      std::vector<RawCell> ahead;
      if (scan_ahead(ahead) && ahead.size() == n_columns + 1) {
        const bool trailing = ahead.back().begin == ahead.back().end;
        names.insert(trailing ? names.end() : names.begin(), trailing ? "" : "row_names");
        ++n_columns;
        messages.push_back(fmt::format(
            "the header is one cell short; the {}",
            trailing ? "last, empty column has no name" : "first column is taken as \"row_names\""));
      }
      set_names(std::move(names));
    } else {
      set_names(std::vector<std::string>(n_columns));
      begin = record;  // this record is data: once more
      next_line = line;
      after_cr = false;
    }
    begins_data = true;
  }

  // Scans the next record that is not blank without going there; false if it is not there as a whole.
  bool scan_ahead(std::vector<RawCell>& ahead) const {
    std::string_view text = rest();
    bool skip_feed = after_cr;
    while (true) {
      if (skip_feed && !text.empty() && text.front() == '\n') text.remove_prefix(1);
      if (text.empty()) return false;
      const ScanResult result = scan_record(text, at_end, dialect.separator, ahead);
      if (result.status == ScanStatus::need_more) return false;
      if (result.status != ScanStatus::record) return true;
      if (!is_blank_record(text, ahead, result.quoted)) return true;
      text.remove_prefix(result.next);
      skip_feed = result.ended_by_cr;
    }
  }

  void set_names(std::vector<std::string> names) {
    std::set<std::string> taken(names.begin(), names.end());
    std::set<std::string> used;
    for (std::size_t j = 0; j < names.size(); ++j) {
      std::string& name = names[j];
      if (!name.empty() && used.insert(name).second) continue;
      const bool unnamed = name.empty();
      std::string base = unnamed ? "column" : name + "_";
      for (std::size_t k = unnamed ? j + 1 : 2;; ++k) {
        name = base + std::to_string(k);
        if (!taken.contains(name)) break;
      }
      taken.insert(name);
      used.insert(name);
      if (dialect.header && ++n_renamed <= kMostRenamedShown) {
        messages.push_back(fmt::format("column {} has {}; it is called {}", j + 1,
                                       unnamed ? "no name" : "the name of another", shown(name)));
      }
    }
    if (n_renamed > kMostRenamedShown)
      messages.push_back(fmt::format("{} more columns were given names", n_renamed - kMostRenamedShown));
    column_names = std::move(names);
  }

  void check_count() {
    if (cells.size() == n_columns) {
      begins_data = false;
      return;
    }
    std::string why = fmt::format("found {} cells, wanted {}", cells.size(), n_columns);
    why += dialect.header ? fmt::format(", as in the header at line {}", header_line)
                          : std::string(", as in the first record");
    if (begins_data && dialect.header) {
      why += "; if the table starts further down, leave out the lines above it (--skip-lines)";
    } else {
      why += fmt::format("; a cell that holds a {} needs quotes", separator_name(dialect.separator));
    }
    begins_data = false;
    const std::size_t offset = cells.size() > n_columns ? cells[n_columns].start : cells.back().start;
    refuse(offset, why);
  }

  static constexpr std::size_t kMostRenamedShown = 10;

  std::unique_ptr<ByteStream> in;
  DelimitedOptions options;
  Dialect dialect;
  std::vector<std::string> column_names;
  std::vector<std::string> messages;
  std::vector<char> buffer;
  std::size_t begin = 0, end = 0;  // unread text in the buffer
  std::size_t record = 0;          // where the current record starts in it
  bool at_end = false;             // the stream has nothing more
  bool after_cr = false;
  bool begins_data = false;  // no record after the header was accepted yet
  std::uint64_t line = 0, next_line = 1, header_line = 0;
  std::size_t n_columns = 0, n_renamed = 0;
  std::vector<RawCell> cells;
  std::vector<Cell> current;
};

DelimitedReader::DelimitedReader(std::unique_ptr<ByteStream> in, DelimitedOptions options)
    : state_(std::make_unique<State>(std::move(in), std::move(options))) {
  if (state_->options.separator && separator_name(*state_->options.separator) == "unknown"sv) {
    static_cast<void>(separator_from_name(std::string(1, *state_->options.separator)));
  }
  state_->begin_text();
  state_->decide();
}
DelimitedReader::~DelimitedReader() = default;

const std::string& DelimitedReader::name() const {
  return state_->in->name();
}
const Dialect& DelimitedReader::dialect() const {
  return state_->dialect;
}
const std::vector<std::string>& DelimitedReader::column_names() const {
  return state_->column_names;
}
const std::vector<std::string>& DelimitedReader::messages() const {
  return state_->messages;
}
ByteStream& DelimitedReader::stream() {
  return *state_->in;
}

bool DelimitedReader::next() {
  state_->current.clear();
  if (!state_->scan()) return false;
  state_->check_count();
  state_->take_cells();
  return true;
}
std::span<const Cell> DelimitedReader::cells() const {
  return state_->current;
}
std::uint64_t DelimitedReader::line() const {
  return state_->line;
}
bool DelimitedReader::has_buffered_record() const {
  std::vector<RawCell> ahead;
  return state_->scan_ahead(ahead);
}
std::string DelimitedReader::place(std::size_t column) const {
  return state_->place_of(state_->current[column].offset);
}

}  // namespace deepsad
