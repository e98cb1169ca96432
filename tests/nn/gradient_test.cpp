// Backward passes against central differences, in double: every layer kind in a tiny network, every fusion,
// every loss, whole networks.
//
// Method. D(h) = (f(w + h v) - f(w - h v)) / 2h is compared with the gradient's component along v, where v is
// a single weight or a random direction of unit length over one whole tensor. The error of D(h) has three
// parts: h^2 f'''/6, rounding of about 1e-15 f / h, and kinks (leaky ReLU at 0, equal values in a max pool,
// the radius of the soft boundary) that lie within the step. No place is left out because of a kink: where
// D(h) does not match, h is made four times smaller, up to kStepReductions times, which leaves the kink
// outside; a wrong gradient matches at no step.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>

#include "kernels/winograd2d/winograd2d.h"
#include "nn/layers.h"
#include "nn/losses.h"
#include "nn/support.h"

namespace deepsad {
namespace {

using testing::bn;
using testing::conv;
using testing::deconv;
using testing::leaky;
using testing::linear;
using testing::pool;
using testing::random_matrix;
using testing::reshape;
using testing::sigmoid;
using testing::up;
using testing::view;

constexpr int kStepReductions = 4;

struct Check {
  double step = 1e-4;       // at weights of order 1: truncation h^2 = 1e-8, rounding 1e-15 / 1e-4 = 1e-11
  double tolerance = 1e-6;  // of |a - n| / (|a| + |n| + floor)
  // Components far below the tensor's largest are held to this part of it instead: rounding in f does not
  // shrink with the component.
  double floor = 1e-2;
  std::size_t weights_per_tensor = 25;
  std::size_t directions_per_tensor = 2;
  std::uint64_t seed = 1;
};

double relative_error(double a, double b, double floor) {
  return std::abs(a - b) / (std::abs(a) + std::abs(b) + floor);
}

// Checks the gradient of the plan's present weights; returns how many derivatives were compared.
std::size_t expect_gradient(Plan<double>& plan, const Matrix<double>& x, std::span<const std::uint32_t> rows,
                            const Loss<double>& loss, const Check& check) {
  const double value = plan.forward_backward(view(x), rows, loss);
  const std::vector<double> gradient = plan.gradient();
  EXPECT_TRUE(std::isfinite(value));
  std::size_t compared = 0;
  RandomStream stream(check.seed, "test/gradient");
  for (const auto& place : plan.places()) {
    const std::size_t size = place.at.size();
    std::vector<double> analytic;
    for (const std::size_t at : place.at) analytic.push_back(gradient[at]);
    double largest = 0;
    for (const double g : analytic) {
      EXPECT_TRUE(std::isfinite(g)) << place.name;
      largest = std::max(largest, std::abs(g));
    }
    EXPECT_GT(largest, 0) << place.name << " has no gradient at all";
    std::vector<std::vector<double>> directions;
    for (std::size_t k = 0; k < std::min(check.weights_per_tensor, size); ++k) {
      const std::size_t index = size <= check.weights_per_tensor ? k : stream.below(size);
      directions.emplace_back(size, 0.0);
      directions.back()[index] = 1;
    }
    for (std::size_t k = 0; k < check.directions_per_tensor; ++k) {
      std::vector<double> direction(size);
      double norm = 0;
      for (double& v : direction) {
        v = stream.normal();
        norm += v * v;
      }
      for (double& v : direction) v /= std::sqrt(norm);
      directions.push_back(std::move(direction));
    }
    for (std::size_t d = 0; d < directions.size(); ++d) {
      const std::vector<double>& direction = directions[d];
      const std::vector<double> kept(plan.weights().begin(), plan.weights().end());
      const auto loss_at = [&](double h) {
        const std::span<double> now = plan.weights();
        for (std::size_t i = 0; i < size; ++i) now[place.at[i]] = kept[place.at[i]] + h * direction[i];
        const double result = plan.forward_backward(view(x), rows, loss);
        std::copy(kept.begin(), kept.end(), plan.weights().begin());
        return result;
      };
      double wanted = 0;
      for (std::size_t i = 0; i < size; ++i) wanted += analytic[i] * direction[i];
      double best = std::numeric_limits<double>::infinity();
      double numeric = 0;
      double h = check.step;
      for (int attempt = 0; attempt <= kStepReductions && best > check.tolerance; ++attempt, h /= 4) {
        const double difference = (loss_at(h) - loss_at(-h)) / (2 * h);
        const double error = relative_error(wanted, difference, check.floor * largest);
        if (error < best) {
          best = error;
          numeric = difference;
        }
      }
      EXPECT_LE(best, check.tolerance) << place.name << ", direction " << d << ": gradient " << wanted
                                       << ", central difference " << numeric;
      ++compared;
    }
  }
  return compared;
}

// A network whose loss is the distance to a centre that its outputs do not reach, over n rows of random data.
void expect_layers(const Shape& input, std::vector<LayerSpec> layers, Check check = {}) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const bool has_tensors = layers[i].kind == LayerKind::conv2d || layers[i].kind == LayerKind::linear ||
                             layers[i].kind == LayerKind::conv_transpose2d ||
                             layers[i].kind == LayerKind::batch_norm;
    if (has_tensors) layers[i].name = "layer" + std::to_string(i + 1);
  }
  const NetworkSpec spec{.input = input, .layers = std::move(layers)};
  // Partial last groups: 3 of 16, 16 + 1, 2 * 16 + 1.
  for (const std::size_t n : {3UL, 17UL, 33UL}) {
    SCOPED_TRACE("batch of " + std::to_string(n));
    ThreadPool pool(1);
    Plan<double> plan(spec, n, PlanMode::train, pool);
    plan.load(initial_state(spec, check.seed + n, "test"));
    const Matrix<double> x = random_matrix<double>(n, plan.n_inputs(), check.seed, -1, 1);
    const Matrix<double> center = random_matrix<double>(1, plan.n_outputs(), check.seed + 1, -1, 1);
    const std::vector<SemiLabel> semi(n, SemiLabel::unlabelled);
    const DeepSadLoss<double> loss(center.row(0), semi, 1, 1e-6);
    std::vector<std::uint32_t> rows = testing::first_rows(n);
    std::reverse(rows.begin(), rows.end());
    rows[n / 2] = rows[0];  // a row may come twice
    EXPECT_GT(expect_gradient(plan, x, rows, loss, check), 0U);
  }
}

// In front of every layer under test stands one with weights, so that the layer's data gradient is checked
// too.

TEST(Gradient, Convolution) {
  for (const auto& [kernel, padding] : {std::pair<std::size_t, std::size_t>{1, 0},
                                        {3, 0},
                                        {3, 1},
                                        {3, 2},
                                        {4, 1},
                                        {4, 3},
                                        {5, 2},
                                        {5, 4},
                                        {7, 3}}) {
    for (const std::size_t stride : {1UL, 2UL, 3UL}) {
      SCOPED_TRACE("kernel " + std::to_string(kernel) + ", padding " + std::to_string(padding) + ", stride " +
                   std::to_string(stride));
      expect_layers({1, 7, 9}, {conv(3, 3, 1), conv(2, kernel, padding, stride)},
                    {.weights_per_tensor = 4, .directions_per_tensor = 1});
    }
  }
  expect_layers({2, 3, 5}, {conv(5, 2, 0), conv(1, 2, 1)});  // out and in channels off every block size
}

TEST(Gradient, TransposedConvolution) {
  for (const auto& [kernel, padding] :
       {std::pair<std::size_t, std::size_t>{1, 0}, {3, 0}, {3, 2}, {4, 1}, {5, 2}, {5, 3}, {7, 0}}) {
    SCOPED_TRACE("kernel " + std::to_string(kernel) + ", padding " + std::to_string(padding));
    expect_layers({1, 6, 5}, {deconv(3, 3, 1), deconv(2, kernel, padding)},
                  {.weights_per_tensor = 6, .directions_per_tensor = 1});
  }
  expect_layers({2, 3, 1}, {deconv(5, 2, 0), conv(1, 2, 1)});
}

// The layers below run as Winograd convolutions only while that pays.
void expect_winograd(std::size_t in, std::size_t out, std::size_t side, std::size_t kernel,
                     std::size_t padding, bool upsampled) {
  const std::size_t out_side = side + 2 * padding + 1 - kernel;
  EXPECT_TRUE(kernels::winograd2d_pays(
      {.conv = {in, side, side, out, out_side, out_side, kernel, padding, 1}, .upsampled = upsampled}));
}

TEST(Gradient, ConvolutionOfManyChannels) {
  expect_winograd(16, 8, 8, 5, 2, false);
  expect_winograd(16, 16, 8, 3, 1, false);
  const Check few{.weights_per_tensor = 2, .directions_per_tensor = 1};
  expect_layers({1, 8, 8}, {conv(16, 3, 1), bn(), leaky(), conv(8, 5, 2), pool(), conv(2, 2, 0)}, few);
  expect_layers({16, 8, 8}, {deconv(16, 3, 1), pool(), pool(), conv(2, 2, 0)}, few);
}

TEST(Gradient, UpsamplingFoldedIntoTheConvolutionBehindIt) {
  const Check few{.weights_per_tensor = 2, .directions_per_tensor = 1};
  for (const std::size_t padding : {1UL, 2UL}) {
    SCOPED_TRACE(padding);
    expect_winograd(16, 8, 8, 5, padding, true);
    expect_layers({2, 4, 4}, {conv(16, 3, 1), bn(), leaky(), up(), conv(8, 5, padding)}, few);
    expect_layers({2, 4, 4}, {conv(16, 3, 1), leaky(), up(), deconv(8, 5, 4 - padding), sigmoid()}, few);
  }
}

TEST(Gradient, Linear) {
  expect_layers({7}, {linear(5), linear(3)});
  expect_layers({7}, {linear(5, true), linear(3, true)});
  expect_layers({33}, {linear(17, true), linear(1)});
}

TEST(Gradient, BatchNormOnMapsAndVectors) {
  expect_layers({1, 5, 3}, {conv(3, 3, 1), bn(), conv(2, 3, 0)});
  expect_layers({6}, {linear(5), bn(), linear(3)});
  expect_layers({6}, {linear(5), bn(), bn(), linear(3)});
  expect_layers({6}, {bn(), linear(3)});
  expect_layers({2, 3, 3}, {bn(), conv(3, 3, 0)});
}

TEST(Gradient, LeakyReluOfAllSlopes) {
  for (const double slope : {0.0, 0.01, 1.0}) {
    SCOPED_TRACE(slope);
    expect_layers({6}, {linear(9, true), leaky(slope), linear(3)});
    expect_layers({6}, {linear(18), leaky(slope), linear(17, true), reshape({17, 1, 1}), leaky(slope / 2),
                        reshape({17}), linear(3), leaky(slope)});
    expect_layers({6}, {leaky(slope), linear(9), leaky(slope), leaky(slope), linear(5), bn(), linear(3)});
    expect_layers({6}, {linear(5), bn(), linear(9), leaky(slope), linear(4), sigmoid()});
    expect_layers({2, 3, 5}, {conv(4, 3, 1), leaky(slope), conv(2, 3, 0)});
  }
}

TEST(Gradient, Sigmoid) {
  expect_layers({6}, {linear(5), sigmoid()});
  expect_layers({6}, {linear(5), sigmoid(), linear(3)});
}

TEST(Gradient, MaxPoolOfOddMaps) {
  expect_layers({1, 7, 5}, {conv(3, 3, 1), pool(), conv(2, 2, 0)});
  expect_layers({1, 3, 2}, {conv(3, 3, 1), pool()});
  expect_layers({2, 4, 6}, {pool(), conv(2, 2, 0)});  // nothing in front: no gradient wanted there
}

TEST(Gradient, Upsample) {
  expect_layers({1, 3, 2}, {conv(3, 3, 1), up(), conv(2, 3, 1)});
  expect_layers({2, 2, 3}, {up(), conv(2, 3, 0)});
}

TEST(Gradient, BatchNormFusedWithWhatFollows) {
  for (const double slope : {0.0, 0.01, 1.0}) {
    SCOPED_TRACE(slope);
    expect_layers({1, 5, 7}, {conv(3, 3, 1), bn(), leaky(slope), pool(), conv(2, 2, 0)});
    expect_layers({1, 4, 2}, {conv(3, 3, 1), bn(), leaky(slope), conv(2, 2, 0)});
    expect_layers({6}, {linear(8), bn(), leaky(slope), linear(3)});
  }
  expect_layers({1, 5, 4}, {conv(3, 3, 1), bn(), pool(), conv(2, 2, 0)});
  expect_layers({6}, {linear(8), bn(), reshape({2, 2, 2}), leaky(), conv(3, 2, 0)});
  expect_layers({6}, {linear(8), bn(), reshape({2, 2, 2}), leaky(), pool(), reshape({2}), linear(3)});
  expect_layers({6}, {linear(8), bn(), reshape({2, 2, 2}), pool(), reshape({2}), linear(3)});
}

// Where the gradient of a batch norm's input must not overwrite what the layer before it still needs.
TEST(Gradient, BatchNormBehindEveryKindOfLayer) {
  expect_layers({6}, {linear(5), sigmoid(), bn(), linear(3)});
  expect_layers({6}, {linear(5), leaky(), bn(), linear(3)});
  expect_layers({6}, {linear(5), bn(), leaky(), bn(), linear(3)});
  expect_layers({1, 5, 4}, {conv(3, 3, 1), pool(), bn(), conv(2, 2, 0)});
  expect_layers({1, 5, 4}, {conv(3, 3, 1), bn(), leaky(), pool(), bn(), conv(2, 2, 0)});
  expect_layers({1, 2, 3}, {conv(3, 3, 1), up(), bn(), conv(2, 2, 0)});
  expect_layers({1, 2, 3}, {deconv(3, 3, 1), bn(), leaky(), up(), deconv(2, 2, 0)});
}

class GradientOfLoss : public ::testing::Test {
 protected:
  static constexpr std::size_t kRows = 33;
  GradientOfLoss() : x_(random_matrix<double>(kRows, 6, 3)) {
    plan_.load(initial_state(definition_.encoder, 5, "test"));
  }
  Matrix<double> outputs() {
    const std::vector<double> center(plan_.n_outputs());
    const std::vector<SemiLabel> semi(kRows, SemiLabel::unlabelled);
    const DeepSadLoss<double> loss(center, semi, 1, 1e-6);
    testing::RecordingLoss<double> recorder(loss, kRows, plan_.n_outputs());
    (void)plan_.forward_backward(view(x_), testing::first_rows(kRows), recorder);
    return std::move(recorder.outputs);
  }
  NetworkDefinition definition_ = network_by_name("thyroid_mlp");
  ThreadPool pool_{1};
  Plan<double> plan_{definition_.encoder, kRows, PlanMode::train, pool_};
  Matrix<double> x_;
};

TEST_F(GradientOfLoss, DeepSadWithAllThreeLabels) {
  const std::vector<double> center{0.1, -0.1, 0.1, -0.1};
  std::vector<SemiLabel> semi(kRows);
  for (std::size_t i = 0; i < kRows; ++i) semi[i] = static_cast<SemiLabel>(static_cast<int>(i % 3) - 1);
  for (const double eta : {1.0, 2.5}) {
    const DeepSadLoss<double> loss(center, semi, eta, 1e-6);
    // The inverse term bends with |z - c|, here down to about 0.05.
    expect_gradient(plan_, x_, testing::first_rows(kRows), loss, {.step = 1e-5});
  }
}

// A labelled anomaly close to the centre: d is 1e-4, 1e-6 and 1e-8 there, the last far below epsilon. The
// loss bends on the scale of r = |z - c| + sqrt(epsilon), so the step is r / 1000 (truncation about 1e-6
// relative).
TEST_F(GradientOfLoss, DeepSadInverseTermNearTheCenter) {
  for (const double r : {1e-2, 1e-3, 1e-4}) {
    SCOPED_TRACE(r);
    const Matrix<double> z = outputs();
    std::vector<double> center(z.row(4).begin(), z.row(4).end());
    for (double& c : center) c += r / 2;  // four components: |z - c| = r
    std::vector<SemiLabel> semi(kRows, SemiLabel::unlabelled);
    semi[4] = SemiLabel::anomaly;
    const DeepSadLoss<double> loss(center, semi, 1, 1e-6);
    expect_gradient(plan_, x_, testing::first_rows(kRows), loss,
                    {.step = (r + 1e-3) / 1000, .tolerance = 1e-4});
  }
}

TEST_F(GradientOfLoss, SoftBoundaryAwayFromItsKink) {
  const std::vector<double> center{0.1, -0.1, 0.1, -0.1};
  SoftBoundaryLoss<double> loss(center, 0.1, kRows);
  (void)plan_.forward_backward(view(x_), testing::first_rows(kRows), loss);
  std::vector<double> distances;
  for (std::uint32_t row = 0; row < kRows; ++row) distances.push_back(loss.distance(row));
  std::sort(distances.begin(), distances.end());
  // The radius in the middle of the widest gap among the inner distances: rows on both sides, none near it.
  std::size_t gap = 5;
  for (std::size_t i = 5; i + 6 < distances.size(); ++i) {
    if (distances[i + 1] - distances[i] > distances[gap + 1] - distances[gap]) gap = i;
  }
  loss.set_radius(std::sqrt((distances[gap] + distances[gap + 1]) / 2));
  expect_gradient(plan_, x_, testing::first_rows(kRows), loss, {.step = 1e-5});
}

TEST_F(GradientOfLoss, Reconstruction) {
  const NetworkSpec whole = autoencoder(definition_);
  Plan<double> plan(whole, kRows, PlanMode::train, pool_);
  plan.load(initial_state(whole, 5, "test"));
  expect_gradient(plan, x_, testing::first_rows(kRows), ReconstructionLoss<double>(plan.n_outputs()),
                  {.step = 1e-5});
}

TEST_F(GradientOfLoss, ReconstructionWithTheSigmoidInTheLoss) {
  const NetworkSpec whole = autoencoder(definition_);
  const ReconstructionTraining training(whole);
  ASSERT_EQ(training.unit, OutputUnit::sigmoid);
  Plan<double> plan(training.network, kRows, PlanMode::train, pool_);
  plan.load(initial_state(whole, 5, "test"));
  expect_gradient(plan, x_, testing::first_rows(kRows),
                  ReconstructionLoss<double>(plan.n_outputs(), training.unit), {.step = 1e-5});
}

// Deep SAD with all labels on n rows.
void expect_deep_sad_network(const std::string& name, std::size_t n, const Check& check) {
  const NetworkSpec spec = network_by_name(name).encoder;
  ThreadPool pool(1);
  Plan<double> plan(spec, n, PlanMode::train, pool);
  plan.load(initial_state(spec, check.seed, "test"));
  const Matrix<double> x = random_matrix<double>(n, plan.n_inputs(), check.seed);
  std::vector<double> center(plan.n_outputs());
  std::vector<SemiLabel> semi(n);
  for (std::size_t i = 0; i < center.size(); ++i) center[i] = i % 2 == 0 ? 0.1 : -0.1;
  for (std::size_t i = 0; i < n; ++i) semi[i] = static_cast<SemiLabel>(static_cast<int>(i % 3) - 1);
  const DeepSadLoss<double> loss(center, semi, 1, 1e-6);
  expect_gradient(plan, x, testing::first_rows(n), loss, check);
}

void expect_autoencoder(const std::string& name, std::size_t n, const Check& check) {
  const NetworkSpec spec = autoencoder(network_by_name(name));
  ThreadPool pool(1);
  Plan<double> plan(spec, n, PlanMode::train, pool);
  plan.load(initial_state(spec, check.seed, "test"));
  const Matrix<double> x = random_matrix<double>(n, plan.n_inputs(), check.seed);
  expect_gradient(plan, x, testing::first_rows(n), ReconstructionLoss<double>(plan.n_outputs()), check);
}

// Whole networks hold tens of thousands of leaky and max decisions, hence the small first step.
TEST(GradientOfNetwork, MnistLeNetDeepSad) {
  expect_deep_sad_network("mnist_LeNet", 17,
                          {.step = 1e-6, .weights_per_tensor = 4, .directions_per_tensor = 1});
}
TEST(GradientOfNetwork, MnistAutoencoder) {
  expect_autoencoder("mnist_LeNet", 3, {.step = 1e-6, .weights_per_tensor = 2, .directions_per_tensor = 1});
}
TEST(GradientOfNetwork, FmnistAutoencoder) {
  expect_autoencoder("fmnist_LeNet", 3, {.step = 1e-6, .weights_per_tensor = 0, .directions_per_tensor = 1});
}
TEST(GradientOfNetwork, ThyroidMlpDeepSadAndAutoencoder) {
  expect_deep_sad_network("thyroid_mlp", 33, {.step = 1e-5});
  expect_autoencoder("thyroid_mlp", 33, {.step = 1e-5});
}

}  // namespace
}  // namespace deepsad
