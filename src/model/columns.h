// The columns of the table behind a model's features.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "deepsad/model/explanation.h"

namespace deepsad {

/// With a schema its columns, else a column a feature; of images a column a pixel, "y 3, x 5".
[[nodiscard]] std::vector<ExplainedColumn> explained_columns(const Model& model);

/// What a row of raw values has in a column: a number, the name of a category (of a mean of rows the
/// commonest), "missing"; of an image the value or values of the pixel.
[[nodiscard]] std::string column_value(const Model& model, const ExplainedColumn& column,
                                       std::span<const double> row);

}  // namespace deepsad
