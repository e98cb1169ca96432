// Networks as data: an input shape and a list of layers. Nothing here computes; the training engine compiles
// a spec into a plan of kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace deepsad {

/// Shape of one sample: {features} or {channels, height, width}.
using Shape = std::vector<std::size_t>;

/// "1x28x28", "21".
[[nodiscard]] std::string to_string(const Shape& shape);
/// Product of the extents (1 for an empty shape). @throws InvalidArgument on overflow.
[[nodiscard]] std::size_t n_elements(const Shape& shape);

enum class LayerKind {
  conv2d,            ///< square kernel, zero padding, no bias; weight [out][in][k][k]
  conv_transpose2d,  ///< square kernel, stride 1, no bias; weight [in][out][k][k]; side -> side + kernel - 1
                     ///< - 2 padding
  linear,            ///< weight [out][in], bias optional
  batch_norm,        ///< over channels (maps) or features (vectors); no scale and shift
  leaky_relu,        ///< x > 0 ? x : slope x; slope 0 is ReLU
  sigmoid,
  max_pool2d,  ///< 2x2, stride 2, odd last row and column dropped
  upsample2d,  ///< nearest neighbour, factor 2
  reshape,     ///< to `shape`; also flattens
};

/// "conv2d", "conv_transpose2d", ... as written in network files.
[[nodiscard]] std::string_view to_string(LayerKind kind);

/// Distribution of a layer's initial weights (as in the reference implementation of Deep SAD).
enum class WeightInit {
  fan_in_uniform,        ///< U(-b, b), b = 1/sqrt(fan_in); fan_in = in k k, for conv_transpose2d out k k (as
                         ///< PyTorch)
  xavier_uniform_leaky,  ///< U(-b, b), b = sqrt(2/(1+0.01^2)) sqrt(6/(k k (in+out))): the CIFAR-10 decoder
  xavier_normal,         ///< N(0, 2/(in+out)), biases 0
};

struct LayerSpec {
  LayerKind kind{};
  std::string name{};       ///< prefix of its tensors in the state dict; empty for layers without tensors
  std::size_t out = 0;      ///< output channels or features (conv2d, conv_transpose2d, linear)
  std::size_t kernel = 5;   ///< conv2d, conv_transpose2d
  std::size_t padding = 0;  ///< conv2d, conv_transpose2d: < kernel
  std::size_t stride = 1;   ///< conv2d only
  bool bias = false;        ///< linear only
  double slope = 0.01;      ///< leaky_relu: in [0, 1]
  double epsilon = 1e-4;    ///< batch_norm: > 0
  double momentum = 0.1;    ///< batch_norm: weight of the new batch in the running statistics, in (0, 1]
  Shape shape{};            ///< reshape
  WeightInit init = WeightInit::fan_in_uniform;

  bool operator==(const LayerSpec&) const = default;
};

/// One sample flows through `layers` in order.
struct NetworkSpec {
  Shape input;
  std::vector<LayerSpec> layers;

  bool operator==(const NetworkSpec&) const = default;
};

/// An encoder phi and, for autoencoder pretraining, a decoder that takes the encoder's output back to its
/// input shape (values in [0, 1] if it ends in a sigmoid).
struct NetworkDefinition {
  std::string name;
  NetworkSpec encoder;
  std::optional<NetworkSpec> decoder;

  bool operator==(const NetworkDefinition&) const = default;
};

/// Shape after every layer: element 0 is the input, element i + 1 the output of layer i.
/// @throws InvalidArgument naming the layer (number, kind, name), what it wants and the shape it got.
[[nodiscard]] std::vector<Shape> layer_shapes(const NetworkSpec& spec);
/// Shape of the output. @throws as layer_shapes.
[[nodiscard]] Shape output_shape(const NetworkSpec& spec);

enum class TensorRole { weight, bias, running_mean, running_var, num_batches_tracked };

/// One entry of the state dict, in PyTorch's order and naming: "conv1.weight", "bn1.running_mean", ...
struct TensorInfo {
  std::string name;
  Shape shape;  ///< empty for the scalar num_batches_tracked
  TensorRole role{};
  std::size_t layer = 0;  ///< index into NetworkSpec::layers
};
[[nodiscard]] std::vector<TensorInfo> state_tensors(const NetworkSpec& spec);
/// Number of learnable values (weights and biases).
[[nodiscard]] std::size_t n_parameters(const NetworkSpec& spec);

/// Encoder followed by decoder, tensors prefixed "encoder." and "decoder.". @throws InvalidArgument if there
/// is no decoder, or it does not fit the encoder's output or give back the encoder's input shape.
[[nodiscard]] NetworkSpec autoencoder(const NetworkDefinition& definition);

/// Everything that can be wrong with a definition, checked at once: shapes, names (unique, no spaces),
/// ranges.
/// @throws InvalidArgument
void validate(const NetworkDefinition& definition);

/// A multilayer perceptron in the form of the paper's: for every hidden width Linear, BN, leaky ReLU, then a
/// linear code layer; the decoder mirrors it and ends in a sigmoid.
[[nodiscard]] NetworkDefinition mlp(std::string name, std::size_t n_features,
                                    const std::vector<std::size_t>& hidden, std::size_t rep_dim);

/// The definition as JSON text, and back. @throws InvalidArgument naming `source` and the offending key.
[[nodiscard]] std::string to_json(const NetworkDefinition& definition);
[[nodiscard]] NetworkDefinition network_from_json(std::string_view json, const std::string& source);

/// Reads a user's network (docs/networks.md). Two forms: `hidden = [32, 16]`, `rep_dim = 8` for an MLP, or
/// lists
/// `[[encoder]]` and `[[decoder]]` of layers. `input` may be left out; then it is @p input (the data's sample
/// shape).
/// @throws InvalidArgument naming file, line, key, what was found and what was wanted.
[[nodiscard]] NetworkDefinition network_from_toml(std::string_view toml, const std::string& source,
                                                  const Shape& input);

/// The short form of such a file, where only widths can be chosen: `hidden`, `rep_dim` and perhaps `name`.
struct NetworkWidths {
  std::string name = "custom";
  std::vector<std::size_t> hidden;
  std::size_t rep_dim = 0;
};
/// @throws as network_from_toml, for any other key too.
[[nodiscard]] NetworkWidths network_widths_from_toml(std::string_view toml, const std::string& source);

}  // namespace deepsad
