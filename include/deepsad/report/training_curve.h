// A picture of the loss over the epochs of a run.
#pragma once

#include <span>
#include <string>

#include "deepsad/detectors/detector.h"
#include "deepsad/report/png.h"

namespace deepsad {

/// Loss per epoch, one panel a phase, side by side in their order. Where the largest loss is more than 50
/// times the smallest (and that is positive), the loss axis is logarithmic. A dashed line marks each change
/// of the learning rate, with the new rate. Losses that are not finite leave a gap.
/// @param title above the panels, such as "mnist · deep_sad · seed 7"; may be empty
/// @throws InvalidArgument if there is no phase
[[nodiscard]] Picture training_curve(std::span<const PhaseRecord> phases, const std::string& title);

/// Loads the libraries and fonts that training_curve() draws with, some ten milliseconds of work, so that
/// they are there when it is called. May run beside anything else. What fails here fails again, and is told,
/// when it draws.
void prepare_training_curve() noexcept;

}  // namespace deepsad
