// What turns a model's scores into decisions.
#pragma once

#include <optional>
#include <string>

#include "deepsad/evaluation/conformal.h"
#include "deepsad/evaluation/threshold.h"

namespace deepsad {

/// Both may be missing: a model that was never calibrated gives scores alone.
struct Decision {
  std::optional<ConformalCalibration> calibration;  ///< where p-values come from
  std::string calibration_rows;                     ///< which rows these are, in words
  std::optional<Threshold> threshold;               ///< where labels come from
};

}  // namespace deepsad
