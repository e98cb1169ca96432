// Numbers and dates as cells hold them; no locale has a say.
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "data/cell_text.h"
#include "deepsad/data/delimited.h"
#include "deepsad/data/schema.h"

namespace deepsad {
namespace {

// Powers of ten that a double holds exactly.
constexpr std::array<double, 23> kExactPowers = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr int kLargestExactPower = 22;
constexpr std::uint64_t kLargestExactInteger = std::uint64_t{1} << 53;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::optional<double> parse_slowly(const char* first, const char* last) {
  double value = 0;
  const auto [end, error] = std::from_chars(first, last, value);
  if (end != last) return {};
  if (error == std::errc{}) return std::isfinite(value) ? std::optional(value) : std::nullopt;
  if (error != std::errc::result_out_of_range) return {};
  // Too large and too small are one error there; the longer type tells them apart.
  long double wide = 0;
  if (std::from_chars(first, last, wide).ec != std::errc{}) return {};
  value = static_cast<double>(wide);
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

// Reads digits from the front of a text.
class DigitReader {
 public:
  explicit DigitReader(std::string_view text) : text_(text) {}
  [[nodiscard]] bool empty() const { return text_.empty(); }
  [[nodiscard]] char peek() const { return text_.empty() ? '\0' : text_.front(); }
  bool take(char c) {
    if (peek() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  // A number of exactly n digits, in [low, high].
  [[nodiscard]] std::optional<int> number(std::size_t n, int low, int high) {
    if (text_.size() < n) return {};
    int value = 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (!is_digit(text_[i])) return {};
      value = 10 * value + (text_[i] - '0');
    }
    if (value < low || value > high) return {};
    text_.remove_prefix(n);
    return value;
  }
  // ".25" as 0.25; 0 if there is no point.
  [[nodiscard]] std::optional<double> fraction() {
    if (!take('.')) return 0.0;
    double value = 0, unit = 0.1;
    if (!is_digit(peek())) return {};
    for (; is_digit(peek()); text_.remove_prefix(1), unit /= 10) value += unit * (peek() - '0');
    return value;
  }

 private:
  std::string_view text_;
};

bool is_leap(int year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

// Days from 1970-01-01 to the first of March of the year 0 and on from there. Source: Hinnant,
// "chrono-Compatible Low-Level Date Algorithms", days_from_civil; for years from 0 on.
int days_from_civil(int year, int month, int day) {
  if (month <= 2) --year;
  const int era = (year >= 0 ? year : year - 399) / 400;
  const int year_of_era = year - era * 400;
  const int day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  constexpr int kDaysPerEra = 146097, kDaysToEpoch = 719468;
  return era * kDaysPerEra + day_of_era - kDaysToEpoch;
}

}  // namespace

std::optional<double> parse_number(std::string_view text) {
  text = trimmed(text);
  const char* p = text.data();
  const char* const end = p + text.size();
  if (p == end) return {};
  const bool negative = *p == '-';
  if (negative || *p == '+') ++p;
  const char* const unsigned_part = p;
  // Up to 19 digits go into the integer, which then is exact.
  std::uint64_t digits = 0;
  const auto take_digits = [&] {
    const char* const first = p;
    while (p != end && is_digit(*p)) digits = 10 * digits + static_cast<std::uint64_t>(*p++ - '0');
    return p - first;
  };
  std::ptrdiff_t n_digits = take_digits(), n_fraction = 0;
  if (p != end && *p == '.') {
    ++p;
    n_fraction = take_digits();
    n_digits += n_fraction;
  }
  if (n_digits == 0) return {};
  std::ptrdiff_t exponent = 0;
  if (p != end && (*p == 'e' || *p == 'E')) {
    ++p;
    const bool negative_exponent = p != end && *p == '-';
    if (p != end && (*p == '-' || *p == '+')) ++p;
    const char* const first = p;
    constexpr std::ptrdiff_t kMostExponentDigits = 4;
    while (p != end && is_digit(*p) && p - first < kMostExponentDigits)
      exponent = 10 * exponent + (*p++ - '0');
    if (p == first) return {};
    if (negative_exponent) exponent = -exponent;
  }
  constexpr std::ptrdiff_t kMostDigits = 19;
  exponent -= n_fraction;
  double value = 0;
  // Both factors exact and one rounding: the nearest double. Source: Clinger, "How to read floating point
  // numbers accurately", PLDI 1990, section 3.
  if (p == end && n_digits <= kMostDigits && digits <= kLargestExactInteger &&
      exponent >= -kLargestExactPower && exponent <= kLargestExactPower) {
    value = static_cast<double>(digits);
    if (exponent < 0) {
      value /= kExactPowers[static_cast<std::size_t>(-exponent)];
    } else {
      value *= kExactPowers[static_cast<std::size_t>(exponent)];
    }
  } else {
    const std::optional<double> parsed = parse_slowly(unsigned_part, end);
    if (!parsed) return {};
    value = *parsed;
  }
  return negative ? -value : value;
}

std::optional<double> parse_date(std::string_view text) {
  DigitReader in(trimmed(text));
  const auto year = in.number(4, 0, 9999);
  const char dash = in.peek();
  if (!year || (dash != '-' && dash != '/') || !in.take(dash)) return {};
  const auto month = in.number(2, 1, 12);
  if (!month || !in.take(dash)) return {};
  constexpr std::array kDaysOfMonth = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const int days = *month == 2 && is_leap(*year) ? 29 : kDaysOfMonth[static_cast<std::size_t>(*month - 1)];
  const auto day = in.number(2, 1, days);
  if (!day) return {};
  const double date = days_from_civil(*year, *month, *day);
  if (in.empty()) return date;
  if (!in.take('T') && !in.take(' ')) return {};
  const auto hour = in.number(2, 0, 23);
  if (!hour || !in.take(':')) return {};
  const auto minute = in.number(2, 0, 59);
  if (!minute) return {};
  double seconds = 3600.0 * *hour + 60.0 * *minute;
  if (in.take(':')) {
    const auto whole = in.number(2, 0, 60);  // 60: a leap second
    if (!whole) return {};
    const auto fraction = in.fraction();
    if (!fraction) return {};
    seconds += *whole + *fraction;
  }
  if (!in.take('Z') && !in.empty()) {
    const bool east = in.take('+');
    if (!east && !in.take('-')) return {};
    const auto offset_hours = in.number(2, 0, 23);
    if (!offset_hours) return {};
    in.take(':');
    const auto offset_minutes = in.number(2, 0, 59);
    if (!offset_minutes) return {};
    const double offset = 3600.0 * *offset_hours + 60.0 * *offset_minutes;
    seconds += east ? -offset : offset;
  }
  if (!in.empty()) return {};
  constexpr double kSecondsPerDay = 86400;
  return date + seconds / kSecondsPerDay;
}

}  // namespace deepsad
