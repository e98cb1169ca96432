#include "deepsad/detectors/deep_sad.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/scoring_only.h"
#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "detectors/autoencoder.h"
#include "detectors/center.h"
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

constexpr const char* kDeepSad = "deep_sad";
constexpr const char* kDeepSvdd = "deep_svdd";
constexpr const char* kCenterTensor = "c";

Json to_json(const DeepSadOptions& options) {
  return {{"eta", options.eta},
          {"training", deepsad::to_json(options.training)},
          {"pretrain", options.pretrain},
          {"pretraining", deepsad::to_json(options.pretraining)},
          {"transfer", options.transfer},
          {"center_rows", options.center_rows == CenterRows::all ? "all" : "without-labelled-anomalies"},
          {"clamp_center", options.clamp_center},
          {"clamp_zeros", options.clamp_zeros},
          {"reference_quirks", options.reference_quirks}};
}

DeepSadOptions deep_sad_options_from_json(const Json& json) {
  return {.eta = json.at("eta").get<double>(),
          .training = training_options_from_json(json.at("training")),
          .pretrain = json.at("pretrain").get<bool>(),
          .pretraining = autoencoder_options_from_json(json.at("pretraining")),
          .transfer = json.at("transfer").get<bool>(),
          .center_rows = json.at("center_rows").get<std::string>() == "all"
                             ? CenterRows::all
                             : CenterRows::without_labelled_anomalies,
          .clamp_center = json.value("clamp_center", true),  // not in files of the first version
          .clamp_zeros = json.at("clamp_zeros").get<bool>(),
          .reference_quirks = json.at("reference_quirks").get<bool>()};
}

// Radius that leaves a share nu of the distances outside (linear interpolation between order statistics, as
// NumPy).
double radius_of(std::vector<float> squared_distances, double nu) {
  std::sort(squared_distances.begin(), squared_distances.end());
  const double position = (1 - nu) * static_cast<double>(squared_distances.size() - 1);
  const auto low = static_cast<std::size_t>(position);
  const std::size_t high = std::min(low + 1, squared_distances.size() - 1);
  const double a = std::sqrt(static_cast<double>(squared_distances[low]));
  const double b = std::sqrt(static_cast<double>(squared_distances[high]));
  return a + (position - static_cast<double>(low)) * (b - a);
}

/// Deep SAD and Deep SVDD: they differ in which rows and labels they look at, and in the loss.
class DeepSadDetector final : public Detector {
 public:
  DeepSadDetector(const char* method, const NetworkDefinition& network, const DeepSvddOptions& options)
      : method_(method), network_(network), options_(options) {
    validate(network);
    const DeepSadOptions& base = options.base;
    if (!(base.eta > 0) || !std::isfinite(base.eta)) {
      throw InvalidArgument(fmt::format("eta must be positive and finite, got {}", base.eta));
    }
    if (!(options.nu > 0 && options.nu < 1))
      throw InvalidArgument(fmt::format("nu must lie in (0, 1), got {}", options.nu));
    validate(base.training);
    if (base.pretrain) {
      validate(base.pretraining.training);
      (void)autoencoder(network);  // refuses a network without a fitting decoder before any work
    }
  }

  /// Rebuilds a fitted detector.
  DeepSadDetector(const char* method, const NetworkDefinition& network, const DeepSvddOptions& options,
                  double radius, StateDict tensors)
      : DeepSadDetector(method, network, options) {
    radius_ = radius;
    const auto center = std::find_if(tensors.begin(), tensors.end(),
                                     [](const StateTensor& tensor) { return tensor.name == kCenterTensor; });
    const std::size_t rep_dim = output_shape(network.encoder)[0];
    if (center == tensors.end() || center->shape != Shape{rep_dim} || center->values.size() != rep_dim) {
      throw InvalidArgument(
          fmt::format("tensor \"{}\" (the centre) is missing or not of {} values", kCenterTensor, rep_dim));
    }
    center_ = center->values;
    tensors.erase(center);
    for (StateTensor& tensor : tensors) {
      const bool of_autoencoder = tensor.name.starts_with("encoder.") || tensor.name.starts_with("decoder.");
      (of_autoencoder ? autoencoder_ : state_).push_back(std::move(tensor));
    }
    if (const std::string problem = mismatch(network.encoder, state_); !problem.empty())
      throw InvalidArgument(problem);
    if (!autoencoder_.empty()) {
      if (const std::string problem = mismatch(autoencoder(network), autoencoder_); !problem.empty()) {
        throw InvalidArgument(problem);
      }
    }
  }

  [[nodiscard]] std::string method() const override { return method_; }
  [[nodiscard]] std::size_t n_features() const override { return n_elements(network_.encoder.input); }
  [[nodiscard]] const std::vector<PhaseRecord>& phases() const override { return phases_; }
  [[nodiscard]] const std::vector<Finding>& findings() const override { return findings_; }
  [[nodiscard]] std::string fit_report() const override { return report_.dump(); }

  void fit(const TrainingSet& data, FitContext& context) override;

  void score(MatrixView<const float> x, std::span<float> scores, ThreadPool& pool) const override {
    check_scorable(n_features(), !state_.empty(), x, scores.size());
    plans_.with(network_.encoder, state_, pool,
                [&](Plan<float>& plan) { score_distances(plan, center_, x, scores); });
    if (!soft_boundary()) return;
    const auto squared_radius = static_cast<float>(radius_ * radius_);
    for (float& score : scores) score -= squared_radius;
  }

  [[nodiscard]] bool has_score_gradient() const override { return true; }
  void score_gradient(MatrixView<const float> x, std::span<double> scores, MatrixView<float> gradient,
                      ThreadPool& pool) const override {
    check_differentiable(n_features(), !state_.empty(), x, scores.size(), gradient);
    const SquaredDistanceScore<float> score(center_);
    gradient_plans_.with(
        pool, [&] { return gradient_plan(network_.encoder, state_, pool); },
        [&](Plan<float>& plan) { plan.score_gradient(x, score, scores, gradient); });
    if (!soft_boundary()) return;
    for (double& value : scores) value -= radius_ * radius_;
  }

  [[nodiscard]] std::string description() const override {
    return Json{{"network", Json::parse(deepsad::to_json(network_))},
                {"options", to_json(options_.base)},
                {"objective", soft_boundary() ? "soft-boundary" : "one-class"},
                {"nu", options_.nu},
                {"warm_up_epochs", options_.warm_up_epochs},
                {"radius", radius_}}
        .dump();
  }

  [[nodiscard]] std::vector<DetectorTensor> tensors() const override {
    StateDict all{
        {.name = kCenterTensor, .shape = {center_.size()}, .values = center_, .is_count = false, .count = 0}};
    all.insert(all.end(), state_.begin(), state_.end());
    all.insert(all.end(), autoencoder_.begin(), autoencoder_.end());
    return all;
  }

  [[nodiscard]] std::optional<ScoringNetwork> scoring_network() const override {
    if (state_.empty()) return std::nullopt;
    return ScoringNetwork{.network = network_.encoder,
                          .state = state_,
                          .form = ScoreForm::squared_distance,
                          .center = center_,
                          .offset = soft_boundary() ? radius_ * radius_ : 0};
  }

  [[nodiscard]] std::unique_ptr<Detector> pretrained_autoencoder() const override {
    if (autoencoder_.empty()) return nullptr;
    return std::make_unique<AutoencoderDetector>(network_, options_.base.pretraining, autoencoder_);
  }

  [[nodiscard]] std::unique_ptr<Detector> before_training() const override {
    if (initial_.empty()) return nullptr;
    auto copy = std::make_unique<DeepSadDetector>(method_, network_, options_);
    copy->state_ = initial_;
    copy->center_ = center_;
    return copy;
  }

 private:
  [[nodiscard]] bool soft_boundary() const { return options_.objective == SvddObjective::soft_boundary; }
  [[nodiscard]] bool uses_labels() const { return method_ == std::string(kDeepSad); }
  void start_network(const TrainingSet& data, FitContext& context);
  void place_center(const TrainingSet& data, FitContext& context);
  TrainingHistory train_network(const TrainingSet& data, const RowParts& rows,
                                std::span<const SemiLabel> semi, std::span<const float> before,
                                FitContext& context);

  const char* method_;
  NetworkDefinition network_;
  DeepSvddOptions options_;
  StateDict state_, autoencoder_, initial_;
  mutable PlanCache plans_, gradient_plans_;  // of state_
  std::vector<float> center_;
  double radius_ = 0;
  std::vector<PhaseRecord> phases_;
  std::vector<Finding> findings_;
  Json report_ = Json::object();
};

// The network before its own training: that of the model to go on from, with its centre; else the
// autoencoder's encoder, weights and batch-norm state, or fresh weights.
void DeepSadDetector::start_network(const TrainingSet& data, FitContext& context) {
  const DeepSadOptions& options = options_.base;
  if (context.start != nullptr) {
    DeepSadDetector start(method_, network_, options_, 0, *context.start);
    state_ = std::move(start.state_);
    autoencoder_ = std::move(start.autoencoder_);
    center_ = std::move(start.center_);
    report_["goes_on"] = true;
    return;
  }
  state_ = initial_state(network_.encoder, context.seed, "network");
  std::size_t transferred = 0;
  if (options.pretrain) {
    AutoencoderOptions pretraining = options.pretraining;
    if (!uses_labels()) pretraining.exclude_labelled_anomalies = true;
    AutoencoderDetector pretrained(network_, pretraining, "pretraining");
    pretrained.fit(data, context);
    autoencoder_ = pretrained.state();
    phases_.push_back(pretrained.phases().front());
    add_pretraining_findings(pretrained, findings_);
    if (options.transfer) {
      StateDict encoder = without_prefix(autoencoder_, "encoder.");
      if (const std::string problem = mismatch(network_.encoder, encoder); !problem.empty()) {
        throw Error("[transfer] the autoencoder's encoder does not fill the network: " + problem);
      }
      transferred = encoder.size();
      state_ = std::move(encoder);
    }
    if (transferred == 0) {
      findings_.push_back(
          {"nothing_transferred",
           "no tensor of the pretrained encoder reached the network, so pretraining had no effect (the "
           "reference's behaviour, asked for by --compat reference or --transfer false)"});
    }
  }
  report_["network_tensors"] = state_.size();
  report_["transferred_tensors"] = transferred;
}

TrainingHistory DeepSadDetector::train_network(const TrainingSet& data, const RowParts& rows,
                                               std::span<const SemiLabel> semi, std::span<const float> before,
                                               FitContext& context) {
  const TrainingOptions& options = options_.base.training;
  Plan<float> plan(network_.encoder, largest_batch(rows.train.size(), options), PlanMode::train,
                   context.pool);
  plan.load(state_);
  TrainingPhase phase{.name = "training",
                      .shuffle_stream = "network",
                      .options = options,
                      .seed = context.seed,
                      .observer = context.observer,
                      .stop = context.stop,
                      .checkpoint = context.checkpoint};
  TrainingHistory history;
  if (soft_boundary()) {
    SoftBoundaryLoss<float> loss(center_, options_.nu, data.x.rows());
    std::vector<float> distances;
    if (context.start != nullptr) {
      for (const std::uint32_t row : rows.train) distances.push_back(before[row]);
      loss.set_radius(radius_of(distances, options_.nu));
    }
    phase.after_step = [&](std::size_t epoch, std::span<const std::uint32_t> batch) {
      if (context.start == nullptr && epoch < options_.warm_up_epochs) return;
      distances.clear();
      for (const std::uint32_t row : batch) distances.push_back(loss.distance(row));
      loss.set_radius(radius_of(distances, options_.nu));
    };
    phase.carried = [&] { return std::vector<float>{loss.squared_radius()}; };
    phase.restore_carried = [&](std::span<const float> carried) {
      if (carried.size() != 1) throw InvalidArgument("[deep_svdd] the checkpoint holds no radius");
      loss.set_squared_radius(carried[0]);
    };
    history = train(plan, loss, data.x, rows, phase);
  } else {
    const DeepSadLoss<float> loss(center_, semi, options_.base.eta, kLossEpsilon);
    history = train(plan, loss, data.x, rows, phase);
  }
  state_ = plan.state();
  return history;
}

void DeepSadDetector::place_center(const TrainingSet& data, FitContext& context) {
  const DeepSadOptions& options = options_.base;
  const Matrix<float> outputs = network_outputs(network_.encoder, state_, data.x, context.pool);
  const MatrixView<const float> output_view(outputs.values.data(), outputs.rows, outputs.cols);
  std::vector<std::uint32_t> center_rows = select_rows(data.x.rows(), [&](std::size_t i) {
    return (uses_labels() && options.center_rows == CenterRows::all) || data.semi[i] != SemiLabel::anomaly;
  });
  if (center_rows.empty()) {
    throw InvalidArgument(
        "[center] every training row is labelled anomalous, so there is no row to take the centre from; add "
        "unlabelled or "
        "normal rows");
  }
  if (options.reference_quirks) {
    // One shuffled pass over the training loader, which drops the incomplete batch.
    RandomStream(context.seed, "shuffle/center").shuffle(center_rows);
    center_rows.resize(batch_ends(center_rows.size(), options.training).back());
  }
  const Center center = compute_center(output_view, center_rows, options.clamp_center, options.clamp_zeros);
  center_ = center.values;
  report_["center"] = {{"rows", center_rows.size()},
                       {"components", center_.size()},
                       {"clamped", center.n_clamped},
                       {"exact_zeros", center.n_zeros}};
  context.observer.info(fmt::format("centre: mean output of {} rows, {} of {} components clamped to +-{}",
                                    center_rows.size(), center.n_clamped, center_.size(), kCenterMargin));
  if (2 * center.n_clamped > center_.size()) {
    findings_.push_back(
        {"center_mostly_clamped",
         fmt::format("{} of {} components of the centre lay within {} of 0 and were pushed away: the centre "
                     "says little about the data. Pretrain the network (longer)",
                     center.n_clamped, center_.size(), kCenterMargin)});
  }
}

void DeepSadDetector::fit(const TrainingSet& data, FitContext& context) {
  beyond_scoring();
  const DeepSadOptions& options = options_.base;
  phases_.clear();
  findings_.clear();
  report_ = Json::object();
  autoencoder_.clear();
  plans_.clear();
  gradient_plans_.clear();
  radius_ = 0;

  // Deep SVDD looks at no labels and leaves the known anomalies out.
  const RowParts rows = phase_rows(data.semi, !uses_labels(), options.training, context.seed, "training");
  std::vector<SemiLabel> semi(data.semi.begin(), data.semi.end());
  if (!uses_labels()) std::fill(semi.begin(), semi.end(), SemiLabel::unlabelled);
  check_trainable(network_.encoder, data.x.cols(), rows.train.size(), options.training, "training");

  start_network(data, context);
  initial_ = state_;

  if (context.start == nullptr) place_center(data, context);

  const std::size_t n = data.x.rows();
  std::vector<float> before(n);
  score_distances(*inference_plan(network_.encoder, state_, context.pool), center_, data.x, before);
  if (uses_labels()) {
    check_anomaly_term(before, data.semi, options.eta, kLossEpsilon, options.training.batch_size, "before",
                       findings_);
  }
  TrainingHistory history = train_network(data, rows, semi, before, context);
  phases_.push_back({"training", options.training, std::move(history)});

  const Matrix<float> trained = network_outputs(network_.encoder, state_, data.x, context.pool);
  std::vector<float> after(n);
  score_distances(*inference_plan(network_.encoder, state_, context.pool), center_, data.x, after);
  if (soft_boundary()) {
    std::vector<float> distances;
    for (const std::uint32_t row : rows.train) distances.push_back(after[row]);
    radius_ = radius_of(std::move(distances), options_.nu);
    report_["radius"] = radius_;
  }
  report_["n_rows"] = rows.train.size();

  check_scores_vary(after, findings_);
  check_training_changed(before, after, findings_);
  check_no_collapse({trained.values.data(), trained.rows, trained.cols}, findings_);
  check_units(network_.encoder, state_, true, data.x, context.pool, findings_);
  if (uses_labels()) {
    check_anomaly_term(after, data.semi, options.eta, kLossEpsilon, options.training.batch_size, "after",
                       findings_);
    check_labels_used(after, data.semi, findings_);
  } else {
    check_labels_wanted(method_, data.semi, findings_);
  }
}

}  // namespace

std::unique_ptr<Detector> make_deep_sad(const NetworkDefinition& network, const DeepSadOptions& options) {
  return std::make_unique<DeepSadDetector>(kDeepSad, network, DeepSvddOptions{.base = options});
}

std::unique_ptr<Detector> make_deep_svdd(const NetworkDefinition& network, const DeepSvddOptions& options) {
  return std::make_unique<DeepSadDetector>(kDeepSvdd, network, options);
}

std::unique_ptr<Detector> restore_deep_sad(const std::string& method, const Json& description,
                                           StateDict tensors, const std::string& source) {
  const DeepSvddOptions options{.base = deep_sad_options_from_json(description.at("options")),
                                .objective = description.at("objective").get<std::string>() == "soft-boundary"
                                                 ? SvddObjective::soft_boundary
                                                 : SvddObjective::one_class,
                                .nu = description.at("nu").get<double>(),
                                .warm_up_epochs = description.at("warm_up_epochs").get<std::size_t>()};
  return std::make_unique<DeepSadDetector>(
      method == kDeepSvdd ? kDeepSvdd : kDeepSad, network_from_json(description.at("network").dump(), source),
      options, description.at("radius").get<double>(), std::move(tensors));
}

}  // namespace deepsad
