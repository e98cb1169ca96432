// Training from Python: fit() and what it gives.
#pragma once

#include <pybind11/pybind11.h>

namespace deepsad::python {

/// Adds fit(), Fit, Progress and the description of all options. Model is known to the module already.
void register_fitting(pybind11::module_& module);

}  // namespace deepsad::python
