// Columns, and pairs of columns, that give the label away.
#pragma once

#include <vector>

#include "deepsad/evaluation/data_check.h"
#include "evaluation/table_profile.h"

namespace deepsad {

/// Findings label_leak, missing_tells_label and pair_leak. Known anomalies are compared with known normals
/// or, if there are none, with the other rows. Nothing is found that chance may well have made: of random
/// columns less than one in a million is.
void find_label_leaks(const TableProfile& profile, std::vector<DataFinding>& findings);

}  // namespace deepsad
