// The VAE, a detector of its own and the features of M1+M2.
#pragma once

#include "deepsad/detectors/deep_generative.h"
#include "detectors/network_detector.h"
#include "detectors/plan_cache.h"
#include "kernels/gaussian/gaussian.h"

namespace deepsad {

class VaeDetector final : public Detector {
 public:
  /// @param phase "training", or "pretraining" when another detector goes on from here
  VaeDetector(const GenerativeNetwork& network, const VaeOptions& options, std::string phase = "training");
  /// @param state tensors as generative_tensors() lists them
  VaeDetector(const GenerativeNetwork& network, const VaeOptions& options, StateDict state);

  [[nodiscard]] std::string method() const override { return "vae"; }
  [[nodiscard]] std::size_t n_features() const override { return n_elements(network_.input); }
  void fit(const TrainingSet& data, FitContext& context) override;
  void score(MatrixView<const float> x, std::span<float> scores, ThreadPool& pool) const override;
  /// Not of scores that are means over drawn codes (score_samples > 0).
  [[nodiscard]] bool has_score_gradient() const override { return options_.score_samples == 0; }
  void score_gradient(MatrixView<const float> x, std::span<double> scores, MatrixView<float> gradient,
                      ThreadPool& pool) const override;
  [[nodiscard]] std::string description() const override;
  [[nodiscard]] std::vector<DetectorTensor> tensors() const override { return state_; }
  [[nodiscard]] const std::vector<PhaseRecord>& phases() const override { return phases_; }
  [[nodiscard]] const std::vector<Finding>& findings() const override { return findings_; }
  [[nodiscard]] std::string fit_report() const override { return report_.dump(); }
  [[nodiscard]] std::vector<GeneratedSamples> generate(std::size_t n, std::uint64_t seed,
                                                       ThreadPool& pool) const override;

  /// Nothing if the score is a mean over drawn codes.
  [[nodiscard]] std::optional<ScoringNetwork> scoring_network() const override;

  [[nodiscard]] const StateDict& state() const { return state_; }
  /// Outputs of the encoder, one row each: the means of the posterior, then its raw log-variances.
  [[nodiscard]] Matrix<float> posteriors(MatrixView<const float> x, ThreadPool& pool) const;

 private:
  GenerativeNetwork network_;
  VaeOptions options_;
  GenerativeSpecs specs_;
  std::string phase_ = "training";
  StateDict state_;
  NetworkSpec chain_;  // from a row through its mean code to the logits of its reconstruction
  mutable PlanCache plans_, gradient_plans_;  // of chain_ and state_
  std::vector<PhaseRecord> phases_;
  std::vector<Finding> findings_;
  Json report_ = Json::object();
};

[[nodiscard]] Json to_json(const VaeOptions& options);
[[nodiscard]] VaeOptions vae_options_from_json(const Json& json);
[[nodiscard]] Json to_json(const BoundOptions& options);
[[nodiscard]] BoundOptions bound_options_from_json(const Json& json);
[[nodiscard]] kernels::GaussianForm gaussian_form(const BoundOptions& options);

/// Layers of one network behind those of another, with prefixes for their tensors, as one chain. `first`
/// loses its head of log-variances, so that the chain goes through the mean code.
[[nodiscard]] NetworkSpec mean_chain(const NetworkSpec& encoder, const std::string& encoder_prefix,
                                     const NetworkSpec& next, const std::string& next_prefix);
/// The tensors of `state` that the spec has.
[[nodiscard]] StateDict tensors_for(const NetworkSpec& spec, const StateDict& state);

/// @throws InvalidArgument if the data's features are not the network's, or there are no rows.
void check_features(const GenerativeNetwork& network, std::size_t n_features, std::size_t n_rows,
                    const std::string& phase);

/// Rows of sigmoid(decoder(z, label)) for n codes z from the prior; label nothing: the decoder takes none.
[[nodiscard]] Matrix<float> decode_prior(const NetworkSpec& decoder, const StateDict& state,
                                         std::size_t n_latent, std::optional<std::size_t> label,
                                         std::size_t n, std::uint64_t seed, ThreadPool& pool);

}  // namespace deepsad
