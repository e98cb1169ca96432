// Where the cells of one record of delimited text begin and end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace deepsad {

/// A cell as it is written: the bytes between its separators, or between its quotes.
struct RawCell {
  std::uint32_t begin, end;  ///< offsets in the text
  std::uint32_t start;       ///< where the cell itself begins: before its quote, if it has one
  bool doubled_quotes;       ///< holds "" for "
};

enum class ScanStatus {
  record,
  need_more,         ///< the text ends before the record does
  open_quote,        ///< the text ends, for good, within quotes
  text_after_quote,  ///< something else than a separator after a closing quote
  nul_byte,
  too_many_cells
};

struct ScanResult {
  ScanStatus status;
  std::size_t next;  ///< record: offset behind its line end. Errors: offset of what is wrong
  bool ended_by_cr;  ///< a line feed that follows belongs to this record's line end
  bool quoted;       ///< some cell is quoted
};

inline constexpr std::size_t kMostCells = std::size_t{1} << 20;

/// Scans the record at the start of @p text (less than 4 GiB) into @p cells, which it clears. A blank line is
/// a record of one empty cell. @param at_end nothing follows the text
[[nodiscard]] ScanResult scan_record(std::string_view text, bool at_end, char separator,
                                     std::vector<RawCell>& cells);

/// Whether this is a line without anything but spaces.
[[nodiscard]] inline bool is_blank_record(std::string_view text, const std::vector<RawCell>& cells,
                                          bool quoted) {
  return cells.size() == 1 && !quoted &&
         text.substr(cells[0].begin, cells[0].end - cells[0].begin).find_first_not_of(" \t") ==
             std::string_view::npos;
}

}  // namespace deepsad
