#include "deepsad/model/scoring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "deepsad/model/fit_model.h"

namespace deepsad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

constexpr std::size_t kFeatures = 2;

RawRows raw(const std::vector<double>& values) {
  return {.values = MatrixView<const double>(values.data(), values.size() / kFeatures, kFeatures),
          .feature_names = {}};
}

std::vector<double> numbers(std::size_t n, std::uint64_t seed) {
  RandomStream random(seed, "test");
  std::vector<double> values(n);
  for (double& value : values) value = random.normal();
  return values;
}

const Model& forest() {
  static const Model model = [] {
    const std::vector<double> values = numbers(200, 1);
    TrainOptions options = starting_options("none", "none", "isolation_forest");
    options.method = "isolation_forest";
    options.n_estimators = 10;
    options.seed = 3;
    options.example_rows = 0;
    options.training_profile = false;
    return *fit_model(options, {.rows = raw(values), .semi = {}, .sample_shape = {}}, Observer{}, nullptr)
                .model;
  }();
  return model;
}

Model calibrated() {
  const std::vector<double> values = numbers(2 * 40, 2);
  ThreadPool pool(1);
  ConformalCalibration calibration(forest().score(raw(values), pool), 0.05);
  Threshold threshold = choose_threshold({ThresholdKind::target_fpr, 0.1}, calibration, "40 rows");
  return forest().with_decision({std::move(calibration), "40 rows", std::move(threshold)});
}

TEST(Scoring, DecisionsAreThoseOfThresholdAndCalibration) {
  const Model model = calibrated();
  const std::vector<double> values = numbers(2 * 100, 4);
  ThreadPool pool(2);
  const ScoredRows rows = score_and_decide(model, raw(values), {}, pool);
  ASSERT_EQ(rows.size(), 100U);
  EXPECT_EQ(rows.scores, forest().score(raw(values), pool));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows.p_values[i], model.decision().calibration->p_value(rows.scores[i]));
    EXPECT_EQ(rows.anomalous[i] != 0, rows.p_values[i] <= 0.1);
  }
  const ScoredRows other = score_and_decide(model, raw(values), manual_threshold(-1), pool);
  EXPECT_THAT(other.anomalous, testing::Each(1));
}

TEST(Scoring, WithoutCalibrationThereAreScoresAlone) {
  const ScoredRows rows = decide(forest(), {1, 2});
  EXPECT_THAT(rows.anomalous, IsEmpty());
  EXPECT_THAT(rows.p_values, IsEmpty());
  std::string text;
  const ScoreColumns columns = score_columns(forest(), {}, false);
  append_scores_csv(rows, std::vector<std::string>{"7", "8"}, columns, {}, text);
  EXPECT_EQ(scores_csv_header(columns) + text, "row,score\n7,1\n8,2\n");
  text.clear();
  append_scores_csv(rows, std::vector<std::string>{"7", "8"}, {true, true, true}, {}, text);
  EXPECT_EQ(text, "7,1,,,,\n8,2,,,,\n");
}

TEST(Scoring, CsvNamesRowsAndHoldsTheBatchsDecision) {
  const ScoredRows rows{
      .scores = {0.1F, std::numeric_limits<float>::infinity()}, .anomalous = {0, 1}, .p_values = {0.5, 0.01}};
  const BatchDecisions batch{.q_values = {0.5, 0.02}, .level = 0.05};
  const ScoreColumns columns = score_columns(calibrated(), {}, true);
  std::string text = scores_csv_header(columns);
  append_scores_csv(rows, std::vector<std::string>{"a,\"b\"", "c"}, columns, batch, text);
  EXPECT_EQ(text,
            "row,score,label,p_value,q_value,fdr_label\n"
            "\"a,\"\"b\"\"\",0.1,normal,0.5,0.5,normal\n"
            "c,inf,anomaly,0.01,0.02,anomaly\n");
  EXPECT_THROW(append_scores_csv(rows, std::vector<std::string>{"a"}, columns, batch, text), InvalidArgument);
}

TEST(Scoring, TheModelFileKeepsCalibrationAndThreshold) {
  const Model model = calibrated();
  const Model again = Model::from_bytes(model.to_bytes(), "m");
  EXPECT_EQ(again.decision().calibration->scores(), model.decision().calibration->scores());
  EXPECT_EQ(again.decision().calibration->n_trimmed(), 2U);
  EXPECT_EQ(again.decision().calibration_rows, "40 rows");
  EXPECT_EQ(again.decision().threshold, model.decision().threshold);
  EXPECT_EQ(again.to_bytes(), model.to_bytes());
  EXPECT_THAT(again.inspect_json(), HasSubstr("at most 10 % are called anomalous"));
}

// What an older program can use stays readable for it.
TEST(Scoring, OnlyAModelWithDecisionNeedsTheNewFormat) {
  EXPECT_THAT(forest().inspect_json(), HasSubstr("\"format_version\": 1"));
  EXPECT_THAT(calibrated().inspect_json(), HasSubstr("\"format_version\": 2"));
  const Model plain = Model::from_bytes(calibrated().with_decision({}).to_bytes(), "m");
  EXPECT_EQ(plain.to_bytes(), forest().to_bytes());
  EXPECT_FALSE(plain.decision().calibration.has_value());
  const Model by_hand = forest().with_decision({{}, "", manual_threshold(0.5)});
  EXPECT_EQ(Model::from_bytes(by_hand.to_bytes(), "m").decision().threshold->value, 0.5);
}

}  // namespace
}  // namespace deepsad
