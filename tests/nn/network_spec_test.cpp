// Networks as data: shapes, tensors and parameter counts of the catalogue, and every refusal.
#include "deepsad/nn/network_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "deepsad/core/error.h"
#include "deepsad/nn/catalogue.h"
#include "deepsad/nn/state_dict.h"
#include "support/errors.h"

namespace deepsad {
namespace {

using deepsad::testing::message_of;
using ::testing::HasSubstr;

std::vector<std::string> shapes_of(const NetworkSpec& spec) {
  std::vector<std::string> result;
  for (const Shape& shape : layer_shapes(spec)) result.push_back(to_string(shape));
  return result;
}

// "conv1.weight 8x1x5x5", as the tables of this file give them; "BN bn1 8" stands for the three tensors of a
// batch norm.
std::vector<std::string> expanded(const std::vector<std::string>& short_forms) {
  std::vector<std::string> result;
  for (const std::string& text : short_forms) {
    if (!text.starts_with("BN ")) {
      result.push_back(text);
      continue;
    }
    const std::string name = text.substr(3, text.rfind(' ') - 3);
    const std::string channels = text.substr(text.rfind(' ') + 1);
    result.push_back(name + ".running_mean " + channels);
    result.push_back(name + ".running_var " + channels);
    result.push_back(name + ".num_batches_tracked nothing");
  }
  return result;
}

std::vector<std::string> tensors_of(const NetworkSpec& spec) {
  std::vector<std::string> result;
  for (const TensorInfo& tensor : state_tensors(spec)) {
    result.push_back(tensor.name + " " + to_string(tensor.shape));
  }
  return result;
}

std::vector<std::string> prefixed(std::vector<std::string> names, const std::string& prefix) {
  for (std::string& name : names) name = prefix + name;
  return names;
}

std::vector<std::string> joined(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(Catalogue, HasThePapersNineNetworks) {
  EXPECT_EQ(network_names(), (std::vector<std::string>{"mnist_LeNet", "fmnist_LeNet", "cifar10_LeNet",
                                                       "arrhythmia_mlp", "cardio_mlp", "satellite_mlp",
                                                       "satimage-2_mlp", "shuttle_mlp", "thyroid_mlp"}));
  for (const std::string& name : network_names()) {
    EXPECT_EQ(network_by_name(name).name, name);
    EXPECT_NO_THROW(validate(network_by_name(name))) << name;
  }
}

TEST(Catalogue, ParameterCounts) {
  struct Count {
    const char* name;
    std::size_t network, autoencoder;
  };
  for (const Count& count : {Count{"mnist_LeNet", 7272, 8472}, Count{"fmnist_LeNet", 222096, 249888},
                             Count{"cifar10_LeNet", 520544, 804544}, Count{"arrhythmia_mlp", 45312, 90624},
                             Count{"cardio_mlp", 1312, 2624}, Count{"satellite_mlp", 1792, 3584},
                             Count{"satimage-2_mlp", 1792, 3584}, Count{"shuttle_mlp", 928, 1856},
                             Count{"thyroid_mlp", 768, 1536}}) {
    const NetworkDefinition definition = network_by_name(count.name);
    EXPECT_EQ(n_parameters(definition.encoder), count.network) << count.name;
    EXPECT_EQ(n_parameters(autoencoder(definition)), count.autoencoder) << count.name;
  }
}

TEST(Catalogue, ShapesOfTheImageNetworks) {
  using Shapes = std::vector<std::string>;
  EXPECT_EQ(shapes_of(autoencoder(network_by_name("mnist_LeNet"))),
            (Shapes{"1x28x28",  // conv, batch norm, leaky, pool
                    "8x28x28", "8x28x28", "8x28x28", "8x14x14", "4x14x14", "4x14x14", "4x14x14",
                    "4x7x7",   "196",     "32",  // the code; then leaky, upsample, deconv, batch norm ...
                    "2x4x4",   "2x4x4",   "2x8x8",   "4x8x8",   "4x8x8",   "4x8x8",   "4x16x16",
                    "8x14x14", "8x14x14", "8x14x14", "8x28x28", "1x28x28", "1x28x28"}));
  EXPECT_EQ(
      shapes_of(autoencoder(network_by_name("fmnist_LeNet"))),
      (Shapes{"1x28x28",  //
              "16x28x28", "16x28x28", "16x28x28", "16x14x14", "32x14x14", "32x14x14", "32x14x14", "32x7x7",
              "1568",     "128",      "128",      "128",      "64",  //
              "128",      "128",      "8x4x4",    "8x4x4",    "8x8x8",    "32x8x8",   "32x8x8",   "32x8x8",
              "32x16x16", "16x14x14", "16x14x14", "16x14x14", "16x28x28", "1x28x28",  "1x28x28"}));
  EXPECT_EQ(shapes_of(autoencoder(network_by_name("cifar10_LeNet"))),
            (Shapes{"3x32x32",  //
                    "32x32x32", "32x32x32", "32x32x32", "32x16x16", "64x16x16", "64x16x16", "64x16x16",
                    "64x8x8",   "128x8x8",  "128x8x8",  "128x8x8",  "128x4x4",  "2048",     "128",  //
                    "8x4x4",    "8x4x4",    "128x4x4",  "128x4x4",  "128x4x4",  "128x8x8",  "64x8x8",
                    "64x8x8",   "64x8x8",   "64x16x16", "32x16x16", "32x16x16", "32x16x16", "32x32x32",
                    "3x32x32",  "3x32x32"}));
}

TEST(Catalogue, TensorsOfTheImageNetworks) {
  const auto mnist =
      expanded({"conv1.weight 8x1x5x5", "BN bn1 8", "conv2.weight 4x8x5x5", "BN bn2 4", "fc1.weight 32x196"});
  EXPECT_EQ(tensors_of(network_by_name("mnist_LeNet").encoder), mnist);
  EXPECT_EQ(
      tensors_of(autoencoder(network_by_name("mnist_LeNet"))),
      joined(prefixed(mnist, "encoder."),
             expanded({"decoder.deconv1.weight 2x4x5x5", "BN decoder.bn3 4", "decoder.deconv2.weight 4x8x5x5",
                       "BN decoder.bn4 8", "decoder.deconv3.weight 8x1x5x5"})));

  const auto fmnist = expanded({"conv1.weight 16x1x5x5", "BN bn2d1 16", "conv2.weight 32x16x5x5",
                                "BN bn2d2 32", "fc1.weight 128x1568", "BN bn1d1 128", "fc2.weight 64x128"});
  EXPECT_EQ(tensors_of(network_by_name("fmnist_LeNet").encoder), fmnist);
  EXPECT_EQ(
      tensors_of(autoencoder(network_by_name("fmnist_LeNet"))),
      joined(prefixed(fmnist, "encoder."),
             expanded({"decoder.fc3.weight 128x64", "BN decoder.bn1d2 128", "decoder.deconv1.weight 8x32x5x5",
                       "BN decoder.bn2d3 32", "decoder.deconv2.weight 32x16x5x5", "BN decoder.bn2d4 16",
                       "decoder.deconv3.weight 16x1x5x5"})));

  const auto cifar10 =
      expanded({"conv1.weight 32x3x5x5", "BN bn2d1 32", "conv2.weight 64x32x5x5", "BN bn2d2 64",
                "conv3.weight 128x64x5x5", "BN bn2d3 128", "fc1.weight 128x2048"});
  EXPECT_EQ(tensors_of(network_by_name("cifar10_LeNet").encoder), cifar10);
  EXPECT_EQ(tensors_of(autoencoder(network_by_name("cifar10_LeNet"))),
            joined(prefixed(cifar10, "encoder."),
                   expanded({"decoder.deconv1.weight 8x128x5x5", "BN decoder.bn2d4 128",
                             "decoder.deconv2.weight 128x64x5x5", "BN decoder.bn2d5 64",
                             "decoder.deconv3.weight 64x32x5x5", "BN decoder.bn2d6 32",
                             "decoder.deconv4.weight 32x3x5x5"})));
}

TEST(Catalogue, ShapesAndTensorsOfTheMlps) {
  struct Widths {
    const char* name;
    std::string x, h1, h2, r;
  };
  for (const Widths& w :
       {Widths{"arrhythmia_mlp", "274", "128", "64", "32"}, Widths{"cardio_mlp", "21", "32", "16", "8"},
        Widths{"satellite_mlp", "36", "32", "16", "8"}, Widths{"satimage-2_mlp", "36", "32", "16", "8"},
        Widths{"shuttle_mlp", "9", "32", "16", "8"}, Widths{"thyroid_mlp", "6", "32", "16", "4"}}) {
    SCOPED_TRACE(w.name);
    const NetworkDefinition definition = network_by_name(w.name);
    EXPECT_EQ(shapes_of(autoencoder(definition)),
              (std::vector<std::string>{w.x, w.h1, w.h1, w.h1, w.h2, w.h2, w.h2, w.r,  //
                                        w.h2, w.h2, w.h2, w.h1, w.h1, w.h1, w.x, w.x}));
    const auto encoder = expanded({"hidden.0.linear.weight " + w.h1 + "x" + w.x, "BN hidden.0.bn " + w.h1,
                                   "hidden.1.linear.weight " + w.h2 + "x" + w.h1, "BN hidden.1.bn " + w.h2,
                                   "code.weight " + w.r + "x" + w.h2});
    EXPECT_EQ(tensors_of(definition.encoder), encoder);
    EXPECT_EQ(
        tensors_of(autoencoder(definition)),
        joined(
            prefixed(encoder, "encoder."),
            expanded({"decoder.hidden.0.linear.weight " + w.h2 + "x" + w.r, "BN decoder.hidden.0.bn " + w.h2,
                      "decoder.hidden.1.linear.weight " + w.h1 + "x" + w.h2, "BN decoder.hidden.1.bn " + w.h1,
                      "decoder.reconstruction.weight " + w.x + "x" + w.h1})));
  }
}

TEST(Catalogue, LayersHaveTheReferencesConstants) {
  for (const std::string& name : network_names()) {
    for (const LayerSpec& layer : autoencoder(network_by_name(name)).layers) {
      if (layer.kind == LayerKind::batch_norm) {
        EXPECT_EQ(layer.epsilon, 1e-4);
        EXPECT_EQ(layer.momentum, 0.1);
      }
      if (layer.kind == LayerKind::leaky_relu) {
        EXPECT_EQ(layer.slope, 0.01);
      }
      EXPECT_FALSE(layer.bias) << name << ": a bias lets the network map every sample to the centre";
      const bool cifar10_decoder = name == "cifar10_LeNet" && layer.kind == LayerKind::conv_transpose2d;
      EXPECT_EQ(layer.init, cifar10_decoder ? WeightInit::xavier_uniform_leaky : WeightInit::fan_in_uniform)
          << name << " " << layer.name;
    }
  }
}

TEST(Catalogue, WithSlopeChangesEveryLeakyReluAndNothingElse) {
  const NetworkDefinition plain = network_by_name("mnist_LeNet");
  NetworkDefinition changed = with_slope(plain, 0.1);
  EXPECT_NE(changed, plain);
  for (const NetworkSpec* spec : {&changed.encoder, &*changed.decoder}) {
    for (const LayerSpec& layer : spec->layers) {
      if (layer.kind == LayerKind::leaky_relu) {
        EXPECT_EQ(layer.slope, 0.1);
      }
    }
  }
  EXPECT_EQ(with_slope(changed, 0.01), plain);
}

TEST(Catalogue, UnknownNameListsTheKnownOnesAndTheNearest) {
  const std::string message = message_of<InvalidArgument>([] { (void)network_by_name("mnist_lenet"); });
  EXPECT_THAT(message, HasSubstr("unknown network \"mnist_lenet\", did you mean \"mnist_LeNet\"?"));
  EXPECT_THAT(message, HasSubstr("known: mnist_LeNet, fmnist_LeNet, cifar10_LeNet, arrhythmia_mlp"));
  EXPECT_THAT(message_of<InvalidArgument>([] { (void)network_by_name("ResNet152"); }),
              HasSubstr("unknown network \"ResNet152\"; known:"));
}

TEST(DefaultNetwork, IsThePapersForItsDataSets) {
  for (const std::string& name : network_names()) {
    const std::string dataset = name.substr(0, name.rfind('_'));
    const NetworkDefinition wanted = network_by_name(name);
    EXPECT_EQ(default_network(dataset, wanted.encoder.input), wanted) << name;
  }
  EXPECT_EQ(default_network("glyphs", {1, 28, 28}), network_by_name("mnist_LeNet"));
}

TEST(DefaultNetwork, FitsOtherShapes) {
  for (const Shape& shape : {Shape{3, 64, 64}, Shape{1, 32, 32}, Shape{4, 40, 32}, Shape{1, 8, 8},
                             Shape{3, 28, 28}, Shape{2, 12, 100}, Shape{1, 24, 16}, Shape{1}, Shape{2},
                             Shape{6}, Shape{7}, Shape{100}, Shape{101}, Shape{3000}}) {
    SCOPED_TRACE(to_string(shape));
    const NetworkDefinition definition = default_network("mine", shape);
    EXPECT_NO_THROW(validate(definition));
    ASSERT_TRUE(definition.decoder.has_value());
    EXPECT_EQ(definition.encoder.input, shape);
    EXPECT_EQ(layer_shapes(autoencoder(definition)).back(), shape);
    EXPECT_EQ(layer_shapes(*definition.decoder).back(), shape);
  }
  // A data set of a known name but with another shape gets no network made for that name.
  EXPECT_EQ(default_network("thyroid", {21}).encoder.input, Shape{21});
}

TEST(DefaultNetwork, RefusesWhatNoneFits) {
  EXPECT_EQ(
      message_of<InvalidArgument>([] {
        (void)default_network("mine", {1, 30, 30});
      }),
      "no default network serves images of 1x30x30; wanted sides of at least 8 that are multiples of 4; "
      "give a network file");
  EXPECT_THAT(message_of<InvalidArgument>([] {
                (void)default_network("mine", {1, 4, 4});
              }),
              HasSubstr("images of 1x4x4"));
  EXPECT_EQ(message_of<InvalidArgument>([] { (void)default_network("mine", {0}); }),
            "no default network serves samples of shape 0");
  EXPECT_EQ(message_of<InvalidArgument>([] { (void)default_network("mine", {}); }),
            "no default network serves samples of shape nothing");
}

// One network of a single layer behind an input, and what is said of it.
struct Refusal {
  Shape input;
  LayerSpec layer;
  std::string message;
};

TEST(LayerShapes, RefusalsNameTheLayerWhatItWantsAndWhatItGot) {
  using K = LayerKind;
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<Refusal> refusals = {
      {{1, 28},
       {.kind = K::sigmoid},
       "[network] input is 1x28; wanted {features} or {channels, height, width}, each at least 1"},
      {{1, 0, 3}, {.kind = K::sigmoid}, "[network] input is 1x0x3; wanted"},
      {{1, 4, 4},
       {.kind = K::conv2d, .out = 1},
       "[network] layer 1 (conv2d): needs a name (its tensors are stored under it)"},
      {{4},
       {.kind = K::linear, .name = "my layer", .out = 1},
       "[network] layer 1 (linear \"my layer\"): name must not hold blanks or quotes"},
      {{1, 4, 4}, {.kind = K::conv2d, .name = "c"}, "layer 1 (conv2d \"c\"): out must be at least 1, got 0"},
      {{1, 4, 4},
       {.kind = K::conv2d, .name = "c", .out = 1, .kernel = 0},
       "layer 1 (conv2d \"c\"): kernel must be at least 1, got 0"},
      {{1, 4, 4},
       {.kind = K::conv2d, .name = "c", .out = 1, .kernel = 3, .padding = 3},
       "layer 1 (conv2d \"c\"): padding must be smaller than kernel 3, got 3"},
      {{1, 4, 4},
       {.kind = K::conv2d, .name = "c", .out = 1, .kernel = 3, .stride = 0},
       "layer 1 (conv2d \"c\"): stride must be at least 1, got 0"},
      {{1, 4, 4},
       {.kind = K::conv_transpose2d, .name = "d", .out = 1, .kernel = 3, .stride = 2},
       "layer 1 (conv_transpose2d \"d\"): stride must be 1, got 2; put an upsample2d before it instead"},
      {{1, 4, 4},
       {.kind = K::conv2d, .name = "c", .out = 1, .kernel = 3, .bias = true},
       "layer 1 (conv2d \"c\"): has no bias"},
      {{4}, {.kind = K::linear, .name = "f"}, "layer 1 (linear \"f\"): out must be at least 1, got 0"},
      {{4},
       {.kind = K::batch_norm, .name = "b", .epsilon = 0},
       "layer 1 (batch_norm \"b\"): epsilon must be positive and finite, got 0"},
      {{4}, {.kind = K::batch_norm, .name = "b", .epsilon = kNan}, "epsilon must be positive and finite"},
      {{4},
       {.kind = K::batch_norm, .name = "b", .momentum = 0},
       "layer 1 (batch_norm \"b\"): momentum must lie in (0, 1], got 0"},
      {{4}, {.kind = K::batch_norm, .name = "b", .momentum = 1.5}, "momentum must lie in (0, 1], got 1.5"},
      {{4},
       {.kind = K::leaky_relu, .slope = -0.1},
       "layer 1 (leaky_relu): slope must lie in [0, 1], got -0.1"},
      {{4}, {.kind = K::leaky_relu, .slope = kNan}, "slope must lie in [0, 1]"},
      {{9},
       {.kind = K::conv2d, .name = "c", .out = 1},
       "layer 1 (conv2d \"c\"): wants a map (channels x height x width), got 9; put a reshape before it"},
      {{9},
       {.kind = K::conv_transpose2d, .name = "d", .out = 1},
       "wants a map (channels x height x width), got 9"},
      {{9}, {.kind = K::max_pool2d}, "layer 1 (max_pool2d): wants a map (channels x height x width), got 9"},
      {{9}, {.kind = K::upsample2d}, "layer 1 (upsample2d): wants a map (channels x height x width), got 9"},
      {{1, 2, 8},
       {.kind = K::conv2d, .name = "c", .out = 1, .kernel = 5, .padding = 1},
       "layer 1 (conv2d \"c\"): kernel 5x5 with padding 1 is larger than its input 1x2x8"},
      {{1, 1, 8},
       {.kind = K::conv_transpose2d, .name = "d", .out = 1, .kernel = 3, .padding = 2},
       "layer 1 (conv_transpose2d \"d\"): padding 2 leaves nothing of its input 1x1x8"},
      {{4, 7, 7},
       {.kind = K::linear, .name = "f", .out = 3},
       "layer 1 (linear \"f\"): wants a vector, got 4x7x7; put a reshape to 196 before it"},
      {{4, 1, 7}, {.kind = K::max_pool2d}, "layer 1 (max_pool2d): wants a map of at least 2x2, got 4x1x7"},
      {{4, 7, 7},
       {.kind = K::reshape, .shape = {195}},
       "layer 1 (reshape): cannot make 4x7x7 (196 values) into 195 (195 values)"},
      {{4, 7, 7},
       {.kind = K::reshape, .shape = {4, 49}},
       "layer 1 (reshape): cannot make 4x7x7 (196 values) into 4x49 (196 values)"},
      {{1 << 28}, {.kind = K::linear, .name = "f", .out = std::size_t{1} << 60}, "has too many values"},
  };
  for (const Refusal& refusal : refusals) {
    const NetworkSpec spec{.input = refusal.input, .layers = {refusal.layer}};
    EXPECT_THAT(message_of<InvalidArgument>([&] { (void)layer_shapes(spec); }), HasSubstr(refusal.message));
  }
  // The number is the layer's place, and the shape the one that arrives there.
  const NetworkSpec late{.input = {1, 8, 8},
                         .layers = {{.kind = K::max_pool2d}, {.kind = K::linear, .name = "fc", .out = 2}}};
  EXPECT_EQ(message_of<InvalidArgument>([&] { (void)output_shape(late); }),
            "[network] layer 2 (linear \"fc\"): wants a vector, got 1x4x4; put a reshape to 16 before it");
}

TEST(LayerShapes, OfOddSizesAndStrides) {
  const NetworkSpec spec{
      .input = {2, 11, 8},
      .layers = {{.kind = LayerKind::conv2d, .name = "c", .out = 3, .kernel = 4, .padding = 1, .stride = 3},
                 {.kind = LayerKind::conv_transpose2d, .name = "d", .out = 5, .kernel = 3},
                 {.kind = LayerKind::max_pool2d},
                 {.kind = LayerKind::upsample2d},
                 {.kind = LayerKind::reshape, .shape = {1, 10, 12}}}};
  EXPECT_EQ(shapes_of(spec),
            (std::vector<std::string>{"2x11x8", "3x4x3", "5x6x5", "5x3x2", "5x6x4", "1x10x12"}));
}

NetworkDefinition with_decoder(std::vector<LayerSpec> layers, Shape input = {8}) {
  NetworkDefinition definition = mlp("mine", 21, {32, 16}, 8);
  definition.decoder = NetworkSpec{.input = std::move(input), .layers = std::move(layers)};
  return definition;
}

TEST(Autoencoder, RefusesDecodersThatDoNotFit) {
  NetworkDefinition none = mlp("mine", 21, {32}, 8);
  none.decoder.reset();
  EXPECT_EQ(
      message_of<InvalidArgument>([&] { (void)autoencoder(none); }),
      "[network] \"mine\" has no decoder, so no autoencoder can be trained; add one or turn pretraining "
      "off");
  EXPECT_EQ(message_of<InvalidArgument>(
                [] { (void)autoencoder(with_decoder({{.kind = LayerKind::sigmoid}}, {7})); }),
            "[network] \"mine\": the decoder wants 7 but the encoder gives 8");
  EXPECT_EQ(message_of<InvalidArgument>([] {
              (void)autoencoder(with_decoder({{.kind = LayerKind::linear, .name = "out", .out = 20}}));
            }),
            "[network] \"mine\": the decoder gives 20 but the encoder's input is 21");
  NetworkDefinition turned = network_by_name("mnist_LeNet");
  turned.decoder->layers.push_back({.kind = LayerKind::reshape, .shape = {1, 14, 56}});
  EXPECT_EQ(message_of<InvalidArgument>([&] { (void)autoencoder(turned); }),
            "[network] \"mnist_LeNet\": the decoder gives 1x14x56 but the encoder's input is 1x28x28");
}

TEST(Validate, RefusesNetworksThatCannotBeUsed) {
  NetworkDefinition map_code{
      .name = "mine",
      .encoder = {{1, 4, 4}, {{.kind = LayerKind::conv2d, .name = "c", .out = 2, .kernel = 3, .padding = 1}}},
      .decoder = {}};
  EXPECT_EQ(message_of<InvalidArgument>([&] { validate(map_code); }),
            "[network] \"mine\": the encoder must end in a vector, it gives 2x4x4; add a reshape");
  NetworkDefinition nothing{.name = "mine", .encoder = {{4}, {{.kind = LayerKind::sigmoid}}}, .decoder = {}};
  EXPECT_EQ(message_of<InvalidArgument>([&] { validate(nothing); }),
            "[network] \"mine\": the encoder has nothing to learn; add a linear or conv2d layer");
  NetworkDefinition twice{.name = "mine",
                          .encoder = {{4},
                                      {{.kind = LayerKind::linear, .name = "a", .out = 3},
                                       {.kind = LayerKind::linear, .name = "a", .out = 2}}},
                          .decoder = {}};
  EXPECT_EQ(message_of<InvalidArgument>([&] { validate(twice); }),
            "[network] layer 2 (linear \"a\"): another layer has the same name");
  EXPECT_THAT(message_of<InvalidArgument>([] {
                validate(with_decoder({{.kind = LayerKind::linear, .name = "a", .out = 3},
                                       {.kind = LayerKind::linear, .name = "a", .out = 21}}));
              }),
              HasSubstr("another layer has the same name"));
  // Encoder and decoder may use the same name: their tensors have different prefixes.
  EXPECT_NO_THROW(validate(with_decoder({{.kind = LayerKind::linear, .name = "code", .out = 21}})));
  EXPECT_THAT(message_of<InvalidArgument>([] { validate(with_decoder({{.kind = LayerKind::sigmoid}})); }),
              HasSubstr("the decoder gives 8 but the encoder's input is 21"));
  EXPECT_THAT(message_of<InvalidArgument>([] {
                validate(mlp("mine", 21, {32, 0}, 8));
              }),
              HasSubstr("layer 4 (linear \"hidden.1.linear\"): out must be at least 1, got 0"));
  EXPECT_NO_THROW(validate(mlp("mine", 21, {}, 8)));
}

TEST(StateDictMismatch, NamesWhatIsMissingExtraOrOfAnotherShape) {
  const NetworkSpec spec = network_by_name("thyroid_mlp").encoder;
  const StateDict whole = initial_state(spec, 1, "test");
  EXPECT_EQ(mismatch(spec, whole), "");
  StateDict reversed(whole.rbegin(), whole.rend());
  EXPECT_EQ(mismatch(spec, reversed), "");  // the order does not matter, names do

  StateDict missing = whole;
  missing.pop_back();
  EXPECT_EQ(mismatch(spec, missing), "tensor \"code.weight\" is missing");
  StateDict extra = whole;
  extra.push_back(whole.front());
  extra.back().name = "encoder.code.weight";
  EXPECT_EQ(mismatch(spec, extra), "tensor \"encoder.code.weight\" belongs to no layer");
  StateDict turned = whole;
  turned.back().shape = {16, 4};
  EXPECT_EQ(mismatch(spec, turned), "tensor \"code.weight\" is 16x4, wanted 4x16");
  StateDict cut = whole;
  cut.back().values.pop_back();
  EXPECT_EQ(mismatch(spec, cut), "tensor \"code.weight\" has 63 values, wanted 64");
  StateDict count = whole;
  count[3].is_count = false;
  EXPECT_EQ(mismatch(spec, count), "tensor \"hidden.0.bn.num_batches_tracked\" is nothing, wanted a count");
  // All problems at once.
  missing.erase(missing.begin());
  EXPECT_EQ(mismatch(spec, missing),
            "tensor \"hidden.0.linear.weight\" is missing; tensor \"code.weight\" is missing");
}

TEST(WithRepDim, ChangesTheCodeOfEveryNetwork) {
  for (const std::string& name : network_names()) {
    const NetworkDefinition network = with_rep_dim(network_by_name(name), 64);
    EXPECT_EQ(output_shape(network.encoder), Shape{64}) << name;
    EXPECT_EQ(output_shape(autoencoder(network)), network.encoder.input) << name;
  }
  EXPECT_EQ(with_rep_dim(network_by_name("mnist_LeNet"), 32), network_by_name("mnist_LeNet"));
  EXPECT_THROW((void)with_rep_dim(network_by_name("mnist_LeNet"), 20), InvalidArgument);  // maps of 4 x 4
}

}  // namespace
}  // namespace deepsad
