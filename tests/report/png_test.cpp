#include "deepsad/report/png.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <png.h>

#include <string>
#include <vector>

#include "deepsad/core/error.h"
#include "support/files.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

// The pixels of a PNG file as libpng's reader sees them, as RGB.
Picture decode_rgb(const std::vector<std::uint8_t>& bytes) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  EXPECT_NE(png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()), 0) << image.message;
  image.format = PNG_FORMAT_RGB;
  Picture picture{image.height, image.width, 3, std::vector<std::uint8_t>(PNG_IMAGE_SIZE(image))};
  EXPECT_NE(png_image_finish_read(&image, nullptr, picture.pixels.data(), 0, nullptr), 0) << image.message;
  return picture;
}

// Every value occurs, and no row or channel looks like another.
Picture pattern(std::size_t height, std::size_t width, std::size_t channels) {
  Picture picture{height, width, channels, {}};
  for (std::size_t i = 0; i < height * width * channels; ++i) {
    picture.pixels.push_back(static_cast<std::uint8_t>(i * 37 + i / 256));
  }
  return picture;
}

TEST(Png, KeepsEveryPixel) {
  const Picture color = pattern(31, 17, 3);
  EXPECT_EQ(decode_rgb(encode_png(color)), color);
  const Picture grey = pattern(5, 64, 1);
  const Picture seen = decode_rgb(encode_png(grey));
  ASSERT_EQ(seen.pixels.size(), 3 * grey.pixels.size());
  for (std::size_t i = 0; i < seen.pixels.size(); ++i) ASSERT_EQ(seen.pixels[i], grey.pixels[i / 3]) << i;
  EXPECT_EQ(decode_rgb(encode_png({1, 1, 3, {1, 2, 3}})), (Picture{1, 1, 3, {1, 2, 3}}));
}

TEST(Png, TheHeaderIsThatOfThePicture) {
  // Signature, then the header chunk: width and height big-endian, 8 bits, colour type 0 (grey) or 2 (RGB).
  const std::vector<std::uint8_t> grey = encode_png(pattern(3, 300, 1));
  const std::vector<std::uint8_t> wanted = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0,
                                            0,    13,  'I', 'H', 'D',  'R',  0,    0,    1, 44,
                                            0,    0,   0,   3,   8,    0,    0,    0,    0};
  ASSERT_GT(grey.size(), wanted.size());
  EXPECT_TRUE(std::equal(wanted.begin(), wanted.end(), grey.begin()));
  EXPECT_EQ(encode_png(pattern(3, 300, 3))[25], 2);
}

TEST(Png, SamePictureSameBytes) {
  EXPECT_EQ(encode_png(pattern(40, 40, 3)), encode_png(pattern(40, 40, 3)));
}

TEST(Png, RefusesWhatIsNoPicture) {
  const auto refuse = [](const Picture& picture) {
    return message_of<InvalidArgument>([&] { (void)encode_png(picture); });
  };
  EXPECT_THAT(refuse({}), HasSubstr("0 x 0 pixels"));
  EXPECT_THAT(refuse({2, 2, 3, std::vector<std::uint8_t>(11)}),
              HasSubstr("11 pixel values for a picture of 2 x 2"));
  EXPECT_THAT(refuse({2, 2, 4, std::vector<std::uint8_t>(16)}), HasSubstr("4 channels"));
  EXPECT_THAT(refuse({1, 1000001, 1, std::vector<std::uint8_t>(1000001)}), HasSubstr("1000001 pixels"));
}

TEST(Png, EnlargeRepeatsPixels) {
  const Picture small{2, 2, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};
  const Picture large = enlarge(small, 3);
  EXPECT_EQ(large.height, 6U);
  EXPECT_EQ(large.width, 6U);
  for (std::size_t y = 0; y < 6; ++y) {
    for (std::size_t x = 0; x < 6; ++x) {
      for (std::size_t c = 0; c < 3; ++c) {
        ASSERT_EQ(large.pixels[(y * 6 + x) * 3 + c], small.pixels[(y / 3 * 2 + x / 3) * 3 + c]);
      }
    }
  }
  EXPECT_EQ(enlarge(small, 1), small);
  EXPECT_THAT(message_of<InvalidArgument>([&] { (void)enlarge(small, 0); }), HasSubstr("factor is 0"));
}

}  // namespace
}  // namespace deepsad
