// What the runs of a store say, as files to read and to go on with (docs/reports.md).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "deepsad/experiment/published.h"
#include "deepsad/experiment/record.h"
#include "deepsad/report/image_grid.h"

namespace deepsad {

/// report.html (tables, curves, tests, heat maps, slowest and failed runs on one page), tables.md and
/// tables.tex (mean and standard deviation beside the published figures), cells.csv, comparisons.csv and
/// setups.csv (the same in full precision, and the AUC of every setup).
/// @param title of the page   @param reference the column that others are compared with; "" = Deep SAD, or an
/// experiment's first column where it has none
/// @throws InvalidArgument if there are no records, or no column has the name of the reference (naming those)
[[nodiscard]] std::vector<ReportFile> experiment_report(std::span<const RunRecord> records,
                                                        const PublishedFigures& published,
                                                        const std::string& title,
                                                        const std::string& reference);

}  // namespace deepsad
