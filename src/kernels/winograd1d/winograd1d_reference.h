// The scalar set of winograd1d.h: the convolution itself. Only the vector sets gain from the algorithm.
#pragma once

#include <cstddef>

#include "kernels/conv2d/conv2d_reference.h"
#include "kernels/winograd1d/winograd1d.h"

namespace deepsad::kernels::reference {

template <class T>
void winograd1d_pack(const ConvShape& s, ConvWeights form, const T* w, T* packed) noexcept {
  conv2d_pack(s, form, w, packed);
}
template <class T>
void winograd1d_forward(const ConvShape& s, const T* x, const T* packed, T* y, T* /*scratch*/) noexcept {
  conv2d_forward(s, x, packed, y);
}
template <class T>
void winograd1d_weight_gradient(const ConvShape& s, const T* x, const T* dy, T* dw, T* /*scratch*/) noexcept {
  conv2d_weight_gradient(s, x, dy, dw);
}

}  // namespace deepsad::kernels::reference
