// Same seed, data and options: the same bits at any thread count; and a row's result does not depend on the
// rows around it.
#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/winograd2d/winograd2d.h"
#include "nn/losses.h"
#include "nn/support.h"
#include "nn/training_loop.h"

namespace deepsad {
namespace {

using testing::random_matrix;
using testing::same_bits;
using testing::view;

constexpr std::size_t kSteps = 5;

struct Trained {
  StateDict state;
  std::vector<double> losses;
  Matrix<float> outputs;
};

// kSteps steps of Deep SAD (all three labels) or of the autoencoder, then the outputs for all rows.
Trained run(const NetworkSpec& spec, bool reconstruct, std::size_t batch, std::size_t n_threads) {
  ThreadPool pool(n_threads);
  const std::size_t n = batch + 11;
  const Matrix<float> x = random_matrix<float>(n, n_elements(spec.input), 4);
  const ReconstructionTraining training(spec);
  Plan<float> plan(reconstruct ? training.network : spec, batch, PlanMode::train, pool);
  plan.load(initial_state(spec, 7, "test"));
  const std::vector<float> center(plan.n_outputs(), 0.1F);
  std::vector<SemiLabel> semi(n);
  for (std::size_t i = 0; i < n; ++i) semi[i] = static_cast<SemiLabel>(static_cast<int>(i % 3) - 1);
  const DeepSadLoss<float> deep_sad(center, semi, 1, 1e-6);
  const ReconstructionLoss<float> reconstruction(plan.n_outputs(), training.unit);
  const Loss<float>& loss = reconstruct ? static_cast<const Loss<float>&>(reconstruction) : deep_sad;
  Trained result;
  for (std::size_t step = 0; step < kSteps; ++step) {
    std::vector<std::uint32_t> rows(n);
    for (std::size_t i = 0; i < n; ++i) rows[i] = static_cast<std::uint32_t>((i + 5 * step) % n);
    result.losses.push_back(plan.forward_backward(view(x), {rows.data(), batch}, loss));
    plan.update(1e-3F, 1e-4F);
  }
  result.state = plan.state();
  Plan<float> scorer(spec, 0, PlanMode::infer, pool);
  scorer.load(result.state);
  result.outputs = Matrix<float>(n, scorer.n_outputs());
  scorer.infer_rows(view(x), view(result.outputs));
  return result;
}

void expect_same_at_all_thread_counts(const NetworkSpec& spec, bool reconstruct, std::size_t batch) {
  const Trained alone = run(spec, reconstruct, batch, 1);
  ASSERT_FALSE(alone.state.empty());
  EXPECT_FALSE(same_bits<float>(alone.state.front().values, initial_state(spec, 7, "test").front().values))
      << "nothing was learnt";
  for (const std::size_t threads : {2UL, 3UL, 8UL}) {
    SCOPED_TRACE(std::to_string(threads) + " threads, batch of " + std::to_string(batch));
    const Trained shared = run(spec, reconstruct, batch, threads);
    EXPECT_TRUE(same_bits<double>(alone.losses, shared.losses));
    ASSERT_EQ(alone.state.size(), shared.state.size());
    for (std::size_t i = 0; i < alone.state.size(); ++i) {
      EXPECT_TRUE(same_bits<float>(alone.state[i].values, shared.state[i].values)) << alone.state[i].name;
      EXPECT_EQ(alone.state[i].count, shared.state[i].count);
    }
    EXPECT_TRUE(same_bits<float>(alone.outputs.values.span(), shared.outputs.values.span()));
  }
}

TEST(SameBitsAtAnyThreadCount, MnistLeNet) {
  for (const std::size_t batch : {128UL, 200UL}) {
    expect_same_at_all_thread_counts(network_by_name("mnist_LeNet").encoder, false, batch);
  }
}
TEST(SameBitsAtAnyThreadCount, MnistAutoencoder) {
  for (const std::size_t batch : {128UL, 200UL}) {
    expect_same_at_all_thread_counts(autoencoder(network_by_name("mnist_LeNet")), true, batch);
  }
}
// Enough channels for the Winograd step.
TEST(SameBitsAtAnyThreadCount, ConvolutionsOfManyChannels) {
  const auto conv = [](std::string name, std::size_t out, std::size_t kernel) {
    return LayerSpec{.kind = LayerKind::conv2d,
                     .name = std::move(name),
                     .out = out,
                     .kernel = kernel,
                     .padding = kernel / 2};
  };
  const LayerSpec norm{.kind = LayerKind::batch_norm, .name = "norm"};
  const LayerSpec up{.kind = LayerKind::upsample2d};
  const NetworkSpec spec{{8, 8, 8}, {conv("a", 32, 5), norm, conv("b", 16, 3), up, conv("c", 16, 5)}};
  const kernels::ConvShape a{8, 8, 8, 32, 8, 8, 5, 2, 1}, b{32, 8, 8, 16, 8, 8, 3, 1, 1},
      c{16, 16, 16, 16, 16, 16, 5, 2, 1};
  EXPECT_TRUE(kernels::winograd2d_pays({a, false}) && kernels::winograd2d_pays({b, false}) &&
              kernels::winograd2d_pays({c, true}));
  expect_same_at_all_thread_counts(spec, false, 40);
}
TEST(SameBitsAtAnyThreadCount, CardioMlp) {
  for (const std::size_t batch : {128UL, 200UL}) {
    expect_same_at_all_thread_counts(network_by_name("cardio_mlp").encoder, false, batch);
  }
}
// More groups than blocks of partial gradients, and enough work that threads really are used.
// Whether a norm does the work of the linear layers beside it, and how their weights are cut, depends on the
// number of threads: 48 outputs are three blocks, 40 and 33 end within one.
TEST(SameBitsAtAnyThreadCount, LinearLayersBesideBatchNorms) {
  const NetworkSpec spec{.input = {70},
                         .layers = {{.kind = LayerKind::linear, .name = "f1", .out = 48},
                                    {.kind = LayerKind::batch_norm, .name = "b1"},
                                    {.kind = LayerKind::leaky_relu},
                                    {.kind = LayerKind::linear, .name = "f2", .out = 40, .bias = true},
                                    {.kind = LayerKind::batch_norm, .name = "b2"},
                                    {.kind = LayerKind::linear, .name = "f3", .out = 33, .bias = true},
                                    {.kind = LayerKind::linear, .name = "f4", .out = 128},
                                    {.kind = LayerKind::batch_norm, .name = "b3"},
                                    {.kind = LayerKind::batch_norm, .name = "b4"},
                                    {.kind = LayerKind::linear, .name = "f5", .out = 8}}};
  for (const std::size_t batch : {64UL, 200UL}) expect_same_at_all_thread_counts(spec, false, batch);
}
TEST(SameBitsAtAnyThreadCount, ArrhythmiaMlpWithLargeBatches) {
  for (const std::size_t batch : {400UL, 1000UL}) {
    expect_same_at_all_thread_counts(network_by_name("arrhythmia_mlp").encoder, false, batch);
  }
}

// The output of every row, computed alone, in place, in reverse order and in pieces.
void expect_rows_independent(const NetworkSpec& spec, std::size_t n) {
  ThreadPool pool(2);
  Plan<float> plan(spec, 0, PlanMode::infer, pool);
  plan.load(testing::golden_state(spec));
  Matrix<float> x = random_matrix<float>(n, plan.n_inputs(), 9);
  Matrix<float> together(n, plan.n_outputs());
  plan.infer_rows(view(x), view(together));

  Matrix<float> backwards(n, plan.n_inputs());
  for (std::size_t i = 0; i < n; ++i) std::copy_n(x.row(n - 1 - i).data(), x.cols, backwards.row(i).data());
  Matrix<float> reversed(n, plan.n_outputs());
  plan.infer_rows(view(backwards), view(reversed));
  Matrix<float> alone(1, plan.n_outputs());
  for (std::size_t i = 0; i < n; ++i) {
    plan.infer_rows(view(x).rows_from(i, 1), view(alone));
    EXPECT_TRUE(same_bits<float>(alone.row(0), together.row(i))) << "row " << i << " alone";
    EXPECT_TRUE(same_bits<float>(reversed.row(n - 1 - i), together.row(i))) << "row " << i << " reversed";
  }
  for (const std::size_t piece : {2UL, 7UL, 15UL, 16UL, 17UL}) {
    if (piece >= n) break;
    for (std::size_t first = 0; first < n; first += piece) {
      const std::size_t rows = std::min(piece, n - first);
      Matrix<float> part(rows, plan.n_outputs());
      plan.infer_rows(view(x).rows_from(first, rows), view(part));
      for (std::size_t i = 0; i < rows; ++i) {
        EXPECT_TRUE(same_bits<float>(part.row(i), together.row(first + i)))
            << "row " << first + i << " in pieces of " << piece;
      }
    }
  }
  // Neighbours that are not numbers do no harm.
  for (std::size_t i = 0; i < n; i += 2) std::fill_n(x.row(i).data(), x.cols, std::nanf(""));
  Matrix<float> poisoned(n, plan.n_outputs());
  plan.infer_rows(view(x), view(poisoned));
  for (std::size_t i = 1; i < n; i += 2) {
    EXPECT_TRUE(same_bits<float>(poisoned.row(i), together.row(i))) << "row " << i << " beside NaN";
  }
}

TEST(RowsAreIndependent, InAllNetworksAndAutoencoders) {
  for (const std::string& name : network_names()) {
    SCOPED_TRACE(name);
    const NetworkDefinition definition = network_by_name(name);
    const bool large = name == "cifar10_LeNet";  // a second for every group in the scalar references
    expect_rows_independent(definition.encoder, large ? 2 : 37);
    expect_rows_independent(autoencoder(definition), large ? 2 : 19);
  }
}

}  // namespace
}  // namespace deepsad
