#include "kernels/dual_step/dual_step.h"

#include <gtest/gtest.h>

#include <limits>

#include "kernel_test.h"
#include "kernels/dual_step/dual_step_reference.h"

namespace deepsad::kernels {
namespace {

using namespace test;

struct Rows {
  explicit Rows(std::size_t n) : f(n), alpha(n), upper(n), k0(n, 1), k1(n), diagonal(n, 1) {
    RandomStream random(n, "dual step");
    for (std::size_t i = 0; i < n; ++i) {
      f[i] = std::floor(random.uniform(-4, 5));  // ties are likely, sums exact
      alpha[i] = static_cast<double>(random.below(3));
      upper[i] = 2;
      if (random.below(10) == 0) alpha[i] = upper[i] = 0;  // left out
    }
    fill_integers(k0, random);
    fill_integers(k1, random);
    for (float& x : diagonal) x = 10;
  }
  Guarded<double> f, alpha, upper;
  Guarded<float> k0, k1, diagonal;
};

TEST(DualStep, UpdatesAndFindsTheFirstExtremes) {
  for (std::size_t n = 1; n < 70; ++n) {
    Rows rows(n);
    for (const double s : {1.0, -1.0}) {
      Guarded<double> want_f = rows.f;
      const Extremes want = reference::update_and_find<float>(
          n, want_f.data(), rows.k0.data(), 0.5, rows.k1.data(), -2, rows.alpha.data(), rows.upper.data(), s);
      const Extremes got = update_and_find(n, rows.f.data(), rows.k0.data(), 0.5, rows.k1.data(), -2,
                                           rows.alpha.data(), rows.upper.data(), s);
      EXPECT_EQ(got.low, want.low) << n;
      EXPECT_EQ(got.high, want.high) << n;
      EXPECT_EQ(got.low_index, want.low_index) << n;
      EXPECT_EQ(got.high_index, want.high_index) << n;
      for (std::size_t i = 0; i < n; ++i) EXPECT_EQ(rows.f[i], want_f[i]);
      EXPECT_TRUE(rows.f.guards_intact());
    }
  }
}

TEST(DualStep, FindsTheBestPartner) {
  for (std::size_t n = 1; n < 70; ++n) {
    const Rows rows(n);
    for (const bool grows : {true, false}) {
      const PartnerSearch search{.slope = 1,
                                 .factor = grows ? -1.0 : 1.0,
                                 .diagonal_i = 10,
                                 .cross = -2,
                                 .floor = 1e-6,
                                 .grows = grows};
      EXPECT_EQ(best_partner(n, search, rows.f.data(), rows.k0.data(), rows.alpha.data(), rows.upper.data(),
                             rows.diagonal.data()),
                reference::best_partner<float>(n, search, rows.f.data(), rows.k0.data(), rows.alpha.data(),
                                               rows.upper.data(), rows.diagonal.data()))
          << n;
    }
  }
}

TEST(DualStep, SaysWhenThereIsNoSuchRow) {
  const std::size_t n = 5;
  const double upper[] = {0, 0, 0, 0, 0}, alpha[] = {0, 0, 0, 0, 0};
  double f[] = {1, 2, 3, 4, 5};
  const float k[] = {1, 1, 1, 1, 1};
  const Extremes none = update_and_find(n, f, k, 0, k, 0, alpha, upper, 1);
  EXPECT_EQ(none.low_index, n);
  EXPECT_EQ(none.high_index, n);
  EXPECT_EQ(none.low, std::numeric_limits<double>::infinity());
  EXPECT_EQ(none.high, -std::numeric_limits<double>::infinity());
  EXPECT_EQ(best_partner(n, {.slope = 100, .factor = 1, .grows = true}, f, k, alpha, upper, k), n);
}

}  // namespace
}  // namespace deepsad::kernels
