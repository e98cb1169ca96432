// Register tiles of matrix products: one operand's values are broadcast, the other's are vectors. Included
// once per instruction set (see dispatch.h).
#if defined(DEEPSAD_WINOGRAD_GEMM_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef DEEPSAD_WINOGRAD_GEMM_INL_H
#undef DEEPSAD_WINOGRAD_GEMM_INL_H
#else
#define DEEPSAD_WINOGRAD_GEMM_INL_H
#endif

#include <hwy/highway.h>

#include <cstddef>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
namespace {

// Registers: kRows * kColumns sums, kColumns vectors, one broadcast: 8 * 2 + 3 of 32 (AVX-512), 4 * 2 + 3 of
// 16 (AVX2). Both keep 8 or more sums going, as many as two units of latency 4 need, and load less than two
// vectors for two multiply-adds.
constexpr std::size_t kProductRows = kParts == 1 ? 8 : 4;
constexpr std::size_t kProductColumns = 2;

/// Where a product C (+)= A B reads and writes: A(r, k) = a[r a_row + k a_step], row k of B from b + k b_row
/// on; 16 columns of C lie side by side, the next 16 c_step further on.
struct Product {
  std::size_t depth;
  std::size_t a_row, a_step, b_row, c_row, c_step;
  bool add;  // to C, instead of replacing it
};

/// kRows rows times kColumns vectors.
template <std::size_t kRows, std::size_t kColumns>
HWY_NOINLINE void product_tile(const Product& p, const float* a, const float* b, float* c) {
  const D d;
  const std::size_t depth = p.depth, a_row = p.a_row, a_step = p.a_step, b_row = p.b_row, c_row = p.c_row,
                    c_step = p.c_step;
  const auto at = [&](std::size_t r, std::size_t v) DEEPSAD_KERNEL_LAMBDA {
    return c + r * c_row + v / kParts * c_step + v % kParts * kVector;
  };
  V sum[kRows][kColumns];
  HWY_UNROLL(8)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < kColumns; ++v) sum[r][v] = p.add ? hn::Load(d, at(r, v)) : hn::Zero(d);
  }
  HWY_UNROLL(1)
  for (std::size_t k = 0; k < depth; ++k, a += a_step, b += b_row) {
    V in[kColumns];
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < kColumns; ++v) in[v] = hn::Load(d, b + v * kVector);
    HWY_UNROLL(8)
    for (std::size_t r = 0; r < kRows; ++r) {
      const V factor = hn::Set(d, a[r * a_row]);
      HWY_UNROLL(2)
      for (std::size_t v = 0; v < kColumns; ++v) sum[r][v] = hn::MulAdd(factor, in[v], sum[r][v]);
    }
  }
  HWY_UNROLL(8)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(2)
    for (std::size_t v = 0; v < kColumns; ++v) hn::Store(sum[r][v], d, at(r, v));
  }
}

/// kRows rows times n columns, n a multiple of 16.
template <std::size_t kRows>
HWY_INLINE void product_rows(const Product& p, std::size_t n, const float* a, const float* b, float* c) {
  constexpr std::size_t kWide = kProductColumns * kVector;
  std::size_t j = 0;
  for (; j + kWide <= n; j += kWide) {
    product_tile<kRows, kProductColumns>(p, a, b + j, c + j / kLanes * p.c_step);
  }
  if (j < n) product_tile<kRows, kParts>(p, a, b + j, c + j / kLanes * p.c_step);
}

/// `rows` rows times n columns.
HWY_INLINE void product(const Product& p, std::size_t rows, std::size_t n, const float* a, const float* b,
                        float* c) {
  std::size_t r = 0;
  for (; r + kProductRows <= rows; r += kProductRows) {
    product_rows<kProductRows>(p, n, a + r * p.a_row, b, c + r * p.c_row);
  }
  if (rows - r >= 4) {
    product_rows<4>(p, n, a + r * p.a_row, b, c + r * p.c_row);
    r += 4;
  }
  a += r * p.a_row;
  c += r * p.c_row;
  if (rows - r == 3) product_rows<3>(p, n, a, b, c);
  if (rows - r == 2) product_rows<2>(p, n, a, b, c);
  if (rows - r == 1) product_rows<1>(p, n, a, b, c);
}

}  // namespace
#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard, toggled per target
