// The 1-D Winograd transforms F(4, 5) and F(4, 3), and the 2-D ones of a tile that are made of them. Points:
// 0, 1, -1, 2, -2, [1/2, -1/2 for kernel 5,] infinity, in this order. Each pair +-a shares its even and its
// odd part. Derivation: docs/training-engine.md. Included once per instruction set (see dispatch.h).
#if defined(DEEPSAD_WINOGRAD_TRANSFORMS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef DEEPSAD_WINOGRAD_TRANSFORMS_INL_H
#undef DEEPSAD_WINOGRAD_TRANSFORMS_INL_H
#else
#define DEEPSAD_WINOGRAD_TRANSFORMS_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace deepsad::kernels::HWY_NAMESPACE {
#if DEEPSAD_IS_VECTOR_TARGET
namespace {

constexpr std::size_t kTile = 4;  // outputs of a tile along one axis
/// Points of an axis for a kernel of kKernel taps, and of a tile.
template <std::size_t kKernel>
constexpr std::size_t kAxis = kTile + kKernel - 1;
template <std::size_t kKernel>
constexpr std::size_t kPoints = kAxis<kKernel>* kAxis<kKernel>;

/// a + factor * b
HWY_INLINE V plus(V a, float factor, V b) {
  return hn::MulAdd(hn::Set(D(), factor), b, a);
}
HWY_INLINE V times(float factor, V a) {
  return hn::Mul(hn::Set(D(), factor), a);
}
/// The values at a and -a of a polynomial with these even and odd parts at a.
HWY_INLINE void pair(V even, V odd, V& at_plus, V& at_minus) {
  at_plus = hn::Add(even, odd);
  at_minus = hn::Sub(even, odd);
}

/// B^T: the window's values at the points (8 or 6 of both).
HWY_INLINE void transform_input(const V (&d)[8], V (&r)[8]) {
  r[0] = plus(hn::Sub(d[6], d[0]), 5.25F, hn::Sub(d[2], d[4]));
  r[7] = plus(hn::Sub(d[7], d[1]), 5.25F, hn::Sub(d[3], d[5]));
  pair(plus(hn::Add(d[2], d[6]), -4.25F, d[4]), plus(hn::Add(d[1], d[5]), -4.25F, d[3]), r[1], r[2]);
  pair(plus(plus(d[6], 0.25F, d[2]), -1.25F, d[4]), plus(plus(times(2, d[5]), 0.5F, d[1]), -2.5F, d[3]), r[3],
       r[4]);
  pair(plus(plus(d[6], 4, d[2]), -5, d[4]), plus(plus(times(0.5F, d[5]), 2, d[1]), -2.5F, d[3]), r[5], r[6]);
}
HWY_INLINE void transform_input(const V (&d)[6], V (&r)[6]) {
  r[0] = plus(plus(d[4], 4, d[0]), -5, d[2]);
  r[5] = plus(plus(d[5], 4, d[1]), -5, d[3]);
  pair(plus(d[4], -4, d[2]), plus(d[3], -4, d[1]), r[1], r[2]);
  pair(hn::Sub(d[4], d[2]), times(2, hn::Sub(d[3], d[1])), r[3], r[4]);
}

/// A^T: four outputs from the products at the points.
HWY_INLINE void transform_output(const V (&m)[8], V (&y)[4]) {
  const V s1 = hn::Add(m[1], m[2]), t1 = hn::Sub(m[1], m[2]);
  const V s2 = hn::Add(m[3], m[4]), t2 = hn::Sub(m[3], m[4]);
  const V s3 = hn::Add(m[5], m[6]), t3 = hn::Sub(m[5], m[6]);
  y[0] = hn::Add(hn::Add(m[0], s1), hn::Add(s2, s3));
  y[1] = plus(plus(t1, 2, t2), 0.5F, t3);
  y[2] = plus(plus(s1, 4, s2), 0.25F, s3);
  y[3] = plus(plus(hn::Add(m[7], t1), 8, t2), 0.125F, t3);
}
HWY_INLINE void transform_output(const V (&m)[6], V (&y)[4]) {
  const V s1 = hn::Add(m[1], m[2]), t1 = hn::Sub(m[1], m[2]);
  const V s2 = hn::Add(m[3], m[4]), t2 = hn::Sub(m[3], m[4]);
  y[0] = hn::Add(hn::Add(m[0], s1), s2);
  y[1] = plus(t1, 2, t2);
  y[2] = plus(s1, 4, s2);
  y[3] = plus(hn::Add(m[5], t1), 8, t2);
}

/// A: the gradient of four outputs at the points.
HWY_INLINE void transform_gradient(const V (&z)[4], V (&r)[8]) {
  r[0] = z[0];
  r[7] = z[3];
  pair(hn::Add(z[0], z[2]), hn::Add(z[1], z[3]), r[1], r[2]);
  pair(plus(z[0], 4, z[2]), plus(times(2, z[1]), 8, z[3]), r[3], r[4]);
  pair(plus(z[0], 0.25F, z[2]), plus(times(0.5F, z[1]), 0.125F, z[3]), r[5], r[6]);
}
HWY_INLINE void transform_gradient(const V (&z)[4], V (&r)[6]) {
  r[0] = z[0];
  r[5] = z[3];
  pair(hn::Add(z[0], z[2]), hn::Add(z[1], z[3]), r[1], r[2]);
  pair(plus(z[0], 4, z[2]), plus(times(2, z[1]), 8, z[3]), r[3], r[4]);
}

// The reciprocal derivatives at the points, by which G is scaled.
constexpr float kScale5At1 = -1.0F / 4.5F, kScale5At2 = 1.0F / 90.0F, kScale5AtHalf = 32.0F / 45.0F;
constexpr float kScale3At1 = -1.0F / 6.0F, kScale3At2 = 1.0F / 24.0F;

/// G: the kernel's values at the points.
HWY_INLINE void transform_kernel(const V (&k)[5], V (&r)[8]) {
  r[0] = hn::Neg(k[0]);
  r[7] = k[4];
  pair(times(kScale5At1, hn::Add(hn::Add(k[0], k[2]), k[4])), times(kScale5At1, hn::Add(k[1], k[3])), r[1],
       r[2]);
  pair(times(kScale5At2, plus(plus(k[0], 4, k[2]), 16, k[4])),
       times(kScale5At2, plus(times(2, k[1]), 8, k[3])), r[3], r[4]);
  pair(times(kScale5AtHalf, plus(plus(k[0], 0.25F, k[2]), 0.0625F, k[4])),
       times(kScale5AtHalf, plus(times(0.5F, k[1]), 0.125F, k[3])), r[5], r[6]);
}
HWY_INLINE void transform_kernel(const V (&k)[3], V (&r)[6]) {
  r[0] = times(0.25F, k[0]);
  r[5] = k[2];
  pair(times(kScale3At1, hn::Add(k[0], k[2])), times(kScale3At1, k[1]), r[1], r[2]);
  pair(times(kScale3At2, plus(k[0], 4, k[2])), times(kScale3At2 * 2, k[1]), r[3], r[4]);
}

/// G^T: the kernel's gradient from the gradient at the points.
HWY_INLINE void transform_kernel_gradient(const V (&u)[8], V (&k)[5]) {
  const V s1 = times(kScale5At1, hn::Add(u[1], u[2])), t1 = times(kScale5At1, hn::Sub(u[1], u[2]));
  const V s2 = times(kScale5At2, hn::Add(u[3], u[4])), t2 = times(kScale5At2, hn::Sub(u[3], u[4]));
  const V s3 = times(kScale5AtHalf, hn::Add(u[5], u[6])), t3 = times(kScale5AtHalf, hn::Sub(u[5], u[6]));
  k[0] = hn::Add(hn::Sub(s1, u[0]), hn::Add(s2, s3));
  k[1] = plus(plus(t1, 2, t2), 0.5F, t3);
  k[2] = plus(plus(s1, 4, s2), 0.25F, s3);
  k[3] = plus(plus(t1, 8, t2), 0.125F, t3);
  k[4] = plus(plus(hn::Add(u[7], s1), 16, s2), 0.0625F, s3);
}
HWY_INLINE void transform_kernel_gradient(const V (&u)[6], V (&k)[3]) {
  const V s1 = times(kScale3At1, hn::Add(u[1], u[2])), t1 = times(kScale3At1, hn::Sub(u[1], u[2]));
  const V s2 = times(kScale3At2, hn::Add(u[3], u[4])), t2 = times(kScale3At2, hn::Sub(u[3], u[4]));
  k[0] = plus(hn::Add(s1, s2), 0.25F, u[0]);
  k[1] = plus(t1, 2, t2);
  k[2] = plus(hn::Add(u[5], s1), 4, s2);
}

/// Points of a map, or of one phase of an upsampled map, that a tile reads or writes: point (i, j) lies at
/// base
/// + offset + i row + j column; outside [first, last) of either axis there is none.
struct Plane {
  std::ptrdiff_t offset, row, column;
  std::ptrdiff_t first_row, last_row, first_column, last_column;
};

/// The entries of a window of n points that starts at `start` which lie inside [first, last).
struct Inside {
  std::size_t first, last;
};
HWY_INLINE Inside inside(std::ptrdiff_t start, std::ptrdiff_t n, std::ptrdiff_t first, std::ptrdiff_t last) {
  const std::ptrdiff_t a = std::min(n, std::max<std::ptrdiff_t>(0, first - start));
  const std::ptrdiff_t b = std::max(a, std::min(n, last - start));
  return {static_cast<std::size_t>(a), static_cast<std::size_t>(b)};
}

/// to[p stride] = B^T window B at the points p; the window's corner is the point (i, j) of the plane.
template <std::size_t kKernel>
HWY_NOINLINE void input_tile(const Plane& plane, const float* base, std::ptrdiff_t i, std::ptrdiff_t j,
                             float* to, std::size_t stride) {
  constexpr std::size_t kN = kAxis<kKernel>;
  const D d;
  const Inside rows = inside(i, kN, plane.first_row, plane.last_row);
  const Inside columns = inside(j, kN, plane.first_column, plane.last_column);
  const float* corner = base + (plane.offset + i * plane.row + j * plane.column);
  V half[kN][kN];  // [row][point]
  HWY_UNROLL(1)
  for (std::size_t a = 0; a < kN; ++a) {
    V in[kN];
    HWY_UNROLL(8)
    for (std::size_t b = 0; b < kN; ++b) in[b] = hn::Zero(d);
    if (a >= rows.first && a < rows.last) {
      const float* at = corner + static_cast<std::ptrdiff_t>(a) * plane.row;
      if (columns.last - columns.first == kN) {
        HWY_UNROLL(8)
        for (std::size_t b = 0; b < kN; ++b)
          in[b] = hn::Load(d, at + static_cast<std::ptrdiff_t>(b) * plane.column);
      } else {
        HWY_UNROLL(8)
        for (std::size_t b = 0; b < kN; ++b) {
          if (b >= columns.first && b < columns.last) {
            in[b] = hn::Load(d, at + static_cast<std::ptrdiff_t>(b) * plane.column);
          }
        }
      }
    }
    transform_input(in, half[a]);
  }
  HWY_UNROLL(1)
  for (std::size_t b = 0; b < kN; ++b) {
    V in[kN], out[kN];
    HWY_UNROLL(8)
    for (std::size_t a = 0; a < kN; ++a) in[a] = half[a][b];
    transform_input(in, out);
    HWY_UNROLL(8)
    for (std::size_t a = 0; a < kN; ++a) hn::Store(out[a], d, to + (a * kN + b) * stride);
  }
}

/// The 4x4 outputs A^T m A that exist, m[p] = from[16 p], to the points from (i, j) of the plane on.
template <std::size_t kKernel>
HWY_NOINLINE void output_tile(const float* from, const Plane& plane, float* base, std::ptrdiff_t i,
                              std::ptrdiff_t j) {
  constexpr std::size_t kN = kAxis<kKernel>;
  const D d;
  V half[kTile][kN];
  HWY_UNROLL(1)
  for (std::size_t b = 0; b < kN; ++b) {
    V in[kN], out[kTile];
    HWY_UNROLL(8)
    for (std::size_t a = 0; a < kN; ++a) in[a] = hn::Load(d, from + (a * kN + b) * kLanes);
    transform_output(in, out);
    HWY_UNROLL(4)
    for (std::size_t a = 0; a < kTile; ++a) half[a][b] = out[a];
  }
  const Inside rows = inside(i, kTile, plane.first_row, plane.last_row);
  const Inside columns = inside(j, kTile, plane.first_column, plane.last_column);
  float* corner = base + (plane.offset + i * plane.row + j * plane.column);
  HWY_UNROLL(1)
  for (std::size_t a = rows.first; a < rows.last; ++a) {
    V out[kTile];
    transform_output(half[a], out);
    float* at = corner + static_cast<std::ptrdiff_t>(a) * plane.row;
    if (columns.last - columns.first == kTile) {
      HWY_UNROLL(4)
      for (std::size_t b = 0; b < kTile; ++b)
        hn::Store(out[b], d, at + static_cast<std::ptrdiff_t>(b) * plane.column);
    } else {
      HWY_UNROLL(4)
      for (std::size_t b = 0; b < kTile; ++b) {
        if (b >= columns.first && b < columns.last) {
          hn::Store(out[b], d, at + static_cast<std::ptrdiff_t>(b) * plane.column);
        }
      }
    }
  }
}

/// to[p stride] = A z A^T at the points p, z[a][b] = from[(4 a + b) step].
template <std::size_t kKernel>
HWY_NOINLINE void gradient_tile(const float* from, std::size_t step, float* to, std::size_t stride) {
  constexpr std::size_t kN = kAxis<kKernel>;
  const D d;
  V half[kTile][kN];
  HWY_UNROLL(1)
  for (std::size_t a = 0; a < kTile; ++a) {
    V in[kTile];
    HWY_UNROLL(4)
    for (std::size_t b = 0; b < kTile; ++b) in[b] = hn::Load(d, from + (a * kTile + b) * step);
    transform_gradient(in, half[a]);
  }
  HWY_UNROLL(1)
  for (std::size_t b = 0; b < kN; ++b) {
    V in[kTile], out[kN];
    HWY_UNROLL(4)
    for (std::size_t a = 0; a < kTile; ++a) in[a] = half[a][b];
    transform_gradient(in, out);
    HWY_UNROLL(8)
    for (std::size_t a = 0; a < kN; ++a) hn::Store(out[a], d, to + (a * kN + b) * stride);
  }
}

/// u[p] = G k G^T; lanes are kernels. k[a][b] = taps[a * kKernel + b].
template <std::size_t kKernel>
HWY_NOINLINE void kernel_tile(const V (&taps)[kKernel * kKernel], V (&u)[kPoints<kKernel>]) {
  constexpr std::size_t kN = kAxis<kKernel>;
  V half[kKernel][kN];
  HWY_UNROLL(1)
  for (std::size_t a = 0; a < kKernel; ++a) {
    V in[kKernel];
    for (std::size_t b = 0; b < kKernel; ++b) in[b] = taps[a * kKernel + b];
    transform_kernel(in, half[a]);
  }
  HWY_UNROLL(1)
  for (std::size_t b = 0; b < kN; ++b) {
    V in[kKernel], out[kN];
    for (std::size_t a = 0; a < kKernel; ++a) in[a] = half[a][b];
    transform_kernel(in, out);
    for (std::size_t a = 0; a < kN; ++a) u[a * kN + b] = out[a];
  }
}

/// taps = G^T u G, u[p] = from[16 p].
template <std::size_t kKernel>
HWY_NOINLINE void kernel_gradient_tile(const float* from, V (&taps)[kKernel * kKernel]) {
  constexpr std::size_t kN = kAxis<kKernel>;
  const D d;
  V half[kKernel][kN];
  HWY_UNROLL(1)
  for (std::size_t b = 0; b < kN; ++b) {
    V in[kN], out[kKernel];
    HWY_UNROLL(8)
    for (std::size_t a = 0; a < kN; ++a) in[a] = hn::Load(d, from + (a * kN + b) * kLanes);
    transform_kernel_gradient(in, out);
    for (std::size_t a = 0; a < kKernel; ++a) half[a][b] = out[a];
  }
  HWY_UNROLL(1)
  for (std::size_t a = 0; a < kKernel; ++a) {
    V out[kKernel];
    transform_kernel_gradient(half[a], out);
    for (std::size_t b = 0; b < kKernel; ++b) taps[a * kKernel + b] = out[b];
  }
}

}  // namespace
#endif  // DEEPSAD_IS_VECTOR_TARGET
}  // namespace deepsad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard, toggled per target
