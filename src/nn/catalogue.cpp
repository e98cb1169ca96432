#include "deepsad/nn/catalogue.h"

#include <fmt/format.h>

#include <algorithm>

#include "deepsad/core/error.h"

namespace deepsad {
namespace {

constexpr std::size_t kKernel = 5;

LayerSpec conv(std::string name, std::size_t out) {
  return {.kind = LayerKind::conv2d, .name = std::move(name), .out = out, .kernel = kKernel, .padding = 2};
}
LayerSpec deconv(std::string name, std::size_t out, std::size_t padding = 2,
                 WeightInit init = WeightInit::fan_in_uniform) {
  return {.kind = LayerKind::conv_transpose2d,
          .name = std::move(name),
          .out = out,
          .kernel = kKernel,
          .padding = padding,
          .init = init};
}
LayerSpec linear(std::string name, std::size_t out) {
  return {.kind = LayerKind::linear, .name = std::move(name), .out = out};
}
LayerSpec bn(std::string name) {
  return {.kind = LayerKind::batch_norm, .name = std::move(name)};
}
LayerSpec leaky() {
  return {.kind = LayerKind::leaky_relu};
}
LayerSpec pool() {
  return {.kind = LayerKind::max_pool2d};
}
LayerSpec up() {
  return {.kind = LayerKind::upsample2d};
}
LayerSpec sigmoid() {
  return {.kind = LayerKind::sigmoid};
}
LayerSpec reshape(Shape shape) {
  return {.kind = LayerKind::reshape, .shape = std::move(shape)};
}

NetworkDefinition mnist_lenet() {
  NetworkSpec encoder{{1, 28, 28},
                      {conv("conv1", 8), bn("bn1"), leaky(), pool(), conv("conv2", 4), bn("bn2"), leaky(),
                       pool(), reshape({196}), linear("fc1", 32)}};
  NetworkSpec decoder{{32},
                      {reshape({2, 4, 4}), leaky(), up(), deconv("deconv1", 4), bn("bn3"), leaky(), up(),
                       deconv("deconv2", 8, 3), bn("bn4"), leaky(), up(), deconv("deconv3", 1), sigmoid()}};
  return {"mnist_LeNet", std::move(encoder), std::move(decoder)};
}

NetworkDefinition fmnist_lenet() {
  NetworkSpec encoder{
      {1, 28, 28},
      {conv("conv1", 16), bn("bn2d1"), leaky(), pool(), conv("conv2", 32), bn("bn2d2"), leaky(), pool(),
       reshape({1568}), linear("fc1", 128), bn("bn1d1"), leaky(), linear("fc2", 64)}};
  NetworkSpec decoder{
      {64},
      {linear("fc3", 128), bn("bn1d2"), reshape({8, 4, 4}), leaky(), up(), deconv("deconv1", 32), bn("bn2d3"),
       leaky(), up(), deconv("deconv2", 16, 3), bn("bn2d4"), leaky(), up(), deconv("deconv3", 1), sigmoid()}};
  return {"fmnist_LeNet", std::move(encoder), std::move(decoder)};
}

// A LeNet of three blocks for maps whose sides are multiples of 8: CIFAR-10's network at 3x32x32.
NetworkDefinition lenet_three_blocks(std::string name, const Shape& input) {
  constexpr auto kXavier = WeightInit::xavier_uniform_leaky;
  constexpr std::size_t kRepDim = 128;
  const std::size_t height = input[1] / 8;
  const std::size_t width = input[2] / 8;
  NetworkSpec encoder{input,
                      {conv("conv1", 32), bn("bn2d1"), leaky(), pool(), conv("conv2", 64), bn("bn2d2"),
                       leaky(), pool(), conv("conv3", 128), bn("bn2d3"), leaky(), pool(),
                       reshape({128 * height * width}), linear("fc1", kRepDim)}};
  NetworkSpec decoder{{kRepDim}, {}};
  if (kRepDim == 8 * height * width) {
    decoder.layers.push_back(reshape({8, height, width}));
  } else {  // other sizes than CIFAR-10's: a linear layer brings the code to the first map
    decoder.layers.push_back(linear("fc2", 8 * height * width));
    decoder.layers.push_back(reshape({8, height, width}));
  }
  for (const LayerSpec& layer :
       {leaky(), deconv("deconv1", 128, 2, kXavier), bn("bn2d4"), leaky(), up(),
        deconv("deconv2", 64, 2, kXavier), bn("bn2d5"), leaky(), up(), deconv("deconv3", 32, 2, kXavier),
        bn("bn2d6"), leaky(), up(), deconv("deconv4", input[0], 2, kXavier), sigmoid()}) {
    decoder.layers.push_back(layer);
  }
  return {std::move(name), std::move(encoder), std::move(decoder)};
}

// A LeNet of two blocks for small maps whose sides are multiples of 4.
NetworkDefinition lenet_two_blocks(const Shape& input) {
  constexpr std::size_t kRepDim = 32;
  const std::size_t height = input[1] / 4;
  const std::size_t width = input[2] / 4;
  NetworkSpec encoder{input,
                      {conv("conv1", 8), bn("bn1"), leaky(), pool(), conv("conv2", 4), bn("bn2"), leaky(),
                       pool(), reshape({4 * height * width}), linear("fc1", kRepDim)}};
  NetworkSpec decoder{
      {kRepDim},
      {linear("fc2", 4 * height * width), reshape({4, height, width}), leaky(), up(), deconv("deconv1", 8),
       bn("bn3"), leaky(), up(), deconv("deconv2", input[0]), sigmoid()}};
  return {"LeNet", std::move(encoder), std::move(decoder)};
}

struct MlpEntry {
  const char* dataset;
  std::size_t n_features;
  std::size_t hidden1, hidden2, rep_dim;
};
constexpr MlpEntry kMlps[] = {{"arrhythmia", 274, 128, 64, 32}, {"cardio", 21, 32, 16, 8},
                              {"satellite", 36, 32, 16, 8},     {"satimage-2", 36, 32, 16, 8},
                              {"shuttle", 9, 32, 16, 8},        {"thyroid", 6, 32, 16, 4}};

}  // namespace

const std::vector<std::string>& network_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result{"mnist_LeNet", "fmnist_LeNet", "cifar10_LeNet"};
    for (const MlpEntry& entry : kMlps) result.push_back(std::string(entry.dataset) + "_mlp");
    return result;
  }();
  return names;
}

NetworkDefinition network_by_name(const std::string& name) {
  if (name == "mnist_LeNet") return mnist_lenet();
  if (name == "fmnist_LeNet") return fmnist_lenet();
  if (name == "cifar10_LeNet") return lenet_three_blocks("cifar10_LeNet", {3, 32, 32});
  for (const MlpEntry& entry : kMlps) {
    if (name == std::string(entry.dataset) + "_mlp") {
      return mlp(name, entry.n_features, {entry.hidden1, entry.hidden2}, entry.rep_dim);
    }
  }
  const auto& known = network_names();
  const std::string nearest = nearest_name(name, known.data(), known.size());
  throw InvalidArgument(fmt::format(
      "unknown network \"{}\"{}; known: {}; or give a .toml file (docs/networks.md)", name,
      nearest.empty() ? "" : fmt::format(", did you mean \"{}\"?", nearest), fmt::join(known, ", ")));
}

NetworkDefinition default_network(const std::string& dataset, const Shape& sample_shape) {
  for (const std::string& name : network_names()) {
    if (name == dataset + "_LeNet" || name == dataset + "_mlp") {
      NetworkDefinition definition = network_by_name(name);
      if (definition.encoder.input == sample_shape) return definition;
    }
  }
  if (sample_shape.size() == 3) {
    if (sample_shape == Shape{1, 28, 28}) return mnist_lenet();
    const bool by8 = sample_shape[1] % 8 == 0 && sample_shape[2] % 8 == 0;
    const bool by4 = sample_shape[1] % 4 == 0 && sample_shape[2] % 4 == 0;
    const std::size_t smallest = std::min(sample_shape[1], sample_shape[2]);
    if (by8 && smallest >= 32) return lenet_three_blocks("LeNet", sample_shape);
    if (by4 && smallest >= 8) return lenet_two_blocks(sample_shape);
    throw InvalidArgument(
        fmt::format("no default network serves images of {}; wanted sides of at least 8 that are multiples "
                    "of 4; give a network file",
                    to_string(sample_shape)));
  }
  if (sample_shape.size() != 1 || sample_shape[0] == 0) {
    throw InvalidArgument(
        fmt::format("no default network serves samples of shape {}", to_string(sample_shape)));
  }
  // The paper's widths: 128-64-32 for its one wide table, 32-16-8 for the narrow ones (4 for the narrowest).
  const std::size_t d = sample_shape[0];
  if (d > 100) return mlp("mlp", d, {128, 64}, 32);
  return mlp("mlp", d, {32, 16}, d <= 6 ? 4 : 8);
}

NetworkDefinition with_rep_dim(NetworkDefinition definition, std::size_t rep_dim) {
  const auto refuse = [&](const std::string& why) {
    throw InvalidArgument(
        fmt::format("network {} cannot have a code of {} values: {}", definition.name, rep_dim, why));
  };
  std::vector<LayerSpec>& layers = definition.encoder.layers;
  if (layers.empty() || layers.back().kind != LayerKind::linear || rep_dim == 0)
    refuse("its encoder must end in a linear layer, and the code hold a value");
  layers.back().out = rep_dim;
  if (!definition.decoder) return definition;
  definition.decoder->input = {rep_dim};
  std::vector<LayerSpec>& decoder = definition.decoder->layers;
  if (!decoder.empty() && decoder.front().kind == LayerKind::reshape && decoder.front().shape.size() == 3) {
    Shape& map = decoder.front().shape;
    const std::size_t pixels = map[1] * map[2];
    if (rep_dim % pixels != 0)
      refuse(fmt::format("its decoder makes a map of {} x {} of it, so that it must be a multiple of {}",
                         map[1], map[2], pixels));
    map[0] = rep_dim / pixels;
  }
  return definition;
}

NetworkDefinition with_slope(NetworkDefinition definition, double slope) {
  const auto change = [slope](NetworkSpec& spec) {
    for (LayerSpec& layer : spec.layers) {
      if (layer.kind == LayerKind::leaky_relu) layer.slope = slope;
    }
  };
  change(definition.encoder);
  if (definition.decoder) change(*definition.decoder);
  return definition;
}

}  // namespace deepsad
