#include "deepsad/detectors/classifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "deepsad/evaluation/roc_auc.h"
#include "deepsad/nn/catalogue.h"
#include "nn/losses.h"
#include "shallow_support.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;
using testing::Problem;
using testing::refusal;
using testing::reloaded;
using testing::scores_of;

// The definition in double, and its gradient by differences.
TEST(CrossEntropy, EqualsTheDefinition) {
  const std::array<double, 8> logits{0, 0.3, -2, 5, -30, 40, 800, -800};
  std::vector<SemiLabel> semi;
  std::array<std::uint32_t, 16> rows{};
  std::array<double, 16> z{}, gradient{}, loss{};
  for (std::size_t i = 0; i < 16; ++i) {
    z[i] = logits[i / 2];
    semi.push_back(i % 2 == 1 ? SemiLabel::anomaly : i == 4 ? SemiLabel::normal : SemiLabel::unlabelled);
    rows[i] = static_cast<std::uint32_t>(i);
  }
  const CrossEntropyLoss<double> cross_entropy(semi);
  const auto evaluate = [&](std::array<double, 16> at, std::size_t n_valid) {
    cross_entropy.evaluate({.n_valid = n_valid,
                            .rows = rows.data(),
                            .input = nullptr,
                            .output = at.data(),
                            .d_output = gradient.data(),
                            .lane_loss = loss.data(),
                            .scale = 0.5});
  };
  for (std::size_t i = 0; i < 12; ++i) {
    constexpr double kStep = 1e-6;
    std::array<double, 16> low = z, high = z;
    low[i] -= kStep;
    high[i] += kStep;
    evaluate(low, 16);
    const double below = loss[i];
    evaluate(high, 16);
    const double above = loss[i];
    evaluate(z, 16);
    const double t = i % 2 == 1 ? 1 : 0;
    EXPECT_NEAR(loss[i], std::log1p(std::exp(z[i])) - t * z[i], 1e-12) << i;
    EXPECT_NEAR(gradient[i], 0.5 * (above - below) / (2 * kStep), 1e-8) << i;
  }
  EXPECT_EQ(loss[13], 0);    // z = 800, an anomaly
  EXPECT_EQ(loss[12], 800);  // z = 800, not
  EXPECT_EQ(loss[15], 800);
  EXPECT_EQ(gradient[15], -0.5);
  evaluate(z, 3);
  EXPECT_EQ(loss[3], 0);
  EXPECT_EQ(gradient[3], 0);
}

TEST(Classifier, SeparatesLabelledAnomaliesAndComesBackToTheBit) {
  const Problem problem(200, 6, 30);
  const NetworkDefinition network = mlp("small", 6, {16, 8}, 4);
  std::vector<float> first;
  for (const std::size_t threads : {1U, 3U}) {
    auto detector =
        make_classifier(network, {.training = {.learning_rate = 0.01, .n_epochs = 20, .batch_size = 32}});
    testing::fit(*detector, problem, {.threads = threads});
    const std::vector<float> scores = scores_of(*detector, problem.x, threads);
    std::vector<TrueLabel> labels(200, TrueLabel::normal);
    std::fill_n(labels.begin(), 30, TrueLabel::anomaly);
    EXPECT_GT(roc_auc(std::span<const float>(scores), labels), 0.99);
    EXPECT_TRUE(detector->findings().empty());
    if (first.empty()) first = scores;
    EXPECT_EQ(scores, first);
    EXPECT_EQ(scores_of(*reloaded(*detector), problem.x), first);
  }
}

TEST(Classifier, NeedsALabelledAnomaly) {
  auto detector = make_classifier(mlp("small", 6, {16, 8}, 4), {});
  EXPECT_THAT(refusal([&] { testing::fit(*detector, Problem(50, 6, 0)); }),
              HasSubstr("there is no row labelled anomalous"));
}

}  // namespace
}  // namespace deepsad
