#include "kernels/adam/adam.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernel_test.h"

namespace deepsad::kernels {
namespace {

using namespace test;

template <class T>
AdamStep<T> step_of(int t) {
  return {.learning_rate = T(1e-3),
          .beta1 = T(0.9),
          .beta2 = T(0.999),
          .epsilon = T(1e-8),
          .weight_decay = T(0.01),
          .bias_correction1 = T(1 - std::pow(0.9, t)),
          .bias_correction2 = T(1 - std::pow(0.999, t))};
}

struct Parameters {
  std::size_t n, n_partials, stride;
  Guarded<float> gradients, w, m, v;
  Parameters(std::size_t count, std::size_t partials, std::size_t offset)
      : n(count),
        n_partials(partials),
        stride(count + 3),
        gradients(partials * stride, offset),
        w(count, offset + 1),
        m(count, offset + 2),
        v(count, offset + 3) {}
  bool guards_intact() const {
    return gradients.guards_intact() && w.guards_intact() && m.guards_intact() && v.guards_intact();
  }
};

TEST(Adam, FollowsTheFormulaInDouble) {
  RandomStream random(1, "adam");
  for (const std::size_t n : {1U, 2U, 7U, 8U, 9U, 15U, 16U, 17U, 31U, 32U, 33U, 100U}) {
    for (const std::size_t partials : {1U, 2U, 3U, 8U}) {
      Parameters p(n, partials, n % 5);
      std::vector<double> w(n), m(n, 0.0), v(n, 0.0);
      fill_uniform(p.w, random);
      p.m.fill(0);
      p.v.fill(0);
      for (std::size_t i = 0; i < n; ++i) w[i] = static_cast<double>(p.w[i]);
      for (int t = 1; t <= 5; ++t) {
        const auto step = step_of<float>(t);
        const auto exact = step_of<double>(t);
        for (std::size_t s = 0; s < partials; ++s) {
          for (std::size_t i = 0; i < p.stride; ++i) {
            // What lies between the partials belongs to others.
            p.gradients[s * p.stride + i] = i < n ? static_cast<float>(random.uniform(-1, 1)) : 77.0F;
          }
        }
        for (std::size_t i = 0; i < n; ++i) {
          double g = exact.weight_decay * w[i];
          for (std::size_t s = 0; s < partials; ++s) g += static_cast<double>(p.gradients[s * p.stride + i]);
          m[i] = exact.beta1 * m[i] + (1 - exact.beta1) * g;
          v[i] = exact.beta2 * v[i] + (1 - exact.beta2) * g * g;
          w[i] -= exact.learning_rate / exact.bias_correction1 * m[i] /
                  (std::sqrt(v[i]) / std::sqrt(exact.bias_correction2) + exact.epsilon);
        }
        adam(n, step, p.gradients.data(), partials, p.stride, p.w.data(), p.m.data(), p.v.data());
      }
      for (std::size_t i = 0; i < n; ++i) {
        // Five steps of at most 1e-3 each. 0.999 as a float makes 1 - beta2 wrong by 1e-5, which enters by
        // its root.
        EXPECT_NEAR(p.w[i], w[i], 1e-7 * std::abs(w[i]) + 5e-3 * 3e-5) << "n " << n << ", element " << i;
        EXPECT_NEAR(p.m[i], m[i], 1e-6 * static_cast<double>(partials)) << "n " << n << ", element " << i;
        EXPECT_NEAR(p.v[i], v[i], 3e-5 * v[i] + 1e-12) << "n " << n << ", element " << i;
      }
      EXPECT_TRUE(p.guards_intact());
      if (HasFailure()) return;
    }
  }
}

// The training loop cuts the parameters between threads: where it cuts must not change a bit.
TEST(Adam, BitsDoNotDependOnWhereTheRangeIsCut) {
  constexpr std::size_t kCount = 77;
  RandomStream random(2, "adam");
  Parameters whole(kCount, 3, 0);
  for (auto* values : {&whole.gradients, &whole.w, &whole.m, &whole.v}) fill_uniform(*values, random);
  for (float& value : whole.v) value = std::abs(value);
  const Parameters start = whole;
  const auto step = step_of<float>(7);
  adam(kCount, step, whole.gradients.data(), 3, whole.stride, whole.w.data(), whole.m.data(), whole.v.data());
  for (std::size_t cut = 1; cut < kCount; ++cut) {
    Parameters parts = start;
    adam(cut, step, parts.gradients.data(), 3, parts.stride, parts.w.data(), parts.m.data(), parts.v.data());
    adam(kCount - cut, step, parts.gradients.data() + cut, 3, parts.stride, parts.w.data() + cut,
         parts.m.data() + cut, parts.v.data() + cut);
    ASSERT_TRUE(std::equal(whole.w.begin(), whole.w.end(), parts.w.begin())) << "cut at " << cut;
    ASSERT_TRUE(std::equal(whole.m.begin(), whole.m.end(), parts.m.begin())) << "cut at " << cut;
    ASSERT_TRUE(std::equal(whole.v.begin(), whole.v.end(), parts.v.begin())) << "cut at " << cut;
  }
}

TEST(Adam, FirstStepOfDoubleMovesByTheLearningRate) {
  const double g[] = {0.5, 0.25};
  double w = 1, m = 0, v = 0;
  AdamStep<double> step = step_of<double>(1);
  step.weight_decay = 0;
  step.epsilon = 0;
  adam(1, step, g, 2, 1, &w, &m, &v);
  EXPECT_NEAR(w, 1 - 1e-3, 1e-15);
  EXPECT_NEAR(m, 0.1 * 0.75, 1e-15);
  EXPECT_NEAR(v, 0.001 * 0.75 * 0.75, 1e-15);
}

}  // namespace
}  // namespace deepsad::kernels
