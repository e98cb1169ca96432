#include "deepsad/evaluation/threshold_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "deepsad/core/error.h"
#include "golden_values.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using Scores = std::vector<float>;
using Labels = std::vector<TrueLabel>;
using Names = std::vector<std::string>;
constexpr auto N = TrueLabel::normal, A = TrueLabel::anomaly;

const nlohmann::json& golden(const std::string& block) {
  static const nlohmann::json all = golden_values("threshold_values.json");
  return all.at(block);
}

TEST(ThresholdMetrics, ClopperPearsonEqualsSciPy) {
  for (const nlohmann::json& c : golden("clopper_pearson")) {
    const Interval interval = clopper_pearson(c.at("k").get<std::size_t>(), c.at("n").get<std::size_t>(),
                                              c.at("confidence").get<double>());
    EXPECT_NEAR(interval.low, c.at("low").get<double>(), 1e-10);
    EXPECT_NEAR(interval.high, c.at("high").get<double>(), 1e-10);
  }
  EXPECT_EQ(clopper_pearson(0, 0).low, 0);
  EXPECT_EQ(clopper_pearson(0, 0).high, 1);
  EXPECT_THROW((void)clopper_pearson(2, 1), InvalidArgument);
  EXPECT_THROW((void)clopper_pearson(1, 2, 1), InvalidArgument);
}

TEST(ThresholdMetrics, EqualScikitLearn) {
  for (const nlohmann::json& c : golden("at_threshold")) {
    Labels labels;
    for (const int label : c.at("truth").get<std::vector<int>>()) labels.push_back(label == 1 ? A : N);
    const ThresholdMetrics m =
        threshold_metrics(c.at("scores").get<Scores>(), labels, c.at("threshold").get<double>());
    EXPECT_DOUBLE_EQ(m.precision, c.at("precision").get<double>());
    EXPECT_DOUBLE_EQ(m.recall, c.at("recall").get<double>());
    EXPECT_DOUBLE_EQ(m.f1, c.at("f1").get<double>());
    EXPECT_DOUBLE_EQ(m.false_alarm_rate, c.at("false_alarm_rate").get<double>());
    EXPECT_LT(m.false_alarm_interval.low, m.false_alarm_rate);
    EXPECT_GT(m.false_alarm_interval.high, m.false_alarm_rate);
  }
}

TEST(ThresholdMetrics, MissingKindsGiveNaNAndTheWholeInterval) {
  const ThresholdMetrics m = threshold_metrics(Scores{1, 2}, Labels{N, N}, 5);
  EXPECT_TRUE(std::isnan(m.precision));
  EXPECT_TRUE(std::isnan(m.recall));
  EXPECT_TRUE(std::isnan(m.f1));
  EXPECT_EQ(m.false_alarm_rate, 0);
  EXPECT_EQ(m.recall_interval.high, 1);
  EXPECT_THROW((void)threshold_metrics(Scores{1}, Labels{}, 0), InvalidArgument);
  EXPECT_THROW((void)threshold_metrics(Scores{std::nanf("")}, Labels{N}, 0), NumericError);
}

TEST(ThresholdMetrics, GroupsCountAlarmsAndRankAgainstNormals) {
  const Scores scores{1, 2, 3, 2.5, 9, 4, 0};
  const Labels labels{N, N, N, A, A, A, A};
  const std::vector<int> groups{0, 0, 0, 2, 3, 3, -1};
  const auto result = group_metrics(scores, labels, groups, Names{"ok", "empty", "fraud", "theft"}, 2.25);
  ASSERT_EQ(result.size(), 3U);
  EXPECT_EQ(result[0].name, "ok");
  EXPECT_EQ(result[0].n, 3U);
  EXPECT_EQ(result[0].n_alarms, 1U);
  EXPECT_TRUE(std::isnan(result[0].roc_auc));
  EXPECT_EQ(result[1].name, "fraud");
  EXPECT_EQ(result[1].n_alarms, 1U);
  EXPECT_DOUBLE_EQ(result[1].roc_auc, 2.0 / 3);
  EXPECT_EQ(result[2].label, A);
  EXPECT_EQ(result[2].n_alarms, 2U);
  EXPECT_EQ(result[2].roc_auc, 1);
  EXPECT_EQ(result[2].alarm_interval.high, 1);
  EXPECT_THAT(
      [&] {
        (void)group_metrics(scores, labels, std::vector{0, 0, 0, 0, 0, 0, 0}, Names{"x"}, 0);
      },
      ThrowsMessage<InvalidArgument>(HasSubstr("group x holds both labels")));
  EXPECT_THROW((void)group_metrics(scores, labels, groups, Names{"a"}, 0), InvalidArgument);
  EXPECT_THROW((void)group_metrics(scores, labels, std::vector<int>{}, Names{"a"}, 0), InvalidArgument);
}

}  // namespace
}  // namespace deepsad
