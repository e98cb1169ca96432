#include "deepsad/report/png.h"

#include <fmt/format.h>
#include <png.h>

#include <algorithm>

#include "deepsad/core/error.h"

namespace deepsad {
namespace {

constexpr std::size_t kMaxExtent = 1000000;  // libpng's own limit, and far beyond any use

void check(const Picture& picture) {
  const std::size_t c = picture.channels;
  const bool shape_ok = picture.height >= 1 && picture.height <= kMaxExtent && picture.width >= 1 &&
                        picture.width <= kMaxExtent && (c == 1 || c == 3);
  if (!shape_ok || picture.pixels.size() != picture.height * picture.width * c) {
    throw InvalidArgument(fmt::format("[png] {} pixel values for a picture of {} x {} pixels and {} channels",
                                      picture.pixels.size(), picture.height, picture.width, c));
  }
}

}  // namespace

std::vector<std::uint8_t> encode_png(const Picture& picture) {
  check(picture);
  // libpng's simplified interface returns its errors instead of jumping out of them.
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width);
  image.height = static_cast<png_uint_32>(picture.height);
  image.format = picture.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  // A quarter of the time for about the same size: filters of rows gain nothing on charts and enlarged
  // pixels.
  image.flags = PNG_IMAGE_FLAG_FAST;
  const auto row_stride = static_cast<png_int_32>(picture.width * picture.channels);

  // An upper bound, so that the picture is compressed once and not also to learn its size.
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::vector<std::uint8_t> bytes(size);
  const int ok =
      png_image_write_to_memory(&image, bytes.data(), &size, 0, picture.pixels.data(), row_stride, nullptr);
  if (ok == 0) throw Error(fmt::format("[png] cannot encode the picture: {}", image.message));
  bytes.resize(size);
  bytes.shrink_to_fit();
  return bytes;
}

Picture enlarge(const Picture& picture, std::size_t factor) {
  check(picture);
  if (factor == 0) throw InvalidArgument("[enlarge] factor is 0, wanted at least 1");
  Picture large{picture.height * factor, picture.width * factor, picture.channels, {}};
  large.pixels.reserve(picture.pixels.size() * factor * factor);
  for (std::size_t y = 0; y < large.height; ++y) {
    const std::uint8_t* row = picture.pixels.data() + y / factor * picture.width * picture.channels;
    for (std::size_t x = 0; x < large.width; ++x) {
      const std::uint8_t* pixel = row + x / factor * picture.channels;
      large.pixels.insert(large.pixels.end(), pixel, pixel + picture.channels);
    }
  }
  return large;
}

}  // namespace deepsad
