// PNG and JPEG images as samples, one by one or a folder of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "deepsad/data/dataset.h"

namespace deepsad {

/// 8-bit pixels, row-major, channels last (1 grey or 3 RGB).
struct Image {
  std::size_t height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> pixels;
};

enum class ImageColor {
  automatic,  ///< grey if all images are grey, else RGB
  grey,       ///< 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601)
  rgb
};

/// How an image of another size gets the wanted one.
enum class ImageFit {
  exact,    ///< not at all: it is an error
  stretch,  ///< both sides are resized
  crop      ///< the largest middle part of the wanted proportions is cut out, then resized
};

struct ImageOptions {
  std::size_t height = 0, width = 0;  ///< both 0: the size of the first image
  ImageColor color = ImageColor::automatic;
  ImageFit fit = ImageFit::exact;
};

/// Decodes a PNG (any bit depth, palettes; an alpha channel is dropped) or a JPEG (grey or colour, baseline
/// or progressive; an orientation in its EXIF part has no effect). Grey files give one channel, others three.
/// @param name the file's name, for messages
/// @throws DataError if it is neither, is damaged or cut, is a CMYK JPEG, or has more than 2^28 pixels
[[nodiscard]] Image decode_image(std::span<const std::uint8_t> bytes, const std::string& name);

/// Bilinear interpolation; where the image shrinks, the triangle widens with the scale, so that every pixel
/// of the source counts (as Pillow's BILINEAR filter). Each side is resized by itself, across first, and
/// rounded once at the end of each. @throws InvalidArgument if a side is 0
[[nodiscard]] Image resize_image(const Image& image, std::size_t height, std::size_t width);

/// The image with one or three channels. @throws InvalidArgument for ImageColor::automatic
[[nodiscard]] Image convert_color(const Image& image, ImageColor color);

/// Whether a file that starts with these bytes is a PNG or a JPEG.
[[nodiscard]] bool looks_like_image(const std::uint8_t* first_bytes, std::size_t n);

/// The files .png, .jpg and .jpeg (in any letter case) of a folder in the order of their names as n samples
/// of shape {C, H, W}. If they lie in subfolders instead, these are the classes, in the order of their names.
/// Other files, and names that begin with a dot, are passed over. @param names if given, gets the path of
/// each sample within the folder
/// @throws DataError naming the paths of all broken images (ten at most), or the first of another size; if
/// there are no images, or images beside subfolders with images
[[nodiscard]] Dataset read_image_folder(const std::string& path, const ImageOptions& options = {},
                                        std::vector<std::string>* names = nullptr);

/// One image as a Dataset of one sample.
[[nodiscard]] Dataset read_image_file(std::span<const std::uint8_t> bytes, const std::string& name,
                                      const ImageOptions& options = {});

}  // namespace deepsad
