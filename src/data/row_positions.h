// Lists of rows by their positions, ascending.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

namespace deepsad {

/// 0, 1, ..., n - 1.
[[nodiscard]] inline std::vector<std::uint32_t> all_rows(std::size_t n) {
  std::vector<std::uint32_t> rows(n);
  std::iota(rows.begin(), rows.end(), 0U);
  return rows;
}

/// Of these those that are not left out. @param left_out in any order
[[nodiscard]] inline std::vector<std::uint32_t> all_rows_but(std::span<const std::uint32_t> left_out,
                                                             std::size_t n) {
  std::vector<bool> is_out(n);
  for (const std::uint32_t row : left_out)
    if (row < n) is_out[row] = true;
  std::vector<std::uint32_t> rows;
  for (std::uint32_t row = 0; row < n; ++row)
    if (!is_out[row]) rows.push_back(row);
  return rows;
}

}  // namespace deepsad
