#include "detectors/vae.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/scoring_only.h"
#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "detectors/registry.h"
#include "detectors/training_checks.h"
#include "kernels/gather/gather.h"
#include "kernels/loss/loss.h"
#include "nn/plan.h"
#include "nn/score_functions.h"
#include "nn/training_loop.h"
#include "nn/variational.h"

namespace deepsad {
namespace {

using kernels::kLanes;

// Mean divergence of the posterior from the prior, in nats a row, below which the code says nothing of the
// row.
constexpr double kEmptyCode = 0.01;
// The codes of score_samples are the same in every run.
constexpr std::uint64_t kScoreSeed = 0;

/// Adds the cross-entropy of every row of x with the logits that a pass gives.
class CrossEntropySink final : public Plan<float>::GroupSink {
 public:
  CrossEntropySink(MatrixView<const float> x, std::span<double> sums) : x_(x), sums_(sums) {}
  void operator()(std::size_t first_row, std::size_t n_valid, const float* input,
                  const float* output) override {
    std::array<double, kLanes> loss{};
    if (!from_codes_) {
      kernels::bernoulli_loss(x_.cols(), n_valid, output, input, nullptr, nullptr, loss.data());
    } else {
      std::array<std::uint32_t, kLanes> rows{};
      for (std::size_t l = 0; l < n_valid; ++l) rows[l] = static_cast<std::uint32_t>(l);
      AlignedBuffer<float> target(x_.cols() * kLanes);
      kernels::gather_rows(x_.data() + first_row * x_.stride(), x_.stride(), rows.data(), n_valid, x_.cols(),
                           target.data());
      kernels::bernoulli_loss(x_.cols(), n_valid, output, target.data(), nullptr, nullptr, loss.data());
    }
    for (std::size_t l = 0; l < n_valid; ++l) sums_[first_row + l] += loss[l];
  }
  /// The pass starts from codes, not from x itself.
  CrossEntropySink& from_codes() { return from_codes_ = true, *this; }

 private:
  MatrixView<const float> x_;
  std::span<double> sums_;
  bool from_codes_ = false;
};

void score_drawn_codes(const GenerativeSpecs& specs, const StateDict& state, const Matrix<float>& posteriors,
                       kernels::GaussianForm form, std::size_t n_samples, MatrixView<const float> x,
                       std::span<double> sums, ThreadPool& pool) {
  const std::size_t n_latent = posteriors.cols / 2;
  Plan<float> decoder(specs.decoder, 0, PlanMode::infer, pool);
  decoder.load(without_prefix(state, "decoder."));
  Matrix<float> codes(posteriors.rows, n_latent);
  AlignedBuffer<float> heads(posteriors.cols * kLanes), noise(n_latent * kLanes), z(n_latent * kLanes);
  std::array<double, kLanes> divergence{};
  std::array<std::uint32_t, kLanes> rows{};
  for (std::size_t k = 0; k < n_samples; ++k) {
    // One code's worth of noise for all rows: a row's score depends on nothing but that row.
    RandomStream stream(kScoreSeed, "score/vae", k);
    for (std::size_t j = 0; j < n_latent; ++j) {
      std::fill_n(noise.data() + j * kLanes, kLanes, static_cast<float>(stream.normal()));
    }
    for (std::size_t first = 0; first < posteriors.rows; first += kLanes) {
      const std::size_t n_valid = std::min(kLanes, posteriors.rows - first);
      for (std::size_t l = 0; l < n_valid; ++l) rows[l] = static_cast<std::uint32_t>(first + l);
      kernels::gather_rows(posteriors.values.data(), posteriors.cols, rows.data(), n_valid, posteriors.cols,
                           heads.data());
      kernels::gaussian_sample(n_latent, n_valid, form, heads.data(), noise.data(), z.data(),
                               divergence.data());
      kernels::scatter_rows(z.data(), n_valid, n_latent, codes.values.data() + first * n_latent, n_latent);
    }
    CrossEntropySink sink(x, sums);
    decoder.infer({codes.values.data(), codes.rows, codes.cols}, sink.from_codes());
  }
  for (double& sum : sums) sum /= static_cast<double>(n_samples);
}

/// "posterior_collapse" if the posteriors of all rows are the prior: the code carries nothing.
double check_posterior(const Matrix<float>& posteriors, kernels::GaussianForm form,
                       std::vector<Finding>& findings) {
  const std::size_t n_latent = posteriors.cols / 2;
  double total = 0;
  for (std::size_t i = 0; i < posteriors.rows; ++i) {
    for (std::size_t j = 0; j < n_latent; ++j) {
      const auto mu = static_cast<double>(posteriors.row(i)[j]);
      const auto s = static_cast<double>(posteriors.row(i)[n_latent + j]);
      const double v = form.log_variance == kernels::LogVariance::bounded
                           ? kernels::kLogVarianceBound * std::tanh(s / kernels::kLogVarianceBound)
                           : std::max(s, 0.0) + std::log1p(std::exp(-std::abs(s)));
      total += 0.5 * (std::exp(v) + mu * mu - 1 - v);
    }
  }
  const double mean = total / static_cast<double>(posteriors.rows);
  if (mean < kEmptyCode) {
    findings.push_back(
        {"posterior_collapse",
         fmt::format(
             "the codes of all training rows are the prior up to {:.2g} nats: they say nothing of the "
             "rows, whose reconstructions are all the same. Train longer, or with more rows",
             mean)});
  }
  return mean;
}

}  // namespace

NetworkSpec mean_chain(const NetworkSpec& encoder, const std::string& encoder_prefix, const NetworkSpec& next,
                       const std::string& next_prefix) {
  NetworkSpec chain{.input = encoder.input, .layers = {}};
  const auto add = [&chain](LayerSpec layer, const std::string& prefix) {
    if (!layer.name.empty()) layer.name = prefix + layer.name;
    chain.layers.push_back(std::move(layer));
  };
  for (const LayerSpec& layer : encoder.layers) add(layer, encoder_prefix);
  LayerSpec& head = chain.layers.back();
  head.name += ".mu";
  head.out /= 2;
  for (const LayerSpec& layer : next.layers) add(layer, next_prefix);
  return chain;
}

StateDict tensors_for(const NetworkSpec& spec, const StateDict& state) {
  StateDict result;
  for (const TensorInfo& info : state_tensors(spec)) {
    if (const StateTensor* found = find_tensor(state, info.name)) result.push_back(*found);
  }
  return result;
}

void check_features(const GenerativeNetwork& network, std::size_t n_features, std::size_t n_rows,
                    const std::string& phase) {
  if (n_features != n_elements(network.input)) {
    throw InvalidArgument(fmt::format("[{}] the network takes {} ({} values) but the data has {} features",
                                      phase, to_string(network.input), n_elements(network.input),
                                      n_features));
  }
  if (n_rows == 0) throw InvalidArgument(fmt::format("[{}] there are no rows to train on", phase));
}

Matrix<float> decode_prior(const NetworkSpec& decoder, const StateDict& state, std::size_t n_latent,
                           std::optional<std::size_t> label, std::size_t n, std::uint64_t seed,
                           ThreadPool& pool) {
  Matrix<float> codes(n, n_elements(decoder.input));
  for (std::size_t i = 0; i < n; ++i) {
    RandomStream stream(seed, "generate", i);  // the same codes with either label
    for (std::size_t j = 0; j < n_latent; ++j) codes.row(i)[j] = static_cast<float>(stream.normal());
    if (label) codes.row(i)[n_latent + *label] = 1;
  }
  Matrix<float> samples =
      network_outputs(decoder, state, {codes.values.data(), codes.rows, codes.cols}, pool);
  for (float& value : samples.values) value = 1 / (1 + std::exp(-value));
  return samples;
}

VaeDetector::VaeDetector(const GenerativeNetwork& network, const VaeOptions& options, std::string phase)
    : network_(network),
      options_(options),
      specs_(generative_specs(network, GenerativeKind::vae)),
      phase_(std::move(phase)),
      chain_(mean_chain(specs_.encoder, "encoder.", specs_.decoder, "decoder.")) {
  validate(options.training);
}

VaeDetector::VaeDetector(const GenerativeNetwork& network, const VaeOptions& options, StateDict state)
    : VaeDetector(network, options) {
  if (const std::string problem = mismatch(generative_tensors(network, GenerativeKind::vae), state);
      !problem.empty()) {
    throw InvalidArgument("[vae] " + problem);
  }
  state_ = std::move(state);
}

Matrix<float> VaeDetector::posteriors(MatrixView<const float> x, ThreadPool& pool) const {
  return network_outputs(specs_.encoder, join_heads(without_prefix(state_, "encoder.")), x, pool);
}

void VaeDetector::fit(const TrainingSet& data, FitContext& context) {
  beyond_scoring();
  const RowParts rows =
      phase_rows(data.semi, options_.exclude_labelled_anomalies, options_.training, context.seed, phase_);
  check_features(network_, data.x.cols(), rows.train.size(), phase_);
  phases_.clear();
  findings_.clear();
  plans_.clear();

  state_ = first_state(context, generative_tensors(network_, GenerativeKind::vae),
                       [&] { return initial_state(network_, GenerativeKind::vae, context.seed); });
  std::vector<float> before(data.x.rows());
  score(data.x, before, context.pool);

  const std::size_t max_batch = largest_batch(rows.train.size(), options_.training);
  const kernels::GaussianForm form = gaussian_form(options_.bound);
  VariationalNetwork<float> network(specs_, GenerativeKind::vae, form, max_batch, context.pool);
  network.load(state_);
  VaeStep<float> step(network, data.x, max_batch, NoiseStream(context.seed, "vae"));
  TrainingHistory history = train(step, rows,
                                  {.name = phase_,
                                   .shuffle_stream = "vae",
                                   .options = options_.training,
                                   .seed = context.seed,
                                   .observer = context.observer,
                                   .stop = context.stop,
                                   .checkpoint = context.checkpoint});
  state_ = network.state();
  plans_.clear();
  gradient_plans_.clear();
  phases_.push_back({phase_, options_.training, std::move(history)});

  std::vector<float> after(data.x.rows());
  score(data.x, after, context.pool);
  check_scores_vary(after, findings_);
  check_training_changed(before, after, findings_);
  check_units(chain_, state_, false, data.x, context.pool, findings_);
  const double divergence = check_posterior(posteriors(data.x, context.pool), form, findings_);
  if (phase_ == "training" && !options_.exclude_labelled_anomalies)
    check_labels_wanted(method(), data.semi, findings_);
  report_ = {{"n_rows", rows.train.size()},
             {"excluded_labelled_anomalies", options_.exclude_labelled_anomalies},
             {"mean_divergence", divergence}};
}

void VaeDetector::score(MatrixView<const float> x, std::span<float> scores, ThreadPool& pool) const {
  check_scorable(n_features(), !state_.empty(), x, scores.size());
  std::vector<double> sums(x.rows());
  if (options_.score_samples == 0) {
    CrossEntropySink sink(x, sums);
    plans_.with(
        pool, [&] { return inference_plan(chain_, tensors_for(chain_, state_), pool); },
        [&](Plan<float>& plan) { plan.infer(x, sink); });
  } else {
    score_drawn_codes(specs_, state_, posteriors(x, pool), gaussian_form(options_.bound),
                      options_.score_samples, x, sums, pool);
  }
  std::transform(sums.begin(), sums.end(), scores.begin(),
                 [](double sum) { return static_cast<float>(sum); });
}

void VaeDetector::score_gradient(MatrixView<const float> x, std::span<double> scores,
                                 MatrixView<float> gradient, ThreadPool& pool) const {
  if (!has_score_gradient()) return Detector::score_gradient(x, scores, gradient, pool);
  check_differentiable(n_features(), !state_.empty(), x, scores.size(), gradient);
  const CrossEntropyScore<float> score(x.cols());
  gradient_plans_.with(
      pool, [&] { return gradient_plan(chain_, tensors_for(chain_, state_), pool); },
      [&](Plan<float>& plan) { plan.score_gradient(x, score, scores, gradient); });
}

std::vector<GeneratedSamples> VaeDetector::generate(std::size_t n, std::uint64_t seed,
                                                    ThreadPool& pool) const {
  std::vector<GeneratedSamples> samples;
  samples.push_back({"", decode_prior(specs_.decoder, without_prefix(state_, "decoder."), network_.n_latent,
                                      std::nullopt, n, seed, pool)});
  return samples;
}

std::optional<ScoringNetwork> VaeDetector::scoring_network() const {
  if (state_.empty() || options_.score_samples != 0) return std::nullopt;
  return ScoringNetwork{
      .network = chain_, .state = tensors_for(chain_, state_), .form = ScoreForm::cross_entropy};
}

std::string VaeDetector::description() const {
  return Json{{"network", Json::parse(deepsad::to_json(network_))}, {"options", to_json(options_)}}.dump();
}

kernels::GaussianForm gaussian_form(const BoundOptions& options) {
  return {options.log_variance == LogVarianceForm::bounded ? kernels::LogVariance::bounded
                                                           : kernels::LogVariance::softplus,
          options.kl == KlForm::closed_form ? kernels::KlEstimate::closed_form
                                            : kernels::KlEstimate::single_sample};
}

Json to_json(const BoundOptions& options) {
  return {{"log_variance", options.log_variance == LogVarianceForm::bounded ? "bounded" : "softplus"},
          {"kl", options.kl == KlForm::closed_form ? "closed-form" : "single-sample"}};
}

BoundOptions bound_options_from_json(const Json& json) {
  return {.log_variance = json.at("log_variance").get<std::string>() == "softplus" ? LogVarianceForm::softplus
                                                                                   : LogVarianceForm::bounded,
          .kl = json.at("kl").get<std::string>() == "single-sample" ? KlForm::single_sample
                                                                    : KlForm::closed_form};
}

Json to_json(const VaeOptions& options) {
  return {{"training", to_json(options.training)},
          {"bound", to_json(options.bound)},
          {"score_samples", options.score_samples},
          {"exclude_labelled_anomalies", options.exclude_labelled_anomalies}};
}

VaeOptions vae_options_from_json(const Json& json) {
  return {.training = training_options_from_json(json.at("training")),
          .bound = bound_options_from_json(json.at("bound")),
          .score_samples = json.at("score_samples").get<std::size_t>(),
          .exclude_labelled_anomalies = json.at("exclude_labelled_anomalies").get<bool>()};
}

std::unique_ptr<Detector> restore_vae(const std::string& /*method*/, const Json& description,
                                      StateDict tensors, const std::string& source) {
  return std::make_unique<VaeDetector>(generative_network_from_json(description.at("network").dump(), source),
                                       vae_options_from_json(description.at("options")), std::move(tensors));
}

std::unique_ptr<Detector> make_vae(const GenerativeNetwork& network, const VaeOptions& options) {
  return std::make_unique<VaeDetector>(network, options);
}

}  // namespace deepsad
