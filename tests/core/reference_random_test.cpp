#include "deepsad/core/reference_random.h"

#include <gtest/gtest.h>

#include "deepsad/core/error.h"
#include "support/golden.h"

namespace deepsad {
namespace {

using testing::golden;

TEST(NumpyRandom, PermutationsEqualTheReference) {
  const auto& block = golden("random_generators");
  NumpyRandom seed0(0);
  EXPECT_EQ(seed0.permutation(10),
            block["numpy_seed0_permutation10_then7"][0].get<std::vector<std::size_t>>());
  EXPECT_EQ(seed0.permutation(7),
            block["numpy_seed0_permutation10_then7"][1].get<std::vector<std::size_t>>());
  EXPECT_EQ(NumpyRandom(42).permutation(12),
            block["numpy_seed42_permutation12"].get<std::vector<std::size_t>>());
}

TEST(PythonRandom, SamplesEqualTheReference) {
  const auto& block = golden("random_generators")["python_random_sample_of_1..9_k2_and_k5_by_seed"];
  for (const auto& [seed, samples] : block.items()) {
    const auto value = static_cast<std::uint32_t>(std::stoul(seed));
    EXPECT_EQ(PythonRandom(value).sample({1, 2, 3, 4, 5, 6, 7, 8, 9}, 2), samples[0].get<std::vector<int>>());
    EXPECT_EQ(PythonRandom(value).sample({1, 2, 3, 4, 5, 6, 7, 8, 9}, 5), samples[1].get<std::vector<int>>());
  }
}

TEST(PythonRandom, RefusesMoreThanThereAre) {
  EXPECT_THROW((void)PythonRandom(0).sample({1, 2}, 3), InvalidArgument);
}

}  // namespace
}  // namespace deepsad
