// What every model remembers of the options it was trained with.
#pragma once

#include <nlohmann/json.hpp>

#include "deepsad/core/version.h"
#include "deepsad/model/model.h"
#include "deepsad/model/train_options.h"
#include "deepsad/model/training_rows.h"

namespace deepsad {

/// The first entries of a model's summary: nothing that depends on the machine, so that equal runs give equal
/// files.
[[nodiscard]] inline nlohmann::ordered_json options_summary(const TrainOptions& options) {
  return {{"deepsad_version", version()},  {"method", options.method}, {"network", options.network},
          {"preset", options.preset},      {"compat", options.compat}, {"hybrid", options.hybrid},
          {"selection", options.selection}};
}

/// What of the training rows the model is to remember. @param start that training goes on from, or null
[[nodiscard]] inline TrainingRowsOptions training_rows_options(const TrainOptions& options,
                                                               const Model* start) {
  return {.n_examples = options.example_rows,
          .profile = options.training_profile,
          .seed = options.seed.value_or(0),
          .start = start == nullptr ? nullptr : &start->training_rows()};
}

}  // namespace deepsad
