#include "deepsad/data/image_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <turbojpeg.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/data/file_formats.h"
#include "deepsad/report/png.h"
#include "support/files.h"

namespace deepsad {
namespace {

using testing::Bytes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using ::testing::StartsWith;
using testing::TempDir;
using testing::write_file;

Bytes png(std::size_t height, std::size_t width, std::size_t channels, std::vector<std::uint8_t> pixels) {
  return encode_png({height, width, channels, std::move(pixels)});
}

// One colour everywhere, which JPEG keeps but for its rounding.
Bytes jpeg(int height, int width, std::array<std::uint8_t, 3> color) {
  std::vector<std::uint8_t> pixels;
  for (int p = 0; p < height * width; ++p) pixels.insert(pixels.end(), color.begin(), color.end());
  unsigned char* bytes = nullptr;
  unsigned long n = 0;
  const tjhandle handle = tjInitCompress();
  if (tjCompress2(handle, pixels.data(), width, 0, height, TJPF_RGB, &bytes, &n, TJSAMP_444, 100, 0) != 0)
    throw std::runtime_error(tjGetErrorStr2(handle));
  Bytes result(bytes, bytes + n);
  tjFree(bytes);
  tjDestroy(handle);
  return result;
}

const Bytes& bytes_of(const Dataset& data) {
  return std::get<Bytes>(data.values);
}

class ImageFolder : public ::testing::Test {
 protected:
  void write(const std::string& name, const Bytes& bytes) const { write_file(dir_.at(name), bytes); }
  std::string error(const ImageOptions& options = {}) const {
    return message_of<DataError>([&] { static_cast<void>(read_image_folder(dir_.path(), options)); });
  }
  TempDir dir_;
};

TEST(ImageFile, ADecodedPngIsWhatWasEncoded) {
  const Image grey = decode_image(png(2, 3, 1, {0, 50, 100, 150, 200, 255}), "a.png");
  EXPECT_EQ(grey.height, 2U);
  EXPECT_EQ(grey.width, 3U);
  EXPECT_EQ(grey.channels, 1U);
  EXPECT_THAT(grey.pixels, ElementsAre(0, 50, 100, 150, 200, 255));
  const Image color = decode_image(png(1, 2, 3, {1, 2, 3, 4, 5, 6}), "a.png");
  EXPECT_EQ(color.channels, 3U);
  EXPECT_THAT(color.pixels, ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(ImageFile, ADecodedJpegIsNearWhatWasEncoded) {
  const Image image = decode_image(jpeg(9, 17, {200, 100, 50}), "a.jpg");
  EXPECT_EQ(image.height, 9U);
  EXPECT_EQ(image.width, 17U);
  ASSERT_EQ(image.channels, 3U);
  for (std::size_t p = 0; p < image.pixels.size(); ++p)
    EXPECT_NEAR(image.pixels[p], (std::array{200, 100, 50})[p % 3], 2);
}

TEST(ImageFile, ResizingIsTheTriangleFilter) {
  std::ifstream in(IMAGE_VALUES);  // tests/golden/image_values.py computes them in exact fractions
  ASSERT_TRUE(in);
  const nlohmann::json values = nlohmann::json::parse(in);
  const Image image{values.at("height"), values.at("width"), 1, values.at("pixels").get<Bytes>()};
  for (const auto& wanted : values.at("resized")) {
    const Image resized = resize_image(image, wanted.at("height"), wanted.at("width"));
    EXPECT_EQ(resized.pixels, wanted.at("pixels").get<Bytes>()) << wanted.at("height");
  }
  EXPECT_EQ(resize_image(image, image.height, image.width).pixels, image.pixels);
  EXPECT_EQ(resize_image({2, 1, 3, {1, 2, 3, 5, 6, 7}}, 1, 1).pixels, (Bytes{3, 4, 5}));
}

TEST(ImageFile, GreyIsTheLumaOfBt601) {
  // 0.299 R + 0.587 G + 0.114 B
  EXPECT_THAT(
      convert_color({1, 4, 3, {255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30}}, ImageColor::grey).pixels,
      ElementsAre(76, 150, 29, 18));
  EXPECT_THAT(convert_color({1, 1, 1, {7}}, ImageColor::rgb).pixels, ElementsAre(7, 7, 7));
}

TEST(ImageFile, EveryTruncationIsRefused) {
  for (const Bytes& whole : {png(4, 4, 3, Bytes(48, 99)), jpeg(8, 8, {10, 200, 30})}) {
    for (std::size_t n = 0; n + 2 < whole.size(); ++n) {
      // A JPEG whose end marker alone is missing, and a PNG without its empty last chunk, are whole images.
      if (n + 13 > whole.size()) break;
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
      EXPECT_THAT(message_of<DataError>([&] { static_cast<void>(decode_image(cut, "x.img")); }),
                  StartsWith("x.img: "))
          << n;
    }
  }
}

TEST_F(ImageFolder, SamplesAreInTheOrderOfTheirNames) {
  write("b.PNG", png(1, 2, 1, {3, 4}));
  write("a.png", png(1, 2, 1, {1, 2}));
  write("notes.txt", {1, 2, 3});
  write(".hidden.png", {1, 2, 3});
  std::vector<std::string> names;
  const Dataset data = read_image_folder(dir_.path(), {}, &names);
  EXPECT_THAT(data.sample_shape, ElementsAre(1, 1, 2));
  EXPECT_THAT(bytes_of(data), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(names, ElementsAre("a.png", "b.PNG"));
  EXPECT_TRUE(data.classes.empty());
  // One image of colour makes all of them RGB, planes one after the other.
  write("c.png", png(1, 2, 3, {5, 6, 7, 8, 9, 10}));
  const Dataset color = read_samples(dir_.path());
  EXPECT_THAT(color.sample_shape, ElementsAre(3, 1, 2));
  EXPECT_THAT(bytes_of(color), ElementsAre(1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4, 5, 8, 6, 9, 7, 10));
  EXPECT_THAT(read_image_folder(dir_.path(), {.color = ImageColor::grey}).sample_shape, ElementsAre(1, 1, 2));
}

TEST_F(ImageFolder, SubfoldersAreClasses) {
  write("good/1.png", png(1, 1, 1, {1}));
  write("broken/2.png", png(1, 1, 1, {2}));
  write("broken/3.png", png(1, 1, 1, {3}));
  write("empty/readme.md", {});
  const Dataset data = read_samples(dir_.path());
  EXPECT_THAT(data.class_names, ElementsAre("broken", "good"));
  EXPECT_THAT(data.classes, ElementsAre(0, 0, 1));
  EXPECT_THAT(bytes_of(data), ElementsAre(2, 3, 1));
  write("4.png", png(1, 1, 1, {4}));
  EXPECT_THAT(error(), HasSubstr("holds images and, in broken, more images"));
}

TEST_F(ImageFolder, ImagesOfAnotherSizeAreFittedOnRequestOnly) {
  write("a.png", png(2, 2, 1, {1, 1, 1, 1}));
  write("b.png", png(2, 4, 1, {0, 100, 200, 50, 0, 100, 200, 50}));
  EXPECT_EQ(error(), dir_.at("b.png") +
                         ": found 4 x 2 pixels, wanted 2 x 2; images are resized or cropped on request");
  EXPECT_THAT(bytes_of(read_image_folder(dir_.path(), {.height = 2, .width = 2, .fit = ImageFit::crop})),
              ElementsAre(1, 1, 1, 1, 100, 200, 100, 200));
  EXPECT_THAT(bytes_of(read_image_folder(dir_.path(), {.height = 1, .width = 1, .fit = ImageFit::stretch})),
              ElementsAre(1, 98));  // weights 5, 7, 7, 5 of 24: the triangle at 0.5 and 1.5 of 4 pixels
  EXPECT_THAT(message_of<InvalidArgument>(
                  [&] { static_cast<void>(read_image_folder(dir_.path(), {.fit = ImageFit::crop})); }),
              HasSubstr("to which size?"));
}

TEST_F(ImageFolder, AllBrokenImagesAreNamed) {
  write("a.png", png(1, 1, 1, {1}));
  write("b.jpg", jpeg(8, 8, {1, 2, 3}));
  write("c.png", {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0});
  write("d.jpg", {0xff, 0xd8, 0xff, 0xe0});
  write("e.jpg", {});
  const std::string message = error({.height = 8, .width = 8, .fit = ImageFit::stretch});
  EXPECT_THAT(message, HasSubstr(dir_.at("c.png") + ": damaged PNG image: "));
  EXPECT_THAT(message, HasSubstr(dir_.at("d.jpg") + ": damaged JPEG image: "));
  EXPECT_THAT(message, HasSubstr(dir_.at("e.jpg") + ": is neither a PNG nor a JPEG image"));
  EXPECT_THAT(message, HasSubstr("3 of 5 images cannot be read"));
}

TEST_F(ImageFolder, AFolderWithoutImagesIsRefused) {
  write("notes.txt", {1});
  EXPECT_THAT(error(), HasSubstr("holds no image (.png, .jpg or .jpeg), nor does a subfolder"));
}

TEST_F(ImageFolder, OneImageIsOneSample) {
  write("a.png", png(1, 2, 1, {8, 9}));
  EXPECT_THAT(bytes_of(read_samples(dir_.at("a.png"))), ElementsAre(8, 9));
}

}  // namespace
}  // namespace deepsad
