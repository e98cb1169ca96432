#include "kernels/batch_norm/batch_norm_vectors.h"

#include <algorithm>
#include <cstddef>

#include "kernels/batch_norm/batch_norm_vectors_reference.h"
#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/batch_norm/batch_norm_vectors.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/activation/leaky_relu-inl.h"
#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
namespace {

// Four channels share the sums across lanes and the double arithmetic of a channel, two where registers are
// few.
constexpr std::size_t kTogether = 4;
using D4 = hn::FixedTag<double, kTogether>;
using V4 = hn::Vec<D4>;
using F4 = hn::FixedTag<float, kTogether>;
// Sums run in float over at most so many groups and are then added up in double.
constexpr std::size_t kFold = 256;

/// kN <= 4 values from or to memory, which needs no alignment.
template <std::size_t kN, class Tag>
HWY_INLINE hn::Vec<Tag> load_some(Tag tag, const hn::TFromD<Tag>* values) {
  return kN == kTogether ? hn::LoadU(tag, values) : hn::MaskedLoad(hn::FirstN(tag, kN), tag, values);
}
template <std::size_t kN, class Tag>
HWY_INLINE void store_some(Tag tag, hn::Vec<Tag> v, hn::TFromD<Tag>* to) {
  if constexpr (kN == kTogether) {
    hn::StoreU(v, tag, to);
  } else {
    hn::BlendedStore(v, hn::FirstN(tag, kN), tag, to);
  }
}
template <std::size_t kN>
HWY_INLINE V4 load_double(const float* values) {
  return hn::PromoteTo(D4(), load_some<kN>(F4(), values));
}
template <std::size_t kN>
HWY_INLINE void store_double(V4 v, double* to) {
  store_some<kN>(D4(), v, to);
}
template <std::size_t kN>
HWY_INLINE void store_double(V4 v, float* to) {
  store_some<kN>(F4(), hn::DemoteTo(F4(), v), to);
}

/// The sums of each lane over the groups, of four channels.
template <std::size_t kSums>
using LaneSums = V[kSums][kTogether];

/// kSums sums of each of four channels over the groups and valid lanes. add(keep, acc) adds what a group
/// gives, group after group, to acc; keep(part, v) is v with zeros in lanes that do not count.
template <std::size_t kSums, class Add>
HWY_INLINE void sum_over_groups(std::size_t n_samples, Add add, V4 (&sums)[kSums]) {
  HWY_UNROLL(2)
  for (std::size_t s = 0; s < kSums; ++s) sums[s] = hn::Zero(D4());
  const std::size_t n_whole = n_samples / kLanes;
  for (std::size_t g = 0; g * kLanes < n_samples; g += kFold) {
    LaneSums<kSums> acc;
    HWY_UNROLL(2)
    for (std::size_t s = 0; s < kSums; ++s) {
      HWY_UNROLL(4)
      for (std::size_t k = 0; k < kTogether; ++k) acc[s][k] = hn::Zero(D());
    }
    const std::size_t end = std::min(n_whole, g + kFold);
    for (std::size_t i = g; i < end; ++i) {
      add([](std::size_t, V v) DEEPSAD_KERNEL_LAMBDA { return v; }, acc);
    }
    if (end == n_whole && n_samples % kLanes != 0 && end < g + kFold) {
      const ValidLanes valid(n_samples % kLanes);
      add([&](std::size_t part, V v)
              DEEPSAD_KERNEL_LAMBDA { return hn::IfThenElseZero(valid.part[part], v); },
          acc);
    }
    HWY_UNROLL(2)
    for (std::size_t s = 0; s < kSums; ++s) {
      alignas(16) float totals[kTogether];
      sum_lanes(acc[s], totals);
      sums[s] = hn::Add(sums[s], load_double<kTogether>(totals));
    }
  }
}

// Each pass runs over all channels before the next begins, so that a block's sums across lanes and its
// divisions are hidden behind the loads of the blocks after it.

/// mean and center of channels c..c+kN-1.
template <std::size_t kN>
HWY_INLINE void means(const VectorNorm& part, std::size_t c, const VectorGroups<const float>& x,
                      const VectorMoments<float>& moments) {
  const D d;
  const float* from = x.values + c * kLanes;
  // The first value as offset keeps the sum's error relative to the spread of the values, not to their size.
  alignas(16) float first[kTogether] = {};
  HWY_UNROLL(4)
  for (std::size_t k = 0; k < kN; ++k) first[k] = from[k * kLanes];
  V4 sum[1];
  const auto add = [&](auto keep, LaneSums<1>& acc) DEEPSAD_KERNEL_LAMBDA {
    HWY_UNROLL(4)
    for (std::size_t k = 0; k < kN; ++k) {
      HWY_UNROLL(2)
      for (std::size_t p = 0; p < kParts; ++p) {
        const V value = hn::Load(d, from + k * kLanes + p * kVector);
        acc[0][k] = hn::Add(acc[0][k], keep(p, hn::Sub(value, hn::Set(d, first[k]))));
      }
    }
    from += x.step;
  };
  sum_over_groups(part.n_samples, add, sum);
  const V4 inverse_n = hn::Set(D4(), 1 / static_cast<double>(part.n_samples));
  const V4 mean = hn::MulAdd(sum[0], inverse_n, load_double<kTogether>(first));
  store_double<kN>(mean, moments.mean + c);
  store_double<kN>(mean, moments.center + c);
}

/// m2 and inv_std. That the mean was rounded to float matters where it is 1e5 times the standard deviation,
/// and the values are as coarse.
template <std::size_t kN>
HWY_INLINE void squares(const VectorNorm& part, std::size_t c, const VectorGroups<const float>& x,
                        double epsilon, const VectorMoments<float>& moments) {
  const D d;
  const D4 d4;
  const float* from = x.values + c * kLanes;
  V center[kN];
  HWY_UNROLL(4)
  for (std::size_t k = 0; k < kN; ++k) center[k] = hn::Set(d, moments.center[c + k]);
  V4 sum[1];
  const auto add = [&](auto keep, LaneSums<1>& acc) DEEPSAD_KERNEL_LAMBDA {
    HWY_UNROLL(4)
    for (std::size_t k = 0; k < kN; ++k) {
      HWY_UNROLL(2)
      for (std::size_t p = 0; p < kParts; ++p) {
        const V difference = keep(p, hn::Sub(hn::Load(d, from + k * kLanes + p * kVector), center[k]));
        acc[0][k] = hn::MulAdd(difference, difference, acc[0][k]);
      }
    }
    from += x.step;
  };
  sum_over_groups(part.n_samples, add, sum);
  const double n = static_cast<double>(part.n_samples);
  const V4 variance = hn::MulAdd(sum[0], hn::Set(d4, 1 / n), hn::Set(d4, epsilon));
  store_double<kN>(sum[0], moments.m2 + c);
  store_double<kN>(hn::Div(hn::Set(d4, 1.0), hn::Sqrt(variance)), moments.inv_std + c);
}

/// Writes g over dy; mean_g and mean_gx.
template <std::size_t kN>
HWY_INLINE void gradient_means(const VectorNorm& part, std::size_t c, const VectorGroups<const float>& x,
                               const VectorMoments<float>& moments, V slope, const VectorGroups<float>& dy,
                               const VectorGradients<float>& means) {
  const D d;
  const float* from = x.values + c * kLanes;
  float* gradients = dy.values + c * kLanes;
  V center[kN];
  HWY_UNROLL(4)
  for (std::size_t k = 0; k < kN; ++k) center[k] = hn::Set(d, moments.center[c + k]);
  V4 sums[2];
  const auto add = [&](auto keep, LaneSums<2>& acc) DEEPSAD_KERNEL_LAMBDA {
    HWY_UNROLL(4)
    for (std::size_t k = 0; k < kN; ++k) {
      HWY_UNROLL(2)
      for (std::size_t p = 0; p < kParts; ++p) {
        const std::size_t at = k * kLanes + p * kVector;
        const V difference = keep(p, hn::Sub(hn::Load(d, from + at), center[k]));
        const V g = keep(p, leaky(difference, slope, hn::Load(d, gradients + at)));
        hn::Store(g, d, gradients + at);
        acc[0][k] = hn::Add(acc[0][k], g);
        acc[1][k] = hn::MulAdd(g, difference, acc[1][k]);
      }
    }
    from += x.step;
    gradients += dy.step;
  };
  sum_over_groups(part.n_samples, add, sums);
  const V4 inverse_n = hn::Set(D4(), 1 / static_cast<double>(part.n_samples));
  const V4 inv_std = load_double<kN>(moments.inv_std + c);
  store_double<kN>(hn::Mul(sums[0], inverse_n), means.mean_g + c);
  store_double<kN>(hn::Mul(hn::Mul(sums[1], inverse_n), inv_std), means.mean_gx + c);
}

}  // namespace

void batch_norm_vectors_forward(const VectorNorm& part, const VectorGroups<const float>& x, double epsilon,
                                float slope, const VectorMoments<float>& moments,
                                const VectorGroups<float>& y) noexcept {
  const D d;
  for_each_block<kTogether>(part.last - part.first, [&](auto n, std::size_t c) DEEPSAD_KERNEL_LAMBDA {
    means<n>(part, part.first + c, x, moments);
  });
  for_each_block<kTogether>(part.last - part.first, [&](auto n, std::size_t c) DEEPSAD_KERNEL_LAMBDA {
    squares<n>(part, part.first + c, x, epsilon, moments);
  });
  const std::size_t n_groups = (part.n_samples + kLanes - 1) / kLanes;
  const ValidLanes last_lanes((part.n_samples - 1) % kLanes + 1);
  for (std::size_t c = part.first; c < part.last; ++c) {
    const V center = hn::Set(d, moments.center[c]);
    const V above = hn::Set(d, moments.inv_std[c]), below = hn::Set(d, slope * moments.inv_std[c]);
    const float* from = x.values + c * kLanes;
    float* to = y.values + c * kLanes;
    const auto point = [&](std::size_t p) DEEPSAD_KERNEL_LAMBDA {
      const V difference = hn::Sub(hn::Load(d, from + p), center);
      return hn::Mul(difference, hn::IfThenElse(hn::Gt(difference, hn::Zero(d)), above, below));
    };
    for (std::size_t g = 0; g + 1 < n_groups; ++g, from += x.step, to += y.step) {
      HWY_UNROLL(2)
      for (std::size_t p = 0; p < kLanes; p += kVector) hn::Store(point(p), d, to + p);
    }
    HWY_UNROLL(2)
    for (std::size_t p = 0; p < kParts; ++p)
      hn::Store(hn::IfThenElseZero(last_lanes.part[p], point(p * kVector)), d, to + p * kVector);
  }
}

void batch_norm_vectors_backward(const VectorNorm& part, const VectorGroups<const float>& x,
                                 const VectorMoments<float>& moments, float slope,
                                 const VectorGroups<float>& dy, const VectorGradients<float>& means,
                                 const VectorGroups<float>& dx) noexcept {
  const D d;
  const V slopes = hn::Set(d, slope);
  constexpr std::size_t kAtOnce = kParts == 1 ? kTogether : 2;  // of AVX2's registers four would spill
  for_each_block<kAtOnce>(part.last - part.first, [&](auto n, std::size_t c) DEEPSAD_KERNEL_LAMBDA {
    gradient_means<n>(part, part.first + c, x, moments, slopes, dy, means);
  });
  const std::size_t n_groups = (part.n_samples + kLanes - 1) / kLanes;
  const ValidLanes last_lanes((part.n_samples - 1) % kLanes + 1);
  for (std::size_t c = part.first; c < part.last; ++c) {
    const V center = hn::Set(d, moments.center[c]), inv_std = hn::Set(d, moments.inv_std[c]);
    const V mean_g = hn::Set(d, means.mean_g[c]);
    const V factor = hn::Set(d, moments.inv_std[c] * moments.inv_std[c] * means.mean_gx[c]);
    const float *from = x.values + c * kLanes, *gradient = dy.values + c * kLanes;
    float* to = dx.values + c * kLanes;
    const auto point = [&](std::size_t p) DEEPSAD_KERNEL_LAMBDA {
      const V difference = hn::Sub(hn::Load(d, from + p), center);
      const V g = hn::Sub(hn::Load(d, gradient + p), mean_g);
      return hn::NegMulAdd(difference, factor, hn::Mul(inv_std, g));
    };
    for (std::size_t g = 0; g + 1 < n_groups; ++g, from += x.step, gradient += dy.step, to += dx.step) {
      HWY_UNROLL(2)
      for (std::size_t p = 0; p < kLanes; p += kVector) hn::Store(point(p), d, to + p);
    }
    HWY_UNROLL(2)
    for (std::size_t p = 0; p < kParts; ++p)
      hn::Store(hn::IfThenElseZero(last_lanes.part[p], point(p * kVector)), d, to + p * kVector);
  }
}

#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace deepsad::kernels {

void batch_norm_vectors_forward(const VectorNorm& part, const VectorGroups<const float>& x, double epsilon,
                                float slope, const VectorMoments<float>& moments,
                                const VectorGroups<float>& y) noexcept {
  DEEPSAD_CALL_KERNEL(batch_norm_vectors_forward, part, x, epsilon, slope, moments, y);
}

void batch_norm_vectors_forward(const VectorNorm& part, const VectorGroups<const double>& x, double epsilon,
                                double slope, const VectorMoments<double>& moments,
                                const VectorGroups<double>& y) noexcept {
  reference::batch_norm_vectors_forward(part, x, epsilon, slope, moments, y);
}

void batch_norm_vectors_backward(const VectorNorm& part, const VectorGroups<const float>& x,
                                 const VectorMoments<float>& moments, float slope,
                                 const VectorGroups<float>& dy, const VectorGradients<float>& means,
                                 const VectorGroups<float>& dx) noexcept {
  DEEPSAD_CALL_KERNEL(batch_norm_vectors_backward, part, x, moments, slope, dy, means, dx);
}

void batch_norm_vectors_backward(const VectorNorm& part, const VectorGroups<const double>& x,
                                 const VectorMoments<double>& moments, double slope,
                                 const VectorGroups<double>& dy, const VectorGradients<double>& means,
                                 const VectorGroups<double>& dx) noexcept {
  reference::batch_norm_vectors_backward(part, x, moments, slope, dy, means, dx);
}

}  // namespace deepsad::kernels
#endif  // HWY_ONCE
