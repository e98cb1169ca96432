// The autoencoder, a detector of its own and the pretraining of Deep SAD and Deep SVDD.
#pragma once

#include "deepsad/detectors/autoencoder_cache.h"
#include "deepsad/detectors/deep_sad.h"
#include "detectors/network_detector.h"
#include "detectors/plan_cache.h"

namespace deepsad {

class AutoencoderDetector final : public Detector {
 public:
  /// @param phase "training", or "pretraining" when another detector goes on from here
  AutoencoderDetector(const NetworkDefinition& network, const AutoencoderOptions& options,
                      std::string phase = "training");
  /// @param state tensors prefixed "encoder." and "decoder."
  AutoencoderDetector(const NetworkDefinition& network, const AutoencoderOptions& options, StateDict state);

  [[nodiscard]] std::string method() const override { return "autoencoder"; }
  [[nodiscard]] std::size_t n_features() const override { return n_elements(spec_.input); }
  void fit(const TrainingSet& data, FitContext& context) override;
  void score(MatrixView<const float> x, std::span<float> scores, ThreadPool& pool) const override;
  [[nodiscard]] bool has_score_gradient() const override { return true; }
  void score_gradient(MatrixView<const float> x, std::span<double> scores, MatrixView<float> gradient,
                      ThreadPool& pool) const override;
  [[nodiscard]] std::string description() const override;
  [[nodiscard]] std::vector<DetectorTensor> tensors() const override { return state_; }
  [[nodiscard]] const std::vector<PhaseRecord>& phases() const override { return phases_; }
  [[nodiscard]] const std::vector<Finding>& findings() const override { return findings_; }
  [[nodiscard]] std::string fit_report() const override { return report_.dump(); }

  [[nodiscard]] std::optional<ScoringNetwork> scoring_network() const override {
    if (state_.empty()) return std::nullopt;
    return ScoringNetwork{.network = spec_, .state = state_, .form = ScoreForm::mean_squared_error};
  }

  [[nodiscard]] const StateDict& state() const { return state_; }

 private:
  [[nodiscard]] TrainedAutoencoder train_on(MatrixView<const float> x, const RowParts& rows,
                                            FitContext& context) const;
  /// Names everything that train_on() depends on.
  [[nodiscard]] std::string training_key(MatrixView<const float> x, const RowParts& rows,
                                         std::uint64_t seed) const;

  NetworkDefinition network_;
  AutoencoderOptions options_;
  NetworkSpec spec_;
  std::string phase_ = "training";
  StateDict state_;
  mutable PlanCache plans_, gradient_plans_;  // of state_
  std::vector<PhaseRecord> phases_;
  std::vector<Finding> findings_;
  Json report_ = Json::object();
};

[[nodiscard]] Json to_json(const AutoencoderOptions& options);
[[nodiscard]] AutoencoderOptions autoencoder_options_from_json(const Json& json);

}  // namespace deepsad
