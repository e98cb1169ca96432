// Reading hybrids back.
#pragma once

#include <string>

#include "deepsad/detectors/hybrid.h"
#include "detectors/network_detector.h"

namespace deepsad {

/// Key of a hybrid's description() under which its encoder's network stands, and prefix of its tensors.
inline constexpr const char* kHybridNetwork = "encoder_network";
inline constexpr const char* kHybridPrefix = "encoder.";

}  // namespace deepsad
