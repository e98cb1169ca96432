// Networks as text: TOML from users, JSON inside model files, and the examples of docs/networks.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "deepsad/core/error.h"
#include "deepsad/nn/catalogue.h"
#include "deepsad/nn/network_spec.h"
#include "nn/losses.h"
#include "nn/support.h"
#include "support/errors.h"

namespace deepsad {
namespace {

using deepsad::testing::message_of;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string toml_refusal(const std::string& text, const Shape& input) {
  return message_of<InvalidArgument>([&] { (void)network_from_toml(text, "net.toml", input); });
}

TEST(NetworkFromToml, MlpByWidths) {
  const NetworkDefinition definition =
      network_from_toml("name = \"cardio_mlp\"\nhidden = [32, 16]\nrep_dim = 8\n", "net.toml", {21});
  EXPECT_EQ(definition, network_by_name("cardio_mlp"));
  EXPECT_EQ(network_from_toml("rep_dim = 2", "net.toml", {5}), mlp("custom", 5, {}, 2));
  EXPECT_EQ(network_from_toml("hidden = []\nrep_dim = 2", "net.toml", {5}), mlp("custom", 5, {}, 2));
  EXPECT_EQ(network_from_toml("input = [5]\nhidden = [3]\nrep_dim = 2", "net.toml", {5}),
            mlp("custom", 5, {3}, 2));
}

TEST(NetworkFromToml, ListsOfLayers) {
  const NetworkDefinition definition = network_from_toml(R"(
name = "mine"
encoder = [
  { layer = "conv2d", name = "c", out = 3, kernel = 4, stride = 2, init = "xavier_normal" },
  { layer = "batch_norm", epsilon = 0.5, momentum = 1 },
  { layer = "leaky_relu", slope = 0 },
  { layer = "max_pool2d" },
  { layer = "reshape", shape = [27] },
  { layer = "linear", out = 2, bias = true },
]
decoder = [
  { layer = "linear", name = "up", out = 16 },
  { layer = "reshape", shape = [1, 4, 4] },
  { layer = "upsample2d" },
  { layer = "conv_transpose2d", out = 1, kernel = 3, padding = 0, init = "xavier_uniform_leaky" },
  { layer = "sigmoid" },
])",
                                                         "net.toml", {1, 10, 10});
  const NetworkDefinition wanted{
      .name = "mine",
      .encoder = {{1, 10, 10},
                  {{.kind = LayerKind::conv2d,
                    .name = "c",
                    .out = 3,
                    .kernel = 4,
                    .padding = 2,
                    .stride = 2,
                    .init = WeightInit::xavier_normal},
                   {.kind = LayerKind::batch_norm, .name = "batch_norm2", .epsilon = 0.5, .momentum = 1},
                   {.kind = LayerKind::leaky_relu, .slope = 0},
                   {.kind = LayerKind::max_pool2d},
                   {.kind = LayerKind::reshape, .shape = {27}},
                   {.kind = LayerKind::linear, .name = "linear6", .out = 2, .bias = true}}},
      .decoder = NetworkSpec{{2},
                             {{.kind = LayerKind::linear, .name = "up", .out = 16},
                              {.kind = LayerKind::reshape, .shape = {1, 4, 4}},
                              {.kind = LayerKind::upsample2d},
                              {.kind = LayerKind::conv_transpose2d,
                               .name = "conv_transpose2d4",
                               .out = 1,
                               .kernel = 3,
                               .padding = 0,
                               .init = WeightInit::xavier_uniform_leaky},
                              {.kind = LayerKind::sigmoid}}}};
  EXPECT_EQ(definition.encoder.layers, wanted.encoder.layers);
  EXPECT_EQ(definition.decoder->layers, wanted.decoder->layers);
  EXPECT_EQ(definition, wanted);
}

struct Refusal {
  std::string text;
  std::string message;
  Shape input = {21};
};

TEST(NetworkFromToml, RefusalsNameFileLineKeyFoundAndWanted) {
  const Shape map{1, 8, 8};
  const std::string linear = "[[encoder]]\nlayer = \"linear\"\nout = 8\n";
  const std::vector<Refusal> refusals = {
      {"rep_dim = 8\nhiden = [32]\n",
       "net.toml:2: hiden: unknown key, did you mean \"hidden\"?; known: name, input, hidden, rep_dim, "
       "encoder, "
       "decoder"},
      {"rep_dim = 8\nactivation = \"relu\"\n", "net.toml:2: activation: unknown key; known: name, input"},
      {linear + "units = 3\n",
       "net.toml:4: encoder/0/units: unknown key; known: name, out, bias, init, layer"},
      {linear + "outt = 3\n", "net.toml:4: encoder/0/outt: unknown key, did you mean \"out\"?"},
      {linear + "kernel = 3\n",
       "net.toml:4: encoder/0/kernel: unknown key; known: name, out, bias, init, layer"},
      {"[[encoder]]\nlayer = \"dense\"\n",
       "net.toml:2: encoder/0/layer: unknown layer \"dense\"; known: conv2d, conv_transpose2d, linear"},
      {"[[encoder]]\nout = 3\n",
       "net.toml:1: encoder/0: every layer is a table with a key \"layer\" that says its kind"},
      {"[[encoder]]\nlayer = \"linear\"\n", "net.toml:1: encoder/0: linear needs the key \"out\""},
      {"[[encoder]]\nlayer = \"reshape\"\n", "net.toml:1: encoder/0: reshape needs the key \"shape\""},
      {"hidden = \"32\"\nrep_dim = 8\n",
       "net.toml:1: hidden: wanted a list of whole numbers such as [1, 28, 28], found \"32\""},
      {"hidden = 32\nrep_dim = 8\n", "net.toml:1: hidden: wanted a list of whole numbers"},
      {"hidden = {}\nrep_dim = 8\n", "net.toml:1: hidden: wanted a list of whole numbers"},
      {"hidden = [32, 1.5]\nrep_dim = 8\n",
       "net.toml:1: hidden/1: wanted a whole number from 0 to 268435456, found 1.5"},
      {"hidden = [32]\nrep_dim = \"8\"\n",
       "net.toml:2: rep_dim: wanted a whole number from 0 to 268435456, found \"8\""},
      {"hidden = [32]\nrep_dim = -1\n",
       "net.toml:2: rep_dim: wanted a whole number from 0 to 268435456, found -1"},
      {"hidden = [32]\nrep_dim = 9223372036854775807\n",
       "net.toml:2: rep_dim: wanted a whole number from 0 to"},
      {"hidden = [32]\nrep_dim = 0\n",
       "net.toml: document: [network] layer 4 (linear \"code\"): out must be at least 1, got 0"},
      {"hidden = [32]\nrep_dim = 1979-05-27\n", "net.toml:2: rep_dim: wanted a whole number"},
      {"hidden = [32]\n", "net.toml:1: hidden: an MLP needs the key \"rep_dim\" too"},
      {"hidden = [32]\nrep_dim = 8\n" + linear,
       "net.toml:1: hidden: an MLP by widths (hidden, rep_dim) and lists of layers (encoder, decoder) "
       "exclude "
       "each other"},
      {"name = \"mine\"\n", "net.toml: document: wanted either hidden and rep_dim, or a list [[encoder]]"},
      {"name = 3\nrep_dim = 8\n", "net.toml:1: name: wanted a text in quotes, found 3"},
      {"encoder = []\n", "net.toml:1: encoder: wanted a list of layers"},
      {"encoder = 3\n", "net.toml:1: encoder: wanted a list of layers"},
      {"encoder = [3]\n", "net.toml:1: encoder/0: every layer is a table"},
      {linear + "bias = 1\n", "net.toml:4: encoder/0/bias: wanted true or false, found 1"},
      {linear + "init = \"zeros\"\n",
       "net.toml:4: encoder/0/init: unknown initialiser \"zeros\"; known: fan_in_uniform, "
       "xavier_uniform_leaky, "
       "xavier_normal"},
      {linear + "[[encoder]]\nlayer = \"leaky_relu\"\nslope = \"0.1\"\n",
       "net.toml:6: encoder/1/slope: wanted a number, found \"0.1\""},
      {linear + "[[encoder]]\nlayer = \"leaky_relu\"\nslope = nan\n",
       "net.toml:6: encoder/1/slope: wanted a number"},
      {linear + "[[encoder]]\nlayer = \"leaky_relu\"\nslope = 2\n",
       "net.toml:4: encoder/1: [network] layer 2 (leaky_relu): slope must lie in [0, 1], got 2"},
      {linear + "[[encoder]]\nlayer = \"max_pool2d\"\n",
       "net.toml:4: encoder/1: [network] layer 2 (max_pool2d): wants a map (channels x height x width), got "
       "8; "
       "put a reshape before it"},
      // The encoder is looked at before a decoder that would need its shape.
      {linear + "[[encoder]]\nlayer = \"upsample2d\"\n[[decoder]]\nlayer = \"linear\"\nout = 21\n",
       "net.toml:4: encoder/1: [network] layer 2 (upsample2d): wants a map"},
      {linear + "[[decoder]]\nlayer = \"sigmoid\"\n[[decoder]]\nlayer = \"upsample2d\"\n",
       "net.toml:6: decoder/1: [network] layer 2 (upsample2d): wants a map"},
      {linear + "[[decoder]]\nlayer = \"linear\"\nout = 20\n",
       "net.toml: document: [network] \"custom\": the decoder gives 20 but the encoder's input is 21"},
      {"[[encoder]]\nlayer = \"conv2d\"\nout = 2\n",
       "net.toml: document: [network] \"custom\": the encoder must end in a vector, it gives 2x8x8; add a "
       "reshape",
       map},
      {"hidden = [4]\nrep_dim = 2\n",
       "net.toml: document: an MLP wants a vector as input, the data has samples of 1x8x8", map},
      {"input = [21, 1]\nrep_dim = 2\n", "net.toml: document: an MLP wants a vector as input"},
      {"rep_dim = 2\ninput = [20]\n",
       "net.toml:2: input: the network takes samples of 20 but the data has 21"},
      {"input = [0]\n" + linear, "[network] input is 0; wanted {features} or {channels, height, width}"},
      {"rep_dim = 2\nrep_dim = 3\n", "net.toml:2:"},
      {"rep_dim = \n", "net.toml:1:"},
  };
  for (const Refusal& refusal : refusals) {
    const std::string message = toml_refusal(refusal.text, refusal.input);
    EXPECT_THAT(message, HasSubstr(refusal.message)) << refusal.text;
    EXPECT_THAT(message, StartsWith("net.toml:")) << refusal.text;
  }
  EXPECT_THAT(toml_refusal("rep_dim = \n", {21}), HasSubstr(": not TOML: "));
}

TEST(NetworkAsJson, GivesBackEveryNetwork) {
  std::vector<NetworkDefinition> definitions;
  for (const std::string& name : network_names()) definitions.push_back(network_by_name(name));
  definitions.push_back(with_slope(network_by_name("mnist_LeNet"), 0.1));
  definitions.push_back(default_network("mine", {3, 40, 48}));
  definitions.push_back(default_network("mine", {2, 12, 100}));
  definitions.push_back(mlp("a \"quoted\" name", 7, {}, 3));
  definitions.back().decoder.reset();
  // Values that need all digits of a double.
  definitions.push_back(mlp("digits", 7, {5}, 3));
  definitions.back().encoder.layers[1].epsilon = 1.0 / 3;
  definitions.back().encoder.layers[1].momentum = 0.1 + 0.2;
  definitions.back().encoder.layers[0].bias = true;
  definitions.back().encoder.layers[0].init = WeightInit::xavier_normal;
  for (const NetworkDefinition& definition : definitions) {
    EXPECT_EQ(network_from_json(to_json(definition), "model"), definition) << definition.name;
  }
}

TEST(NetworkAsJson, RefusalsNameTheSourceAndTheKey) {
  const auto refusal = [](const std::string& text) {
    return message_of<InvalidArgument>([&] { (void)network_from_json(text, "model.safetensors"); });
  };
  EXPECT_THAT(refusal("{"), StartsWith("model.safetensors: not JSON: "));
  EXPECT_EQ(refusal("{}"), "model.safetensors: document: the key \"input\" is missing");
  EXPECT_EQ(refusal("[]"), "model.safetensors: document: the key \"input\" is missing");
  EXPECT_EQ(refusal(R"({"input": [4], "encoder": [{"layer": "linear", "name": "a", "out": true}]})"),
            "model.safetensors: encoder/0/out: wanted a whole number from 0 to 268435456, found true");
  EXPECT_EQ(refusal(R"({"input": [4], "encoder": [{"layer": "linear", "name": "a", "out": 3},
                                                  {"layer": "max_pool2d"}]})"),
            "model.safetensors: encoder/1: [network] layer 2 (max_pool2d): wants a map (channels x height x "
            "width), got 3; put a reshape before it");
  EXPECT_EQ(
      refusal(R"({"input": [4], "encoder": [{"layer": "sigmoid"}]})"),
      "model.safetensors: document: [network] \"custom\": the encoder has nothing to learn; add a linear or "
      "conv2d layer");
  EXPECT_THAT(refusal(R"({"input": [4], "encoder": [{"layer": "linear", "name": "a", "out": 1e99}]})"),
              HasSubstr("encoder/0/out: wanted a whole number"));
}

struct Example {
  std::string directive;  // what stands behind "test: "
  std::string toml;
  std::string message;  // the indented line after it, if any
};

std::vector<Example> examples_of_the_documentation() {
  const std::string path = DEEPSAD_SOURCE_DIR "/docs/networks.md";
  std::ifstream in(path);
  if (!in) throw std::runtime_error("cannot open " + path);
  std::vector<Example> examples;
  std::string line;
  bool in_toml = false;
  bool has_directive = false;
  while (std::getline(in, line)) {
    if (line.starts_with("<!-- test: ")) {
      examples.push_back({.directive = line.substr(11, line.find(" -->") - 11), .toml = {}, .message = {}});
      has_directive = true;
    } else if (line == "```toml") {
      if (!has_directive) throw std::runtime_error("an example of docs/networks.md has no test directive");
      in_toml = true;
    } else if (line == "```") {
      in_toml = false;
      has_directive = false;
    } else if (in_toml) {
      examples.back().toml += line + "\n";
    } else if (line.starts_with("    net.toml")) {
      examples.back().message = line.substr(4);
    }
  }
  return examples;
}

TEST(Documentation, ExamplesOfNetworksTrain) {
  std::size_t n_trained = 0;
  std::size_t n_refused = 0;
  for (const Example& example : examples_of_the_documentation()) {
    SCOPED_TRACE(example.toml);
    if (example.directive == "refused") {
      EXPECT_EQ(toml_refusal(example.toml, {1, 28, 28}), example.message);
      ++n_refused;
      continue;
    }
    ASSERT_THAT(example.directive, StartsWith("input "));
    Shape input;
    std::stringstream extents(example.directive.substr(6));
    for (std::string extent; std::getline(extents, extent, 'x');) input.push_back(std::stoul(extent));
    const NetworkDefinition definition = network_from_toml(example.toml, "net.toml", input);
    std::vector<NetworkSpec> specs{definition.encoder};
    if (definition.decoder) specs.push_back(autoencoder(definition));
    for (const NetworkSpec& spec : specs) {
      constexpr std::size_t kRows = 20;
      ThreadPool pool(1);
      Plan<float> plan(spec, kRows, PlanMode::train, pool);
      plan.load(initial_state(spec, 1, "test"));
      const Matrix<float> x = testing::random_matrix<float>(kRows, plan.n_inputs(), 1);
      const bool is_autoencoder = plan.n_outputs() == plan.n_inputs();
      const std::vector<float> center(plan.n_outputs());
      const std::vector<SemiLabel> semi(kRows, SemiLabel::unlabelled);
      const ReconstructionLoss<float> reconstruction(plan.n_outputs());
      const DeepSadLoss<float> deep_sad(center, semi, 1, 1e-6);
      const Loss<float>& loss = is_autoencoder ? static_cast<const Loss<float>&>(reconstruction) : deep_sad;
      const double before = plan.forward_backward(testing::view(x), testing::first_rows(kRows), loss);
      for (int step = 0; step < 5; ++step) {
        plan.update(1e-3F, 0);
        (void)plan.forward_backward(testing::view(x), testing::first_rows(kRows), loss);
      }
      EXPECT_LT(plan.forward_backward(testing::view(x), testing::first_rows(kRows), loss), before);
    }
    ++n_trained;
  }
  EXPECT_EQ(n_trained, 4U);
  EXPECT_EQ(n_refused, 2U);
}

}  // namespace
}  // namespace deepsad
