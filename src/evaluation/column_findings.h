// What is wrong with columns, each alone or beside another, whatever the labels.
#pragma once

#include <cstddef>
#include <vector>

#include "deepsad/evaluation/data_check.h"
#include "evaluation/table_profile.h"

namespace deepsad {

/// The findings about columns in docs/data-check.md but those that need labels.
/// @param kind_is_label whether a label or truth column was named
void find_column_defects(const TableProfile& profile, bool has_labels, std::vector<DataFinding>& findings);

/// Columns of numbers that are names of rows: row numbers, running numbers, keys.
[[nodiscard]] std::vector<std::size_t> id_like_columns(const TableProfile& profile);

/// A column's numbers in the sample, ascending.
[[nodiscard]] std::vector<double> sorted_numbers(const TableProfile& profile, const RowSample& sample,
                                                 std::size_t column);

}  // namespace deepsad
