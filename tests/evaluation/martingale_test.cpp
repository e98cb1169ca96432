#include "deepsad/evaluation/martingale.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "deepsad/core/error.h"

namespace deepsad {
namespace {

std::vector<float> normals(RandomStream& random, std::size_t n, double shift = 0, double scale = 1) {
  std::vector<float> scores(n);
  for (float& score : scores) score = static_cast<float>(scale * random.normal() + shift);
  return scores;
}

// sqrt(n) times the largest difference to the uniform distribution; above 1.63 in one case of a hundred.
double kolmogorov(std::vector<double> values) {
  std::ranges::sort(values);
  double largest = 0;
  const auto n = static_cast<double>(values.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    largest = std::max(
        {largest, values[i] - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - values[i]});
  return largest * std::sqrt(n);
}

double correlation_with_next(const std::vector<double>& values) {
  double sum = 0;
  for (std::size_t i = 0; i + 1 < values.size(); ++i) sum += (values[i] - 0.5) * (values[i + 1] - 0.5);
  return 12 * sum / static_cast<double>(values.size() - 1);
}

// The definition, with all scores kept: what the counts must agree with as far as ties go.
TEST(OnlinePValues, LieWhereTheDefinitionSays) {
  RandomStream random(1, "test");
  std::vector<float> seen;
  for (int i = 0; i < 40; ++i) seen.push_back(static_cast<float>(random.below(20)));
  OnlinePValues p_values(seen);
  for (int i = 0; i < 500; ++i) {
    const auto score = static_cast<float>(random.below(20));  // often equal, never between
    const double p = p_values.next(score);
    const auto n = static_cast<double>(seen.size() + 1);
    const auto above = static_cast<double>(std::ranges::count_if(seen, [&](float s) { return s > score; }));
    const auto equal = static_cast<double>(std::ranges::count(seen, score));
    EXPECT_GE(p, above / n);
    EXPECT_LT(p, (above + equal + 1) / n);
    seen.push_back(score);
  }
}

TEST(OnlinePValues, AreUniformAndIndependentIfNothingChanges) {
  for (const bool discrete : {false, true}) {
    std::vector<double> all, first;
    double correlation = 0;
    constexpr int kTries = 300, kLength = 200;
    for (int t = 0; t < kTries; ++t) {
      RandomStream random(static_cast<std::uint64_t>(t), "test");
      const auto draw = [&](std::size_t n) {
        std::vector<float> scores = normals(random, n);
        if (discrete)
          for (float& score : scores) score = std::round(2 * score);
        return scores;
      };
      OnlinePValues p_values(draw(30), static_cast<std::uint64_t>(t));
      std::vector<double> run;
      for (const float score : draw(kLength)) run.push_back(p_values.next(score));
      correlation += correlation_with_next(run) / kTries;
      first.push_back(run[0]);
      all.insert(all.end(), run.begin(), run.end());
    }
    // Uniform within each run, too: were they only so on average over reference sets, the pooled p-values
    // would pass, their correlation would not.
    EXPECT_LT(kolmogorov(all), 1.95);
    EXPECT_LT(kolmogorov(first), 1.95);
    EXPECT_LT(std::abs(correlation), 4 / std::sqrt(kTries * kLength));
  }
}

TEST(OnlinePValues, RefuseWhatCannotBeOrdered) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(OnlinePValues({}, 0), InvalidArgument);
  EXPECT_THROW(OnlinePValues(std::vector<float>{1, nan}), NumericError);
  OnlinePValues p_values(std::vector<float>{1, 2});
  EXPECT_THROW((void)p_values.next(nan), NumericError);
  EXPECT_LT(p_values.next(std::numeric_limits<float>::infinity()), 1.0 / 3);
}

// Every bet is fair: the mean over a grid of p-values is what was there before.
TEST(ConformalMartingale, ABetIsFair) {
  RandomStream random(1, "test");
  ConformalMartingale martingale;
  for (int i = 0; i < 200; ++i) {
    constexpr int kGrid = 1000;
    double mean = 0;
    for (int k = 0; k < kGrid; ++k) {
      ConformalMartingale next = martingale;
      next.add((k + 0.5) / kGrid);
      mean += next.value() / kGrid;
    }
    ASSERT_NEAR(mean, martingale.value(), 1e-9 * martingale.value());
    martingale.add(0.7 * random.uniform());
  }
  EXPECT_GT(martingale.value(), 10);
  EXPECT_THROW(martingale.add(1.5), InvalidArgument);
}

// Ville's bound over whole streams: the share of streams without any change in which the alarm ever rings.
TEST(DriftAlarm, RarelyRingsWithoutAChange) {
  constexpr int kTries = 2000, kLength = 1000;
  for (const double alpha : {0.2, 0.05}) {
    int alarms = 0;
    for (int t = 0; t < kTries; ++t) {
      RandomStream random(static_cast<std::uint64_t>(t), "ville");
      DriftAlarm alarm(normals(random, 100), alpha, static_cast<std::uint64_t>(t));
      for (const float score : normals(random, kLength)) alarm.add(score);
      alarms += alarm.raised() ? 1 : 0;
    }
    const double sigma = std::sqrt(alpha * (1 - alpha) / kTries);
    EXPECT_LT(alarms / static_cast<double>(kTries), alpha + 3 * sigma) << alpha;
  }
}

struct Change {
  std::size_t n_before;
  double shift, scale;
  std::size_t within;  // rows
};

TEST(DriftAlarm, FindsChangesSoonHoweverLateTheyCome) {
  for (const Change& change : {Change{0, 1, 1, 150}, Change{500, 1, 1, 200}, Change{20'000, 1, 1, 300},
                               Change{500, -1, 1, 200}, Change{500, 0, 3, 400}, Change{500, 0, 0.3, 400}}) {
    int found = 0;
    constexpr int kTries = 100;
    for (int t = 0; t < kTries; ++t) {
      RandomStream random(static_cast<std::uint64_t>(t), "change");
      DriftAlarm alarm(normals(random, 500), 0.01, static_cast<std::uint64_t>(t));
      for (const float score : normals(random, change.n_before)) alarm.add(score);
      if (alarm.raised()) continue;
      for (const float score : normals(random, change.within, change.shift, change.scale)) alarm.add(score);
      found += alarm.raised() ? 1 : 0;
    }
    EXPECT_GE(found, 95) << change.n_before << " " << change.shift << " " << change.scale;
  }
}

// Anomalies come and go; that is what they are looked for for.
TEST(DriftAlarm, AFewAnomaliesAreNoChange) {
  int alarms = 0;
  constexpr int kTries = 50;
  for (int t = 0; t < kTries; ++t) {
    RandomStream random(static_cast<std::uint64_t>(t), "few");
    DriftAlarm alarm(normals(random, 500), 0.01, static_cast<std::uint64_t>(t));
    for (float score : normals(random, 5000)) {
      if (random.uniform() < 0.01) score += 10;
      alarm.add(score);
    }
    alarms += alarm.raised() ? 1 : 0;
  }
  EXPECT_LE(alarms, 2);
}

TEST(DriftAlarm, RingsOnceAndSaysHowSureItIs) {
  DriftAlarm alarm(std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0.01);
  EXPECT_EQ(alarm.level(), 1);
  int rings = 0;
  for (int i = 0; i < 300; ++i) rings += alarm.add(100) ? 1 : 0;
  EXPECT_EQ(rings, 1);
  EXPECT_LE(alarm.level(), 0.01);
  EXPECT_THROW(DriftAlarm(std::vector<float>{1}, 0), InvalidArgument);
}

}  // namespace
}  // namespace deepsad
