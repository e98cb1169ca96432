#include "deepsad/evaluation/test_scores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "deepsad/core/error.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;

TestScores scores_of(std::shared_ptr<SplitToken> token) {
  return {.rows = {2, 7, 900},
          .labels = {TrueLabel::normal, TrueLabel::anomaly, TrueLabel::normal},
          .scores = {1, 3, 2},
          .token = std::move(token)};
}

std::string refusal(const TestScores& test) {
  try {
    (void)test_metrics(test);
  } catch (const LeakError& error) {
    return error.what();
  }
  return "nothing was refused";
}

TEST(TestMetrics, NeedATokenThatForbidsNoneOfTheRows) {
  auto token = std::make_shared<SplitToken>();
  token->training_saw(std::vector<std::uint32_t>{0, 1, 3, 8});
  const Metrics metrics = test_metrics(scores_of(token));
  EXPECT_EQ(metrics.roc_auc, 1);
  EXPECT_EQ(metrics.n_normal, 2U);
  EXPECT_EQ(metrics.n_anomaly, 1U);
  EXPECT_EQ(metrics.n_seen_by_training, 0U);
  EXPECT_THAT(refusal(scores_of(nullptr)), HasSubstr("carry no split token"));
}

TEST(TestMetrics, RefuseRowsThatTrainingSaw) {
  auto token = std::make_shared<SplitToken>();
  token->training_saw(std::vector<std::uint32_t>{7, 900});
  token->allow_selection_rows();
  EXPECT_THAT(refusal(scores_of(token)), HasSubstr("2 of 3 test rows were seen by training"));
  token->allow_training_rows();
  EXPECT_EQ(test_metrics(scores_of(token)).n_seen_by_training, 2U);
}

TEST(TestMetrics, RefuseRowsThatSelectionSaw) {
  auto token = std::make_shared<SplitToken>();
  token->selection_saw(std::vector<std::uint32_t>{2});
  token->allow_training_rows();
  EXPECT_THAT(refusal(scores_of(token)), HasSubstr("1 of 3 test rows were seen by the choice of hyper-"));
  token->allow_selection_rows();
  EXPECT_EQ(test_metrics(scores_of(token)).n_seen_by_selection, 1U);
  EXPECT_EQ(test_metrics(scores_of(token)).n_seen_by_training, 0U);
}

}  // namespace
}  // namespace deepsad
