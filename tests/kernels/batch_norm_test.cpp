#include "kernels/batch_norm/batch_norm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "kernel_test.h"
#include "kernels/batch_norm/batch_norm_reference.h"

namespace deepsad::kernels {
namespace {

using namespace test;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Shape {
  std::size_t channels, plane, n_valid;
};
std::string describe(const Shape& s) {
  return std::to_string(s.channels) + " channels of " + std::to_string(s.plane) + " points, " +
         std::to_string(s.n_valid) + " valid lanes";
}

/// Every n_valid, planes around the accumulators and beyond the folding of sums into double.
std::vector<Shape> shapes() {
  std::vector<Shape> all;
  for (std::size_t n_valid = 1; n_valid <= kLanes; ++n_valid) {
    for (const std::size_t plane : {1U, 2U, 3U, 4U, 5U, 6U, 7U, 25U, 196U})
      all.push_back({1 + n_valid % 4, plane, n_valid});
  }
  for (const std::size_t plane : {511U, 512U, 1024U, 1027U, 2050U}) all.push_back({2, plane, 13});
  return all;
}

void poison_unused(Guarded<float>& values, std::size_t n_valid, float poison = kNan) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i % kLanes >= n_valid) values[i] = poison;
  }
}
/// Values spread around another mean in each channel, far off it in some.
void fill_channels(Guarded<float>& x, std::size_t channels, RandomStream& random) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double mean = 10.0 * static_cast<double>(i / (x.size() / channels));
    x[i] = static_cast<float>(mean + random.uniform(-1, 1));
  }
}

struct Statistics {
  Guarded<float> mean, inv_std, mean_g, mean_gx;
  Statistics(std::size_t channels, RandomStream& random)
      : mean(channels), inv_std(channels), mean_g(channels), mean_gx(channels) {
    for (auto* values : {&mean, &inv_std, &mean_g, &mean_gx}) fill_uniform(*values, random);
    for (float& value : inv_std) value = 0.5F + value * value;
  }
};

TEST(BatchNorm, MomentsAgreeWithReference) {
  RandomStream random(1, "batch norm");
  for (const Shape& s : shapes()) {
    Guarded<float> x(s.channels * s.plane * kLanes);
    fill_channels(x, s.channels, random);
    const auto x64 = convert<double>(x);
    poison_unused(x, s.n_valid);
    Guarded<double> mean(s.channels), m2(s.channels);
    std::vector<double> want_mean(s.channels), want_m2(s.channels);
    channel_moments(s.channels, s.plane, s.n_valid, x.data(), mean.data(), m2.data());
    reference::channel_moments(s.channels, s.plane, s.n_valid, x64.data(), want_mean.data(), want_m2.data());
    const double n = static_cast<double>(s.plane * s.n_valid);
    for (std::size_t c = 0; c < s.channels; ++c) {
      // Deviations are below 2 and keep the rounding of a float of that size, also where the mean is 30.
      EXPECT_NEAR(mean[c], want_mean[c], 4e-7) << describe(s) << ", channel " << c;
      EXPECT_NEAR(m2[c], want_m2[c], 4e-6 * n) << describe(s) << ", channel " << c;
      EXPECT_GE(m2[c], 0);
    }
    EXPECT_TRUE(mean.guards_intact() && m2.guards_intact());
    if (HasFailure()) return;
  }
}

TEST(BatchNorm, MomentsOfConstantAndIntegerChannelsAreExact) {
  for (const Shape& s : shapes()) {
    Guarded<float> x(2 * s.plane * kLanes);
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = i < x.size() / 2 ? 0.1F : static_cast<float>(i % kLanes);
    poison_unused(x, s.n_valid);
    std::vector<double> mean(2), m2(2);
    channel_moments(2, s.plane, s.n_valid, x.data(), mean.data(), m2.data());
    EXPECT_EQ(mean[0], static_cast<double>(0.1F)) << describe(s);
    EXPECT_EQ(m2[0], 0) << describe(s);
    EXPECT_NEAR(mean[1], static_cast<double>(s.n_valid - 1) / 2, 1e-12) << describe(s);
  }
}

TEST(BatchNorm, ForwardAgreesWithReferenceAlsoInPlace) {
  RandomStream random(2, "batch norm");
  for (const Shape& s : shapes()) {
    for (const float slope : {0.0F, 0.1F, 1.0F}) {
      const Statistics statistics(s.channels, random);
      Guarded<float> x(s.channels * s.plane * kLanes), y(x.size());
      fill_uniform(x, random);
      std::vector<double> want(x.size()), magnitude(x.size());
      reference::batch_norm_forward<double>(
          s.channels, s.plane, convert<double>(x).data(), convert<double>(statistics.mean).data(),
          convert<double>(statistics.inv_std).data(), static_cast<double>(slope), want.data());
      for (std::size_t i = 0; i < x.size(); ++i) magnitude[i] = 3;  // (|x| + |mean|) inv_std
      batch_norm_forward(s.channels, s.plane, x.data(), statistics.mean.data(), statistics.inv_std.data(),
                         slope, y.data());
      expect_close(y.data(), want, magnitude, 1, describe(s));
      batch_norm_forward(s.channels, s.plane, x.data(), statistics.mean.data(), statistics.inv_std.data(),
                         slope, x.data());
      EXPECT_TRUE(std::equal(x.begin(), x.end(), y.begin())) << describe(s);
      EXPECT_TRUE(y.guards_intact());
      if (HasFailure()) return;
    }
  }
}

TEST(BatchNorm, BackwardAgreesWithReference) {
  RandomStream random(3, "batch norm");
  for (const Shape& s : shapes()) {
    const float slope = pick(random, {0, 1}) == 0 ? 0.1F : 1.0F;
    const Statistics statistics(s.channels, random);
    const std::size_t n = s.channels * s.plane * kLanes;
    Guarded<float> x(n), dy(n), dx(n);
    fill_uniform(x, random);
    fill_uniform(dy, random);
    auto dy64 = convert<double>(dy);
    const auto x64 = convert<double>(x);
    const auto mean = convert<double>(statistics.mean), inv_std = convert<double>(statistics.inv_std);
    const auto mean_g = convert<double>(statistics.mean_g), mean_gx = convert<double>(statistics.mean_gx);
    poison_unused(x, s.n_valid);
    poison_unused(dy, s.n_valid);
    // First half.
    Guarded<double> sum_g(s.channels), sum_gx(s.channels);
    std::vector<double> want_g(s.channels), want_gx(s.channels);
    batch_norm_backward_sums(s.channels, s.plane, s.n_valid, x.data(), statistics.mean.data(),
                             statistics.inv_std.data(), slope, dy.data(), sum_g.data(), sum_gx.data());
    reference::batch_norm_backward_sums<double>(s.channels, s.plane, s.n_valid, x64.data(), mean.data(),
                                                inv_std.data(), static_cast<double>(slope), dy64.data(),
                                                want_g.data(), want_gx.data());
    const std::vector<double> ones(n, 1.0);
    expect_close(dy.data(), dy64, ones, 1, "g of " + describe(s));
    const double terms = static_cast<double>(s.plane * s.n_valid);
    for (std::size_t c = 0; c < s.channels; ++c) {
      EXPECT_NEAR(sum_g[c], want_g[c], 1e-6 * terms) << describe(s);    // |g| <= 1
      EXPECT_NEAR(sum_gx[c], want_gx[c], 3e-6 * terms) << describe(s);  // |g xhat| <= 3
    }
    // Second half, apart and in place of either input.
    std::vector<double> want(n);
    reference::batch_norm_backward<double>(s.channels, s.plane, s.n_valid, x64.data(), dy64.data(),
                                           mean.data(), inv_std.data(), mean_g.data(), mean_gx.data(),
                                           want.data());
    const std::vector<double> magnitude(n, 1.5 * (1 + 1 + 3));  // inv_std (|g| + |mean_g| + |xhat mean_gx|)
    const auto backward = [&](const float* g, float* to) {
      batch_norm_backward(s.channels, s.plane, s.n_valid, x.data(), g, statistics.mean.data(),
                          statistics.inv_std.data(), statistics.mean_g.data(), statistics.mean_gx.data(), to);
    };
    backward(dy.data(), dx.data());
    expect_close(dx.data(), want, magnitude, 1, "dx of " + describe(s));
    EXPECT_TRUE(dx.guards_intact() && dy.guards_intact() && sum_g.guards_intact() && sum_gx.guards_intact());
    Guarded<float> g = dy;
    backward(g.data(), g.data());
    EXPECT_TRUE(std::equal(g.begin(), g.end(), dx.begin())) << describe(s);
    backward(dy.data(), x.data());
    EXPECT_TRUE(std::equal(x.begin(), x.end(), dx.begin())) << describe(s);
    if (HasFailure()) return;
  }
}

TEST(BatchNorm, BackwardWithFixedMomentsAgreesWithReference) {
  RandomStream random(6, "batch norm");
  for (const Shape& s : shapes()) {
    for (const float slope : {0.0F, 0.1F, 1.0F}) {
      const Statistics statistics(s.channels, random);
      const std::size_t n = s.channels * s.plane * kLanes;
      Guarded<float> x(n), dy(n), dx(n);
      fill_uniform(x, random);
      fill_uniform(dy, random);
      std::vector<double> want(n);
      reference::batch_norm_backward_fixed<double>(
          s.channels, s.plane, convert<double>(x).data(), convert<double>(dy).data(),
          convert<double>(statistics.mean).data(), convert<double>(statistics.inv_std).data(),
          static_cast<double>(slope), want.data());
      const auto backward = [&](const float* from, float* to) {
        batch_norm_backward_fixed(s.channels, s.plane, x.data(), from, statistics.mean.data(),
                                  statistics.inv_std.data(), slope, to);
      };
      backward(dy.data(), dx.data());
      expect_close(dx.data(), want, std::vector<double>(n, 1.5), 1, describe(s));
      EXPECT_TRUE(dx.guards_intact());
      Guarded<float> g = dy;
      backward(g.data(), g.data());
      EXPECT_TRUE(std::equal(g.begin(), g.end(), dx.begin())) << describe(s);
      backward(dy.data(), x.data());
      EXPECT_TRUE(std::equal(x.begin(), x.end(), dx.begin())) << describe(s);
      if (HasFailure()) return;
    }
  }
}

TEST(BatchNorm, UnpoolAgreesWithReference) {
  RandomStream random(4, "batch norm");
  for (std::size_t height = 1; height <= 9; ++height) {
    for (const std::size_t width : {1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U, 9U, 14U}) {
      const Shape s{1 + height % 3, height * width, 1 + (height * 5 + width) % kLanes};
      const Statistics statistics(s.channels, random);
      const std::size_t n = s.channels * s.plane * kLanes,
                        pooled = s.channels * (height / 2) * (width / 2) * kLanes;
      Guarded<float> x(n), g(pooled), dx(n);
      Guarded<std::uint8_t> winner(pooled, 1);
      fill_uniform(x, random);
      fill_uniform(g, random);
      for (std::uint8_t& position : winner) position = static_cast<std::uint8_t>(random.next_u32() % 4);
      std::vector<double> want(n);
      reference::batch_norm_backward_unpool<double>(
          s.channels, height, width, s.n_valid, convert<double>(x).data(), convert<double>(g).data(),
          winner.data(), convert<double>(statistics.mean).data(), convert<double>(statistics.inv_std).data(),
          convert<double>(statistics.mean_g).data(), convert<double>(statistics.mean_gx).data(), want.data());
      poison_unused(x, s.n_valid);
      poison_unused(g, s.n_valid);
      const auto unpool = [&](float* to) {
        batch_norm_backward_unpool(s.channels, height, width, s.n_valid, x.data(), g.data(), winner.data(),
                                   statistics.mean.data(), statistics.inv_std.data(),
                                   statistics.mean_g.data(), statistics.mean_gx.data(), to);
      };
      const std::string what = std::to_string(height) + "x" + std::to_string(width) + ", " + describe(s);
      unpool(dx.data());
      expect_close(dx.data(), want, std::vector<double>(n, 1.5 * (1 + 1 + 3)), 1, what);
      EXPECT_TRUE(dx.guards_intact()) << what;
      unpool(x.data());
      EXPECT_TRUE(std::equal(x.begin(), x.end(), dx.begin())) << what;
      if (HasFailure()) return;
    }
  }
}

// Forward, moments and both halves of the backward pass together are the derivative of the normalised map:
// central differences in double on a map whose points avoid the kink of the activation.
TEST(BatchNorm, BackwardIsTheDerivative) {
  constexpr std::size_t kPlane = 3, kValid = 5, kPoints = kPlane * kLanes;
  constexpr double kSlope = 0.1, kStep = 1e-6;
  RandomStream random(5, "batch norm");
  std::vector<double> x(kPoints), weights(kPoints, 0.0);
  for (double& value : x) value = random.uniform(0.3, 1) * (random.uniform() < 0.5 ? -1 : 1);
  for (std::size_t i = 0; i < kPoints; ++i) weights[i] = i % kLanes < kValid ? random.uniform(-1, 1) : 0;
  double mean = 0, inv_std = 0;
  const auto loss = [&](const std::vector<double>& at) {
    double m2 = 0;
    std::vector<double> y(kPoints);
    channel_moments(1, kPlane, kValid, at.data(), &mean, &m2);
    inv_std = 1 / std::sqrt(m2 / (kPlane * kValid) + 1e-4);
    batch_norm_forward(1, kPlane, at.data(), &mean, &inv_std, kSlope, y.data());
    double sum = 0;
    for (std::size_t i = 0; i < kPoints; ++i) sum += weights[i] * y[i];
    return sum;
  };
  std::vector<double> numeric(kPoints);
  for (std::size_t i = 0; i < kPoints; ++i) {
    auto up = x, down = x;
    up[i] += kStep;
    down[i] -= kStep;
    numeric[i] = (loss(up) - loss(down)) / (2 * kStep);
  }
  loss(x);
  std::vector<double> g = weights, dx(kPoints);
  double sum_g = 0, sum_gx = 0;
  batch_norm_backward_sums(1, kPlane, kValid, x.data(), &mean, &inv_std, kSlope, g.data(), &sum_g, &sum_gx);
  const double mean_g = sum_g / (kPlane * kValid), mean_gx = sum_gx / (kPlane * kValid);
  batch_norm_backward(1, kPlane, kValid, x.data(), g.data(), &mean, &inv_std, &mean_g, &mean_gx, dx.data());
  for (std::size_t i = 0; i < kPoints; ++i) EXPECT_NEAR(dx[i], numeric[i], 1e-7) << i;
}

}  // namespace
}  // namespace deepsad::kernels
