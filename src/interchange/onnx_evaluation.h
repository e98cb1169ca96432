// Computes an ONNX graph, slowly and plainly: a second opinion on what deepsad exports, without a runtime.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "interchange/onnx_format.h"

namespace deepsad {

/// A value of the graph. Numbers are kept as double whatever their type; only casts round.
struct OnnxArray {
  OnnxType type{};
  std::vector<std::size_t> shape;
  std::vector<double> values;
};

/// Most numbers that a graph may compute for its inputs: 256 MB.
inline constexpr std::size_t kMaxOnnxValues = std::size_t{1} << 25;

/// Outputs of the graph for these inputs, by name. Knows the operators that onnx_graph() writes, as ONNX
/// defines them.
/// @param source the file's name for messages
/// @throws DataError "SOURCE: ..." if the graph uses another operator or attribute, a value that is not
/// there, or shapes that do not fit, or all values together hold more than max_values numbers
[[nodiscard]] std::map<std::string, OnnxArray> evaluate_onnx(const OnnxFile& file,
                                                             std::map<std::string, OnnxArray> inputs,
                                                             const std::string& source,
                                                             std::size_t max_values = kMaxOnnxValues);

}  // namespace deepsad
