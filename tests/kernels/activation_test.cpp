#include "kernels/activation/activation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernel_test.h"

namespace deepsad::kernels {
namespace {

using namespace test;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(Activation, LeakyReluIsExactAlsoInPlace) {
  RandomStream random(1, "activation");
  for (std::size_t points = 0; points <= 5; ++points) {
    for (const float slope : {0.0F, 0.1F, 1.0F}) {
      Guarded<float> x(points * kLanes), dy(x.size()), y(x.size()), dx(x.size());
      fill_uniform(x, random);
      fill_uniform(dy, random);
      if (points > 0) x[0] = 0;
      leaky_relu_forward(x.size(), x.data(), slope, y.data());
      leaky_relu_backward(x.size(), x.data(), dy.data(), slope, dx.data());
      for (std::size_t i = 0; i < x.size(); ++i) {
        EXPECT_EQ(y[i], x[i] > 0 ? x[i] : slope * x[i]);
        EXPECT_EQ(dx[i], x[i] > 0 ? dy[i] : slope * dy[i]);
      }
      EXPECT_TRUE(y.guards_intact() && dx.guards_intact());
      leaky_relu_backward(x.size(), x.data(), dy.data(), slope, dy.data());
      leaky_relu_forward(x.size(), x.data(), slope, x.data());
      EXPECT_TRUE(std::equal(x.begin(), x.end(), y.begin()));
      EXPECT_TRUE(std::equal(dy.begin(), dy.end(), dx.begin()));
    }
  }
}

/// |got - want| in units of the last place of want as a float.
double units_in_last_place(float got, double want) {
  const float rounded = static_cast<float>(want);
  const double unit = static_cast<double>(std::nextafter(rounded, kInfinity)) - static_cast<double>(rounded);
  return std::abs(static_cast<double>(got) - want) / unit;
}

TEST(Activation, SigmoidIsWithinThreeUnits) {
  // From -110, where the result is below the smallest float, to 110; all scales near 0.
  std::vector<float> points;
  for (int i = -110'000; i <= 110'000; i += 7) points.push_back(static_cast<float>(i) * 1e-3F);
  for (float scale = 1; scale > 1e-38F; scale *= 0.7F) points.insert(points.end(), {scale, -scale});
  points.resize(points.size() / kLanes * kLanes);
  Guarded<float> x(points.size()), y(points.size());
  std::copy(points.begin(), points.end(), x.begin());
  sigmoid_forward(x.size(), x.data(), y.data());
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double want = 1 / (1 + std::exp(-static_cast<double>(x[i])));
    const double error = units_in_last_place(y[i], want);
    ASSERT_LE(error, 3) << "x = " << x[i] << ", got " << y[i] << ", want " << want;
    worst = std::max(worst, error);
  }
  RecordProperty("worst_units", std::to_string(worst));
  EXPECT_TRUE(y.guards_intact());
  sigmoid_forward(x.size(), x.data(), x.data());
  EXPECT_TRUE(std::equal(x.begin(), x.end(), y.begin()));
}

TEST(Activation, SigmoidHasExactLimits) {
  Guarded<float> x(kLanes), y(kLanes);
  x.fill(0);
  const float extremes[] = {0,
                            -0.0F,
                            200,
                            -200,
                            kInfinity,
                            -kInfinity,
                            std::numeric_limits<float>::max(),
                            std::numeric_limits<float>::lowest(),
                            kNan};
  std::copy(std::begin(extremes), std::end(extremes), x.begin());
  sigmoid_forward(kLanes, x.data(), y.data());
  const float want[] = {0.5F, 0.5F, 1, 0, 1, 0, 1, 0};
  for (std::size_t i = 0; i < std::size(want); ++i) EXPECT_EQ(y[i], want[i]) << "x = " << x[i];
  EXPECT_TRUE(std::isnan(y[8]));
}

TEST(Activation, SigmoidBackwardAgreesWithFormula) {
  RandomStream random(2, "activation");
  Guarded<float> y(7 * kLanes), dy(y.size()), dx(y.size());
  fill_uniform(y, random);
  fill_uniform(dy, random);
  std::vector<double> want(y.size()), magnitude(y.size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    want[i] = static_cast<double>(dy[i]) * static_cast<double>(y[i]) * (1 - static_cast<double>(y[i]));
    magnitude[i] = std::abs(want[i]);
  }
  sigmoid_backward(y.size(), y.data(), dy.data(), dx.data());
  expect_close(dx.data(), want, magnitude, 1, "sigmoid_backward");
  sigmoid_backward(y.size(), y.data(), dy.data(), dy.data());
  EXPECT_TRUE(std::equal(dx.begin(), dx.end(), dy.begin()));
}

TEST(Activation, DoubleIsTheDerivative) {
  constexpr double kStep = 1e-6;
  RandomStream random(3, "activation");
  std::vector<double> x(kLanes), up(kLanes), down(kLanes), y(kLanes), dx(kLanes);
  const std::vector<double> dy(kLanes, 1.0);
  for (double& value : x) value = random.uniform(0.5, 3) * (random.uniform() < 0.5 ? -1 : 1);
  auto above = x, below = x;
  for (double& value : above) value += kStep;
  for (double& value : below) value -= kStep;
  sigmoid_forward(kLanes, above.data(), up.data());
  sigmoid_forward(kLanes, below.data(), down.data());
  sigmoid_forward(kLanes, x.data(), y.data());
  sigmoid_backward(kLanes, y.data(), dy.data(), dx.data());
  for (std::size_t i = 0; i < kLanes; ++i) EXPECT_NEAR(dx[i], (up[i] - down[i]) / (2 * kStep), 1e-9);
  leaky_relu_forward(kLanes, above.data(), 0.1, up.data());
  leaky_relu_forward(kLanes, below.data(), 0.1, down.data());
  leaky_relu_backward(kLanes, x.data(), dy.data(), 0.1, dx.data());
  for (std::size_t i = 0; i < kLanes; ++i) EXPECT_NEAR(dx[i], (up[i] - down[i]) / (2 * kStep), 1e-9);
}

}  // namespace
}  // namespace deepsad::kernels
