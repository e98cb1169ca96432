#include "interchange/onnx_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "deepsad/core/error.h"
#include "interchange/onnx_builder.h"
#include "interchange/onnx_scaler.h"

namespace deepsad {
namespace {

/// Shape of a batch of samples of this shape.
std::vector<std::int64_t> batch_of(const Shape& shape) {
  std::vector<std::int64_t> result{kBatchDimension};
  result.insert(result.end(), shape.begin(), shape.end());
  return result;
}

const StateTensor& tensor_of(const ScoringNetwork& scoring, const std::string& name) {
  const StateTensor* found = find_tensor(scoring.state, name);
  if (found == nullptr) throw InvalidArgument(fmt::format("[onnx] tensor \"{}\" is missing", name));
  return *found;
}

/// One layer, from the value `input` to the value that is returned.
class LayerWriter {
 public:
  LayerWriter(GraphBuilder& graph, const ScoringNetwork& scoring) : graph_(graph), scoring_(scoring) {}

  std::string add(std::size_t index, const std::string& input, const Shape& output_shape) {
    const LayerSpec& layer = scoring_.network.layers[index];
    const std::string output = layer.name.empty() ? fmt::format("{}_{}", index, to_string(layer.kind))
                                                  : fmt::format("{}_{}", index, layer.name);
    switch (layer.kind) {
      case LayerKind::conv2d:
        return graph_.node(output, "Conv", {input, tensor(layer, "weight")}, window(layer));
      case LayerKind::conv_transpose2d:
        return graph_.node(output, "ConvTranspose", {input, tensor(layer, "weight")}, window(layer));
      case LayerKind::linear: {
        std::vector<std::string> inputs{input, tensor(layer, "weight")};
        if (layer.bias) inputs.push_back(tensor(layer, "bias"));
        return graph_.node(output, "Gemm", std::move(inputs), {{"transB", std::int64_t{1}}});
      }
      case LayerKind::batch_norm:
        return batch_norm(layer, output, input);
      case LayerKind::leaky_relu:
        if (layer.slope == 0) return graph_.node(output, "Relu", {input});
        return graph_.node(output, "LeakyRelu", {input}, {{"alpha", static_cast<float>(layer.slope)}});
      case LayerKind::sigmoid:
        return graph_.node(output, "Sigmoid", {input});
      case LayerKind::max_pool2d:
        return graph_.node(output, "MaxPool", {input},
                           {{"kernel_shape", std::vector<std::int64_t>{2, 2}},
                            {"strides", std::vector<std::int64_t>{2, 2}}});
      case LayerKind::upsample2d: {
        // Output pixel i is input pixel floor(i / 2).
        const std::string scales = graph_.constant(output + ".scales", {4}, std::vector<float>{1, 1, 2, 2});
        return graph_.node(output, "Resize", {input, "", scales},
                           {{"mode", std::string("nearest")},
                            {"coordinate_transformation_mode", std::string("asymmetric")},
                            {"nearest_mode", std::string("floor")}});
      }
      case LayerKind::reshape:
        return graph_.reshape(output, input, output_shape);
    }
    throw InvalidArgument("[onnx] unknown kind of layer");
  }

 private:
  std::string tensor(const LayerSpec& layer, const char* part) {
    const StateTensor& stored = tensor_of(scoring_, fmt::format("{}.{}", layer.name, part));
    return graph_.constant(stored.name, dims(stored.shape), stored.values);
  }

  static std::vector<OnnxAttribute> window(const LayerSpec& layer) {
    const auto k = static_cast<std::int64_t>(layer.kernel);
    const auto p = static_cast<std::int64_t>(layer.padding);
    const auto s = static_cast<std::int64_t>(layer.kind == LayerKind::conv2d ? layer.stride : 1);
    return {{"kernel_shape", std::vector<std::int64_t>{k, k}},
            {"pads", std::vector<std::int64_t>{p, p, p, p}},
            {"strides", std::vector<std::int64_t>{s, s}}};
  }

  // With the running statistics; there is no scale and shift.
  std::string batch_norm(const LayerSpec& layer, const std::string& output, const std::string& input) {
    const std::string mean = tensor(layer, "running_mean");
    const std::string var = tensor(layer, "running_var");
    const std::size_t n = tensor_of(scoring_, mean).values.size();
    const std::string ones = graph_.constant(layer.name + ".ones", dims({n}), std::vector<float>(n, 1.0F));
    const std::string zeros = graph_.constant(layer.name + ".zeros", dims({n}), std::vector<float>(n, 0.0F));
    return graph_.node(output, "BatchNormalization", {input, ones, zeros, mean, var},
                       {{"epsilon", static_cast<float>(layer.epsilon)}});
  }

  GraphBuilder& graph_;
  const ScoringNetwork& scoring_;
};

/// From the network's outputs to the value kOnnxScore.
void add_score(GraphBuilder& graph, const ScoringNetwork& scoring, std::string outputs, std::string scaled,
               const Shape& output_shape, const Shape& sample_shape) {
  const OnnxAttribute no_dims{"keepdims", std::int64_t{0}};
  const OnnxAttribute over_values{"axes", std::vector<std::int64_t>{1}};
  const auto axis = [&] { return graph.constant("value_axis", {1}, std::vector<std::int64_t>{1}); };
  const std::size_t n = n_elements(output_shape);
  if (output_shape.size() != 1) outputs = graph.reshape("outputs", outputs, {n});
  if (sample_shape.size() != 1 &&
      (scoring.form == ScoreForm::mean_squared_error || scoring.form == ScoreForm::cross_entropy))
    scaled = graph.reshape("scaled_rows", scaled, {n});
  switch (scoring.form) {
    case ScoreForm::squared_distance: {
      const std::string center = graph.constant("center", dims({n}), scoring.center);
      const std::string difference = graph.node("from_center", "Sub", {outputs, center});
      const char* distance = scoring.offset == 0 ? kOnnxScore : "squared_distance";
      graph.node(distance, "ReduceSumSquare", {difference}, {over_values, no_dims});
      if (scoring.offset != 0) {
        graph.node(kOnnxScore, "Sub",
                   {distance, graph.scalar("squared_radius", static_cast<float>(scoring.offset))});
      }
      return;
    }
    case ScoreForm::mean_squared_error: {
      const std::string difference = graph.node("residual", "Sub", {outputs, scaled});
      const std::string sum =
          graph.node("squared_error", "ReduceSumSquare", {difference}, {over_values, no_dims});
      graph.node(kOnnxScore, "Div", {sum, graph.scalar("n_values", static_cast<float>(n))});
      return;
    }
    case ScoreForm::cross_entropy: {
      const std::string softplus = graph.node("softplus", "Softplus", {outputs});
      const std::string explained = graph.node("explained", "Mul", {scaled, outputs});
      const std::string terms = graph.node("cross_entropy", "Sub", {softplus, explained});
      graph.node(kOnnxScore, "ReduceSum", {terms, axis()}, {no_dims});
      return;
    }
    case ScoreForm::logit:
      graph.node(kOnnxScore, "Squeeze", {outputs, axis()});
      return;
    case ScoreForm::softmax: {
      // 1 / (1 + exp(a - b)) by Exp: the logistic function of some runtimes has few digits far from 0.
      const auto logit = [&](const char* name, std::int64_t which) {
        return graph.node(name, "Gather", {outputs, graph.scalar(fmt::format("{}.index", name), which)},
                          {{"axis", std::int64_t{1}}});
      };
      const std::string normal = logit("logit_normal", 0);
      const std::string anomalous = logit("logit_anomalous", 1);
      const std::string odds =
          graph.node("odds", "Exp", {graph.node("logit_difference", "Sub", {normal, anomalous})});
      graph.node(kOnnxScore, "Reciprocal",
                 {graph.node("odds_and_1", "Add", {odds, graph.scalar("one", 1.0F)})});
      return;
    }
  }
}

/// The largest float that is not above `value`: a float is larger than the one if and only if it is larger
/// than the other.
float rounded_down(double value) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  if (value > static_cast<double>(kLargest))
    return std::isinf(value) ? std::numeric_limits<float>::infinity() : kLargest;
  if (value < -static_cast<double>(kLargest)) return -std::numeric_limits<float>::infinity();
  const auto nearest = static_cast<float>(value);
  return static_cast<double>(nearest) <= value
             ? nearest
             : std::nextafter(nearest, -std::numeric_limits<float>::infinity());
}

}  // namespace

OnnxFile onnx_graph(const ScoringNetwork& scoring, const Scaler& scaler, const Shape& sample_shape,
                    const std::optional<double>& threshold) {
  GraphBuilder graph;
  graph.file.ir_version = kOnnxIrVersion;
  graph.file.opset = kOnnxOpset;
  graph.file.inputs.push_back({.name = kOnnxInput,
                               .type = scaler.kind() == Scaler::Kind::pixels ? OnnxType::u8 : OnnxType::f64,
                               .shape = batch_of(sample_shape)});
  const std::string scaled = add_scaler(graph, scaler, kOnnxInput, sample_shape);
  std::string value = scaled;
  if (scoring.network.input != sample_shape)
    value = graph.reshape("network_input", value, scoring.network.input);
  const std::vector<Shape> shapes = layer_shapes(scoring.network);
  LayerWriter writer(graph, scoring);
  for (std::size_t i = 0; i < scoring.network.layers.size(); ++i) value = writer.add(i, value, shapes[i + 1]);
  add_score(graph, scoring, value, scaled, shapes.back(), sample_shape);
  graph.file.outputs.push_back({.name = kOnnxScore, .type = OnnxType::f32, .shape = {kBatchDimension}});
  if (threshold) {
    const std::string above = graph.node("above_threshold", "Greater",
                                         {kOnnxScore, graph.scalar("threshold", rounded_down(*threshold))});
    graph.node(kOnnxLabel, "Cast", {above}, {cast_to(OnnxType::i64)});
    graph.file.outputs.push_back({.name = kOnnxLabel, .type = OnnxType::i64, .shape = {kBatchDimension}});
  }
  return std::move(graph.file);
}

}  // namespace deepsad
