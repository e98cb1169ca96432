// Which layers follow one another where reshapes, which move nothing, are left out.
#pragma once

#include <cstddef>

#include "deepsad/nn/network_spec.h"

namespace deepsad {

/// The next layer behind layer i that is no reshape; layers.size(): none.
inline std::size_t layer_behind(const NetworkSpec& spec, std::size_t i) {
  do ++i;
  while (i < spec.layers.size() && spec.layers[i].kind == LayerKind::reshape);
  return i;
}
/// The next layer in front of layer i that is no reshape; layers.size(): none.
inline std::size_t layer_in_front(const NetworkSpec& spec, std::size_t i) {
  while (i-- > 0) {
    if (spec.layers[i].kind != LayerKind::reshape) return i;
  }
  return spec.layers.size();
}
/// Whether there is a layer i, of this kind.
inline bool is_kind(const NetworkSpec& spec, std::size_t i, LayerKind kind) {
  return i < spec.layers.size() && spec.layers[i].kind == kind;
}
/// Whether layer i is a leaky ReLU that the linear layers beside it apply (training-engine.md).
inline bool is_between_linear(const NetworkSpec& spec, std::size_t i) {
  return is_kind(spec, i, LayerKind::leaky_relu) &&
         is_kind(spec, layer_in_front(spec, i), LayerKind::linear) &&
         is_kind(spec, layer_behind(spec, i), LayerKind::linear);
}

}  // namespace deepsad
