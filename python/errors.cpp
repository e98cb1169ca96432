#include "errors.h"

#include "deepsad/core/error.h"

namespace py = pybind11;

namespace deepsad::python {
namespace {

// Owned by the module, which lives as long as the interpreter.
PyObject *error_type, *invalid_argument, *data_error, *model_error, *numeric_error, *leak_error, *io_error;

PyObject* make(py::module_& module, const char* name, const char* text, PyObject* base, PyObject* nearest) {
  const py::tuple bases = nearest == nullptr ? py::make_tuple(py::handle(base))
                                             : py::make_tuple(py::handle(base), py::handle(nearest));
  const std::string full_name = std::string("deepsad.") + name;
  PyObject* const type = PyErr_NewExceptionWithDoc(full_name.c_str(), text, bases.ptr(), nullptr);
  if (type == nullptr) throw py::error_already_set();
  module.attr(name) = py::reinterpret_steal<py::object>(type);
  return type;
}

}  // namespace

void register_errors(py::module_& module) {
  error_type = make(module, "Error", "Base of everything that deepsad refuses.", PyExc_Exception, nullptr);
  invalid_argument = make(module, "InvalidArgument",
                          "An option or argument is out of its range, or two contradict each other.",
                          error_type, PyExc_ValueError);
  data_error = make(module, "DataError", "Data that cannot be used: truncated, inconsistent, not finite.",
                    error_type, PyExc_ValueError);
  model_error = make(module, "ModelError", "A model file that is truncated, altered, foreign or newer.",
                     error_type, PyExc_ValueError);
  numeric_error =
      make(module, "NumericError", "A computation left the real numbers.", error_type, PyExc_ArithmeticError);
  leak_error = make(module, "LeakError", "A test metric was asked for over rows that training saw.",
                    error_type, nullptr);
  io_error =
      make(module, "IoError", "The system refused: file exists, disk full, ...", error_type, PyExc_OSError);
  // From the special to the general.
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      std::rethrow_exception(thrown);
    } catch (const InvalidArgument& error) {
      PyErr_SetString(invalid_argument, error.what());
    } catch (const DataError& error) {
      PyErr_SetString(data_error, error.what());
    } catch (const ModelError& error) {
      PyErr_SetString(model_error, error.what());
    } catch (const NumericError& error) {
      PyErr_SetString(numeric_error, error.what());
    } catch (const LeakError& error) {
      PyErr_SetString(leak_error, error.what());
    } catch (const IoError& error) {
      PyErr_SetString(io_error, error.what());
    } catch (const Interrupted& error) {
      PyErr_SetString(PyExc_KeyboardInterrupt, error.what());
    } catch (const Error& error) {
      PyErr_SetString(error_type, error.what());
    }
  });
}

}  // namespace deepsad::python
