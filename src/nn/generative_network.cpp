#include "deepsad/nn/generative_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "deepsad/core/error.h"
#include "deepsad/nn/catalogue.h"

namespace deepsad {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSample = "sample";

LayerSpec linear(std::string name, std::size_t out, WeightInit init = WeightInit::xavier_normal) {
  return {.kind = LayerKind::linear, .name = std::move(name), .out = out, .bias = true, .init = init};
}
LayerSpec relu() {
  return {.kind = LayerKind::leaky_relu, .slope = 0};
}

void add_hidden(NetworkSpec& spec, const std::vector<std::size_t>& widths) {
  for (std::size_t i = 0; i < widths.size(); ++i) {
    spec.layers.push_back(linear(fmt::format("hidden.{}", i), widths[i]));
    spec.layers.push_back(relu());
  }
}

NetworkSpec encoder_spec(const GenerativeNetwork& network, std::size_t n_inputs) {
  NetworkSpec spec{.input = {n_inputs}, .layers = {}};
  add_hidden(spec, network.hidden);
  spec.layers.push_back(linear(kSample, 2 * network.n_latent));
  return spec;
}

NetworkSpec decoder_spec(const GenerativeNetwork& network, std::size_t n_inputs, WeightInit last) {
  NetworkSpec spec{.input = {n_inputs}, .layers = {}};
  add_hidden(spec, {network.hidden.rbegin(), network.hidden.rend()});
  spec.layers.push_back(linear("reconstruction", n_elements(network.input), last));
  return spec;
}

NetworkSpec dense_classifier(std::size_t n_inputs, std::size_t width) {
  return {{n_inputs}, {linear("dense", width), relu(), linear("logits", kLabelValues)}};
}

// A LeNet in front of the logits; its linear layers start as all linear layers of these models do.
NetworkSpec body_classifier(NetworkSpec body) {
  for (LayerSpec& layer : body.layers) {
    if (!layer.name.empty()) layer.name = "net." + layer.name;
    if (layer.kind == LayerKind::linear) layer.init = WeightInit::xavier_normal;
  }
  body.layers.push_back(linear("logits", kLabelValues));
  return body;
}

// A part of a model with the prefix of its tensors.
struct Part {
  const char* prefix;
  const NetworkSpec* spec;
};

std::vector<Part> parts_of(const GenerativeSpecs& specs) {
  std::vector<Part> parts{{"encoder.", &specs.encoder}, {"decoder.", &specs.decoder}};
  if (specs.classifier) parts.push_back({"classifier.", &*specs.classifier});
  return parts;
}

bool is_head(const TensorInfo& info) {
  return info.name == std::string(kSample) + ".weight" || info.name == std::string(kSample) + ".bias";
}

std::vector<TensorInfo> tensors_of(const NetworkSpec& spec) {
  std::vector<TensorInfo> result;
  std::vector<TensorInfo> log_variance;  // stands behind the whole of the mean head
  for (TensorInfo info : state_tensors(spec)) {
    if (!is_head(info)) {
      result.push_back(std::move(info));
      continue;
    }
    const std::string tensor = info.name.substr(info.name.rfind('.'));
    info.shape[0] /= 2;
    info.name = std::string(kSample) + ".mu" + tensor;
    result.push_back(info);
    info.name = std::string(kSample) + ".log_var" + tensor;
    log_variance.push_back(std::move(info));
  }
  result.insert(result.end(), log_variance.begin(), log_variance.end());
  return result;
}

struct Entry {
  const char* dataset;
  Shape input;
  std::vector<std::size_t> hidden;
  std::size_t n_latent;
};

const std::vector<Entry>& entries() {
  static const std::vector<Entry> table{{"mnist", {1, 28, 28}, {128, 64}, 32},
                                        {"fmnist", {1, 28, 28}, {256, 128}, 64},
                                        {"cifar10", {3, 32, 32}, {512, 256}, 128},
                                        {"arrhythmia", {274}, {128, 64}, 32},
                                        {"cardio", {21}, {32, 16}, 8},
                                        {"satellite", {36}, {32, 16}, 8},
                                        {"satimage-2", {36}, {32, 16}, 8},
                                        {"shuttle", {9}, {32, 16}, 8},
                                        {"thyroid", {6}, {32, 16}, 4}};
  return table;
}

struct Ending {
  GenerativeKind kind;
  std::string_view text;
};
constexpr Ending kEndings[] = {
    {GenerativeKind::vae, "VAE"}, {GenerativeKind::m2, "DGM_M2"}, {GenerativeKind::m1m2, "DGM_M1M2"}};

std::string name_of(const std::string& dataset, GenerativeKind kind) {
  std::string name = dataset;
  for (const Ending& ending : kEndings) {
    if (ending.kind == kind) name += fmt::format("{}{}", dataset.empty() ? "" : "_", ending.text);
  }
  return name;
}

GenerativeNetwork from_entry(const Entry& entry, GenerativeKind kind) {
  GenerativeNetwork network{.name = name_of(entry.dataset, kind),
                            .input = entry.input,
                            .hidden = entry.hidden,
                            .n_latent = entry.n_latent};
  if (kind == GenerativeKind::m2 && entry.input.size() == 3) {
    network.classifier_body = network_by_name(std::string(entry.dataset) + "_LeNet").encoder;
  }
  return network;
}

}  // namespace

void validate(const GenerativeNetwork& network) {
  const auto refuse = [&](const std::string& why) {
    throw InvalidArgument(fmt::format("[network] \"{}\": {}", network.name, why));
  };
  if (network.hidden.empty()) refuse("needs at least one hidden layer; give hidden, e.g. [32, 16]");
  for (const std::size_t width : network.hidden) {
    if (width == 0) refuse("the width of a hidden layer must be at least 1, got 0");
  }
  if (network.n_latent == 0) refuse("the size of the code (rep_dim) must be at least 1, got 0");
  (void)n_elements(
      {n_elements(network.input) + kLabelValues, network.hidden.front()});  // refuses absurd sizes
  if (!network.classifier_body) return;
  if (n_elements(network.classifier_body->input) != n_elements(network.input)) {
    refuse(fmt::format("the classifier takes {} but samples are {}",
                       to_string(network.classifier_body->input), to_string(network.input)));
  }
  if (const Shape output = output_shape(*network.classifier_body); output.size() != 1) {
    refuse(fmt::format("the classifier's body must end in a vector, it gives {}", to_string(output)));
  }
}

GenerativeSpecs generative_specs(const GenerativeNetwork& network, GenerativeKind kind) {
  validate(network);
  const std::size_t d = n_elements(network.input);
  const std::size_t z = network.n_latent;
  switch (kind) {
    case GenerativeKind::vae:
      return {encoder_spec(network, d), decoder_spec(network, z, WeightInit::xavier_normal), std::nullopt};
    case GenerativeKind::m2:
      return {encoder_spec(network, d + kLabelValues),
              decoder_spec(network, z + kLabelValues, WeightInit::xavier_normal),
              network.classifier_body ? body_classifier(*network.classifier_body)
                                      : dense_classifier(d, network.hidden.front())};
    case GenerativeKind::m1m2:
      return {encoder_spec(network, z + kLabelValues),
              decoder_spec(network, z + kLabelValues, WeightInit::fan_in_uniform),
              dense_classifier(z, network.hidden.front())};
  }
  throw InvalidArgument("[network] unknown kind of deep generative network");
}

std::vector<TensorInfo> generative_tensors(const GenerativeNetwork& network, GenerativeKind kind) {
  std::vector<TensorInfo> result;
  const GenerativeSpecs specs = generative_specs(network, kind);
  for (const Part& part : parts_of(specs)) {
    for (TensorInfo& info : tensors_of(*part.spec)) {
      info.name = part.prefix + info.name;
      result.push_back(std::move(info));
    }
  }
  if (kind == GenerativeKind::m1m2) {
    for (TensorInfo& info : generative_tensors(network, GenerativeKind::vae)) {
      info.name = "features." + info.name;
      result.push_back(std::move(info));
    }
  }
  return result;
}

std::size_t n_parameters(const GenerativeNetwork& network, GenerativeKind kind, bool trainable) {
  std::size_t n = 0;
  for (const TensorInfo& info : generative_tensors(network, kind)) {
    if (info.role != TensorRole::weight && info.role != TensorRole::bias) continue;
    if (!trainable || !info.name.starts_with("features.")) n += n_elements(info.shape);
  }
  return n;
}

StateDict split_heads(const StateDict& encoder) {
  StateDict result;
  StateDict log_variance;
  for (const StateTensor& tensor : encoder) {
    if (!tensor.name.starts_with(std::string(kSample) + ".")) {
      result.push_back(tensor);
      continue;
    }
    const std::string suffix = tensor.name.substr(std::string(kSample).size());
    const auto half = static_cast<std::ptrdiff_t>(tensor.values.size() / 2);
    Shape shape = tensor.shape;
    shape[0] /= 2;
    result.push_back({.name = std::string(kSample) + ".mu" + suffix,
                      .shape = shape,
                      .values = {tensor.values.begin(), tensor.values.begin() + half}});
    log_variance.push_back({.name = std::string(kSample) + ".log_var" + suffix,
                            .shape = shape,
                            .values = {tensor.values.begin() + half, tensor.values.end()}});
  }
  result.insert(result.end(), log_variance.begin(), log_variance.end());
  return result;
}

StateDict join_heads(const StateDict& encoder) {
  StateDict result;
  const std::string mean = std::string(kSample) + ".mu";
  const std::string log_variance = std::string(kSample) + ".log_var";
  for (const StateTensor& tensor : encoder) {
    if (tensor.name.starts_with(log_variance)) continue;
    result.push_back(tensor);
    if (!tensor.name.starts_with(mean)) continue;
    StateTensor& joined = result.back();
    const std::string suffix = tensor.name.substr(mean.size());
    joined.name = kSample + suffix;
    for (const StateTensor& other : encoder) {
      if (other.name != log_variance + suffix) continue;
      joined.shape[0] += other.shape[0];
      joined.values.insert(joined.values.end(), other.values.begin(), other.values.end());
    }
  }
  return result;
}

StateDict initial_state(const GenerativeNetwork& network, GenerativeKind kind, std::uint64_t seed) {
  const GenerativeSpecs specs = generative_specs(network, kind);
  StateDict result;
  for (const Part& part : parts_of(specs)) {
    const std::string purpose =
        fmt::format("{}/{}", name_of("", kind), std::string_view(part.prefix, std::strlen(part.prefix) - 1));
    NetworkSpec body = *part.spec;
    std::vector<LayerSpec> heads;
    if (part.spec == &specs.encoder) {
      // The two heads are layers of their own: the fans of one are those of the other.
      LayerSpec head = body.layers.back();
      body.layers.pop_back();
      head.out /= 2;
      for (const char* which : {".mu", ".log_var"}) {
        head.name = std::string(kSample) + which;
        heads.push_back(head);
      }
    }
    StateDict state = initial_state(body, seed, purpose);
    for (const LayerSpec& head : heads) {
      const StateDict more = initial_state(NetworkSpec{output_shape(body), {head}}, seed, purpose);
      state.insert(state.end(), more.begin(), more.end());
    }
    for (StateTensor& tensor : with_prefix(std::move(state), part.prefix))
      result.push_back(std::move(tensor));
  }
  return result;
}

const std::vector<std::string>& generative_network_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const Ending& ending : kEndings) {
      for (const Entry& entry : entries()) list.push_back(name_of(entry.dataset, ending.kind));
    }
    return list;
  }();
  return names;
}

std::optional<GenerativeKind> generative_kind_of(std::string_view name) {
  for (const Ending& ending : kEndings) {
    if (name == ending.text || name.ends_with(fmt::format("_{}", ending.text))) return ending.kind;
  }
  return std::nullopt;
}

GenerativeNetwork generative_network_by_name(const std::string& name, GenerativeKind kind) {
  std::vector<std::string> known;
  for (const Entry& entry : entries()) {
    known.push_back(name_of(entry.dataset, kind));
    if (known.back() == name) return from_entry(entry, kind);
  }
  const std::string nearest = nearest_name(name, known.data(), known.size());
  throw InvalidArgument(fmt::format(
      "unknown network \"{}\"{}; known for this method: {}; or give a .toml file (docs/networks.md)", name,
      nearest.empty() ? "" : fmt::format(", did you mean \"{}\"?", nearest), fmt::join(known, ", ")));
}

GenerativeNetwork default_generative_network(const std::string& dataset, const Shape& sample_shape,
                                             GenerativeKind kind) {
  for (const Entry& entry : entries()) {
    if (dataset == entry.dataset && sample_shape == entry.input) return from_entry(entry, kind);
  }
  const std::size_t d = n_elements(sample_shape);
  if (d == 0) {
    throw InvalidArgument(
        fmt::format("no default network serves samples of shape {}", to_string(sample_shape)));
  }
  GenerativeNetwork network{
      .name = name_of("", kind), .input = sample_shape, .hidden = {32, 16}, .n_latent = 8};
  if (sample_shape.size() == 3) {
    // The widths of the reference for images of about this size.
    const bool large = d >= 2048;
    network.hidden = large ? std::vector<std::size_t>{512, 256} : std::vector<std::size_t>{128, 64};
    network.n_latent = large ? 128 : 32;
    if (kind == GenerativeKind::m2) network.classifier_body = default_network(dataset, sample_shape).encoder;
  } else if (d > 100) {
    network.hidden = {128, 64};
    network.n_latent = 32;
  } else if (d <= 6) {
    network.n_latent = 4;
  }
  return network;
}

std::string to_json(const GenerativeNetwork& network) {
  Json json{{"name", network.name},
            {"input", network.input},
            {"hidden", network.hidden},
            {"n_latent", network.n_latent},
            {"classifier_body", nullptr}};
  if (network.classifier_body) {
    json["classifier_body"] =
        Json::parse(to_json(NetworkDefinition{network.name, *network.classifier_body, std::nullopt}));
  }
  return json.dump();
}

GenerativeNetwork generative_network_from_json(std::string_view text, const std::string& source) {
  try {
    const Json json = Json::parse(text);
    GenerativeNetwork network{.name = json.at("name").get<std::string>(),
                              .input = json.at("input").get<Shape>(),
                              .hidden = json.at("hidden").get<std::vector<std::size_t>>(),
                              .n_latent = json.at("n_latent").get<std::size_t>()};
    if (const Json& body = json.at("classifier_body"); !body.is_null()) {
      network.classifier_body = network_from_json(body.dump(), source).encoder;
    }
    validate(network);
    return network;
  } catch (const Json::exception& error) {
    throw InvalidArgument(fmt::format("{}: not a deep generative network: {}", source, error.what()));
  }
}

GenerativeNetwork generative_network_from_toml(std::string_view toml, const std::string& source,
                                               const Shape& input, GenerativeKind kind) {
  const NetworkWidths widths = network_widths_from_toml(toml, source);
  GenerativeNetwork network = default_generative_network("", input, kind);
  network.name = widths.name;
  network.hidden = widths.hidden;
  network.n_latent = widths.rep_dim;
  try {
    validate(network);
  } catch (const InvalidArgument& error) {
    throw InvalidArgument(fmt::format("{}: {}", source, error.what()));
  }
  return network;
}

}  // namespace deepsad
