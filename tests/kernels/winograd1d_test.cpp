#include "kernels/winograd1d/winograd1d.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "conv_shape.h"
#include "kernel_test.h"
#include "kernels/batch_norm/batch_norm_reference.h"
#include "kernels/conv2d/conv2d_reference.h"
#include "kernels/patch_moments/patch_moments.h"
#include "kernels/pooling/pooling_reference.h"

namespace deepsad::kernels {
namespace {

using namespace test;

ConvShape make_shape(std::size_t in_channels, std::size_t out_channels, std::size_t height, std::size_t width,
                     std::size_t padding) {
  return conv_shape(in_channels, out_channels, height, width, 5, padding, 1);
}

/// Every padding with every residue of the width modulo a tile, odd heights, channels off the tile's width.
std::vector<ConvShape> shapes() {
  std::vector<ConvShape> all;
  RandomStream random(31, "winograd1d shapes");
  for (std::size_t padding = 0; padding < 5; ++padding) {
    for (std::size_t width = 1; width <= 14; ++width) {
      const std::size_t height = pick(random, {1, 2, 3, 5, 6, 7, 11});
      if (width + 2 * padding < 5 || height + 2 * padding < 5) continue;
      all.push_back(make_shape(pick(random, {1, 2, 3, 4, 9}), pick(random, {1, 2, 3, 4, 5, 8}), height, width,
                               padding));
    }
  }
  all.push_back(make_shape(1, 8, 28, 28, 2));
  all.push_back(make_shape(8, 4, 14, 14, 2));
  all.push_back(make_shape(17, 33, 14, 28, 2));  // weight gradient in several passes of tile columns
  return all;
}

struct Sizes {
  std::size_t x, w, y;
  explicit Sizes(const ConvShape& s)
      : x(s.in_channels * s.height * s.width * kLanes),
        w(s.in_channels * s.out_channels * 25),
        y(s.out_channels * s.out_height * s.out_width * kLanes) {}
};

struct Forward {
  Guarded<float> packed, y, scratch;
  Forward(const ConvShape& s, ConvWeights form, const Guarded<float>& x, const Guarded<float>& w)
      : packed(winograd1d_packed_size(s)), y(Sizes(s).y), scratch(winograd1d_forward_scratch_size(s)) {
    winograd1d_pack(s, form, w.data(), packed.data());
    winograd1d_forward(s, x.data(), packed.data(), y.data(), scratch.data());
    EXPECT_TRUE(packed.guards_intact() && y.guards_intact() && scratch.guards_intact()) << describe(s);
  }
};

/// |got - want| <= tolerance * largest |want|. The algorithm's rounding errors are relative to the largest
/// values of a row of tiles, not to each result: an rms of 1e-6, and 1e-5 is not reached at these sizes.
void expect_near_largest(const float* got, const std::vector<double>& want, const std::string& what) {
  double largest = 0;
  for (const double value : want) largest = std::max(largest, std::abs(value));
  for (std::size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(got[i]), want[i], 1e-5 * largest) << what << ", element " << i;
  }
}

TEST(Winograd1d, ServesFiveByFiveOfStrideOne) {
  ConvShape s = make_shape(1, 1, 8, 8, 2);
  EXPECT_TRUE(winograd1d_serves(s));
  s.stride = 2;
  EXPECT_FALSE(winograd1d_serves(s));
  s.stride = 1;
  s.kernel = 3;
  EXPECT_FALSE(winograd1d_serves(s));
}

TEST(Winograd1d, ForwardAgreesWithReference) {
  RandomStream random(1, "winograd1d");
  for (const ConvShape& s : shapes()) {
    Guarded<float> x(Sizes(s).x), w(Sizes(s).w, 1);
    fill_uniform(x, random);
    fill_uniform(w, random);
    const Forward result(s, ConvWeights::as_is, x, w);
    std::vector<double> want(Sizes(s).y);
    reference::conv2d_forward(s, convert<double>(x).data(), convert<double>(w).data(), want.data());
    expect_near_largest(result.y.data(), want, describe(s));
    if (HasFatalFailure() || HasFailure()) return;
  }
}

TEST(Winograd1d, SwappedFlippedPackingGivesTheDataGradient) {
  RandomStream random(2, "winograd1d");
  for (const ConvShape& s : shapes()) {
    const ConvShape mirrored{.in_channels = s.out_channels,
                             .height = s.out_height,
                             .width = s.out_width,
                             .out_channels = s.in_channels,
                             .out_height = s.height,
                             .out_width = s.width,
                             .kernel = 5,
                             .padding = 4 - s.padding,
                             .stride = 1};
    Guarded<float> dy(Sizes(s).y), w(Sizes(s).w);
    fill_uniform(dy, random);
    fill_uniform(w, random);
    const Forward result(mirrored, ConvWeights::swapped_flipped, dy, w);
    std::vector<double> want(Sizes(s).x);
    reference::conv2d_data_gradient(s, convert<double>(dy).data(), convert<double>(w).data(), want.data());
    expect_near_largest(result.y.data(), want, describe(s));
    if (HasFailure()) return;
  }
}

TEST(Winograd1d, WeightGradientAgreesWithReferenceAndAdds) {
  RandomStream random(3, "winograd1d");
  for (const ConvShape& s : shapes()) {
    const std::size_t n_valid = pick(random, {1, 2, 5, 15, 16});
    Guarded<float> x(Sizes(s).x), dy(Sizes(s).y), dw(Sizes(s).w, 1);
    Guarded<float> scratch(winograd1d_gradient_scratch_size(s));
    fill_uniform(x, random);
    fill_uniform(dy, random);
    for (std::size_t i = 0; i < dy.size(); ++i) dy[i] *= i % kLanes < n_valid ? 1.0F : 0.0F;
    fill_uniform(dw, random);
    auto want = convert<double>(dw);
    winograd1d_weight_gradient(s, x.data(), dy.data(), dw.data(), scratch.data());
    EXPECT_TRUE(dw.guards_intact() && scratch.guards_intact()) << describe(s);
    reference::conv2d_weight_gradient(s, convert<double>(x).data(), convert<double>(dy).data(), want.data());
    expect_near_largest(dw.data(), want, describe(s));
    if (HasFailure()) return;
  }
}

TEST(Winograd1d, ForwardPoolIsForwardThenPoolAndMoments) {
  RandomStream random(6, "winograd1d");
  for (const ConvShape& s : shapes()) {
    for (const float offset : {0.0F, 1000.0F}) {  // means far beyond the spread
      const std::size_t n_valid = pick(random, {1, 2, 5, 15, 16});
      const std::size_t pooled = s.out_channels * (s.out_height / 2) * (s.out_width / 2) * kLanes;
      Guarded<float> x(Sizes(s).x), w(Sizes(s).w), y(Sizes(s).y), pooled_y(pooled), want_pooled(pooled);
      Guarded<std::uint8_t> winner(pooled), want_winner(pooled);
      fill_uniform(x, random);
      fill_uniform(w, random);
      for (float& value : x) value += offset;
      const Forward plain(s, ConvWeights::as_is, x, w);
      Guarded<float> scratch(winograd1d_forward_scratch_size(s));
      std::vector<double> mean(s.out_channels), m2(s.out_channels), want_mean(s.out_channels),
          want_m2(s.out_channels);
      winograd1d_forward_pool(s, x.data(), plain.packed.data(),
                              {y.data(), pooled_y.data(), winner.data(), n_valid, mean.data(), m2.data()},
                              scratch.data());
      EXPECT_TRUE(y.guards_intact() && pooled_y.guards_intact() && winner.guards_intact() &&
                  scratch.guards_intact())
          << describe(s);
      EXPECT_TRUE(std::equal(y.begin(), y.end(), plain.y.data())) << describe(s);
      reference::max_pool_forward(s.out_channels, s.out_height, s.out_width, plain.y.data(),
                                  want_pooled.data(), want_winner.data());
      EXPECT_TRUE(std::equal(want_pooled.begin(), want_pooled.end(), pooled_y.begin())) << describe(s);
      EXPECT_TRUE(std::equal(want_winner.begin(), want_winner.end(), winner.begin())) << describe(s);
      reference::channel_moments(s.out_channels, s.out_height * s.out_width, n_valid,
                                 convert<double>(y).data(), want_mean.data(), want_m2.data());
      const double n = static_cast<double>(s.out_height * s.out_width * n_valid);
      for (std::size_t c = 0; c < s.out_channels; ++c) {
        const double deviation = std::sqrt(want_m2[c] / n);
        EXPECT_NEAR(mean[c], want_mean[c], 1e-6 * deviation + 1e-12) << describe(s);
        EXPECT_NEAR(m2[c], want_m2[c], 1e-5 * want_m2[c]) << describe(s);
      }
      if (HasFailure()) return;
    }
  }
}

TEST(Winograd1d, WeightGradientUnpoolAgreesWithReference) {
  RandomStream random(5, "winograd1d");
  for (const ConvShape& s : shapes()) {
    const std::size_t n_valid = pick(random, {1, 2, 5, 15, 16});
    const std::size_t pooled = s.out_channels * (s.out_height / 2) * (s.out_width / 2) * kLanes;
    Guarded<float> x(Sizes(s).x), z(Sizes(s).y), g(pooled), dw(Sizes(s).w, 1);
    Guarded<float> scratch(winograd1d_unpool_scratch_size(s));
    Guarded<std::uint8_t> winner(pooled);
    Guarded<float> mean(s.out_channels), inv_std(s.out_channels), mean_g(s.out_channels),
        mean_gx(s.out_channels);
    for (Guarded<float>* values : {&x, &z, &g, &dw, &mean, &inv_std, &mean_g, &mean_gx}) {
      fill_uniform(*values, random);
    }
    for (std::uint8_t& won : winner) won = static_cast<std::uint8_t>(random.uniform(0, 4));
    // Whatever unused lanes hold, even NaN, has no effect.
    for (std::size_t i = 0; i < z.size(); ++i) {
      if (i % kLanes >= n_valid) z[i] = std::numeric_limits<float>::quiet_NaN();
    }
    auto want = convert<double>(dw);
    std::vector<double> dy(Sizes(s).y);
    reference::batch_norm_backward_unpool(s.out_channels, s.out_height, s.out_width, n_valid,
                                          convert<double>(z).data(), convert<double>(g).data(), winner.data(),
                                          convert<double>(mean).data(), convert<double>(inv_std).data(),
                                          convert<double>(mean_g).data(), convert<double>(mean_gx).data(),
                                          dy.data());
    reference::conv2d_weight_gradient(s, convert<double>(x).data(), dy.data(), want.data());
    winograd1d_weight_gradient_unpool(s, x.data(),
                                      {z.data(), g.data(), winner.data(), mean.data(), inv_std.data(),
                                       mean_g.data(), mean_gx.data(), n_valid},
                                      dw.data(), scratch.data());
    EXPECT_TRUE(dw.guards_intact() && scratch.guards_intact()) << describe(s);
    expect_near_largest(dw.data(), want, describe(s));
    if (HasFailure()) return;
  }
}

// An output that is not stored: the same pool and moments to the bit.
TEST(Winograd1d, TheOutputNeedNotBeStored) {
  RandomStream random(7, "winograd1d");
  for (const ConvShape& s : shapes()) {
    const std::size_t n_valid = pick(random, {1, 2, 5, 15, 16});
    const std::size_t pooled = s.out_channels * (s.out_height / 2) * (s.out_width / 2) * kLanes;
    Guarded<float> x(Sizes(s).x), w(Sizes(s).w), y(Sizes(s).y), packed(winograd1d_packed_size(s));
    Guarded<float> max(pooled), want_max(pooled), scratch(winograd1d_pool_scratch_size(s));
    Guarded<std::uint8_t> winner(pooled), want_winner(pooled);
    std::vector<double> mean(s.out_channels), m2(s.out_channels), want_mean(mean), want_m2(mean);
    fill_uniform(x, random);
    fill_uniform(w, random);
    winograd1d_pack(s, ConvWeights::as_is, w.data(), packed.data());
    const auto forward = [&](float* output, Guarded<float>& pool, Guarded<std::uint8_t>& won,
                             std::vector<double>& means, std::vector<double>& squares) {
      winograd1d_forward_pool(s, x.data(), packed.data(),
                              {.y = output,
                               .pooled = pool.data(),
                               .winner = won.data(),
                               .n_valid = n_valid,
                               .mean = means.data(),
                               .m2 = squares.data()},
                              scratch.data());
    };
    forward(y.data(), want_max, want_winner, want_mean, want_m2);
    forward(nullptr, max, winner, mean, m2);
    EXPECT_TRUE(std::equal(max.begin(), max.end(), want_max.begin())) << describe(s);
    EXPECT_TRUE(std::equal(winner.begin(), winner.end(), want_winner.begin())) << describe(s);
    EXPECT_EQ(mean, want_mean) << describe(s);
    EXPECT_EQ(m2, want_m2) << describe(s);
    EXPECT_TRUE(max.guards_intact() && winner.guards_intact() && scratch.guards_intact()) << describe(s);
    if (HasFailure()) return;
  }
}

/// Maps of few channels with every padding and every residue of the width modulo a tile, from the smallest.
std::vector<ConvShape> shapes_without_output() {
  std::vector<ConvShape> all;
  RandomStream random(32, "winograd1d shapes");
  for (std::size_t padding = 2; padding < 5; ++padding) {
    const std::size_t least = std::max<std::size_t>(2 * (4 - padding), 1);
    for (std::size_t width = least; width < least + 9; ++width) {
      const std::size_t height = least + pick(random, {0, 1, 2, 5});
      all.push_back(
          make_shape(pick(random, {1, 1, 2, 3, 4}), pick(random, {1, 2, 3, 8}), height, width, padding));
    }
  }
  all.push_back(make_shape(1, 8, 28, 28, 2));
  all.push_back(make_shape(1, 16, 28, 28, 2));
  all.push_back(make_shape(3, 32, 32, 32, 2));
  all.push_back(make_shape(1, 4, 64, 64, 2));
  all.push_back(make_shape(2, 3, 62, 64, 2));
  return all;
}

/// The statistics that a batch norm of these rows has: its gradient is the small rest of large terms.
void set_statistics(const ConvShape& s, std::size_t n_valid, const std::vector<double>& z,
                    const Guarded<float>& g, const Guarded<std::uint8_t>& winner, Guarded<float>& mean,
                    Guarded<float>& inv_std, Guarded<float>& mean_g, Guarded<float>& mean_gx) {
  const std::size_t points = s.out_height * s.out_width;
  const std::size_t pooled_height = s.out_height / 2, pooled_width = s.out_width / 2;
  const double n = static_cast<double>(points * n_valid);
  for (std::size_t c = 0; c < s.out_channels; ++c) {
    const double* at = z.data() + c * points * kLanes;
    double sum = 0, squares = 0, sum_g = 0, sum_gx = 0;
    const auto for_points = [&](auto f) {
      for (std::size_t i = 0; i < points * kLanes; ++i)
        if (i % kLanes < n_valid) f(at[i]);
    };
    for_points([&](double value) { sum += value; });
    for_points([&](double value) { squares += (value - sum / n) * (value - sum / n); });
    const double scale = 1 / std::sqrt(squares / n + 1e-4);
    for (std::size_t i = 0; i < pooled_height * pooled_width; ++i) {
      for (std::size_t l = 0; l < n_valid; ++l) {
        const std::size_t window = (c * pooled_height * pooled_width + i) * kLanes + l, k = winner[window];
        const std::size_t point =
            (2 * (i / pooled_width) + k / 2) * s.out_width + 2 * (i % pooled_width) + k % 2;
        sum_g += static_cast<double>(g[window]);
        sum_gx += static_cast<double>(g[window]) * (at[point * kLanes + l] - sum / n) * scale;
      }
    }
    mean[c] = static_cast<float>(sum / n);
    inv_std[c] = static_cast<float>(scale);
    mean_g[c] = static_cast<float>(sum_g / n);
    mean_gx[c] = static_cast<float>(sum_gx / n);
  }
}

TEST(Winograd1d, OfFewChannelsTheWeightGradientNeedsNoOutput) {
  RandomStream random(8, "winograd1d");
  for (const ConvShape& s : shapes_without_output()) {
    ASSERT_TRUE(patch_moments_serve(s)) << describe(s);
    const std::size_t n_valid = pick(random, {1, 2, 5, 15, 16});
    const std::size_t pooled = s.out_channels * (s.out_height / 2) * (s.out_width / 2) * kLanes;
    Guarded<float> x(Sizes(s).x), w(Sizes(s).w), dw(Sizes(s).w, 1), g(pooled);
    Guarded<float> mean(s.out_channels, 1), inv_std(s.out_channels, 1), mean_g(s.out_channels, 1),
        mean_gx(s.out_channels, 1),
        scratch(std::max(winograd1d_unpool_scratch_size(s), patch_moments_scratch_size(s)));
    Guarded<std::uint8_t> winner(pooled);
    for (auto* values : {&x, &w, &dw, &g, &mean, &inv_std, &mean_g, &mean_gx}) fill_uniform(*values, random);
    for (std::uint8_t& won : winner) won = static_cast<std::uint8_t>(random.uniform(0, 4));
    const bool as_in_training = s.width % 2 == 0;
    if (as_in_training) {
      const float contrast = s.width % 4 == 0 ? 1.0F : 0.1F;  // an image: of full contrast, or nearly white
      for (float& value : x) value = 1 - contrast * std::abs(value);
      for (float& value : g) value += 1;
      std::fill(dw.begin(), dw.end(), 0.0F);
    }
    auto want = convert<double>(dw);
    std::vector<double> z(Sizes(s).y), dy(Sizes(s).y), packed(Sizes(s).w);
    reference::conv2d_pack(s, ConvWeights::as_is, convert<double>(w).data(), packed.data());
    reference::conv2d_forward(s, convert<double>(x).data(), packed.data(), z.data());
    if (as_in_training) set_statistics(s, n_valid, z, g, winner, mean, inv_std, mean_g, mean_gx);
    reference::batch_norm_backward_unpool(
        s.out_channels, s.out_height, s.out_width, n_valid, z.data(), convert<double>(g).data(),
        winner.data(), convert<double>(mean).data(), convert<double>(inv_std).data(),
        convert<double>(mean_g).data(), convert<double>(mean_gx).data(), dy.data());
    reference::conv2d_weight_gradient(s, convert<double>(x).data(), dy.data(), want.data());
    winograd1d_weight_gradient_unpool(s, x.data(),
                                      {.x = nullptr,
                                       .g = g.data(),
                                       .winner = winner.data(),
                                       .mean = mean.data(),
                                       .inv_std = inv_std.data(),
                                       .mean_g = mean_g.data(),
                                       .mean_gx = mean_gx.data(),
                                       .n_valid = n_valid},
                                      dw.data(), scratch.data());
    // The moments of the group, or those of its samples added up.
    const std::size_t size = patch_moments_size(s);
    Guarded<double> moments(size);
    if (s.height % 2 == 0) {
      patch_moments_of_group(s, x.data(), n_valid, moments.data(), scratch.data());
    } else {
      Guarded<float> rows(n_valid * size);
      std::vector<std::uint32_t> order(n_valid);
      for (std::size_t i = 0; i < n_valid; ++i) order[i] = static_cast<std::uint32_t>(i);
      patch_moments_of_samples(s, x.data(), n_valid, rows.data(), scratch.data());
      sum_of_rows(size, rows.data(), order.data(), n_valid, moments.data());
    }
    for (std::size_t o = 0; o < s.out_channels; ++o) {
      const double scale = inv_std[o], b = -scale * scale * static_cast<double>(mean_gx[o]);
      const std::size_t at = o * s.in_channels * 25;
      add_patch_moments_gradient(s, moments.data(), -b * static_cast<double>(mean[o]), b, w.data() + at,
                                 dw.data() + at);
    }
    EXPECT_TRUE(dw.guards_intact() && scratch.guards_intact()) << describe(s);
    expect_near_largest(dw.data(), want, describe(s));
    if (HasFailure()) return;
  }
}

TEST(Winograd1d, LanesNeverMix) {
  constexpr std::size_t kChanged = 5;
  RandomStream random(4, "winograd1d");
  const ConvShape s = make_shape(3, 5, 9, 14, 2);
  Guarded<float> x(Sizes(s).x), w(Sizes(s).w);
  fill_uniform(x, random);
  fill_uniform(w, random);
  const Forward before(s, ConvWeights::as_is, x, w);
  for (std::size_t i = kChanged; i < x.size(); i += kLanes) x[i] = std::numeric_limits<float>::infinity();
  const Forward after(s, ConvWeights::as_is, x, w);
  for (std::size_t i = 0; i < before.y.size(); ++i) {
    if (i % kLanes != kChanged) {
      ASSERT_EQ(before.y[i], after.y[i]) << "element " << i;
    }
  }
}

}  // namespace
}  // namespace deepsad::kernels
