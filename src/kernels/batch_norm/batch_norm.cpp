#include "kernels/batch_norm/batch_norm.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/batch_norm/batch_norm_reference.h"
#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/batch_norm/batch_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/activation/leaky_relu-inl.h"
#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
namespace {

// Sums run in float over at most kFold vectors per accumulator and are then added up in double: 256 additions
// keep the error of a float sum near 1e-6 of its size, and the conversion costs nothing beside them.
constexpr std::size_t kAccumulators = 4;  // hides the latency of the addition; a multiple of kParts
constexpr std::size_t kFold = 256;
static_assert(kAccumulators % kParts == 0);

HWY_INLINE double sum_in_double(V v) {
  const hn::Half<D> half;
  const hn::Repartition<double, D> d64;
  const auto sum =
      hn::Add(hn::PromoteTo(d64, hn::LowerHalf(half, v)), hn::PromoteTo(d64, hn::UpperHalf(half, v)));
  return hn::GetLane(hn::SumOfLanes(d64, sum));
}

/// Lanes that do not count are dropped here, so that whatever they hold (even NaN) has no effect.
HWY_INLINE double fold(const V (&acc)[kAccumulators], const ValidLanes& mask) {
  V total = hn::Zero(D());
  HWY_UNROLL(4)
  for (std::size_t k = 0; k < kAccumulators; ++k) {
    total = hn::Add(total, hn::IfThenElseZero(mask.part[k % kParts], acc[k]));
  }
  return sum_in_double(total);
}

HWY_INLINE void clear(V (&acc)[kAccumulators]) {
  HWY_UNROLL(4)
  for (std::size_t k = 0; k < kAccumulators; ++k) acc[k] = hn::Zero(D());
}

/// Sum over the plane and the valid lanes of (x - shift)^kPower, kPower 1 or 2.
template <int kPower>
double sum_of_powers(const float* x, std::size_t plane, float shift, const ValidLanes& mask) {
  const D d;
  const V offset = hn::Set(d, shift);
  const auto add = [&](V acc, V value) DEEPSAD_KERNEL_LAMBDA {
    const V difference = hn::Sub(value, offset);
    return kPower == 1 ? hn::Add(acc, difference) : hn::MulAdd(difference, difference, acc);
  };
  double sum = 0;
  const std::size_t vectors = plane * kParts;
  for (std::size_t v = 0; v < vectors;) {
    V acc[kAccumulators];
    clear(acc);
    const std::size_t end = std::min(vectors, v + kFold * kAccumulators);
    for (; v + kAccumulators <= end; v += kAccumulators) {
      HWY_UNROLL(4)
      for (std::size_t k = 0; k < kAccumulators; ++k)
        acc[k] = add(acc[k], hn::Load(d, x + (v + k) * kVector));
    }
    for (; v < end; v += kParts) {
      HWY_UNROLL(2)
      for (std::size_t k = 0; k < kParts; ++k) acc[k] = add(acc[k], hn::Load(d, x + (v + k) * kVector));
    }
    sum += fold(acc, mask);
  }
  return sum;
}

/// What the second half of the backward pass needs of a channel.
struct Channel {
  V mean, inv_std, mean_g, mean_gx;
  Channel(const float* means, const float* inv_stds, const float* mean_gs, const float* mean_gxs,
          std::size_t c)
      : mean(hn::Set(D(), means[c])),
        inv_std(hn::Set(D(), inv_stds[c])),
        mean_g(hn::Set(D(), mean_gs[c])),
        mean_gx(hn::Set(D(), mean_gxs[c])) {}

  HWY_INLINE V gradient(V x, V g) const {
    const V xhat = hn::Mul(hn::Sub(x, mean), inv_std);
    return hn::Mul(inv_std, hn::NegMulAdd(xhat, mean_gx, hn::Sub(g, mean_g)));
  }
};

}  // namespace

void channel_moments(std::size_t channels, std::size_t plane, std::size_t n_valid, const float* x,
                     double* mean, double* m2) noexcept {
  const ValidLanes mask(n_valid);
  const double n = static_cast<double>(plane * n_valid);
  for (std::size_t c = 0; c < channels; ++c) {
    const float* map = x + c * plane * kLanes;
    // The first value as offset keeps the sum's error relative to the spread of the values, not to their
    // size.
    const float first = map[0];
    mean[c] = static_cast<double>(first) + sum_of_powers<1>(map, plane, first, mask) / n;
    // The squares are taken about the mean rounded to float; the rest of the shift is exact algebra.
    const float rounded = static_cast<float>(mean[c]);
    const double rest = mean[c] - static_cast<double>(rounded);
    m2[c] = std::max(0.0, sum_of_powers<2>(map, plane, rounded, mask) - n * rest * rest);
  }
}

void batch_norm_forward(std::size_t channels, std::size_t plane, const float* x, const float* mean,
                        const float* inv_std, float slope, float* y) noexcept {
  const D d;
  const V slopes = hn::Set(d, slope);
  for (std::size_t c = 0; c < channels; ++c) {
    const V means = hn::Set(d, mean[c]), inv_stds = hn::Set(d, inv_std[c]);
    for (std::size_t i = c * plane * kLanes; i < (c + 1) * plane * kLanes; i += kVector) {
      const V xhat = hn::Mul(hn::Sub(hn::Load(d, x + i), means), inv_stds);
      hn::Store(leaky(xhat, slopes, xhat), d, y + i);
    }
  }
}

void batch_norm_backward_sums(std::size_t channels, std::size_t plane, std::size_t n_valid, const float* x,
                              const float* mean, const float* inv_std, float slope, float* dy, double* sum_g,
                              double* sum_gx) noexcept {
  const D d;
  const ValidLanes mask(n_valid);
  const V slopes = hn::Set(d, slope);
  for (std::size_t c = 0; c < channels; ++c) {
    const V means = hn::Set(d, mean[c]), inv_stds = hn::Set(d, inv_std[c]);
    sum_g[c] = 0;
    sum_gx[c] = 0;
    const std::size_t vectors = plane * kParts;
    for (std::size_t v = 0; v < vectors;) {
      V acc_g[kAccumulators], acc_gx[kAccumulators];
      clear(acc_g);
      clear(acc_gx);
      const auto add = [&](std::size_t k) DEEPSAD_KERNEL_LAMBDA {
        const std::size_t at = c * plane * kLanes + (v + k) * kVector;
        const V xhat = hn::Mul(hn::Sub(hn::Load(d, x + at), means), inv_stds);
        const V g = hn::IfThenElseZero(mask.part[k % kParts], leaky(xhat, slopes, hn::Load(d, dy + at)));
        hn::Store(g, d, dy + at);
        acc_g[k] = hn::Add(acc_g[k], g);
        acc_gx[k] = hn::MulAdd(g, xhat, acc_gx[k]);
      };
      const std::size_t end = std::min(vectors, v + kFold * kAccumulators);
      for (; v + kAccumulators <= end; v += kAccumulators) {
        HWY_UNROLL(4)
        for (std::size_t k = 0; k < kAccumulators; ++k) add(k);
      }
      for (; v < end; v += kParts) {
        HWY_UNROLL(2)
        for (std::size_t k = 0; k < kParts; ++k) add(k);
      }
      sum_g[c] += fold(acc_g, mask);
      sum_gx[c] += fold(acc_gx, mask);
    }
  }
}

void batch_norm_backward(std::size_t channels, std::size_t plane, std::size_t n_valid, const float* x,
                         const float* g, const float* mean, const float* inv_std, const float* mean_g,
                         const float* mean_gx, float* dx) noexcept {
  const D d;
  const ValidLanes mask(n_valid);
  for (std::size_t c = 0; c < channels; ++c) {
    const Channel channel(mean, inv_std, mean_g, mean_gx, c);
    for (std::size_t i = c * plane * kLanes; i < (c + 1) * plane * kLanes;) {
      for (std::size_t part = 0; part < kParts; ++part, i += kVector) {
        const V value = channel.gradient(hn::Load(d, x + i), hn::Load(d, g + i));
        hn::Store(hn::IfThenElseZero(mask.part[part], value), d, dx + i);
      }
    }
  }
}

void batch_norm_backward_fixed(std::size_t channels, std::size_t plane, const float* x, const float* dy,
                               const float* mean, const float* inv_std, float slope, float* dx) noexcept {
  const D d;
  for (std::size_t c = 0; c < channels; ++c) {
    const V means = hn::Set(d, mean[c]), inv_stds = hn::Set(d, inv_std[c]);
    const V below = hn::Set(d, slope * inv_std[c]);
    for (std::size_t i = c * plane * kLanes; i < (c + 1) * plane * kLanes; i += kVector) {
      const auto positive = hn::Gt(hn::Load(d, x + i), means);
      hn::Store(hn::Mul(hn::Load(d, dy + i), hn::IfThenElse(positive, inv_stds, below)), d, dx + i);
    }
  }
}

void batch_norm_backward_unpool(std::size_t channels, std::size_t height, std::size_t width,
                                std::size_t n_valid, const float* x, const float* g,
                                const std::uint8_t* winner, const float* mean, const float* inv_std,
                                const float* mean_g, const float* mean_gx, float* dx) noexcept {
  const D d;
  const hn::RebindToSigned<D> d32;
  const hn::Rebind<std::uint8_t, D> d8;
  const ValidLanes mask(n_valid);
  const std::size_t pooled_height = height / 2, pooled_width = width / 2;
  for (std::size_t c = 0; c < channels; ++c) {
    const Channel channel(mean, inv_std, mean_g, mean_gx, c);
    const auto write = [&](std::size_t row, std::size_t column, std::size_t part,
                           V gradient) DEEPSAD_KERNEL_LAMBDA {
      const std::size_t at = ((c * height + row) * width + column) * kLanes + part * kVector;
      hn::Store(hn::IfThenElseZero(mask.part[part], channel.gradient(hn::Load(d, x + at), gradient)), d,
                dx + at);
    };
    for (std::size_t i = 0; i < pooled_height; ++i) {
      for (std::size_t j = 0; j < pooled_width; ++j) {
        for (std::size_t part = 0; part < kParts; ++part) {
          const std::size_t at = ((c * pooled_height + i) * pooled_width + j) * kLanes + part * kVector;
          const V pooled = hn::Load(d, g + at);
          const auto position = hn::PromoteTo(d32, hn::LoadU(d8, winner + at));
          for (std::size_t k = 0; k < 4; ++k) {
            const auto won = hn::RebindMask(d, hn::Eq(position, hn::Set(d32, static_cast<std::int32_t>(k))));
            write(2 * i + k / 2, 2 * j + k % 2, part, hn::IfThenElseZero(won, pooled));
          }
        }
      }
    }
    // The odd last column and row, which no window covers.
    for (std::size_t part = 0; part < kParts; ++part) {
      for (std::size_t i = 0; i < 2 * pooled_height; ++i) {
        if (width % 2 == 1) write(i, width - 1, part, hn::Zero(d));
      }
      for (std::size_t j = 0; j < width; ++j) {
        if (height % 2 == 1) write(height - 1, j, part, hn::Zero(d));
      }
    }
  }
}

#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace deepsad::kernels {

void channel_moments(std::size_t channels, std::size_t plane, std::size_t n_valid, const float* x,
                     double* mean, double* m2) noexcept {
  DEEPSAD_CALL_KERNEL(channel_moments, channels, plane, n_valid, x, mean, m2);
}

void channel_moments(std::size_t channels, std::size_t plane, std::size_t n_valid, const double* x,
                     double* mean, double* m2) noexcept {
  reference::channel_moments(channels, plane, n_valid, x, mean, m2);
}

void batch_norm_forward(std::size_t channels, std::size_t plane, const float* x, const float* mean,
                        const float* inv_std, float slope, float* y) noexcept {
  DEEPSAD_CALL_KERNEL(batch_norm_forward, channels, plane, x, mean, inv_std, slope, y);
}

void batch_norm_forward(std::size_t channels, std::size_t plane, const double* x, const double* mean,
                        const double* inv_std, double slope, double* y) noexcept {
  reference::batch_norm_forward(channels, plane, x, mean, inv_std, slope, y);
}

void batch_norm_backward_sums(std::size_t channels, std::size_t plane, std::size_t n_valid, const float* x,
                              const float* mean, const float* inv_std, float slope, float* dy, double* sum_g,
                              double* sum_gx) noexcept {
  DEEPSAD_CALL_KERNEL(batch_norm_backward_sums, channels, plane, n_valid, x, mean, inv_std, slope, dy, sum_g,
                      sum_gx);
}

void batch_norm_backward_sums(std::size_t channels, std::size_t plane, std::size_t n_valid, const double* x,
                              const double* mean, const double* inv_std, double slope, double* dy,
                              double* sum_g, double* sum_gx) noexcept {
  reference::batch_norm_backward_sums(channels, plane, n_valid, x, mean, inv_std, slope, dy, sum_g, sum_gx);
}

void batch_norm_backward(std::size_t channels, std::size_t plane, std::size_t n_valid, const float* x,
                         const float* g, const float* mean, const float* inv_std, const float* mean_g,
                         const float* mean_gx, float* dx) noexcept {
  DEEPSAD_CALL_KERNEL(batch_norm_backward, channels, plane, n_valid, x, g, mean, inv_std, mean_g, mean_gx,
                      dx);
}

void batch_norm_backward(std::size_t channels, std::size_t plane, std::size_t n_valid, const double* x,
                         const double* g, const double* mean, const double* inv_std, const double* mean_g,
                         const double* mean_gx, double* dx) noexcept {
  reference::batch_norm_backward(channels, plane, n_valid, x, g, mean, inv_std, mean_g, mean_gx, dx);
}

void batch_norm_backward_fixed(std::size_t channels, std::size_t plane, const float* x, const float* dy,
                               const float* mean, const float* inv_std, float slope, float* dx) noexcept {
  DEEPSAD_CALL_KERNEL(batch_norm_backward_fixed, channels, plane, x, dy, mean, inv_std, slope, dx);
}

void batch_norm_backward_fixed(std::size_t channels, std::size_t plane, const double* x, const double* dy,
                               const double* mean, const double* inv_std, double slope, double* dx) noexcept {
  reference::batch_norm_backward_fixed(channels, plane, x, dy, mean, inv_std, slope, dx);
}

void batch_norm_backward_unpool(std::size_t channels, std::size_t height, std::size_t width,
                                std::size_t n_valid, const float* x, const float* g,
                                const std::uint8_t* winner, const float* mean, const float* inv_std,
                                const float* mean_g, const float* mean_gx, float* dx) noexcept {
  DEEPSAD_CALL_KERNEL(batch_norm_backward_unpool, channels, height, width, n_valid, x, g, winner, mean,
                      inv_std, mean_g, mean_gx, dx);
}

void batch_norm_backward_unpool(std::size_t channels, std::size_t height, std::size_t width,
                                std::size_t n_valid, const double* x, const double* g,
                                const std::uint8_t* winner, const double* mean, const double* inv_std,
                                const double* mean_g, const double* mean_gx, double* dx) noexcept {
  reference::batch_norm_backward_unpool(channels, height, width, n_valid, x, g, winner, mean, inv_std, mean_g,
                                        mean_gx, dx);
}

}  // namespace deepsad::kernels
#endif  // HWY_ONCE
