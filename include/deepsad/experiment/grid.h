// An experiment as data: a TOML file that names data sets, methods, ratios, classes and seeds, and the runs
// it stands for (docs/experiments.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "deepsad/experiment/record.h"
#include "deepsad/model/train_options.h"

namespace deepsad {

/// One run of a grid: what it is called, and what is trained.
struct GridRun {
  RunSetup setup;
  TrainOptions options;  ///< complete but for data_dir
  /// Runs of one group train the same autoencoder first, which a process that takes them in a row does once.
  std::string group;
};

struct Grid {
  std::string name;   ///< RunSetup::experiment of all its runs
  std::string title;  ///< one line for people, or ""
  std::vector<GridRun> runs;
};

/// Reads a grid file and expands it: data sets, seeds, classes, ratios, further axes, methods, innermost
/// last.
/// @param subset name of a [subset.NAME] of the file, whose keys replace those of the file; "" = all of it
/// @throws InvalidArgument "FILE:LINE: key ..." naming what was found and what is wanted
[[nodiscard]] Grid read_grid(const std::string& path, const std::string& subset = "");
/// The same from text; `name` stands for the file in messages.
[[nodiscard]] Grid parse_grid(const std::string& text, const std::string& name,
                              const std::string& subset = "");

/// RunSetup::id: a digest of all options that the result depends on. Options at their default do not enter,
/// so that an option added later changes no identity; neither do those about the machine (threads, memory,
/// folders) nor the preset, whose values enter.
[[nodiscard]] std::string run_identity(const TrainOptions& options);

/// The seeds of "1-10,20", in order. @throws InvalidArgument "got ..., wanted ..." for another form, a seed
/// given twice, or more than 100,000.
[[nodiscard]] std::vector<std::uint64_t> parse_seeds(const std::string& text);

}  // namespace deepsad
