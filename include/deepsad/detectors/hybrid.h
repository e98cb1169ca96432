// Hybrids: a shallow detector on the code of a trained autoencoder.
#pragma once

#include <memory>

#include "deepsad/detectors/detector.h"
#include "deepsad/nn/network_spec.h"
#include "deepsad/nn/state_dict.h"

namespace deepsad {

/// `detector` trained and scoring on the outputs of the network's encoder in evaluation mode (batch norm with
/// its running statistics). The encoder is not trained. method() is the detector's; description() and
/// tensors() hold both, so that one model file is enough.
/// @param encoder the encoder's tensors
/// @throws InvalidArgument if the tensors are not those of the network's encoder
[[nodiscard]] std::unique_ptr<Detector> make_hybrid(const NetworkDefinition& network, StateDict encoder,
                                                    std::unique_ptr<Detector> detector);

}  // namespace deepsad
