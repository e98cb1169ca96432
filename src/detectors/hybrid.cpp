#include "detectors/hybrid.h"

#include <fmt/format.h>

#include "core/scoring_only.h"
#include "deepsad/core/error.h"
#include "detectors/plan_cache.h"
#include "nn/score_functions.h"

namespace deepsad {
namespace {

class Hybrid final : public Detector {
 public:
  Hybrid(const NetworkDefinition& network, StateDict encoder, std::unique_ptr<Detector> detector)
      : network_(network), encoder_(std::move(encoder)), detector_(std::move(detector)) {
    if (const std::string problem = mismatch(network_.encoder, encoder_); !problem.empty())
      throw InvalidArgument("[hybrid] the encoder does not fit its network: " + problem);
  }
  [[nodiscard]] std::string method() const override { return detector_->method(); }
  [[nodiscard]] std::size_t n_features() const override { return n_elements(network_.encoder.input); }
  [[nodiscard]] const std::vector<PhaseRecord>& phases() const override { return detector_->phases(); }
  [[nodiscard]] const std::vector<Finding>& findings() const override { return detector_->findings(); }
  [[nodiscard]] std::string fit_report() const override { return detector_->fit_report(); }

  void fit(const TrainingSet& data, FitContext& context) override {
    beyond_scoring();
    if (data.x.cols() != n_features()) {
      throw InvalidArgument(
          fmt::format("[hybrid] the encoder takes {} ({} values) but the data has {} features",
                      to_string(network_.encoder.input), n_features(), data.x.cols()));
    }
    const Matrix<float> codes = encoded(data.x, context.pool);
    Matrix<float> leaked_codes;
    LabelledRows leaked;
    FitContext inner{.pool = context.pool,
                     .seed = context.seed,
                     .observer = context.observer,
                     .stop = context.stop,
                     .leaked = nullptr,
                     .memory_budget = context.memory_budget};
    if (context.leaked != nullptr) {
      leaked_codes = encoded(context.leaked->x, context.pool);
      leaked = {.x = {leaked_codes.values.data(), leaked_codes.rows, leaked_codes.cols},
                .labels = context.leaked->labels};
      inner.leaked = &leaked;
    }
    detector_->fit({.x = {codes.values.data(), codes.rows, codes.cols}, .semi = data.semi}, inner);
  }

  void score(MatrixView<const float> x, std::span<float> scores, ThreadPool& pool) const override {
    check_scorable(n_features(), true, x, scores.size());
    const Matrix<float> codes = encoded(x, pool);
    detector_->score({codes.values.data(), codes.rows, codes.cols}, scores, pool);
  }

  // Chain rule: the detector's gradient at the code, then back through the encoder.
  [[nodiscard]] bool has_score_gradient() const override { return detector_->has_score_gradient(); }
  void score_gradient(MatrixView<const float> x, std::span<double> scores, MatrixView<float> gradient,
                      ThreadPool& pool) const override {
    check_differentiable(n_features(), true, x, scores.size(), gradient);
    const Matrix<float> codes = encoded(x, pool);
    Matrix<float> d_codes(codes.rows, codes.cols);
    const MatrixView<float> d_view(d_codes.values.data(), d_codes.rows, d_codes.cols);
    detector_->score_gradient({codes.values.data(), codes.rows, codes.cols}, scores, d_view, pool);
    const OutputProductScore<float> product(d_view);
    std::vector<double> products(x.rows());
    gradient_plans_.with(
        pool, [&] { return gradient_plan(network_.encoder, encoder_, pool); },
        [&](Plan<float>& plan) { plan.score_gradient(x, product, products, gradient); });
  }

  [[nodiscard]] std::string description() const override {
    Json json = Json::parse(detector_->description());
    json[kHybridNetwork] = Json::parse(deepsad::to_json(network_));
    return json.dump();
  }
  [[nodiscard]] std::vector<DetectorTensor> tensors() const override {
    StateDict all = detector_->tensors();
    for (StateTensor& tensor : with_prefix(encoder_, kHybridPrefix)) all.push_back(std::move(tensor));
    return all;
  }

 private:
  [[nodiscard]] Matrix<float> encoded(MatrixView<const float> x, ThreadPool& pool) const {
    Matrix<float> codes(x.rows(), output_shape(network_.encoder)[0]);
    plans_.with(network_.encoder, encoder_, pool, [&](Plan<float>& plan) {
      plan.infer_rows(x, {codes.values.data(), codes.rows, codes.cols});
    });
    return codes;
  }

  NetworkDefinition network_;
  StateDict encoder_;
  std::unique_ptr<Detector> detector_;
  mutable PlanCache plans_, gradient_plans_;  // of encoder_
};

}  // namespace

std::unique_ptr<Detector> make_hybrid(const NetworkDefinition& network, StateDict encoder,
                                      std::unique_ptr<Detector> detector) {
  return std::make_unique<Hybrid>(network, std::move(encoder), std::move(detector));
}

}  // namespace deepsad
