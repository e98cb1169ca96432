// The training loop with every kind of step, for tests of what it does around the steps.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "deepsad/nn/generative_network.h"
#include "nn/losses.h"
#include "nn/support.h"
#include "nn/training_loop.h"
#include "nn/variational.h"

namespace deepsad::testing {

inline constexpr const char* kStepKinds[] = {"network", "cardio_VAE", "cardio_DGM_M2"};
inline std::string step_kind_name(const ::testing::TestParamInfo<const char*>& param) {
  return param.param;
}

// 40 unlabelled rows, 20 normal, 9 anomalous, mixed.
inline std::vector<SemiLabel> mixed_labels() {
  std::vector<SemiLabel> semi(69, SemiLabel::unlabelled);
  for (std::size_t i = 0; i < 20; ++i) semi[3 * i] = SemiLabel::normal;
  for (std::size_t i = 0; i < 9; ++i) semi[3 * i + 1] = SemiLabel::anomaly;
  return semi;
}

// A model of each kind of step, made anew for every run.
struct Trained {
  StateDict weights;
  TrainingHistory history;
};

class EveryStep : public ::testing::TestWithParam<const char*> {
 protected:
  static constexpr std::size_t kRows = 69;
  EveryStep() {
    observer_.on_message = [this](LogLevel, const std::string& text) { messages_.push_back(text); };
  }

  Trained run(const TrainingOptions& options, const RowParts& rows, RunCheckpoint* checkpoint = nullptr) {
    messages_.clear();
    const std::string kind = GetParam();
    const std::size_t max_batch = largest_batch(rows.train.size(), options);
    const TrainingPhase phase{.name = "training",
                              .shuffle_stream = "test",
                              .options = options,
                              .seed = 2,
                              .observer = observer_,
                              .checkpoint = checkpoint};
    if (kind == "network") {
      const NetworkSpec spec = network_by_name("thyroid_mlp").encoder;
      const Matrix<float> x = random_matrix<float>(kRows, 6, 1);
      Plan<float> plan(spec, max_batch, PlanMode::train, pool_);
      plan.load(initial_state(spec, 3, "test"));
      const std::vector<float> center(4, 0.1F);
      const DeepSadLoss<float> loss(center, semi_, 1, 1e-6);
      TrainingHistory history = train(plan, loss, view(x), rows, phase);
      return {plan.state(), std::move(history)};
    }
    const GenerativeKind generative_kind = *generative_kind_of(kind);
    const GenerativeNetwork network = generative_network_by_name(kind, generative_kind);
    const GenerativeSpecs specs = generative_specs(network, generative_kind);
    const Matrix<float> x = random_matrix<float>(kRows, n_elements(network.input), 1);
    const StateDict state = initial_state(network, generative_kind, 3);
    VariationalNetwork<float> generative(specs, generative_kind, {}, kLabelValues * max_batch, pool_);
    generative.load(state);
    if (generative_kind == GenerativeKind::vae) {
      VaeStep<float> step(generative, view(x), max_batch, NoiseStream(2, "test"));
      TrainingHistory history = train(step, rows, phase);
      return {step.weights(), std::move(history)};
    }
    Plan<float> classifier(*specs.classifier, max_batch, PlanMode::train, pool_);
    classifier.load(without_prefix(state, "classifier."));
    SemiSupervisedStep<float> step(generative, classifier,
                                   {.x = view(x), .classified = view(x), .semi = semi_}, {}, max_batch,
                                   NoiseStream(2, "test"), NoiseStream(2, "code"));
    TrainingHistory history = train(step, rows, phase);
    return {step.weights(), std::move(history)};
  }

  std::vector<SemiLabel> semi_ = mixed_labels();
  ThreadPool pool_{1};
  Observer observer_;
  std::vector<std::string> messages_;
};

}  // namespace deepsad::testing
