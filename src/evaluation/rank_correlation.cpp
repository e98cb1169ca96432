#include "deepsad/evaluation/rank_correlation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/evaluation/statistics.h"

namespace deepsad {
namespace {

// Infinite scores rank first and last.
std::vector<double> ranks_of(std::span<const float> values) {
  constexpr double kLargest = std::numeric_limits<double>::max();
  std::vector<double> finite(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) throw NumericError(fmt::format("[rank_correlation] value {} is NaN", i));
    finite[i] = std::clamp(static_cast<double>(values[i]), -kLargest, kLargest);
  }
  return ranks(finite);
}

}  // namespace

double rank_correlation(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size())
    throw InvalidArgument(fmt::format("[rank_correlation] {} values but {}", a.size(), b.size()));
  if (a.size() < 2) return std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> x = ranks_of(a), y = ranks_of(b);
  const double mean = static_cast<double>(x.size() + 1) / 2;  // ranks count from 1
  double xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
    xy += (x[i] - mean) * (y[i] - mean);
  }
  if (xx == 0 || yy == 0) return std::numeric_limits<double>::quiet_NaN();
  return xy / std::sqrt(xx * yy);
}

}  // namespace deepsad
