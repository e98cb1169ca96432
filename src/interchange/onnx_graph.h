// A model's scoring as an ONNX graph.
#pragma once

#include <optional>

#include "deepsad/data/scaler.h"
#include "deepsad/detectors/scoring_network.h"
#include "interchange/onnx_format.h"

namespace deepsad {

/// The operators' version: the lowest that has everything, so that old runtimes read the file too, and the IR
/// version that came with it.
inline constexpr std::int64_t kOnnxOpset = 13;
inline constexpr std::int64_t kOnnxIrVersion = 7;

/// Names of the graph's input and outputs (docs/onnx.md).
inline constexpr const char* kOnnxInput = "x";
inline constexpr const char* kOnnxScore = "score";
inline constexpr const char* kOnnxLabel = "label";

/// Nodes, constants, inputs and outputs: raw rows x [N, sample_shape...] (uint8 for images, double for
/// tables), scaled as the scaler does, through the network, to score [N] in float, and with a threshold to
/// label [N] in int64.
/// @param threshold rows with larger scores get the label 1
[[nodiscard]] OnnxFile onnx_graph(const ScoringNetwork& scoring, const Scaler& scaler,
                                  const Shape& sample_shape, const std::optional<double>& threshold);

}  // namespace deepsad
