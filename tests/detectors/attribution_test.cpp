#include "deepsad/detectors/attribution.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "deepsad/core/error.h"
#include "support/errors.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

/// s = 3 x0 + x1^2 + 100 max(x2 - 0.3, 0) + x0 x1: a line, a parabola, a kink and a product.
class Formula final : public Detector {
 public:
  explicit Formula(bool differentiable = true) : differentiable_(differentiable) {}
  [[nodiscard]] std::string method() const override { return "formula"; }
  [[nodiscard]] std::size_t n_features() const override { return 3; }
  void fit(const TrainingSet&, FitContext&) override {}
  void score(MatrixView<const float> x, std::span<float> scores, ThreadPool&) const override {
    for (std::size_t i = 0; i < x.rows(); ++i) scores[i] = static_cast<float>(value(x.row(i)));
    n_scored += x.rows();
  }
  [[nodiscard]] bool has_score_gradient() const override { return differentiable_; }
  void score_gradient(MatrixView<const float> x, std::span<double> scores, MatrixView<float> gradient,
                      ThreadPool&) const override {
    for (std::size_t i = 0; i < x.rows(); ++i) {
      const std::span<const float> row = x.row(i);
      scores[i] = value(row);
      gradient.row(i)[0] = 3 + row[1];
      gradient.row(i)[1] = 2 * row[1] + row[0];
      gradient.row(i)[2] = row[2] > 0.3F ? 100.0F : 0.0F;
    }
    n_points += x.rows();
  }
  [[nodiscard]] std::string description() const override { return "{}"; }
  [[nodiscard]] std::vector<DetectorTensor> tensors() const override { return {}; }
  [[nodiscard]] const std::vector<PhaseRecord>& phases() const override { return phases_; }
  [[nodiscard]] const std::vector<Finding>& findings() const override { return findings_; }
  [[nodiscard]] std::string fit_report() const override { return "{}"; }

  mutable std::size_t n_scored = 0, n_points = 0;

 private:
  static double value(std::span<const float> x) {
    const double a = static_cast<double>(x[0]), b = static_cast<double>(x[1]), c = static_cast<double>(x[2]);
    return 3 * a + b * b + 100 * std::max(c - 0.3, 0.0) + a * b;
  }
  bool differentiable_;
  std::vector<PhaseRecord> phases_;
  std::vector<Finding> findings_;
};

Matrix<float> rows(std::initializer_list<std::vector<float>> values) {
  Matrix<float> matrix(values.size(), values.begin()->size());
  std::size_t i = 0;
  for (const std::vector<float>& row : values) std::ranges::copy(row, matrix.row(i++).begin());
  return matrix;
}

class AttributionTest : public ::testing::Test {
 protected:
  std::vector<Attribution> of(const Detector& detector, const Matrix<float>& x,
                              std::vector<Matrix<float>> baselines, AttributionOptions options = {},
                              std::vector<std::uint32_t> groups = {}) {
    return attribute(detector, {x.values.data(), x.rows, x.cols}, baselines, groups, options, pool_);
  }
  static std::vector<Matrix<float>> one(Matrix<float> baseline) {
    std::vector<Matrix<float>> all;
    all.push_back(std::move(baseline));
    return all;
  }
  ThreadPool pool_{1};
};

// From (0, 0, 0) to (1, 2, 1): the line gives 3, the parabola 4, the kink 100 (1 - 0.3) = 70, the product,
// whose gradient along the way is (2t, t), splits into (1, 1).
TEST_F(AttributionTest, IntegratedGradientsAreThoseOfTheFormula) {
  const Formula formula;
  const Attribution a =
      of(formula, rows({{1, 2, 1}}), one(rows({{0, 0, 0}})), {.tolerance = 1e-5, .max_steps = 1 << 20})[0];
  EXPECT_TRUE(a.complete);
  EXPECT_LE(a.completeness_error, 1e-5);
  EXPECT_DOUBLE_EQ(a.baseline_score, 0);
  EXPECT_NEAR(a.score, 79, 1e-5);
  EXPECT_NEAR(a.contributions[0], 4, 1e-4);
  EXPECT_NEAR(a.contributions[1], 5, 1e-4);
  EXPECT_NEAR(a.contributions[2], 70, 1e-3);
}

// The step with the kink is halved again and again, the others stay as they are.
TEST_F(AttributionTest, StepsAreHalvedWhereTheKinkIs) {
  const Formula formula;
  const Attribution rough = of(formula, rows({{1, 2, 1}}), one(rows({{0, 0, 0}})), {.tolerance = 0.5})[0];
  EXPECT_EQ(rough.steps, 16U);
  EXPECT_EQ(formula.n_points, 2 * 17U);
  formula.n_points = 0;
  const Attribution fine = of(formula, rows({{1, 2, 1}}), one(rows({{0, 0, 0}})), {.tolerance = 1e-4})[0];
  EXPECT_LT(fine.completeness_error, 1e-4);
  EXPECT_GT(fine.steps, 16U);
  EXPECT_LT(fine.steps, 64U);  // equal steps would have to be 50,000
  EXPECT_EQ(formula.n_points, 2 * (fine.steps + 1));
}

// Between these two rows the score falls and rises again: nothing is left to be relative to.
TEST_F(AttributionTest, ContributionsThatCancelAreHeldToTheirOwnSize) {
  const Attribution a = of(Formula(), rows({{-70.0F / 3, 0, 1}}), one(rows({{0, 0, 0}})))[0];
  EXPECT_NEAR(a.score, 0, 1e-4);
  EXPECT_NEAR(a.contributions[0], -70, 1e-3);
  EXPECT_NEAR(a.contributions[2], 70, 0.02);
  EXPECT_TRUE(a.complete);
}

TEST_F(AttributionTest, SaysSoWhereTheStepsDoNotSuffice) {
  const Attribution a =
      of(Formula(), rows({{1, 2, 1}}), one(rows({{0, 0, 0}})), {.tolerance = 1e-5, .max_steps = 20})[0];
  EXPECT_FALSE(a.complete);
  EXPECT_EQ(a.steps, 20U);
  EXPECT_GT(a.completeness_error, 1e-5);
}

TEST_F(AttributionTest, SeveralBaselinesGiveTheMean) {
  const AttributionOptions exact{.tolerance = 1e-6, .max_steps = 1 << 20};
  const Formula formula;
  const Matrix<float> x = rows({{1, 2, 1}});
  const Attribution a = of(formula, x, one(rows({{0, 0, 0}})), exact)[0];
  const Attribution b = of(formula, x, one(rows({{1, 1, 0.5F}})), exact)[0];
  const Attribution both = of(formula, x, one(rows({{0, 0, 0}, {1, 1, 0.5F}})), exact)[0];
  EXPECT_NEAR(both.baseline_score, (a.baseline_score + b.baseline_score) / 2, 1e-12);
  for (std::size_t j = 0; j < 3; ++j)
    EXPECT_NEAR(both.contributions[j], (a.contributions[j] + b.contributions[j]) / 2, 1e-3);
}

TEST_F(AttributionTest, GroupsAreSummedOrLeftOutTogether) {
  const Formula formula;
  const Matrix<float> x = rows({{1, 2, 1}});
  const Attribution sums = of(formula, x, one(rows({{0, 0, 0}})), {.tolerance = 1e-4}, {1, 1, 0})[0];
  ASSERT_EQ(sums.contributions.size(), 2U);
  EXPECT_NEAR(sums.contributions[1], 9, 1e-2);
  const Attribution out =
      of(formula, x, one(rows({{0, 0, 0}})), {.method = AttributionMethod::leave_one_out}, {1, 1, 0})[0];
  EXPECT_NEAR(out.contributions[1], 9, 1e-5);
  EXPECT_NEAR(out.contributions[0], 70, 1e-4);
}

TEST_F(AttributionTest, LeavingOutTakesTheBaselinesValue) {
  const Formula formula(false);
  const Attribution a = of(formula, rows({{1, 2, 1}}), one(rows({{0, 0, 0}, {1, 2, 1}})),
                           {.method = AttributionMethod::leave_one_out})[0];
  // Of the second baseline, the row itself, nothing changes: half of what the first gives.
  EXPECT_NEAR(a.contributions[0], (3 + 2) / 2.0, 1e-5);
  EXPECT_NEAR(a.contributions[1], (4 + 2) / 2.0, 1e-5);
  EXPECT_NEAR(a.contributions[2], 70 / 2.0, 1e-4);
  EXPECT_EQ(a.steps, 0U);
  EXPECT_TRUE(a.complete);
}

TEST_F(AttributionTest, OfARowThatIsItsBaselineNothingIsLeft) {
  const Attribution a = of(Formula(), rows({{1, 2, 1}}), one(rows({{1, 2, 1}})))[0];
  EXPECT_TRUE(a.complete);
  EXPECT_EQ(a.contributions, (std::vector<double>{0, 0, 0}));
}

TEST_F(AttributionTest, RowsAndTheirManyPointsFillSeveralBatches) {
  const Formula formula;
  Matrix<float> x(40, 3);
  std::vector<Matrix<float>> baselines;
  for (std::size_t i = 0; i < 40; ++i) {
    x.row(i)[0] = static_cast<float>(i) / 10;
    x.row(i)[2] = 1;
    baselines.push_back(Matrix<float>(7, 3));
  }
  const std::vector<Attribution> all = of(formula, x, std::move(baselines), {.min_steps = 300});
  for (std::size_t i = 0; i < 40; ++i) {
    EXPECT_NEAR(all[i].contributions[0], 3.0 * static_cast<double>(i) / 10, 1e-3);
    EXPECT_NEAR(all[i].contributions[2], 70, 0.2);
  }
}

TEST_F(AttributionTest, Refuses) {
  const Matrix<float> x = rows({{1, 2, 1}});
  EXPECT_THAT(message_of<InvalidArgument>([&] {
                (void)of(Formula(false), x, one(rows({{0, 0, 0}})));
              }),
              HasSubstr("formula has no derivative that is known"));
  EXPECT_THAT(message_of<InvalidArgument>([&] { (void)of(Formula(), x, {}); }),
              HasSubstr("baselines of 0 rows for 1 rows"));
  EXPECT_THAT(message_of<InvalidArgument>([&] { (void)of(Formula(), x, one(Matrix<float>(0, 3))); }),
              HasSubstr("baselines of 0 x 3 values"));
  EXPECT_THAT(message_of<InvalidArgument>([&] {
                (void)of(Formula(), x, one(rows({{0, 0, 0}})), {}, {0, 1});
              }),
              HasSubstr("groups of 2 features"));
  EXPECT_THAT(message_of<InvalidArgument>([&] {
                (void)of(Formula(), x, one(rows({{0, 0, 0}})), {.tolerance = 0});
              }),
              HasSubstr("wanted a positive tolerance"));
  StopToken stop;
  stop.request_stop();
  EXPECT_THROW((void)of(Formula(), x, one(rows({{0, 0, 0}})), {.stop = &stop}), Interrupted);
}

}  // namespace
}  // namespace deepsad
