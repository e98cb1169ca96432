#include "detectors/center.h"

#include <gtest/gtest.h>

#include "support/golden.h"

namespace deepsad {
namespace {

TEST(ClampCenter, EqualsTheReference) {
  const auto& block = testing::golden("center_clamp");
  const Center center = clamp_center(block["in"].get<std::vector<float>>(), false);
  EXPECT_EQ(center.values, block["out"].get<std::vector<float>>());
  EXPECT_EQ(center.n_clamped, 3U);
  EXPECT_EQ(center.n_zeros, 1U);
}

TEST(ClampCenter, MovesExactZerosTooWhenAsked) {
  const Center center = clamp_center({0.0F, -0.0F, -0.01F, 0.5F}, true);
  EXPECT_EQ(center.values, (std::vector<float>{0.1F, 0.1F, -0.1F, 0.5F}));
  EXPECT_EQ(center.n_clamped, 3U);
  EXPECT_EQ(center.n_zeros, 2U);
}

TEST(ComputeCenter, IsTheMeanOfTheGivenRows) {
  const std::vector<float> outputs{1, 10, 2, 20, 300, 3000};
  const std::vector<std::uint32_t> rows{0, 1};
  EXPECT_EQ(compute_center({outputs.data(), 3, 2}, rows, true, true).values,
            (std::vector<float>{1.5F, 15.0F}));
  const std::vector<float> small{0.01F, -0.2F};
  const std::vector<std::uint32_t> first{0};
  EXPECT_EQ(compute_center({small.data(), 1, 2}, first, true, true).values,
            (std::vector<float>{0.1F, -0.2F}));
  EXPECT_EQ(compute_center({small.data(), 1, 2}, first, false, true).values, small);
}

}  // namespace
}  // namespace deepsad
