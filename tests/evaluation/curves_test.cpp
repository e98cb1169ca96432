#include "deepsad/evaluation/curves.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "deepsad/evaluation/average_precision.h"
#include "deepsad/evaluation/roc_auc.h"

namespace deepsad {
namespace {

using enum TrueLabel;

TEST(Curves, ByHand) {
  const std::vector<float> scores{4, 3, 3, 1};
  const std::vector<TrueLabel> labels{anomaly, normal, anomaly, normal};
  const std::vector<CurvePoint> roc = roc_curve(scores, labels);
  ASSERT_EQ(roc.size(), 4U);
  EXPECT_EQ(roc[0].x, 0);
  EXPECT_EQ(roc[0].y, 0);
  EXPECT_EQ(roc[1].x, 0);
  EXPECT_EQ(roc[1].y, 0.5);
  EXPECT_EQ(roc[2].x, 0.5);
  EXPECT_EQ(roc[2].y, 1);
  EXPECT_EQ(roc[3].x, 1);
  const std::vector<CurvePoint> pr = precision_recall_curve(scores, labels);
  ASSERT_EQ(pr.size(), 3U);
  EXPECT_EQ(pr[0].x, 0.5);
  EXPECT_EQ(pr[0].y, 1);
  EXPECT_EQ(pr[1].x, 1);
  EXPECT_EQ(pr[1].y, 2.0 / 3);
  EXPECT_EQ(pr[2].y, 0.5);
}

TEST(Curves, EncloseTheMetrics) {
  RandomStream random(3, "curves");
  for (int round = 0; round < 40; ++round) {
    std::vector<float> scores;
    std::vector<TrueLabel> labels{anomaly, normal};
    for (int i = 0; i < 2 + 5 * round; ++i) {
      scores.push_back(static_cast<float>(static_cast<int>(random.uniform() * 20)));  // with ties
      if (i >= 2) labels.push_back(random.uniform() < 0.3 ? anomaly : normal);
    }
    double area = 0;
    const std::vector<CurvePoint> roc = roc_curve(scores, labels);
    for (std::size_t i = 1; i < roc.size(); ++i)
      area += (roc[i].x - roc[i - 1].x) * 0.5 * (roc[i].y + roc[i - 1].y);
    EXPECT_NEAR(area, roc_auc(scores, labels), 1e-12) << "seed 3, round " << round;
    double steps = 0, last = 0;
    for (const CurvePoint& p : precision_recall_curve(scores, labels)) {
      steps += (p.x - last) * p.y;
      last = p.x;
    }
    EXPECT_NEAR(steps, average_precision(scores, labels), 1e-12) << "seed 3, round " << round;
  }
}

TEST(Curves, OneKindOnlyHasNone) {
  const std::vector<float> scores{1, 2};
  EXPECT_TRUE(roc_curve(scores, std::vector{normal, normal}).empty());
  EXPECT_TRUE(roc_curve(scores, std::vector{anomaly, anomaly}).empty());
  EXPECT_TRUE(precision_recall_curve(scores, std::vector{normal, normal}).empty());
  EXPECT_EQ(precision_recall_curve(scores, std::vector{anomaly, anomaly}).size(), 2U);
  const std::vector<float> bad{1, std::numeric_limits<float>::quiet_NaN()};
  EXPECT_THROW((void)roc_curve(bad, std::vector{normal, anomaly}), NumericError);
}

}  // namespace
}  // namespace deepsad
