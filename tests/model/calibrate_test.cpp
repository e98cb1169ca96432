#include "deepsad/model/calibrate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "deepsad/core/error.h"
#include "support/errors.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::message_of;

constexpr SemiLabel kNormal = SemiLabel::normal, kAnomaly = SemiLabel::anomaly,
                    kNothing = SemiLabel::unlabelled;

// Scores 1, 2, ..., n, of which the last n_high are a thousand higher.
std::vector<float> scores(std::size_t n, std::size_t n_high) {
  std::vector<float> values;
  for (std::size_t i = 1; i <= n; ++i)
    values.push_back(static_cast<float>(i) + (i > n - n_high ? 1000.0F : 0.0F));
  return values;
}

ChosenDecision choose(const std::vector<float>& values, const std::vector<SemiLabel>& labels,
                      const DecisionOptions& options = {}) {
  return choose_decision({.scores = values, .labels = labels, .name = "the rows"}, options);
}

TEST(Calibrate, ScoresThatStandClearAreLeftOutOnRequest) {
  const std::vector<float> values = scores(200, 10);
  const std::vector<SemiLabel> labels(200, kNothing);
  const ChosenDecision chosen = choose(values, labels, {.contamination = "auto"});
  EXPECT_EQ(chosen.decision.calibration->size(), 190U);
  EXPECT_EQ(chosen.decision.calibration->n_trimmed(), 10U);
  EXPECT_EQ(chosen.decision.calibration_rows, "the rows");
  ASSERT_EQ(chosen.notes.size(), 2U);
  EXPECT_THAT(chosen.notes[0], HasSubstr("10 of the 200 calibration scores stand clear"));
  EXPECT_THAT(chosen.notes[1], HasSubstr("at most 5 % are called anomalous"));
  EXPECT_THAT(chosen.notes[1], HasSubstr("had they all been normal rows"));
  EXPECT_LT(chosen.decision.threshold->value, 200);  // below all that stand clear
  const ChosenDecision kept = choose(values, labels, {.threshold = "target-fpr:0.01"});
  ASSERT_EQ(kept.notes.size(), 2U);
  EXPECT_THAT(kept.notes[0], HasSubstr("calibration_contamination 0.05, or auto"));
  EXPECT_EQ(kept.decision.calibration->n_trimmed(), 0U);
  EXPECT_GT(kept.decision.threshold->value, 1000);
  EXPECT_EQ(choose(values, labels, {.contamination = "0.1"}).decision.calibration->n_trimmed(), 20U);
}

TEST(Calibrate, RowsLabelledNormalAreNeverTakenForAnomalies) {
  const std::vector<float> values = scores(200, 10);
  std::vector<SemiLabel> labels(200, kNothing);
  labels[194] = kNormal;  // the fifth highest of those that stand clear
  EXPECT_EQ(choose(values, labels, {.contamination = "auto"}).decision.calibration->n_trimmed(), 5U);
  labels.assign(200, kNormal);
  EXPECT_EQ(choose(values, labels, {.contamination = "auto"}).decision.calibration->n_trimmed(), 0U);
  EXPECT_EQ(choose(values, labels).notes.size(), 1U);
}

TEST(Calibrate, RowsLabelledAnomalousDoNotCalibrate) {
  const std::vector<float> values = scores(100, 0);
  std::vector<SemiLabel> labels(100, kNormal);
  labels[50] = kAnomaly;
  const ChosenDecision chosen = choose(values, labels);
  EXPECT_EQ(chosen.decision.calibration->size(), 99U);
  EXPECT_EQ(chosen.decision.threshold->request.parameter, 0.05);
}

TEST(Calibrate, TheRateIsOneThatTheRowsAllow) {
  for (const auto& [n, rate] :
       {std::pair<std::size_t, double>{19, 0.05}, {18, 0.1}, {9, 0.1}, {8, 0.2}, {4, 0.2}}) {
    const ChosenDecision chosen = choose(scores(n, 0), std::vector<SemiLabel>(n, kNothing));
    EXPECT_EQ(chosen.decision.threshold->request, (ThresholdRequest{ThresholdKind::target_fpr, rate})) << n;
  }
  EXPECT_EQ(choose(scores(3, 0), std::vector<SemiLabel>(3, kNothing)).decision.threshold->request.kind,
            ThresholdKind::quantile);
  const std::vector<float> few = scores(9, 0);
  EXPECT_THAT(message_of<InvalidArgument>([&] {
                (void)choose(few, std::vector<SemiLabel>(9, kNothing), {.threshold = "target-fpr:0.01"});
              }),
              HasSubstr("99"));
}

TEST(Calibrate, BestF1NeedsLabelsOfBothKinds) {
  const std::vector<float> values{1, 2, 3, 4, 5};
  const ChosenDecision chosen =
      choose(values, {kNormal, kNothing, kNormal, kAnomaly, kAnomaly}, {.threshold = "best-f1"});
  EXPECT_EQ(chosen.decision.threshold->value, 3.5);
  EXPECT_EQ(chosen.decision.threshold->n_rows, 4U);
  EXPECT_EQ(chosen.decision.calibration->size(), 3U);
  EXPECT_THAT(message_of<InvalidArgument>([&] {
                (void)choose(values, std::vector<SemiLabel>(5, kNormal), {.threshold = "best-f1"});
              }),
              HasSubstr("needs both normal and anomalous rows"));
}

TEST(Calibrate, WithoutRowsOnlyAManualThresholdIsThere) {
  EXPECT_EQ(choose({}, {}, {.threshold = "manual:2.5"}).decision.threshold->value, 2.5);
  EXPECT_FALSE(choose({}, {}).decision.threshold.has_value());
  EXPECT_THAT(choose({}, {}).notes, IsEmpty());
  EXPECT_THAT(message_of<InvalidArgument>([] { (void)choose({}, {}, {.threshold = "quantile:0.9"}); }),
              HasSubstr("no calibration rows"));
  const ChosenDecision none =
      choose(scores(50, 0), std::vector<SemiLabel>(50, kNothing), {.threshold = "none"});
  EXPECT_FALSE(none.decision.threshold.has_value());
  EXPECT_EQ(none.decision.calibration->size(), 50U);
}

TEST(Calibrate, AKeptCalibrationGivesOtherThresholds) {
  const ConformalCalibration kept(scores(100, 0));
  const ChosenDecision chosen = decide_on(kept, "old rows", {.threshold = "target-fpr:0.1"});
  EXPECT_EQ(chosen.decision.threshold->value, kept.threshold(0.1));
  EXPECT_EQ(chosen.decision.threshold->rows, "old rows");
  EXPECT_EQ(decide_on(kept, "", {.contamination = "0.2"}).decision.calibration->size(), 80U);
  EXPECT_THROW((void)decide_on(ConformalCalibration(scores(100, 0), 0.1), "", {.contamination = "0.2"}),
               InvalidArgument);
  EXPECT_THAT(message_of<InvalidArgument>([&] { (void)decide_on(kept, "", {.contamination = "auto"}); }),
              HasSubstr("calibration_contamination: auto"));
}

}  // namespace
}  // namespace deepsad
