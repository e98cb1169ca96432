// Plan<T>::score_gradient(): the derivative of a score with respect to the input, against central differences
// of the inference plan's outputs in double, for every layer kind, fusion, score and network.
//
// Kinks (leaky ReLU at 0, ties in a max pool) that lie within the step: where the difference does not match,
// the step is made four times smaller, up to kStepReductions times; a wrong gradient matches at no step.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>

#include "nn/layers.h"
#include "nn/score_functions.h"
#include "nn/support.h"

namespace deepsad {
namespace {

using testing::bn;
using testing::conv;
using testing::deconv;
using testing::golden_state;
using testing::leaky;
using testing::linear;
using testing::pool;
using testing::random_matrix;
using testing::reshape;
using testing::same_bits;
using testing::sigmoid;
using testing::up;
using testing::view;

constexpr int kStepReductions = 5;
constexpr double kTolerance = 1e-6;  // of |a - n| / (|a| + |n| + floor)
constexpr double kFloor = 1e-2;      // of the row's largest derivative: rounding in the score is absolute

/// A score, and the same computed here from outputs and inputs without a plan of gradients.
struct Scored {
  std::string name;
  std::unique_ptr<ScoreFunction<double>> function;
  std::function<double(std::span<const double> x, std::span<const double> y)> value;
};

double softplus(double a) {
  return std::max(a, 0.0) + std::log1p(std::exp(-std::abs(a)));
}

std::vector<Scored> scores_for(const NetworkSpec& spec) {
  const std::size_t n_in = n_elements(spec.input), n_out = n_elements(output_shape(spec));
  std::vector<Scored> scores;
  std::vector<double> center(n_out);
  for (std::size_t j = 0; j < n_out; ++j) center[j] = j % 2 == 0 ? 0.3 : -0.2;
  scores.push_back({"squared distance", std::make_unique<SquaredDistanceScore<double>>(center),
                    [center](auto, std::span<const double> y) {
                      double sum = 0;
                      for (std::size_t j = 0; j < y.size(); ++j)
                        sum += (y[j] - center[j]) * (y[j] - center[j]);
                      return sum;
                    }});
  if (n_out == n_in) {
    scores.push_back({"reconstruction", std::make_unique<ReconstructionScore<double>>(n_in),
                      [](std::span<const double> x, std::span<const double> y) {
                        double sum = 0;
                        for (std::size_t j = 0; j < y.size(); ++j) sum += (y[j] - x[j]) * (y[j] - x[j]);
                        return sum / static_cast<double>(x.size());
                      }});
    scores.push_back({"cross-entropy", std::make_unique<CrossEntropyScore<double>>(n_in),
                      [](std::span<const double> x, std::span<const double> y) {
                        double sum = 0;
                        for (std::size_t j = 0; j < y.size(); ++j) sum += softplus(y[j]) - x[j] * y[j];
                        return sum;
                      }});
  }
  if (n_out == 1) {
    scores.push_back({"output", std::make_unique<OutputScore<double>>(),
                      [](auto, std::span<const double> y) { return y[0]; }});
  }
  if (n_out == 2) {
    scores.push_back({"class probability", std::make_unique<ClassProbabilityScore<double>>(),
                      [](auto, std::span<const double> y) { return 1 / (1 + std::exp(y[0] - y[1])); }});
  }
  return scores;
}

/// Compares the gradient of `scored` at n random rows along single features and random directions.
void expect_gradient(const NetworkSpec& spec, const Scored& scored, std::size_t n, double first_step,
                     std::size_t n_features, double low = -1) {
  SCOPED_TRACE(scored.name + ", " + std::to_string(n) + " rows");
  ThreadPool pool(1);
  const StateDict state = golden_state(spec);  // running statistics that are not those of a fresh network
  Plan<double> plan(spec, 0, PlanMode::differentiate, pool);
  Plan<double> infer(spec, 0, PlanMode::infer, pool);
  plan.load(state);
  infer.load(state);
  const std::size_t d = plan.n_inputs();
  const Matrix<double> x = random_matrix<double>(n, d, 3, low, 1);
  std::vector<double> scores(n);
  Matrix<double> gradient(n, d);
  plan.score_gradient(view(x), *scored.function, scores, view(gradient));
  RandomStream stream(1, "test/directions");
  const auto score_at = [&](std::span<const double> row) {
    Matrix<double> output(1, infer.n_outputs());
    infer.infer_rows({row.data(), 1, d}, view(output));
    return scored.value(row, output.row(0));
  };
  for (const std::size_t i : {std::size_t{0}, n / 2, n - 1}) {
    EXPECT_NEAR(scores[i], score_at(x.row(i)), 1e-12 * (1 + std::abs(scores[i])));
    double largest = 0;
    for (const double g : gradient.row(i)) {
      ASSERT_TRUE(std::isfinite(g));
      largest = std::max(largest, std::abs(g));
    }
    EXPECT_GT(largest, 0);
    for (std::size_t k = 0; k < n_features + 2; ++k) {
      std::vector<double> direction(d);
      if (k < n_features) {
        direction[d <= n_features ? k % d : stream.below(d)] = 1;
      } else {
        double norm = 0;
        for (double& v : direction) {
          v = stream.normal();
          norm += v * v;
        }
        for (double& v : direction) v /= std::sqrt(norm);
      }
      double wanted = 0, best = std::numeric_limits<double>::infinity(), closest = 0;
      for (std::size_t j = 0; j < d; ++j) wanted += gradient.row(i)[j] * direction[j];
      double h = first_step;
      for (int attempt = 0; attempt <= kStepReductions && best > kTolerance; ++attempt, h /= 4) {
        std::vector<double> up(x.row(i).begin(), x.row(i).end()), down = up;
        for (std::size_t j = 0; j < d; ++j) up[j] += h * direction[j], down[j] -= h * direction[j];
        const double difference = (score_at(up) - score_at(down)) / (2 * h);
        // What rounding in the score makes of the difference, for sums of up to some thousand terms.
        const double rounding = 8 * std::numeric_limits<double>::epsilon() * std::abs(scores[i]) / h;
        const double error = std::max(0.0, std::abs(wanted - difference) - rounding) /
                             (std::abs(wanted) + std::abs(difference) + kFloor * largest);
        if (error < best) best = error, closest = difference;
      }
      EXPECT_LE(best, kTolerance) << "row " << i << ", direction " << k << ": gradient " << wanted
                                  << ", central difference " << closest;
    }
  }
}

void expect_layers(const Shape& input, std::vector<LayerSpec> layers) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const bool has_tensors = layers[i].kind == LayerKind::conv2d || layers[i].kind == LayerKind::linear ||
                             layers[i].kind == LayerKind::conv_transpose2d ||
                             layers[i].kind == LayerKind::batch_norm;
    if (has_tensors) layers[i].name = "layer" + std::to_string(i + 1);
  }
  const NetworkSpec spec{.input = input, .layers = std::move(layers)};
  for (const Scored& scored : scores_for(spec))
    for (const std::size_t n : {3UL, 16UL, 33UL}) expect_gradient(spec, scored, n, 1e-4, 8);
}

TEST(ScoreGradient, OfEveryKindOfLayerInFront) {
  expect_layers({7}, {linear(5)});
  expect_layers({7}, {linear(5, true), linear(1, true)});
  for (const double slope : {0.05, 0.3, 1.0}) {
    expect_layers({7}, {linear(5, true), leaky(slope), linear(2)});
    expect_layers({7}, {linear(19), leaky(slope), linear(18, true), leaky(slope), linear(5), leaky(slope)});
  }
  expect_layers({6}, {bn(), linear(6)});
  expect_layers({6}, {leaky(), linear(3)});
  expect_layers({6}, {sigmoid(), linear(3)});
  expect_layers({2, 5, 7}, {conv(3, 3, 1)});
  expect_layers({2, 5, 7}, {conv(3, 4, 1, 2)});
  expect_layers({2, 5, 7}, {deconv(3, 5, 2)});
  expect_layers({2, 5, 7}, {pool(), conv(2, 2, 0)});
  expect_layers({2, 3, 2}, {up(), conv(3, 3, 1)});
  expect_layers({2, 3, 2}, {up(), deconv(3, 2, 0)});
  expect_layers({2, 3, 2}, {up(), bn(), conv(2, 2, 0)});
}

TEST(ScoreGradient, OfBatchNormWithWhatItIsFusedWith) {
  for (const double slope : {0.0, 0.01, 1.0}) {
    SCOPED_TRACE(slope);
    expect_layers({1, 5, 7}, {conv(3, 3, 1), bn(), leaky(slope), pool(), conv(2, 2, 0)});
    expect_layers({1, 4, 2}, {conv(3, 3, 1), bn(), leaky(slope), conv(2, 2, 0)});
    expect_layers({6}, {linear(8), bn(), leaky(slope), linear(2)});
  }
  expect_layers({1, 5, 4}, {conv(3, 3, 1), bn(), pool(), conv(2, 2, 0)});
  expect_layers({1, 5, 4}, {bn(), pool(), conv(2, 2, 0)});
  expect_layers({6}, {linear(5), sigmoid(), bn(), linear(3), sigmoid()});
  expect_layers({6}, {linear(8), bn(), reshape({2, 2, 2}), leaky(), pool(), reshape({2}), linear(6)});
}

TEST(ScoreGradient, OfConvolutionsOfManyChannels) {
  expect_layers({1, 8, 8}, {conv(16, 3, 1), bn(), leaky(), conv(8, 5, 2), pool(), conv(2, 2, 0)});
  expect_layers({16, 8, 8}, {conv(16, 3, 1), pool(), pool(), conv(2, 2, 0)});
  expect_layers({2, 4, 4}, {conv(16, 3, 1), leaky(), up(), deconv(8, 5, 2), sigmoid()});
}

TEST(ScoreGradient, OfAllNetworks) {
  for (const std::string& name : network_names()) {
    if (name == "cifar10_LeNet") continue;  // below, in float: a second for every score in double
    const NetworkDefinition definition = network_by_name(name);
    for (const bool whole : {false, true}) {
      SCOPED_TRACE(name + (whole ? " autoencoder" : ""));
      const NetworkSpec spec = whole ? autoencoder(definition) : definition.encoder;
      const bool images = definition.encoder.input.size() == 3;
      for (const Scored& scored : scores_for(spec))
        expect_gradient(spec, scored, images ? 2 : 17, images ? 1e-6 : 1e-5, images ? 1 : 6, images ? 0 : -1);
    }
  }
}

// <d, y> is what a chain of functions behind the network makes of its output.
TEST(ScoreGradient, OfAProductWithTheOutputIsTheTransposedJacobian) {
  const NetworkSpec spec = network_by_name("thyroid_mlp").encoder;
  ThreadPool pool(1);
  Plan<double> plan(spec, 0, PlanMode::differentiate, pool);
  plan.load(golden_state(spec));
  constexpr std::size_t kRows = 19;
  const Matrix<double> x = random_matrix<double>(kRows, plan.n_inputs(), 3, -1, 1);
  const std::size_t k = plan.n_outputs();
  const std::vector<double> center(k, 0.25);
  Matrix<double> outputs(kRows, k), factors(kRows, k), direct(kRows, plan.n_inputs()),
      chained(kRows, plan.n_inputs());
  plan.infer_rows(view(x), view(outputs));
  for (std::size_t i = 0; i < kRows; ++i)
    for (std::size_t j = 0; j < k; ++j) factors.row(i)[j] = 2 * (outputs.row(i)[j] - center[j]);
  std::vector<double> scores(kRows), products(kRows);
  plan.score_gradient(view(x), SquaredDistanceScore<double>(center), scores, view(direct));
  plan.score_gradient(view(x), OutputProductScore<double>(view(factors)), products, view(chained));
  EXPECT_TRUE(same_bits<double>(direct.values.span(), chained.values.span()));
  for (std::size_t i = 0; i < kRows; ++i) {
    double product = 0;
    for (std::size_t j = 0; j < k; ++j) product += factors.row(i)[j] * outputs.row(i)[j];
    EXPECT_NEAR(products[i], product, 1e-12);
  }
}

struct FloatGradient {
  std::vector<double> scores;
  Matrix<float> gradient;
};

FloatGradient in_float(const NetworkSpec& spec, const Matrix<float>& x, std::size_t n_threads) {
  ThreadPool pool(n_threads);
  Plan<float> plan(spec, 0, PlanMode::differentiate, pool);
  plan.load(golden_state(spec));
  FloatGradient result{std::vector<double>(x.rows), Matrix<float>(x.rows, x.cols)};
  if (plan.n_outputs() == x.cols) {
    plan.score_gradient(view(x), ReconstructionScore<float>(x.cols), result.scores, view(result.gradient));
  } else {
    const std::vector<float> center(plan.n_outputs(), 0.1F);
    plan.score_gradient(view(x), SquaredDistanceScore<float>(center), result.scores, view(result.gradient));
  }
  return result;
}

// The vector kernels against the scalar reference in double. A rounding error may flip a max pool's winner or
// a leaky ReLU's side, which moves single derivatives: hence the mean, over whole rows.
TEST(ScoreGradientInFloat, IsThatOfDouble) {
  for (const std::string& name : network_names()) {
    const NetworkDefinition definition = network_by_name(name);
    for (const bool whole : {false, true}) {
      SCOPED_TRACE(name + (whole ? " autoencoder" : ""));
      const NetworkSpec spec = whole ? autoencoder(definition) : definition.encoder;
      const std::size_t n = name == "cifar10_LeNet" ? 3 : 21;
      const Matrix<float> x = random_matrix<float>(n, n_elements(spec.input), 2);
      const FloatGradient got = in_float(spec, x, 1);
      ThreadPool pool(1);
      Plan<double> plan(spec, 0, PlanMode::differentiate, pool);
      plan.load(golden_state(spec));
      Matrix<double> exact_x(x.rows, x.cols), exact(x.rows, x.cols);
      std::copy(x.values.begin(), x.values.end(), exact_x.values.begin());
      std::vector<double> scores(n);
      if (whole) {
        plan.score_gradient(view(exact_x), ReconstructionScore<double>(x.cols), scores, view(exact));
      } else {
        const std::vector<double> center(plan.n_outputs(), static_cast<double>(0.1F));
        plan.score_gradient(view(exact_x), SquaredDistanceScore<double>(center), scores, view(exact));
      }
      double difference = 0, size = 0;
      for (std::size_t i = 0; i < exact.values.size(); ++i) {
        difference += std::abs(static_cast<double>(got.gradient.values[i]) - exact.values[i]);
        size += std::abs(exact.values[i]);
      }
      EXPECT_LE(difference, 1e-3 * size);
      for (std::size_t i = 0; i < n; ++i) EXPECT_NEAR(got.scores[i], scores[i], 1e-5 * std::abs(scores[i]));
    }
  }
}

TEST(ScoreGradientInFloat, SameBitsAtAnyThreadCountAndForARowAlone) {
  for (const char* name : {"mnist_LeNet", "cardio_mlp"}) {
    const NetworkDefinition definition = network_by_name(name);
    for (const NetworkSpec& spec : {definition.encoder, autoencoder(definition)}) {
      SCOPED_TRACE(name);
      constexpr std::size_t kRows = 53;
      const Matrix<float> x = random_matrix<float>(kRows, n_elements(spec.input), 2);
      const FloatGradient one = in_float(spec, x, 1);
      for (const std::size_t threads : {2UL, 3UL, 8UL}) {
        const FloatGradient many = in_float(spec, x, threads);
        EXPECT_TRUE(same_bits<float>(one.gradient.values.span(), many.gradient.values.span())) << threads;
        EXPECT_TRUE(same_bits<double>(one.scores, many.scores)) << threads;
      }
      for (const std::size_t i : {std::size_t{0}, std::size_t{17}, kRows - 1}) {
        Matrix<float> row(1, x.cols);
        std::ranges::copy(x.row(i), row.values.begin());
        const FloatGradient alone = in_float(spec, row, 1);
        EXPECT_TRUE(same_bits<float>(alone.gradient.values.span(), one.gradient.row(i)));
        EXPECT_EQ(alone.scores[0], one.scores[i]);
      }
    }
  }
}

}  // namespace
}  // namespace deepsad
