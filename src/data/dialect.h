// How a sample of delimited text is written: its separator, and whether it starts with a header.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "deepsad/data/delimited.h"

namespace deepsad {

struct DetectedDialect {
  Dialect dialect;
  std::string why_header;  ///< for a person: why the first record is a header or is not
};

/// The separator is that which cuts the most records of the sample into one number of cells, at least two;
/// between equals the first of tab, semicolon, bar, comma, space. The first record is a header if a cell of
/// it is an expected name, or is a text in a column of numbers, or if it counts 0, 1, 2, ...; in a table of
/// texts alone, if its cells are distinct, not empty and turn up nowhere else in their columns.
/// @param at_end the sample is the whole text
[[nodiscard]] DetectedDialect detect_dialect(std::string_view sample, bool at_end,
                                             const DelimitedOptions& options);

}  // namespace deepsad
