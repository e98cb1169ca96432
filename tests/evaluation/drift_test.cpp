#include "deepsad/evaluation/drift.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "support/errors.h"

namespace deepsad {
namespace {

using testing::message_of;

std::vector<float> normals(std::uint64_t seed, std::size_t n, double mean = 0, double deviation = 1) {
  RandomStream random(seed, "test/drift");
  std::vector<float> values(n);
  for (float& value : values) value = static_cast<float>(mean + deviation * random.normal());
  return values;
}

TEST(DistributionSketch, HoldsQuantilesAndTheirShares) {
  std::vector<float> values(100);
  for (std::size_t i = 0; i < 100; ++i) values[i] = static_cast<float>(99 - i);
  const DistributionSketch sketch = sketch_of(values, 4);
  EXPECT_EQ(sketch.edges, (std::vector<float>{24, 49, 74, 99}));
  EXPECT_EQ(sketch.shares, (std::vector<float>{0.25F, 0.5F, 0.75F, 1}));
  EXPECT_EQ(sketch.smallest, 0);
  EXPECT_EQ(sketch_quantile(sketch, 0.5), 49);
  EXPECT_EQ(sketch_quantile(sketch, 0.51), 74);
  EXPECT_EQ(sketch_quantile(sketch, 1), 99);
}

TEST(DistributionSketch, KeepsEqualQuantilesOnceWithTheWholeShare) {
  const std::vector<float> values{0, 0, 0, 0, 0, 0, 0, 1, 1, 2};
  const DistributionSketch sketch = sketch_of(values, 10);
  EXPECT_EQ(sketch.edges, (std::vector<float>{0, 1, 2}));
  EXPECT_EQ(sketch.shares, (std::vector<float>{0.7F, 0.9F, 1}));
  const DistributionSketch constant = sketch_of(std::vector<float>(5, 3.0F), 19);
  EXPECT_EQ(constant.edges, std::vector<float>{3});
  EXPECT_EQ(constant.shares, std::vector<float>{1});
}

// Distance 0.15 between 200 and 200 numbers: lambda = (10 + 0.12 + 0.011) 0.15 = 1.51965, p = 2 (e^(-2
// lambda^2) - e^(-8 lambda^2) + ...).
TEST(DriftFrom, GivesDistanceAndTailOfKolmogorovsDistribution) {
  std::vector<float> then(200), now(200);
  for (std::size_t i = 0; i < 200; ++i) {
    then[i] = i < 100 ? 0.0F : 1.0F;
    now[i] = i < 130 ? 0.0F : 1.0F;
  }
  const DriftTest test = drift_from(sketch_of(then, 20), 200, now);
  EXPECT_NEAR(test.distance, 0.15, 1e-12);
  EXPECT_EQ(test.edge, 0);
  EXPECT_NEAR(test.share_then, 0.5, 1e-12);
  EXPECT_NEAR(test.share_now, 0.65, 1e-12);
  EXPECT_NEAR(test.p_value, 0.019722, 2e-5);
  EXPECT_EQ(drift_from(sketch_of(then, 20), 200, then).p_value, 1);
}

TEST(DriftFrom, SeesNumbersBeyondAllOfThen) {
  const std::vector<float> constant(50, 2.0F), above(50, 3.0F), below(50, 1.0F);
  const DistributionSketch sketch = sketch_of(constant, 19);
  EXPECT_EQ(drift_from(sketch, 50, above).distance, 1);
  EXPECT_EQ(drift_from(sketch, 50, constant).distance, 0);
  const DriftTest smaller = drift_from(sketch, 50, below);
  EXPECT_EQ(smaller.distance, 1);
  EXPECT_EQ(smaller.edge, 2);
  EXPECT_EQ(smaller.share_then, 0);
  EXPECT_EQ(smaller.share_now, 1);
}

TEST(DriftFrom, RaisesNoMoreFalseAlarmsThanItsLevel) {
  constexpr int kRepetitions = 2000;
  for (const bool discrete : {false, true}) {
    int alarms = 0;
    for (int k = 0; k < kRepetitions; ++k) {
      auto then = normals(2 * k, 300), now = normals(2 * k + 1, 120);
      if (discrete)
        for (auto* side : {&then, &now})
          for (float& value : *side) value = std::round(value);
      if (drift_from(sketch_of(then, 19), then.size(), now).p_value <= 0.05) ++alarms;
    }
    // Binomial(2000, 0.05) stays below 0.0646 with probability 0.999.
    EXPECT_LE(alarms, 129) << discrete;
    if (!discrete) {
      EXPECT_GE(alarms, 20);  // and is no test that never speaks
    }
  }
}

TEST(DriftFrom, FindsShiftsAndChangesOfSpread) {
  const auto then = normals(1, 1000);
  const DistributionSketch sketch = sketch_of(then, 19);
  EXPECT_LT(drift_from(sketch, 1000, normals(2, 300, 0.5)).p_value, 1e-6);
  EXPECT_LT(drift_from(sketch, 1000, normals(3, 300, 0, 2)).p_value, 1e-4);
}

TEST(Drifted, CorrectsForTheNumberOfFeaturesAndAsksForASize) {
  std::vector<DriftTest> tests(100);
  for (DriftTest& test : tests) test = {.distance = 0.3, .p_value = 0.5};
  tests[7] = {.distance = 0.2, .p_value = 1e-3};  // 1 of 100 at 0.01: not rejected
  EXPECT_TRUE(drifted(tests, 0.01, 0.1).empty());
  tests[7].p_value = 1e-5;
  tests[9] = {.distance = 0.5, .p_value = 1e-6};
  tests[11] = {.distance = 0.02, .p_value = 1e-9};  // sure, and small
  EXPECT_EQ(drifted(tests, 0.01, 0.1), (std::vector<std::size_t>{9, 7}));
}

TEST(Drift, RefusesNothingAndNaN) {
  EXPECT_EQ(message_of<InvalidArgument>([] { (void)sketch_of({}, 3); }), "[drift] no values");
  const std::vector<float> bad{1, std::numeric_limits<float>::quiet_NaN()}, good{1, 2};
  EXPECT_EQ(message_of<InvalidArgument>([&] { (void)sketch_of(bad, 3); }), "[drift] value 1 is NaN");
  EXPECT_EQ(message_of<InvalidArgument>([&] { (void)sketch_of(good, 0); }),
            "[drift] wanted at least one edge, got 0");
  EXPECT_EQ(message_of<InvalidArgument>([&] { (void)drift_from({}, 3, good); }),
            "[drift] no distribution to compare with");
}

}  // namespace
}  // namespace deepsad
