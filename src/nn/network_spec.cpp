#include "deepsad/nn/network_spec.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <set>

#include "deepsad/core/error.h"

namespace deepsad {
namespace {

std::string describe(const LayerSpec& layer, std::size_t index) {
  std::string text = fmt::format("layer {} ({}", index + 1, to_string(layer.kind));
  if (!layer.name.empty()) text += fmt::format(" \"{}\"", layer.name);
  return text + ")";
}

[[noreturn]] void refuse(const LayerSpec& layer, std::size_t index, const std::string& why) {
  throw InvalidArgument(fmt::format("[network] {}: {}", describe(layer, index), why));
}

void want_map(const LayerSpec& layer, std::size_t index, const Shape& input) {
  if (input.size() != 3) {
    refuse(layer, index,
           fmt::format("wants a map (channels x height x width), got {}; put a reshape before it",
                       to_string(input)));
  }
}

void check_ranges(const LayerSpec& layer, std::size_t index) {
  const bool has_tensors = layer.kind == LayerKind::conv2d || layer.kind == LayerKind::conv_transpose2d ||
                           layer.kind == LayerKind::linear || layer.kind == LayerKind::batch_norm;
  if (has_tensors && layer.name.empty())
    refuse(layer, index, "needs a name (its tensors are stored under it)");
  if (layer.name.find_first_of(" \t\n\"") != std::string::npos)
    refuse(layer, index, "name must not hold blanks or quotes");
  switch (layer.kind) {
    case LayerKind::conv2d:
    case LayerKind::conv_transpose2d:
      if (layer.out == 0) refuse(layer, index, "out must be at least 1, got 0");
      if (layer.kernel == 0) refuse(layer, index, "kernel must be at least 1, got 0");
      if (layer.padding >= layer.kernel) {
        refuse(layer, index,
               fmt::format("padding must be smaller than kernel {}, got {}", layer.kernel, layer.padding));
      }
      if (layer.stride == 0) refuse(layer, index, "stride must be at least 1, got 0");
      if (layer.kind == LayerKind::conv_transpose2d && layer.stride != 1) {
        refuse(layer, index,
               fmt::format("stride must be 1, got {}; put an upsample2d before it instead", layer.stride));
      }
      if (layer.bias)
        refuse(layer, index, "has no bias (a bias lets the network map every sample to the centre)");
      break;
    case LayerKind::linear:
      if (layer.out == 0) refuse(layer, index, "out must be at least 1, got 0");
      break;
    case LayerKind::batch_norm:
      if (!(layer.epsilon > 0) || !std::isfinite(layer.epsilon)) {
        refuse(layer, index, fmt::format("epsilon must be positive and finite, got {}", layer.epsilon));
      }
      if (!(layer.momentum > 0 && layer.momentum <= 1)) {
        refuse(layer, index, fmt::format("momentum must lie in (0, 1], got {}", layer.momentum));
      }
      break;
    case LayerKind::leaky_relu:
      if (!(layer.slope >= 0 && layer.slope <= 1)) {
        refuse(layer, index, fmt::format("slope must lie in [0, 1], got {}", layer.slope));
      }
      break;
    case LayerKind::sigmoid:
    case LayerKind::max_pool2d:
    case LayerKind::upsample2d:
    case LayerKind::reshape:
      break;
  }
}

Shape shape_after(const LayerSpec& layer, std::size_t index, const Shape& input) {
  switch (layer.kind) {
    case LayerKind::conv2d: {
      want_map(layer, index, input);
      Shape output{layer.out, 0, 0};
      for (std::size_t axis = 1; axis <= 2; ++axis) {
        const std::size_t padded = input[axis] + 2 * layer.padding;
        if (padded < layer.kernel) {
          refuse(layer, index,
                 fmt::format("kernel {0}x{0} with padding {1} is larger than its input {2}", layer.kernel,
                             layer.padding, to_string(input)));
        }
        output[axis] = (padded - layer.kernel) / layer.stride + 1;
      }
      return output;
    }
    case LayerKind::conv_transpose2d: {
      want_map(layer, index, input);
      Shape output{layer.out, 0, 0};
      for (std::size_t axis = 1; axis <= 2; ++axis) {
        const std::size_t full = input[axis] + layer.kernel - 1;
        if (full <= 2 * layer.padding) {
          refuse(layer, index,
                 fmt::format("padding {} leaves nothing of its input {}", layer.padding, to_string(input)));
        }
        output[axis] = full - 2 * layer.padding;
      }
      return output;
    }
    case LayerKind::linear:
      if (input.size() != 1) {
        refuse(layer, index,
               fmt::format("wants a vector, got {}; put a reshape to {} before it", to_string(input),
                           n_elements(input)));
      }
      return {layer.out};
    case LayerKind::max_pool2d:
      want_map(layer, index, input);
      if (input[1] < 2 || input[2] < 2) {
        refuse(layer, index, fmt::format("wants a map of at least 2x2, got {}", to_string(input)));
      }
      return {input[0], input[1] / 2, input[2] / 2};
    case LayerKind::upsample2d:
      want_map(layer, index, input);
      return {input[0], 2 * input[1], 2 * input[2]};
    case LayerKind::reshape:
      if ((layer.shape.size() != 1 && layer.shape.size() != 3) ||
          n_elements(layer.shape) != n_elements(input)) {
        refuse(layer, index,
               fmt::format("cannot make {} ({} values) into {} ({} values)", to_string(input),
                           n_elements(input), to_string(layer.shape), n_elements(layer.shape)));
      }
      return layer.shape;
    case LayerKind::batch_norm:
    case LayerKind::leaky_relu:
    case LayerKind::sigmoid:
      return input;
  }
  return input;
}

void add_prefixed(NetworkSpec& dst, const NetworkSpec& src, const std::string& prefix) {
  for (LayerSpec layer : src.layers) {
    if (!layer.name.empty()) layer.name = prefix + layer.name;
    dst.layers.push_back(std::move(layer));
  }
}

}  // namespace

std::string to_string(const Shape& shape) {
  std::string text;
  for (const std::size_t extent : shape) text += (text.empty() ? "" : "x") + std::to_string(extent);
  return text.empty() ? "nothing" : text;
}

std::size_t n_elements(const Shape& shape) {
  std::size_t product = 1;
  for (const std::size_t extent : shape) {
    if (extent != 0 && product > std::numeric_limits<std::size_t>::max() / 64 / extent) {
      throw InvalidArgument(fmt::format("[network] shape {} has too many values", to_string(shape)));
    }
    product *= extent;
  }
  return product;
}

std::string_view to_string(LayerKind kind) {
  switch (kind) {
    case LayerKind::conv2d:
      return "conv2d";
    case LayerKind::conv_transpose2d:
      return "conv_transpose2d";
    case LayerKind::linear:
      return "linear";
    case LayerKind::batch_norm:
      return "batch_norm";
    case LayerKind::leaky_relu:
      return "leaky_relu";
    case LayerKind::sigmoid:
      return "sigmoid";
    case LayerKind::max_pool2d:
      return "max_pool2d";
    case LayerKind::upsample2d:
      return "upsample2d";
    case LayerKind::reshape:
      return "reshape";
  }
  return "unknown";
}

std::vector<Shape> layer_shapes(const NetworkSpec& spec) {
  if ((spec.input.size() != 1 && spec.input.size() != 3) || n_elements(spec.input) == 0) {
    throw InvalidArgument(fmt::format(
        "[network] input is {}; wanted {{features}} or {{channels, height, width}}, each at least 1",
        to_string(spec.input)));
  }
  std::vector<Shape> shapes{spec.input};
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    check_ranges(spec.layers[i], i);
    shapes.push_back(shape_after(spec.layers[i], i, shapes.back()));
    (void)n_elements(shapes.back());  // refuses absurd sizes before anything is allocated
  }
  return shapes;
}

Shape output_shape(const NetworkSpec& spec) {
  return layer_shapes(spec).back();
}

std::vector<TensorInfo> state_tensors(const NetworkSpec& spec) {
  const std::vector<Shape> shapes = layer_shapes(spec);
  std::vector<TensorInfo> tensors;
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    const LayerSpec& layer = spec.layers[i];
    const std::size_t in = shapes[i][0];
    switch (layer.kind) {
      case LayerKind::conv2d:
        tensors.push_back(
            {layer.name + ".weight", {layer.out, in, layer.kernel, layer.kernel}, TensorRole::weight, i});
        break;
      case LayerKind::conv_transpose2d:
        tensors.push_back(
            {layer.name + ".weight", {in, layer.out, layer.kernel, layer.kernel}, TensorRole::weight, i});
        break;
      case LayerKind::linear:
        tensors.push_back({layer.name + ".weight", {layer.out, in}, TensorRole::weight, i});
        if (layer.bias) tensors.push_back({layer.name + ".bias", {layer.out}, TensorRole::bias, i});
        break;
      case LayerKind::batch_norm:
        tensors.push_back({layer.name + ".running_mean", {in}, TensorRole::running_mean, i});
        tensors.push_back({layer.name + ".running_var", {in}, TensorRole::running_var, i});
        tensors.push_back({layer.name + ".num_batches_tracked", {}, TensorRole::num_batches_tracked, i});
        break;
      case LayerKind::leaky_relu:
      case LayerKind::sigmoid:
      case LayerKind::max_pool2d:
      case LayerKind::upsample2d:
      case LayerKind::reshape:
        break;
    }
  }
  return tensors;
}

std::size_t n_parameters(const NetworkSpec& spec) {
  std::size_t n = 0;
  for (const TensorInfo& tensor : state_tensors(spec)) {
    if (tensor.role == TensorRole::weight || tensor.role == TensorRole::bias) n += n_elements(tensor.shape);
  }
  return n;
}

NetworkSpec autoencoder(const NetworkDefinition& definition) {
  if (!definition.decoder) {
    throw InvalidArgument(fmt::format(
        "[network] \"{}\" has no decoder, so no autoencoder can be trained; add one or turn pretraining off",
        definition.name));
  }
  const Shape code = output_shape(definition.encoder);
  if (definition.decoder->input != code) {
    throw InvalidArgument(fmt::format("[network] \"{}\": the decoder wants {} but the encoder gives {}",
                                      definition.name, to_string(definition.decoder->input),
                                      to_string(code)));
  }
  const Shape output = output_shape(*definition.decoder);
  if (n_elements(output) != n_elements(definition.encoder.input) ||
      (output.size() == 3 && output != definition.encoder.input)) {
    throw InvalidArgument(fmt::format("[network] \"{}\": the decoder gives {} but the encoder's input is {}",
                                      definition.name, to_string(output),
                                      to_string(definition.encoder.input)));
  }
  NetworkSpec whole{.input = definition.encoder.input, .layers = {}};
  add_prefixed(whole, definition.encoder, "encoder.");
  add_prefixed(whole, *definition.decoder, "decoder.");
  return whole;
}

void validate(const NetworkDefinition& definition) {
  const Shape code = output_shape(definition.encoder);
  if (code.size() != 1) {
    throw InvalidArgument(
        fmt::format("[network] \"{}\": the encoder must end in a vector, it gives {}; add a reshape",
                    definition.name, to_string(code)));
  }
  if (n_parameters(definition.encoder) == 0) {
    throw InvalidArgument(fmt::format(
        "[network] \"{}\": the encoder has nothing to learn; add a linear or conv2d layer", definition.name));
  }
  const auto unique_names = [&](const NetworkSpec& spec) {
    std::set<std::string> seen;
    for (std::size_t i = 0; i < spec.layers.size(); ++i) {
      const std::string& name = spec.layers[i].name;
      if (!name.empty() && !seen.insert(name).second)
        refuse(spec.layers[i], i, "another layer has the same name");
    }
  };
  unique_names(definition.encoder);
  if (definition.decoder) unique_names(autoencoder(definition));
}

NetworkDefinition mlp(std::string name, std::size_t n_features, const std::vector<std::size_t>& hidden,
                      std::size_t rep_dim) {
  const auto blocks = [](NetworkSpec& spec, const std::vector<std::size_t>& widths) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::string prefix = fmt::format("hidden.{}", i);
      spec.layers.push_back({.kind = LayerKind::linear, .name = prefix + ".linear", .out = widths[i]});
      spec.layers.push_back({.kind = LayerKind::batch_norm, .name = prefix + ".bn"});
      spec.layers.push_back({.kind = LayerKind::leaky_relu});
    }
  };
  NetworkSpec encoder{.input = {n_features}, .layers = {}};
  blocks(encoder, hidden);
  encoder.layers.push_back({.kind = LayerKind::linear, .name = "code", .out = rep_dim});
  NetworkSpec decoder{.input = {rep_dim}, .layers = {}};
  blocks(decoder, {hidden.rbegin(), hidden.rend()});
  decoder.layers.push_back({.kind = LayerKind::linear, .name = "reconstruction", .out = n_features});
  decoder.layers.push_back({.kind = LayerKind::sigmoid});
  return {std::move(name), std::move(encoder), std::move(decoder)};
}

}  // namespace deepsad
