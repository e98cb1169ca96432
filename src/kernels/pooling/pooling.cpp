#include "kernels/pooling/pooling.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/dispatch.h"
#include "kernels/pooling/pooling_reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pooling/pooling.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
namespace {

using D32 = hn::RebindToSigned<D>;
using D8 = hn::Rebind<std::uint8_t, D>;  // one byte for each lane of a vector

}  // namespace

void max_pool_forward(std::size_t channels, std::size_t height, std::size_t width, const float* x, float* y,
                      std::uint8_t* winner) noexcept {
  const D d;
  const D32 d32;
  const D8 d8;
  const std::size_t pooled_height = height / 2, pooled_width = width / 2;
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t i = 0; i < pooled_height; ++i) {
      const float* top = x + (c * height + 2 * i) * width * kLanes;
      const float* bottom = top + width * kLanes;
      const std::size_t row = (c * pooled_height + i) * pooled_width * kLanes;
      for (std::size_t j = 0; j < pooled_width; ++j) {
        for (std::size_t part = 0; part < kParts; ++part) {
          const std::size_t at = 2 * j * kLanes + part * kVector;
          V best = hn::Load(d, top + at);
          auto position = hn::Zero(d32);
          const auto compare = [&](const float* other, std::int32_t index) DEEPSAD_KERNEL_LAMBDA {
            const V value = hn::Load(d, other);
            // Greater, or the first NaN: not (value <= best), unless best is NaN already.
            const auto wins = hn::AndNot(hn::Le(value, best), hn::Eq(best, best));
            best = hn::IfThenElse(wins, value, best);
            position = hn::IfThenElse(hn::RebindMask(d32, wins), hn::Set(d32, index), position);
          };
          compare(top + at + kLanes, 1);
          compare(bottom + at, 2);
          compare(bottom + at + kLanes, 3);
          const std::size_t to = row + j * kLanes + part * kVector;
          hn::Store(best, d, y + to);
          hn::StoreU(hn::DemoteTo(d8, position), d8, winner + to);
        }
      }
    }
  }
}

void max_pool_backward(std::size_t channels, std::size_t height, std::size_t width, const float* dy,
                       const std::uint8_t* winner, float* dx) noexcept {
  const D d;
  const D32 d32;
  const D8 d8;
  const std::size_t pooled_height = height / 2, pooled_width = width / 2;
  for (std::size_t c = 0; c < channels; ++c) {
    float* map = dx + c * height * width * kLanes;
    for (std::size_t i = 0; i < pooled_height; ++i) {
      for (std::size_t j = 0; j < pooled_width; ++j) {
        for (std::size_t part = 0; part < kParts; ++part) {
          const std::size_t at = ((c * pooled_height + i) * pooled_width + j) * kLanes + part * kVector;
          const V g = hn::Load(d, dy + at);
          const auto position = hn::PromoteTo(d32, hn::LoadU(d8, winner + at));
          HWY_UNROLL(4)
          for (std::size_t k = 0; k < 4; ++k) {
            const auto won = hn::RebindMask(d, hn::Eq(position, hn::Set(d32, static_cast<std::int32_t>(k))));
            const std::size_t to = (2 * i + k / 2) * width + 2 * j + k % 2;
            hn::Store(hn::IfThenElseZero(won, g), d, map + to * kLanes + part * kVector);
          }
        }
      }
      if (width % 2 == 1) {
        std::fill_n(map + ((2 * i + 1) * width - 1) * kLanes, kLanes, 0.0F);
        std::fill_n(map + ((2 * i + 2) * width - 1) * kLanes, kLanes, 0.0F);
      }
    }
    if (height % 2 == 1) std::fill_n(map + (height - 1) * width * kLanes, width * kLanes, 0.0F);
  }
}

void upsample_forward(std::size_t channels, std::size_t height, std::size_t width, const float* x,
                      float* y) noexcept {
  const D d;
  for (std::size_t row = 0; row < channels * height; ++row) {
    float* top = y + 2 * row * 2 * width * kLanes;
    float* bottom = top + 2 * width * kLanes;
    for (std::size_t j = 0; j < width; ++j) {
      for (std::size_t part = 0; part < kParts; ++part) {
        const V value = hn::Load(d, x + (row * width + j) * kLanes + part * kVector);
        const std::size_t to = 2 * j * kLanes + part * kVector;
        hn::Store(value, d, top + to);
        hn::Store(value, d, top + to + kLanes);
        hn::Store(value, d, bottom + to);
        hn::Store(value, d, bottom + to + kLanes);
      }
    }
  }
}

void upsample_backward(std::size_t channels, std::size_t height, std::size_t width, const float* dy,
                       float* dx) noexcept {
  const D d;
  for (std::size_t row = 0; row < channels * height; ++row) {
    const float* top = dy + 2 * row * 2 * width * kLanes;
    const float* bottom = top + 2 * width * kLanes;
    for (std::size_t j = 0; j < width; ++j) {
      for (std::size_t part = 0; part < kParts; ++part) {
        const std::size_t at = 2 * j * kLanes + part * kVector;
        const V sum =
            hn::Add(hn::Add(hn::Load(d, top + at), hn::Load(d, top + at + kLanes)), hn::Load(d, bottom + at));
        hn::Store(hn::Add(sum, hn::Load(d, bottom + at + kLanes)), d,
                  dx + (row * width + j) * kLanes + part * kVector);
      }
    }
  }
}

#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace deepsad::kernels {

void max_pool_forward(std::size_t channels, std::size_t height, std::size_t width, const float* x, float* y,
                      std::uint8_t* winner) noexcept {
  DEEPSAD_CALL_KERNEL(max_pool_forward, channels, height, width, x, y, winner);
}

void max_pool_forward(std::size_t channels, std::size_t height, std::size_t width, const double* x, double* y,
                      std::uint8_t* winner) noexcept {
  reference::max_pool_forward(channels, height, width, x, y, winner);
}

void max_pool_backward(std::size_t channels, std::size_t height, std::size_t width, const float* dy,
                       const std::uint8_t* winner, float* dx) noexcept {
  DEEPSAD_CALL_KERNEL(max_pool_backward, channels, height, width, dy, winner, dx);
}

void max_pool_backward(std::size_t channels, std::size_t height, std::size_t width, const double* dy,
                       const std::uint8_t* winner, double* dx) noexcept {
  reference::max_pool_backward(channels, height, width, dy, winner, dx);
}

void upsample_forward(std::size_t channels, std::size_t height, std::size_t width, const float* x,
                      float* y) noexcept {
  DEEPSAD_CALL_KERNEL(upsample_forward, channels, height, width, x, y);
}

void upsample_forward(std::size_t channels, std::size_t height, std::size_t width, const double* x,
                      double* y) noexcept {
  reference::upsample_forward(channels, height, width, x, y);
}

void upsample_backward(std::size_t channels, std::size_t height, std::size_t width, const float* dy,
                       float* dx) noexcept {
  DEEPSAD_CALL_KERNEL(upsample_backward, channels, height, width, dy, dx);
}

void upsample_backward(std::size_t channels, std::size_t height, std::size_t width, const double* dy,
                       double* dx) noexcept {
  reference::upsample_backward(channels, height, width, dy, dx);
}

}  // namespace deepsad::kernels
#endif  // HWY_ONCE
