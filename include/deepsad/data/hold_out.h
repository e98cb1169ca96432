// Which rows of one's own table are trained on, and which are held out for the threshold and for the test.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "deepsad/data/dataset.h"

namespace deepsad {

struct HoldOutOptions {
  double test_share = 0;         ///< of the rows of either true label; 0: no test part
  double calibration_share = 0;  ///< of the other rows of each semi label; 0: no calibration part
  /// Whether rows labelled anomalous are held out for calibration, too (a threshold of best F1 needs them).
  bool calibrate_on_anomalies = false;
};

/// Rows, ascending. The three lists share no row and together hold every row.
struct HoldOut {
  std::vector<std::uint32_t> training, calibration, test;
};

/// Draws the test part from the stream "hold-out/test" (index: true label), then the calibration part from
/// "hold-out/calibration" (index: semi label). Of n rows of a label a share s gives s n, rounded to the
/// nearest, but at least one if n > 1, and never all.
/// @param truth one entry a row, or none: then the test share has no meaning
/// @param name of the file, for messages
/// @throws DataError if fewer than two rows that are not labelled anomalous are left to train on
/// @throws InvalidArgument if the numbers of labels differ, a share is outside [0, 1), or there are 2^32 rows
[[nodiscard]] HoldOut hold_out(std::span<const SemiLabel> semi, std::span<const TrueLabel> truth,
                               const HoldOutOptions& options, std::uint64_t seed, const std::string& name);

}  // namespace deepsad
