#include "detectors/network_detector.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "deepsad/core/error.h"
#include "detectors/plan_cache.h"
#include "kernels/loss/loss.h"
#include "nn/plan.h"
#include "nn/training_loop.h"

namespace deepsad {
namespace {

using kernels::kLanes;

}  // namespace

Matrix<float> network_outputs(const NetworkSpec& spec, const StateDict& state, MatrixView<const float> x,
                              ThreadPool& pool) {
  const std::unique_ptr<Plan<float>> plan = inference_plan(spec, state, pool);
  Matrix<float> outputs(x.rows(), plan->n_outputs());
  plan->infer_rows(x, {outputs.values.data(), outputs.rows, outputs.cols});
  return outputs;
}

void score_distances(Plan<float>& plan, std::span<const float> center, MatrixView<const float> x,
                     std::span<float> scores) {
  struct Sink final : Plan<float>::GroupSink {
    Sink(std::span<const float> c, std::span<float> dst) : center(c), scores(dst) {}
    void operator()(std::size_t first_row, std::size_t n_valid, const float*, const float* output) override {
      alignas(kAlignment) std::array<float, kLanes> distance;
      kernels::squared_distance(center.size(), output, center.data(), distance.data());
      std::copy_n(distance.begin(), n_valid, scores.begin() + static_cast<std::ptrdiff_t>(first_row));
    }
    std::span<const float> center;
    std::span<float> scores;
  };
  Sink sink(center, scores);
  plan.infer(x, sink);
}

void score_reconstruction(Plan<float>& autoencoder, MatrixView<const float> x, std::span<float> scores) {
  struct Sink final : Plan<float>::GroupSink {
    explicit Sink(std::size_t d, std::span<float> dst) : n_features(d), scores(dst) {}
    void operator()(std::size_t first_row, std::size_t n_valid, const float* input,
                    const float* output) override {
      std::array<double, kLanes> error{};
      kernels::squared_error(n_features, n_valid, output, input, 1.0F, nullptr, error.data());
      for (std::size_t lane = 0; lane < n_valid; ++lane)
        scores[first_row + lane] = static_cast<float>(error[lane]);
    }
    std::size_t n_features;
    std::span<float> scores;
  };
  Sink sink(x.cols(), scores);
  autoencoder.infer(x, sink);
}

void check_trainable(const NetworkSpec& spec, std::size_t n_features, std::size_t n_rows,
                     const TrainingOptions& options, const std::string& phase) {
  validate(options);
  if (n_features != n_elements(spec.input)) {
    throw InvalidArgument(fmt::format("[{}] the network takes {} ({} values) but the data has {} features",
                                      phase, to_string(spec.input), n_elements(spec.input), n_features));
  }
  if (n_rows == 0) throw InvalidArgument(fmt::format("[{}] there are no rows to train on", phase));
  check_batch_norm(spec, n_rows, options, phase);
  (void)batch_ends(n_rows, options);  // refuses what the reference could not train on
}

void check_batch_norm(const NetworkSpec& spec, std::size_t n_rows, const TrainingOptions& options,
                      const std::string& phase) {
  const std::vector<Shape> shapes = layer_shapes(spec);
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    if (spec.layers[i].kind != LayerKind::batch_norm || shapes[i].size() != 1) continue;
    if (options.batch_size == 1 || n_rows == 1) {
      throw InvalidArgument(
          fmt::format("[{}] batch normalisation (\"{}\") needs batches of at least 2 rows; there {} and the "
                      "batch size is {}",
                      phase, spec.layers[i].name,
                      n_rows == 1 ? "is 1 row" : fmt::format("are {} rows", n_rows), options.batch_size));
    }
  }
}

void check_scorable(std::size_t n_features, bool fitted, MatrixView<const float> x, std::size_t n_scores) {
  if (!fitted)
    throw InvalidArgument("[score] the detector has not been trained; call fit() or load a model first");
  if (x.cols() != n_features) {
    throw InvalidArgument(fmt::format("[score] rows have {} features but the detector was trained on {}",
                                      x.cols(), n_features));
  }
  if (n_scores != x.rows()) {
    throw InvalidArgument(fmt::format("[score] room for {} scores but {} rows", n_scores, x.rows()));
  }
}

void check_differentiable(std::size_t n_features, bool fitted, MatrixView<const float> x,
                          std::size_t n_scores, MatrixView<float> gradient) {
  check_scorable(n_features, fitted, x, n_scores);
  if (gradient.rows() != x.rows() || gradient.cols() != x.cols()) {
    throw InvalidArgument(fmt::format("[score_gradient] room for a gradient of {} x {} but rows of {} x {}",
                                      gradient.rows(), gradient.cols(), x.rows(), x.cols()));
  }
}

void Detector::score_gradient(MatrixView<const float> /*x*/, std::span<double> /*scores*/,
                              MatrixView<float> /*gradient*/, ThreadPool& /*pool*/) const {
  throw InvalidArgument(
      fmt::format("[score_gradient] the score of {} has no derivative that is known", method()));
}

RowParts phase_rows(std::span<const SemiLabel> semi, bool exclude_labelled_anomalies,
                    const TrainingOptions& options, std::uint64_t seed, const std::string& phase) {
  return split_off_validation(
      select_rows(
          semi.size(),
          [&](std::size_t i) { return !exclude_labelled_anomalies || semi[i] != SemiLabel::anomaly; }),
      semi, options, seed, phase);
}

Json to_json(const TrainingOptions& options) {
  return {{"learning_rate", options.learning_rate}, {"n_epochs", options.n_epochs},
          {"milestones", options.milestones},       {"batch_size", options.batch_size},
          {"weight_decay", options.weight_decay},   {"reference_quirks", options.reference_quirks},
          {"patience", options.patience},           {"validation_share", options.validation_share}};
}

TrainingOptions training_options_from_json(const Json& json) {
  return {.learning_rate = json.at("learning_rate").get<double>(),
          .n_epochs = json.at("n_epochs").get<std::size_t>(),
          .milestones = json.at("milestones").get<std::vector<std::size_t>>(),
          .batch_size = json.at("batch_size").get<std::size_t>(),
          .weight_decay = json.at("weight_decay").get<double>(),
          .reference_quirks = json.at("reference_quirks").get<bool>(),
          .patience = json.value("patience", std::size_t{0}),  // these two are not in older files
          .validation_share = json.value("validation_share", TrainingOptions{}.validation_share)};
}

}  // namespace deepsad
