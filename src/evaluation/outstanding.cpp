#include "deepsad/evaluation/outstanding.h"

#include <algorithm>
#include <cmath>

namespace deepsad {

std::size_t n_outstanding(std::span<const float> ascending) {
  constexpr std::size_t kFewest = 20;  // below, quartiles say little
  constexpr double kFence = 4;
  const std::size_t n = ascending.size();
  if (n < kFewest) return 0;
  const auto at = [&](double q) {
    return static_cast<double>(ascending[static_cast<std::size_t>(q * static_cast<double>(n - 1))]);
  };
  const double low = at(0.25), middle = at(0.5), high = at(0.75);
  const bool logarithmic = ascending.front() > 0 && high - middle > middle - low;
  const auto shown = [&](double score) { return logarithmic ? std::log(score) : score; };
  const double spread = shown(high) - shown(middle);
  if (!(spread > 0) || !std::isfinite(spread)) return 0;
  const double fence = shown(middle) + kFence * spread;
  const auto first = std::partition_point(ascending.begin(), ascending.end(), [&](float score) {
    return shown(static_cast<double>(score)) <= fence;
  });
  return std::min(static_cast<std::size_t>(ascending.end() - first), n / 5);
}

}  // namespace deepsad
