#include "deepsad/detectors/deep_generative.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/scoring_only.h"
#include "deepsad/core/error.h"
#include "detectors/network_detector.h"
#include "detectors/plan_cache.h"
#include "detectors/registry.h"
#include "detectors/training_checks.h"
#include "detectors/vae.h"
#include "nn/plan.h"
#include "nn/score_functions.h"
#include "nn/training_loop.h"
#include "nn/variational.h"

namespace deepsad {
namespace {

constexpr const char* kM2 = "dgm_m2";
constexpr const char* kM1M2 = "dgm_m1m2";
constexpr const char* kFeatures = "features.";
// alpha = kAlphaPerRatio unlabelled / labelled, as in the reference.
constexpr double kAlphaPerRatio = 0.1;

Json to_json(const DeepGenerativeOptions& options) {
  return {{"training", deepsad::to_json(options.training)},
          {"alpha", options.alpha ? Json(*options.alpha) : Json(nullptr)},
          {"weights", options.weights == TermWeights::means ? "means" : "counts"},
          {"bound", deepsad::to_json(options.bound)},
          {"pretraining", deepsad::to_json(options.pretraining)},
          {"drop_single_labelled", options.drop_single_labelled}};
}

DeepGenerativeOptions options_from_json(const Json& json) {
  DeepGenerativeOptions options{
      .training = training_options_from_json(json.at("training")),
      .weights = json.at("weights").get<std::string>() == "counts" ? TermWeights::counts : TermWeights::means,
      .bound = bound_options_from_json(json.at("bound")),
      .pretraining = vae_options_from_json(json.at("pretraining")),
      .drop_single_labelled = json.at("drop_single_labelled").get<bool>()};
  if (!json.at("alpha").is_null()) options.alpha = json.at("alpha").get<double>();
  return options;
}

/// score = q(y = 1 | x) of the classifier's two logits.
void score_classifier(Plan<float>& plan, MatrixView<const float> x, std::span<float> scores) {
  class Sink final : public Plan<float>::GroupSink {
   public:
    explicit Sink(std::span<float> dst) : scores_(dst) {}
    void operator()(std::size_t first_row, std::size_t n_valid, const float*, const float* output) override {
      for (std::size_t l = 0; l < n_valid; ++l) {
        const auto difference =
            static_cast<double>(output[kernels::kLanes + l]) - static_cast<double>(output[l]);
        scores_[first_row + l] = static_cast<float>(1 / (1 + std::exp(-difference)));
      }
    }

   private:
    std::span<float> scores_;
  };
  Sink sink(scores);
  plan.infer(x, sink);
}

class DeepGenerativeDetector final : public Detector {
 public:
  DeepGenerativeDetector(const GenerativeNetwork& network, GenerativeKind kind,
                         const DeepGenerativeOptions& options)
      : network_(network), kind_(kind), options_(options), specs_(generative_specs(network, kind)) {
    if (kind == GenerativeKind::vae) throw InvalidArgument("[deep_generative] the VAE is made by make_vae()");
    validate(options.training);
    if (options.alpha && (!(*options.alpha >= 0) || !std::isfinite(*options.alpha))) {
      throw InvalidArgument(fmt::format("alpha must be at least 0 and finite, got {}", *options.alpha));
    }
    if (stacked()) {
      validate(options.pretraining.training);
      // From the sample to the logits through the mean of the VAE's code.
      scorer_ = mean_chain(generative_specs(network, GenerativeKind::vae).encoder, "features.encoder.",
                           *specs_.classifier, "classifier.");
    } else {
      scorer_ = *specs_.classifier;
      for (LayerSpec& layer : scorer_.layers) {
        if (!layer.name.empty()) layer.name = "classifier." + layer.name;
      }
    }
  }

  DeepGenerativeDetector(const GenerativeNetwork& network, GenerativeKind kind,
                         const DeepGenerativeOptions& options, StateDict tensors)
      : DeepGenerativeDetector(network, kind, options) {
    if (const std::string problem = mismatch(generative_tensors(network, kind), tensors); !problem.empty())
      throw InvalidArgument(fmt::format("[{}] {}", method(), problem));
    state_ = std::move(tensors);
  }

  [[nodiscard]] std::string method() const override { return stacked() ? kM1M2 : kM2; }
  [[nodiscard]] std::size_t n_features() const override { return n_elements(network_.input); }
  [[nodiscard]] const std::vector<PhaseRecord>& phases() const override { return phases_; }
  [[nodiscard]] const std::vector<Finding>& findings() const override { return findings_; }
  [[nodiscard]] std::string fit_report() const override { return report_.dump(); }
  [[nodiscard]] std::vector<DetectorTensor> tensors() const override { return state_; }

  void fit(const TrainingSet& data, FitContext& context) override;

  void score(MatrixView<const float> x, std::span<float> scores, ThreadPool& pool) const override {
    check_scorable(n_features(), !state_.empty(), x, scores.size());
    plans_.with(
        pool, [&] { return inference_plan(scorer_, tensors_for(scorer_, state_), pool); },
        [&](Plan<float>& plan) { score_classifier(plan, x, scores); });
  }

  [[nodiscard]] bool has_score_gradient() const override { return true; }
  void score_gradient(MatrixView<const float> x, std::span<double> scores, MatrixView<float> gradient,
                      ThreadPool& pool) const override {
    check_differentiable(n_features(), !state_.empty(), x, scores.size(), gradient);
    gradient_plans_.with(
        pool, [&] { return gradient_plan(scorer_, tensors_for(scorer_, state_), pool); },
        [&](Plan<float>& plan) { plan.score_gradient(x, ClassProbabilityScore<float>(), scores, gradient); });
  }

  [[nodiscard]] std::optional<ScoringNetwork> scoring_network() const override {
    if (state_.empty()) return std::nullopt;
    return ScoringNetwork{
        .network = scorer_, .state = tensors_for(scorer_, state_), .form = ScoreForm::softmax};
  }

  [[nodiscard]] std::string description() const override {
    return Json{{"network", Json::parse(deepsad::to_json(network_))}, {"options", to_json(options_)}}.dump();
  }

  [[nodiscard]] std::unique_ptr<Detector> pretrained_autoencoder() const override {
    StateDict features = without_prefix(state_, kFeatures);
    if (features.empty()) return nullptr;
    return std::make_unique<VaeDetector>(network_, options_.pretraining, std::move(features));
  }

  [[nodiscard]] std::vector<GeneratedSamples> generate(std::size_t n, std::uint64_t seed,
                                                       ThreadPool& pool) const override {
    const StateDict decoder = without_prefix(state_, "decoder.");
    std::vector<GeneratedSamples> samples;
    for (std::size_t label = 0; label < kLabelValues; ++label) {
      samples.push_back({label == 0 ? "normal" : "anomalous",
                         decode_prior(specs_.decoder, decoder, network_.n_latent, label, n, seed, pool)});
    }
    return samples;
  }

 private:
  [[nodiscard]] bool stacked() const { return kind_ == GenerativeKind::m1m2; }
  [[nodiscard]] double alpha_for(std::size_t n_labelled, std::size_t n_unlabelled) const;
  StateDict pretrain(const TrainingSet& data, FitContext& context, Matrix<float>& posteriors);

  GenerativeNetwork network_;
  GenerativeKind kind_;
  DeepGenerativeOptions options_;
  GenerativeSpecs specs_;
  NetworkSpec scorer_;  // from a row to the logits
  StateDict state_;
  mutable PlanCache plans_, gradient_plans_;  // of scorer_ and state_
  std::vector<PhaseRecord> phases_;
  std::vector<Finding> findings_;
  Json report_ = Json::object();
};

double DeepGenerativeDetector::alpha_for(std::size_t n_labelled, std::size_t n_unlabelled) const {
  if (n_labelled == 0) {
    throw InvalidArgument(fmt::format(
        "[{}] no training row is labelled, so nothing says which of the two classes is the anomalous "
        "one; label some rows (ratio_known_outlier, ratio_known_normal), or take the method vae",
        method()));
  }
  if (options_.alpha) return *options_.alpha;
  if (n_unlabelled == 0) {
    throw InvalidArgument(fmt::format(
        "[{}] every training row is labelled, so that the default alpha, 0.1 unlabelled / labelled, is "
        "0 and the classifier would learn nothing; give alpha, or leave rows unlabelled",
        method()));
  }
  return kAlphaPerRatio * static_cast<double>(n_unlabelled) / static_cast<double>(n_labelled);
}

// Trains the VAE; returns its state, and what its encoder gives for the training rows.
StateDict DeepGenerativeDetector::pretrain(const TrainingSet& data, FitContext& context,
                                           Matrix<float>& posteriors) {
  if (context.start != nullptr) {  // the VAE stays as it is
    const VaeDetector vae(network_, options_.pretraining, without_prefix(*context.start, kFeatures));
    posteriors = vae.posteriors(data.x, context.pool);
    return vae.state();
  }
  VaeDetector vae(network_, options_.pretraining, "pretraining");
  vae.fit(data, context);
  phases_.push_back(vae.phases().front());
  add_pretraining_findings(vae, findings_);
  posteriors = vae.posteriors(data.x, context.pool);
  return vae.state();
}

void DeepGenerativeDetector::fit(const TrainingSet& data, FitContext& context) {
  beyond_scoring();
  const std::size_t n = data.x.rows();
  check_features(network_, data.x.cols(), n, "training");
  const RowParts rows = phase_rows(data.semi, false, options_.training, context.seed, "training");
  check_batch_norm(*specs_.classifier, rows.train.size(), options_.training, "training");
  const auto n_unlabelled =
      static_cast<std::size_t>(std::count(data.semi.begin(), data.semi.end(), SemiLabel::unlabelled));
  const double alpha = alpha_for(n - n_unlabelled, n_unlabelled);
  const std::size_t max_batch = largest_batch(rows.train.size(), options_.training);
  phases_.clear();
  findings_.clear();
  plans_.clear();

  Matrix<float> posteriors;
  const StateDict features = stacked() ? pretrain(data, context, posteriors) : StateDict{};
  const auto whole_state = [&](StateDict trained) {
    for (StateTensor& tensor : with_prefix(features, kFeatures)) trained.push_back(std::move(tensor));
    return trained;
  };
  state_ = first_state(context, generative_tensors(network_, kind_),
                       [&] { return whole_state(initial_state(network_, kind_, context.seed)); });
  std::vector<float> before(n);
  score(data.x, before, context.pool);

  VariationalNetwork<float> generative(specs_, kind_, gaussian_form(options_.bound), kLabelValues * max_batch,
                                       context.pool);
  Plan<float> classifier(*specs_.classifier, max_batch, PlanMode::train, context.pool);
  generative.load(state_);
  classifier.load(without_prefix(state_, "classifier."));
  // The classifier sees the mean of the VAE's code, the first half of its encoder's output.
  const MatrixView<const float> codes(posteriors.values.data(), posteriors.rows, posteriors.cols / 2,
                                      posteriors.cols);
  SemiSupervisedStep<float> step(
      generative, classifier,
      {.x = data.x,
       .classified = stacked() ? codes : data.x,
       .posteriors = {posteriors.values.data(), posteriors.rows, posteriors.cols},
       .posterior_form = gaussian_form(options_.pretraining.bound),
       .semi = data.semi},
      {.alpha = alpha,
       .weights = options_.weights == TermWeights::counts ? BatchWeights::counts : BatchWeights::means,
       .drop_single_labelled = options_.drop_single_labelled},
      max_batch, NoiseStream(context.seed, "dgm"), NoiseStream(context.seed, "dgm/code"));
  TrainingHistory history = train(step, rows,
                                  {.name = "training",
                                   .shuffle_stream = "dgm",
                                   .options = options_.training,
                                   .seed = context.seed,
                                   .observer = context.observer,
                                   .stop = context.stop,
                                   .checkpoint = context.checkpoint});
  state_ = whole_state(step.weights());
  plans_.clear();
  gradient_plans_.clear();
  phases_.push_back({"training", options_.training, std::move(history)});

  std::vector<float> after(n);
  score(data.x, after, context.pool);
  check_scores_vary(after, findings_);
  check_training_changed(before, after, findings_);
  check_units(scorer_, state_, false, data.x, context.pool, findings_);
  check_labels_used(after, data.semi, findings_);
  report_ = {{"n_rows", rows.train.size()},
             {"n_labelled", n - n_unlabelled},
             {"n_unlabelled", n_unlabelled},
             {"alpha", alpha}};
}

GenerativeKind kind_of_method(const std::string& method) {
  return method == kM1M2 ? GenerativeKind::m1m2 : GenerativeKind::m2;
}

}  // namespace

std::unique_ptr<Detector> restore_deep_generative(const std::string& method, const Json& description,
                                                  StateDict tensors, const std::string& source) {
  return std::make_unique<DeepGenerativeDetector>(
      generative_network_from_json(description.at("network").dump(), source), kind_of_method(method),
      options_from_json(description.at("options")), std::move(tensors));
}

std::unique_ptr<Detector> make_deep_generative(const GenerativeNetwork& network, GenerativeKind kind,
                                               const DeepGenerativeOptions& options) {
  return std::make_unique<DeepGenerativeDetector>(network, kind, options);
}

}  // namespace deepsad
