#include "interchange/onnx_evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "deepsad/core/error.h"

namespace deepsad {
namespace {

using Dims = std::vector<std::size_t>;

/// What a node is computed from; throws with the node's name.
class NodeInputs {
 public:
  /// @param room numbers that the node's output may hold
  NodeInputs(const OnnxNode& node, const std::map<std::string, OnnxArray>& values, const std::string& source,
             std::size_t room)
      : node_(node), values_(values), source_(source), room_(room) {}

  [[noreturn]] void refuse(const std::string& what) const {
    throw DataError(fmt::format("{}: node \"{}\" ({}): {}", source_, node_.outputs.front(), node_.op, what));
  }
  void require(bool condition, const char* wanted) const {
    if (!condition) refuse(fmt::format("its inputs do not fit; wanted {}", wanted));
  }
  [[nodiscard]] bool has(std::size_t i) const { return i < node_.inputs.size() && !node_.inputs[i].empty(); }
  [[nodiscard]] const OnnxArray& operator[](std::size_t i) const {
    if (!has(i)) refuse(fmt::format("input {} is missing", i));
    const auto found = values_.find(node_.inputs[i]);
    if (found == values_.end())
      refuse(fmt::format("its input \"{}\" is nothing that was computed before it", node_.inputs[i]));
    return found->second;
  }
  /// The attribute, or `otherwise`.
  template <class T>
  [[nodiscard]] T attribute(const char* name, T otherwise) const {
    for (const OnnxAttribute& attribute : node_.attributes) {
      if (attribute.name != name) continue;
      if (const auto* value = std::get_if<T>(&attribute.value)) return *value;
      refuse(fmt::format("the attribute {} is of another kind", name));
    }
    return otherwise;
  }
  [[nodiscard]] std::int64_t integer(const char* name, std::int64_t otherwise) const {
    return attribute<std::int64_t>(name, otherwise);
  }
  /// An attribute that must have one value, because nothing else is computed here.
  template <class T>
  void want(const char* name, const T& value, const T& otherwise) const {
    if (attribute<T>(name, otherwise) != value) refuse(fmt::format("{} is not as deepsad writes it", name));
  }
  [[nodiscard]] OnnxArray array(OnnxType type, Dims shape) const {
    std::size_t n = 1;
    for (const std::size_t extent : shape) {
      if (extent != 0 && n > room_ / extent) refuse("its output would be too large");
      n *= extent;
    }
    return {.type = type, .shape = std::move(shape), .values = std::vector<double>(n)};
  }

 private:
  const OnnxNode& node_;
  const std::map<std::string, OnnxArray>& values_;
  const std::string& source_;
  std::size_t room_;
};

double in_type(OnnxType type, double value) {
  if (type == OnnxType::f32) return static_cast<double>(static_cast<float>(value));
  if (type == OnnxType::f64) return value;
  if (type == OnnxType::boolean) return value != 0 ? 1 : 0;
  return std::trunc(value);
}

template <class F>
OnnxArray each(const NodeInputs& in, F&& f) {
  OnnxArray result = in[0];
  for (double& value : result.values) value = f(value);
  return result;
}

/// Element by element; the shorter shape is repeated along the front, extents of 1 along their dimension.
template <class F>
OnnxArray each_pair(const NodeInputs& in, F&& f) {
  const OnnxArray &a = in[0], &b = in[1];
  const std::size_t rank = std::max(a.shape.size(), b.shape.size());
  Dims shape(rank), a_step(rank), b_step(rank);
  const auto extent = [rank](const OnnxArray& x, std::size_t i) {
    const std::size_t missing = rank - x.shape.size();
    return i < missing ? 1 : x.shape[i - missing];
  };
  std::size_t a_size = 1, b_size = 1;
  for (std::size_t i = rank; i-- > 0;) {
    const std::size_t of_a = extent(a, i), of_b = extent(b, i);
    in.require(of_a == of_b || of_a == 1 || of_b == 1, "shapes that can be repeated to one");
    shape[i] = of_a == 1 ? of_b : of_a;
    a_step[i] = of_a == 1 ? 0 : a_size;
    b_step[i] = of_b == 1 ? 0 : b_size;
    a_size *= of_a;
    b_size *= of_b;
  }
  OnnxArray result = in.array(a.type, shape);
  Dims at(rank, 0);
  std::size_t of_a = 0, of_b = 0;
  for (double& value : result.values) {
    value = f(a.values[of_a], b.values[of_b]);
    for (std::size_t i = rank; i-- > 0;) {
      of_a += a_step[i];
      of_b += b_step[i];
      if (++at[i] < shape[i]) break;
      of_a -= a_step[i] * shape[i];
      of_b -= b_step[i] * shape[i];
      at[i] = 0;
    }
  }
  return result;
}

OnnxArray cast(const NodeInputs& in) {
  const std::int64_t to = in.integer("to", 0);
  for (const OnnxType type : {OnnxType::f32, OnnxType::f64, OnnxType::i64}) {
    if (to != static_cast<std::int64_t>(type)) continue;
    OnnxArray result = each(in, [type](double value) { return in_type(type, value); });
    result.type = type;
    return result;
  }
  in.refuse(fmt::format("a cast to type {}, which deepsad never writes", to));
}

OnnxArray reshape(const NodeInputs& in) {
  OnnxArray result = in[0];
  const OnnxArray& wanted = in[1];
  in.require(wanted.values.size() <= 8, "at most 8 dimensions");
  Dims shape;
  double n = 1;
  for (std::size_t i = 0; i < wanted.values.size(); ++i) {
    double extent = wanted.values[i];
    if (extent == 0) {
      in.require(i < result.shape.size(), "a dimension to keep");
      extent = static_cast<double>(result.shape[i]);
    }
    in.require(
        extent >= 0 && extent <= static_cast<double>(result.values.size()) && extent == std::trunc(extent),
        "whole extents from 0 on, none larger than the number of elements");
    shape.push_back(static_cast<std::size_t>(extent));
    n *= extent;
  }
  in.require(n == static_cast<double>(result.values.size()), "a shape with as many elements");
  result.shape = std::move(shape);
  return result;
}

// Sums of rows: over dimension 1 of a matrix, which then is gone.
template <class F>
OnnxArray row_sums(const NodeInputs& in, F&& term) {
  const OnnxArray& x = in[0];
  in.require(x.shape.size() == 2, "a matrix");
  in.want<std::int64_t>("keepdims", 0, 1);
  OnnxArray result = in.array(x.type, {x.shape[0]});
  for (std::size_t i = 0; i < x.shape[0]; ++i)
    for (std::size_t j = 0; j < x.shape[1]; ++j) result.values[i] += term(x.values[i * x.shape[1] + j]);
  return result;
}

void want_axis(const NodeInputs& in) {
  in.require(in[1].values == std::vector<double>{1}, "axis 1");
}

OnnxArray squeeze(const NodeInputs& in) {
  want_axis(in);
  OnnxArray result = in[0];
  in.require(result.shape.size() == 2 && result.shape[1] == 1, "a matrix of one column");
  result.shape.pop_back();
  return result;
}

// From a list, as many as there are places; or one column of a matrix.
OnnxArray gather(const NodeInputs& in) {
  const OnnxArray &x = in[0], &index = in[1];
  if (in.integer("axis", 0) == 0) {
    in.require(x.shape.size() == 1, "a list to take from");
    OnnxArray result = in.array(x.type, index.shape);
    for (std::size_t i = 0; i < result.values.size(); ++i) {
      const double place = index.values[i];
      in.require(place >= 0 && place < static_cast<double>(x.values.size()), "places in the list");
      result.values[i] = x.values[static_cast<std::size_t>(place)];
    }
    return result;
  }
  in.want<std::int64_t>("axis", 1, 0);
  in.require(x.shape.size() == 2 && index.shape.empty() && index.values[0] >= 0 &&
                 index.values[0] < static_cast<double>(x.shape[1]),
             "a matrix and one of its columns");
  OnnxArray result = in.array(x.type, {x.shape[0]});
  const auto column = static_cast<std::size_t>(index.values[0]);
  for (std::size_t i = 0; i < x.shape[0]; ++i) result.values[i] = x.values[i * x.shape[1] + column];
  return result;
}

OnnxArray gemm(const NodeInputs& in) {
  const OnnxArray &x = in[0], &w = in[1];
  in.want<std::int64_t>("transB", 1, 0);
  in.want<std::int64_t>("transA", 0, 0);
  in.want<float>("alpha", 1.0F, 1.0F);
  in.want<float>("beta", 1.0F, 1.0F);
  in.require(x.shape.size() == 2 && w.shape.size() == 2 && x.shape[1] == w.shape[1], "[N, in] and [out, in]");
  const std::size_t n_in = w.shape[1], n_out = w.shape[0];
  const OnnxArray* bias = in.has(2) ? &in[2] : nullptr;
  in.require(bias == nullptr || bias->shape == Dims{n_out}, "a bias of [out]");
  OnnxArray result = in.array(x.type, {x.shape[0], n_out});
  for (std::size_t i = 0; i < x.shape[0]; ++i) {
    for (std::size_t o = 0; o < n_out; ++o) {
      double sum = bias == nullptr ? 0 : bias->values[o];
      for (std::size_t j = 0; j < n_in; ++j) sum += x.values[i * n_in + j] * w.values[o * n_in + j];
      result.values[i * n_out + o] = sum;
    }
  }
  return result;
}

struct Window {
  std::size_t kernel, padding, stride;
};

Window window_of(const NodeInputs& in, const OnnxArray& x, const OnnxArray& w) {
  using Integers = std::vector<std::int64_t>;
  in.require(x.shape.size() == 4 && w.shape.size() == 4 && w.shape[2] == w.shape[3] && w.shape[2] > 0,
             "[N, C, H, W] and square kernels");
  in.require(!in.has(2), "no bias");
  in.want<std::int64_t>("group", 1, 1);
  in.want<std::string>("auto_pad", "NOTSET", "NOTSET");
  in.want<Integers>("dilations", Integers{1, 1}, Integers{1, 1});
  const auto pads = in.attribute<Integers>("pads", {0, 0, 0, 0});
  const auto strides = in.attribute<Integers>("strides", {1, 1});
  const auto kernel = static_cast<std::int64_t>(w.shape[2]);
  in.want<Integers>("kernel_shape", Integers{kernel, kernel}, Integers{kernel, kernel});
  in.require(pads.size() == 4 && pads[0] >= 0 && pads[0] < kernel &&
                 std::count(pads.begin(), pads.end(), pads[0]) == 4,
             "the same padding on all sides, smaller than the kernel");
  in.require(strides.size() == 2 && strides[0] == strides[1] && strides[0] > 0, "the same stride both ways");
  return {w.shape[2], static_cast<std::size_t>(pads[0]), static_cast<std::size_t>(strides[0])};
}

OnnxArray conv(const NodeInputs& in) {
  const OnnxArray &x = in[0], &w = in[1];
  const auto [kernel, padding, stride] = window_of(in, x, w);
  const std::size_t n_in = w.shape[1], n_out = w.shape[0], height = x.shape[2], width = x.shape[3];
  in.require(x.shape[1] == n_in && height + 2 * padding >= kernel && width + 2 * padding >= kernel,
             "[N, in, H, W] and [out, in, k, k]");
  const std::size_t out_height = (height + 2 * padding - kernel) / stride + 1;
  const std::size_t out_width = (width + 2 * padding - kernel) / stride + 1;
  OnnxArray y = in.array(x.type, {x.shape[0], n_out, out_height, out_width});
  for (std::size_t image_out = 0; image_out < x.shape[0] * n_out; ++image_out) {
    const std::size_t image = image_out / n_out, o = image_out % n_out;
    double* to = y.values.data() + image_out * out_height * out_width;
    for (std::size_t i = 0; i < n_in; ++i) {
      const double* from = x.values.data() + (image * n_in + i) * height * width;
      const double* weights = w.values.data() + (o * n_in + i) * kernel * kernel;
      for (std::size_t tap = 0; tap < kernel * kernel; ++tap) {
        const std::size_t dy = tap / kernel, dx = tap % kernel;
        for (std::size_t row = 0; row < out_height; ++row) {
          if (row * stride + dy < padding || row * stride + dy - padding >= height) continue;
          const double* line = from + (row * stride + dy - padding) * width;
          for (std::size_t column = 0; column < out_width; ++column) {
            const std::size_t at = column * stride + dx;
            if (at >= padding && at - padding < width)
              to[row * out_width + column] += weights[tap] * line[at - padding];
          }
        }
      }
    }
  }
  return y;
}

OnnxArray conv_transpose(const NodeInputs& in) {
  const OnnxArray &x = in[0], &w = in[1];
  const auto [kernel, padding, stride] = window_of(in, x, w);
  const std::size_t n_in = w.shape[0], n_out = w.shape[1], height = x.shape[2], width = x.shape[3];
  in.require(stride == 1 && x.shape[1] == n_in && height + kernel > 2 * padding + 1 &&
                 width + kernel > 2 * padding + 1,
             "[N, in, H, W] and [in, out, k, k], stride 1");
  const std::size_t out_height = height + kernel - 1 - 2 * padding;
  const std::size_t out_width = width + kernel - 1 - 2 * padding;
  OnnxArray y = in.array(x.type, {x.shape[0], n_out, out_height, out_width});
  if (x.values.empty()) return y;  // but may have any number of channels
  for (std::size_t image_in = 0; image_in < x.shape[0] * n_in; ++image_in) {
    const std::size_t image = image_in / n_in, i = image_in % n_in;
    const double* from = x.values.data() + image_in * height * width;
    for (std::size_t o = 0; o < n_out; ++o) {
      double* to = y.values.data() + (image * n_out + o) * out_height * out_width;
      const double* weights = w.values.data() + (i * n_out + o) * kernel * kernel;
      for (std::size_t tap = 0; tap < kernel * kernel; ++tap) {
        const std::size_t dy = tap / kernel, dx = tap % kernel;
        for (std::size_t row = 0; row < height; ++row) {
          if (row + dy < padding || row + dy - padding >= out_height) continue;
          double* line = to + (row + dy - padding) * out_width;
          for (std::size_t column = 0; column < width; ++column) {
            if (column + dx >= padding && column + dx - padding < out_width)
              line[column + dx - padding] += weights[tap] * from[row * width + column];
          }
        }
      }
    }
  }
  return y;
}

OnnxArray batch_norm(const NodeInputs& in) {
  const OnnxArray& x = in[0];
  in.require(x.shape.size() >= 2, "[N, C, ...]");
  const std::size_t channels = x.shape[1];
  for (std::size_t i = 1; i <= 4; ++i) in.require(in[i].shape == Dims{channels}, "constants of [C]");
  const auto epsilon = static_cast<double>(in.attribute<float>("epsilon", 1e-5F));
  OnnxArray y = x;
  if (x.values.empty()) return y;  // its extents may have any product
  const std::size_t plane = x.values.size() / (x.shape[0] * channels);
  for (std::size_t k = 0; k < y.values.size(); ++k) {
    const std::size_t c = k / plane % channels;
    y.values[k] = (x.values[k] - in[3].values[c]) / std::sqrt(in[4].values[c] + epsilon) * in[1].values[c] +
                  in[2].values[c];
  }
  return y;
}

OnnxArray max_pool(const NodeInputs& in) {
  using Integers = std::vector<std::int64_t>;
  const OnnxArray& x = in[0];
  in.want<Integers>("kernel_shape", {2, 2}, {});
  in.want<Integers>("strides", {2, 2}, {1, 1});
  in.want<Integers>("pads", {0, 0, 0, 0}, {0, 0, 0, 0});
  in.want<Integers>("dilations", {1, 1}, {1, 1});
  in.want<std::int64_t>("ceil_mode", 0, 0);
  in.require(x.shape.size() == 4, "[N, C, H, W]");
  const std::size_t height = x.shape[2], width = x.shape[3];
  OnnxArray y = in.array(x.type, {x.shape[0], x.shape[1], height / 2, width / 2});
  std::size_t k = 0;
  for (std::size_t plane = 0; plane < x.shape[0] * x.shape[1]; ++plane) {
    for (std::size_t row = 0; row < height / 2; ++row) {
      for (std::size_t column = 0; column < width / 2; ++column) {
        const double* corner = x.values.data() + (plane * height + 2 * row) * width + 2 * column;
        y.values[k++] = std::max({corner[0], corner[1], corner[width], corner[width + 1]});
      }
    }
  }
  return y;
}

OnnxArray resize(const NodeInputs& in) {
  const OnnxArray& x = in[0];
  in.want<std::string>("mode", "nearest", "nearest");
  in.want<std::string>("coordinate_transformation_mode", "asymmetric", "half_pixel");
  in.want<std::string>("nearest_mode", "floor", "round_prefer_floor");
  in.require(
      x.shape.size() == 4 && !in.has(1) && !in.has(3) && in[2].values == std::vector<double>{1, 1, 2, 2},
      "[N, C, H, W] and scales 1, 1, 2, 2");
  const std::size_t height = x.shape[2], width = x.shape[3];
  OnnxArray y = in.array(x.type, {x.shape[0], x.shape[1], 2 * height, 2 * width});
  std::size_t k = 0;
  for (std::size_t plane = 0; plane < x.shape[0] * x.shape[1]; ++plane)
    for (std::size_t row = 0; row < 2 * height; ++row)
      for (std::size_t column = 0; column < 2 * width; ++column)
        y.values[k++] = x.values[(plane * height + row / 2) * width + column / 2];
  return y;
}

OnnxArray greater(const NodeInputs& in) {
  OnnxArray result = each_pair(in, [](double a, double b) { return a > b ? 1.0 : 0.0; });
  result.type = OnnxType::boolean;
  return result;
}

OnnxArray leaky_relu(const NodeInputs& in) {
  const auto slope = static_cast<double>(in.attribute<float>("alpha", 0.01F));
  return each(in, [slope](double v) { return v > 0 ? v : slope * v; });
}

double softplus(double v) {
  return std::max(v, 0.0) + std::log1p(std::exp(-std::abs(v)));
}

using Operator = std::function<OnnxArray(const NodeInputs&)>;

const std::map<std::string, Operator>& operators() {
  static const std::map<std::string, Operator> known{
      {"Add", [](const NodeInputs& in) { return each_pair(in, std::plus<>()); }},
      {"BatchNormalization", batch_norm},
      {"Cast", cast},
      {"Conv", conv},
      {"ConvTranspose", conv_transpose},
      {"Div", [](const NodeInputs& in) { return each_pair(in, std::divides<>()); }},
      {"Exp", [](const NodeInputs& in) { return each(in, [](double v) { return std::exp(v); }); }},
      {"Gather", gather},
      {"Gemm", gemm},
      {"Greater", greater},
      {"LeakyRelu", leaky_relu},
      {"MaxPool", max_pool},
      {"Mul", [](const NodeInputs& in) { return each_pair(in, std::multiplies<>()); }},
      {"Reciprocal", [](const NodeInputs& in) { return each(in, [](double v) { return 1 / v; }); }},
      {"ReduceSum",
       [](const NodeInputs& in) {
         want_axis(in);
         return row_sums(in, [](double v) { return v; });
       }},
      {"ReduceSumSquare",
       [](const NodeInputs& in) {
         in.want<std::vector<std::int64_t>>("axes", {1}, {});
         return row_sums(in, [](double v) { return v * v; });
       }},
      {"Relu", [](const NodeInputs& in) { return each(in, [](double v) { return std::max(v, 0.0); }); }},
      {"Reshape", reshape},
      {"Resize", resize},
      {"Sigmoid",
       [](const NodeInputs& in) { return each(in, [](double v) { return 1 / (1 + std::exp(-v)); }); }},
      {"Softplus", [](const NodeInputs& in) { return each(in, softplus); }},
      {"Squeeze", squeeze},
      {"Sub", [](const NodeInputs& in) { return each_pair(in, std::minus<>()); }},
  };
  return known;
}

template <class T>
void append_values(const std::string& bytes, std::vector<double>& to) {
  std::vector<T> values(bytes.size() / sizeof(T));
  if (values.empty()) return;
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  to.assign(values.begin(), values.end());
}

OnnxArray array_of(const OnnxTensor& tensor) {
  OnnxArray result{.type = tensor.type, .shape = {tensor.shape.begin(), tensor.shape.end()}, .values = {}};
  switch (tensor.type) {
    case OnnxType::f32:
      append_values<float>(tensor.bytes, result.values);
      break;
    case OnnxType::f64:
      append_values<double>(tensor.bytes, result.values);
      break;
    case OnnxType::i64:
      append_values<std::int64_t>(tensor.bytes, result.values);
      break;
    case OnnxType::u8:
    case OnnxType::boolean:
      append_values<std::uint8_t>(tensor.bytes, result.values);
      break;
  }
  return result;
}

}  // namespace

std::map<std::string, OnnxArray> evaluate_onnx(const OnnxFile& file, std::map<std::string, OnnxArray> inputs,
                                               const std::string& source, std::size_t max_values) {
  std::map<std::string, OnnxArray> values = std::move(inputs);
  for (const OnnxTensor& constant : file.constants) values[constant.name] = array_of(constant);
  std::size_t room = max_values;
  for (const OnnxNode& node : file.nodes) {
    const auto known = operators().find(node.op);
    if (known == operators().end()) {
      throw DataError(
          fmt::format("{}: node \"{}\" is of the kind {}, which deepsad never writes and does not compute",
                      source, node.outputs.front(), node.op));
    }
    OnnxArray output = known->second(NodeInputs(node, values, source, room));
    if (output.values.size() > room) {
      throw DataError(fmt::format("{}: node \"{}\" ({}): the graph's values grow beyond {} numbers", source,
                                  node.outputs.front(), node.op, max_values));
    }
    room -= output.values.size();
    values[node.outputs.front()] = std::move(output);
  }
  std::map<std::string, OnnxArray> outputs;
  for (const OnnxValue& output : file.outputs) {
    const auto found = values.find(output.name);
    if (found == values.end())
      throw DataError(fmt::format("{}: no node computes the output \"{}\"", source, output.name));
    outputs[output.name] = found->second;
  }
  return outputs;
}

}  // namespace deepsad
