#include "deepsad/nn/state_dict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"

namespace deepsad {
namespace {

// Slope that the gain of xavier_uniform_leaky is computed for, whatever the network's own slope (as the
// reference).
constexpr double kGainSlope = 0.01;

struct Fans {
  double in, out;
  double taps;  // kernel positions
};

// PyTorch's fans: dimension 1 times the kernel is fan_in, dimension 0 times the kernel is fan_out.
Fans fans_of(const Shape& weight) {
  const double taps = weight.size() == 4 ? static_cast<double>(weight[2] * weight[3]) : 1.0;
  return {static_cast<double>(weight[1]) * taps, static_cast<double>(weight[0]) * taps, taps};
}

}  // namespace

StateDict initial_state(const NetworkSpec& spec, std::uint64_t seed, std::string_view purpose) {
  StateDict state;
  Fans fans{1, 1, 1};
  for (const TensorInfo& info : state_tensors(spec)) {
    const WeightInit init = spec.layers[info.layer].init;
    StateTensor tensor{.name = info.name, .shape = info.shape, .values = {}, .is_count = false, .count = 0};
    const std::size_t n = n_elements(info.shape);
    RandomStream stream(seed, fmt::format("init/{}/{}", purpose, info.name));
    const auto uniform = [&](double bound) {
      tensor.values.resize(n);
      for (float& value : tensor.values) value = static_cast<float>(stream.uniform(-bound, bound));
    };
    switch (info.role) {
      case TensorRole::weight:
        fans = fans_of(info.shape);
        if (init == WeightInit::fan_in_uniform) {
          uniform(1.0 / std::sqrt(fans.in));
        } else if (init == WeightInit::xavier_uniform_leaky) {
          uniform(std::sqrt(2.0 / (1.0 + kGainSlope * kGainSlope)) * std::sqrt(6.0 / (fans.in + fans.out)));
        } else {
          const double deviation = std::sqrt(2.0 / (fans.in + fans.out));
          tensor.values.resize(n);
          for (float& value : tensor.values) value = static_cast<float>(deviation * stream.normal());
        }
        break;
      case TensorRole::bias:  // follows its weight, whose fans are still known
        if (init == WeightInit::fan_in_uniform) {
          uniform(1.0 / std::sqrt(fans.in));
        } else {
          tensor.values.assign(n, 0.0F);
        }
        break;
      case TensorRole::running_mean:
        tensor.values.assign(n, 0.0F);
        break;
      case TensorRole::running_var:
        tensor.values.assign(n, 1.0F);
        break;
      case TensorRole::num_batches_tracked:
        tensor.is_count = true;
        break;
    }
    state.push_back(std::move(tensor));
  }
  return state;
}

const StateTensor* find_tensor(const StateDict& state, std::string_view name) {
  const auto found = std::find_if(state.begin(), state.end(),
                                  [&](const StateTensor& tensor) { return tensor.name == name; });
  return found == state.end() ? nullptr : &*found;
}

StateDict without_prefix(const StateDict& state, std::string_view prefix) {
  StateDict result;
  for (const StateTensor& tensor : state) {
    if (!tensor.name.starts_with(prefix)) continue;
    result.push_back(tensor);
    result.back().name = tensor.name.substr(prefix.size());
  }
  return result;
}

StateDict with_prefix(StateDict state, std::string_view prefix) {
  for (StateTensor& tensor : state) tensor.name = std::string(prefix) + tensor.name;
  return state;
}

std::string mismatch(const NetworkSpec& spec, const StateDict& state) {
  return mismatch(state_tensors(spec), state);
}

StateTensor counter(std::string name, std::uint64_t value) {
  return {.name = std::move(name),
          .shape = {},
          .values = {},
          .is_count = true,
          .count = static_cast<std::int64_t>(value)};
}

std::uint64_t counter_of(const StateDict& state, std::string_view name) {
  const StateTensor* found = find_tensor(state, name);
  if (found == nullptr || !found->is_count || found->count < 0)
    throw InvalidArgument(fmt::format("the count \"{}\" is missing or below 0", name));
  return static_cast<std::uint64_t>(found->count);
}

std::string mismatch(const std::vector<TensorInfo>& wanted, const StateDict& state) {
  std::string text;
  const auto complain = [&](const std::string& what) { text += (text.empty() ? "" : "; ") + what; };
  for (const TensorInfo& info : wanted) {
    const StateTensor* found = find_tensor(state, info.name);
    if (found == nullptr) {
      complain(fmt::format("tensor \"{}\" is missing", info.name));
      continue;
    }
    const bool wants_count = info.role == TensorRole::num_batches_tracked;
    if (found->is_count != wants_count || (!wants_count && found->shape != info.shape)) {
      complain(fmt::format("tensor \"{}\" is {}, wanted {}", info.name,
                           found->is_count ? "a count" : to_string(found->shape),
                           wants_count ? "a count" : to_string(info.shape)));
    } else if (!wants_count && found->values.size() != n_elements(info.shape)) {
      complain(fmt::format("tensor \"{}\" has {} values, wanted {}", info.name, found->values.size(),
                           n_elements(info.shape)));
    }
  }
  for (const StateTensor& tensor : state) {
    if (std::none_of(wanted.begin(), wanted.end(),
                     [&](const TensorInfo& info) { return info.name == tensor.name; })) {
      complain(fmt::format("tensor \"{}\" belongs to no layer", tensor.name));
    }
  }
  return text;
}

}  // namespace deepsad
