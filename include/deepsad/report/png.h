// 8-bit pictures and their PNG files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace deepsad {

/// A picture: height x width pixels, row-major from the top left, the channels of a pixel side by side.
struct Picture {
  std::size_t height = 0;
  std::size_t width = 0;
  std::size_t channels = 3;          ///< 1 grey, 3 red-green-blue
  std::vector<std::uint8_t> pixels;  ///< height * width * channels values

  bool operator==(const Picture&) const = default;
};

/// The bytes of a PNG file (ISO/IEC 15948) of exactly these pixels: 8 bits a channel, lossless. The same
/// picture gives the same bytes.
/// @throws InvalidArgument if the picture is empty, has other than 1 or 3 channels, the wrong number of pixel
/// values, or is larger than a PNG file can be (1,000,000 pixels in one direction)
[[nodiscard]] std::vector<std::uint8_t> encode_png(const Picture& picture);

/// Every pixel as a square of factor x factor pixels. @throws InvalidArgument if factor is 0
[[nodiscard]] Picture enlarge(const Picture& picture, std::size_t factor);

}  // namespace deepsad
