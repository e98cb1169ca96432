#include "fitting.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "array_rows.h"
#include "deepsad/core/error.h"
#include "deepsad/model/fit_model.h"
#include "deepsad/model/train_options.h"

namespace py = pybind11;

namespace deepsad::python {
namespace {

constexpr std::chrono::milliseconds kBetweenSignals{50};

OptionValue value_of(const std::string& name, const py::handle& value) {
  if (value.is_none()) return std::monostate{};
  if (py::isinstance<py::bool_>(value)) return value.cast<bool>();
  if (py::isinstance<py::str>(value)) return value.cast<std::string>();
  // __index__: Python's and NumPy's whole numbers.
  if (PyIndex_Check(value.ptr()) != 0) return value.cast<std::int64_t>();
  if (PyNumber_Check(value.ptr()) != 0)
    return py::float_(py::reinterpret_borrow<py::object>(value)).cast<double>();
  if (py::isinstance<py::sequence>(value)) {
    std::vector<std::int64_t> numbers;
    for (const py::handle entry : value) {
      if (PyIndex_Check(entry.ptr()) == 0)
        throw InvalidArgument("option " + name + ": got " + py::repr(value).cast<std::string>() +
                              ", wanted whole numbers");
      numbers.push_back(entry.cast<std::int64_t>());
    }
    return numbers;
  }
  throw InvalidArgument("option " + name + ": got " + py::repr(value).cast<std::string>() +
                        ", wanted a number, text, True, False, None or a list of whole numbers");
}

// fit_model() checks the whole when it has seen the rows.
// @param starts whether the training goes on from a model: then few epochs are the default
TrainOptions options_from(const py::dict& given, bool starts) {
  OptionLayer layer;
  if (starts) layer.push_back({find_train_option("init"), std::string("the model"), "init"});
  for (const auto& [key, value] : given) {
    const auto name = key.cast<std::string>();
    const OptionDeclaration* option = find_train_option(name);
    if (option == nullptr) throw InvalidArgument("unknown option \"" + name + "\"");
    layer.push_back({option, value_of(name, value), "option " + name});
  }
  return merge_unchecked({layer});
}

py::object python_value(const OptionValue& value) {
  return std::visit(
      [](const auto& v) -> py::object {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::monostate>)
          return py::none();
        else
          return py::cast(v);
      },
      value);
}

std::vector<SemiLabel> labels_from(const py::object& y) {
  std::vector<SemiLabel> labels;
  if (y.is_none()) return labels;
  const auto values = py::array_t<double, py::array::c_style | py::array::forcecast>::ensure(y);
  if (!values || values.ndim() != 1) {
    PyErr_Clear();
    throw InvalidArgument("y: wanted one label a row: +1 (normal), -1 (anomalous) or 0 (unlabelled)");
  }
  labels.reserve(static_cast<std::size_t>(values.size()));
  for (py::ssize_t i = 0; i < values.size(); ++i) {
    const double value = values.at(i);
    if (value != -1 && value != 0 && value != 1) {
      throw InvalidArgument("y: row " + std::to_string(i) + " is labelled " +
                            py::repr(py::float_(value)).cast<std::string>() +
                            ", wanted +1 (normal), -1 (anomalous) or 0 (unlabelled)");
    }
    labels.push_back(static_cast<SemiLabel>(static_cast<int>(value)));
  }
  return labels;
}

struct Message {
  LogLevel level;
  std::string text;
};
using Event = std::variant<Progress, Message>;

/// A training in a thread of its own, so that the calling one can look at signals and call back into Python.
class Training {
 public:
  Training(const TrainOptions& options, const RowsToFit& data) {
    observer_.on_progress = [this](const Progress& progress) { post(progress); };
    observer_.on_message = [this](LogLevel level, const std::string& text) { post(Message{level, text}); };
    thread_ = std::thread([this, &options, &data] {
      try {
        result_ = fit_model(options, data, observer_, &stop_);
      } catch (...) {
        error_ = std::current_exception();
      }
      const std::lock_guard lock(mutex_);
      done_ = true;
      changed_.notify_one();
    });
  }
  ~Training() { join(); }
  Training(const Training&) = delete;
  Training& operator=(const Training&) = delete;

  /// Passes events on until the training has ended. handle(event) holds the GIL and may throw.
  template <class Handle>
  FittedModel wait(Handle&& handle) {
    try {
      for (;;) {
        std::deque<Event> events;
        bool done = false;
        {
          const py::gil_scoped_release released;
          std::unique_lock lock(mutex_);
          changed_.wait_for(lock, kBetweenSignals, [&] { return done_ || !events_.empty(); });
          events.swap(events_);
          done = done_;
        }
        for (const Event& event : events) handle(event);
        if (PyErr_CheckSignals() != 0) throw py::error_already_set();
        if (done) break;
      }
    } catch (...) {
      // Ends after the step it is in; what the caller threw is what counts.
      stop_.request_stop();
      const py::gil_scoped_release released;
      join();
      throw;
    }
    join();
    if (error_) std::rethrow_exception(error_);
    return std::move(*result_);
  }

 private:
  void post(Event event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    changed_.notify_one();
  }
  void join() {
    if (thread_.joinable()) thread_.join();
  }

  Observer observer_;
  StopToken stop_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Event> events_;
  bool done_ = false;
  std::optional<FittedModel> result_;
  std::exception_ptr error_;
  std::thread thread_;  // last: everything above exists before it runs
};

FittedModel fit(const py::dict& options, const py::array& x, const py::object& y,
                const std::vector<std::size_t>& sample_shape, const std::vector<std::string>& feature_names,
                const Model* init, const py::object& on_progress, const py::object& on_message) {
  const TrainOptions train_options = options_from(options, init != nullptr);
  const std::vector<SemiLabel> semi = labels_from(y);
  const RowsToFit data{.rows = rows_of(x, "X", feature_names),
                       .semi = semi,
                       .sample_shape = sample_shape,
                       .start = init == nullptr ? nullptr : std::make_shared<const Model>(*init)};
  Training training(train_options, data);
  return training.wait([&](const Event& event) {
    if (const auto* progress = std::get_if<Progress>(&event)) {
      if (!on_progress.is_none()) on_progress(*progress);
    } else if (!on_message.is_none()) {
      const auto& message = std::get<Message>(event);
      on_message(message.level == LogLevel::warning ? "warning" : "info", message.text);
    }
  });
}

py::dict options_of(const FittedModel& fitted) {
  py::dict result;
  for (const OptionDeclaration& option : train_option_declarations())
    result[py::str(option.name)] = python_value(option.get(fitted.options));
  return result;
}

py::list phases_of(const FittedModel& fitted) {
  py::list result;
  for (const PhaseRecord& phase : fitted.phases) {
    py::dict entry;
    entry["name"] = phase.name;
    std::vector<double> losses;
    for (const EpochRecord& epoch : phase.history.epochs) losses.push_back(epoch.loss);
    entry["losses"] = losses;
    result.append(entry);
  }
  return result;
}

}  // namespace

void register_fitting(py::module_& module) {
  py::class_<Progress>(module, "Progress", "Where a training is, as on_progress gets it.")
      .def_readonly("phase", &Progress::phase, "\"pretraining\" or \"training\".")
      .def_readonly("done", &Progress::done, "Finished epochs.")
      .def_readonly("total", &Progress::total, "All epochs; 0 if unknown.")
      .def_readonly("loss", &Progress::loss, "Mean loss of the last epoch; NaN if there is none.")
      .def_readonly("seconds", &Progress::seconds, "Since the phase began.")
      .def("__repr__", [](const Progress& p) {
        return "<deepsad.Progress " + p.phase + " " + std::to_string(p.done) + "/" + std::to_string(p.total) +
               ">";
      });
  py::class_<FittedModel>(module, "Fit", "What fit() gives.")
      .def_property_readonly("model", [](const FittedModel& f) { return Model(*f.model); })
      .def_property_readonly("options", &options_of, "Every option as it was used, the seed included.")
      .def_property_readonly("phases", &phases_of,
                             "A dict a phase of training: name, and the mean loss of every epoch.")
      .def_property_readonly(
          "findings",
          [](const FittedModel& f) {
            std::vector<std::pair<std::string, std::string>> all;
            for (const Finding& finding : f.findings) all.emplace_back(finding.name, finding.text);
            return all;
          },
          "What training noticed: (name, text) pairs, docs/checks.md.")
      .def_readonly("report_json", &FittedModel::fit_report, "Facts of the training, as JSON text.");
  module.def("fit", &fit, py::arg("options"), py::arg("X"), py::arg("y") = py::none(), py::kw_only(),
             py::arg("sample_shape") = std::vector<std::size_t>(),
             py::arg("feature_names") = std::vector<std::string>(), py::arg("init") = py::none(),
             py::arg("on_progress") = py::none(), py::arg("on_message") = py::none(),
             R"(Scales the rows and trains a model on them.

options: a dict of the options of `deepsad train` that say how (docs/options.md): method, n_epochs, seed, ...
X: as Model.score; nothing is held out.
y: +1 known normal, -1 known anomaly, 0 unlabelled, a row; None: all unlabelled.
sample_shape: (channels, height, width) for images; empty: a table.
init: a Model to go on from (docs/warm-start.md), of the same method and network; 10 epochs if no other number is given.
on_progress(Progress), on_message(level, text): called in this thread. What they raise ends the training after its step
and comes out of fit(), as KeyboardInterrupt does.

Raises InvalidArgument (an option, a label, an array's layout), DataError (a value that is NaN or infinite) or NumericError
(a loss that left the real numbers), in the words of `deepsad train`.)");
}

}  // namespace deepsad::python
