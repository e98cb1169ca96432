// Training and inference on several threads, small enough for the thread sanitizer.
#include <gtest/gtest.h>

#include <cmath>

#include "nn/losses.h"
#include "nn/support.h"
#include "nn/training_loop.h"

namespace deepsad {
namespace {

using testing::view;

// A convolutional autoencoder with every kind of layer, wide enough that its steps are shared among threads.
NetworkSpec small_autoencoder() {
  return {.input = {1, 16, 16},
          .layers = {{.kind = LayerKind::conv2d, .name = "c1", .out = 8, .kernel = 5, .padding = 2},
                     {.kind = LayerKind::batch_norm, .name = "b1"},
                     {.kind = LayerKind::leaky_relu},
                     {.kind = LayerKind::max_pool2d},
                     {.kind = LayerKind::reshape, .shape = {512}},
                     {.kind = LayerKind::linear, .name = "f1", .out = 20, .bias = true},
                     {.kind = LayerKind::linear, .name = "f2", .out = 128},
                     {.kind = LayerKind::batch_norm, .name = "b2"},
                     {.kind = LayerKind::reshape, .shape = {2, 8, 8}},
                     {.kind = LayerKind::leaky_relu},
                     {.kind = LayerKind::upsample2d},
                     {.kind = LayerKind::conv_transpose2d, .name = "d1", .out = 1, .kernel = 5, .padding = 2},
                     {.kind = LayerKind::sigmoid}}};
}

TEST(Threads, TrainAndInferTogether) {
  const NetworkSpec spec = small_autoencoder();
  constexpr std::size_t kRows = 150;
  Matrix<float> x = testing::random_matrix<float>(kRows, 256, 1);
  std::vector<StateDict> states;
  for (const std::size_t threads : {1UL, 2UL, 3UL}) {
    ThreadPool pool(threads);
    Plan<float> plan(spec, 64, PlanMode::train, pool);
    plan.load(initial_state(spec, 1, "test"));
    const ReconstructionLoss<float> loss(plan.n_outputs());
    const std::vector<std::uint32_t> rows = testing::first_rows(kRows);
    const Observer observer;
    const TrainingOptions options{.n_epochs = 2, .batch_size = 64};
    const TrainingHistory history = train(
        plan, loss, view(x), {.train = rows, .validation = {}},
        {.name = "training", .shuffle_stream = "test", .options = options, .seed = 1, .observer = observer});
    EXPECT_LT(history.epochs.back().loss, history.epochs.front().loss);
    states.push_back(plan.state());
    Plan<float> scorer(spec, 0, PlanMode::infer, pool);
    scorer.load(states.back());
    Matrix<float> outputs(kRows, 256);
    scorer.infer_rows(view(x), view(outputs));
    for (const float value : outputs.values) ASSERT_TRUE(std::isfinite(value));
  }
  EXPECT_EQ(states[0], states[1]);
  EXPECT_EQ(states[0], states[2]);
}

// The soft boundary keeps the distances of a batch's rows, written by several threads.
TEST(Threads, SoftBoundaryKeepsDistances) {
  const NetworkSpec spec = network_by_name("arrhythmia_mlp").encoder;
  constexpr std::size_t kRows = 200;
  const Matrix<float> x = testing::random_matrix<float>(kRows, 274, 1);
  std::vector<std::vector<float>> distances;
  for (const std::size_t threads : {1UL, 3UL}) {
    ThreadPool pool(threads);
    Plan<float> plan(spec, kRows, PlanMode::train, pool);
    plan.load(initial_state(spec, 1, "test"));
    const std::vector<float> center(plan.n_outputs(), 0.1F);
    SoftBoundaryLoss<float> loss(center, 0.1, kRows);
    (void)plan.forward_backward(view(x), testing::first_rows(kRows), loss);
    auto& list = distances.emplace_back();
    for (std::uint32_t row = 0; row < kRows; ++row) list.push_back(loss.distance(row));
  }
  EXPECT_EQ(distances[0], distances[1]);
  EXPECT_GT(*std::min_element(distances[0].begin(), distances[0].end()), 0);
}

}  // namespace
}  // namespace deepsad
