// From the options of a run to an untrained detector. What the options leave open is chosen from the data and
// written back into them.
#pragma once

#include <memory>
#include <string>

#include "deepsad/data/dataset.h"
#include "deepsad/detectors/deep_generative.h"
#include "deepsad/detectors/deep_sad.h"
#include "deepsad/detectors/detector.h"
#include "deepsad/model/train_options.h"
#include "deepsad/nn/generative_network.h"
#include "deepsad/nn/network_spec.h"

namespace deepsad {

// Of `data` only name, shape and feature names are looked at, never a value.
// All throw InvalidArgument, naming the option, its value and what would do.

/// The network that the options name, or the default one for such samples.
[[nodiscard]] NetworkDefinition choose_network(TrainOptions& options, const Dataset& data);
/// The same for vae, dgm_m2 and dgm_m1m2.
[[nodiscard]] GenerativeNetwork choose_generative_network(TrainOptions& options, const Dataset& data);
[[nodiscard]] GenerativeKind generative_kind(const std::string& method);

[[nodiscard]] AutoencoderOptions autoencoder_options(const TrainOptions& options, bool reference);

/// A detector of one of the shallow methods.
[[nodiscard]] std::unique_ptr<Detector> make_shallow(const TrainOptions& options);
/// A detector of any method; of a hybrid the part that stands on the codes. What depends on the data
/// (network, class weights) is filled in.
/// @param reference --compat reference
[[nodiscard]] std::unique_ptr<Detector> choose_detector(TrainOptions& options, const Dataset& data,
                                                        bool reference);

}  // namespace deepsad
