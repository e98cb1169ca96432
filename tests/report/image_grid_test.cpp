#include "deepsad/report/image_grid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "deepsad/core/error.h"
#include "support/files.h"

namespace deepsad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using Rows = std::vector<std::uint32_t>;

// n images whose pixel (channel c, y, x) of image i has a value of its own, never 0, so that it differs from
// a border.
std::uint8_t value_at(std::size_t i, std::size_t c, std::size_t y, std::size_t x) {
  return static_cast<std::uint8_t>(1 + (i * 89 + c * 71 + y * 13 + x * 5) % 255);
}
Dataset images(std::size_t n, std::size_t channels, std::size_t height, std::size_t width) {
  std::vector<std::uint8_t> values;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t c = 0; c < channels; ++c) {
      for (std::size_t y = 0; y < height; ++y) {
        for (std::size_t x = 0; x < width; ++x) values.push_back(value_at(i, c, y, x));
      }
    }
  }
  Dataset data;
  data.name = "pictures";
  data.sample_shape = {channels, height, width};
  data.values = std::move(values);
  return data;
}
Rows count_to(std::size_t n) {
  Rows rows(n);
  std::iota(rows.begin(), rows.end(), 0U);
  return rows;
}

// The wanted grid, pixel by pixel from the rule: which image a pixel belongs to, or that it is border.
void expect_grid(const Picture& grid, const Rows& rows, std::size_t channels, std::size_t height,
                 std::size_t width) {
  for (std::size_t y = 0; y < grid.height; ++y) {
    for (std::size_t x = 0; x < grid.width; ++x) {
      const std::size_t cell = y / (height + 2) * 8 + x / (width + 2);
      const std::size_t in_y = y % (height + 2);
      const std::size_t in_x = x % (width + 2);
      const bool is_border = in_y < 2 || in_x < 2 || cell >= rows.size();
      for (std::size_t c = 0; c < 3; ++c) {
        const int wanted = is_border ? 0 : value_at(rows[cell], channels == 1 ? 0 : c, in_y - 2, in_x - 2);
        ASSERT_EQ(static_cast<int>(grid.pixels[(y * grid.width + x) * 3 + c]), wanted)
            << y << ' ' << x << ' ' << c;
      }
    }
  }
}

TEST(ImageGrid, ThirtyTwoDigitsGive122x242) {
  const Rows rows = {31, 0,  5,  7,  1,  2,  3,  4,  6,  8,  9,  10, 11, 12, 13, 14,
                     15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30};
  const Picture grid = image_grid(images(32, 1, 28, 28), rows);
  EXPECT_EQ(grid.height, 122U);
  EXPECT_EQ(grid.width, 242U);
  EXPECT_EQ(grid.channels, 3U);
  expect_grid(grid, rows, 1, 28, 28);
}

TEST(ImageGrid, ThirtyTwoColorImagesGive138x274) {
  const Picture grid = image_grid(images(32, 3, 32, 32), count_to(32));
  EXPECT_EQ(grid.height, 138U);
  EXPECT_EQ(grid.width, 274U);
  expect_grid(grid, count_to(32), 3, 32, 32);
}

TEST(ImageGrid, FewerImagesMakeASmallerGrid) {
  const Dataset data = images(11, 1, 3, 4);  // not square either
  const Picture eleven = image_grid(data, count_to(11));
  EXPECT_EQ(eleven.height, 2 * 5 + 2U);
  EXPECT_EQ(eleven.width, 8 * 6 + 2U);
  expect_grid(eleven, count_to(11), 1, 3, 4);
  const Picture three = image_grid(data, Rows{4, 4, 10});
  EXPECT_EQ(three.height, 1 * 5 + 2U);
  EXPECT_EQ(three.width, 3 * 6 + 2U);
  expect_grid(three, {4, 4, 10}, 1, 3, 4);
}

TEST(ImageGrid, RefusesWhatIsNoImage) {
  const auto refuse = [](const Dataset& data, const Rows& rows) {
    return message_of<InvalidArgument>([&] { (void)image_grid(data, rows); });
  };
  EXPECT_THAT(refuse(images(2, 1, 3, 3), {}), HasSubstr("no rows"));
  EXPECT_THAT(refuse(images(2, 1, 3, 3), {2}), HasSubstr("row 2 is outside pictures, which has 2 samples"));
  EXPECT_THAT(refuse(images(2, 2, 3, 3), {0}), HasSubstr("shape (2,3,3)"));
  Dataset table;
  table.name = "cardio";
  table.sample_shape = {2};
  table.values = std::vector<double>{1, 2};
  EXPECT_THAT(refuse(table, {0}), HasSubstr("cardio holds samples of shape (2)"));
}

TEST(ScoreExtremes, AscendingWithTiesByPosition) {
  const auto N = TrueLabel::normal;
  const auto A = TrueLabel::anomaly;
  const std::vector<float> scores = {5, 1, 3, 1, std::numeric_limits<float>::infinity(), 3, 0, 3};
  const std::vector<TrueLabel> labels = {A, N, N, A, A, N, A, N};
  const ScoreExtremes extremes = score_extremes(scores, labels, 3);
  EXPECT_THAT(extremes.all_low, ElementsAre(6, 1, 3));
  EXPECT_THAT(extremes.all_high, ElementsAre(7, 0, 4));
  EXPECT_THAT(extremes.normals_low, ElementsAre(1, 2, 5));
  EXPECT_THAT(extremes.normals_high, ElementsAre(2, 5, 7));
}

TEST(ScoreExtremes, ShortListsAreWhole) {
  const ScoreExtremes extremes =
      score_extremes(std::vector<float>{2, 1}, std::vector{TrueLabel::anomaly, TrueLabel::normal});
  EXPECT_THAT(extremes.all_low, ElementsAre(1, 0));
  EXPECT_THAT(extremes.all_high, ElementsAre(1, 0));
  EXPECT_THAT(extremes.normals_low, ElementsAre(1));
  EXPECT_THAT(extremes.normals_high, ElementsAre(1));
  EXPECT_TRUE(score_extremes({}, {}).all_low.empty());
}

TEST(ScoreExtremes, RefusesNanAndUnequalLengths) {
  const std::vector<TrueLabel> two(2, TrueLabel::normal);
  const std::vector<float> with_nan = {0, std::numeric_limits<float>::quiet_NaN()};
  EXPECT_THAT(message_of<NumericError>([&] { (void)score_extremes(with_nan, two); }),
              HasSubstr("score 1 is NaN"));
  EXPECT_THAT(message_of<InvalidArgument>([&] { (void)score_extremes(std::vector<float>{1}, two); }),
              HasSubstr("1 scores but 2 labels"));
}

TEST(ImageGridFiles, TheFourFilesShowTheRowsOfTheScores) {
  const Dataset data = images(100, 1, 28, 28);
  Rows rows;
  std::vector<float> scores;
  std::vector<TrueLabel> labels;
  for (std::uint32_t i = 0; i < 80; ++i) {
    rows.push_back(99 - i);  // rows of the data are not positions of the scores
    scores.push_back(static_cast<float>(i));
    labels.push_back(i % 2 == 0 ? TrueLabel::normal : TrueLabel::anomaly);
  }
  const std::vector<ReportFile> files = image_grid_files(data, rows, labels, scores, 1);
  ASSERT_EQ(files.size(), 4U);
  const auto wanted = [&](auto&& position) {
    Rows picked;
    for (std::uint32_t k = 0; k < 32; ++k) picked.push_back(99 - position(k));
    return encode_png(image_grid(data, picked));
  };
  EXPECT_EQ(files[0].name, "all_low.png");
  EXPECT_EQ(files[0].bytes, wanted([](std::uint32_t k) { return k; }));
  EXPECT_EQ(files[1].name, "all_high.png");
  EXPECT_EQ(files[1].bytes, wanted([](std::uint32_t k) { return 48 + k; }));
  EXPECT_EQ(files[2].name, "normals_low.png");
  EXPECT_EQ(files[2].bytes, wanted([](std::uint32_t k) { return 2 * k; }));
  EXPECT_EQ(files[3].name, "normals_high.png");
  EXPECT_EQ(files[3].bytes, wanted([](std::uint32_t k) { return 16 + 2 * k; }));
  // Twice the size unless told otherwise: bytes 16..23 are width and height, big-endian.
  const std::vector<ReportFile> larger = image_grid_files(data, rows, labels, scores);
  EXPECT_EQ(larger[0].bytes[18] * 256 + larger[0].bytes[19], 484);
  EXPECT_EQ(larger[0].bytes[22] * 256 + larger[0].bytes[23], 244);
}

TEST(ImageGridFiles, NoFileForAnEmptyGrid) {
  const Dataset data = images(2, 1, 3, 3);
  const std::vector<ReportFile> files =
      image_grid_files(data, Rows{0, 1}, std::vector(2, TrueLabel::anomaly), std::vector<float>{1, 2});
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files[1].name, "all_high.png");
  EXPECT_TRUE(image_grid_files(data, {}, {}, {}).empty());
  EXPECT_THAT(
      message_of<InvalidArgument>([&] {
        (void)image_grid_files(data, Rows{0}, std::vector(2, TrueLabel::normal), std::vector<float>{1, 2});
      }),
      HasSubstr("1 rows but 2 scores"));
}

}  // namespace
}  // namespace deepsad
