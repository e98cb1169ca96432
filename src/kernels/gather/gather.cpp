#include "kernels/gather/gather.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/dispatch.h"
#include "kernels/gather/gather_reference.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gather/gather.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
void gather_rows(const float* src, std::size_t stride, const std::uint32_t* rows, std::size_t n_valid,
                 std::size_t d, float* dst) noexcept {
  // Unused lanes read row 0 of the group and are zeroed while the group is still in the cache.
  const float* pointers[kLanes];
  for (std::size_t l = 0; l < kLanes; ++l) pointers[l] = src + rows[l < n_valid ? l : 0] * stride;
  gather_columns(pointers, d, dst);
  if (n_valid == kLanes) return;
  const D df;
  const ValidLanes valid(n_valid);
  for (std::size_t part = 0; part < kParts; ++part) {
    const std::size_t before = part * kVector;
    for (std::size_t j = 0; j < d; ++j) {
      float* at = dst + j * kLanes + before;
      hn::Store(hn::IfThenElseZero(valid.part[part], hn::Load(df, at)), df, at);
    }
  }
}

void scatter_rows(const float* src, std::size_t n_valid, std::size_t d, float* dst,
                  std::size_t stride) noexcept {
  if (n_valid < kLanes) {
    reference::scatter_rows(src, n_valid, d, dst, stride);  // only a batch's last group
    return;
  }
  float* pointers[kLanes];
  for (std::size_t l = 0; l < kLanes; ++l) pointers[l] = dst + l * stride;
  scatter_columns(src, d, pointers);
}

#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace deepsad::kernels {

void gather_rows(const float* src, std::size_t stride, const std::uint32_t* rows, std::size_t n_valid,
                 std::size_t d, float* dst) noexcept {
  DEEPSAD_CALL_KERNEL(gather_rows, src, stride, rows, n_valid, d, dst);
}

void gather_rows(const double* src, std::size_t stride, const std::uint32_t* rows, std::size_t n_valid,
                 std::size_t d, double* dst) noexcept {
  reference::gather_rows(src, stride, rows, n_valid, d, dst);
}

void scatter_rows(const float* src, std::size_t n_valid, std::size_t d, float* dst,
                  std::size_t stride) noexcept {
  DEEPSAD_CALL_KERNEL(scatter_rows, src, n_valid, d, dst, stride);
}

void scatter_rows(const double* src, std::size_t n_valid, std::size_t d, double* dst,
                  std::size_t stride) noexcept {
  reference::scatter_rows(src, n_valid, d, dst, stride);
}

}  // namespace deepsad::kernels
#endif  // HWY_ONCE
