// NumPy arrays as the library's rows, without a copy.
#pragma once

#include <pybind11/numpy.h>

#include <string>
#include <vector>

#include "deepsad/data/raw_rows.h"

namespace deepsad::python {

/// Views of the memory of an array of float64, float32 or uint8 with at least two dimensions, n samples
/// first, of which the values of a sample lie side by side; the array outlives the rows.
/// @param name stands for the file in messages
/// @throws InvalidArgument for any other array: what it is, and that numpy.ascontiguousarray() makes one
[[nodiscard]] RawRows rows_of(const pybind11::array& x, const std::string& name,
                              std::vector<std::string> feature_names);

/// Rows first, ..., first + n - 1.
[[nodiscard]] RawRows part_of(const RawRows& rows, std::size_t first, std::size_t n);

}  // namespace deepsad::python
