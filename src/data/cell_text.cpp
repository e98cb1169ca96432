#include "data/cell_text.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "deepsad/data/delimited.h"

namespace deepsad {
namespace {

// Bytes of the UTF-8 sequence that starts here, 0 if it is none. Source: RFC 3629, section 4.
std::size_t utf8_sequence(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const unsigned b = byte(0);
  if (b < 0x80) return 1;
  if (b >= 0xc2 && b <= 0xdf) return continues(1) ? 2 : 0;
  if (b >= 0xe0 && b <= 0xef) {
    const unsigned low = b == 0xe0 ? 0xa0 : 0x80, high = b == 0xed ? 0x9f : 0xbf;
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (b >= 0xf0 && b <= 0xf4) {
    const unsigned low = b == 0xf0 ? 0x90 : 0x80, high = b == 0xf4 ? 0x8f : 0xbf;
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string_view take_digits(std::string_view& text) {
  std::size_t n = 0;
  while (n < text.size() && text[n] >= '0' && text[n] <= '9') ++n;
  const std::string_view digits = text.substr(0, n);
  text.remove_prefix(n);
  return digits;
}

bool has_decimal_comma(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  if (take_digits(text).empty()) return false;
  while (text.size() >= 4 && text[0] == '.') {
    text.remove_prefix(1);
    if (take_digits(text).size() != 3) return false;
  }
  if (text.empty() || text[0] != ',') return false;
  text.remove_prefix(1);
  return !take_digits(text).empty() && text.empty();
}

MissingWords::MissingWords(const std::vector<std::string>& words) : words_(words) {
  for (const std::string& word : words)
    if (const std::optional<double> number = parse_number(word)) numbers_.push_back(*number);
}

bool MissingWords::contains(double number) const {
  return std::ranges::find(numbers_, number) != numbers_.end();
}

std::string_view as_utf8(std::string_view text, std::string& scratch) {
  const auto plain = [](char c) { return static_cast<signed char>(c) >= 0; };
  if (std::ranges::all_of(text, plain)) return text;
  for (std::string_view rest = text;;) {
    if (rest.empty()) return text;
    const std::size_t n = utf8_sequence(rest);
    if (n == 0) break;
    rest.remove_prefix(n);
  }
  scratch.clear();
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      scratch += c;
    } else {
      scratch += static_cast<char>(0xc0 | (byte >> 6));
      scratch += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return scratch;
}

std::string shown(std::string_view text) {
  constexpr std::size_t kMostBytes = 40;
  std::string scratch;
  std::string_view utf8 = as_utf8(text, scratch);
  std::string result = "\"";
  while (!utf8.empty()) {
    const std::size_t n = std::max<std::size_t>(1, utf8_sequence(utf8));
    if (result.size() + n > kMostBytes + 1) {
      result += "...";
      break;
    }
    const auto byte = static_cast<unsigned char>(utf8[0]);
    if (byte < 0x20 || byte == 0x7f) {
      result += byte == '\n' ? "\\n" : byte == '\t' ? "\\t" : "?";
    } else {
      result += utf8.substr(0, n);
    }
    utf8.remove_prefix(n);
  }
  return result + "\"";
}

}  // namespace deepsad
