// `deepsad train` with several seeds or settings: a run for each, side by side, and a table of all.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "arguments.h"
#include "console.h"
#include "deepsad/model/train_options.h"
#include "deepsad/storage/run_folder.h"

namespace deepsad::cli {

/// One of several runs.
struct VariedRun {
  std::string setting;  ///< "eta-0.1_nu-0.2"; "" if nothing but the seed varies
  std::string name;     ///< folder in the grid's folder: "eta-0.1_nu-0.2_seed-3"
  TrainOptions options;
  OptionLayer varied;  ///< what --vary gives it
};

/// What an option layer below all others says of a run; empty: nothing.
using SuggestOptions = std::function<OptionLayer(const TrainOptions&)>;

/// Every combination of the values of the --vary options ("eta=0.1,1") with every seed of --seeds, seeds
/// innermost; `layers` are config file and command line, the latter last. Without --seeds there is one seed:
/// that of --seed, or a drawn one.
/// @throws InvalidArgument naming option and value.
[[nodiscard]] std::vector<VariedRun> grid_runs(const Arguments& arguments,
                                               const std::vector<OptionLayer>& layers,
                                               const SuggestOptions& suggest);

/// The folder of --out or OUT, or a new one below runs/. @throws IoError, InvalidArgument.
[[nodiscard]] RunFolder claim_folder(const Arguments& arguments, const TrainOptions& options);

/// Trains them all into folders of their own below the folder of the grid, which also gets log.txt and
/// summary.csv. Returns the exit code.
int train_grid(const Arguments& arguments, std::vector<VariedRun> runs, Console& console);

}  // namespace deepsad::cli
