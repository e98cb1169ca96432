#include "deepsad/detectors/kde.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "deepsad/evaluation/roc_auc.h"
#include "shallow_support.h"

namespace deepsad {
namespace {

using testing::filled_rows;
using testing::golden;
using ::testing::HasSubstr;
using testing::Problem;
using testing::refusal;
using testing::reloaded;
using testing::scores_of;

std::unique_ptr<Detector> fitted(const Matrix<float>& x, const std::string& kernel, double bandwidth) {
  auto detector = make_kde({.kernel = kernel, .cross_validate = false, .bandwidth = bandwidth});
  Problem problem(Matrix<float>(x.rows, x.cols));
  std::ranges::copy(x.values, problem.x.values.begin());
  testing::fit(*detector, problem);
  return detector;
}

// log of the integral of u^(d-1) cos(pi u / 2) over (0, 1), by parts, and what scikit-learn has instead: its
// last boundary term is missing for even d.
double cosine_constant_missing(std::size_t d) {
  if (d % 2 == 1) return 0;
  double term = 2 / std::numbers::pi, sum = 0;
  const double square = 4 / (std::numbers::pi * std::numbers::pi);
  double remaining = static_cast<double>(d);
  for (std::size_t k = 1; k <= d; k += 2) {
    sum += term;
    if (k + 1 < d)
      term *= -(remaining - static_cast<double>(k)) * (remaining - static_cast<double>(k) - 1) * square;
  }
  // d = 2: 2/pi against 2/pi - 4/pi^2.
  return std::log(sum) - std::log(sum - square);
}

TEST(Kde, Golden) {
  const auto& block = golden("kde");
  const Matrix<float> x = testing::matrix_from_json(golden("ssad")["X"]);
  const Matrix<float> t = testing::matrix_from_json(golden("ssad")["T"]);
  for (const auto& [kernel, want] : block["log_density_on_T"].items()) {
    const std::vector<float> scores = scores_of(*fitted(x, kernel, block["bandwidth"].get<double>()), t);
    const double shift = kernel == "cosine" ? cosine_constant_missing(2) : 0;
    for (std::size_t i = 0; i < scores.size(); ++i)
      EXPECT_NEAR(-static_cast<double>(scores[i]), want[i].get<double>() + shift, 1e-6) << kernel << " " << i;
  }
}

TEST(Kde, EqualsScikitLearn) {
  for (const auto& c : testing::peer_values("kde")) {
    const auto id = c["case"].get<std::size_t>(), n = c["n"].get<std::size_t>(),
               d = c["d"].get<std::size_t>();
    const auto kernel = c["kernel"].get<std::string>();
    const auto detector = fitted(filled_rows(n, d, 2000 + id), kernel, c["bandwidth"].get<double>());
    const std::vector<float> scores = scores_of(*detector, filled_rows(6, d, 3000 + id));
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const double want = c["log_density"][i].get<double>();
      EXPECT_NEAR(-static_cast<double>(scores[i]), want, 1e-5 * std::max(1.0, std::abs(want))) << kernel << d;
    }
  }
}

TEST(Kde, ADensityIntegratesToOne) {
  for (const char* kernel : {"gaussian", "tophat", "epanechnikov", "exponential", "linear", "cosine"}) {
    const auto line = fitted(filled_rows(20, 1, 4), kernel, 0.3);
    constexpr std::size_t kPoints = 8000;
    Matrix<float> grid(kPoints, 1);
    for (std::size_t i = 0; i < kPoints; ++i)
      grid.values[i] = -5 + 11 * (static_cast<float>(i) + 0.5F) / kPoints;
    double integral = 0;
    for (const float score : scores_of(*line, grid))
      integral += std::exp(-static_cast<double>(score)) * 11 / kPoints;
    EXPECT_NEAR(integral, 1, 2e-3) << kernel;

    const auto plane = fitted(filled_rows(5, 2, 4), kernel, 0.5);
    constexpr std::size_t kSide = 300;
    Matrix<float> square(kSide * kSide, 2);
    for (std::size_t i = 0; i < kSide * kSide; ++i) {
      square.row(i)[0] = -5 + 11 * (static_cast<float>(i % kSide) + 0.5F) / kSide;
      square.row(i)[1] = -5 + 11 * (static_cast<float>(i / kSide) + 0.5F) / kSide;
    }
    integral = 0;
    for (const float score : scores_of(*plane, square))
      integral += std::exp(-static_cast<double>(score)) * 121 / (kSide * kSide);
    EXPECT_NEAR(integral, 1, 5e-3) << kernel;
  }
}

// T26: infinite scores rank last and the AUC has a value.
TEST(Kde, RowsOutsideEverySupportRankLast) {
  const auto detector = fitted(filled_rows(30, 2, 4), "tophat", 0.5);
  Matrix<float> x(3, 2);
  x.values[0] = x.values[1] = 0.5F;
  x.values[2] = x.values[3] = 50;
  x.values[4] = x.values[5] = 90;
  const std::vector<float> scores = scores_of(*detector, x);
  EXPECT_TRUE(std::isfinite(scores[0]));
  EXPECT_EQ(scores[1], std::numeric_limits<float>::infinity());
  EXPECT_EQ(scores[2], std::numeric_limits<float>::infinity());
  const std::vector<TrueLabel> labels{TrueLabel::normal, TrueLabel::anomaly, TrueLabel::anomaly};
  EXPECT_EQ(roc_auc(std::span<const float>(scores), labels), 1);
}

TEST(Kde, ManyDimensionsNeitherOverflowNorUnderflow) {
  for (const char* kernel : {"gaussian", "exponential", "cosine", "linear", "epanechnikov", "tophat"}) {
    const auto detector = fitted(filled_rows(20, 784, 4), kernel, 12);
    for (const float score : scores_of(*detector, filled_rows(3, 784, 5)))
      EXPECT_TRUE(std::isfinite(score)) << kernel;
  }
  const auto narrow = fitted(filled_rows(20, 784, 4), "gaussian", 0.05);  // exponents of size 10^4
  for (const float score : scores_of(*narrow, filled_rows(3, 784, 5))) EXPECT_TRUE(std::isfinite(score));
}

// Every row as its own fold's judge, from the definition.
TEST(Kde, CrossValidationTakesTheLikeliestBandwidth) {
  Problem problem(Matrix<float>(60, 2));
  RandomStream random(3, "rows");
  for (float& v : problem.x.values) v = static_cast<float>(8 * random.normal());
  auto detector = make_kde({});
  testing::fit(*detector, problem);
  const auto report = nlohmann::json::parse(detector->fit_report());
  const Matrix<float>& x = problem.x;
  const auto rows = detector->tensors()[0].values;  // in the order of the folds
  double best = -std::numeric_limits<double>::infinity(), best_bandwidth = 0;
  for (int b = 1; b <= 10; ++b) {
    const double h = std::exp2(b / 2.0);
    double total = 0;
    for (std::size_t i = 0; i < 60; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < 60; ++j) {
        if (i / 12 == j / 12) continue;
        double squared = 0;
        for (std::size_t k = 0; k < 2; ++k)
          squared += std::pow(static_cast<double>(rows[2 * i + k]) - static_cast<double>(rows[2 * j + k]), 2);
        sum += std::exp(-squared / (2 * h * h)) / (2 * std::numbers::pi * h * h);
      }
      total += std::log(sum / 48);
    }
    EXPECT_NEAR(
        report["selection"]["candidates"][static_cast<std::size_t>(b - 1)]["log_likelihood"].get<double>(),
        total, 1e-4);
    if (total > best) {
      best = total;
      best_bandwidth = h;
    }
  }
  EXPECT_EQ(report["bandwidth"].get<double>(), best_bandwidth);
  EXPECT_EQ(x.rows, 60U);
}

TEST(Kde, SameBitsAtAnyThreadCountAndAfterLoading) {
  const Problem problem(150, 5, 5);
  std::vector<float> first;
  for (const std::size_t threads : {1U, 2U, 5U}) {
    auto detector = make_kde({.kernel = "exponential"});
    testing::fit(*detector, problem, {.threads = threads});
    if (first.empty()) first = scores_of(*detector, problem.x);
    EXPECT_EQ(scores_of(*detector, problem.x, threads), first);
    EXPECT_EQ(scores_of(*reloaded(*detector), problem.x), first);
  }
}

TEST(Kde, RefusesBadInput) {
  const auto fit = [](const Problem& problem) {
    return refusal([&] { testing::fit(*make_kde({}), problem); });
  };
  EXPECT_THAT(fit(Problem(1, 2, 0)), HasSubstr("[kde] needs at least two rows"));
  EXPECT_THAT(fit(Problem(4, 2, 0)),
              HasSubstr("needs at least 5 rows to cross-validate the bandwidth, got 4"));
  Problem nan(20, 3, 0);
  nan.x.row(1)[0] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(fit(nan), HasSubstr("training row 1, feature 0 is inf"));
  EXPECT_THAT(refusal([] { (void)make_kde({.kernel = "rbf"}); }), HasSubstr("unknown kernel \"rbf\" of kde"));
  EXPECT_THAT(refusal([] { (void)make_kde({.bandwidth = 0}); }), HasSubstr("bandwidth must be positive"));
}

}  // namespace
}  // namespace deepsad
