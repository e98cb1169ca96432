#include "kernels/patch_moments/patch_moments.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "conv_shape.h"
#include "kernel_test.h"
#include "kernels/patch_moments/patch_moments_reference.h"

namespace deepsad::kernels {
namespace {

using namespace test;

ConvShape make_shape(std::size_t in_channels, std::size_t height, std::size_t width, std::size_t padding) {
  return conv_shape(in_channels, 1, height, width, 5, padding, 1);
}

/// Every padding, from the smallest map on, and maps of the paper's networks.
std::vector<ConvShape> shapes() {
  std::vector<ConvShape> all;
  RandomStream random(1, "patch moments");
  for (std::size_t padding = 2; padding < 5; ++padding) {
    const std::size_t least = std::max<std::size_t>(2 * (4 - padding), 1);
    for (std::size_t width = least; width < least + 6; ++width) {
      all.push_back(
          make_shape(pick(random, {1, 1, 2, 3, 4}), least + pick(random, {0, 1, 2, 5}), width, padding));
    }
  }
  all.push_back(make_shape(1, 28, 28, 2));
  all.push_back(make_shape(3, 12, 32, 2));
  return all;
}

struct Moments {
  std::size_t size;
  Guarded<float> rows, scratch;
  Guarded<double> sums;
  Moments(const ConvShape& s, const Guarded<float>& x, std::size_t n_valid)
      : size(patch_moments_size(s)),
        rows(n_valid * size),
        scratch(patch_moments_scratch_size(s)),
        sums(size) {
    patch_moments_of_samples(s, x.data(), n_valid, rows.data(), scratch.data());
    patch_moments_of_group(s, x.data(), n_valid, sums.data(), scratch.data());
    EXPECT_TRUE(rows.guards_intact() && scratch.guards_intact() && sums.guards_intact()) << describe(s);
  }
};

TEST(PatchMoments, AreExactOnIntegers) {
  RandomStream random(2, "patch moments");
  for (const ConvShape& s : shapes()) {
    const std::size_t n_valid = pick(random, {1, 2, 7, 15, 16});
    Guarded<float> x(s.in_channels * s.height * s.width * kLanes);
    fill_integers(x, random);
    for (std::size_t i = 0; i < x.size(); ++i) {  // whatever unused lanes hold has no effect
      if (i % kLanes >= n_valid) x[i] = std::numeric_limits<float>::quiet_NaN();
    }
    const Moments got(s, x, n_valid);
    std::vector<double> rows(n_valid * got.size), sums(got.size);
    reference::patch_moments_of_samples(s, convert<double>(x).data(), n_valid, rows.data(),
                                        static_cast<double*>(nullptr));
    expect_equal(got.rows.data(), rows, describe(s));
    for (std::size_t l = 0; l < n_valid; ++l) {
      for (std::size_t k = 0; k < got.size; ++k) sums[k] += rows[l * got.size + k];
    }
    EXPECT_TRUE(std::equal(sums.begin(), sums.end(), got.sums.data())) << describe(s);
    if (HasFailure()) return;
  }
}

TEST(PatchMoments, OfRowsAreSummedInAnyOrderAndNumber) {
  RandomStream random(3, "patch moments");
  constexpr std::size_t kSize = 48, kRows = 40;
  Guarded<float> values(kSize * kRows);
  fill_integers(values, random);
  for (const std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{5}, std::size_t{16}}) {
    Guarded<double> sums(kSize);
    std::vector<double> want(kSize, 0.0);
    std::vector<std::uint32_t> rows;
    for (std::size_t i = 0; i < n; ++i) {
      rows.push_back(static_cast<std::uint32_t>(random.uniform(0, kRows)));
      for (std::size_t k = 0; k < kSize; ++k) want[k] += static_cast<double>(values[rows[i] * kSize + k]);
    }
    sum_of_rows(kSize, values.data(), rows.data(), n, sums.data());
    EXPECT_TRUE(sums.guards_intact());
    EXPECT_TRUE(std::equal(want.begin(), want.end(), sums.data())) << n << " rows";
  }
}

TEST(PatchMoments, GiveTheGradientOfAnAffineFunctionOfTheOutput) {
  RandomStream random(4, "patch moments");
  for (const std::size_t channels : {std::size_t{1}, std::size_t{2}, std::size_t{4}}) {
    const ConvShape s = make_shape(channels, 6, 7, 2);
    Guarded<float> x(channels * s.height * s.width * kLanes), w(channels * 25), dw(channels * 25);
    fill_integers(x, random);
    fill_integers(w, random);
    dw.fill(3);
    const Moments moments(s, x, kLanes);
    add_patch_moments_gradient(s, moments.sums.data(), 0.5, -2, w.data(), dw.data());
    // The same patch by patch.
    std::vector<double> want(channels * 25, 3.0);
    for (std::size_t l = 0; l < kLanes; ++l) {
      for (std::size_t i = 0; i < s.out_height; ++i) {
        for (std::size_t j = 0; j < s.out_width; ++j) {
          std::vector<double> patch(channels * 25, 0.0);
          double output = 0;
          for (std::size_t k = 0; k < patch.size(); ++k) {
            const std::size_t row = i + k % 25 / 5, column = j + k % 5;
            if (row >= 2 && row < s.height + 2 && column >= 2 && column < s.width + 2)
              patch[k] =
                  static_cast<double>(x[((k / 25 * s.height + row - 2) * s.width + column - 2) * kLanes + l]);
            output += patch[k] * static_cast<double>(w[k]);
          }
          for (std::size_t k = 0; k < patch.size(); ++k) want[k] += (0.5 - 2 * output) * patch[k];
        }
      }
    }
    expect_equal(dw.data(), want, describe(s));
  }
}

TEST(PatchMoments, ServeFewChannelsAndNotTooLargeMaps) {
  EXPECT_TRUE(patch_moments_serve(make_shape(1, 64, 64, 2)));
  EXPECT_TRUE(patch_moments_serve(make_shape(4, 4, 4, 2)));
  EXPECT_FALSE(patch_moments_serve(make_shape(5, 28, 28, 2)));
  EXPECT_FALSE(patch_moments_serve(make_shape(1, 3, 28, 2)));
  EXPECT_FALSE(patch_moments_serve(make_shape(1, 28, 28, 1)));
  EXPECT_FALSE(patch_moments_serve(make_shape(1, 28, 28, 5)));
  EXPECT_FALSE(patch_moments_serve(make_shape(1, 28, 65, 2)));
  ConvShape s = make_shape(1, 28, 28, 2);
  s.stride = 2;
  EXPECT_FALSE(patch_moments_serve(s));
}

}  // namespace
}  // namespace deepsad::kernels
