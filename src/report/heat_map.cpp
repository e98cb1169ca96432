#include "deepsad/report/heat_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "deepsad/core/error.h"

namespace deepsad {
namespace {

constexpr std::size_t kPanels = 3, kChannels = 3, kBorder = 1;
constexpr std::uint8_t kBorderGrey = 128;
constexpr double kFullColour = 0.995;  // quantile of |contribution|
constexpr double kFaint = 0.25;        // contrast of the image behind the colours
constexpr std::size_t kPanelPixels = 256;
using Colour = std::array<double, kChannels>;
// The ends of ColorBrewer's RdBu scale: told apart by people who see no red or green, too.
constexpr Colour kRaises{178, 24, 43}, kLowers{33, 102, 172};

std::uint8_t to_byte(double value) {
  return static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0, 255.0)));
}

double full_colour_at(std::span<const double> contributions) {
  std::vector<double> sizes;
  for (const double c : contributions)
    if (std::isfinite(c)) sizes.push_back(std::abs(c));
  if (sizes.empty()) return 0;
  const auto at =
      sizes.begin() + static_cast<std::ptrdiff_t>(kFullColour * static_cast<double>(sizes.size() - 1));
  std::nth_element(sizes.begin(), at, sizes.end());
  return *at > 0 ? *at : *std::max_element(sizes.begin(), sizes.end());
}

}  // namespace

Picture heat_map(const std::vector<std::size_t>& shape, std::span<const double> values,
                 std::span<const double> baseline, std::span<const double> contributions) {
  if (shape.size() != 3 || (shape[0] != 1 && shape[0] != 3) || shape[1] * shape[2] == 0 ||
      contributions.size() != shape[1] * shape[2] || values.size() != shape[0] * contributions.size() ||
      baseline.size() != values.size()) {
    throw InvalidArgument(fmt::format(
        "[heat_map] samples of ({}) with {} values, {} of the baseline and {} contributions do not fit",
        fmt::join(shape, ","), values.size(), baseline.size(), contributions.size()));
  }
  const std::size_t height = shape[1], width = shape[2], plane = height * width;
  Picture picture{height + 2 * kBorder, kPanels * (width + kBorder) + kBorder, kChannels, {}};
  picture.pixels.assign(picture.height * picture.width * kChannels, kBorderGrey);
  const double full = full_colour_at(contributions);
  for (std::size_t pixel = 0; pixel < plane; ++pixel) {
    const auto set = [&](std::size_t panel, const Colour& colour) {
      const std::size_t y = kBorder + pixel / width, x = kBorder + panel * (width + kBorder) + pixel % width;
      for (std::size_t c = 0; c < kChannels; ++c)
        picture.pixels[(y * picture.width + x) * kChannels + c] = to_byte(colour[c]);
    };
    const auto colour_of = [&](std::span<const double> image) {
      const std::size_t step = shape[0] == 3 ? plane : 0;
      return Colour{image[pixel], image[step + pixel], image[2 * step + pixel]};
    };
    const Colour own = colour_of(values);
    set(0, own);
    set(1, colour_of(baseline));
    const double grey = 255 - kFaint * (own[0] + own[1] + own[2]) / 3;
    const double contribution = std::isfinite(contributions[pixel]) ? contributions[pixel] : 0;
    const double strength = full > 0 ? std::min(1.0, std::abs(contribution) / full) : 0;
    const Colour& end = contribution > 0 ? kRaises : kLowers;
    Colour heat;
    for (std::size_t c = 0; c < kChannels; ++c) heat[c] = (1 - strength) * grey + strength * end[c];
    set(2, heat);
  }
  return picture;
}

std::vector<ReportFile> heat_map_files(const Explanations& explanations,
                                       const std::vector<std::size_t>& shape) {
  std::vector<ReportFile> files;
  Picture all;
  std::size_t n_shown = 0;
  for (const Explanation& row : explanations.rows) {
    const Picture picture = heat_map(shape, row.values, row.baseline, row.contributions);
    const std::size_t factor = std::max<std::size_t>(1, kPanelPixels / shape[2]);
    files.push_back({fmt::format("row-{}.png", row.row), encode_png(enlarge(picture, factor))});
    if (n_shown == kHeatMapRows) continue;
    ++n_shown;
    all.channels = picture.channels;
    all.width = picture.width;
    all.height += picture.height;
    all.pixels.insert(all.pixels.end(), picture.pixels.begin(), picture.pixels.end());
  }
  if (n_shown > 1) {
    const std::size_t factor = std::max<std::size_t>(1, kPanelPixels / 2 / shape[2]);
    files.push_back({"heat-maps.png", encode_png(enlarge(all, factor))});
  }
  return files;
}

}  // namespace deepsad
