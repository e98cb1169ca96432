// Examples and profile of the training rows as sections of the model file (docs/model-file.md).
#pragma once

#include <string>

#include "deepsad/data/scaler.h"
#include "deepsad/model/training_rows.h"
#include "deepsad/storage/safetensors.h"

namespace deepsad {

/// Adds what there is. Images' examples are stored as the bytes they were.
void store_training_rows(const TrainingRows& rows, const Scaler& scaler, Safetensors& file);

/// Takes the sections and their tensors out of the file.
/// @throws ModelError "NAME: ..." if a part is missing, of another shape, or makes no sense
[[nodiscard]] TrainingRows take_training_rows(Safetensors& file, const Scaler& scaler,
                                              const std::string& name);

}  // namespace deepsad
