// The convolutions of a plan, each by the kernel family that is fastest for its shape.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "deepsad/core/aligned_buffer.h"
#include "kernels/conv2d/conv2d.h"
#include "kernels/isa.h"
#include "kernels/patch_moments/patch_moments.h"
#include "kernels/winograd1d/winograd1d.h"

namespace deepsad {

/// How ConvOp and its tests choose. Figures behind the rules: docs/kernels.md.
template <class T>
[[nodiscard]] bool uses_winograd(const kernels::ConvShape& shape) {
  // Tiles of four columns; a row that leaves most of its last tile unused gains nothing.
  return std::is_same_v<T, float> && kernels::active_isa() != kernels::Isa::scalar &&
         kernels::winograd1d_serves(shape) && shape.out_width >= 3 && shape.out_width != 5;
}

/// The forward kernel with its packed weights: a convolution, or the data gradient of one (stride 1).
template <class T>
class PackedConvolution {
 public:
  PackedConvolution() = default;
  explicit PackedConvolution(const kernels::ConvShape& shape)
      : shape_(shape), winograd_(uses_winograd<T>(shape)) {
    packed_.resize(winograd_ ? kernels::winograd1d_packed_size(shape) : kernels::conv2d_packed_size(shape));
  }
  [[nodiscard]] bool empty() const { return packed_.empty(); }
  [[nodiscard]] std::size_t scratch_size() const {
    return winograd_ ? kernels::winograd1d_pool_scratch_size(shape_) : 0;
  }
  void pack(kernels::ConvWeights form, const T* w) {
    if constexpr (std::is_same_v<T, float>) {
      if (winograd_) return kernels::winograd1d_pack(shape_, form, w, packed_.data());
    }
    kernels::conv2d_pack(shape_, form, w, packed_.data());
  }
  void run(const T* x, T* y, T* scratch) const {
    if constexpr (std::is_same_v<T, float>) {
      if (winograd_) return kernels::winograd1d_forward(shape_, x, packed_.data(), y, scratch);
    }
    static_cast<void>(scratch);
    kernels::conv2d_forward(shape_, x, packed_.data(), y);
  }
  /// Whether run_pool() serves the shape.
  [[nodiscard]] bool pools() const { return winograd_; }
  void run_pool(const T* x, const kernels::PooledOutput& output, T* scratch) const {
    kernels::winograd1d_forward_pool(shape_, x, packed_.data(), output, scratch);
  }

 private:
  kernels::ConvShape shape_{};
  bool winograd_ = false;
  AlignedBuffer<T> packed_;
};

/// The weight gradient, added to dw.
template <class T>
class ConvolutionGradient {
 public:
  ConvolutionGradient() = default;
  explicit ConvolutionGradient(const kernels::ConvShape& shape)
      : shape_(shape), winograd_(uses_winograd<T>(shape)) {}
  /// Whether run_unpool() serves the shape, and whether it is to do without the convolution's output: the
  /// sums that take its place grow with the pairs of input channels.
  [[nodiscard]] bool unpools() const { return winograd_; }
  [[nodiscard]] bool unpools_without_output() const {
    return winograd_ && kernels::patch_moments_serve(shape_) &&
           3 * shape_.in_channels * shape_.in_channels <= shape_.out_channels;
  }
  [[nodiscard]] std::size_t scratch_size() const {
    if (!winograd_) return 0;
    return std::max(kernels::winograd1d_unpool_scratch_size(shape_),
                    unpools_without_output() ? kernels::patch_moments_scratch_size(shape_) : 0);
  }
  void run_unpool(const T* x, const kernels::PooledGradient& dy, T* dw, T* scratch) const {
    kernels::winograd1d_weight_gradient_unpool(shape_, x, dy, dw, scratch);
  }
  void run(const T* x, const T* dy, T* dw, T* scratch) const {
    if constexpr (std::is_same_v<T, float>) {
      if (winograd_) return kernels::winograd1d_weight_gradient(shape_, x, dy, dw, scratch);
    }
    static_cast<void>(scratch);
    kernels::conv2d_weight_gradient(shape_, x, dy, dw);
  }

 private:
  kernels::ConvShape shape_{};
  bool winograd_ = false;
};

}  // namespace deepsad
