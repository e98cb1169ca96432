#include "kernels/gaussian/gaussian.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "kernel_test.h"

namespace deepsad::kernels {
namespace {

using namespace test;

const std::vector<std::size_t> kSizes = {1, 2, 3, 4, 5, 8, 31, 32, 33};
const std::array kForms = {GaussianForm{LogVariance::bounded, KlEstimate::closed_form},
                           GaussianForm{LogVariance::bounded, KlEstimate::single_sample},
                           GaussianForm{LogVariance::softplus, KlEstimate::closed_form},
                           GaussianForm{LogVariance::softplus, KlEstimate::single_sample}};

double log_variance_of(GaussianForm form, double s) {
  return form.log_variance == LogVariance::bounded ? 8 * std::tanh(s / 8) : std::log(1 + std::exp(s));
}

// Philox4x32-10 of counter 0 and key 0 is 6627e8d5 e169c58d bc57ac4c 9b00dbd8 (known answers of Random123).
TEST(GaussianNoise, IsBoxMullerOfPhilox) {
  const auto unit = [](std::uint32_t word, double shift) {
    return (static_cast<double>(word >> 8) + shift) / 16777216;
  };
  constexpr double kTwoPi = 6.283185307179586;
  const double radius0 = std::sqrt(-2 * std::log(unit(0x6627e8d5U, 1)));
  const double radius1 = std::sqrt(-2 * std::log(unit(0xbc57ac4cU, 1)));
  const std::vector<double> want = {
      radius0 * std::cos(kTwoPi * unit(0xe169c58dU, 0)), radius0 * std::sin(kTwoPi * unit(0xe169c58dU, 0)),
      radius1 * std::cos(kTwoPi * unit(0x9b00dbd8U, 0)), radius1 * std::sin(kTwoPi * unit(0x9b00dbd8U, 0))};
  Guarded<float> noise(4 * kLanes);
  Guarded<double> exact(4 * kLanes);
  gaussian_noise(0, 0, 4, noise.data());
  gaussian_noise(0, 0, 4, exact.data());
  for (std::size_t j = 0; j < 4; ++j) {
    EXPECT_NEAR(noise[j * kLanes], want[j], 2e-6) << j;
    EXPECT_NEAR(exact[j * kLanes], want[j], 1e-12) << j;
  }
}

TEST(GaussianNoise, DependsOnPlaceAloneAndAgreesWithDouble) {
  Guarded<float> all(64 * kLanes);
  gaussian_noise(0x123456789ABCDEFULL, 7, 64, all.data());
  for (const std::size_t n : kSizes) {
    Guarded<float> noise(n * kLanes);
    Guarded<double> exact(n * kLanes);
    gaussian_noise(0x123456789ABCDEFULL, 7, n, noise.data());
    gaussian_noise(0x123456789ABCDEFULL, 7, n, exact.data());
    EXPECT_TRUE(std::equal(noise.begin(), noise.end(), all.begin())) << n;
    EXPECT_TRUE(noise.guards_intact() && exact.guards_intact()) << n;
    for (std::size_t i = 0; i < noise.size(); ++i) EXPECT_NEAR(noise[i], exact[i], 4e-6) << n << ", " << i;
  }
  Guarded<float> other(64 * kLanes);
  gaussian_noise(0x123456789ABCDEFULL, 8, 64, other.data());
  for (std::size_t i = 0; i < other.size(); ++i) EXPECT_NE(other[i], all[i]) << i;
}

// Moments of 1.6 million values: standard errors sqrt(var/n) are 0.0008 (mean), 0.0011 (variance), 0.008
// (4th).
TEST(GaussianNoise, HasTheMomentsOfTheNormalDistribution) {
  constexpr std::size_t kRows = 100, kGroups = 1000;
  Guarded<float> noise(kRows * kLanes);
  double sum = 0, squares = 0, fourth = 0, neighbours = 0, rows = 0;
  for (std::uint32_t group = 0; group < kGroups; ++group) {
    gaussian_noise(42, group, kRows, noise.data());
    for (std::size_t i = 0; i < noise.size(); ++i) {
      const auto e = static_cast<double>(noise[i]);
      sum += e;
      squares += e * e;
      fourth += e * e * e * e;
      neighbours += i % kLanes == 0 ? 0 : e * static_cast<double>(noise[i - 1]);
      rows += i < kLanes ? 0 : e * static_cast<double>(noise[i - kLanes]);
    }
  }
  constexpr double n = kRows * kGroups * kLanes;
  EXPECT_NEAR(sum / n, 0, 0.004);
  EXPECT_NEAR(squares / n, 1, 0.006);
  EXPECT_NEAR(fourth / n, 3, 0.04);
  EXPECT_NEAR(neighbours / n, 0, 0.004);
  EXPECT_NEAR(rows / n, 0, 0.004);
}

TEST(GaussianSample, AgreesWithFormula) {
  RandomStream random(1, "gaussian");
  for (const GaussianForm form : kForms) {
    for (const std::size_t n : kSizes) {
      for (const std::size_t n_valid : {1UL, 7UL, 15UL, 16UL}) {
        Guarded<float> heads(2 * n * kLanes), noise(n * kLanes), z(n * kLanes);
        Guarded<double> kl(kLanes);
        for (float& value : heads) value = static_cast<float>(random.uniform(-5, 5));
        fill_uniform(noise, random);
        gaussian_sample(n, n_valid, form, heads.data(), noise.data(), z.data(), kl.data());
        std::vector<double> want_z(z.size()), size(z.size()), want_kl(kLanes), kl_size(kLanes);
        for (std::size_t i = 0; i < z.size(); ++i) {
          if (i % kLanes >= n_valid) continue;
          const auto mu = static_cast<double>(heads[i]), e = static_cast<double>(noise[i]);
          const double v = log_variance_of(form, static_cast<double>(heads[n * kLanes + i]));
          want_z[i] = mu + std::exp(v / 2) * e;
          size[i] = std::abs(mu) + 4 * std::exp(v / 2) * std::abs(e);  // exp(v/2) inherits the error of v
          const double term = form.kl == KlEstimate::closed_form ? std::exp(v) + mu * mu - 1 - v
                                                                 : -v - e * e + want_z[i] * want_z[i];
          want_kl[i % kLanes] += term / 2;
          kl_size[i % kLanes] += std::exp(v) + mu * mu + 1 + std::abs(v) + want_z[i] * want_z[i];
        }
        const std::string what = "n " + std::to_string(n) + ", valid " + std::to_string(n_valid);
        expect_close(z.data(), want_z, size, 1, what);
        for (std::size_t l = 0; l < kLanes; ++l)
          EXPECT_NEAR(kl[l], want_kl[l], 2e-6 * kl_size[l]) << what << ", lane " << l;
        EXPECT_TRUE(z.guards_intact() && kl.guards_intact()) << what;
        if (HasFailure()) return;
      }
    }
  }
}

// The closed form is the mean of the single-sample estimate over the noise, and both are KL(q || p) >= 0.
TEST(GaussianSample, ClosedFormIsTheMeanOfTheSingleSampleEstimate) {
  RandomStream random(2, "gaussian");
  for (const LogVariance log_variance : {LogVariance::bounded, LogVariance::softplus}) {
    constexpr std::size_t kDimensions = 3, kDraws = 20000;
    Guarded<double> heads(2 * kDimensions * kLanes), noise(kDimensions * kLanes), z(kDimensions * kLanes);
    Guarded<double> closed(kLanes), single(kLanes);
    for (double& value : heads) value = random.uniform(-1.5, 1.5);
    std::array<double, kLanes> sum{}, squares{};
    for (std::uint32_t draw = 0; draw < kDraws; ++draw) {
      gaussian_noise(9, draw, kDimensions, noise.data());
      gaussian_sample(kDimensions, kLanes, {log_variance, KlEstimate::single_sample}, heads.data(),
                      noise.data(), z.data(), single.data());
      for (std::size_t l = 0; l < kLanes; ++l) {
        sum[l] += single[l] / kDraws;
        squares[l] += single[l] * single[l] / kDraws;
      }
    }
    gaussian_sample(kDimensions, kLanes, {log_variance, KlEstimate::closed_form}, heads.data(), noise.data(),
                    z.data(), closed.data());
    for (std::size_t l = 0; l < kLanes; ++l) {
      const double standard_error = std::sqrt((squares[l] - sum[l] * sum[l]) / kDraws);
      EXPECT_GT(closed[l], 0);
      EXPECT_NEAR(sum[l], closed[l], 4.5 * standard_error) << "lane " << l;
    }
  }
}

TEST(GaussianSample, BackwardIsTheGradient) {
  RandomStream random(3, "gaussian");
  for (const GaussianForm form : kForms) {
    constexpr std::size_t n = 5;
    Guarded<double> heads(2 * n * kLanes), noise(n * kLanes), z(n * kLanes), dz(n * kLanes), weight(kLanes),
        kl(kLanes);
    Guarded<double> d_heads(heads.size());
    for (double& value : heads) value = random.uniform(-4, 4);
    for (auto* values : {&noise, &dz, &weight}) {
      for (double& value : *values) value = random.uniform(-1, 1);
    }
    const auto objective = [&] {
      gaussian_sample(n, kLanes, form, heads.data(), noise.data(), z.data(), kl.data());
      double sum = 0;
      for (std::size_t i = 0; i < z.size(); ++i) sum += dz[i] * z[i];
      for (std::size_t l = 0; l < kLanes; ++l) sum += weight[l] * kl[l];
      return sum;
    };
    gaussian_sample_backward(n, form, heads.data(), noise.data(), dz.data(), weight.data(), d_heads.data());
    Guarded<float> heads_f(heads.size()), noise_f(z.size()), dz_f(z.size()), weight_f(kLanes),
        d_heads_f(heads.size());
    const auto narrow = [](Guarded<double>& from, Guarded<float>& to) {
      std::transform(from.begin(), from.end(), to.begin(), [](double v) { return static_cast<float>(v); });
    };
    narrow(heads, heads_f);
    narrow(noise, noise_f);
    narrow(dz, dz_f);
    narrow(weight, weight_f);
    gaussian_sample_backward(n, form, heads_f.data(), noise_f.data(), dz_f.data(), weight_f.data(),
                             d_heads_f.data());
    for (std::size_t i = 0; i < heads.size(); ++i) {
      const double kept = heads[i];
      constexpr double kStep = 1e-5;
      heads[i] = kept + kStep;
      const double above = objective();
      heads[i] = kept - kStep;
      const double below = objective();
      heads[i] = kept;
      // Truncation 1e-10 times third derivatives of up to e^4, rounding 1e-13 / 1e-5.
      EXPECT_NEAR(d_heads[i], (above - below) / (2 * kStep), 1e-6) << i;
      EXPECT_NEAR(d_heads_f[i], d_heads[i], 1e-5 * (1 + std::exp(4.0) / 4)) << i;
    }
    if (HasFailure()) return;
  }
}

TEST(GaussianSample, LanesWithoutASampleStayZero) {
  Guarded<float> heads(4 * kLanes), noise(2 * kLanes), z(2 * kLanes), dz(2 * kLanes), weight(kLanes),
      d_heads(4 * kLanes);
  Guarded<double> kl(kLanes);
  heads.fill(0.5F);
  noise.fill(1);
  gaussian_sample(2, 3, {}, heads.data(), noise.data(), z.data(), kl.data());
  for (std::size_t i = 0; i < z.size(); ++i) EXPECT_EQ(z[i] == 0, i % kLanes >= 3) << i;
  dz.fill(0);
  weight.fill(0);
  gaussian_sample_backward(2, {}, heads.data(), noise.data(), dz.data(), weight.data(), d_heads.data());
  for (const float value : d_heads) EXPECT_EQ(value, 0);
}

}  // namespace
}  // namespace deepsad::kernels
