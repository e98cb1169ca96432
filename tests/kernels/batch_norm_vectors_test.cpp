#include "kernels/batch_norm/batch_norm_vectors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kernel_test.h"
#include "kernels/batch_norm/batch_norm_vectors_reference.h"

namespace deepsad::kernels {
namespace {

using namespace test;

constexpr double kEpsilon = 1e-4;

struct Shape {
  std::size_t channels, n_samples;
  [[nodiscard]] std::size_t n_groups() const { return (n_samples + kLanes - 1) / kLanes; }
  [[nodiscard]] std::size_t step() const { return channels * kLanes + kLanes; }
  /// Calls f(channel, position in the buffer of groups) for every sample.
  template <class F>
  void for_each(F f) const {
    for (std::size_t i = 0; i < n_samples; ++i) {
      for (std::size_t c = 0; c < channels; ++c) f(c, i / kLanes * step() + c * kLanes + i % kLanes);
    }
  }
  [[nodiscard]] std::string text() const {
    return std::to_string(channels) + " channels of " + std::to_string(n_samples) + " samples";
  }
};

/// Channels around the four that go together, all remainders of a group, and sums folded into double.
std::vector<Shape> shapes() {
  std::vector<Shape> all;
  for (std::size_t n_samples = 1; n_samples <= 34; ++n_samples) all.push_back({1 + n_samples % 9, n_samples});
  for (const std::size_t n_samples : {127U, 128U, 129U, 200U}) all.push_back({13, n_samples});
  for (const std::size_t n_samples : {4095U, 4096U, 4097U, 4100U, 8193U}) all.push_back({5, n_samples});
  return all;
}

/// Groups with a gap between them; unused lanes and gaps hold NaN.
struct Groups {
  Guarded<float> values;
  explicit Groups(const Shape& s) : values(s.n_groups() * s.step()) {}
  VectorGroups<float> of(const Shape& s) { return {values.data(), s.step()}; }
  VectorGroups<const float> read(const Shape& s) const { return {values.data(), s.step()}; }
};

/// Spread around another mean in each channel, far off it in some.
Groups around_means(const Shape& s, RandomStream& random) {
  Groups x(s);
  s.for_each([&](std::size_t c, std::size_t at) {
    x.values[at] = static_cast<float>(10 * static_cast<double>(c) + random.uniform(-1, 1));
  });
  return x;
}
Groups uniform(const Shape& s, RandomStream& random) {
  Groups x(s);
  s.for_each([&](std::size_t, std::size_t at) { x.values[at] = static_cast<float>(random.uniform(-1, 1)); });
  return x;
}

template <class T>
struct Moments {
  std::vector<double> mean, m2;
  std::vector<T> center, inv_std, mean_g, mean_gx;
  explicit Moments(std::size_t channels)
      : mean(channels),
        m2(channels),
        center(channels),
        inv_std(channels),
        mean_g(channels),
        mean_gx(channels) {}
  VectorMoments<T> of() { return {mean.data(), m2.data(), center.data(), inv_std.data()}; }
  VectorGradients<T> gradients() { return {mean_g.data(), mean_gx.data()}; }
};

/// f(part) for two parts of the channels, as two threads would.
template <class F>
void in_parts(const Shape& s, F f) {
  f(VectorNorm{s.n_samples, 0, s.channels / 2});
  f(VectorNorm{s.n_samples, s.channels / 2, s.channels});
}

/// Only values of samples were written, or of unused lanes, never those between the groups.
void expect_gaps_intact(const Shape& s, const Groups& groups) {
  EXPECT_TRUE(groups.values.guards_intact()) << s.text();
  for (std::size_t g = 0; g < s.n_groups(); ++g) {
    for (std::size_t i = s.channels * kLanes; i < s.step(); ++i)
      ASSERT_TRUE(std::isnan(groups.values[g * s.step() + i])) << s.text();
  }
}

void expect_unused_zero(const Shape& s, const Groups& groups) {
  for (std::size_t c = 0; c < s.channels; ++c) {
    for (std::size_t lane = (s.n_samples - 1) % kLanes + 1; lane < kLanes; ++lane)
      ASSERT_EQ(groups.values[(s.n_groups() - 1) * s.step() + c * kLanes + lane], 0) << s.text();
  }
}

TEST(BatchNormVectors, ForwardAgreesWithReferenceAlsoInPlace) {
  RandomStream random(1, "vectors");
  for (const Shape& s : shapes()) {
    const float slope = s.n_samples % 3 == 0 ? 1.0F : s.n_samples % 3 == 1 ? 0.1F : 0.0F;
    const Groups x = around_means(s, random);
    Groups y(s);
    Moments<float> moments(s.channels);
    in_parts(s, [&](const VectorNorm& part) {
      batch_norm_vectors_forward(part, x.read(s), kEpsilon, slope, moments.of(), y.of(s));
    });
    const std::vector<double> x64 = convert<double>(x.values);
    std::vector<double> want(x64.size());
    Moments<double> wanted(s.channels);
    reference::batch_norm_vectors_forward<double>({s.n_samples, 0, s.channels}, {x64.data(), s.step()},
                                                  kEpsilon, static_cast<double>(slope), wanted.of(),
                                                  {want.data(), s.step()});
    const double n = static_cast<double>(s.n_samples);
    for (std::size_t c = 0; c < s.channels; ++c) {
      // Deviations are below 2 and keep the rounding of a float of that size, also where the mean is 80.
      EXPECT_NEAR(moments.mean[c], wanted.mean[c], 4e-7) << s.text() << ", channel " << c;
      EXPECT_NEAR(moments.m2[c], wanted.m2[c], 4e-6 * n) << s.text() << ", channel " << c;
      EXPECT_EQ(moments.center[c], static_cast<float>(moments.mean[c])) << s.text();
      EXPECT_EQ(moments.inv_std[c], static_cast<float>(1 / std::sqrt(moments.m2[c] / n + kEpsilon)))
          << s.text();
    }
    s.for_each([&](std::size_t c, std::size_t at) {
      // The centre's rounding, in units of the standard deviation, and those of the result.
      const double inv_std = wanted.inv_std[c];
      const double bound = inv_std * (6e-8 * std::abs(wanted.mean[c]) + 1e-6) + 1e-5 * std::abs(want[at]);
      ASSERT_NEAR(y.values[at], want[at], bound) << s.text() << ", channel " << c;
    });
    expect_unused_zero(s, y);
    expect_gaps_intact(s, y);
    // Parts make what one call makes.
    Groups whole(s);
    Moments<float> at_once(s.channels);
    batch_norm_vectors_forward({s.n_samples, 0, s.channels}, x.read(s), kEpsilon, slope, at_once.of(),
                               whole.of(s));
    EXPECT_EQ(at_once.mean, moments.mean) << s.text();
    EXPECT_EQ(at_once.m2, moments.m2) << s.text();
    s.for_each([&](std::size_t, std::size_t at) { ASSERT_EQ(whole.values[at], y.values[at]) << s.text(); });
    Groups in_place = x;
    in_parts(s, [&](const VectorNorm& part) {
      batch_norm_vectors_forward(part, in_place.read(s), kEpsilon, slope, moments.of(), in_place.of(s));
    });
    s.for_each(
        [&](std::size_t, std::size_t at) { ASSERT_EQ(in_place.values[at], y.values[at]) << s.text(); });
    if (HasFailure()) return;
  }
}

TEST(BatchNormVectors, MomentsOfConstantAndIntegerChannelsAreExact) {
  for (const Shape& shape : shapes()) {
    const Shape s{2, shape.n_samples};
    Groups x(s), y(s);
    double sum = 0, squares = 0;
    s.for_each([&](std::size_t c, std::size_t at) {
      const double integer = static_cast<double>(at % 7);
      x.values[at] = c == 0 ? 0.1F : static_cast<float>(integer);
      sum += c == 0 ? 0 : integer;
      squares += c == 0 ? 0 : integer * integer;
    });
    Moments<float> moments(2);
    batch_norm_vectors_forward({s.n_samples, 0, 2}, x.read(s), kEpsilon, 1, moments.of(), y.of(s));
    EXPECT_EQ(moments.mean[0], static_cast<double>(0.1F)) << s.text();
    EXPECT_EQ(moments.m2[0], 0) << s.text();
    const double n = static_cast<double>(s.n_samples);
    EXPECT_NEAR(moments.mean[1], sum / n, 1e-12) << s.text();
    EXPECT_NEAR(moments.m2[1], squares - sum * sum / n, 1e-6 * (1 + squares)) << s.text();
  }
}

TEST(BatchNormVectors, BackwardAgreesWithReferenceAlsoInPlace) {
  RandomStream random(2, "vectors");
  for (const Shape& s : shapes()) {
    const float slope = s.n_samples % 2 == 0 ? 0.1F : 1.0F;
    const Groups x = uniform(s, random), dy = uniform(s, random);
    Moments<float> moments(s.channels);
    Moments<double> wanted(s.channels);
    for (std::size_t c = 0; c < s.channels; ++c) {
      wanted.center[c] = moments.center[c] = static_cast<float>(random.uniform(-1, 1));
      wanted.inv_std[c] = moments.inv_std[c] = static_cast<float>(random.uniform(0.5, 1.5));
    }
    const std::vector<double> x64 = convert<double>(x.values);
    std::vector<double> g64 = convert<double>(dy.values), want(x64.size());
    reference::batch_norm_vectors_backward<double>(
        {s.n_samples, 0, s.channels}, {x64.data(), s.step()}, wanted.of(), static_cast<double>(slope),
        {g64.data(), s.step()}, wanted.gradients(), {want.data(), s.step()});
    Groups g = dy, dx(s);
    in_parts(s, [&](const VectorNorm& part) {
      batch_norm_vectors_backward(part, x.read(s), moments.of(), slope, g.of(s), moments.gradients(),
                                  dx.of(s));
    });
    for (std::size_t c = 0; c < s.channels; ++c) {
      EXPECT_NEAR(moments.mean_g[c], wanted.mean_g[c], 1e-6) << s.text();    // |g| <= 1
      EXPECT_NEAR(moments.mean_gx[c], wanted.mean_gx[c], 3e-6) << s.text();  // |g xhat| <= 3
    }
    s.for_each([&](std::size_t c, std::size_t at) {
      ASSERT_NEAR(g.values[at], g64[at], 1e-7) << s.text();
      // inv_std (|g| + |mean_g| + |xhat mean_gx|), a few roundings of each
      ASSERT_NEAR(dx.values[at], want[at], 1.5 * (1 + 1 + 9) * 1e-6) << s.text() << ", channel " << c;
    });
    expect_unused_zero(s, dx);
    expect_unused_zero(s, g);
    Groups whole_g = dy, whole(s);
    Moments<float> at_once = moments;
    batch_norm_vectors_backward({s.n_samples, 0, s.channels}, x.read(s), at_once.of(), slope, whole_g.of(s),
                                at_once.gradients(), whole.of(s));
    EXPECT_EQ(at_once.mean_g, moments.mean_g) << s.text();
    EXPECT_EQ(at_once.mean_gx, moments.mean_gx) << s.text();
    s.for_each([&](std::size_t, std::size_t at) { ASSERT_EQ(whole.values[at], dx.values[at]) << s.text(); });
    expect_gaps_intact(s, dx);
    expect_gaps_intact(s, g);
    Groups over_x = x, over_dy = dy, other = dy;
    in_parts(s, [&](const VectorNorm& part) {
      batch_norm_vectors_backward(part, over_x.read(s), moments.of(), slope, other.of(s), moments.gradients(),
                                  over_x.of(s));
      batch_norm_vectors_backward(part, x.read(s), moments.of(), slope, over_dy.of(s), moments.gradients(),
                                  over_dy.of(s));
    });
    s.for_each([&](std::size_t, std::size_t at) {
      ASSERT_EQ(over_x.values[at], dx.values[at]) << s.text();
      ASSERT_EQ(over_dy.values[at], dx.values[at]) << s.text();
    });
    if (HasFailure()) return;
  }
}

// Central differences in double on values that avoid the kink of the activation.
TEST(BatchNormVectors, BackwardIsTheDerivative) {
  constexpr double kSlope = 0.1, kStep = 1e-6;
  const Shape s{3, 21};
  RandomStream random(3, "vectors");
  std::vector<double> x(s.n_groups() * s.step()), weights(x.size()), y(x.size()), dx(x.size());
  s.for_each([&](std::size_t, std::size_t at) {
    x[at] = random.uniform(0.3, 1) * (random.uniform() < 0.5 ? -1 : 1);
    weights[at] = random.uniform(-1, 1);
  });
  const VectorNorm all{s.n_samples, 0, s.channels};
  Moments<double> moments(s.channels);
  const auto loss = [&](const std::vector<double>& values) {
    batch_norm_vectors_forward(all, VectorGroups<const double>{values.data(), s.step()}, kEpsilon, kSlope,
                               moments.of(), VectorGroups<double>{y.data(), s.step()});
    double sum = 0;
    s.for_each([&](std::size_t, std::size_t at) { sum += weights[at] * y[at]; });
    return sum;
  };
  std::vector<double> numeric(x.size());
  s.for_each([&](std::size_t, std::size_t at) {
    auto up = x, down = x;
    up[at] += kStep;
    down[at] -= kStep;
    numeric[at] = (loss(up) - loss(down)) / (2 * kStep);
  });
  loss(x);
  std::vector<double> g = weights;
  batch_norm_vectors_backward(all, VectorGroups<const double>{x.data(), s.step()}, moments.of(), kSlope,
                              VectorGroups<double>{g.data(), s.step()}, moments.gradients(),
                              VectorGroups<double>{dx.data(), s.step()});
  s.for_each([&](std::size_t, std::size_t at) { EXPECT_NEAR(dx[at], numeric[at], 1e-7); });
}

}  // namespace
}  // namespace deepsad::kernels
