// One run as a page to look at: HTML with everything inside it, no network access, light and dark, for
// screens of any width, printers and screen readers (docs/reports.md).
#pragma once

#include <span>
#include <string>

#include "deepsad/model/train_options.h"
#include "deepsad/model/train_run.h"
#include "deepsad/report/image_grid.h"

namespace deepsad {

/// The page of a training run: metrics, checks, loss curves, ROC and precision-recall curve, histogram of the
/// scores by class, the given pictures, counts, all options, and the command that repeats the run.
/// @param pictures PNG files by the names they have in the run folder
[[nodiscard]] std::string run_page(const TrainRun& run, std::span<const ReportFile> pictures);

/// The page of an evaluation: the same without what only training knows.
[[nodiscard]] std::string evaluation_page(const Model& model, const Evaluation& evaluation,
                                          std::span<const ReportFile> pictures);

/// The command line that trains with exactly these options, quoted for a POSIX shell: every option that
/// differs from the starting values of its preset and compatibility mode.
[[nodiscard]] std::string replay_command(const TrainOptions& options);

}  // namespace deepsad
