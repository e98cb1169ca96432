// What makes two runs the same.
#pragma once

#include <string>

#include "deepsad/model/train_options.h"

namespace deepsad {

/// Whether the option says where and how to compute, not what: results do not depend on it.
[[nodiscard]] bool is_of_the_machine(const std::string& option);

/// GridRun::group.
[[nodiscard]] std::string run_group(const TrainOptions& options);

}  // namespace deepsad
