// Shapes of convolutions in tests, and what they are called in messages.
#pragma once

#include <cstddef>
#include <string>

#include "kernels/conv2d/conv2d.h"

namespace deepsad::kernels::test {

inline ConvShape conv_shape(std::size_t in_channels, std::size_t out_channels, std::size_t height,
                            std::size_t width, std::size_t kernel, std::size_t padding, std::size_t stride) {
  const auto output_size = [&](std::size_t n) { return (n + 2 * padding - kernel) / stride + 1; };
  return {.in_channels = in_channels,
          .height = height,
          .width = width,
          .out_channels = out_channels,
          .out_height = output_size(height),
          .out_width = output_size(width),
          .kernel = kernel,
          .padding = padding,
          .stride = stride};
}

inline std::string describe(const ConvShape& s) {
  return "channels " + std::to_string(s.in_channels) + "->" + std::to_string(s.out_channels) + ", map " +
         std::to_string(s.height) + "x" + std::to_string(s.width) + ", kernel " + std::to_string(s.kernel) +
         ", padding " + std::to_string(s.padding) + ", stride " + std::to_string(s.stride);
}

}  // namespace deepsad::kernels::test
