// Axes of plots: what range they show, where their ticks lie and what is written beside them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace deepsad {

struct Tick {
  double value;
  std::string label;
};

/// A range of values with ticks at round numbers, ascending, all inside the range and with distinct labels.
struct Axis {
  double low = 0;
  double high = 1;
  bool logarithmic = false;
  std::vector<Tick> ticks;

  /// Where a value lies, 0 at low to 1 at high.
  [[nodiscard]] double position(double value) const;
};

/// An axis for losses, scores and the like from low to high (finite, low <= high), with about n_ticks ticks
/// at multiples of 1, 2 or 5 times a power of ten and some room beyond both ends. Logarithmic, with ticks at
/// powers of ten (and 2 and 5 times those where there is room), if low > 0 and high > 50 low: on a linear
/// axis the smaller values would lie in one line.
[[nodiscard]] Axis value_axis(double low, double high, std::size_t n_ticks);

/// An axis for epochs 1..n, n >= 1, with about n_ticks whole-numbered ticks, 1 among them.
[[nodiscard]] Axis epoch_axis(std::size_t n, std::size_t n_ticks);

/// An axis from exactly low to exactly high, linear.
[[nodiscard]] Axis exact_axis(double low, double high, std::size_t n_ticks);

/// A number as people write it: up to 4 significant digits, exponents without padding ("1e-5").
[[nodiscard]] std::string short_number(double value);

}  // namespace deepsad
