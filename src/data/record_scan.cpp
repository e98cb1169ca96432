#include "data/record_scan.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace deepsad {
namespace {

// Marks the bytes that may end an unquoted cell.
class EndTable {
 public:
  explicit constexpr EndTable(char separator) {
    for (const char c : {separator, '\n', '\r', '\0'}) ends_[static_cast<unsigned char>(c)] = true;
  }
  [[nodiscard]] bool operator()(char c) const { return ends_[static_cast<unsigned char>(c)]; }

 private:
  std::array<bool, 256> ends_{};
};

// The first byte of [p, end) that may end an unquoted cell, or end.
const char* find_end(const char* p, const char* end, char separator, const EndTable& ends) {
#if defined(__SSE2__)
  // Sixteen bytes at once: cells are short and of all lengths, so that a loop over bytes ends with a
  // mispredicted branch in nearly every cell.
  constexpr std::ptrdiff_t kBlock = 16;
  const __m128i separators = _mm_set1_epi8(separator), feeds = _mm_set1_epi8('\n'),
                returns = _mm_set1_epi8('\r');
  while (end - p >= kBlock) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i found = _mm_or_si128(
        _mm_or_si128(_mm_cmpeq_epi8(block, separators), _mm_cmpeq_epi8(block, feeds)),
        _mm_or_si128(_mm_cmpeq_epi8(block, returns), _mm_cmpeq_epi8(block, _mm_setzero_si128())));
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(found));
    if (mask != 0) return p + std::countr_zero(mask);
    p += kBlock;
  }
#endif
  while (p != end && !ends(*p)) ++p;
  return p;
}

const EndTable& ends_of(char separator) {
  static constexpr EndTable comma(','), semicolon(';'), tab('\t'), bar('|'), space(' ');
  switch (separator) {
    case ';':
      return semicolon;
    case '\t':
      return tab;
    case '|':
      return bar;
    case ' ':
      return space;
    default:
      return comma;
  }
}

}  // namespace

ScanResult scan_record(std::string_view text, bool at_end, char separator, std::vector<RawCell>& cells) {
  const EndTable& ends = ends_of(separator);
  const bool runs = separator == ' ';  // any number of separators is one
  const char* const base = text.data();
  const char* const end = base + text.size();
  const char* p = base;
  bool quoted = false;
  const auto at = [&](const char* q) { return static_cast<std::uint32_t>(q - base); };
  const auto stop = [&](ScanStatus status, const char* q) {
    return ScanResult{status, static_cast<std::size_t>(q - base), false, quoted};
  };
  cells.clear();
  while (true) {
    const char* const start = p;
    if (cells.size() == kMostCells) return stop(ScanStatus::too_many_cells, p);
    while (p != end && *p == ' ') ++p;  // a quote may stand behind spaces
    if (runs && !cells.empty() && (p == end ? at_end : *p == '\n' || *p == '\r')) {
      // Spaces at the end of the line separate nothing.
    } else if (p != end && *p == '"') {
      quoted = true;
      const char* const open = p++;
      bool doubled = false;
      while (true) {
        const auto* const quote = static_cast<const char*>(
            p == end ? nullptr : std::memchr(p, '"', static_cast<std::size_t>(end - p)));
        if (quote == nullptr) return stop(at_end ? ScanStatus::open_quote : ScanStatus::need_more, open);
        p = quote + 1;
        if (p == end && !at_end) return stop(ScanStatus::need_more, open);
        if (p == end || *p != '"') break;
        doubled = true;
        ++p;
      }
      const char* const close = p - 1;
      if (const void* const nul = std::memchr(open, '\0', static_cast<std::size_t>(close - open))) {
        return stop(ScanStatus::nul_byte, static_cast<const char*>(nul));
      }
      cells.push_back({at(open + 1), at(close), at(open), doubled});
      if (!runs)
        while (p != end && *p == ' ') ++p;
      if (p != end && !ends(*p)) return stop(ScanStatus::text_after_quote, p);
    } else {
      if (!runs) p = start;
      const char* const first = p;
      p = find_end(p, end, separator, ends);
      cells.push_back({at(first), at(p), at(first), false});
    }
    if (p == end) return stop(at_end ? ScanStatus::record : ScanStatus::need_more, p);
    if (*p == '\n') return stop(ScanStatus::record, p + 1);
    if (*p == '\r') return {ScanStatus::record, static_cast<std::size_t>(p + 1 - base), true, quoted};
    if (*p == '\0') return stop(ScanStatus::nul_byte, p);
    ++p;
  }
}

}  // namespace deepsad
