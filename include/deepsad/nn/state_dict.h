// The values of a network: its state dict, in PyTorch's order and naming.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "deepsad/nn/network_spec.h"

namespace deepsad {

/// One tensor by name; num_batches_tracked is an int64 scalar, everything else float32.
struct StateTensor {
  std::string name;
  Shape shape;
  std::vector<float> values;  ///< row-major; empty if is_count
  bool is_count = false;
  std::int64_t count = 0;

  bool operator==(const StateTensor&) const = default;
};

using StateDict = std::vector<StateTensor>;

/// Freshly drawn weights (LayerSpec::init), zero biases (uniform +-1/sqrt(fan_in) with fan_in_uniform),
/// running mean 0 and variance 1. Every tensor has its own stream "init/<purpose>/<name>", so adding a layer
/// leaves the others unchanged.
[[nodiscard]] StateDict initial_state(const NetworkSpec& spec, std::uint64_t seed, std::string_view purpose);

/// The tensor of this name, or nullptr.
[[nodiscard]] const StateTensor* find_tensor(const StateDict& state, std::string_view name);

/// The entries of `state` whose names start with `prefix`, with the prefix cut off.
[[nodiscard]] StateDict without_prefix(const StateDict& state, std::string_view prefix);
/// The same entries with `prefix` put before each name.
[[nodiscard]] StateDict with_prefix(StateDict state, std::string_view prefix);

/// A scalar count, and its value in a list. @throws InvalidArgument if it is not there, or no count >= 0
[[nodiscard]] StateTensor counter(std::string name, std::uint64_t value);
[[nodiscard]] std::uint64_t counter_of(const StateDict& state, std::string_view name);

/// What is wrong with `state` for a network of this spec: "" or the names that are missing, extra or of
/// another shape.
[[nodiscard]] std::string mismatch(const NetworkSpec& spec, const StateDict& state);
/// The same for a list of tensors.
[[nodiscard]] std::string mismatch(const std::vector<TensorInfo>& wanted, const StateDict& state);

}  // namespace deepsad
