#include "report/axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace deepsad {
namespace {

// "1e-05" -> "1e-5"
std::string without_exponent_padding(std::string text) {
  const std::size_t e = text.find('e');
  if (e == std::string::npos) return text;
  const std::size_t digits = e + 2;  // behind the sign, which printf-like formats always write
  while (text.size() > digits + 1 && text[digits] == '0') text.erase(digits, 1);
  if (text[e + 1] == '+') text.erase(e + 1, 1);
  return text;
}

// The smallest of 1, 2, 5 times a power of ten that is at least `step`.
double round_step(double step) {
  const double power = std::pow(10.0, std::floor(std::log10(step)));
  // The tolerance keeps 2.0000000001 at 2.
  for (const double multiple : {1.0, 2.0, 5.0}) {
    if (multiple * power >= step * (1 - 1e-9)) return multiple * power;
  }
  return 10 * power;
}

// Puts the ticks of a linear axis; labels as fit for numbers of this magnitude.
void add_linear_ticks(Axis& axis, double magnitude, std::size_t n_ticks) {
  const double step = round_step((axis.high - axis.low) / static_cast<double>(n_ticks));
  const int exponent = static_cast<int>(std::floor(std::log10(step) + 1e-9));
  const int decimals = std::max(0, -exponent);
  constexpr int kMaxDecimals = 6;
  constexpr double kMaxPlain = 1e6;
  const bool plain = decimals <= kMaxDecimals && magnitude < kMaxPlain;
  // As many digits as tell one tick from the next.
  const int digits = static_cast<int>(std::floor(std::log10(std::max(magnitude, step)))) - exponent;
  for (double k = std::ceil(axis.low / step - 1e-9); k * step <= axis.high + step * 1e-9; ++k) {
    const double value = k * step + 0.0;  // no "-0"
    axis.ticks.push_back({value, plain ? fmt::format("{:.{}f}", value, decimals)
                                       : without_exponent_padding(fmt::format("{:.{}e}", value, digits))});
  }
}

Axis linear_axis(double low, double high, std::size_t n_ticks) {
  constexpr double kPadding = 0.05;     // of the range, above and below, so that no line runs along a border
  constexpr double kFlatPadding = 0.1;  // of the value, where all are equal
  constexpr double kLeastRange = 1e-6;  // of the value: differences below this are rounding, not learning
  const double magnitude = std::max(std::abs(low), std::abs(high));
  double padding = (high - low) * kPadding;
  if (high - low <= magnitude * kLeastRange) padding = magnitude > 0 ? magnitude * kFlatPadding : 1;
  Axis axis{low - padding, high + padding, false, {}};
  // A loss that is never negative needs no room below zero.
  if (low >= 0) axis.low = std::max(axis.low, 0.0);
  add_linear_ticks(axis, magnitude, n_ticks);
  return axis;
}

Axis logarithmic_axis(double low, double high, std::size_t n_ticks) {
  constexpr double kPadding = 0.04;  // of the logarithmic range
  const double log_low = std::log10(low);
  const double log_high = std::log10(high);
  const double padding = (log_high - log_low) * kPadding;
  Axis axis{std::pow(10.0, log_low - padding), std::pow(10.0, log_high + padding), true, {}};

  const double n_decades = log_high - log_low;
  const auto wanted = static_cast<double>(n_ticks);
  const int decade_step = std::max(1, static_cast<int>(std::ceil(n_decades / wanted)));
  const bool in_between = 3 * n_decades <= 1.25 * wanted;
  for (int k = static_cast<int>(std::floor(log_low - padding)); k <= static_cast<int>(std::ceil(log_high));
       ++k) {
    if (k % decade_step != 0) continue;
    for (const double multiple : {1.0, 2.0, 5.0}) {
      if (multiple > 1 && !in_between) continue;
      const double value = multiple * std::pow(10.0, k);
      if (value >= axis.low && value <= axis.high) axis.ticks.push_back({value, short_number(value)});
    }
  }
  return axis;
}

}  // namespace

double Axis::position(double value) const {
  if (logarithmic) return std::log(value / low) / std::log(high / low);
  return (value - low) / (high - low);
}

Axis value_axis(double low, double high, std::size_t n_ticks) {
  constexpr double kLogarithmicFrom = 50;
  return low > 0 && high / low > kLogarithmicFrom ? logarithmic_axis(low, high, n_ticks)
                                                  : linear_axis(low, high, n_ticks);
}

Axis epoch_axis(std::size_t n, std::size_t n_ticks) {
  if (n <= 1) return {0.5, 1.5, false, {{1, "1"}}};
  const double last = static_cast<double>(n);
  double step = std::max(1.0, round_step(last / static_cast<double>(n_ticks)));
  // Somewhat fewer ticks if the last epoch then has one: every 25 epochs rather than every 20 for 150.
  for (const double coarser : {1.0, 1.25, 2.0, 2.5}) {
    const double candidate = coarser * step;
    if (candidate == std::floor(candidate) && std::fmod(last, candidate) == 0) {
      step = candidate;
      break;
    }
  }
  Axis axis{1, last, false, {{1, "1"}}};
  for (double value = step; value <= last; value += step) {
    if (value > 1) axis.ticks.push_back({value, fmt::format("{:.0f}", value)});
  }
  return axis;
}

Axis exact_axis(double low, double high, std::size_t n_ticks) {
  Axis axis{low, high, false, {}};
  add_linear_ticks(axis, std::max(std::abs(low), std::abs(high)), n_ticks);
  return axis;
}

std::string short_number(double value) {
  return without_exponent_padding(fmt::format("{:.4g}", value));
}

}  // namespace deepsad
