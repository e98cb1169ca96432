#include "deepsad/data/hold_out.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"

namespace deepsad {
namespace {

enum class Part : std::uint8_t { training, calibration, test };

std::size_t n_held_out(double share, std::size_t n) {
  if (share == 0 || n < 2) return 0;
  const auto wanted = static_cast<std::size_t>(std::llround(share * static_cast<double>(n)));
  return std::clamp<std::size_t>(wanted, 1, n - 1);
}

void draw(const std::vector<std::uint32_t>& rows, double share, RandomStream random, Part part,
          std::vector<Part>& parts) {
  const std::size_t n = n_held_out(share, rows.size());
  if (n == 0) return;
  const std::vector<std::size_t> order = random.permutation(rows.size());
  for (std::size_t i = 0; i < n; ++i) parts[rows[order[i]]] = part;
}

void require_share(double share, const char* what) {
  if (!(share >= 0 && share < 1))
    throw InvalidArgument(fmt::format("[hold_out] {} {}; wanted a share in [0, 1)", what, share));
}

}  // namespace

HoldOut hold_out(std::span<const SemiLabel> semi, std::span<const TrueLabel> truth,
                 const HoldOutOptions& options, std::uint64_t seed, const std::string& name) {
  const std::size_t n = semi.size();
  if (!truth.empty() && truth.size() != n)
    throw InvalidArgument(fmt::format("[hold_out] {} semi labels but {} true labels", n, truth.size()));
  if (n > std::numeric_limits<std::uint32_t>::max())
    throw InvalidArgument(fmt::format("[hold_out] {} rows; at most 2^32 - 1 can be divided", n));
  require_share(options.test_share, "test share");
  require_share(options.calibration_share, "calibration share");
  std::vector<Part> parts(n, Part::training);
  const auto rows_where = [&](auto&& is_wanted) {
    std::vector<std::uint32_t> rows;
    for (std::uint32_t row = 0; row < n; ++row)
      if (parts[row] == Part::training && is_wanted(row)) rows.push_back(row);
    return rows;
  };
  if (!truth.empty()) {
    for (const TrueLabel label : {TrueLabel::normal, TrueLabel::anomaly})
      draw(rows_where([&](std::uint32_t row) { return truth[row] == label; }), options.test_share,
           RandomStream(seed, "hold-out/test", static_cast<std::uint64_t>(label)), Part::test, parts);
  }
  std::uint64_t index = 0;
  for (const SemiLabel label : {SemiLabel::normal, SemiLabel::unlabelled, SemiLabel::anomaly}) {
    if (label == SemiLabel::anomaly && !options.calibrate_on_anomalies) break;
    draw(rows_where([&](std::uint32_t row) { return semi[row] == label; }), options.calibration_share,
         RandomStream(seed, "hold-out/calibration", index++), Part::calibration, parts);
  }
  HoldOut result;
  std::size_t n_to_learn = 0;
  for (std::uint32_t row = 0; row < n; ++row) {
    (parts[row] == Part::training      ? result.training
     : parts[row] == Part::calibration ? result.calibration
                                       : result.test)
        .push_back(row);
    if (parts[row] == Part::training && semi[row] != SemiLabel::anomaly) ++n_to_learn;
  }
  if (n_to_learn < 2) {
    throw DataError(
        fmt::format("{}: of {} rows, {} are held out for calibration and {} for the test, which leaves {} "
                    "to train on that are not labelled anomalous; wanted at least 2",
                    name, n, result.calibration.size(), result.test.size(), n_to_learn));
  }
  return result;
}

}  // namespace deepsad
