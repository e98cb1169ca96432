#include "kernels/distance/distance.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernel_test.h"
#include "kernels/distance/distance_reference.h"

namespace deepsad::kernels {
namespace {

using namespace test;

struct Pairs {
  std::size_t m, n, d, stride;
  Guarded<float> a, b, packed, dst;
  std::size_t ld;
  Pairs(std::size_t m_, std::size_t n_, std::size_t d_, std::size_t offset)
      : m(m_),
        n(n_),
        d(d_),
        stride(d_ + offset),
        a((m_ - 1) * stride + d_, offset),
        b((n_ - 1) * stride + d_, offset),
        packed(n_panels(n_) * kPanelRows * d_),
        dst(m_ * (n_panels(n_) * kPanelRows + 16)),
        ld(n_panels(n_) * kPanelRows + 16) {}
  void pack() { pack_rows(b.data(), stride, n, d, packed.data()); }
};

// Integers make every sum exact, whatever its order.
TEST(Distance, EqualsTheDefinitionExactlyOnIntegers) {
  RandomStream random(1, "distance");
  for (const std::size_t m : {1U, 3U, 4U, 12U, 13U, 29U, 97U}) {
    for (const std::size_t n : {1U, 31U, 32U, 33U, 70U}) {
      const std::size_t d = pick(random, {1, 2, 9, 36, 255, 256, 257, 784});
      Pairs p(m, n, d, random.next_u32() % 2);
      fill_integers(p.a, random);
      fill_integers(p.b, random);
      p.pack();
      const std::string what = std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(d);
      for (const bool distance : {true, false}) {
        p.dst.fill(-1e30F);
        (distance ? squared_distances : dot_products)(p.a.data(), p.stride, m, p.packed.data(), n_panels(n),
                                                      d, p.dst.data(), p.ld);
        for (std::size_t i = 0; i < m; ++i) {
          for (std::size_t j = 0; j < n; ++j) {
            double want = 0;
            for (std::size_t k = 0; k < d; ++k) {
              const double x = static_cast<double>(p.a[i * p.stride + k]);
              const double y = static_cast<double>(p.b[j * p.stride + k]);
              want += distance ? (x - y) * (x - y) : x * y;
            }
            ASSERT_EQ(static_cast<double>(p.dst[i * p.ld + j]), want) << what << " at " << i << ", " << j;
          }
        }
      }
      EXPECT_TRUE(p.dst.guards_intact() && p.packed.guards_intact()) << what;
    }
  }
}

// What the Gram trick |a|^2 + |b|^2 - 2 ab would lose: far from the origin, close to each other.
TEST(Distance, KeepsThePrecisionOfCloseRows) {
  Pairs p(1, 1, 50, 0);
  for (std::size_t k = 0; k < 50; ++k) {
    p.a[k] = 1000.0F + static_cast<float>(k);
    p.b[k] = p.a[k] + 0.125F;
  }
  p.pack();
  squared_distances(p.a.data(), 50, 1, p.packed.data(), 1, 50, p.dst.data(), p.ld);
  EXPECT_EQ(p.dst[0], 50 * 0.125F * 0.125F);
}

TEST(Distance, APairHasTheSameBitsWhereverItStands) {
  RandomStream random(2, "distance");
  Pairs p(40, 40, 300, 0);
  fill_uniform(p.a, random);
  for (std::size_t i = 0; i < p.a.size(); ++i) p.b[i] = p.a[i];
  p.pack();
  squared_distances(p.a.data(), p.stride, 40, p.packed.data(), 2, 300, p.dst.data(), p.ld);
  for (std::size_t i = 0; i < 40; ++i) {
    EXPECT_EQ(p.dst[i * p.ld + i], 0.0F);
    for (std::size_t j = 0; j < i; ++j) ASSERT_EQ(p.dst[i * p.ld + j], p.dst[j * p.ld + i]);
  }
  Guarded<float> alone(p.ld);
  for (std::size_t i = 0; i < 40; ++i) {
    squared_distances(p.a.data() + i * p.stride, p.stride, 1, p.packed.data(), 2, 300, alone.data(), p.ld);
    for (std::size_t j = 0; j < 40; ++j) ASSERT_EQ(alone[j], p.dst[i * p.ld + j]);
  }
}

TEST(Distance, EqualsDoubleWithinRounding) {
  RandomStream random(3, "distance");
  Pairs p(17, 45, 784, 1);
  fill_uniform(p.a, random);
  fill_uniform(p.b, random);
  p.pack();
  const std::vector<double> a = convert<double>(p.a), packed = convert<double>(p.packed);
  std::vector<double> want(p.dst.size());
  for (const bool distance : {true, false}) {
    (distance ? squared_distances : dot_products)(p.a.data(), p.stride, 17, p.packed.data(), 2, 784,
                                                  p.dst.data(), p.ld);
    (distance
         ? reference::squared_distances<double>
         : reference::dot_products<double>)(a.data(), p.stride, 17, packed.data(), 2, 784, want.data(), p.ld);
    for (std::size_t i = 0; i < 17; ++i) {
      for (std::size_t j = 0; j < 45; ++j) {
        ASSERT_NEAR(static_cast<double>(p.dst[i * p.ld + j]), want[i * p.ld + j], 1e-6 * 784);
      }
    }
  }
}

}  // namespace
}  // namespace deepsad::kernels
