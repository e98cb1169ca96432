// The text of one cell: what several readers of tables ask of it.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace deepsad {

/// Without the spaces and tabs at both ends.
[[nodiscard]] constexpr std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

/// ASCII letters in lower case, all else as it is; no locale has a say.
[[nodiscard]] constexpr char lower_ascii(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Equal but for the case of ASCII letters.
[[nodiscard]] constexpr bool same_word(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower_ascii(a[i]) != lower_ascii(b[i])) return false;
  return true;
}

/// Whether @p text, trimmed, is empty or one of @p words.
[[nodiscard]] inline bool is_missing_word(std::string_view text, const std::vector<std::string>& words) {
  text = trimmed(text);
  if (text.empty()) return true;
  for (const std::string& word : words)
    if (same_word(text, word)) return true;
  return false;
}

/// As parse_number(), but NaN for what is no number: an optional in memory costs more than short numbers do.
[[nodiscard]] double number_or_nan(std::string_view text);
inline constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();

/// The words that stand for a missing value. Those that are numbers mean the number, however it is written:
/// -999 also -999.00.
class MissingWords {
 public:
  explicit MissingWords(const std::vector<std::string>& words);
  /// Whether a cell that is no number is missing: empty, or one of the words.
  [[nodiscard]] bool contains(std::string_view text) const { return is_missing_word(text, words_); }
  [[nodiscard]] bool contains(double number) const;

 private:
  std::vector<std::string> words_;
  std::vector<double> numbers_;
};

/// The digits that the text starts with, which are taken away from it.
[[nodiscard]] std::string_view take_digits(std::string_view& text);
/// "1,5", "-1.234,56": digits, points between groups of three of them, one comma. No number to
/// parse_number().
[[nodiscard]] bool has_decimal_comma(std::string_view text);

/// @p text itself if it is valid UTF-8; else @p scratch, filled with the text read as Latin-1.
[[nodiscard]] std::string_view as_utf8(std::string_view text, std::string& scratch);

/// For messages: quoted, cut after 40 bytes, valid UTF-8 without control characters.
[[nodiscard]] std::string shown(std::string_view text);

}  // namespace deepsad
