// The deep generative networks as data: parameter counts, tensor names and initial weights of the reference,
// and what users may write.
#include "deepsad/nn/generative_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <map>

#include "deepsad/core/error.h"
#include "deepsad/nn/catalogue.h"

namespace deepsad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr GenerativeKind kKinds[] = {GenerativeKind::vae, GenerativeKind::m2, GenerativeKind::m1m2};

GenerativeNetwork named(const std::string& name) {
  return generative_network_by_name(name, generative_kind_of(name).value());
}

std::vector<std::string> names_of(const std::string& network) {
  std::vector<std::string> names;
  for (const TensorInfo& info : generative_tensors(named(network), generative_kind_of(network).value()))
    names.push_back(info.name);
  return names;
}

// Specification, section 3.9.
TEST(GenerativeNetwork, HasTheParametersOfTheReference) {
  const auto total = [](const std::string& name) {
    return n_parameters(named(name), generative_kind_of(name).value());
  };
  const auto trainable = [](const std::string& name) {
    return n_parameters(named(name), generative_kind_of(name).value(), true);
  };
  EXPECT_EQ(total("mnist_VAE"), 224464U);
  EXPECT_EQ(total("fmnist_VAE"), 493200U);
  EXPECT_EQ(total("cifar10_VAE"), 3511040U);
  EXPECT_EQ(total("mnist_DGM_M1M2"), 357538U);
  EXPECT_EQ(trainable("mnist_DGM_M1M2"), 133074U);
  EXPECT_EQ(total("fmnist_DGM_M1M2"), 820002U);
  EXPECT_EQ(trainable("fmnist_DGM_M1M2"), 326802U);
  EXPECT_EQ(total("cifar10_DGM_M1M2"), 5583362U);
  EXPECT_EQ(trainable("cifar10_DGM_M1M2"), 2072322U);
  const std::map<std::string, std::size_t> m2{
      {"mnist", 232186},      {"fmnist", 716194}, {"cifar10", 4033378},
      {"arrhythmia", 129236}, {"cardio", 3751},   {"satellite", 5206},
      {"satimage-2", 5206},   {"shuttle", 2587},  {"thyroid", 2096}};
  for (const auto& [dataset, n] : m2) {
    EXPECT_EQ(total(dataset + "_DGM_M2"), n) << dataset;
    EXPECT_EQ(trainable(dataset + "_DGM_M2"), n) << dataset;
  }
}

TEST(GenerativeNetwork, DocumentationHasItsCounts) {
  std::ifstream in(DEEPSAD_SOURCE_DIR "/docs/networks.md");
  const std::string page(std::istreambuf_iterator<char>(in), {});
  const auto with_commas = [](std::size_t n) {
    std::string text = std::to_string(n);
    for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
    return text;
  };
  for (const std::string& name : generative_network_names()) {
    const GenerativeKind kind = generative_kind_of(name).value();
    std::string count = with_commas(n_parameters(named(name), kind));
    if (kind == GenerativeKind::m1m2)
      count += " (" + with_commas(n_parameters(named(name), kind, true)) + ")";
    EXPECT_THAT(page, HasSubstr("| " + count + " |")) << name;
  }
}

// Specification, section 3.8.
TEST(GenerativeNetwork, NamesItsTensorsAsTheReference) {
  const std::vector<std::string> vae = {
      "encoder.hidden.0.weight",       "encoder.hidden.0.bias",       "encoder.hidden.1.weight",
      "encoder.hidden.1.bias",         "encoder.sample.mu.weight",    "encoder.sample.mu.bias",
      "encoder.sample.log_var.weight", "encoder.sample.log_var.bias", "decoder.hidden.0.weight",
      "decoder.hidden.0.bias",         "decoder.hidden.1.weight",     "decoder.hidden.1.bias",
      "decoder.reconstruction.weight", "decoder.reconstruction.bias"};
  EXPECT_EQ(names_of("mnist_VAE"), vae);
  std::vector<std::string> m2 = vae;
  for (const char* name : {"classifier.dense.weight", "classifier.dense.bias", "classifier.logits.weight",
                           "classifier.logits.bias"}) {
    m2.emplace_back(name);
  }
  EXPECT_EQ(names_of("thyroid_DGM_M2"), m2);
  std::vector<std::string> stacked = m2;
  for (const std::string& name : vae) stacked.push_back("features." + name);
  EXPECT_EQ(names_of("mnist_DGM_M1M2"), stacked);

  std::vector<std::string> image = vae;
  for (const TensorInfo& info : state_tensors(network_by_name("mnist_LeNet").encoder))
    image.push_back("classifier.net." + info.name);
  image.emplace_back("classifier.logits.weight");
  image.emplace_back("classifier.logits.bias");
  EXPECT_EQ(names_of("mnist_DGM_M2"), image);

  const auto tensors = generative_tensors(named("mnist_DGM_M1M2"), GenerativeKind::m1m2);
  const auto shape_of = [&](const std::string& name) {
    return std::find_if(tensors.begin(), tensors.end(), [&](const TensorInfo& t) { return t.name == name; })
        ->shape;
  };
  EXPECT_EQ(shape_of("encoder.hidden.0.weight"), (Shape{128, 34}));
  EXPECT_EQ(shape_of("encoder.sample.log_var.weight"), (Shape{32, 64}));
  EXPECT_EQ(shape_of("decoder.hidden.0.weight"), (Shape{64, 34}));
  EXPECT_EQ(shape_of("decoder.reconstruction.weight"), (Shape{784, 128}));
  EXPECT_EQ(shape_of("classifier.dense.weight"), (Shape{128, 32}));
  EXPECT_EQ(shape_of("features.encoder.hidden.0.weight"), (Shape{128, 784}));
}

// Specification, section 3.10: standard deviations of the drawn tensors.
TEST(GenerativeNetwork, StartsFromTheReferencesDistributions) {
  const auto deviation_of = [](const StateDict& state, const std::string& name) {
    for (const StateTensor& tensor : state) {
      if (tensor.name != name) continue;
      double squares = 0;
      for (const float v : tensor.values) squares += static_cast<double>(v) * static_cast<double>(v);
      return std::sqrt(squares / static_cast<double>(tensor.values.size()));
    }
    ADD_FAILURE() << "no tensor " << name;
    return 0.0;
  };
  const StateDict m2 = initial_state(named("mnist_DGM_M2"), GenerativeKind::m2, 3);
  EXPECT_NEAR(deviation_of(m2, "encoder.hidden.0.weight"), std::sqrt(2.0 / (786 + 128)), 0.001);
  EXPECT_NEAR(deviation_of(m2, "encoder.sample.mu.weight"), std::sqrt(2.0 / (64 + 32)), 0.01);
  EXPECT_NEAR(deviation_of(m2, "encoder.sample.log_var.weight"), std::sqrt(2.0 / (64 + 32)), 0.01);
  EXPECT_NEAR(deviation_of(m2, "decoder.reconstruction.weight"), std::sqrt(2.0 / (784 + 128)), 0.001);
  EXPECT_NEAR(deviation_of(m2, "classifier.net.fc1.weight"), std::sqrt(2.0 / (196 + 32)), 0.005);
  EXPECT_NEAR(deviation_of(m2, "classifier.net.conv2.weight"), 1 / std::sqrt(3.0 * 8 * 25), 0.003);
  for (const StateTensor& tensor : m2) {
    if (!tensor.name.ends_with(".bias")) continue;
    for (const float v : tensor.values) EXPECT_EQ(v, 0) << tensor.name;
  }
  const StateDict stacked = initial_state(named("mnist_DGM_M1M2"), GenerativeKind::m1m2, 3);
  EXPECT_NEAR(deviation_of(stacked, "decoder.reconstruction.weight"), 1 / std::sqrt(3.0 * 128), 0.001);
  EXPECT_NEAR(deviation_of(stacked, "decoder.reconstruction.bias"), 1 / std::sqrt(3.0 * 128), 0.005);
  EXPECT_NEAR(deviation_of(stacked, "decoder.hidden.1.weight"), std::sqrt(2.0 / (64 + 128)), 0.005);
  EXPECT_EQ(stacked.size(), 18U) << "the VAE's weights come from its own training";
}

TEST(GenerativeNetwork, InitialStateFitsAndHeadsSplitAndJoin) {
  for (const std::string& name : generative_network_names()) {
    const GenerativeKind kind = generative_kind_of(name).value();
    if (name.starts_with("cifar10") || name.starts_with("fmnist")) continue;  // large, and nothing new
    StateDict state = initial_state(named(name), kind, 1);
    if (kind == GenerativeKind::m1m2) {
      for (StateTensor& tensor : with_prefix(initial_state(named(name), GenerativeKind::vae, 1), "features."))
        state.push_back(std::move(tensor));
    }
    EXPECT_EQ(mismatch(generative_tensors(named(name), kind), state), "") << name;
    const StateDict encoder = without_prefix(state, "encoder.");
    EXPECT_EQ(mismatch(generative_specs(named(name), kind).encoder, join_heads(encoder)), "") << name;
    EXPECT_EQ(split_heads(join_heads(encoder)), encoder) << name;
  }
}

TEST(GenerativeNetwork, CatalogueHoldsTheTwelveOfTheReference) {
  const auto& names = generative_network_names();
  EXPECT_EQ(names.size(), 27U);
  for (const char* name : {"mnist_DGM_M2", "mnist_DGM_M1M2", "fmnist_DGM_M2", "fmnist_DGM_M1M2",
                           "cifar10_DGM_M2", "cifar10_DGM_M1M2", "arrhythmia_DGM_M2", "cardio_DGM_M2",
                           "satellite_DGM_M2", "satimage-2_DGM_M2", "shuttle_DGM_M2", "thyroid_DGM_M2"}) {
    EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
  }
  EXPECT_EQ(generative_kind_of("thyroid_mlp"), std::nullopt);
  EXPECT_EQ(generative_kind_of("DGM_M1M2"), GenerativeKind::m1m2);
  try {
    (void)generative_network_by_name("mnist_DGM_M3", GenerativeKind::m2);
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_THAT(error.what(), HasSubstr("did you mean \"mnist_DGM_M2\"?"));
    EXPECT_THAT(error.what(), ::testing::Not(HasSubstr("M1M2")));
  }
}

TEST(GenerativeNetwork, DefaultsServeAnyTableAndImages) {
  for (const GenerativeKind kind : kKinds) {
    for (const Shape& shape : {Shape{3}, Shape{50}, Shape{500}, Shape{1, 8, 8}, Shape{3, 64, 64}}) {
      const GenerativeNetwork network = default_generative_network("mine", shape, kind);
      EXPECT_NO_THROW((void)generative_specs(network, kind)) << to_string(shape);
      EXPECT_EQ(generative_kind_of(network.name), kind);
      EXPECT_EQ(generative_network_from_json(to_json(network), "model"), network);
    }
    EXPECT_EQ(default_generative_network("cardio", {21}, kind),
              generative_network_by_name(kind == GenerativeKind::vae  ? "cardio_VAE"
                                         : kind == GenerativeKind::m2 ? "cardio_DGM_M2"
                                                                      : "cardio_DGM_M1M2",
                                         kind));
  }
}

TEST(GenerativeNetwork, UsersChooseWidths) {
  const GenerativeNetwork network = generative_network_from_toml(
      "name = \"mine\"\nhidden = [20, 10, 5]\nrep_dim = 3\n", "net.toml", {21}, GenerativeKind::m1m2);
  EXPECT_EQ(network.name, "mine");
  EXPECT_THAT(network.hidden, ElementsAre(20, 10, 5));
  EXPECT_EQ(network.n_latent, 3U);
  EXPECT_EQ(n_parameters(network, GenerativeKind::vae),
            21U * 20 + 20 + 210 + 55 + 2 * 18 + 20 + 60 + 220 + 21 * 20 + 21);
  const GenerativeNetwork images = generative_network_from_toml("hidden = [20]\nrep_dim = 3\n", "net.toml",
                                                                {1, 28, 28}, GenerativeKind::m2);
  EXPECT_EQ(images.classifier_body, network_by_name("mnist_LeNet").encoder);

  const auto refusal = [](const std::string& text) -> std::string {
    try {
      (void)generative_network_from_toml(text, "net.toml", {21}, GenerativeKind::vae);
    } catch (const InvalidArgument& error) {
      return error.what();
    }
    return "(nothing was thrown)";
  };
  EXPECT_EQ(refusal("hiden = [3]\nrep_dim = 2"),
            "net.toml:1: hiden: unknown key, did you mean \"hidden\"?; known: name, hidden, rep_dim");
  EXPECT_EQ(refusal("hidden = [3]"), "net.toml:1: hidden: an MLP needs the key \"rep_dim\" too");
  EXPECT_THAT(refusal("rep_dim = 2"), HasSubstr("needs at least one hidden layer"));
  EXPECT_THAT(refusal("hidden = [3, 0]\nrep_dim = 2"), HasSubstr("must be at least 1, got 0"));
  EXPECT_THAT(refusal("hidden = [3]\nrep_dim = 0"), HasSubstr("rep_dim"));
}

}  // namespace
}  // namespace deepsad
