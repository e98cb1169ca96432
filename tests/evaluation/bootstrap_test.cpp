#include "deepsad/evaluation/bootstrap.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "deepsad/evaluation/average_precision.h"
#include "deepsad/evaluation/roc_auc.h"

namespace deepsad {
namespace {

struct Sample {
  std::vector<float> scores;
  std::vector<TrueLabel> labels;
};

// Anomalies are shifted by one standard deviation: the true AUC is Phi(1 / sqrt(2)) = 0.76025.
Sample shifted_normals(RandomStream& random, std::size_t n_normal, std::size_t n_anomaly) {
  Sample sample;
  for (std::size_t i = 0; i < n_normal + n_anomaly; ++i) {
    const bool anomalous = i >= n_normal;
    sample.scores.push_back(static_cast<float>(random.normal() + (anomalous ? 1 : 0)));
    sample.labels.push_back(anomalous ? TrueLabel::anomaly : TrueLabel::normal);
  }
  return sample;
}

TEST(Bootstrap, IntervalHoldsTheTrueAucAboutAsOftenAsItSays) {
  ThreadPool pool(2);
  constexpr double kTrueAuc = 0.760249938906524;
  constexpr int kSamples = 200;
  int n_held = 0;
  for (int i = 0; i < kSamples; ++i) {
    RandomStream random(5, "test", static_cast<std::uint64_t>(i));
    const Sample sample = shifted_normals(random, 120, 60);
    const Interval interval =
        bootstrap_intervals(sample.scores, sample.labels, {.n_repetitions = 300, .seed = 1}, pool).roc_auc;
    if (interval.low <= kTrueAuc && kTrueAuc <= interval.high) ++n_held;
  }
  EXPECT_GE(n_held, kSamples * 0.90);
  EXPECT_LE(n_held, kSamples * 0.99);
}

// With one row of a kind every repetition draws that row; what is left follows by hand.
TEST(Bootstrap, RepetitionsUseTheExactMetrics) {
  ThreadPool pool(1);
  const std::vector<float> scores{1, 2, 2};
  const std::vector<TrueLabel> labels{TrueLabel::normal, TrueLabel::normal, TrueLabel::anomaly};
  // Two draws among {1, 2}: both 1 (AUC 1), mixed (0.75), both 2 (0.5). AP: 1, 1/2, 1/3.
  const BootstrapIntervals all = bootstrap_intervals(scores, labels, {.n_repetitions = 400}, pool);
  EXPECT_EQ(all.roc_auc.low, 0.5);
  EXPECT_EQ(all.roc_auc.high, 1);
  EXPECT_DOUBLE_EQ(all.average_precision.low, 1.0 / 3);
  EXPECT_EQ(all.average_precision.high, 1);
  const BootstrapIntervals middle =
      bootstrap_intervals(scores, labels, {.n_repetitions = 400, .confidence = 1e-9}, pool);
  EXPECT_DOUBLE_EQ(middle.roc_auc.low, 0.75);
  EXPECT_DOUBLE_EQ(middle.average_precision.high, 0.5);
}

TEST(Bootstrap, SameBitsAtAnyThreadCount) {
  RandomStream random(6, "test");
  const Sample sample = shifted_normals(random, 50, 20);
  ThreadPool one(1), three(3);
  const auto a = bootstrap_intervals(sample.scores, sample.labels, {.seed = 3}, one);
  const auto b = bootstrap_intervals(sample.scores, sample.labels, {.seed = 3}, three);
  const auto c = bootstrap_intervals(sample.scores, sample.labels, {.seed = 4}, one);
  EXPECT_EQ(a.roc_auc.low, b.roc_auc.low);
  EXPECT_EQ(a.average_precision.high, b.average_precision.high);
  EXPECT_NE(a.roc_auc.low, c.roc_auc.low);
  const double auc = roc_auc(std::span<const float>(sample.scores), sample.labels);
  EXPECT_LT(a.roc_auc.low, auc);
  EXPECT_GT(a.roc_auc.high, auc);
}

TEST(Bootstrap, OneLabelGivesNaNAndBadInputIsRefused) {
  ThreadPool pool(1);
  const std::vector<float> scores{1, 2};
  const std::vector<TrueLabel> normals(2, TrueLabel::normal);
  EXPECT_TRUE(std::isnan(bootstrap_intervals(scores, normals, {}, pool).roc_auc.low));
  EXPECT_THROW((void)bootstrap_intervals(scores, {}, {}, pool), InvalidArgument);
  EXPECT_THROW((void)bootstrap_intervals(scores, normals, {.n_repetitions = 0}, pool), InvalidArgument);
  EXPECT_THROW((void)bootstrap_intervals(scores, normals, {.confidence = 1}, pool), InvalidArgument);
}

}  // namespace
}  // namespace deepsad
