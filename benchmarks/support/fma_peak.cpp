#include "support/fma_peak.h"

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>

namespace deepsad::benchmarks {
namespace {

constexpr int kChains = 12;  // > latency (4) times units (2)
constexpr int kRounds = 200'000;
constexpr int kRuns = 20;

// Each returns a value that depends on every operation, so that none is dropped. The factors keep the sums
// finite.
#define DEEPSAD_PEAK_LOOP(Vector, set, multiply_add, first)                                \
  Vector chain[kChains];                                                                   \
  for (int i = 0; i < kChains; ++i) chain[i] = set(static_cast<float>(i));                 \
  const Vector factor = set(0.5F), term = set(1.0F);                                       \
  for (int round = 0; round < kRounds; ++round) {                                          \
    _Pragma("GCC unroll 12") for (int i = 0; i < kChains; ++i) chain[i] =                  \
        multiply_add(chain[i], factor, term);                                              \
    asm volatile(""); /* keeps the function from being evaluated once for all its calls */ \
  }                                                                                        \
  float sum = 0;                                                                           \
  for (int i = 0; i < kChains; ++i) sum += first(chain[i]);                                \
  return sum;

__attribute__((target("avx512f"))) float run_avx512() {
  DEEPSAD_PEAK_LOOP(__m512, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_cvtss_f32)
}
__attribute__((target("avx2,fma"))) float run_avx2(){
    DEEPSAD_PEAK_LOOP(__m256, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_cvtss_f32)} __m128
    multiply_add(__m128 a, __m128 b, __m128 c) {
  return _mm_add_ps(_mm_mul_ps(a, b), c);
}
float run_scalar() {
  DEEPSAD_PEAK_LOOP(__m128, _mm_set1_ps, multiply_add, _mm_cvtss_f32)
}
#undef DEEPSAD_PEAK_LOOP

double measure(float (*run)(), double lanes) {
  volatile float sink = run();  // warm up
  double best = 0;
  for (int i = 0; i < kRuns; ++i) {
    const auto start = std::chrono::steady_clock::now();
    sink = run();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    best = std::max(best, 2.0 * lanes * kChains * kRounds / time.count());
  }
  static_cast<void>(sink);
  return best;
}

}  // namespace

double fma_peak(kernels::Isa isa) {
  static std::array<double, 3> peaks{};
  double& peak = peaks.at(static_cast<std::size_t>(isa));
  if (peak == 0) {
    switch (isa) {
      case kernels::Isa::avx512:
        peak = measure(run_avx512, 16);
        break;
      case kernels::Isa::avx2:
        peak = measure(run_avx2, 8);
        break;
      case kernels::Isa::scalar:
        peak = measure(run_scalar, 4);
        break;
    }
  }
  return peak;
}

}  // namespace deepsad::benchmarks
