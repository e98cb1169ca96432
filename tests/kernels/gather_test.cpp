#include "kernels/gather/gather.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "kernel_test.h"

namespace deepsad::kernels {
namespace {

using namespace test;

constexpr std::size_t kRows = 23;

// The matrix holds its own address in every element, so that a value tells where it came from.
TEST(Gather, RowsGoToLanesAndBack) {
  RandomStream random(1, "gather");
  for (const std::size_t d : {1U, 2U, 3U, 4U, 5U, 7U, 8U, 9U, 16U, 17U, 21U, 196U}) {
    for (std::size_t n_valid = 1; n_valid <= kLanes; ++n_valid) {
      const std::size_t stride = d + n_valid % 3, offset = n_valid % 2;
      // The last row ends where the memory does: reading past a row's end would read a guard.
      Guarded<float> src((kRows - 1) * stride + d, offset), dst(d * kLanes), back(n_valid * stride, offset);
      for (std::size_t i = 0; i < src.size(); ++i) src[i] = static_cast<float>(i);
      std::vector<std::uint32_t> rows(n_valid);
      for (auto& row : rows) row = random.next_u32() % static_cast<std::uint32_t>(kRows);
      rows.back() = kRows - 1;
      gather_rows(src.data(), stride, rows.data(), n_valid, d, dst.data());
      for (std::size_t j = 0; j < d; ++j) {
        for (std::size_t l = 0; l < kLanes; ++l) {
          const float want = l < n_valid ? static_cast<float>(rows[l] * stride + j) : 0.0F;
          ASSERT_EQ(dst[j * kLanes + l], want)
              << "d " << d << ", valid " << n_valid << ", column " << j << ", lane " << l;
        }
      }
      back.fill(-1);
      scatter_rows(dst.data(), n_valid, d, back.data(), stride);
      for (std::size_t l = 0; l < n_valid; ++l) {
        for (std::size_t j = 0; j < stride; ++j) {
          const float want = j < d ? static_cast<float>(rows[l] * stride + j) : -1.0F;
          ASSERT_EQ(back[l * stride + j], want)
              << "d " << d << ", valid " << n_valid << ", row " << l << ", column " << j;
        }
      }
      EXPECT_TRUE(dst.guards_intact() && back.guards_intact());
    }
  }
}

TEST(Gather, DoubleIsTheReference) {
  const std::vector<double> src = {1, 2, 3, 4, 5, 6};  // 3 rows of 2
  const std::uint32_t rows[] = {2, 0};
  std::vector<double> dst(2 * kLanes, -1), back(4);
  gather_rows(src.data(), 2, rows, 2, 2, dst.data());
  EXPECT_EQ(dst[0], 5);
  EXPECT_EQ(dst[1], 1);
  EXPECT_EQ(dst[kLanes], 6);
  EXPECT_EQ(dst[2], 0);
  scatter_rows(dst.data(), 2, 2, back.data(), 2);
  EXPECT_EQ(back, (std::vector<double>{5, 6, 1, 2}));
}

}  // namespace
}  // namespace deepsad::kernels
