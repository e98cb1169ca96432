// Raw samples in memory that the caller owns, for programs that have their data in arrays of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "deepsad/core/matrix_view.h"

namespace deepsad {

/// n rows of d raw values, as they would lie in a file: never scaled. Nothing is copied; the memory outlives
/// every call that takes the rows. A table takes numbers of any of the types, exactly. Images take bytes, or
/// numbers that are whole and lie in 0..255.
struct RawRows {
  std::variant<MatrixView<const double>, MatrixView<const float>, MatrixView<const std::uint8_t>> values;
  std::string name = "rows";               ///< stands for the file in messages
  std::vector<std::string> feature_names;  ///< d names for messages, or empty

  [[nodiscard]] std::size_t size() const {
    return std::visit([](const auto& view) { return view.rows(); }, values);
  }
  [[nodiscard]] std::size_t n_features() const {
    return std::visit([](const auto& view) { return view.cols(); }, values);
  }
};

}  // namespace deepsad
