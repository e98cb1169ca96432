// Numbers and dates as cells hold them; no locale has a say.
#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

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

// A number written as digits: without sign, digits * 10^exponent.
struct Decimal {
  std::uint64_t digits = 0;
  std::ptrdiff_t n_digits = 0, exponent = 0;
};

// Most cells are digits with at most one point among them, in up to eight or sixteen bytes. Those are read as
// one word, without a loop: cells are of all lengths, and a loop over digits ends with a mispredicted branch.
using Word = std::uint64_t;
__extension__ typedef unsigned __int128 DoubleWord;
constexpr bool kHasWords = std::endian::native == std::endian::little;

template <class T>
T load(const char* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

// The n bytes at p, the first the lowest; zeros above. 1 <= n <= 8.
void load_bytes(const char* p, std::size_t n, Word& word) {
  if (n >= sizeof(std::uint32_t)) {
    const Word tail = load<std::uint32_t>(p + n - sizeof(std::uint32_t));
    word = load<std::uint32_t>(p) | tail << (8 * (n - sizeof(std::uint32_t)));
    return;
  }
  const auto byte = [&](std::size_t i) { return Word{static_cast<unsigned char>(p[i])} << (8 * i); };
  word = byte(0) | byte(n / 2) | byte(n - 1);
}
// 8 <= n <= 16.
void load_bytes(const char* p, std::size_t n, DoubleWord& word) {
  const DoubleWord tail = load<Word>(p + n - sizeof(Word));
  word = load<Word>(p) | tail << (8 * (n - sizeof(Word)));
}

template <class W>
constexpr W in_every_byte(std::uint8_t byte) {
  return static_cast<W>(~W{0} / 255 * byte);
}

std::size_t lowest_byte(Word word) {
  return static_cast<std::size_t>(std::countr_zero(word)) / 8;
}
std::size_t lowest_byte(DoubleWord word) {
  const auto low = static_cast<Word>(word);
  return low != 0 ? lowest_byte(low) : sizeof(Word) + lowest_byte(static_cast<Word>(word >> 64));
}

// Digits, one a byte, the first the lowest: pairs, then fours, then all eight are joined by multiplication.
std::uint64_t join(Word digits) {
  constexpr Word kEveryFourth = 0x0000'00ff'0000'00ff;
  constexpr Word kHundred = 100, kTenThousand = 10'000, kMillion = 1'000'000;
  const Word pairs = digits * 10 + (digits >> 8);  // in every second byte
  return ((pairs & kEveryFourth) * (kHundred + (kMillion << 32)) +
          ((pairs >> 16) & kEveryFourth) * (1 + (kTenThousand << 32))) >>
         32;
}
std::uint64_t join(DoubleWord digits) {
  constexpr std::uint64_t kEightDigits = 100'000'000;
  return join(static_cast<Word>(digits)) * kEightDigits + join(static_cast<Word>(digits >> 64));
}

// Digits with at most one point, in no more bytes than a word has; false for any other text.
template <class W>
bool read_word(const char* p, std::size_t n, Decimal& result) {
  W digits = 0;
  load_bytes(p, n, digits);
  digits ^= in_every_byte<W>('0');
  // The top bit of each byte that is above nine.
  const W others = (((digits & in_every_byte<W>(0x7f)) + in_every_byte<W>(0x7f - 9)) | digits) &
                   in_every_byte<W>(0x80) & (~W{0} >> (8 * (sizeof(W) - n)));
  std::size_t n_digits = n;
  if (others != 0) {
    const std::size_t point = lowest_byte(others);
    if ((others & (others - 1)) != 0 || p[point] != '.' || n == 1) return false;
    const W before = (W{1} << (8 * point)) - 1;
    digits = (digits & before) | ((digits >> 8) & ~before);
    --n_digits;
    result.exponent = static_cast<std::ptrdiff_t>(point) - static_cast<std::ptrdiff_t>(n_digits);
  }
  result.n_digits = static_cast<std::ptrdiff_t>(n_digits);
  result.digits = join(static_cast<W>(digits << (8 * (sizeof(W) - n_digits))));  // leading zeros
  return true;
}

bool read_short(const char* p, std::size_t n, Decimal& result) {
  if (!kHasWords || n == 0 || n > sizeof(DoubleWord)) return false;
  return n <= sizeof(Word) ? read_word<Word>(p, n, result) : read_word<DoubleWord>(p, n, result);
}

// Digits, a point among them, an exponent; up to 19 digits go into the integer, which then is exact.
bool read_decimal(const char* p, const char* end, Decimal& result) {
  const auto take_digits = [&] {
    const char* const first = p;
    while (p != end && is_digit(*p))
      result.digits = 10 * result.digits + static_cast<std::uint64_t>(*p++ - '0');
    return p - first;
  };
  result.n_digits = take_digits();
  if (p != end && *p == '.') {
    ++p;
    const std::ptrdiff_t n_fraction = take_digits();
    result.n_digits += n_fraction;
    result.exponent = -n_fraction;
  }
  if (result.n_digits == 0) return false;
  if (p != end && (*p == 'e' || *p == 'E')) {
    ++p;
    const bool negative = p != end && *p == '-';
    if (p != end && (*p == '-' || *p == '+')) ++p;
    const char* const first = p;
    constexpr std::ptrdiff_t kBeyondAnyDouble = 100'000;
    std::ptrdiff_t exponent = 0;
    for (; p != end && is_digit(*p); ++p) exponent = std::min(kBeyondAnyDouble, 10 * exponent + (*p - '0'));
    if (p == first) return false;
    result.exponent += negative ? -exponent : exponent;
  }
  return p == end;
}

// The nearest double of a text that read_decimal() took; NaN if it is beyond all.
double nearest_double(const char* first, const char* last, const Decimal& decimal) {
  double value = 0;
  const auto [end, error] = std::from_chars(first, last, value);
  if (error != std::errc::result_out_of_range) return std::isfinite(value) ? value : kNoNumber;
  // Too large and too small are one error there; the longer type tells them apart, or else the place of the
  // first digit that is not 0.
  long double wide = 0;
  if (std::from_chars(first, last, wide).ec != std::errc{}) {
    const char* const digits = std::find_if(first, last, [](char c) { return is_digit(c) && c != '0'; });
    const char* const digits_end = std::find_if(digits, last, [](char c) { return c == 'e' || c == 'E'; });
    return std::count_if(digits, digits_end, is_digit) + decimal.exponent <= 0 ? 0 : kNoNumber;
  }
  value = static_cast<double>(wide);
  return std::isfinite(value) ? value : kNoNumber;
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

double number_or_nan(std::string_view text) {
  text = trimmed(text);
  const char* p = text.data();
  const char* const end = p + text.size();
  if (p == end) return kNoNumber;
  const bool negative = *p == '-';
  if (negative || *p == '+') ++p;
  Decimal decimal;
  if (!read_short(p, static_cast<std::size_t>(end - p), decimal) && !read_decimal(p, end, decimal))
    return kNoNumber;
  constexpr std::ptrdiff_t kMostDigits = 19;
  double value = 0;
  // Both factors exact and one rounding: the nearest double. Source: Clinger, "How to read floating point
  // numbers accurately", PLDI 1990, section 3.
  if (decimal.n_digits <= kMostDigits && decimal.digits <= kLargestExactInteger &&
      decimal.exponent >= -kLargestExactPower && decimal.exponent <= kLargestExactPower) {
    value = static_cast<double>(decimal.digits);
    if (decimal.exponent < 0) {
      value /= kExactPowers[static_cast<std::size_t>(-decimal.exponent)];
    } else {
      value *= kExactPowers[static_cast<std::size_t>(decimal.exponent)];
    }
  } else {
    value = nearest_double(p, end, decimal);
  }
  return negative ? -value : value;
}

std::optional<double> parse_number(std::string_view text) {
  const double value = number_or_nan(text);
  return std::isnan(value) ? std::nullopt : std::optional(value);
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
