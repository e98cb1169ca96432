#include "array_rows.h"

#include <cstdint>

#include "deepsad/core/error.h"

namespace py = pybind11;

namespace deepsad::python {
namespace {

// Values from the start of a sample to the start of the next, or 0 if a sample's values do not lie side by
// side.
std::size_t row_stride(const py::array& x, std::size_t d) {
  py::ssize_t expected = x.itemsize();
  for (py::ssize_t axis = x.ndim() - 1; axis > 0; --axis) {
    if (x.shape(axis) != 1 && x.strides(axis) != expected) return 0;
    expected *= x.shape(axis);
  }
  if (x.shape(0) <= 1) return d;
  const py::ssize_t stride = x.strides(0);
  if (stride < expected || stride % x.itemsize() != 0) return 0;
  return static_cast<std::size_t>(stride / x.itemsize());
}

template <class T>
bool view(const py::array& x, std::size_t d, std::size_t stride, RawRows& rows) {
  if (!py::dtype::of<T>().is(x.dtype()) && !x.dtype().equal(py::dtype::of<T>())) return false;
  rows.values =
      MatrixView<const T>(static_cast<const T*>(x.data()), static_cast<std::size_t>(x.shape(0)), d, stride);
  return true;
}

}  // namespace

RawRows rows_of(const py::array& x, const std::string& name, std::span<const std::string> feature_names) {
  const auto refuse = [&](const std::string& found) {
    throw InvalidArgument(
        name + ": got " + found +
        ", wanted an array of float64, float32 or uint8, samples first, the values of each side by "
        "side; numpy.ascontiguousarray(" +
        name + ", dtype=float) makes one");
  };
  if (x.ndim() < 2) refuse("an array of " + std::to_string(x.ndim()) + " dimensions");
  std::size_t d = 1;
  for (py::ssize_t axis = 1; axis < x.ndim(); ++axis) d *= static_cast<std::size_t>(x.shape(axis));
  if (d == 0) refuse("samples without values");
  const std::size_t stride = row_stride(x, d);
  constexpr auto kAligned = py::detail::npy_api::NPY_ARRAY_ALIGNED_;
  if (stride == 0 || (x.flags() & kAligned) == 0) refuse("an array of another layout");
  RawRows rows{.values = {}, .name = name, .feature_names = feature_names};
  if (!view<double>(x, d, stride, rows) && !view<float>(x, d, stride, rows) &&
      !view<std::uint8_t>(x, d, stride, rows))
    refuse("an array of " + py::str(x.dtype()).cast<std::string>());
  // Names that the rows do not have one each are of no use in messages.
  if (rows.feature_names.size() != d) rows.feature_names = {};
  return rows;
}

}  // namespace deepsad::python
