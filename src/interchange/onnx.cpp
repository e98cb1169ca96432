#include "deepsad/interchange/onnx.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "deepsad/core/error.h"
#include "deepsad/core/version.h"
#include "deepsad/nn/network_spec.h"
#include "interchange/onnx_evaluation.h"
#include "interchange/onnx_graph.h"
#include "interchange/probe_rows.h"

namespace deepsad {
namespace {

using Json = nlohmann::ordered_json;

// Keys of the file's metadata (docs/onnx.md).
constexpr const char* kMethod = "deepsad.method";
constexpr const char* kWriter = "deepsad.writer";
constexpr const char* kDataset = "deepsad.dataset";
constexpr const char* kScoreForm = "deepsad.score_form";
constexpr const char* kFeatureNames = "deepsad.feature_names";
constexpr const char* kSchema = "deepsad.schema";
constexpr const char* kThreshold = "deepsad.threshold";
constexpr const char* kProbe = "deepsad.probe";

constexpr const char* kExportable =
    "deep_sad, deep_svdd, autoencoder, classifier, vae (scored by its mean code), dgm_m2 and dgm_m1m2";

ScoringNetwork scoring_network_of(const Model& model) {
  std::optional<ScoringNetwork> scoring = model.detector().scoring_network();
  if (scoring) return std::move(*scoring);
  const std::string method = model.detector().method();
  throw InvalidArgument(
      fmt::format("a model of the method {}{} cannot be exported to ONNX, because its score is no network's "
                  "output; those that can "
                  "are {}",
                  method, method == "vae" ? " that scores by drawn codes (score_samples)" : "", kExportable));
}

struct Probe {
  Matrix<double> rows;
  std::vector<float> scores;
  std::vector<double> tolerances;
};

RawRows raw_rows(const Matrix<double>& rows) {
  return {.values = MatrixView<const double>(rows.values.data(), rows.rows, rows.cols),
          .name = "probe rows",
          .feature_names = {}};
}

std::string to_json(const Probe& probe, bool whole_numbers) {
  Json rows = Json::array();
  for (std::size_t i = 0; i < probe.rows.rows; ++i) {
    Json row = Json::array();
    for (const double value : probe.rows.row(i))
      row.push_back(whole_numbers ? Json(static_cast<int>(value)) : Json(value));
    rows.push_back(std::move(row));
  }
  return Json{{"rows", std::move(rows)}, {"scores", probe.scores}, {"tolerances", probe.tolerances}}.dump();
}

Probe probe_from_json(const std::string& text, std::size_t n_features, const std::string& source) {
  const auto refuse = [&](const std::string& why) {
    throw DataError(fmt::format("{}: damaged: its metadata \"{}\" {}", source, kProbe, why));
  };
  Probe probe;
  try {
    const Json json = Json::parse(text);
    probe.scores = json.at("scores").get<std::vector<float>>();
    probe.tolerances = json.at("tolerances").get<std::vector<double>>();
    const Json& rows = json.at("rows");
    if (rows.size() != probe.scores.size() || rows.size() != probe.tolerances.size() || rows.empty()) {
      refuse(fmt::format("hold {} rows, {} scores and {} tolerances", rows.size(), probe.scores.size(),
                         probe.tolerances.size()));
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {  // before memory is taken for what the graph claims
      if (rows[i].size() != n_features)
        refuse(
            fmt::format("have {} values in row {}, but the graph takes {}", rows[i].size(), i, n_features));
      if (!(std::isfinite(probe.tolerances[i]) && probe.tolerances[i] > 0)) {
        refuse(fmt::format("have the tolerance {} in row {}, wanted a finite number above 0",
                           probe.tolerances[i], i));
      }
    }
    probe.rows = Matrix<double>(rows.size(), n_features);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto row = rows[i].get<std::vector<double>>();
      std::copy(row.begin(), row.end(), probe.rows.row(i).begin());
    }
  } catch (const Json::exception& error) {
    refuse(fmt::format("cannot be read: {}", error.what()));
  }
  return probe;
}

double norm(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(sum);
}

/// See kOnnxTolerance.
std::vector<double> tolerances_of(const Probe& probe, const ScoringNetwork& scoring, const Scaler& scaler) {
  std::vector<double> sizes;
  for (const float score : probe.scores) sizes.push_back(std::abs(static_cast<double>(score)));
  const auto middle = sizes.begin() + static_cast<std::ptrdiff_t>(sizes.size() / 2);
  std::vector<double> tolerances = sizes;
  std::nth_element(sizes.begin(), middle, sizes.end());
  const double median = std::max(*middle, std::numeric_limits<double>::min());
  for (double& size : tolerances) size = kOnnxTolerance * std::max(size, median);

  Matrix<float> scaled(probe.rows.rows, probe.rows.cols);
  scaler.transform(raw_rows(probe.rows), 0, {scaled.values.data(), scaled.rows, scaled.cols});
  for (std::size_t i = 0; i < tolerances.size(); ++i) {
    double compared_with = 0;
    if (scoring.form == ScoreForm::squared_distance) compared_with = norm(scoring.center);
    if (scoring.form == ScoreForm::mean_squared_error)
      compared_with = norm(scaled.row(i)) / std::sqrt(static_cast<double>(scaled.cols));
    const double squares = std::max(0.0, static_cast<double>(probe.scores[i]) + scoring.offset);
    tolerances[i] += 2 * kOnnxOutputTolerance * std::sqrt(squares) * compared_with;
  }
  return tolerances;
}

/// Largest difference, in shares of the tolerance. @throws ModelError if it is above 1
template <class Scores>
double compare(const Probe& probe, const Scores& found, const std::string& source, const char* whose) {
  double largest = 0;
  for (std::size_t i = 0; i < probe.scores.size(); ++i) {
    const double difference =
        std::abs(static_cast<double>(found[i]) - static_cast<double>(probe.scores[i])) / probe.tolerances[i];
    if (!(difference <= 1)) {
      throw ModelError(
          fmt::format("{}: probe row {}: {} gives the score {}, but the file says {}; it was altered, or "
                      "does not belong to the "
                      "model. Export the model again",
                      source, i, whose, found[i], probe.scores[i]));
    }
    largest = std::max(largest, difference);
  }
  return largest;
}

/// Outputs of the graph for the probe rows, one value a row. Row by row, so that large networks need little
/// memory.
struct GraphOutputs {
  std::vector<double> scores;
  std::vector<double> labels;  // empty: the graph gives none
};

GraphOutputs evaluate_rows(const OnnxFile& file, const Matrix<double>& rows, const std::string& source) {
  const OnnxValue& input = file.inputs[0];
  OnnxArray x{.type = input.type, .shape = {1}, .values = {}};
  for (std::size_t i = 1; i < input.shape.size(); ++i)
    x.shape.push_back(static_cast<std::size_t>(input.shape[i]));
  GraphOutputs outputs;
  for (std::size_t i = 0; i < rows.rows; ++i) {
    x.values.assign(rows.row(i).begin(), rows.row(i).end());
    const auto row = evaluate_onnx(file, {{input.name, x}}, source);
    const auto value = [&](const char* name, std::vector<double>& to) {
      const auto found = row.find(name);
      if (found == row.end()) return false;
      if (found->second.values.size() != 1)
        throw DataError(fmt::format("{}: its output \"{}\" is not one value a row", source, name));
      to.push_back(found->second.values[0]);
      return true;
    };
    if (!value(kOnnxScore, outputs.scores))
      throw DataError(fmt::format("{}: its graph has no output \"{}\"", source, kOnnxScore));
    (void)value(kOnnxLabel, outputs.labels);
  }
  return outputs;
}

std::size_t values_per_row(const OnnxValue& input, const std::string& source) {
  Shape shape;
  for (std::size_t i = 1; i < input.shape.size(); ++i) {
    if (input.shape[i] <= 0) throw DataError(fmt::format("{}: the shape of its input is not fixed", source));
    shape.push_back(static_cast<std::size_t>(input.shape[i]));
  }
  return n_elements(shape);
}

/// @throws ModelError if a label is not what the score and the threshold give; DataError if that is no
/// threshold
void check_labels(std::span<const double> labels, const std::string& threshold_text, const Probe& probe,
                  const std::string& source) {
  const double threshold = [&] {
    try {
      return threshold_from_json(threshold_text).value;
    } catch (const InvalidArgument& error) {
      throw DataError(fmt::format("{}: damaged: its metadata \"{}\": {}", source, kThreshold, error.what()));
    }
  }();
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const double distance = static_cast<double>(probe.scores[i]) - threshold;
    if (std::abs(distance) <= probe.tolerances[i] || (labels[i] != 0) == (distance > 0))
      continue;  // rounding may decide
    throw ModelError(
        fmt::format("{}: probe row {}: its score is {} and the threshold {}, but its graph labels it "
                    "otherwise; it was altered. Export the model again",
                    source, i, probe.scores[i], threshold));
  }
}

}  // namespace

std::vector<std::uint8_t> to_onnx(const Model& model, ThreadPool& pool) {
  const ScoringNetwork scoring = scoring_network_of(model);
  const std::optional<Threshold>& threshold = model.decision().threshold;
  OnnxFile file = onnx_graph(scoring, model.scaler(), model.sample_shape(),
                             threshold ? std::optional(threshold->value) : std::nullopt);
  const std::string& method = model.detector().method();
  file.producer = "deepsad";
  file.producer_version = version();
  file.graph_name = method;
  file.description = fmt::format(
      "Anomaly detector ({}), trained on {}. Input {}: raw rows; the scaling is in the graph. Output {}: the "
      "larger, "
      "the more anomalous.{}",
      method, model.setup().dataset, kOnnxInput, kOnnxScore,
      threshold ? fmt::format(" Output {}: 1 if the score is larger than {}, else 0. {}", kOnnxLabel,
                              threshold->value, threshold->promise)
                : std::string());
  Probe probe{
      .rows = probe_rows(model.scaler(), model.sample_shape(), kProbeRows), .scores = {}, .tolerances = {}};
  probe.scores = model.score(raw_rows(probe.rows), pool);
  probe.tolerances = tolerances_of(probe, scoring, model.scaler());
  file.metadata = {{kMethod, method},
                   {kWriter, fmt::format("deepsad {}", version())},
                   {kDataset, model.setup().dataset},
                   {kScoreForm, std::string(to_string(scoring.form))},
                   {kFeatureNames, Json(model.feature_names()).dump()},
                   {kProbe, to_json(probe, model.scaler().kind() == Scaler::Kind::pixels)}};
  if (model.schema()) file.metadata[kSchema] = model.schema()->schema.to_toml();
  if (threshold) file.metadata[kThreshold] = threshold_to_json(*threshold);
  const std::string bytes = onnx_bytes(file);
  return {bytes.begin(), bytes.end()};
}

OnnxCheck check_onnx(std::span<const std::uint8_t> bytes, const std::string& source, const Model* model,
                     ThreadPool& pool) {
  const OnnxFile file = onnx_from_bytes(bytes, source);
  const auto probe_text = file.metadata.find(kProbe);
  if (probe_text == file.metadata.end()) {
    throw DataError(fmt::format("{}: no file of `deepsad export`: its metadata lack \"{}\"", source, kProbe));
  }
  if (file.inputs.size() != 1 || file.inputs[0].shape.empty())
    throw DataError(
        fmt::format("{}: its graph has {} inputs, wanted one of rows", source, file.inputs.size()));
  const OnnxValue& input = file.inputs[0];
  const std::size_t n_features = values_per_row(input, source);
  const Probe probe = probe_from_json(probe_text->second, n_features, source);

  OnnxCheck check{.n_rows = probe.scores.size()};
  const GraphOutputs outputs = evaluate_rows(file, probe.rows, source);
  check.graph_difference = compare(probe, outputs.scores, source, "its graph");

  const auto threshold_text = file.metadata.find(kThreshold);
  if ((threshold_text != file.metadata.end()) == outputs.labels.empty()) {
    throw DataError(fmt::format("{}: damaged: the output \"{}\" and the metadata \"{}\" belong together",
                                source, kOnnxLabel, kThreshold));
  }
  if (!outputs.labels.empty()) check_labels(outputs.labels, threshold_text->second, probe, source);
  if (model == nullptr) return check;
  if (model->detector().n_features() != n_features) {
    throw ModelError(
        fmt::format("{}: it takes rows of {} values, but the model takes {}: it is another model's", source,
                    n_features, model->detector().n_features()));
  }
  check.model_difference = compare(probe, model->score(raw_rows(probe.rows), pool), source, "the model");
  return check;
}

}  // namespace deepsad
