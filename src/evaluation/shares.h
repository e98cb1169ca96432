// Shares of a number of rows, as counts.
#pragma once

#include <cmath>
#include <cstddef>

namespace deepsad {

// Products of decimal shares miss whole numbers by some units in the last place: 0.29 * 100 is below 29.
inline constexpr double kShareSlack = 1e-12;

/// floor(share n), where a product that should be a whole number counts as one.
[[nodiscard]] inline std::size_t rows_within_share(double share, std::size_t n) {
  return static_cast<std::size_t>(share * static_cast<double>(n) * (1 + kShareSlack));
}
/// ceil(share n) likewise.
[[nodiscard]] inline std::size_t rows_covering_share(double share, std::size_t n) {
  return static_cast<std::size_t>(std::ceil(share * static_cast<double>(n) * (1 - kShareSlack)));
}

}  // namespace deepsad
