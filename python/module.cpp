// The Python module deepsad._core: models and training on NumPy arrays. What people use is python/deepsad,
// which stands on it.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <vector>

#include "array_rows.h"
#include "core/pool_cache.h"
#include "deepsad/core/error.h"
#include "deepsad/core/version.h"
#include "deepsad/model/fit_model.h"
#include "deepsad/model/scoring.h"
#include "errors.h"
#include "fitting.h"

namespace py = pybind11;

namespace deepsad::python {
namespace {

// Rows scored between two looks at signals: some milliseconds of work.
constexpr std::size_t kRowsBetweenSignals = 8192;

std::size_t threads_of(int n_jobs) {
  if (n_jobs == -1) return available_processors();
  if (n_jobs < 1)
    throw InvalidArgument("n_jobs: got " + std::to_string(n_jobs) +
                          ", wanted 1 or more, or -1 for all processors");
  return static_cast<std::size_t>(n_jobs);
}

py::array_t<float> score(const Model& model, const py::array& x, int n_jobs) {
  const RawRows rows = rows_of(x, "X", model.feature_names());
  py::array_t<float> scores(static_cast<py::ssize_t>(rows.size()));
  float* const destination = scores.mutable_data();
  {
    const py::gil_scoped_release released;
    static PoolCache pools;
    pools.with(threads_of(n_jobs), [&](ThreadPool& pool) {
      for (std::size_t first = 0; first < rows.size() || first == 0; first += kRowsBetweenSignals) {
        const std::size_t n = std::min(kRowsBetweenSignals, rows.size() - first);
        const std::vector<float> part = model.score(rows.rows_from(first, n), pool);
        std::copy(part.begin(), part.end(), destination + first);
        const py::gil_scoped_acquire held;
        if (PyErr_CheckSignals() != 0) throw py::error_already_set();
      }
    });
  }
  return scores;
}

std::span<const float> floats_of(
    const py::array_t<float, py::array::c_style | py::array::forcecast>& scores) {
  return {scores.data(), static_cast<std::size_t>(scores.size())};
}

py::array_t<double> p_values(const Model& model,
                             const py::array_t<float, py::array::c_style | py::array::forcecast>& scores) {
  if (!model.decision().calibration) {
    throw InvalidArgument("the model has no calibration scores to take p-values from; calibrate it first");
  }
  py::array_t<double> result(scores.size());
  double* destination = result.mutable_data();
  for (const float value : floats_of(scores)) *destination++ = model.decision().calibration->p_value(value);
  return result;
}

py::array_t<bool> is_anomalous(const Model& model,
                               const py::array_t<float, py::array::c_style | py::array::forcecast>& scores) {
  if (!model.decision().threshold) throw InvalidArgument("the model has no threshold; calibrate it first");
  py::array_t<bool> result(scores.size());
  bool* destination = result.mutable_data();
  for (const float value : floats_of(scores))
    *destination++ = model.decision().threshold->is_anomalous(value);
  return result;
}

py::bytes to_bytes(const Model& model) {
  const std::vector<std::uint8_t> bytes = model.to_bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Model from_bytes(const py::bytes& bytes, const std::string& name) {
  const std::string_view text = bytes;
  return Model::from_bytes({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, name);
}

Model with_contamination_threshold(const Model& model, double value, double contamination,
                                   std::size_t n_rows) {
  Threshold threshold{.request = {ThresholdKind::contamination, contamination},
                      .value = value,
                      .n_rows = n_rows,
                      .n_trimmed = 0,
                      .rows = std::to_string(n_rows) + " rows that the model was trained on",
                      .promise =
                          "About the given share of rows like the training rows lies above it. Training "
                          "rows score lower than new ones, so new rows may be called anomalous more often."};
  return model.with_decision({std::nullopt, "", std::move(threshold)});
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.doc() =
      "Models of deepsad and their training, on NumPy arrays. Larger scores are more anomalous here.";
  module.attr("__version__") = std::string(version());
  register_errors(module);

  py::class_<Model>(module, "Model", R"(A trained model. Immutable; any number of threads may use it at once.

Load one with deepsad.load(path). Scores have the bits of `deepsad score`, at any n_jobs: a row's score depends on nothing
but that row. Larger = more anomalous. Pickling goes through the bytes of the model file.)")
      .def_static(
          "load", &Model::load, py::arg("path"), py::call_guard<py::gil_scoped_release>(),
          "The model in a file.\n\nRaises ModelError (truncated, altered, foreign, newer) or IoError.")
      .def_static("from_bytes", &from_bytes, py::arg("data"), py::arg("name") = "model",
                  "The model in the bytes of a model file; `name` stands for the file in messages.")
      .def("to_bytes", &to_bytes, "The bytes of the model file: the same model gives the same bytes.")
      .def("save", &Model::save, py::arg("path"), py::call_guard<py::gil_scoped_release>(),
           "Writes the model file, whole or not at all.\n\nRaises IoError if the file exists or cannot be "
           "written.")
      .def("score", &score, py::arg("X"), py::kw_only(), py::arg("n_jobs") = 1,
           R"(Anomaly scores of raw rows, float32, larger = more anomalous.

X: n rows of n_features numbers, or n images as they were given to the training: float64, float32 or uint8, the values of a
row side by side. They are read where they are, not copied.
n_jobs: threads; -1 = all processors.

Raises InvalidArgument for an array of another type or layout (naming the call that copies it) or a wrong n_jobs; DataError
if the number of features is not the model's, or a value is NaN or infinite (naming row and feature). Ctrl-C ends it.)")
      .def("p_values", &p_values, py::arg("scores"),
           "Conformal p-values of scores, float64 in (0, 1].\n\nRaises InvalidArgument if the model is not "
           "calibrated, NumericError for a score that is NaN.")
      .def("is_anomalous", &is_anomalous, py::arg("scores"),
           "Whether each score is larger than the model's threshold.\n\nRaises InvalidArgument if there is "
           "none.")
      .def_property_readonly(
          "threshold",
          [](const Model& model) {
            const auto& threshold = model.decision().threshold;
            return threshold ? std::optional<double>(threshold->value) : std::nullopt;
          },
          "Rows that score higher are anomalous; None if the model has no threshold.")
      .def_property_readonly(
          "is_calibrated", [](const Model& model) { return model.decision().calibration.has_value(); },
          "Whether p_values() has scores to compare with.")
      .def_property_readonly(
          "method", [](const Model& model) { return model.detector().method(); },
          "The method's name: \"deep_sad\", \"isolation_forest\", ...")
      .def_property_readonly(
          "n_features", [](const Model& model) { return model.scaler().n_features(); },
          "Number of values of a row.")
      .def_property_readonly("feature_names", &Model::feature_names,
                             "Names of the features, or an empty list.")
      .def_property_readonly(
          "sample_shape", [](const Model& model) { return py::tuple(py::cast(model.sample_shape())); },
          "(n_features,) of a table, (channels, height, width) of images.")
      .def("inspect_json", &Model::inspect_json,
           "Everything the model holds but the tensors' values, as JSON text.")
      .def("_with_contamination_threshold", &with_contamination_threshold, py::arg("value"),
           py::arg("contamination"), py::arg("n_rows"))
      .def("__repr__",
           [](const Model& model) {
             return "<deepsad.Model " + model.detector().method() + ", " +
                    std::to_string(model.scaler().n_features()) + " features>";
           })
      .def(py::pickle([](const Model& model) { return to_bytes(model); },
                      [](const py::bytes& bytes) { return from_bytes(bytes, "pickled model"); }));

  register_fitting(module);
}

}  // namespace deepsad::python
