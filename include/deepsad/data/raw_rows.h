// Raw samples in memory that the caller owns, for programs that have their data in arrays of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>

#include "deepsad/core/matrix_view.h"

namespace deepsad {

/// n rows of d raw values, as they would lie in a file: never scaled. Nothing is copied; the memory outlives
/// every call that takes the rows. A table takes numbers of any of the types, exactly. Images take bytes, or
/// numbers that are whole and lie in 0..255.
struct RawRows {
  std::variant<MatrixView<const double>, MatrixView<const float>, MatrixView<const std::uint8_t>> values;
  std::string name = "rows";                     ///< stands for the file in messages
  std::span<const std::string> feature_names{};  ///< d names for messages, or empty
  std::size_t first_row = 0;                     ///< number of the first row, for messages

  [[nodiscard]] std::size_t size() const {
    return std::visit([](const auto& view) { return view.rows(); }, values);
  }
  [[nodiscard]] std::size_t n_features() const {
    return std::visit([](const auto& view) { return view.cols(); }, values);
  }
  /// Rows [first, first + n), which keep their numbers in messages.
  [[nodiscard]] RawRows rows_from(std::size_t first, std::size_t n) const {
    RawRows part = *this;
    std::visit([&](auto& view) { part.values = view.rows_from(first, n); }, values);
    part.first_row += first;
    return part;
  }
};

}  // namespace deepsad
