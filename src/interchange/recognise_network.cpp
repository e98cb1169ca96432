#include "interchange/recognise_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "deepsad/core/error.h"
#include "deepsad/nn/catalogue.h"

namespace deepsad {
namespace {

constexpr std::size_t kMostShown = 4;

/// Extents of a matrix of this name; nothing if there is none.
std::optional<Shape> matrix(const StateDict& state, const std::string& name) {
  const StateTensor* tensor = find_tensor(state, name);
  if (tensor == nullptr || tensor->is_count || tensor->shape.size() != 2) return std::nullopt;
  return tensor->shape;
}

/// Widths of the layers "PREFIX0SUFFIX", "PREFIX1SUFFIX", ...
std::vector<std::size_t> widths(const StateDict& state, const char* prefix, const char* suffix) {
  std::vector<std::size_t> result;
  while (const auto shape = matrix(state, fmt::format("{}{}{}", prefix, result.size(), suffix)))
    result.push_back((*shape)[0]);
  return result;
}

std::string first_tensors(const StateDict& state) {
  std::string text;
  for (std::size_t i = 0; i < std::min(state.size(), kMostShown); ++i) {
    text += fmt::format("{}{} ({})", i == 0 ? "" : ", ", state[i].name, to_string(state[i].shape));
  }
  return state.size() > kMostShown ? text + ", ..." : text;
}

std::string problem_of(const NetworkDefinition& definition, const StateDict& network,
                       const StateDict& autoencoder) {
  std::string problem = mismatch(definition.encoder, network);
  if (problem.empty() && !autoencoder.empty())
    problem = mismatch(deepsad::autoencoder(definition), autoencoder);
  return problem;
}

}  // namespace

NetworkDefinition recognise_network(const StateDict& network, const StateDict& autoencoder,
                                    const std::string& name) {
  if (!name.empty()) {
    NetworkDefinition definition = network_by_name(name);
    if (const std::string problem = problem_of(definition, network, autoencoder); !problem.empty())
      throw InvalidArgument(fmt::format("the checkpoint is none of {}: {}", name, problem));
    return definition;
  }
  for (const std::string& known : network_names()) {
    NetworkDefinition definition = network_by_name(known);
    if (problem_of(definition, network, autoencoder).empty()) return definition;
  }
  const auto input = matrix(network, "hidden.0.linear.weight"), code = matrix(network, "code.weight");
  if (input && code) {
    NetworkDefinition definition =
        mlp("imported_mlp", (*input)[1], widths(network, "hidden.", ".linear.weight"), (*code)[0]);
    if (const std::string problem = problem_of(definition, network, autoencoder); !problem.empty())
      throw InvalidArgument(fmt::format("the checkpoint looks like an MLP, but {}", problem));
    return definition;
  }
  throw InvalidArgument(fmt::format(
      "no network has the checkpoint's tensors: {}; known are MLPs of any widths and {}. Networks of your "
      "own come in through a model file",
      first_tensors(network), fmt::join(network_names(), ", ")));
}

std::pair<GenerativeNetwork, GenerativeKind> recognise_generative_network(const StateDict& state,
                                                                          const std::string& name) {
  const GenerativeKind kind =
      without_prefix(state, "features.").empty() ? GenerativeKind::m2 : GenerativeKind::m1m2;
  const auto problem_with = [&](const GenerativeNetwork& network) {
    return mismatch(generative_tensors(network, kind), state);
  };
  if (!name.empty()) {
    GenerativeNetwork network = generative_network_by_name(name, kind);
    if (const std::string problem = problem_with(network); !problem.empty())
      throw InvalidArgument(fmt::format("the checkpoint is none of {}: {}", name, problem));
    return {std::move(network), kind};
  }
  for (const std::string& known : generative_network_names()) {
    if (generative_kind_of(known) != kind) continue;
    GenerativeNetwork network = generative_network_by_name(known, kind);
    if (problem_with(network).empty()) return {std::move(network), kind};
  }
  // A table's M2: its widths are those of its tensors.
  const auto input = matrix(state, "classifier.dense.weight"),
             code = matrix(state, "encoder.sample.mu.weight");
  if (kind == GenerativeKind::m2 && input && code) {
    GenerativeNetwork network{.name = "imported_DGM_M2",
                              .input = {(*input)[1]},
                              .hidden = widths(state, "encoder.hidden.", ".weight"),
                              .n_latent = (*code)[0]};
    if (const std::string problem = problem_with(network); !problem.empty())
      throw InvalidArgument(fmt::format("the checkpoint looks like an M2 network, but {}", problem));
    return {std::move(network), kind};
  }
  throw InvalidArgument(
      fmt::format("the checkpoint has no centre c, so it should be of a deep generative model, but none has "
                  "its tensors: {}; known are "
                  "M2 networks of tables and {}",
                  first_tensors(state), fmt::join(generative_network_names(), ", ")));
}

}  // namespace deepsad
