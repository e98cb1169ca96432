// Tensors of a network as a container stores them.
#pragma once

#include <string>

#include "deepsad/nn/state_dict.h"
#include "deepsad/storage/safetensors.h"

namespace deepsad {

/// Values as F32, a count as an I64 scalar.
[[nodiscard]] NamedTensor to_stored(const StateTensor& tensor);
/// @throws ModelError if the tensor is of another type   @param source the file's name for the message
[[nodiscard]] StateTensor from_stored(const NamedTensor& stored, const std::string& source);

}  // namespace deepsad
