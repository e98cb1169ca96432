#include "kernels/radial/radial.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernel_test.h"

namespace deepsad::kernels {
namespace {

using namespace test;

constexpr double kExpError = 3e-7;  // 2 to 3 units in the last place

TEST(Radial, ExponentialsAreThoseOfTheLibrary) {
  RandomStream random(1, "radial");
  for (const std::size_t n : {1U, 7U, 8U, 15U, 16U, 17U, 100U, 333U}) {
    Guarded<float> distances(n, n % 3), dst(n, 1), weights(n, 2);
    for (float& x : distances) x = static_cast<float>(std::exp(random.uniform(-12, 8)));
    fill_uniform(weights, random);
    distances[0] = 0;
    const float gamma = 0.25F;
    double sum = 0, weighted = 0, magnitude = 0, plain = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double value = std::exp(static_cast<double>(-gamma * distances[i]));
      sum += std::exp(2.0 + static_cast<double>(-gamma * distances[i]));
      weighted += static_cast<double>(weights[i]) * value;
      plain += static_cast<double>(weights[i]) * static_cast<double>(distances[i]);
      magnitude += std::abs(static_cast<double>(weights[i]) * value);
    }
    exp_of_distances(n, distances.data(), gamma, dst.data());
    EXPECT_EQ(dst[0], 1.0F);
    for (std::size_t i = 0; i < n; ++i) {
      const double want = std::exp(static_cast<double>(-gamma * distances[i]));
      // Below the normal numbers 0 and what the library says are both right.
      EXPECT_NEAR(static_cast<double>(dst[i]), want, kExpError * want + 1.2e-38) << distances[i];
    }
    // An exponent of size 100 loses 100 eps on its way through float.
    EXPECT_NEAR(exp_sum(n, distances.data(), gamma, 2.0F), sum, 2e-6 * sum);
    EXPECT_NEAR(weighted_exp_sum(n, distances.data(), weights.data(), gamma), weighted, 2e-6 * magnitude);
    EXPECT_NEAR(weighted_sum(n, distances.data(), weights.data()), plain, 1e-6 * (std::abs(plain) + 3000));
    EXPECT_TRUE(dst.guards_intact() && distances.guards_intact());
  }
}

TEST(Radial, TinyValuesAreZeroAndNeverNaN) {
  const float distances[] = {1e30F, 3e38F, 200.0F, 87.5F, 0.0F};
  float dst[5];
  exp_of_distances(5, distances, 1.0F, dst);
  EXPECT_EQ(dst[0], 0.0F);
  EXPECT_EQ(dst[1], 0.0F);
  EXPECT_LT(dst[2], 1e-37F);
  EXPECT_LT(dst[3], 1e-37F);
  EXPECT_EQ(dst[4], 1.0F);
}

}  // namespace
}  // namespace deepsad::kernels
