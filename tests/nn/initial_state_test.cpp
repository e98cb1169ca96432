// Freshly drawn weights: their distributions (as in the reference implementation) and their streams.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "deepsad/nn/catalogue.h"
#include "deepsad/nn/state_dict.h"
#include "nn/support.h"

namespace deepsad {
namespace {

using testing::same_bits;
using testing::tensor_of;

// Every statistic below lies within this many of its standard deviations; with some 500 comparisons at fixed
// seeds, a right sampler would be refused once in 4000 choices of seeds.
constexpr double kSigmas = 5;

void expect_moments(const StateTensor& tensor, double variance, double variance_of_squares) {
  const auto n = static_cast<double>(tensor.values.size());
  double mean = 0;
  double square = 0;
  for (const float value : tensor.values) {
    mean += static_cast<double>(value) / n;
    square += static_cast<double>(value) * static_cast<double>(value) / n;
  }
  EXPECT_NEAR(mean, 0, kSigmas * std::sqrt(variance / n)) << tensor.name;
  EXPECT_NEAR(square, variance, kSigmas * std::sqrt(variance_of_squares / n)) << tensor.name;
}

void expect_uniform(const StateTensor& tensor, double bound) {
  ASSERT_FALSE(tensor.values.empty()) << tensor.name;
  const auto n = static_cast<double>(tensor.values.size());
  double largest = 0;
  double inner = 0;  // share of the inner half
  for (const float value : tensor.values) {
    largest = std::max(largest, std::abs(static_cast<double>(value)));
    inner += (std::abs(static_cast<double>(value)) < bound / 2 ? 1 : 0) / n;
  }
  EXPECT_LE(largest, static_cast<double>(static_cast<float>(bound))) << tensor.name;
  // The largest of n reaches b (1 - t) with probability 1 - (1 - t)^n; t = 14 / n fails once in a million.
  EXPECT_GE(largest, bound * (1 - std::min(1.0, 14 / n))) << tensor.name;
  EXPECT_NEAR(inner, 0.5, kSigmas * 0.5 / std::sqrt(n)) << tensor.name;
  // E x^2 = b^2/3; E x^4 = b^4/5.
  const double variance = bound * bound / 3;
  expect_moments(tensor, variance, std::pow(bound, 4) / 5 - variance * variance);
}

TEST(InitialState, FollowsTheReferencesDistributions) {
  const double gain = std::sqrt(2 / (1 + 0.01 * 0.01));
  const std::map<std::string, std::map<std::string, double>> bounds = {
      {"mnist_LeNet",
       {{"encoder.conv1.weight", 1 / std::sqrt(25.0)},
        {"encoder.conv2.weight", 1 / std::sqrt(8 * 25.0)},
        {"encoder.fc1.weight", 1 / std::sqrt(196.0)},
        // PyTorch takes dimension 1 as fan_in, which counts output channels here.
        {"decoder.deconv1.weight", 1 / std::sqrt(4 * 25.0)},
        {"decoder.deconv2.weight", 1 / std::sqrt(8 * 25.0)},
        {"decoder.deconv3.weight", 1 / std::sqrt(1 * 25.0)}}},
      {"fmnist_LeNet",
       {{"encoder.conv1.weight", 1 / std::sqrt(25.0)},
        {"encoder.conv2.weight", 1 / std::sqrt(16 * 25.0)},
        {"encoder.fc1.weight", 1 / std::sqrt(1568.0)},
        {"encoder.fc2.weight", 1 / std::sqrt(128.0)},
        {"decoder.fc3.weight", 1 / std::sqrt(64.0)},
        {"decoder.deconv1.weight", 1 / std::sqrt(32 * 25.0)},
        {"decoder.deconv2.weight", 1 / std::sqrt(16 * 25.0)},
        {"decoder.deconv3.weight", 1 / std::sqrt(1 * 25.0)}}},
      {"cifar10_LeNet",
       {{"encoder.conv1.weight", 1 / std::sqrt(3 * 25.0)},
        {"encoder.conv2.weight", 1 / std::sqrt(32 * 25.0)},
        {"encoder.conv3.weight", 1 / std::sqrt(64 * 25.0)},
        {"encoder.fc1.weight", 1 / std::sqrt(2048.0)},
        {"decoder.deconv1.weight", gain * std::sqrt(6 / (25.0 * (8 + 128)))},
        {"decoder.deconv2.weight", gain * std::sqrt(6 / (25.0 * (128 + 64)))},
        {"decoder.deconv3.weight", gain * std::sqrt(6 / (25.0 * (64 + 32)))},
        {"decoder.deconv4.weight", gain * std::sqrt(6 / (25.0 * (32 + 3)))}}},
      {"thyroid_mlp",
       {{"encoder.hidden.0.linear.weight", 1 / std::sqrt(6.0)},
        {"encoder.hidden.1.linear.weight", 1 / std::sqrt(32.0)},
        {"encoder.code.weight", 1 / std::sqrt(16.0)},
        {"decoder.hidden.0.linear.weight", 1 / std::sqrt(4.0)},
        {"decoder.hidden.1.linear.weight", 1 / std::sqrt(16.0)},
        {"decoder.reconstruction.weight", 1 / std::sqrt(32.0)}}}};
  for (const auto& [name, tensors] : bounds) {
    SCOPED_TRACE(name);
    const NetworkSpec spec = autoencoder(network_by_name(name));
    for (const std::uint64_t seed : {1ULL, 2ULL}) {
      std::size_t n_weights = 0;
      for (const StateTensor& tensor : initial_state(spec, seed, "test")) {
        if (tensor.name.ends_with(".weight")) {
          ASSERT_TRUE(tensors.count(tensor.name)) << tensor.name;
          expect_uniform(tensor, tensors.at(tensor.name));
          ++n_weights;
        } else if (tensor.name.ends_with(".running_mean")) {
          EXPECT_EQ(tensor.values, std::vector<float>(tensor.shape[0], 0.0F));
        } else if (tensor.name.ends_with(".running_var")) {
          EXPECT_EQ(tensor.values, std::vector<float>(tensor.shape[0], 1.0F));
        } else {
          EXPECT_TRUE(tensor.is_count) << tensor.name;
          EXPECT_EQ(tensor.count, 0);
        }
      }
      EXPECT_EQ(n_weights, tensors.size());
    }
  }
}

TEST(InitialState, BiasesFollowTheirWeights) {
  const NetworkSpec uniform{.input = {50},
                            .layers = {{.kind = LayerKind::linear, .name = "fc", .out = 400, .bias = true}}};
  expect_uniform(tensor_of(initial_state(uniform, 3, "test"), "fc.bias"), 1 / std::sqrt(50.0));

  NetworkSpec normal = uniform;
  normal.layers[0].init = WeightInit::xavier_normal;
  const StateDict state = initial_state(normal, 3, "test");
  EXPECT_EQ(tensor_of(state, "fc.bias").values, std::vector<float>(400, 0.0F));
  const double variance = 2.0 / (50 + 400);
  expect_moments(tensor_of(state, "fc.weight"), variance, 2 * variance * variance);
}

TEST(InitialState, IsFixedBySeedAndPurpose) {
  const NetworkSpec spec = network_by_name("cardio_mlp").encoder;
  const StateDict state = initial_state(spec, 42, "encoder");
  EXPECT_EQ(initial_state(spec, 42, "encoder"), state);
  for (const StateDict& other : {initial_state(spec, 43, "encoder"), initial_state(spec, 42, "decoder")}) {
    for (std::size_t i = 0; i < state.size(); ++i) {
      if (!state[i].name.ends_with(".weight")) continue;
      EXPECT_FALSE(same_bits<float>(state[i].values, other[i].values)) << state[i].name;
    }
  }
}

TEST(InitialState, OfALayerDoesNotDependOnTheOthers) {
  const NetworkDefinition definition = network_by_name("cardio_mlp");
  NetworkSpec longer = definition.encoder;
  longer.layers.insert(longer.layers.begin(), {.kind = LayerKind::linear, .name = "new", .out = 21});
  const StateDict before = initial_state(definition.encoder, 5, "test");
  const StateDict after = initial_state(longer, 5, "test");
  for (const StateTensor& tensor : before) EXPECT_EQ(tensor_of(after, tensor.name), tensor);
}

// Tensors of one network are not shifted or scaled copies of each other.
TEST(InitialState, StreamsOfTensorsAreUncorrelated) {
  const NetworkSpec spec{.input = {40},
                         .layers = {{.kind = LayerKind::linear, .name = "a", .out = 40},
                                    {.kind = LayerKind::linear, .name = "b", .out = 40},
                                    {.kind = LayerKind::linear, .name = "c", .out = 40}}};
  const StateDict state = initial_state(spec, 8, "test");
  const auto n = state[0].values.size();
  const double variance = 1.0 / 40 / 3;
  for (std::size_t i = 0; i < state.size(); ++i) {
    for (std::size_t j = 0; j < state.size(); ++j) {
      for (std::size_t shift = i == j ? 1 : 0; shift < 4; ++shift) {
        double sum = 0;
        for (std::size_t k = 0; k + shift < n; ++k) {
          sum += static_cast<double>(state[i].values[k]) * static_cast<double>(state[j].values[k + shift]);
        }
        const auto terms = static_cast<double>(n - shift);
        EXPECT_NEAR(sum / terms / variance, 0, kSigmas / std::sqrt(terms)) << i << " " << j << " " << shift;
      }
    }
  }
}

TEST(StateDict, PrefixesAreAddedAndCutOff) {
  const NetworkDefinition definition = network_by_name("thyroid_mlp");
  const StateDict encoder = initial_state(definition.encoder, 1, "test");
  StateDict whole = with_prefix(encoder, "encoder.");
  EXPECT_EQ(whole.front().name, "encoder.hidden.0.linear.weight");
  EXPECT_EQ(without_prefix(whole, "encoder."), encoder);
  for (const StateTensor& tensor : with_prefix(initial_state(*definition.decoder, 1, "test"), "decoder.")) {
    whole.push_back(tensor);
  }
  EXPECT_EQ(mismatch(autoencoder(definition), whole), "");
  EXPECT_EQ(without_prefix(whole, "encoder."), encoder);
  EXPECT_TRUE(without_prefix(whole, "nothing.").empty());
}

}  // namespace
}  // namespace deepsad
