#include "interchange/onnx_format.h"

#include <fmt/format.h>

#include "deepsad/core/error.h"
#include "interchange/protobuf_wire.h"

namespace deepsad {
namespace {

// Field numbers of onnx.proto, message by message.
namespace model_proto {
constexpr std::uint32_t ir_version = 1, producer_name = 2, producer_version = 3, doc_string = 6, graph = 7,
                        opset_import = 8, metadata_props = 14;
}
namespace opset_proto {
constexpr std::uint32_t domain = 1, version = 2;
}
namespace entry_proto {
constexpr std::uint32_t key = 1, value = 2;
}
namespace graph_proto {
constexpr std::uint32_t node = 1, name = 2, initializer = 5, input = 11, output = 12;
}
namespace node_proto {
constexpr std::uint32_t input = 1, output = 2, name = 3, op_type = 4, attribute = 5;
}
namespace attribute_proto {
constexpr std::uint32_t name = 1, f = 2, i = 3, s = 4, ints = 8, type = 20;
constexpr std::int64_t is_float = 1, is_int = 2, is_string = 3, is_ints = 7;
}  // namespace attribute_proto
namespace tensor_proto {
constexpr std::uint32_t dims = 1, data_type = 2, name = 8, raw_data = 9;
}
namespace value_info_proto {
constexpr std::uint32_t name = 1, type = 2;
}
namespace type_proto {
constexpr std::uint32_t tensor_type = 1, elem_type = 1, shape = 2, dim = 1, dim_value = 1, dim_param = 2;
}

constexpr const char* kBatchName = "N";

ProtobufWriter message_of(const OnnxTensor& tensor) {
  ProtobufWriter out;
  for (const std::int64_t extent : tensor.shape) out.integer(tensor_proto::dims, extent);
  out.integer(tensor_proto::data_type, static_cast<std::int64_t>(tensor.type));
  out.text(tensor_proto::name, tensor.name);
  out.text(tensor_proto::raw_data, tensor.bytes);
  return out;
}

ProtobufWriter message_of(const OnnxAttribute& attribute) {
  namespace proto = attribute_proto;
  ProtobufWriter out;
  out.text(proto::name, attribute.name);
  std::int64_t type = 0;
  if (const auto* number = std::get_if<float>(&attribute.value)) {
    out.number(proto::f, *number);
    type = proto::is_float;
  } else if (const auto* integer = std::get_if<std::int64_t>(&attribute.value)) {
    out.integer(proto::i, *integer);
    type = proto::is_int;
  } else if (const auto* text = std::get_if<std::string>(&attribute.value)) {
    out.text(proto::s, *text);
    type = proto::is_string;
  } else {
    for (const std::int64_t value : std::get<std::vector<std::int64_t>>(attribute.value))
      out.integer(proto::ints, value);
    type = proto::is_ints;
  }
  out.integer(proto::type, type);
  return out;
}

ProtobufWriter message_of(const OnnxNode& node) {
  ProtobufWriter out;
  for (const std::string& name : node.inputs) out.text(node_proto::input, name);
  for (const std::string& name : node.outputs) out.text(node_proto::output, name);
  out.text(node_proto::name, node.outputs.front());
  out.text(node_proto::op_type, node.op);
  for (const OnnxAttribute& attribute : node.attributes)
    out.message(node_proto::attribute, message_of(attribute));
  return out;
}

ProtobufWriter message_of(const OnnxValue& value) {
  ProtobufWriter shape;
  for (const std::int64_t extent : value.shape) {
    ProtobufWriter dimension;
    if (extent == kBatchDimension)
      dimension.text(type_proto::dim_param, kBatchName);
    else
      dimension.integer(type_proto::dim_value, extent);
    shape.message(type_proto::dim, dimension);
  }
  ProtobufWriter tensor_type;
  tensor_type.integer(type_proto::elem_type, static_cast<std::int64_t>(value.type));
  tensor_type.message(type_proto::shape, shape);
  ProtobufWriter type;
  type.message(type_proto::tensor_type, tensor_type);
  ProtobufWriter out;
  out.text(value_info_proto::name, value.name);
  out.message(value_info_proto::type, type);
  return out;
}

using Message = std::span<const std::uint8_t>;

// Calls f for every field of the message.
template <class F>
void for_each_field(Message message, const std::string& source, F&& f) {
  ProtobufReader reader(message, source);
  ProtobufField field;
  while (reader.next(field)) f(field);
}

// A repeated integer stands as one field each, or packed into one.
void append_integers(const ProtobufField& field, const std::string& source, std::vector<std::int64_t>& to) {
  if (field.type == WireType::varint) {
    to.push_back(field.integer(source));
    return;
  }
  ProtobufReader packed(field.message(source), source);
  for (std::int64_t value = 0; packed.next_packed(value);) to.push_back(value);
}

OnnxType type_from(std::int64_t number, const std::string& source, const std::string& name) {
  for (const OnnxType type : {OnnxType::f32, OnnxType::u8, OnnxType::i64, OnnxType::boolean, OnnxType::f64}) {
    if (number == static_cast<std::int64_t>(type)) return type;
  }
  throw DataError(
      fmt::format("{}: \"{}\" has elements of ONNX type {}; deepsad writes float (1), uint8 (2), int64 (7), "
                  "bool (9) and double (11)",
                  source, name, number));
}

OnnxTensor tensor_from(Message message, const std::string& source) {
  OnnxTensor tensor;
  std::int64_t type = 0;
  for_each_field(message, source, [&](const ProtobufField& field) {
    if (field.number == tensor_proto::dims) append_integers(field, source, tensor.shape);
    if (field.number == tensor_proto::data_type) type = field.integer(source);
    if (field.number == tensor_proto::name) tensor.name = field.text(source);
    if (field.number == tensor_proto::raw_data) tensor.bytes = field.text(source);
  });
  tensor.type = type_from(type, source, tensor.name);
  std::size_t n = element_size(tensor.type);
  for (const std::int64_t extent : tensor.shape) {
    if (extent < 0 || (extent != 0 && n > tensor.bytes.size() / static_cast<std::size_t>(extent))) {
      n = tensor.bytes.size() + 1;
      break;
    }
    n *= static_cast<std::size_t>(extent);
  }
  if (n != tensor.bytes.size()) {
    throw DataError(
        fmt::format("{}: the constant \"{}\" of shape [{}] has {} bytes of raw data, which do not fit",
                    source, tensor.name, fmt::join(tensor.shape, ", "), tensor.bytes.size()));
  }
  return tensor;
}

OnnxAttribute attribute_from(Message message, const std::string& source) {
  namespace proto = attribute_proto;
  OnnxAttribute attribute;
  float number = 0;
  std::int64_t integer = 0, type = 0;
  std::string text;
  std::vector<std::int64_t> integers;
  for_each_field(message, source, [&](const ProtobufField& field) {
    if (field.number == proto::name) attribute.name = field.text(source);
    if (field.number == proto::f) number = field.number32(source);
    if (field.number == proto::i) integer = field.integer(source);
    if (field.number == proto::s) text = field.text(source);
    if (field.number == proto::ints) append_integers(field, source, integers);
    if (field.number == proto::type) type = field.integer(source);
  });
  if (type == proto::is_float)
    attribute.value = number;
  else if (type == proto::is_int)
    attribute.value = integer;
  else if (type == proto::is_string)
    attribute.value = std::move(text);
  else if (type == proto::is_ints)
    attribute.value = std::move(integers);
  else
    throw DataError(fmt::format("{}: the attribute \"{}\" is of kind {}, which deepsad never writes", source,
                                attribute.name, type));
  return attribute;
}

OnnxNode node_from(Message message, const std::string& source) {
  OnnxNode node;
  for_each_field(message, source, [&](const ProtobufField& field) {
    if (field.number == node_proto::input) node.inputs.push_back(field.text(source));
    if (field.number == node_proto::output) node.outputs.push_back(field.text(source));
    if (field.number == node_proto::op_type) node.op = field.text(source);
    if (field.number == node_proto::attribute)
      node.attributes.push_back(attribute_from(field.message(source), source));
  });
  if (node.outputs.empty()) throw DataError(fmt::format("{}: a node \"{}\" without output", source, node.op));
  return node;
}

OnnxValue value_from(Message message, const std::string& source) {
  OnnxValue value;
  std::int64_t type = 0;
  const auto dimension = [&](const ProtobufField& dim) {
    if (dim.number != type_proto::dim) return;
    std::int64_t extent = kBatchDimension;
    for_each_field(dim.message(source), source, [&](const ProtobufField& field) {
      if (field.number == type_proto::dim_value) extent = field.integer(source);
    });
    value.shape.push_back(extent);
  };
  const auto tensor_type = [&](const ProtobufField& field) {
    if (field.number == type_proto::elem_type) type = field.integer(source);
    if (field.number == type_proto::shape) for_each_field(field.message(source), source, dimension);
  };
  for_each_field(message, source, [&](const ProtobufField& field) {
    if (field.number == value_info_proto::name) value.name = field.text(source);
    if (field.number != value_info_proto::type) return;
    for_each_field(field.message(source), source, [&](const ProtobufField& kind) {
      if (kind.number == type_proto::tensor_type) for_each_field(kind.message(source), source, tensor_type);
    });
  });
  value.type = type_from(type, source, value.name);
  return value;
}

void read_graph(Message message, const std::string& source, OnnxFile& file) {
  for_each_field(message, source, [&](const ProtobufField& field) {
    if (field.number == graph_proto::node) file.nodes.push_back(node_from(field.message(source), source));
    if (field.number == graph_proto::name) file.graph_name = field.text(source);
    if (field.number == graph_proto::initializer)
      file.constants.push_back(tensor_from(field.message(source), source));
    if (field.number == graph_proto::input) file.inputs.push_back(value_from(field.message(source), source));
    if (field.number == graph_proto::output)
      file.outputs.push_back(value_from(field.message(source), source));
  });
}

}  // namespace

std::size_t element_size(OnnxType type) {
  switch (type) {
    case OnnxType::f32:
      return 4;
    case OnnxType::u8:
    case OnnxType::boolean:
      return 1;
    case OnnxType::i64:
    case OnnxType::f64:
      return 8;
  }
  throw InvalidArgument("[onnx] unknown element type");
}

std::string onnx_bytes(const OnnxFile& file) {
  ProtobufWriter graph;
  for (const OnnxNode& node : file.nodes) graph.message(graph_proto::node, message_of(node));
  graph.text(graph_proto::name, file.graph_name);
  for (const OnnxTensor& tensor : file.constants) graph.message(graph_proto::initializer, message_of(tensor));
  for (const OnnxValue& value : file.inputs) graph.message(graph_proto::input, message_of(value));
  for (const OnnxValue& value : file.outputs) graph.message(graph_proto::output, message_of(value));

  ProtobufWriter opset;
  opset.text(opset_proto::domain, "");  // the operators of ONNX itself
  opset.integer(opset_proto::version, file.opset);

  ProtobufWriter out;
  out.integer(model_proto::ir_version, file.ir_version);
  out.text(model_proto::producer_name, file.producer);
  out.text(model_proto::producer_version, file.producer_version);
  out.text(model_proto::doc_string, file.description);
  out.message(model_proto::graph, graph);
  out.message(model_proto::opset_import, opset);
  for (const auto& [key, value] : file.metadata) {
    ProtobufWriter entry;
    entry.text(entry_proto::key, key);
    entry.text(entry_proto::value, value);
    out.message(model_proto::metadata_props, entry);
  }
  return out.bytes();
}

OnnxFile onnx_from_bytes(std::span<const std::uint8_t> bytes, const std::string& source) {
  OnnxFile file;
  for_each_field(bytes, source, [&](const ProtobufField& field) {
    switch (field.number) {
      case model_proto::ir_version:
        file.ir_version = field.integer(source);
        break;
      case model_proto::producer_name:
        file.producer = field.text(source);
        break;
      case model_proto::producer_version:
        file.producer_version = field.text(source);
        break;
      case model_proto::doc_string:
        file.description = field.text(source);
        break;
      case model_proto::graph:
        read_graph(field.message(source), source, file);
        break;
      case model_proto::opset_import:
        for_each_field(field.message(source), source, [&](const ProtobufField& opset) {
          if (opset.number == opset_proto::version) file.opset = opset.integer(source);
        });
        break;
      case model_proto::metadata_props: {
        std::string key, value;
        for_each_field(field.message(source), source, [&](const ProtobufField& entry) {
          if (entry.number == entry_proto::key) key = entry.text(source);
          if (entry.number == entry_proto::value) value = entry.text(source);
        });
        file.metadata[key] = std::move(value);
        break;
      }
      default:
        break;
    }
  });
  if (file.nodes.empty() || file.inputs.empty() || file.outputs.empty())
    throw DataError(
        fmt::format("{}: no ONNX file: there is no graph with nodes, inputs and outputs", source));
  return file;
}

}  // namespace deepsad
