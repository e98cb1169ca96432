// Puts an ONNX graph together, node by node.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "deepsad/nn/network_spec.h"
#include "interchange/onnx_format.h"

namespace deepsad {

template <class T>
inline constexpr OnnxType kOnnxTypeOf = OnnxType::f32;
template <>
inline constexpr OnnxType kOnnxTypeOf<double> = OnnxType::f64;
template <>
inline constexpr OnnxType kOnnxTypeOf<std::int64_t> = OnnxType::i64;

[[nodiscard]] inline std::vector<std::int64_t> dims(const Shape& shape) {
  return {shape.begin(), shape.end()};
}

[[nodiscard]] inline OnnxAttribute cast_to(OnnxType type) {
  return {"to", static_cast<std::int64_t>(type)};
}

class GraphBuilder {
 public:
  OnnxFile file;

  /// The name of a constant with these values.
  template <class T>
  std::string constant(std::string name, std::vector<std::int64_t> shape, const std::vector<T>& values) {
    OnnxTensor tensor{.name = name, .type = kOnnxTypeOf<T>, .shape = std::move(shape), .bytes = {}};
    tensor.bytes.resize(values.size() * sizeof(T));
    std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
    file.constants.push_back(std::move(tensor));
    return name;
  }
  template <class T>
  std::string scalar(std::string name, T value) {
    return constant(std::move(name), {}, std::vector<T>{value});
  }

  /// Adds a node; returns the name of its output, which is `output`.
  std::string node(std::string output, const char* op, std::vector<std::string> inputs,
                   std::vector<OnnxAttribute> attributes = {}) {
    file.nodes.push_back(
        {.op = op, .inputs = std::move(inputs), .outputs = {output}, .attributes = std::move(attributes)});
    return output;
  }

  /// Samples of another shape with the same values; 0 stands for the number of rows.
  std::string reshape(const std::string& output, const std::string& input, const Shape& shape) {
    std::vector<std::int64_t> wanted{0};
    wanted.insert(wanted.end(), shape.begin(), shape.end());
    const std::string name = constant(output + ".shape", {static_cast<std::int64_t>(wanted.size())}, wanted);
    return node(output, "Reshape", {input, name});
  }
};

}  // namespace deepsad
