#include "deepsad/evaluation/threshold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "deepsad/core/error.h"
#include "golden_values.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using Scores = std::vector<float>;
constexpr auto N = TrueLabel::normal, A = TrueLabel::anomaly;

const nlohmann::json& golden(const std::string& block) {
  static const nlohmann::json all = golden_values("threshold_values.json");
  return all.at(block);
}

Scores one_to(int n) {
  Scores scores;
  for (int i = 1; i <= n; ++i) scores.push_back(static_cast<float>(i));
  return scores;
}

TEST(Threshold, RequestsAreReadAndWritten) {
  for (const char* text : {"quantile:0.99", "contamination:0.1", "target-fpr:0.01", "best-f1", "manual:-2.5"})
    EXPECT_EQ(threshold_request_text(parse_threshold_request(text)), text);
  for (const char* text : {"", "quantile", "quantile:", "quantile:0", "quantile:1", "target-fpr:x",
                           "target-fpr:0.1x", "manual:nan", "manual:inf", "best-f1:1", "fpr:0.1"})
    EXPECT_THROW((void)parse_threshold_request(text), InvalidArgument) << text;
  EXPECT_THAT([] { (void)parse_threshold_request("target-fpr:5"); },
              ThrowsMessage<InvalidArgument>(
                  HasSubstr("got \"target-fpr:5\", wanted a number in (0, 1) after \"target-fpr:\"")));
}

TEST(Threshold, QuantilesEqualNumPy) {
  for (const nlohmann::json& c : golden("quantiles")) {
    const ConformalCalibration calibration(c.at("scores").get<Scores>());
    for (const nlohmann::json& entry : c.at("values")) {
      const ThresholdRequest request{.kind = ThresholdKind::quantile,
                                     .parameter = entry.at("q").get<double>()};
      EXPECT_EQ(choose_threshold(request, calibration, "").value, entry.at("value").get<double>());
    }
  }
}

TEST(Threshold, ContaminationLeavesThatShareAbove) {
  const ConformalCalibration calibration(one_to(100));
  for (const double share : {0.001, 0.01, 0.07, 0.29, 0.5, 0.99}) {
    const Threshold threshold = choose_threshold({ThresholdKind::contamination, share}, calibration, "rows");
    std::size_t n_above = 0;
    for (const float score : calibration.scores()) n_above += threshold.is_anomalous(score) ? 1 : 0;
    EXPECT_EQ(n_above, static_cast<std::size_t>(std::floor(share * 100 + 1e-9))) << share;
  }
}

TEST(Threshold, TargetFprIsTheConformalOneAndSaysWhatItPromises) {
  const ConformalCalibration calibration(one_to(199));
  const Threshold threshold =
      choose_threshold({ThresholdKind::target_fpr, 0.01}, calibration, "199 rows of x.csv");
  EXPECT_EQ(threshold.value, 198);
  EXPECT_EQ(threshold.n_rows, 199U);
  EXPECT_THAT(threshold.promise, HasSubstr("at most 1 % are called anomalous"));
  EXPECT_THAT(threshold.promise, HasSubstr("between 0.122 % and 2.77 %"));  // scipy.stats.beta(2, 198)
  EXPECT_THAT(
      [&] {
        (void)choose_threshold({ThresholdKind::target_fpr, 0.001}, calibration, "");
      },
      ThrowsMessage<InvalidArgument>(HasSubstr("needs at least 999 calibration rows")));
  const ConformalCalibration trimmed(one_to(200), 0.05);
  EXPECT_THAT(choose_threshold({ThresholdKind::target_fpr, 0.05}, trimmed, "").promise,
              HasSubstr("The 10 largest calibration scores were taken for anomalies"));
}

TEST(Threshold, BestF1EqualsScikitLearn) {
  for (const nlohmann::json& c : golden("best_f1")) {
    const auto scores = c.at("scores").get<Scores>();
    std::vector<TrueLabel> labels;
    for (const int label : c.at("truth").get<std::vector<int>>()) labels.push_back(label == 1 ? A : N);
    const Threshold threshold = best_f1_threshold(scores, labels, "validation");
    float smallest_alarm = std::numeric_limits<float>::infinity();
    for (const float score : scores)
      if (threshold.is_anomalous(score)) smallest_alarm = std::min(smallest_alarm, score);
    EXPECT_EQ(static_cast<double>(smallest_alarm), c.at("smallest_alarm").get<double>());
    char text[32];
    std::snprintf(text, sizeof text, "%.4f", c.at("f1").get<double>());
    EXPECT_THAT(threshold.promise, HasSubstr(text));
  }
}

TEST(Threshold, BestF1LiesBetweenScoresAndNeedsBothLabels) {
  EXPECT_EQ(best_f1_threshold(Scores{1, 2, 4, 5}, std::vector{N, N, A, A}, "").value, 3);
  constexpr float kInf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(best_f1_threshold(Scores{1, 2, kInf}, std::vector{N, N, A}, "").value, 2);
  // All rows are alarms: nothing lies below.
  EXPECT_EQ(best_f1_threshold(Scores{1, 1}, std::vector{N, A}, "").value, -kInf);
  EXPECT_THAT(
      [] {
        (void)best_f1_threshold(Scores{1, 2}, std::vector{N, N}, "");
      },
      ThrowsMessage<InvalidArgument>(HasSubstr("0 of 2 validation rows are anomalous")));
  EXPECT_THROW((void)best_f1_threshold(Scores{1}, std::vector{N, A}, ""), InvalidArgument);
  EXPECT_THROW((void)best_f1_threshold(Scores{1, std::nanf("")}, std::vector{N, A}, ""), NumericError);
  EXPECT_THROW((void)choose_threshold({ThresholdKind::best_f1, 0}, ConformalCalibration({1}), ""),
               InvalidArgument);
}

TEST(Threshold, JsonGivesTheSameBack) {
  const ConformalCalibration calibration(one_to(40), 0.1);
  std::vector<Threshold> all{choose_threshold({ThresholdKind::target_fpr, 0.1}, calibration, "\"a\"\n"),
                             choose_threshold({ThresholdKind::quantile, 0.1}, calibration, "b"),
                             manual_threshold(0.1)};
  all.push_back(all[0]);
  all.back().value = std::numeric_limits<double>::infinity();
  all.push_back(all[0]);
  all.back().value = -std::numeric_limits<double>::infinity();
  for (const Threshold& threshold : all)
    EXPECT_EQ(threshold_from_json(threshold_to_json(threshold)), threshold);
  for (const char* text : {"", "{}", "[]", R"({"kind": "best"})"})
    EXPECT_THROW((void)threshold_from_json(text), InvalidArgument) << text;
}

}  // namespace
}  // namespace deepsad
