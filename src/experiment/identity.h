// What makes two runs the same.
#pragma once

#include <string>

#include "deepsad/model/train_options.h"

namespace deepsad {

/// GridRun::group.
[[nodiscard]] std::string run_group(const TrainOptions& options);

}  // namespace deepsad
