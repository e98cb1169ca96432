#include "support/machine_peak.h"

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <map>
#include <utility>

#include "deepsad/core/aligned_buffer.h"

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

namespace {

// Copies n floats, n a multiple of 64.
__attribute__((target("avx512f"))) void copy_avx512(const float* from, float* to, std::size_t n) {
  for (std::size_t i = 0; i < n; i += 64) {
    _Pragma("GCC unroll 4") for (std::size_t k = 0; k < 64; k += 16) {
      _mm512_store_ps(to + i + k, _mm512_load_ps(from + i + k));
    }
  }
}
__attribute__((target("avx2"))) void copy_avx2(const float* from, float* to, std::size_t n) {
  for (std::size_t i = 0; i < n; i += 64) {
    _Pragma("GCC unroll 8") for (std::size_t k = 0; k < 64; k += 8) {
      _mm256_store_ps(to + i + k, _mm256_load_ps(from + i + k));
    }
  }
}
void copy_scalar(const float* from, float* to, std::size_t n) {
  for (std::size_t i = 0; i < n; i += 64) {
    _Pragma("GCC unroll 16") for (std::size_t k = 0; k < 64; k += 4) {
      _mm_store_ps(to + i + k, _mm_load_ps(from + i + k));
    }
  }
}

}  // namespace

double copy_peak(kernels::Isa isa, double bytes) {
  static std::map<std::pair<kernels::Isa, double>, double> peaks;
  double& peak = peaks[{isa, bytes}];
  if (peak == 0) {
    const auto copy = isa == kernels::Isa::avx512 ? copy_avx512
                      : isa == kernels::Isa::avx2 ? copy_avx2
                                                  : copy_scalar;
    constexpr std::size_t kStep = 64;
    const std::size_t n = (static_cast<std::size_t>(bytes) / (2 * sizeof(float)) + kStep - 1) / kStep * kStep;
    AlignedBuffer<float> from(n), to(n);
    const double moved = 2.0 * static_cast<double>(n * sizeof(float));
    const int repeat = static_cast<int>(std::max(1.0, 2e6 / moved));
    for (int run = 0; run < kRuns; ++run) {
      const auto start = std::chrono::steady_clock::now();
      for (int i = 0; i < repeat; ++i) {
        copy(from.data(), to.data(), n);
        asm volatile("" ::: "memory");
      }
      const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
      if (run > 0) peak = std::max(peak, moved * repeat / time.count());
    }
  }
  return peak;
}

}  // namespace deepsad::benchmarks
