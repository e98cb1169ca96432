#include "deepsad/evaluation/rank_correlation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "deepsad/core/error.h"
#include "support/errors.h"

namespace deepsad {
namespace {

using testing::message_of;

TEST(RankCorrelation, LooksAtTheOrderAlone) {
  const std::vector<float> a{1, 2, 3, 4, 5}, rising{-1, 0, 100, 1000, 1001}, falling{5, 4, 3, 2, 1};
  EXPECT_DOUBLE_EQ(rank_correlation(a, rising), 1);
  EXPECT_DOUBLE_EQ(rank_correlation(a, falling), -1);
}

// scipy.stats.spearmanr([106, 86, 100, 101, 99, 103, 97, 113, 112, 110], [7, 0, 27, 50, 28, 29, 20, 12, 6,
// 17]) is -0.17575757575757575; with ties, spearmanr([1, 2, 2, 3], [1, 3, 2, 4]) is 0.9486832980505138.
TEST(RankCorrelation, IsSciPys) {
  const std::vector<float> iq{106, 86, 100, 101, 99, 103, 97, 113, 112, 110};
  const std::vector<float> hours{7, 0, 27, 50, 28, 29, 20, 12, 6, 17};
  EXPECT_NEAR(rank_correlation(iq, hours), -0.17575757575757575, 1e-14);
  const std::vector<float> ties{1, 2, 2, 3}, other{1, 3, 2, 4};
  EXPECT_NEAR(rank_correlation(ties, other), 0.9486832980505138, 1e-14);
}

TEST(RankCorrelation, IsUndefinedForConstants) {
  const std::vector<float> constant{2, 2, 2}, rising{1, 2, 3}, one{1};
  EXPECT_TRUE(std::isnan(rank_correlation(constant, rising)));
  EXPECT_TRUE(std::isnan(rank_correlation(one, one)));
  EXPECT_TRUE(std::isnan(rank_correlation({}, {})));
  const std::vector<float> nan{1, 2, std::numeric_limits<float>::quiet_NaN()};
  EXPECT_EQ(message_of<NumericError>([&] { (void)rank_correlation(rising, nan); }),
            "[rank_correlation] value 2 is NaN");
  EXPECT_EQ(message_of<InvalidArgument>([&] { (void)rank_correlation(rising, one); }),
            "[rank_correlation] 3 values but 1");
}

}  // namespace
}  // namespace deepsad
