#include "deepsad/report/heat_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "deepsad/core/error.h"
#include "support/errors.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;
using testing::message_of;
using Pixel = std::array<int, 3>;

Pixel pixel(const Picture& picture, std::size_t y, std::size_t x) {
  const std::uint8_t* at = &picture.pixels[(y * picture.width + x) * 3];
  return {at[0], at[1], at[2]};
}

TEST(HeatMap, HasThreePanelsWithBorders) {
  const std::vector<double> image{0, 51, 102, 153, 204, 255}, normal{1, 2, 3, 4, 5, 6}, nothing(6, 0.0);
  const Picture picture = heat_map({1, 2, 3}, image, normal, nothing);
  EXPECT_EQ(picture.height, 4U);
  EXPECT_EQ(picture.width, 13U);
  for (const std::size_t x : {0UL, 4UL, 8UL, 12UL}) EXPECT_EQ(pixel(picture, 1, x), (Pixel{128, 128, 128}));
  EXPECT_EQ(pixel(picture, 1, 2), (Pixel{51, 51, 51}));
  EXPECT_EQ(pixel(picture, 2, 3), (Pixel{255, 255, 255}));
  EXPECT_EQ(pixel(picture, 2, 5), (Pixel{4, 4, 4}));
  // Without contributions the image shines through faintly, its bright pixels darker.
  EXPECT_EQ(pixel(picture, 1, 9), (Pixel{255, 255, 255}));
  EXPECT_EQ(pixel(picture, 2, 11), (Pixel{191, 191, 191}));
}

TEST(HeatMap, RaisingPixelsAreRedLoweringOnesBlue) {
  const std::vector<double> black(4, 0.0), contributions{2, -2, 1, 0};
  const Picture picture = heat_map({1, 2, 2}, black, black, contributions);
  EXPECT_EQ(pixel(picture, 1, 7), (Pixel{178, 24, 43}));
  EXPECT_EQ(pixel(picture, 1, 8), (Pixel{33, 102, 172}));
  EXPECT_EQ(pixel(picture, 2, 7), (Pixel{217, 140, 149}));  // half way to white
  EXPECT_EQ(pixel(picture, 2, 8), (Pixel{255, 255, 255}));
}

TEST(HeatMap, ColoursAreKeptAndNaNIsNothing) {
  const std::vector<double> image{10, 20, 30}, normal{1, 2, 3};
  const std::vector<double> undefined{std::numeric_limits<double>::quiet_NaN()};
  const Picture picture = heat_map({3, 1, 1}, image, normal, undefined);
  EXPECT_EQ(pixel(picture, 1, 1), (Pixel{10, 20, 30}));
  EXPECT_EQ(pixel(picture, 1, 3), (Pixel{1, 2, 3}));
  EXPECT_EQ(pixel(picture, 1, 5), (Pixel{250, 250, 250}));
}

TEST(HeatMap, RefusesWhatDoesNotFit) {
  const std::vector<double> four(4), two(2);
  EXPECT_THAT(message_of<InvalidArgument>([&] {
                (void)heat_map({1, 2, 2}, four, two, four);
              }),
              HasSubstr("do not fit"));
  EXPECT_THROW((void)heat_map({4}, four, four, four), InvalidArgument);
  EXPECT_THROW((void)heat_map({2, 2, 1}, four, four, two), InvalidArgument);
}

TEST(HeatMap, FilesAreOneARowAndOneOfAll) {
  Explanations all;
  for (std::uint32_t row = 0; row < 20; ++row) {
    Explanation one;
    one.row = 3 * row;
    one.values = one.baseline = std::vector<double>(8 * 8, 100);
    one.contributions = std::vector<double>(8 * 8, 1);
    all.rows.push_back(one);
  }
  const std::vector<ReportFile> files = heat_map_files(all, {1, 8, 8});
  ASSERT_EQ(files.size(), 21U);
  EXPECT_EQ(files[1].name, "row-3.png");
  EXPECT_EQ(files.back().name, "heat-maps.png");
  all.rows.resize(1);
  EXPECT_EQ(heat_map_files(all, {1, 8, 8}).size(), 1U);
}

}  // namespace
}  // namespace deepsad
