// Layers in short, for the networks that tests put together.
#pragma once

#include <cstddef>
#include <utility>

#include "deepsad/nn/network_spec.h"

namespace deepsad::testing {

inline LayerSpec conv(std::size_t out, std::size_t kernel, std::size_t padding, std::size_t stride = 1) {
  return {.kind = LayerKind::conv2d, .out = out, .kernel = kernel, .padding = padding, .stride = stride};
}
inline LayerSpec deconv(std::size_t out, std::size_t kernel, std::size_t padding) {
  return {.kind = LayerKind::conv_transpose2d, .out = out, .kernel = kernel, .padding = padding};
}
inline LayerSpec linear(std::size_t out, bool bias = false) {
  return {.kind = LayerKind::linear, .out = out, .bias = bias};
}
inline LayerSpec bn() {
  return {.kind = LayerKind::batch_norm};
}
inline LayerSpec leaky(double slope = 0.01) {
  return {.kind = LayerKind::leaky_relu, .slope = slope};
}
inline LayerSpec sigmoid() {
  return {.kind = LayerKind::sigmoid};
}
inline LayerSpec pool() {
  return {.kind = LayerKind::max_pool2d};
}
inline LayerSpec up() {
  return {.kind = LayerKind::upsample2d};
}
inline LayerSpec reshape(Shape shape) {
  return {.kind = LayerKind::reshape, .shape = std::move(shape)};
}

}  // namespace deepsad::testing
