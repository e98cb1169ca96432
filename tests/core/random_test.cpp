#include "deepsad/core/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "deepsad/core/error.h"

namespace deepsad {
namespace {

TEST(RandomStream, SameNameSameNumbersOtherNameOtherNumbers) {
  RandomStream a(7, "shuffle", 3);
  RandomStream b(7, "shuffle", 3);
  RandomStream other_index(7, "shuffle", 4);
  RandomStream other_name(7, "noise", 3);
  RandomStream other_seed(8, "shuffle", 3);
  int equal_index = 0, equal_name = 0, equal_seed = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto x = a.next_u32();
    EXPECT_EQ(x, b.next_u32());
    equal_index += x == other_index.next_u32();
    equal_name += x == other_name.next_u32();
    equal_seed += x == other_seed.next_u32();
  }
  EXPECT_LE(equal_index + equal_name + equal_seed, 1);
}

// Pins the stream: these numbers must never change, or every seed in the world gives other results.
TEST(RandomStream, FirstNumbersArePinned) {
  RandomStream s(42, "pinned");
  // Computed by an independent Philox4x32-10 that reproduces the known-answer vectors of Random123.
  EXPECT_EQ(s.next_u64(), 0x525c2874ccc24535ULL);
}

TEST(RandomStream, UniformAndNormalHaveTheRightMoments) {
  RandomStream s(1, "moments");
  constexpr int kN = 200000;
  double sum = 0, sum2 = 0, nsum = 0, nsum2 = 0, nsum4 = 0;
  for (int i = 0; i < kN; ++i) {
    const double u = s.uniform();
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
    sum2 += u * u;
    const double z = s.normal();
    nsum += z;
    nsum2 += z * z;
    nsum4 += z * z * z * z;
  }
  // Bounds are five standard errors.
  EXPECT_NEAR(sum / kN, 0.5, 5 * std::sqrt(1.0 / 12 / kN));
  EXPECT_NEAR(sum2 / kN, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / kN));
  EXPECT_NEAR(nsum / kN, 0.0, 5 * std::sqrt(1.0 / kN));
  EXPECT_NEAR(nsum2 / kN, 1.0, 5 * std::sqrt(2.0 / kN));
  EXPECT_NEAR(nsum4 / kN, 3.0, 5 * std::sqrt(96.0 / kN));
}

TEST(RandomStream, BelowIsUniformAndPermutationIsAPermutation) {
  RandomStream s(3, "below");
  std::array<int, 7> counts{};
  constexpr int kN = 70000;
  for (int i = 0; i < kN; ++i) ++counts[s.below(7)];
  for (const int c : counts) EXPECT_NEAR(c, kN / 7.0, 5 * std::sqrt(kN / 7.0));
  const auto p = s.permutation(1000);
  EXPECT_EQ(std::set<std::size_t>(p.begin(), p.end()).size(), 1000U);
  EXPECT_EQ(*std::max_element(p.begin(), p.end()), 999U);
}

TEST(NearestName, SuggestsOnlyCloseNames) {
  const std::string known[] = {"weight_decay", "batch_size", "eta"};
  EXPECT_EQ(nearest_name("weight_decai", known, 3), "weight_decay");
  EXPECT_EQ(nearest_name("batchsize", known, 3), "batch_size");
  EXPECT_EQ(nearest_name("zebra_crossing", known, 3), "");
}

}  // namespace
}  // namespace deepsad
