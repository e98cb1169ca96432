#include "deepsad/evaluation/conformal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "evaluation/distributions.h"
#include "golden_values.h"

namespace deepsad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using Scores = std::vector<float>;

constexpr std::size_t kRepetitions = 2000;
constexpr double kSigmas = 4.5;  // of a mean of repetitions; the seeds are fixed, so this never flickers
constexpr float kInfinity = std::numeric_limits<float>::infinity();

const nlohmann::json& golden(const std::string& block) {
  static const nlohmann::json all = golden_values("threshold_values.json");
  return all.at(block);
}

Scores uniform_scores(RandomStream& random, std::size_t n) {
  Scores scores(n);
  for (float& score : scores) score = static_cast<float>(random.uniform());
  return scores;
}

struct Moments {
  double mean = 0, standard_error = 0;
};
Moments moments_over_repetitions(const std::function<double(RandomStream&)>& once) {
  double sum = 0, squares = 0;
  for (std::size_t r = 0; r < kRepetitions; ++r) {
    RandomStream random(20, "test", r);
    const double value = once(random);
    sum += value;
    squares += value * value;
  }
  const double n = kRepetitions, mean = sum / n;
  return {mean, std::sqrt(std::max(0.0, squares / n - mean * mean) / n)};
}

TEST(Conformal, PValueCountsTheScoresThatAreNotBelow) {
  const ConformalCalibration calibration({3, 1, 2, 2});
  EXPECT_EQ(calibration.p_value(0), 1);
  EXPECT_EQ(calibration.p_value(1), 1);
  EXPECT_EQ(calibration.p_value(1.5), 4.0 / 5);
  EXPECT_EQ(calibration.p_value(2), 4.0 / 5);  // ties count against the row
  EXPECT_EQ(calibration.p_value(3), 2.0 / 5);
  EXPECT_EQ(calibration.p_value(4), 1.0 / 5);
  EXPECT_EQ(calibration.p_value(kInfinity), 1.0 / 5);
}

TEST(Conformal, ThresholdIsTheOrderStatisticOfTheFormula) {
  Scores scores;
  for (int i = 100; i-- > 1;) scores.push_back(static_cast<float>(i));  // 1 ... 99
  const ConformalCalibration calibration(scores);
  EXPECT_EQ(calibration.threshold(0.05), 95);  // ceil(0.95 * 100)
  EXPECT_EQ(calibration.threshold(0.01), 99);
  EXPECT_EQ(calibration.threshold(0.29), 71);  // 0.29 * 100 is below 29 in double
  EXPECT_EQ(calibration.threshold(0.999), 1);
}

TEST(Conformal, AboveTheThresholdAndPValueAtMostAlphaAreTheSame) {
  for (std::size_t r = 0; r < 50; ++r) {
    RandomStream random(4, "test", r);
    Scores scores(1 + random.below(60));
    for (float& score : scores) score = static_cast<float>(random.below(12));  // many ties
    const ConformalCalibration calibration(scores);
    for (double alpha = 0.01; alpha < 1; alpha += 0.01) {
      if (calibration.rank_for(alpha) == 0) continue;
      for (float score = -1; score < 13; score += 0.5F)
        ASSERT_EQ(static_cast<double>(score) > calibration.threshold(alpha),
                  calibration.p_value(score) <= alpha)
            << "n " << scores.size() << " alpha " << alpha << " score " << score;
    }
  }
}

TEST(Conformal, TooFewRowsAreRefusedWithTheNumberNeeded) {
  EXPECT_EQ(calibration_rows_needed(0.05), 19U);
  EXPECT_EQ(calibration_rows_needed(0.01), 99U);
  EXPECT_EQ(calibration_rows_needed(0.03), 33U);
  EXPECT_EQ(calibration_rows_needed(0.5), 1U);
  EXPECT_EQ(calibration_rows_needed(0.9), 1U);
  for (const double alpha : {0.001, 0.07, 0.1, 0.2, 0.3}) {
    const std::size_t n = calibration_rows_needed(alpha);
    EXPECT_NO_THROW((void)ConformalCalibration(Scores(n)).threshold(alpha));
    EXPECT_THROW((void)ConformalCalibration(Scores(n - 1)).threshold(alpha), InvalidArgument);
  }
  EXPECT_THAT([] { (void)ConformalCalibration(Scores(18)).threshold(0.05); },
              ThrowsMessage<InvalidArgument>(HasSubstr(
                  "a false-alarm rate of 0.05 needs at least 19 calibration rows, but there are 18")));
}

TEST(Conformal, BadInputIsRefused) {
  EXPECT_THROW(ConformalCalibration(Scores{}), InvalidArgument);
  EXPECT_THROW(ConformalCalibration({1}, -0.1), InvalidArgument);
  EXPECT_THROW(ConformalCalibration({1}, 0.5), InvalidArgument);
  EXPECT_THROW(ConformalCalibration({1, std::nanf("")}), NumericError);
  EXPECT_THROW((void)ConformalCalibration({1}).p_value(std::nanf("")), NumericError);
  EXPECT_THROW((void)ConformalCalibration({1}).threshold(0), InvalidArgument);
  EXPECT_THROW((void)ConformalCalibration({1}).threshold(1), InvalidArgument);
  EXPECT_THROW((void)ConformalCalibration::from_parts({2, 1}, 0), InvalidArgument);
  EXPECT_THROW((void)calibration_rows_needed(0), InvalidArgument);
}

TEST(Conformal, TrimmingTakesTheLargestScores) {
  const ConformalCalibration trimmed({5, 1, 9, 3, 7, 2, 4, 6, 8, 10}, 0.2);
  EXPECT_THAT(trimmed.scores(), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_EQ(trimmed.n_trimmed(), 2U);
  EXPECT_EQ(trimmed.worst_false_alarm_rate(0.25), (2.0 + 2) / 9);
  const auto again = ConformalCalibration::from_parts(trimmed.scores(), trimmed.n_trimmed());
  EXPECT_EQ(again.p_value(7.5), trimmed.p_value(7.5));
  EXPECT_EQ(ConformalCalibration({1, 2}).worst_false_alarm_rate(0.4), 0.4);
}

// Scores are uniform, so that the false-alarm rate of a threshold t is 1 - t.
TEST(Conformal, SimulatedFalseAlarmRateKeepsItsBound) {
  constexpr std::size_t n = 100;
  constexpr double alpha = 0.05;
  std::size_t within = 0;
  const Moments rate = moments_over_repetitions([&](RandomStream& random) {
    const ConformalCalibration calibration(uniform_scores(random, n));
    const double achieved = 1 - calibration.threshold(alpha);
    const Interval range = calibration.false_alarm_range(alpha);
    if (range.low <= achieved && achieved <= range.high) ++within;
    return achieved;
  });
  EXPECT_NEAR(rate.mean, 5.0 / 101, kSigmas * rate.standard_error);
  EXPECT_LE(rate.mean, alpha + kSigmas * rate.standard_error);
  EXPECT_GT(rate.mean, alpha - 1.0 / (n + 1) - kSigmas * rate.standard_error);
  const double share_within = static_cast<double>(within) / kRepetitions;
  EXPECT_NEAR(share_within, 0.95, kSigmas * std::sqrt(0.95 * 0.05 / kRepetitions));
}

TEST(Conformal, SimulatedPValuesOfExchangeableRowsAreUniform) {
  constexpr std::size_t n = 19, n_values = n + 1;
  std::vector<double> counts(n_values);
  for (std::size_t r = 0; r < kRepetitions; ++r) {
    RandomStream random(21, "test", r);
    const Scores all = uniform_scores(random, n + 1);
    const double p = ConformalCalibration(Scores(all.begin() + 1, all.end())).p_value(all[0]);
    counts[static_cast<std::size_t>(std::lround(p * n_values)) - 1] += 1;
  }
  const double expected = static_cast<double>(kRepetitions) / n_values;
  double chi_squared = 0;
  for (const double count : counts) chi_squared += (count - expected) * (count - expected) / expected;
  EXPECT_GT(chi_squared_tail(chi_squared, n_values - 1), 1e-4);
}

TEST(Conformal, SimulatedPValuesOfTiedScoresAreNeverTooSmall) {
  constexpr std::size_t n = 39;
  for (const double alpha : {0.05, 0.1, 0.25, 0.5}) {
    const Moments rate = moments_over_repetitions([&](RandomStream& random) {
      Scores all(n + 1);
      for (float& score : all) score = static_cast<float>(random.below(5));
      return ConformalCalibration(Scores(all.begin() + 1, all.end())).p_value(all[0]) <= alpha ? 1.0 : 0.0;
    });
    EXPECT_LE(rate.mean, alpha + kSigmas * std::sqrt(alpha * (1 - alpha) / kRepetitions)) << alpha;
  }
}

// A tenth of the calibration rows is anomalous. Normals are uniform on [0, 1].
Moments contaminated_rate(double anomaly_low, double anomaly_high, double trimmed, double alpha) {
  return moments_over_repetitions([&](RandomStream& random) {
    Scores scores = uniform_scores(random, 180);
    for (int i = 0; i < 20; ++i)
      scores.push_back(static_cast<float>(random.uniform(anomaly_low, anomaly_high)));
    return 1 - std::min(1.0, ConformalCalibration(scores, trimmed).threshold(alpha));
  });
}

TEST(Conformal, SimulatedContaminationIsSafeAndTrimmingMeetsTheRate) {
  constexpr double alpha = 0.15;
  // Anomalies above all normals: without trimming alarms are too few, with it the rate is met.
  EXPECT_LT(contaminated_rate(2, 3, 0, alpha).mean, 0.07);
  const Moments met = contaminated_rate(2, 3, 0.1, alpha);
  EXPECT_NEAR(met.mean, 27.0 / 181, kSigmas * met.standard_error);
  // Anomalies below all normals, the worst case: the stated bounds hold and are nearly reached.
  const Moments untrimmed = contaminated_rate(-1, 0, 0, alpha);
  EXPECT_LE(untrimmed.mean, alpha / 0.9 + kSigmas * untrimmed.standard_error);
  const Moments worst = contaminated_rate(-1, 0, 0.1, alpha);
  const double bound = ConformalCalibration(Scores(200), 0.1).worst_false_alarm_rate(alpha);
  EXPECT_LE(worst.mean, bound + kSigmas * worst.standard_error);
  EXPECT_GT(worst.mean, bound - 0.02);
}

TEST(Conformal, SimulatedFalseDiscoveryRateIsControlled) {
  constexpr std::size_t n_calibration = 500, n_normal = 80, n_anomaly = 20;
  constexpr double q = 0.1;
  double power = 0;
  const Moments fdr = moments_over_repetitions([&](RandomStream& random) {
    const auto normal_score = [&] { return static_cast<float>(random.normal()); };
    Scores calibration_scores(n_calibration);
    std::generate(calibration_scores.begin(), calibration_scores.end(), normal_score);
    const ConformalCalibration calibration(calibration_scores);
    std::vector<double> p;
    for (std::size_t i = 0; i < n_normal; ++i) p.push_back(calibration.p_value(normal_score()));
    for (std::size_t i = 0; i < n_anomaly; ++i) p.push_back(calibration.p_value(normal_score() + 3.5F));
    const std::vector<double> adjusted = benjamini_hochberg_adjusted(p);
    const auto discovered = [&](std::size_t begin, std::size_t end) {
      return static_cast<double>(std::count_if(adjusted.begin() + static_cast<std::ptrdiff_t>(begin),
                                               adjusted.begin() + static_cast<std::ptrdiff_t>(end),
                                               [&](double value) { return value <= q; }));
    };
    const double wrong = discovered(0, n_normal), right = discovered(n_normal, n_normal + n_anomaly);
    power += right / n_anomaly / kRepetitions;
    return wrong / std::max(1.0, wrong + right);
  });
  EXPECT_LE(fdr.mean, q * n_normal / (n_normal + n_anomaly) + kSigmas * fdr.standard_error);
  EXPECT_GT(power, 0.7);  // it does find something
}

TEST(Conformal, BenjaminiHochbergFollowsItsDefinition) {
  for (const nlohmann::json& c : golden("benjamini_hochberg")) {
    const auto adjusted = benjamini_hochberg_adjusted(c.at("p").get<std::vector<double>>());
    for (const nlohmann::json& level : c.at("rejections")) {
      const auto wanted = level.at("rejected").get<std::vector<bool>>();
      for (std::size_t i = 0; i < adjusted.size(); ++i)
        EXPECT_EQ(adjusted[i] <= level.at("q").get<double>(), wanted[i]) << i;
    }
  }
  EXPECT_TRUE(benjamini_hochberg_adjusted({}).empty());
  EXPECT_THROW((void)benjamini_hochberg_adjusted(std::vector<double>{1.5}), InvalidArgument);
}

TEST(Conformal, BetaQuantilesEqualSciPy) {
  for (const nlohmann::json& c : golden("beta_quantile")) {
    const double x = c.at("x").get<double>();
    EXPECT_NEAR(beta_quantile(c.at("a").get<double>(), c.at("b").get<double>(), c.at("p").get<double>()), x,
                1e-11 * x);
  }
}

}  // namespace
}  // namespace deepsad
