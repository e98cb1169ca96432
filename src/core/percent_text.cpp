#include "deepsad/core/percent_text.h"

#include <fmt/format.h>

#include <cmath>

namespace deepsad {

std::string percent_text(double share, int decimals) {
  return std::isnan(share) ? "undefined" : fmt::format("{:.{}f} %", 100 * share, decimals);
}

std::string short_percent_text(double share) {
  return fmt::format("{:.3g} %", 100 * share);
}

std::string short_percent_text(std::uint64_t part, std::uint64_t whole) {
  return short_percent_text(whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole));
}

}  // namespace deepsad
