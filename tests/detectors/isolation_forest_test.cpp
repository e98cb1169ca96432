#include "deepsad/detectors/isolation_forest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "deepsad/evaluation/roc_auc.h"
#include "shallow_support.h"

namespace deepsad {
namespace {

using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using testing::Problem;
using testing::refusal;
using testing::reloaded;
using testing::scores_of;

TEST(IsolationForest, GoldenPathLengths) {
  const auto& block = testing::golden("isolation_forest_c_n");
  for (std::size_t i = 0; i < block["n"].size(); ++i)
    EXPECT_NEAR(average_path_length(block["n"][i].get<std::size_t>()), block["c"][i].get<double>(), 1e-8);
}

// Two rows: every tree cuts between them at depth 1, and c(2) = 1, so the score of both is 2^-1.
TEST(IsolationForest, TwoRowsScoreOneHalf) {
  Matrix<float> x(2, 3);
  x.values[3] = 1;
  const Problem problem(std::move(x));
  auto detector = make_isolation_forest({.n_estimators = 7});
  testing::fit(*detector, problem);
  for (const float score : scores_of(*detector, problem.x)) EXPECT_FLOAT_EQ(score, 0.5F);
}

TEST(IsolationForest, FindsAnomaliesAndScoresLieInTheUnitInterval) {
  const Problem problem(600, 4, 30);
  auto detector = make_isolation_forest({});
  testing::fit(*detector, problem);
  const std::vector<float> scores = scores_of(*detector, problem.x);
  std::vector<TrueLabel> labels(600, TrueLabel::normal);
  std::fill_n(labels.begin(), 30, TrueLabel::anomaly);
  EXPECT_GT(roc_auc(std::span<const float>(scores), labels), 0.95);
  for (const float score : scores) {
    EXPECT_GT(score, 0);
    EXPECT_LE(score, 1);
  }
  // contamination: the share of the training rows at or above the threshold; labelled anomalies are not among
  // them.
  const double threshold = nlohmann::json::parse(detector->fit_report())["threshold"].get<double>();
  const auto above = std::count_if(scores.begin() + 30, scores.end(),
                                   [&](float s) { return static_cast<double>(s) >= threshold; });
  EXPECT_NEAR(static_cast<double>(above), 57, 1);
}

// A tree depends on the order of values alone, up to the place of its cuts, which scales along.
TEST(IsolationForest, DoublingAFeatureChangesNothing) {
  const Problem problem(300, 4, 10);
  Problem doubled(300, 4, 10);
  for (std::size_t i = 0; i < 300; ++i) doubled.x.row(i)[2] *= 2;
  auto a = make_isolation_forest({.n_estimators = 20}), b = make_isolation_forest({.n_estimators = 20});
  testing::fit(*a, problem);
  testing::fit(*b, doubled);
  EXPECT_EQ(scores_of(*a, problem.x), scores_of(*b, doubled.x));
}

TEST(IsolationForest, SameBitsAtAnyThreadCountAndAfterLoading) {
  const Problem problem(300, 7, 10);
  std::vector<float> first;
  for (const std::size_t threads : {1U, 2U, 5U}) {
    auto detector = make_isolation_forest({.n_estimators = 30, .max_samples = 100});
    testing::fit(*detector, problem, {.threads = threads});
    if (first.empty()) first = scores_of(*detector, problem.x);
    EXPECT_EQ(scores_of(*detector, problem.x, threads), first);
    EXPECT_EQ(scores_of(*reloaded(*detector), problem.x), first);
    EXPECT_EQ(reloaded(*detector)->description(), detector->description());
    EXPECT_EQ(reloaded(*detector)->tensors(), detector->tensors());
  }
  auto other = make_isolation_forest({.n_estimators = 30, .max_samples = 100});
  testing::fit(*other, problem, {.seed = 2});
  EXPECT_NE(scores_of(*other, problem.x), first);
}

TEST(IsolationForest, RefusesBadInput) {
  const auto fit = [](const Problem& problem) {
    return refusal([&] { testing::fit(*make_isolation_forest({}), problem); });
  };
  EXPECT_THAT(fit(Problem(1, 2, 0)), HasSubstr("[isolation_forest] needs at least two rows"));
  Problem nan(20, 3, 0);
  nan.x.row(3)[1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(fit(nan), HasSubstr("training row 3, feature 1 is nan"));
  EXPECT_THAT(refusal([] { (void)make_isolation_forest({.n_estimators = 0}); }),
              HasSubstr("n_estimators must lie"));
  EXPECT_THAT(refusal([] { (void)make_isolation_forest({.max_samples = 1}); }),
              HasSubstr("max_samples must lie"));
  EXPECT_THAT(refusal([] { (void)make_isolation_forest({.contamination = 0.6}); }),
              HasSubstr("contamination must lie in (0, 0.5], got 0.6"));
  Problem same(20, 3, 0);
  std::fill(same.x.values.begin(), same.x.values.end(), 1.0F);
  auto detector = make_isolation_forest({});
  testing::fit(*detector, same);
  EXPECT_THAT(detector->findings(), Contains(Field(&Finding::name, "constant_scores")));
}

TEST(IsolationForest, RefusesDamagedModels) {
  auto detector = make_isolation_forest({.n_estimators = 3});
  testing::fit(*detector, Problem(50, 3, 0));
  const auto damaged = [&](std::size_t tensor, std::size_t at, float value) {
    auto tensors = detector->tensors();
    tensors[tensor].values[at] = value;
    try {
      (void)restore_detector("isolation_forest", detector->description(), tensors, "file");
    } catch (const ModelError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(damaged(0, 0, 3), HasSubstr("a node's feature is unknown"));
  EXPECT_THAT(damaged(2, 0, 1e6), HasSubstr("children are not in its tree"));
  EXPECT_THAT(damaged(2, 0, 0), HasSubstr("children are not in its tree"));  // a loop
  EXPECT_THAT(damaged(4, 1, 1e7), HasSubstr("impossible number of nodes"));
  EXPECT_THAT(damaged(1, 0, std::numeric_limits<float>::quiet_NaN()), HasSubstr("not finite"));
}

}  // namespace
}  // namespace deepsad
