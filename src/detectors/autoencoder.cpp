#include "detectors/autoencoder.h"

#include "core/scoring_only.h"
#include "deepsad/core/error.h"
#include "deepsad/detectors/autoencoder_cache.h"
#include "deepsad/storage/checksum.h"
#include "detectors/registry.h"
#include "detectors/training_checks.h"
#include "nn/losses.h"
#include "nn/plan.h"
#include "nn/score_functions.h"
#include "nn/training_loop.h"

namespace deepsad {

AutoencoderDetector::AutoencoderDetector(const NetworkDefinition& network, const AutoencoderOptions& options,
                                         std::string phase)
    : network_(network), options_(options), spec_(autoencoder(network)), phase_(std::move(phase)) {
  validate(network);
  validate(options.training);
}

AutoencoderDetector::AutoencoderDetector(const NetworkDefinition& network, const AutoencoderOptions& options,
                                         StateDict state)
    : AutoencoderDetector(network, options) {
  if (const std::string problem = mismatch(spec_, state); !problem.empty())
    throw InvalidArgument("[autoencoder] " + problem);
  state_ = std::move(state);
}

TrainedAutoencoder AutoencoderDetector::train_on(MatrixView<const float> x, const RowParts& rows,
                                                 FitContext& context) const {
  const StateDict state =
      first_state(context, spec_, [&] { return initial_state(spec_, context.seed, "autoencoder"); });
  std::vector<float> before(x.rows());
  score_reconstruction(*inference_plan(spec_, state, context.pool), x, before);

  const ReconstructionTraining training(spec_);
  Plan<float> plan(training.network, largest_batch(rows.train.size(), options_.training), PlanMode::train,
                   context.pool);
  plan.load(state);
  const ReconstructionLoss<float> loss(x.cols(), training.unit);
  TrainingHistory history = train(plan, loss, x, rows,
                                  {.name = phase_,
                                   .shuffle_stream = "autoencoder",
                                   .options = options_.training,
                                   .seed = context.seed,
                                   .observer = context.observer,
                                   .stop = context.stop,
                                   .checkpoint = context.checkpoint});
  TrainedAutoencoder trained{
      .state = plan.state(), .phase = {phase_, options_.training, std::move(history)}, .findings = {}};
  std::vector<float> after(x.rows());
  score_reconstruction(*inference_plan(spec_, trained.state, context.pool), x, after);
  check_scores_vary(after, trained.findings);
  check_training_changed(before, after, trained.findings);
  check_units(spec_, trained.state, false, x, context.pool, trained.findings);
  return trained;
}

std::string AutoencoderDetector::training_key(MatrixView<const float> x, const RowParts& rows,
                                              std::uint64_t seed) const {
  Sha256 digest;
  const auto add = [&digest](const auto& values) {
    digest.update({reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof(values[0])});
  };
  add(description());
  add(std::to_string(seed));
  add(rows.train);
  add(rows.validation);
  for (std::size_t i = 0; i < x.rows(); ++i) add(x.row(i));
  return digest.hex();
}

void AutoencoderDetector::fit(const TrainingSet& data, FitContext& context) {
  beyond_scoring();
  const RowParts rows =
      phase_rows(data.semi, options_.exclude_labelled_anomalies, options_.training, context.seed, phase_);
  check_trainable(spec_, data.x.cols(), rows.train.size(), options_.training, phase_);
  plans_.clear();
  gradient_plans_.clear();
  TrainedAutoencoder trained =
      context.autoencoders == nullptr || context.start != nullptr
          ? train_on(data.x, rows, context)
          : *context.autoencoders->get(training_key(data.x, rows, context.seed),
                                       [&] { return train_on(data.x, rows, context); });
  state_ = std::move(trained.state);
  findings_ = std::move(trained.findings);
  trained.phase.name = phase_;
  phases_ = {std::move(trained.phase)};
  if (phase_ == "training" && !options_.exclude_labelled_anomalies)
    check_labels_wanted(method(), data.semi, findings_);
  report_ = {{"n_rows", rows.train.size()},
             {"excluded_labelled_anomalies", options_.exclude_labelled_anomalies}};
}

void AutoencoderDetector::score(MatrixView<const float> x, std::span<float> scores, ThreadPool& pool) const {
  check_scorable(n_features(), !state_.empty(), x, scores.size());
  plans_.with(spec_, state_, pool, [&](Plan<float>& plan) { score_reconstruction(plan, x, scores); });
}

void AutoencoderDetector::score_gradient(MatrixView<const float> x, std::span<double> scores,
                                         MatrixView<float> gradient, ThreadPool& pool) const {
  check_differentiable(n_features(), !state_.empty(), x, scores.size(), gradient);
  const ReconstructionScore<float> score(x.cols());
  gradient_plans_.with(
      pool, [&] { return gradient_plan(spec_, state_, pool); },
      [&](Plan<float>& plan) { plan.score_gradient(x, score, scores, gradient); });
}

std::string AutoencoderDetector::description() const {
  return Json{{"network", Json::parse(deepsad::to_json(network_))}, {"options", to_json(options_)}}.dump();
}

Json to_json(const AutoencoderOptions& options) {
  return {{"training", to_json(options.training)},
          {"exclude_labelled_anomalies", options.exclude_labelled_anomalies}};
}

AutoencoderOptions autoencoder_options_from_json(const Json& json) {
  return {.training = training_options_from_json(json.at("training")),
          .exclude_labelled_anomalies = json.at("exclude_labelled_anomalies").get<bool>()};
}

std::unique_ptr<Detector> restore_autoencoder(const std::string& /*method*/, const Json& description,
                                              StateDict tensors, const std::string& source) {
  return std::make_unique<AutoencoderDetector>(network_from_json(description.at("network").dump(), source),
                                               autoencoder_options_from_json(description.at("options")),
                                               std::move(tensors));
}

std::unique_ptr<Detector> make_autoencoder(const NetworkDefinition& network,
                                           const AutoencoderOptions& options) {
  return std::make_unique<AutoencoderDetector>(network, options);
}

}  // namespace deepsad
