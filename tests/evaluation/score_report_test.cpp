#include "deepsad/evaluation/score_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/evaluation/average_precision.h"
#include "deepsad/evaluation/roc_auc.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
constexpr auto N = TrueLabel::normal, A = TrueLabel::anomaly;

const std::vector<float> kScores{1, 2, 3, 4, 5, 6};
const std::vector<TrueLabel> kLabels{N, N, A, N, A, A};
const std::vector<int> kClasses{0, 1, 2, 0, 3, 0};
const std::vector<std::string> kNames{"web", "mail", "scan", "worm", "never seen"};

ScoresToReport rows() {
  return {.scores = kScores,
          .labels = kLabels,
          .classes = kClasses,
          .class_names = kNames,
          .known_classes = {"scan"}};
}

TEST(ScoreReport, HoldsWhatTheMetricsSay) {
  ThreadPool pool(1);
  const ScoreReport report = report_scores(rows(), manual_threshold(3.5), 200, pool);
  EXPECT_EQ(report.n_normal, 3u);
  EXPECT_EQ(report.n_anomaly, 3u);
  EXPECT_EQ(report.roc_auc, roc_auc(std::span<const float>(kScores), kLabels));
  EXPECT_EQ(report.average_precision, average_precision(std::span<const float>(kScores), kLabels));
  EXPECT_EQ(report.n_repetitions, 200u);
  EXPECT_LE(report.intervals->roc_auc.low, report.roc_auc);
  EXPECT_EQ(report.at_threshold->true_alarms, 2u);
  EXPECT_EQ(report.at_threshold->false_alarms, 1u);
  // A class with rows of both labels is two groups; one without rows is none.
  ASSERT_EQ(report.classes.size(), 5u);
  EXPECT_EQ(report.classes[0].name, "web (normal)");
  EXPECT_EQ(report.classes[0].n_alarms, 1u);
  EXPECT_EQ(report.classes[1].name, "web (anomalous)");
  EXPECT_EQ(report.classes[1].roc_auc, 1);
  EXPECT_EQ(report.classes[3].name, "scan");
  EXPECT_NEAR(report.classes[3].roc_auc, 2.0 / 3, 1e-12);
  ASSERT_EQ(report.kinds.size(), 2u);
  EXPECT_EQ(report.kinds[0].name, "known anomalies");
  EXPECT_EQ(report.kinds[0].n, 1u);
  EXPECT_EQ(report.kinds[1].n, 2u);
  EXPECT_EQ(report.kinds[1].n_alarms, 2u);
}

TEST(ScoreReport, WithoutThresholdNobodyIsAlarmed) {
  ThreadPool pool(1);
  const ScoreReport report = report_scores(rows(), {}, 0, pool);
  EXPECT_FALSE(report.at_threshold);
  EXPECT_FALSE(report.intervals);
  const std::string text = score_report_text(report);
  EXPECT_THAT(text, Not(HasSubstr("alarms")));
  EXPECT_THAT(text, Not(HasSubstr(" \n")));
  const auto json = nlohmann::json::parse("{" + score_report_json_keys(report) + "}");
  EXPECT_FALSE(json.contains("threshold"));
  EXPECT_TRUE(json.at("classes").at(0).at("alarms").is_null());
}

TEST(ScoreReport, TextAndJsonSayTheSame) {
  ThreadPool pool(1);
  const ScoreReport report = report_scores(rows(), manual_threshold(3.5), 200, pool);
  const std::string text = score_report_text(report);
  EXPECT_THAT(text, HasSubstr("threshold          3.5 (manual:3.5)\n"));
  EXPECT_THAT(text, HasSubstr("false alarms       1 of 3 normal rows: 33.33 %  [0.84, 90.57]\n"));
  EXPECT_THAT(text, HasSubstr("recall             2 of 3 anomalies: 66.67 %"));
  EXPECT_THAT(text, HasSubstr("precision          2 of 3 alarms: 66.67 %"));
  const auto json = nlohmann::json::parse("{" + score_report_json_keys(report) + "}");
  EXPECT_EQ(json.at("test_rows").at("anomaly"), 3);
  EXPECT_EQ(json.at("bootstrap").at("repetitions"), 200);
  EXPECT_NEAR(json.at("threshold").at("false_alarm_interval").at(1).get<double>(), 0.9057, 1e-3);
  EXPECT_EQ(json.at("kinds").at(1).at("name"), "novel anomalies");
}

TEST(ScoreReport, OneKindOfRowsHasNoAuc) {
  ThreadPool pool(1);
  const std::vector<TrueLabel> normal(kScores.size(), N);
  const ScoreReport report =
      report_scores({.scores = kScores, .labels = normal}, manual_threshold(3.5), 100, pool);
  EXPECT_TRUE(std::isnan(report.roc_auc));
  EXPECT_FALSE(report.intervals);
  EXPECT_NEAR(report.at_threshold->false_alarm_rate, 0.5, 1e-12);
  EXPECT_THAT(score_report_text(report), HasSubstr("test AUC           undefined\n"));
  EXPECT_TRUE(nlohmann::json::parse("{" + score_report_json_keys(report) + "}").at("test_auc").is_null());
  EXPECT_THROW((void)report_scores({.scores = kScores, .labels = std::vector<TrueLabel>{N}}, {}, 0, pool),
               InvalidArgument);
}

TEST(ScoreReport, ManyRowsGetFewerRepetitions) {
  ThreadPool pool(2);
  std::vector<float> scores;
  std::vector<TrueLabel> labels;
  for (int i = 0; i < 400'000; ++i) {
    scores.push_back(static_cast<float>(i % 1000));
    labels.push_back(i % 1000 > 990 ? A : N);
  }
  EXPECT_EQ(report_scores({.scores = scores, .labels = labels}, {}, 1000, pool).n_repetitions, 125u);
}

}  // namespace
}  // namespace deepsad
