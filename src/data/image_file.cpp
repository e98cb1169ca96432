#include "deepsad/data/image_file.h"

#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string_view>
#include <utility>

#include "data/turbojpeg_library.h"
#include "deepsad/core/error.h"

namespace deepsad {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kPngMagic = "\x89PNG\r\n\x1a\n"sv;
constexpr std::string_view kJpegMagic = "\xff\xd8\xff"sv;
// Beyond any detector's input, and a guard against small files that claim gigabytes.
constexpr std::uint64_t kMostPixels = std::uint64_t{1} << 28;

bool starts_with(std::span<const std::uint8_t> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin(),
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

void check_size(std::uint64_t height, std::uint64_t width, const std::string& name) {
  if (height == 0 || width == 0 || height > kMostPixels / width) {
    throw DataError(fmt::format("{}: an image of {} x {} pixels, wanted 1 to {} pixels", name, width, height,
                                kMostPixels));
  }
}

Image decode_png(std::span<const std::uint8_t> bytes, const std::string& name) {
  // libpng's simplified interface returns its errors instead of jumping out of them.
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  struct Guard {
    png_image* image;
    ~Guard() { png_image_free(image); }
  } const guard{&png};
  const auto fail = [&] {
    throw DataError(fmt::format("{}: damaged PNG image: {}", name, static_cast<const char*>(png.message)));
  };
  if (png_image_begin_read_from_memory(&png, bytes.data(), bytes.size()) == 0) fail();
  check_size(png.height, png.width, name);
  const bool color = (png.format & PNG_FORMAT_FLAG_COLOR) != 0,
             alpha = (png.format & PNG_FORMAT_FLAG_ALPHA) != 0;
  // With the alpha channel, so that libpng does not blend with a background; it is dropped below.
  png.format = color ? (alpha ? PNG_FORMAT_RGBA : PNG_FORMAT_RGB) : (alpha ? PNG_FORMAT_GA : PNG_FORMAT_GRAY);
  const std::size_t stored = PNG_IMAGE_PIXEL_CHANNELS(png.format);
  Image image{png.height, png.width, color ? std::size_t{3} : std::size_t{1}, {}};
  image.pixels.resize(image.height * image.width * stored);
  if (png_image_finish_read(&png, nullptr, image.pixels.data(), 0, nullptr) == 0) fail();
  if (alpha) {
    std::size_t kept = 0;
    for (std::size_t p = 0; p < image.height * image.width; ++p)
      for (std::size_t c = 0; c < image.channels; ++c) image.pixels[kept++] = image.pixels[p * stored + c];
    image.pixels.resize(kept);
  }
  return image;
}

Image decode_jpeg(std::span<const std::uint8_t> bytes, const std::string& name) {
  const Turbojpeg& jpeg = turbojpeg();
  struct Destroy {
    void operator()(void* handle) const noexcept { turbojpeg().destroy(handle); }
  };
  const std::unique_ptr<void, Destroy> handle(jpeg.init_decompress());
  if (!handle) throw std::bad_alloc();
  const auto fail = [&] {
    throw DataError(fmt::format("{}: damaged JPEG image: {}", name, jpeg.error_string(handle.get())));
  };
  int width = 0, height = 0, subsampling = 0, colorspace = 0;
  const auto n = static_cast<unsigned long>(bytes.size());
  if (jpeg.decompress_header(handle.get(), bytes.data(), n, &width, &height, &subsampling, &colorspace) != 0)
    fail();
  if (width <= 0 || height <= 0)
    throw DataError(fmt::format("{}: damaged JPEG image: no picture in it", name));
  check_size(static_cast<std::uint64_t>(height), static_cast<std::uint64_t>(width), name);
  if (colorspace == TJCS_CMYK || colorspace == TJCS_YCCK) {
    throw DataError(fmt::format("{}: found a CMYK JPEG, wanted grey or RGB", name));
  }
  const bool grey = colorspace == TJCS_GRAY;
  Image image{static_cast<std::size_t>(height),
              static_cast<std::size_t>(width),
              grey ? std::size_t{1} : std::size_t{3},
              {}};
  image.pixels.resize(image.height * image.width * image.channels);
  // A warning (the file is cut, a code makes no sense) means pixels that are not the image's: an error here.
  if (jpeg.decompress(handle.get(), bytes.data(), n, image.pixels.data(), width, 0, height,
                      grey ? TJPF_GRAY : TJPF_RGB, TJFLAG_STOPONWARNING) != 0) {
    fail();
  }
  return image;
}

// The weights of the source pixels for one pixel of the result.
struct Taps {
  std::size_t first = 0;
  std::vector<double> weights;
};

std::vector<Taps> triangle_taps(std::size_t from, std::size_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double width = std::max(scale, 1.0);  // half of the triangle's base
  std::vector<Taps> all(to);
  for (std::size_t i = 0; i < to; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const double low = std::max(0.0, std::floor(center - width + 0.5));
    const double high = std::min(static_cast<double>(from), std::floor(center + width + 0.5));
    Taps& taps = all[i];
    taps.first = static_cast<std::size_t>(low);
    double sum = 0;
    for (double k = low; k < high; ++k) {
      const double weight = std::max(0.0, 1 - std::abs(k + 0.5 - center) / width);
      taps.weights.push_back(weight);
      sum += weight;
    }
    for (double& weight : taps.weights) weight /= sum;
  }
  return all;
}

// Halves go up, also those that the rounding of the weights has made a hair less.
std::uint8_t to_byte(double value) {
  constexpr double kHair = 1e-9;
  return static_cast<std::uint8_t>(std::clamp(std::floor(value + (0.5 + kHair)), 0.0, 255.0));
}

}  // namespace

bool looks_like_image(const std::uint8_t* first_bytes, std::size_t n) {
  const std::span bytes(first_bytes, n);
  return starts_with(bytes, kPngMagic) || starts_with(bytes, kJpegMagic);
}

Image decode_image(std::span<const std::uint8_t> bytes, const std::string& name) {
  if (starts_with(bytes, kPngMagic)) return decode_png(bytes, name);
  if (starts_with(bytes, kJpegMagic)) return decode_jpeg(bytes, name);
  throw DataError(fmt::format("{}: is neither a PNG nor a JPEG image", name));
}

Image resize_image(const Image& image, std::size_t height, std::size_t width) {
  if (height == 0 || width == 0 || image.height == 0 || image.width == 0) {
    throw InvalidArgument(fmt::format("[resize_image] from {} x {} to {} x {} pixels, wanted at least 1 x 1",
                                      image.width, image.height, width, height));
  }
  const std::size_t channels = image.channels;
  Image across{image.height, width, channels, {}};
  across.pixels.reserve(across.height * across.width * channels);
  const std::vector<Taps> columns = triangle_taps(image.width, width);
  for (std::size_t y = 0; y < image.height; ++y) {
    const std::uint8_t* const row = image.pixels.data() + y * image.width * channels;
    for (const Taps& taps : columns)
      for (std::size_t c = 0; c < channels; ++c) {
        double sum = 0;
        for (std::size_t k = 0; k < taps.weights.size(); ++k)
          sum += taps.weights[k] * row[(taps.first + k) * channels + c];
        across.pixels.push_back(to_byte(sum));
      }
  }
  Image result{height, width, channels, {}};
  result.pixels.reserve(height * width * channels);
  for (const Taps& taps : triangle_taps(image.height, height))
    for (std::size_t x = 0; x < width * channels; ++x) {
      double sum = 0;
      for (std::size_t k = 0; k < taps.weights.size(); ++k)
        sum += taps.weights[k] * across.pixels[(taps.first + k) * width * channels + x];
      result.pixels.push_back(to_byte(sum));
    }
  return result;
}

Image convert_color(const Image& image, ImageColor color) {
  if (color == ImageColor::automatic) throw InvalidArgument("[convert_color] wanted grey or rgb");
  const std::size_t channels = color == ImageColor::grey ? 1 : 3;
  if (image.channels == channels) return image;
  Image result{image.height, image.width, channels, {}};
  result.pixels.reserve(image.height * image.width * channels);
  for (std::size_t p = 0; p < image.height * image.width; ++p) {
    const std::uint8_t* const pixel = image.pixels.data() + p * image.channels;
    if (channels == 3) {
      result.pixels.insert(result.pixels.end(), 3, *pixel);
    } else {
      // In 16-bit fixed point, rounded: 65536 times the weights of BT.601.
      constexpr unsigned kRed = 19595, kGreen = 38470, kBlue = 7471, kHalf = 0x8000;
      result.pixels.push_back(
          static_cast<std::uint8_t>((kRed * pixel[0] + kGreen * pixel[1] + kBlue * pixel[2] + kHalf) >> 16));
    }
  }
  return result;
}

}  // namespace deepsad
