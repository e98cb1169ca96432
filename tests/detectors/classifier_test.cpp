#include "deepsad/detectors/classifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "deepsad/evaluation/roc_auc.h"
#include "deepsad/nn/catalogue.h"
#include "detectors/network_detector.h"
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
  const double weight[2] = {0.25, 3};
  const CrossEntropyLoss<double> cross_entropy(semi, {.normal = weight[0], .anomaly = weight[1]});
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
    EXPECT_NEAR(loss[i], weight[i % 2] * (std::log1p(std::exp(z[i])) - t * z[i]), 1e-12) << i;
    EXPECT_NEAR(gradient[i], 0.5 * (above - below) / (2 * kStep), 1e-8) << i;
  }
  EXPECT_EQ(loss[13], 0);           // z = 800, an anomaly
  EXPECT_EQ(loss[12], 0.25 * 800);  // z = 800, not
  EXPECT_EQ(loss[15], 3 * 800);
  EXPECT_EQ(gradient[15], -0.5 * 3);
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

// n / (2 n_t) of the rows that are trained on: those held out for early stopping do not count.
TEST(Classifier, BalancedClassesWeighTheSame) {
  const NetworkDefinition network = mlp("small", 6, {16, 8}, 4);
  const auto fitted = [&](std::size_t n_anomalies, ClassWeights weights, std::size_t patience = 0) {
    auto detector = make_classifier(network, {.training = {.learning_rate = 0.01,
                                                           .n_epochs = 5,
                                                           .batch_size = 32,
                                                           .patience = patience,
                                                           .validation_share = 0.2},
                                              .class_weights = weights});
    testing::fit(*detector, Problem(200, 6, n_anomalies));
    return detector;
  };
  const auto weights_of = [](const Detector& detector) {
    return Json::parse(detector.fit_report()).at("class_weights").dump();
  };
  const auto scores = [](const Detector& detector) { return scores_of(detector, Problem(200, 6, 25).x); };
  const auto plain = fitted(25, ClassWeights::none), balanced = fitted(25, ClassWeights::balanced);
  EXPECT_EQ(weights_of(*plain), R"({"normal":1.0,"anomaly":1.0})");
  EXPECT_EQ(weights_of(*balanced), Json({{"normal", 100.0 / 175}, {"anomaly", 100.0 / 25}}).dump());
  EXPECT_EQ(weights_of(*fitted(24, ClassWeights::balanced, 2)),
            Json({{"normal", 80.5 / 141}, {"anomaly", 80.5 / 20}}).dump());
  EXPECT_NE(scores(*plain), scores(*balanced));
  EXPECT_EQ(scores(*fitted(100, ClassWeights::none)), scores(*fitted(100, ClassWeights::balanced)))
      << "of classes of one size";

  const auto restored = reloaded(*balanced);
  EXPECT_EQ(restored->description(), balanced->description());
  EXPECT_EQ(scores(*restored), scores(*balanced));
  // A file from before there were weights.
  Json older = Json::parse(plain->description());
  older.at("options").erase("class_weights");
  EXPECT_EQ(restore_detector("classifier", older.dump(), plain->tensors(), "test")->description(),
            plain->description());
}

TEST(Classifier, NeedsALabelledAnomaly) {
  auto detector = make_classifier(mlp("small", 6, {16, 8}, 4), {});
  EXPECT_THAT(refusal([&] { testing::fit(*detector, Problem(50, 6, 0)); }),
              HasSubstr("there is no row labelled anomalous"));
}

}  // namespace
}  // namespace deepsad
