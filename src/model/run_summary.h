// What every model remembers of the options it was trained with.
#pragma once

#include <nlohmann/json.hpp>

#include "deepsad/core/version.h"
#include "deepsad/model/train_options.h"

namespace deepsad {

/// The first entries of a model's summary: nothing that depends on the machine, so that equal runs give equal
/// files.
[[nodiscard]] inline nlohmann::ordered_json options_summary(const TrainOptions& options) {
  return {{"deepsad_version", version()},  {"method", options.method}, {"network", options.network},
          {"preset", options.preset},      {"compat", options.compat}, {"hybrid", options.hybrid},
          {"selection", options.selection}};
}

}  // namespace deepsad
