#include "deepsad/detectors/classifier.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/scoring_only.h"
#include "deepsad/core/error.h"
#include "detectors/network_detector.h"
#include "detectors/plan_cache.h"
#include "detectors/registry.h"
#include "detectors/training_checks.h"
#include "nn/losses.h"
#include "nn/plan.h"
#include "nn/score_functions.h"
#include "nn/training_loop.h"

namespace deepsad {
namespace {

constexpr const char* kLogitLayer = "logit";

NetworkSpec with_logit(const NetworkDefinition& network) {
  NetworkSpec spec = network.encoder;
  spec.layers.push_back({.kind = LayerKind::linear, .name = kLogitLayer, .out = 1, .bias = true});
  return spec;
}

/// The weights of the classes among n_rows rows.
CrossEntropyLoss<float>::Weights loss_weights(ClassWeights weights, std::size_t n_rows,
                                              std::size_t n_anomalies) {
  const std::size_t n_normal = n_rows - n_anomalies;
  if (weights == ClassWeights::none || n_normal == 0) return {};
  const double half = static_cast<double>(n_rows) / 2;
  return {.normal = half / static_cast<double>(n_normal), .anomaly = half / static_cast<double>(n_anomalies)};
}

class Classifier final : public Detector {
 public:
  Classifier(const NetworkDefinition& network, const ClassifierOptions& options)
      : network_(network), options_(options), spec_(with_logit(network)) {
    validate(network);
    validate(options.training);
    (void)layer_shapes(spec_);
  }
  Classifier(const NetworkDefinition& network, const ClassifierOptions& options, StateDict state)
      : Classifier(network, options) {
    if (const std::string problem = mismatch(spec_, state); !problem.empty())
      throw InvalidArgument("[classifier] " + problem);
    state_ = std::move(state);
  }

  [[nodiscard]] std::string method() const override { return "classifier"; }
  [[nodiscard]] std::size_t n_features() const override { return n_elements(spec_.input); }
  [[nodiscard]] const std::vector<PhaseRecord>& phases() const override { return phases_; }
  [[nodiscard]] const std::vector<Finding>& findings() const override { return findings_; }
  [[nodiscard]] std::string fit_report() const override { return report_.dump(); }
  [[nodiscard]] std::vector<DetectorTensor> tensors() const override { return state_; }
  [[nodiscard]] std::optional<ScoringNetwork> scoring_network() const override {
    if (state_.empty()) return std::nullopt;
    return ScoringNetwork{.network = spec_, .state = state_, .form = ScoreForm::logit};
  }
  [[nodiscard]] std::string description() const override {
    return Json{
        {"network", Json::parse(deepsad::to_json(network_))},
        {"options",
         {{"training", to_json(options_.training)}, {"class_weights", to_string(options_.class_weights)}}}}
        .dump();
  }

  void fit(const TrainingSet& data, FitContext& context) override {
    beyond_scoring();
    const RowParts rows = phase_rows(data.semi, false, options_.training, context.seed, "training");
    check_trainable(spec_, data.x.cols(), rows.train.size(), options_.training, "training");
    const auto n_anomalies =
        static_cast<std::size_t>(std::count_if(rows.train.begin(), rows.train.end(), [&](std::uint32_t row) {
          return data.semi[row] == SemiLabel::anomaly;
        }));
    if (n_anomalies == 0) {
      throw InvalidArgument(
          "[classifier] there is no row labelled anomalous, so there is one class only; raise "
          "ratio_known_outlier");
    }
    phases_.clear();
    findings_.clear();
    state_ = first_state(context, spec_, [&] { return initial_state(spec_, context.seed, "classifier"); });
    plans_.clear();
    std::vector<float> before(data.x.rows()), after(data.x.rows());
    score(data.x, before, context.pool);
    Plan<float> plan(spec_, largest_batch(rows.train.size(), options_.training), PlanMode::train,
                     context.pool);
    plan.load(state_);
    const auto weights = loss_weights(options_.class_weights, rows.train.size(), n_anomalies);
    const CrossEntropyLoss<float> loss(data.semi, weights);
    TrainingHistory history = train(plan, loss, data.x, rows,
                                    {.name = "training",
                                     .shuffle_stream = "classifier",
                                     .options = options_.training,
                                     .seed = context.seed,
                                     .observer = context.observer,
                                     .stop = context.stop,
                                     .checkpoint = context.checkpoint});
    state_ = plan.state();
    plans_.clear();
    gradient_plans_.clear();
    phases_.push_back({"training", options_.training, std::move(history)});
    score(data.x, after, context.pool);
    check_scores_vary(after, findings_);
    check_training_changed(before, after, findings_);
    check_units(spec_, state_, false, data.x, context.pool, findings_);
    check_labels_used(after, data.semi, findings_);
    report_ = {{"n_rows", rows.train.size()},
               {"n_anomalies", n_anomalies},
               {"class_weights", {{"normal", weights.normal}, {"anomaly", weights.anomaly}}}};
  }

  void score(MatrixView<const float> x, std::span<float> scores, ThreadPool& pool) const override {
    check_scorable(n_features(), !state_.empty(), x, scores.size());
    plans_.with(spec_, state_, pool, [&](Plan<float>& plan) {
      plan.infer_rows(x, {scores.data(), scores.size(), 1});
    });
  }

  [[nodiscard]] bool has_score_gradient() const override { return true; }
  void score_gradient(MatrixView<const float> x, std::span<double> scores, MatrixView<float> gradient,
                      ThreadPool& pool) const override {
    check_differentiable(n_features(), !state_.empty(), x, scores.size(), gradient);
    gradient_plans_.with(
        pool, [&] { return gradient_plan(spec_, state_, pool); },
        [&](Plan<float>& plan) { plan.score_gradient(x, OutputScore<float>(), scores, gradient); });
  }

 private:
  NetworkDefinition network_;
  ClassifierOptions options_;
  NetworkSpec spec_;
  StateDict state_;
  mutable PlanCache plans_, gradient_plans_;  // of state_
  std::vector<PhaseRecord> phases_;
  std::vector<Finding> findings_;
  Json report_ = Json::object();
};

}  // namespace

const char* to_string(ClassWeights weights) {
  return weights == ClassWeights::balanced ? "balanced" : "none";
}

ClassWeights class_weights_from_name(const std::string& name) {
  for (const ClassWeights weights : {ClassWeights::none, ClassWeights::balanced})
    if (name == to_string(weights)) return weights;
  throw InvalidArgument(fmt::format("class weights: got \"{}\", wanted none or balanced", name));
}

std::unique_ptr<Detector> make_classifier(const NetworkDefinition& network,
                                          const ClassifierOptions& options) {
  return std::make_unique<Classifier>(network, options);
}

std::unique_ptr<Detector> restore_classifier(const std::string& /*method*/, const Json& description,
                                             StateDict tensors, const std::string& source) {
  const Json& options = description.at("options");
  const std::string weights = options.value("class_weights", "none");  // not in older files
  return std::make_unique<Classifier>(
      network_from_json(description.at("network").dump(), source),
      ClassifierOptions{.training = training_options_from_json(options.at("training")),
                        .class_weights = class_weights_from_name(weights)},
      std::move(tensors));
}

}  // namespace deepsad
