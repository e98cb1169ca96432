// Networks as text: JSON inside model files, TOML from users. Both are read by the same code; TOML is first
// turned into the JSON form, remembering lines for messages.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#define TOML_EXCEPTIONS 1
#include <toml++/toml.h>

#include "deepsad/core/error.h"
#include "deepsad/nn/network_spec.h"

namespace deepsad {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array kKinds = {LayerKind::conv2d,     LayerKind::conv_transpose2d, LayerKind::linear,
                               LayerKind::batch_norm, LayerKind::leaky_relu,       LayerKind::sigmoid,
                               LayerKind::max_pool2d, LayerKind::upsample2d,       LayerKind::reshape};

struct InitName {
  WeightInit init;
  const char* name;
};
constexpr std::array kInits = {InitName{WeightInit::fan_in_uniform, "fan_in_uniform"},
                               InitName{WeightInit::xavier_uniform_leaky, "xavier_uniform_leaky"},
                               InitName{WeightInit::xavier_normal, "xavier_normal"}};

// The keys a layer of each kind may have besides "layer".
std::vector<std::string> keys_of(LayerKind kind) {
  switch (kind) {
    case LayerKind::conv2d:
      return {"name", "out", "kernel", "padding", "stride", "init"};
    case LayerKind::conv_transpose2d:
      return {"name", "out", "kernel", "padding", "init"};
    case LayerKind::linear:
      return {"name", "out", "bias", "init"};
    case LayerKind::batch_norm:
      return {"name", "epsilon", "momentum"};
    case LayerKind::leaky_relu:
      return {"slope"};
    case LayerKind::reshape:
      return {"shape"};
    case LayerKind::sigmoid:
    case LayerKind::max_pool2d:
    case LayerKind::upsample2d:
      return {};
  }
  return {};
}

Json layer_to_json(const LayerSpec& layer) {
  Json json{{"layer", to_string(layer.kind)}};
  for (const std::string& key : keys_of(layer.kind)) {
    if (key == "name") json[key] = layer.name;
    if (key == "out") json[key] = layer.out;
    if (key == "kernel") json[key] = layer.kernel;
    if (key == "padding") json[key] = layer.padding;
    if (key == "stride") json[key] = layer.stride;
    if (key == "bias") json[key] = layer.bias;
    if (key == "slope") json[key] = layer.slope;
    if (key == "epsilon") json[key] = layer.epsilon;
    if (key == "momentum") json[key] = layer.momentum;
    if (key == "shape") json[key] = layer.shape;
    if (key == "init") {
      for (const InitName& entry : kInits) {
        if (entry.init == layer.init) json[key] = entry.name;
      }
    }
  }
  return json;
}

Json layers_to_json(const std::vector<LayerSpec>& layers) {
  Json list = Json::array();
  for (const LayerSpec& layer : layers) list.push_back(layer_to_json(layer));
  return list;
}

// Reads one document; knows where every key stands.
class Reader {
 public:
  Reader(std::string source, std::map<std::string, unsigned> lines)
      : source_(std::move(source)), lines_(std::move(lines)) {}

  [[noreturn]] void refuse(const std::string& path, const std::string& why) const {
    std::string place = source_;
    for (std::string p = path; !p.empty(); p.erase(p.rfind('/'))) {
      if (const auto line = lines_.find(p); line != lines_.end()) {
        place += fmt::format(":{}", line->second);
        break;
      }
    }
    throw InvalidArgument(fmt::format("{}: {}: {}", place, path.empty() ? "document" : path.substr(1), why));
  }

  void allow_keys(const Json& table, const std::string& path, std::vector<std::string> known) const {
    if (!table.is_object()) refuse(path, fmt::format("wanted a table, found {}", table.dump()));
    for (const auto& [key, value] : table.items()) {
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      const std::string nearest = nearest_name(key, known.data(), known.size());
      refuse(path + "/" + key,
             fmt::format("unknown key{}; known: {}",
                         nearest.empty() ? "" : fmt::format(", did you mean \"{}\"?", nearest),
                         fmt::join(known, ", ")));
    }
  }

  std::size_t whole_number(const Json& value, const std::string& path) const {
    constexpr std::int64_t kLargest = 1 << 28;
    if (!value.is_number_integer() || value.get<std::int64_t>() < 0 || value.get<std::int64_t>() > kLargest) {
      refuse(path, fmt::format("wanted a whole number from 0 to {}, found {}", kLargest, value.dump()));
    }
    return static_cast<std::size_t>(value.get<std::int64_t>());
  }

  double number(const Json& value, const std::string& path) const {
    if (!value.is_number() || !std::isfinite(value.get<double>())) {
      refuse(path, fmt::format("wanted a number, found {}", value.dump()));
    }
    return value.get<double>();
  }

  std::string text(const Json& value, const std::string& path) const {
    if (!value.is_string()) refuse(path, fmt::format("wanted a text in quotes, found {}", value.dump()));
    return value.get<std::string>();
  }

  Shape shape(const Json& value, const std::string& path) const {
    if (!value.is_array() || value.empty()) {
      refuse(path, fmt::format("wanted a list of whole numbers such as [1, 28, 28], found {}", value.dump()));
    }
    Shape result;
    for (std::size_t i = 0; i < value.size(); ++i)
      result.push_back(whole_number(value[i], fmt::format("{}/{}", path, i)));
    return result;
  }

  LayerSpec layer(const Json& table, const std::string& path, std::size_t index) const {
    if (!table.is_object() || !table.contains("layer")) {
      refuse(path, "every layer is a table with a key \"layer\" that says its kind");
    }
    const std::string kind_name = text(table["layer"], path + "/layer");
    LayerSpec layer;
    std::vector<std::string> kind_names;
    bool found = false;
    for (const LayerKind kind : kKinds) {
      kind_names.emplace_back(to_string(kind));
      if (kind_name == kind_names.back()) {
        layer.kind = kind;
        found = true;
      }
    }
    if (!found) {
      refuse(path + "/layer",
             fmt::format("unknown layer \"{}\"; known: {}", kind_name, fmt::join(kind_names, ", ")));
    }
    std::vector<std::string> known = keys_of(layer.kind);
    known.emplace_back("layer");
    allow_keys(table, path, known);
    const auto needs = [&](const char* key) {
      if (!table.contains(key)) refuse(path, fmt::format("{} needs the key \"{}\"", kind_name, key));
    };
    if (layer.kind == LayerKind::conv2d || layer.kind == LayerKind::conv_transpose2d ||
        layer.kind == LayerKind::linear) {
      needs("out");
    }
    if (layer.kind == LayerKind::reshape) needs("shape");
    // A layer with tensors that the user did not name gets one from its place.
    const bool has_name = std::find(known.begin(), known.end(), "name") != known.end();
    if (has_name) layer.name = fmt::format("{}{}", kind_name, index + 1);
    // Convolutions keep the map's size unless told otherwise.
    if (table.contains("kernel")) layer.kernel = whole_number(table["kernel"], path + "/kernel");
    layer.padding = layer.kernel / 2;
    for (const auto& [key, value] : table.items()) {
      const std::string place = path + "/" + key;
      if (key == "name") layer.name = text(value, place);
      if (key == "out") layer.out = whole_number(value, place);
      if (key == "padding") layer.padding = whole_number(value, place);
      if (key == "stride") layer.stride = whole_number(value, place);
      if (key == "slope") layer.slope = number(value, place);
      if (key == "epsilon") layer.epsilon = number(value, place);
      if (key == "momentum") layer.momentum = number(value, place);
      if (key == "shape") layer.shape = shape(value, place);
      if (key == "bias") {
        if (!value.is_boolean()) refuse(place, fmt::format("wanted true or false, found {}", value.dump()));
        layer.bias = value.get<bool>();
      }
      if (key == "init") {
        const std::string init = text(value, place);
        const auto* const entry = std::find_if(
            kInits.begin(), kInits.end(), [&](const InitName& candidate) { return init == candidate.name; });
        if (entry == kInits.end()) {
          refuse(place,
                 fmt::format(
                     "unknown initialiser \"{}\"; known: fan_in_uniform, xavier_uniform_leaky, xavier_normal",
                     init));
        }
        layer.init = entry->init;
      }
    }
    if (layer.kind != LayerKind::conv2d && layer.kind != LayerKind::conv_transpose2d) {
      const LayerSpec defaults;
      layer.kernel = defaults.kernel;
      layer.padding = defaults.padding;
    }
    return layer;
  }

  std::vector<LayerSpec> layers(const Json& list, const std::string& path) const {
    if (!list.is_array() || list.empty()) refuse(path, "wanted a list of layers");
    std::vector<LayerSpec> result;
    for (std::size_t i = 0; i < list.size(); ++i)
      result.push_back(layer(list[i], fmt::format("{}/{}", path, i), i));
    return result;
  }

  // Checks shapes layer by layer, so that a message can name the place of the layer that does not fit.
  void check_shapes(const NetworkSpec& spec, const std::string& path) const {
    NetworkSpec part{.input = spec.input, .layers = {}};
    for (std::size_t i = 0; i < spec.layers.size(); ++i) {
      part.layers.push_back(spec.layers[i]);
      try {
        (void)layer_shapes(part);
      } catch (const InvalidArgument& error) {
        refuse(fmt::format("{}/{}", path, i), error.what());
      }
    }
  }

  NetworkWidths widths(const Json& document) const {
    NetworkWidths result;
    if (document.contains("name")) result.name = text(document["name"], "/name");
    if (!document.contains("rep_dim"))
      refuse(document.contains("hidden") ? "/hidden" : "", "an MLP needs the key \"rep_dim\" too");
    if (document.contains("hidden") && document["hidden"] != Json::array())
      result.hidden = shape(document["hidden"], "/hidden");
    result.rep_dim = whole_number(document["rep_dim"], "/rep_dim");
    return result;
  }

  NetworkDefinition definition(const Json& document, const Shape& default_input) const {
    NetworkDefinition result = unvalidated(document, default_input);
    try {
      validate(result);
    } catch (const InvalidArgument& error) {
      refuse("", error.what());
    }
    return result;
  }

 private:
  NetworkDefinition unvalidated(const Json& document, const Shape& default_input) const {
    allow_keys(document, "", {"name", "input", "hidden", "rep_dim", "encoder", "decoder"});
    NetworkDefinition result;
    result.name = document.contains("name") ? text(document["name"], "/name") : std::string("custom");
    const Shape input = document.contains("input") ? shape(document["input"], "/input") : default_input;
    if (document.contains("hidden") || document.contains("rep_dim")) {
      if (document.contains("encoder") || document.contains("decoder")) {
        refuse(
            "/hidden",
            "an MLP by widths (hidden, rep_dim) and lists of layers (encoder, decoder) exclude each other");
      }
      const NetworkWidths wanted = widths(document);
      if (input.size() != 1) {
        refuse("",
               fmt::format("an MLP wants a vector as input, the data has samples of {}", to_string(input)));
      }
      return mlp(result.name, input[0], wanted.hidden, wanted.rep_dim);
    }
    if (!document.contains("encoder")) refuse("", "wanted either hidden and rep_dim, or a list [[encoder]]");
    result.encoder = {input, layers(document["encoder"], "/encoder")};
    check_shapes(result.encoder, "/encoder");
    if (document.contains("decoder")) {
      result.decoder = NetworkSpec{output_shape(result.encoder), layers(document["decoder"], "/decoder")};
      check_shapes(*result.decoder, "/decoder");
    }
    return result;
  }

  std::string source_;
  std::map<std::string, unsigned> lines_;
};

Json toml_to_json(const toml::node& node, const std::string& path, std::map<std::string, unsigned>& lines) {
  if (!path.empty()) lines[path] = node.source().begin.line;
  if (const auto* table = node.as_table()) {
    Json json = Json::object();
    for (const auto& [key, value] : *table) {
      json[std::string(key.str())] = toml_to_json(value, fmt::format("{}/{}", path, key.str()), lines);
    }
    return json;
  }
  if (const auto* array = node.as_array()) {
    Json json = Json::array();
    for (std::size_t i = 0; i < array->size(); ++i) {
      json.push_back(toml_to_json(*array->get(i), fmt::format("{}/{}", path, i), lines));
    }
    return json;
  }
  if (const auto value = node.value_exact<std::string>()) return *value;
  if (const auto value = node.value_exact<bool>()) return *value;
  if (const auto value = node.value_exact<std::int64_t>()) return *value;
  if (const auto value = node.value_exact<double>()) return *value;
  return "(a date or time)";
}

// A TOML document in JSON form, and the line of every key.
Json parse_toml(std::string_view text, const std::string& source, std::map<std::string, unsigned>& lines) {
  try {
    return toml_to_json(toml::parse(text, std::string_view(source)), "", lines);
  } catch (const toml::parse_error& error) {
    throw InvalidArgument(fmt::format("{}:{}:{}: not TOML: {}", source, error.source().begin.line,
                                      error.source().begin.column, error.description()));
  }
}

}  // namespace

std::string to_json(const NetworkDefinition& definition) {
  Json json{{"name", definition.name},
            {"input", definition.encoder.input},
            {"encoder", layers_to_json(definition.encoder.layers)}};
  if (definition.decoder) json["decoder"] = layers_to_json(definition.decoder->layers);
  return json.dump();
}

NetworkDefinition network_from_json(std::string_view text, const std::string& source) {
  Json document;
  try {
    document = Json::parse(text);
  } catch (const Json::exception& error) {
    throw InvalidArgument(fmt::format("{}: not JSON: {}", source, error.what()));
  }
  const Reader reader(source, {});
  if (!document.is_object() || !document.contains("input")) reader.refuse("", "the key \"input\" is missing");
  return reader.definition(document, {});
}

NetworkDefinition network_from_toml(std::string_view text, const std::string& source, const Shape& input) {
  std::map<std::string, unsigned> lines;
  const Json document = parse_toml(text, source, lines);
  const Reader reader(source, lines);
  NetworkDefinition definition = reader.definition(document, input);
  if (definition.encoder.input != input) {
    reader.refuse("/input", fmt::format("the network takes samples of {} but the data has {}",
                                        to_string(definition.encoder.input), to_string(input)));
  }
  return definition;
}

NetworkWidths network_widths_from_toml(std::string_view text, const std::string& source) {
  std::map<std::string, unsigned> lines;
  const Json document = parse_toml(text, source, lines);
  const Reader reader(source, lines);
  reader.allow_keys(document, "", {"name", "hidden", "rep_dim"});
  return reader.widths(document);
}

}  // namespace deepsad
