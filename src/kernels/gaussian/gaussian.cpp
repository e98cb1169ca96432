#include "kernels/gaussian/gaussian.h"

#include <algorithm>
#include <cstddef>

#include "kernels/dispatch.h"
#include "kernels/gaussian/gaussian_reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gaussian/gaussian.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
namespace {

using DU = hn::RebindToUnsigned<D>;
using U = hn::Vec<DU>;

/// The upper 32 bits of a * b.
HWY_INLINE U mul_high(U a, U b) {
  const DU d;
  const hn::RepartitionToWide<DU> wide;
  const auto even = hn::MulEven(a, b);
  const auto odd = hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(wide, a))),
                               hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(wide, b))));
  return hn::OddEven(hn::BitCast(d, odd), hn::BitCast(d, hn::ShiftRight<32>(even)));
}

HWY_INLINE void philox(std::uint64_t key, U (&counter)[4]) {
  const DU d;
  const U multiplier0 = hn::Set(d, kPhiloxMultiplier0);
  const U multiplier1 = hn::Set(d, kPhiloxMultiplier1);
  auto key0 = static_cast<std::uint32_t>(key);
  auto key1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const U next0 = hn::Xor(hn::Xor(mul_high(multiplier1, counter[2]), counter[1]), hn::Set(d, key0));
    const U next2 = hn::Xor(hn::Xor(mul_high(multiplier0, counter[0]), counter[3]), hn::Set(d, key1));
    counter[1] = hn::Mul(multiplier1, counter[2]);
    counter[3] = hn::Mul(multiplier0, counter[0]);
    counter[0] = next0;
    counter[2] = next2;
    key0 += kPhiloxWeyl0;
    key1 += kPhiloxWeyl1;
  }
}

HWY_INLINE V upper_24_bits(U word) {
  const hn::RebindToSigned<D> di;
  return hn::ConvertTo(D(), hn::BitCast(di, hn::ShiftRight<8>(word)));
}

HWY_INLINE V log_variance(LogVariance form, V s) {
  const D d;
  V v;
  if (form == LogVariance::bounded) {
    const V bound = hn::Set(d, static_cast<float>(kLogVarianceBound));
    const V inverse = hn::Set(d, static_cast<float>(1 / kLogVarianceBound));
    v = hn::Mul(bound, hn::Tanh(d, hn::Mul(s, inverse)));
  } else {
    v = hn::Add(hn::Max(s, hn::Zero(d)), hn::Log1p(d, hn::Exp(d, hn::Neg(hn::Abs(s)))));
  }
  return hn::IfThenElse(hn::IsNaN(s), s, v);  // Exp and Tanh make a number of NaN
}

HWY_INLINE V log_variance_slope(LogVariance form, V s, V v) {
  const D d;
  const V one = hn::Set(d, 1.0F);
  if (form == LogVariance::bounded) {
    const V share = hn::Mul(v, hn::Set(d, static_cast<float>(1 / kLogVarianceBound)));
    return hn::NegMulAdd(share, share, one);
  }
  const V e = hn::Exp(d, hn::Neg(hn::Abs(s)));
  return hn::Div(hn::IfThenElse(hn::Lt(s, hn::Zero(d)), e, one), hn::Add(one, e));
}

}  // namespace

void gaussian_noise(std::uint64_t key, std::uint32_t group, std::size_t n, float* dst) noexcept {
  const D d;
  const DU du;
  const V unit = hn::Set(d, 0x1.0p-24F);
  const V two_pi = hn::Set(d, static_cast<float>(2 * std::numbers::pi));
  for (std::size_t j = 0; j < n; j += kBlockValues) {
    for (std::size_t part = 0; part < kParts; ++part) {
      const std::size_t first = part * kVector;
      U words[4] = {hn::Iota(du, static_cast<std::uint32_t>(j / kBlockValues * kLanes + first)),
                    hn::Set(du, group), hn::Zero(du), hn::Zero(du)};
      philox(key, words);
      for (std::size_t pair = 0; pair < 2; ++pair) {
        const V u = hn::Mul(hn::Add(upper_24_bits(words[2 * pair]), hn::Set(d, 1.0F)), unit);
        const V angle = hn::Mul(hn::Mul(upper_24_bits(words[2 * pair + 1]), unit), two_pi);
        const V radius = hn::Sqrt(hn::Mul(hn::Set(d, -2.0F), hn::Log(d, u)));
        float* to = dst + (j + 2 * pair) * kLanes + first;
        if (j + 2 * pair < n) hn::Store(hn::Mul(radius, hn::Cos(d, angle)), d, to);
        if (j + 2 * pair + 1 < n) hn::Store(hn::Mul(radius, hn::Sin(d, angle)), d, to + kLanes);
      }
    }
  }
}

void gaussian_sample(std::size_t n, std::size_t n_valid, GaussianForm form, const float* heads,
                     const float* noise, float* z, double* kl) noexcept {
  const D d;
  const V half = hn::Set(d, 0.5F);
  const ValidLanes valid(n_valid);
  const float* raw = heads + n * kLanes;
  for (std::size_t part = 0; part < kParts; ++part) {
    const std::size_t first = part * kVector;
    double sums[kVector] = {};
    for (std::size_t j = 0; j < n; ++j) {
      const std::size_t at = j * kLanes + first;
      const V mu = hn::Load(d, heads + at);
      const V e = hn::Load(d, noise + at);
      const V v = log_variance(form.log_variance, hn::Load(d, raw + at));
      const V deviation = hn::Exp(d, hn::Mul(half, v));
      const V sample = hn::MulAdd(deviation, e, mu);
      V term;
      if (form.kl == KlEstimate::closed_form) {
        term = hn::Sub(hn::Sub(hn::MulAdd(deviation, deviation, hn::Mul(mu, mu)), hn::Set(d, 1.0F)), v);
      } else {
        term = hn::Sub(hn::Sub(hn::Mul(sample, sample), hn::Mul(e, e)), v);
      }
      hn::Store(hn::IfThenElseZero(valid.part[part], sample), d, z + at);
      alignas(64) float terms[kVector];
      hn::Store(hn::IfThenElseZero(valid.part[part], term), d, terms);
      for (std::size_t l = 0; l < kVector; ++l) sums[l] += static_cast<double>(terms[l]);
    }
    for (std::size_t l = 0; l < kVector; ++l) kl[first + l] = 0.5 * sums[l];
  }
}

void gaussian_sample_backward(std::size_t n, GaussianForm form, const float* heads, const float* noise,
                              const float* dz, const float* weight, float* d_heads) noexcept {
  const D d;
  const V half = hn::Set(d, 0.5F);
  const float* raw = heads + n * kLanes;
  for (std::size_t first = 0; first < kLanes; first += kVector) {
    const V weights = hn::LoadU(d, weight + first);
    for (std::size_t j = 0; j < n; ++j) {
      const std::size_t at = j * kLanes + first;
      const V mu = hn::Load(d, heads + at);
      const V e = hn::Load(d, noise + at);
      const V s = hn::Load(d, raw + at);
      const V v = log_variance(form.log_variance, s);
      const V deviation = hn::Exp(d, hn::Mul(half, v));
      const V half_step = hn::Mul(hn::Mul(e, deviation), half);  // dz/dv
      V d_sample = hn::Load(d, dz + at);
      V d_v;
      if (form.kl == KlEstimate::closed_form) {
        const V excess = hn::MulSub(deviation, deviation, hn::Set(d, 1.0F));
        d_v = hn::MulAdd(d_sample, half_step, hn::Mul(hn::Mul(weights, excess), half));
        d_sample = hn::MulAdd(weights, mu, d_sample);
      } else {
        d_sample = hn::MulAdd(weights, hn::MulAdd(deviation, e, mu), d_sample);
        d_v = hn::MulSub(d_sample, half_step, hn::Mul(weights, half));
      }
      hn::Store(d_sample, d, d_heads + at);
      hn::Store(hn::Mul(d_v, log_variance_slope(form.log_variance, s, v)), d, d_heads + n * kLanes + at);
    }
  }
}

#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace deepsad::kernels {

void gaussian_noise(std::uint64_t key, std::uint32_t group, std::size_t n, float* dst) noexcept {
  DEEPSAD_CALL_KERNEL(gaussian_noise, key, group, n, dst);
}
void gaussian_noise(std::uint64_t key, std::uint32_t group, std::size_t n, double* dst) noexcept {
  reference::gaussian_noise(key, group, n, dst);
}

void gaussian_sample(std::size_t n, std::size_t n_valid, GaussianForm form, const float* heads,
                     const float* noise, float* z, double* kl) noexcept {
  DEEPSAD_CALL_KERNEL(gaussian_sample, n, n_valid, form, heads, noise, z, kl);
}
void gaussian_sample(std::size_t n, std::size_t n_valid, GaussianForm form, const double* heads,
                     const double* noise, double* z, double* kl) noexcept {
  reference::gaussian_sample(n, n_valid, form, heads, noise, z, kl);
}

void gaussian_sample_backward(std::size_t n, GaussianForm form, const float* heads, const float* noise,
                              const float* dz, const float* weight, float* d_heads) noexcept {
  DEEPSAD_CALL_KERNEL(gaussian_sample_backward, n, form, heads, noise, dz, weight, d_heads);
}
void gaussian_sample_backward(std::size_t n, GaussianForm form, const double* heads, const double* noise,
                              const double* dz, const double* weight, double* d_heads) noexcept {
  reference::gaussian_sample_backward(n, form, heads, noise, dz, weight, d_heads);
}

}  // namespace deepsad::kernels
#endif  // HWY_ONCE
