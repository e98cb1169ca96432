// Quantiles of numbers in ascending order.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>

namespace deepsad {

/// The number below which the given share of ascending numbers lies, linear between neighbours. At least one.
[[nodiscard]] inline double quantile_of(std::span<const double> ascending, double share) {
  const double place = share * static_cast<double>(ascending.size() - 1);
  const auto i = static_cast<std::size_t>(place);
  if (i + 1 >= ascending.size()) return ascending.back();
  return std::lerp(ascending[i], ascending[i + 1], place - static_cast<double>(i));
}

}  // namespace deepsad
