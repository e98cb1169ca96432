// NumPy arrays as the library's rows, without a copy.
#pragma once

#include <pybind11/numpy.h>

#include <span>
#include <string>

#include "deepsad/data/raw_rows.h"

namespace deepsad::python {

/// Views of the memory of an array of float64, float32 or uint8 with at least two dimensions, n samples
/// first, of which the values of a sample lie side by side; the array and the names outlive the rows.
/// @param name stands for the file in messages
/// @throws InvalidArgument for any other array: what it is, and that numpy.ascontiguousarray() makes one
[[nodiscard]] RawRows rows_of(const pybind11::array& x, const std::string& name,
                              std::span<const std::string> feature_names);

}  // namespace deepsad::python
