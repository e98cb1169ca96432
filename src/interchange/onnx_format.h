// An ONNX file as data: the parts of onnx.proto (https://github.com/onnx/onnx, IR version 7) that a scoring
// network needs, and their bytes.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace deepsad {

/// Element types, with their numbers in onnx.proto.
enum class OnnxType : std::int32_t { f32 = 1, u8 = 2, i64 = 7, boolean = 9, f64 = 11 };

/// Bytes per element.
[[nodiscard]] std::size_t element_size(OnnxType type);

/// The first dimension of inputs and outputs, which is not fixed.
inline constexpr std::int64_t kBatchDimension = -1;

struct OnnxTensor {
  std::string name;
  OnnxType type{};
  std::vector<std::int64_t> shape;
  std::string bytes;  ///< little-endian, row-major
};

struct OnnxAttribute {
  std::string name;
  std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>> value;
};

struct OnnxNode {
  std::string op;
  std::vector<std::string> inputs;  ///< "" for one that is left out
  std::vector<std::string> outputs;
  std::vector<OnnxAttribute> attributes{};
};

struct OnnxValue {
  std::string name;
  OnnxType type{};
  std::vector<std::int64_t> shape;  ///< kBatchDimension where it is not fixed
};

struct OnnxFile {
  std::int64_t ir_version = 0;
  std::int64_t opset = 0;
  std::string producer, producer_version, description;
  std::string graph_name;
  std::vector<OnnxNode> nodes;  ///< in an order in which they can be computed
  std::vector<OnnxTensor> constants;
  std::vector<OnnxValue> inputs, outputs;
  std::map<std::string, std::string> metadata;
};

/// The bytes of the file; the same content gives the same bytes.
[[nodiscard]] std::string onnx_bytes(const OnnxFile& file);

/// Reads a file that anybody may have written; fields that are not listed above are passed over.
/// @throws DataError "SOURCE: ..." if the bytes are no ONNX file, or it uses element types, attributes or
/// constants of other kinds than above
[[nodiscard]] OnnxFile onnx_from_bytes(std::span<const std::uint8_t> bytes, const std::string& source);

}  // namespace deepsad
