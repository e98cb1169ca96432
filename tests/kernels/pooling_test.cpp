#include "kernels/pooling/pooling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kernel_test.h"
#include "kernels/pooling/pooling_reference.h"

namespace deepsad::kernels {
namespace {

using namespace test;

struct Map {
  std::size_t channels, height, width;
  [[nodiscard]] std::size_t size() const { return channels * height * width * kLanes; }
  [[nodiscard]] std::size_t pooled() const { return channels * (height / 2) * (width / 2) * kLanes; }
};
std::string describe(const Map& m) {
  return std::to_string(m.channels) + "x" + std::to_string(m.height) + "x" + std::to_string(m.width);
}

std::vector<Map> maps() {
  std::vector<Map> all = {{2, 14, 28}, {1, 28, 14}};
  for (std::size_t height = 1; height <= 9; ++height) {
    for (std::size_t width = 1; width <= 9; ++width) all.push_back({1 + (height + width) % 3, height, width});
  }
  return all;
}

// Small integers: half of the windows have a tie.
TEST(MaxPool, AgreesWithReferenceAlsoAtTies) {
  RandomStream random(1, "pooling");
  for (const Map& m : maps()) {
    Guarded<float> x(m.size()), y(m.pooled()), dx(m.size());
    Guarded<std::uint8_t> winner(m.pooled(), 1), want_winner(m.pooled());
    fill_integers(x, random);
    const auto x64 = convert<double>(x);
    std::vector<double> want(m.pooled()), want_dx(m.size());
    max_pool_forward(m.channels, m.height, m.width, x.data(), y.data(), winner.data());
    reference::max_pool_forward(m.channels, m.height, m.width, x64.data(), want.data(), want_winner.data());
    expect_equal(y.data(), want, describe(m));
    EXPECT_TRUE(std::equal(winner.begin(), winner.end(), want_winner.begin())) << describe(m);
    EXPECT_TRUE(y.guards_intact() && winner.guards_intact()) << describe(m);
    fill_uniform(y, random);
    max_pool_backward(m.channels, m.height, m.width, y.data(), winner.data(), dx.data());
    reference::max_pool_backward(m.channels, m.height, m.width, convert<double>(y).data(), want_winner.data(),
                                 want_dx.data());
    expect_equal(dx.data(), want_dx, "gradient, " + describe(m));
    EXPECT_TRUE(dx.guards_intact()) << describe(m);
    if (HasFailure()) return;
  }
}

TEST(MaxPool, FirstWinsTiesAndNanWinsOverNumbers) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  struct Case {
    float window[4];
    std::uint8_t winner;
  };
  const Case cases[] = {{{1, 1, 1, 1}, 0},
                        {{0, 1, 1, 0}, 1},
                        {{0, 0, 1, 1}, 2},
                        {{0, 0, 0, 1}, 3},
                        {{0, -0.0F, 0, 0}, 0},
                        {{5, kNan, 9, kNan}, 1},
                        {{kNan, kNan, 9, 1}, 0},
                        {{1, 2, kInfinity, kNan}, 3},
                        {{-kInfinity, -kInfinity, -kInfinity, -kInfinity}, 0}};
  Guarded<float> x(4 * kLanes), y(kLanes);
  Guarded<std::uint8_t> winner(kLanes);
  x.fill(0);
  for (std::size_t l = 0; l < std::size(cases); ++l) {
    for (std::size_t k = 0; k < 4; ++k) x[k * kLanes + l] = cases[l].window[k];
  }
  max_pool_forward(1, 2, 2, x.data(), y.data(), winner.data());
  for (std::size_t l = 0; l < std::size(cases); ++l) {
    EXPECT_EQ(winner[l], cases[l].winner) << "case " << l;
    const float want = cases[l].window[cases[l].winner];
    EXPECT_TRUE(y[l] == want || (std::isnan(y[l]) && std::isnan(want))) << "case " << l;
  }
}

TEST(Upsample, AgreesWithReference) {
  RandomStream random(2, "pooling");
  for (const Map& m : maps()) {
    Guarded<float> x(m.size()), y(4 * m.size()), dx(m.size());
    fill_integers(x, random);
    std::vector<double> want(4 * m.size()), want_dx(m.size());
    upsample_forward(m.channels, m.height, m.width, x.data(), y.data());
    reference::upsample_forward(m.channels, m.height, m.width, convert<double>(x).data(), want.data());
    expect_equal(y.data(), want, describe(m));
    EXPECT_TRUE(y.guards_intact()) << describe(m);
    fill_integers(y, random);
    upsample_backward(m.channels, m.height, m.width, y.data(), dx.data());
    reference::upsample_backward(m.channels, m.height, m.width, convert<double>(y).data(), want_dx.data());
    expect_equal(dx.data(), want_dx, "gradient, " + describe(m));
    EXPECT_TRUE(dx.guards_intact()) << describe(m);
    if (HasFailure()) return;
  }
}

TEST(Upsample, RepeatsEachPointFourTimes) {
  std::vector<double> x(2 * kLanes), y(8 * kLanes), dx(2 * kLanes);
  for (std::size_t l = 0; l < kLanes; ++l) x[l] = 1, x[kLanes + l] = 2;
  upsample_forward(1, 1, 2, x.data(), y.data());
  const double want[] = {1, 1, 2, 2, 1, 1, 2, 2};
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], want[i / kLanes]);
  upsample_backward(1, 1, 2, y.data(), dx.data());
  EXPECT_EQ(dx[3], 4);
  EXPECT_EQ(dx[kLanes], 8);
}

}  // namespace
}  // namespace deepsad::kernels
