// The library's exceptions as Python's.
#pragma once

#include <pybind11/pybind11.h>

namespace deepsad::python {

/// Makes Error and its children in the module (each also the Python exception that is nearest, so that
/// `except ValueError` works), and translates: the same text, and Interrupted becomes KeyboardInterrupt.
void register_errors(pybind11::module_& module);

}  // namespace deepsad::python
