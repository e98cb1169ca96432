#include "deepsad/evaluation/outstanding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "deepsad/core/random.h"

namespace deepsad {
namespace {

std::vector<float> scores(std::size_t n, std::size_t n_anomalies, double shift, bool squared,
                          std::uint64_t seed) {
  RandomStream random(seed, "outstanding");
  std::vector<float> values;
  for (std::size_t i = 0; i < n; ++i) {
    double value = random.normal();
    if (squared) {  // a squared distance in eight dimensions
      value = 0;
      for (int k = 0; k < 8; ++k) {
        const double z = random.normal();
        value += z * z;
      }
    }
    if (i < n_anomalies) value = squared ? value * shift : value + shift;
    values.push_back(static_cast<float>(value));
  }
  std::sort(values.begin(), values.end());
  return values;
}

TEST(Outstanding, CleanScoresHaveHardlyAny) {
  for (const bool squared : {false, true}) {
    std::size_t found = 0;
    for (std::uint64_t seed = 0; seed < 50; ++seed) found += n_outstanding(scores(400, 0, 0, squared, seed));
    EXPECT_LE(found, 50U * 400U / 150U) << squared;  // about one in 300
  }
}

TEST(Outstanding, WhatStandsClearIsCounted) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const std::size_t shifted = n_outstanding(scores(400, 30, 40, false, seed));
    EXPECT_GE(shifted, 30U) << seed;
    EXPECT_LE(shifted, 33U) << seed;
    const std::size_t squared = n_outstanding(scores(400, 30, 1000, true, seed));
    EXPECT_GE(squared, 29U) << seed;
    EXPECT_LE(squared, 33U) << seed;
  }
}

TEST(Outstanding, NeverMoreThanAFifthAndNoneOfFew) {
  std::vector<float> many = scores(100, 0, 0, false, 1);
  for (std::size_t i = 78; i < 100; ++i) many[i] = 1e6F;
  EXPECT_EQ(n_outstanding(many), 20U);
  EXPECT_EQ(n_outstanding(std::vector<float>{1, 2, 3, 1e6F}), 0U);
  EXPECT_EQ(n_outstanding(std::vector<float>(50, 1.0F)), 0U);
  many.assign(50, std::numeric_limits<float>::infinity());
  EXPECT_EQ(n_outstanding(many), 0U);
  EXPECT_EQ(n_outstanding({}), 0U);
}

}  // namespace
}  // namespace deepsad
