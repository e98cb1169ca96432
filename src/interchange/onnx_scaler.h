// The scaling of raw rows as part of an ONNX graph.
#pragma once

#include <string>

#include "deepsad/data/scaler.h"
#include "interchange/onnx_builder.h"

namespace deepsad {

/// Adds the nodes from raw rows to the float values that the network sees: the scaler's operations in the
/// scaler's precision.
/// @param rows name of the value [N, sample_shape...]   @returns the name of the scaled one
[[nodiscard]] std::string add_scaler(GraphBuilder& graph, const Scaler& scaler, const std::string& rows,
                                     const Shape& sample_shape);

}  // namespace deepsad
