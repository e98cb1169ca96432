// Grids of the most normal and the most anomalous images of a test set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "deepsad/data/dataset.h"
#include "deepsad/report/png.h"

namespace deepsad {

inline constexpr std::size_t kGridImages = 32;  ///< images in one grid
inline constexpr std::size_t kGridColumns = 8;  ///< images in one row
inline constexpr std::size_t kGridBorder = 2;   ///< black pixels around and between images
inline constexpr std::size_t kGridEnlargement =
    2;  ///< default: 28-pixel digits are hard to see at their own size

/// Whether the samples can be shown: grey or colour images of bytes.
[[nodiscard]] bool has_pictures(const Dataset& data);

/// The images `rows` of `images` in a grid of min(n, 8) columns and ceil(n / 8) rows, left to right and top
/// to bottom, with a border of 2 black pixels around and between them: 32 images of 28 x 28 give 122 x 242
/// pixels. One-channel images are repeated to three. Places without an image stay black.
/// @param rows n >= 1 samples of `images`
/// @throws InvalidArgument if `images` holds no bytes of shape {1 or 3, H, W}, `rows` is empty, or a row is
/// outside
[[nodiscard]] Picture image_grid(const Dataset& images, std::span<const std::uint32_t> rows);

/// Positions in a list of scores, each list ascending in score; equal scores in the order of their positions.
struct ScoreExtremes {
  std::vector<std::uint32_t> all_low;       ///< the n lowest
  std::vector<std::uint32_t> all_high;      ///< the n highest, the most anomalous last
  std::vector<std::uint32_t> normals_low;   ///< the n lowest among the normal ones
  std::vector<std::uint32_t> normals_high;  ///< the n highest among the normal ones: the false alarms
};

/// @param n length of each list; fewer where there are fewer
/// @throws InvalidArgument if the lengths differ   @throws NumericError if a score is NaN; names its position
[[nodiscard]] ScoreExtremes score_extremes(std::span<const float> scores, std::span<const TrueLabel> labels,
                                           std::size_t n = kGridImages);

/// A file of a report, ready to be written.
struct ReportFile {
  std::string name;
  std::vector<std::uint8_t> bytes;
};

/// all_low.png, all_high.png, normals_low.png and normals_high.png of a scored test part. Where no sample is
/// normal, the latter two are left out; without any sample, all are.
/// @param rows row of `images` of each score   @param enlargement size of an image pixel in the files, >= 1
/// @throws as image_grid and score_extremes
[[nodiscard]] std::vector<ReportFile> image_grid_files(const Dataset& images,
                                                       std::span<const std::uint32_t> rows,
                                                       std::span<const TrueLabel> labels,
                                                       std::span<const float> scores,
                                                       std::size_t enlargement = kGridEnlargement);

}  // namespace deepsad
