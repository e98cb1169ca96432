#include "deepsad/report/image_grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "deepsad/core/error.h"

namespace deepsad {
namespace {

// The first and the last n entries.
std::pair<std::vector<std::uint32_t>, std::vector<std::uint32_t>> ends(
    const std::vector<std::uint32_t>& order, std::size_t n) {
  const auto count = static_cast<std::ptrdiff_t>(std::min(n, order.size()));
  return {{order.begin(), order.begin() + count}, {order.end() - count, order.end()}};
}

}  // namespace

bool has_pictures(const Dataset& data) {
  return data.is_image() && (data.sample_shape[0] == 1 || data.sample_shape[0] == 3) &&
         std::holds_alternative<std::vector<std::uint8_t>>(data.values);
}

Picture image_grid(const Dataset& images, std::span<const std::uint32_t> rows) {
  const auto& shape = images.sample_shape;
  if (!has_pictures(images)) {
    throw InvalidArgument(
        fmt::format("[image_grid] {} holds samples of shape ({}); wanted bytes of (1,H,W) or (3,H,W)",
                    images.name, fmt::join(shape, ",")));
  }
  if (rows.empty()) throw InvalidArgument("[image_grid] no rows; wanted at least one");
  const auto& values = std::get<std::vector<std::uint8_t>>(images.values);
  const std::size_t n_channels = shape[0];
  const std::size_t height = shape[1];
  const std::size_t width = shape[2];

  const std::size_t n_columns = std::min(rows.size(), kGridColumns);
  const std::size_t n_rows = (rows.size() + kGridColumns - 1) / kGridColumns;
  constexpr std::size_t kChannels = 3;
  Picture grid{n_rows * (height + kGridBorder) + kGridBorder,
               n_columns * (width + kGridBorder) + kGridBorder,
               kChannels,
               {}};
  grid.pixels.assign(grid.height * grid.width * kChannels, 0);

  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] >= images.size()) {
      throw InvalidArgument(fmt::format("[image_grid] row {} is outside {}, which has {} samples", rows[i],
                                        images.name, images.size()));
    }
    const std::uint8_t* image = values.data() + rows[i] * images.n_features();
    const std::size_t top = kGridBorder + i / kGridColumns * (height + kGridBorder);
    const std::size_t left = kGridBorder + i % kGridColumns * (width + kGridBorder);
    for (std::size_t y = 0; y < height; ++y) {
      for (std::size_t x = 0; x < width; ++x) {
        for (std::size_t c = 0; c < kChannels; ++c) {
          const std::size_t source = n_channels == 1 ? 0 : c;
          grid.pixels[((top + y) * grid.width + left + x) * kChannels + c] =
              image[(source * height + y) * width + x];
        }
      }
    }
  }
  return grid;
}

ScoreExtremes score_extremes(std::span<const float> scores, std::span<const TrueLabel> labels,
                             std::size_t n) {
  if (scores.size() != labels.size()) {
    throw InvalidArgument(
        fmt::format("[score_extremes] {} scores but {} labels", scores.size(), labels.size()));
  }
  std::vector<std::uint32_t> order(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (std::isnan(scores[i])) throw NumericError(fmt::format("[score_extremes] score {} is NaN", i));
    order[i] = static_cast<std::uint32_t>(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return scores[a] < scores[b]; });
  ScoreExtremes result;
  std::tie(result.all_low, result.all_high) = ends(order, n);
  std::erase_if(order, [&](std::uint32_t i) { return labels[i] != TrueLabel::normal; });
  std::tie(result.normals_low, result.normals_high) = ends(order, n);
  return result;
}

std::vector<ReportFile> image_grid_files(const Dataset& images, std::span<const std::uint32_t> rows,
                                         std::span<const TrueLabel> labels, std::span<const float> scores,
                                         std::size_t enlargement) {
  if (rows.size() != scores.size()) {
    throw InvalidArgument(
        fmt::format("[image_grid_files] {} rows but {} scores", rows.size(), scores.size()));
  }
  const ScoreExtremes extremes = score_extremes(scores, labels);
  std::vector<ReportFile> files;
  for (const auto& [name, positions] :
       {std::pair("all_low.png", &extremes.all_low), std::pair("all_high.png", &extremes.all_high),
        std::pair("normals_low.png", &extremes.normals_low),
        std::pair("normals_high.png", &extremes.normals_high)}) {
    if (positions->empty()) continue;
    std::vector<std::uint32_t> picked;
    for (const std::uint32_t position : *positions) picked.push_back(rows[position]);
    files.push_back({name, encode_png(enlarge(image_grid(images, picked), enlargement))});
  }
  return files;
}

}  // namespace deepsad
