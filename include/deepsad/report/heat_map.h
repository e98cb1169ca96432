// Which pixels make an image anomalous, as a picture.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "deepsad/model/explanation.h"
#include "deepsad/report/image_grid.h"
#include "deepsad/report/png.h"

namespace deepsad {

/// Three panels of height x width, left to right, a grey border of one pixel around each: the image, the mean
/// of the normal images that it is compared with, and the contributions of its pixels: red raises the score,
/// blue lowers it, white does nothing; full colour at the 99.5 % quantile of |contribution| and beyond. A
/// faint image behind the colours shows where they are.
/// @param shape {1 or 3, H, W}   @param values, baseline C*H*W values of 0..255, channel by channel
/// @param contributions H*W values, row by row; NaN counts as 0
/// @throws InvalidArgument if the lengths do not fit the shape
[[nodiscard]] Picture heat_map(const std::vector<std::size_t>& shape, std::span<const double> values,
                               std::span<const double> baseline, std::span<const double> contributions);

/// A file "row-17.png" for each row, enlarged to about 256 pixels a panel, and "heat-maps.png": the rows of
/// the first kHeatMapRows below each other. @param shape {1 or 3, H, W}, the model's
[[nodiscard]] std::vector<ReportFile> heat_map_files(const Explanations& explanations,
                                                     const std::vector<std::size_t>& shape);
inline constexpr std::size_t kHeatMapRows = 16;

}  // namespace deepsad
