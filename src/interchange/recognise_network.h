// Which network the tensors of a checkpoint belong to.
#pragma once

#include <string>
#include <utility>

#include "deepsad/nn/generative_network.h"
#include "deepsad/nn/network_spec.h"
#include "deepsad/nn/state_dict.h"

namespace deepsad {

/// The network of the catalogue with these tensors, or the MLP whose widths they show.
/// @param autoencoder its autoencoder's tensors, or none
/// @param name of the catalogue; "" = whichever fits
/// @throws InvalidArgument if none fits, saying what the tensors are, or the named one does not, saying why
[[nodiscard]] NetworkDefinition recognise_network(const StateDict& network, const StateDict& autoencoder,
                                                  const std::string& name);

/// The same for M2 and M1+M2.
[[nodiscard]] std::pair<GenerativeNetwork, GenerativeKind> recognise_generative_network(
    const StateDict& state, const std::string& name);

}  // namespace deepsad
