#include "kernels/loss/loss.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "kernel_test.h"
#include "kernels/activation/activation.h"

namespace deepsad::kernels {
namespace {

using namespace test;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
const std::vector<std::size_t> kSizes = {1, 2, 3, 7, 8, 32, 63, 64, 65, 130, 784};

TEST(SquaredError, AgreesWithFormula) {
  RandomStream random(1, "loss");
  for (const std::size_t n : kSizes) {
    for (std::size_t n_valid = 1; n_valid <= kLanes; ++n_valid) {
      Guarded<float> y(n * kLanes), t(n * kLanes), dy(n * kLanes);
      Guarded<double> loss(kLanes), loss_alone(kLanes);
      fill_uniform(y, random);
      fill_uniform(t, random);
      for (std::size_t i = 0; i < y.size(); ++i) {
        if (i % kLanes >= n_valid) (i % 2 == 0 ? y : t)[i] = kNan;
      }
      constexpr float kScale = 0.25F;
      squared_error(n, n_valid, y.data(), t.data(), kScale, dy.data(), loss.data());
      squared_error(n, n_valid, y.data(), t.data(), kScale, nullptr, loss_alone.data());
      std::vector<double> want_loss(kLanes), want_dy(y.size()), magnitude(y.size());
      for (std::size_t i = 0; i < y.size(); ++i) {
        if (i % kLanes >= n_valid) continue;
        const double difference = static_cast<double>(y[i]) - static_cast<double>(t[i]);
        want_loss[i % kLanes] += difference * difference / static_cast<double>(n);
        want_dy[i] = static_cast<double>(kScale) * 2 / static_cast<double>(n) * difference;
        magnitude[i] = std::abs(want_dy[i]);
      }
      const std::string what = "n " + std::to_string(n) + ", valid " + std::to_string(n_valid);
      expect_close(dy.data(), want_dy, magnitude, 1, what);
      for (std::size_t l = 0; l < kLanes; ++l) {
        EXPECT_NEAR(loss[l], want_loss[l], 2e-6 * want_loss[l]) << what << ", lane " << l;
        EXPECT_EQ(loss[l], loss_alone[l]) << what;
      }
      EXPECT_TRUE(dy.guards_intact() && loss.guards_intact()) << what;
      squared_error(n, n_valid, y.data(), t.data(), kScale, y.data(), loss.data());
      EXPECT_TRUE(std::equal(y.begin(), y.end(), dy.begin())) << "in place, " << what;
      if (HasFailure()) return;
    }
  }
}

TEST(SigmoidSquaredError, EqualsItsThreeStepsToTheBit) {
  RandomStream random(5, "loss");
  for (const std::size_t n : kSizes) {
    for (std::size_t n_valid = 1; n_valid <= kLanes; ++n_valid) {
      Guarded<float> z(n * kLanes), t(z.size()), y(z.size()), want(z.size()), dz(z.size());
      Guarded<double> loss(kLanes), loss_alone(kLanes), want_loss(kLanes);
      fill_uniform(z, random);
      fill_uniform(t, random);
      for (std::size_t i = 0; i < z.size(); ++i) {
        z[i] *= 20;
        if (i % kLanes >= n_valid) (i % 2 == 0 ? z : t)[i] = kNan;
      }
      constexpr float kScale = 0.25F;
      sigmoid_forward(z.size(), z.data(), y.data());
      squared_error(n, n_valid, y.data(), t.data(), kScale, want.data(), want_loss.data());
      for (std::size_t i = 0; i < y.size(); ++i) {
        if (i % kLanes >= n_valid) y[i] = 0;
      }
      sigmoid_backward(z.size(), y.data(), want.data(), want.data());
      sigmoid_squared_error(n, n_valid, z.data(), t.data(), kScale, dz.data(), loss.data());
      sigmoid_squared_error(n, n_valid, z.data(), t.data(), kScale, nullptr, loss_alone.data());
      const std::string what = "n " + std::to_string(n) + ", valid " + std::to_string(n_valid);
      EXPECT_TRUE(std::equal(dz.begin(), dz.end(), want.begin())) << what;
      EXPECT_TRUE(std::equal(loss.begin(), loss.end(), want_loss.begin())) << what;
      EXPECT_TRUE(std::equal(loss.begin(), loss.end(), loss_alone.begin())) << what;
      EXPECT_TRUE(dz.guards_intact() && loss.guards_intact()) << what;
      sigmoid_squared_error(n, n_valid, z.data(), t.data(), kScale, z.data(), loss.data());
      EXPECT_TRUE(std::equal(z.begin(), z.end(), want.begin())) << "in place, " << what;
      z[0] = kNan;
      sigmoid_squared_error(n, n_valid, z.data(), t.data(), kScale, dz.data(), loss.data());
      EXPECT_TRUE(std::isnan(loss[0]) && std::isnan(dz[0])) << what;
      if (HasFailure()) return;
    }
  }
}

TEST(SquaredDistance, AgreesWithFormulaAndIsExactOnIntegers) {
  RandomStream random(2, "loss");
  for (const std::size_t n : kSizes) {
    for (const bool integers : {false, true}) {
      Guarded<float> z(n * kLanes), c(n, 1), distance(kLanes), factor(kLanes), dz(z.size());
      for (auto* values : {&z, &c, &factor}) {
        integers ? fill_integers(*values, random) : fill_uniform(*values, random);
      }
      factor[3] = 0;
      std::vector<double> want(kLanes), want_dz(z.size()), magnitude(z.size());
      for (std::size_t i = 0; i < z.size(); ++i) {
        const double difference = static_cast<double>(z[i]) - static_cast<double>(c[i / kLanes]);
        want[i % kLanes] += difference * difference;
        want_dz[i] = 2 * difference * static_cast<double>(factor[i % kLanes]);
        magnitude[i] = std::abs(want_dz[i]);
      }
      squared_distance(n, z.data(), c.data(), distance.data());
      squared_distance_backward(n, z.data(), c.data(), factor.data(), dz.data());
      const std::string what = "n " + std::to_string(n);
      if (integers) {
        expect_equal(distance.data(), want, what);
        expect_equal(dz.data(), want_dz, what);
      } else {
        expect_close(distance.data(), want, want, n, what);
        expect_close(dz.data(), want_dz, magnitude, 1, what);
      }
      EXPECT_TRUE(distance.guards_intact() && dz.guards_intact()) << what;
      squared_distance_backward(n, z.data(), c.data(), factor.data(), z.data());
      EXPECT_TRUE(std::equal(z.begin(), z.end(), dz.begin())) << "in place, " << what;
      if (HasFailure()) return;
    }
  }
}

TEST(SquaredDistance, UnusedLanesGetZeroGradientWhateverTheyHold) {
  Guarded<float> z(2 * kLanes), c(2), factor(kLanes), dz(z.size());
  z.fill(kNan);
  c.fill(1);
  factor.fill(0);
  squared_distance_backward(2, z.data(), c.data(), factor.data(), dz.data());
  for (const float value : dz) EXPECT_EQ(value, 0);
}

// The formula in double, and the gradient by the chain rule through the distance, to the bit.
TEST(DeepSadLoss, AgreesWithFormulaAndItsPartsToTheBit) {
  constexpr float kEta = 1.7F, kEpsilon = 1e-3F, kScale = 0.25F;
  RandomStream random(6, "loss");
  for (const std::size_t n : kSizes) {
    for (std::size_t n_valid = 1; n_valid <= kLanes; n_valid += n > 100 ? 5 : 1) {
      Guarded<float> z(n * kLanes), c(n, 1), label(kLanes, 2), distance(kLanes), factor(kLanes), dz(z.size()),
          want_dz(z.size());
      Guarded<double> loss(kLanes, 1);
      fill_uniform(z, random);
      fill_uniform(c, random);
      for (std::size_t i = 0; i < z.size(); ++i) {
        if (i % kLanes >= n_valid) z[i] = kNan;
      }
      label.fill(kNan);
      for (std::size_t l = 0; l < n_valid; ++l) label[l] = static_cast<float>((l + n) % 3) - 1;
      squared_distance(n, z.data(), c.data(), distance.data());
      std::vector<double> want(kLanes);
      for (std::size_t l = 0; l < kLanes; ++l) {
        factor[l] = 0;
        if (l >= n_valid) continue;
        double d = 0;
        for (std::size_t j = 0; j < n; ++j)
          d += std::pow(static_cast<double>(z[j * kLanes + l]) - static_cast<double>(c[j]), 2);
        const double margin = d + static_cast<double>(kEpsilon);
        const float margin_in_float = distance[l] + kEpsilon;
        if (label[l] == 0) {
          want[l] = d;
          factor[l] = kScale;
        } else if (label[l] == 1) {
          want[l] = static_cast<double>(kEta) * margin;
          factor[l] = kEta * kScale;
        } else {
          want[l] = static_cast<double>(kEta) / margin;
          factor[l] = -kEta / (margin_in_float * margin_in_float) * kScale;
        }
      }
      squared_distance_backward(n, z.data(), c.data(), factor.data(), want_dz.data());
      deep_sad_loss(n, n_valid, z.data(), {c.data(), label.data(), kEta, kEpsilon}, kScale, dz.data(),
                    loss.data());
      const std::string what = "n " + std::to_string(n) + ", valid " + std::to_string(n_valid);
      for (std::size_t l = 0; l < kLanes; ++l)
        EXPECT_NEAR(loss[l], want[l], 2e-6 * want[l]) << what << ", lane " << l;
      EXPECT_EQ(std::memcmp(dz.data(), want_dz.data(), dz.size() * sizeof(float)), 0) << what;
      EXPECT_TRUE(dz.guards_intact() && loss.guards_intact()) << what;
      deep_sad_loss(n, n_valid, z.data(), {c.data(), label.data(), kEta, kEpsilon}, kScale, z.data(),
                    loss.data());
      EXPECT_EQ(std::memcmp(z.data(), want_dz.data(), z.size() * sizeof(float)), 0) << "in place, " << what;
      z[0] = kNan;
      deep_sad_loss(n, n_valid, z.data(), {c.data(), label.data(), kEta, kEpsilon}, kScale, dz.data(),
                    loss.data());
      EXPECT_TRUE(std::isnan(loss[0]) && std::isnan(dz[0])) << what;
      if (HasFailure()) return;
    }
  }
}

TEST(DeepSadLoss, OfAnAnomalyFarAwayIsZeroWithItsGradient) {
  Guarded<float> z(kLanes), c(1), label(kLanes), dz(kLanes);
  Guarded<double> loss(kLanes);
  c.fill(0);
  label.fill(-1);
  z.fill(std::numeric_limits<float>::infinity());
  deep_sad_loss(1, kLanes, z.data(), {c.data(), label.data(), 1, 1e-6F}, 1, dz.data(), loss.data());
  EXPECT_EQ(loss[7], 0);
  EXPECT_EQ(dz[7], 0);
}

TEST(BernoulliLoss, AgreesWithFormula) {
  RandomStream random(3, "loss");
  for (const std::size_t n : kSizes) {
    for (std::size_t n_valid = 1; n_valid <= kLanes; n_valid += n > 100 ? 5 : 1) {
      Guarded<float> a(n * kLanes), x(n * kLanes), weight(kLanes), da(n * kLanes);
      Guarded<double> loss(kLanes), loss_alone(kLanes);
      fill_uniform(weight, random);
      for (std::size_t i = 0; i < a.size(); ++i) {
        a[i] = static_cast<float>(random.uniform(-12, 12));
        x[i] = static_cast<float>(random.uniform(-0.2, 1.2));  // test rows may leave [0, 1]
        if (i % kLanes >= n_valid) (i % 2 == 0 ? a : x)[i] = kNan;
      }
      bernoulli_loss(n, n_valid, a.data(), x.data(), weight.data(), da.data(), loss.data());
      bernoulli_loss(n, n_valid, a.data(), x.data(), nullptr, nullptr, loss_alone.data());
      std::vector<double> want_loss(kLanes), size(kLanes), want_da(a.size()), magnitude(a.size());
      for (std::size_t i = 0; i < a.size(); ++i) {
        if (i % kLanes >= n_valid) continue;
        const auto logit = static_cast<double>(a[i]), target = static_cast<double>(x[i]);
        const double r = 1 / (1 + std::exp(-logit));
        const double term = -target * std::log(r) - (1 - target) * std::log(1 / (1 + std::exp(logit)));
        want_loss[i % kLanes] += term;
        size[i % kLanes] += std::abs(term) + std::abs(target * logit);
        want_da[i] = static_cast<double>(weight[i % kLanes]) * (r - target);
        magnitude[i] = std::abs(static_cast<double>(weight[i % kLanes])) * (r + std::abs(target));
      }
      const std::string what = "n " + std::to_string(n) + ", valid " + std::to_string(n_valid);
      expect_close(da.data(), want_da, magnitude, 1, what);
      for (std::size_t l = 0; l < kLanes; ++l) {
        EXPECT_NEAR(loss[l], want_loss[l], 2e-6 * size[l]) << what << ", lane " << l;
        EXPECT_EQ(loss[l], loss_alone[l]) << what;
      }
      EXPECT_TRUE(da.guards_intact() && loss.guards_intact()) << what;
      if (HasFailure()) return;
    }
  }
}

TEST(BernoulliLoss, StaysFiniteAtExtremeLogits) {
  Guarded<float> a(2 * kLanes), x(2 * kLanes), weight(kLanes), da(a.size());
  Guarded<double> loss(kLanes);
  weight.fill(1);
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] = i < kLanes ? 1e4F : -1e4F;
    x[i] = i % 2 == 0 ? 1.0F : 0.0F;
  }
  bernoulli_loss(2, kLanes, a.data(), x.data(), weight.data(), da.data(), loss.data());
  for (std::size_t l = 0; l < kLanes; ++l) EXPECT_EQ(loss[l], 1e4);  // one certain and right, one wrong
  EXPECT_EQ(da[0], 0);
  EXPECT_EQ(da[1], 1);
  a[5] = kNan;
  bernoulli_loss(2, kLanes, a.data(), x.data(), weight.data(), da.data(), loss.data());
  EXPECT_TRUE(std::isnan(loss[5])) << "a logit that is not a number must be seen";
}

}  // namespace
}  // namespace deepsad::kernels
