// 2x2 max pooling (stride 2, odd last row/column dropped, as in PyTorch) and nearest-neighbour upsampling
// by 2.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/layout.h"

namespace deepsad::kernels {

/// y [channels][height/2][width/2][16] = maximum of each 2x2 window; winner (same shape, one byte a lane) =
/// position of the first maximum in the order (0,0) (0,1) (1,0) (1,1), so ties are routed to one point. NaN
/// wins over numbers.
void max_pool_forward(std::size_t channels, std::size_t height, std::size_t width, const float* x, float* y,
                      std::uint8_t* winner) noexcept;
void max_pool_forward(std::size_t channels, std::size_t height, std::size_t width, const double* x, double* y,
                      std::uint8_t* winner) noexcept;
/// dx <- dy at the winners, 0 elsewhere.
void max_pool_backward(std::size_t channels, std::size_t height, std::size_t width, const float* dy,
                       const std::uint8_t* winner, float* dx) noexcept;
void max_pool_backward(std::size_t channels, std::size_t height, std::size_t width, const double* dy,
                       const std::uint8_t* winner, double* dx) noexcept;

/// y [channels][2 height][2 width][16]: y[i][j] = x[i/2][j/2].
void upsample_forward(std::size_t channels, std::size_t height, std::size_t width, const float* x,
                      float* y) noexcept;
void upsample_forward(std::size_t channels, std::size_t height, std::size_t width, const double* x,
                      double* y) noexcept;
/// dx[i][j] = dy[2i][2j] + dy[2i][2j+1] + dy[2i+1][2j] + dy[2i+1][2j+1].
void upsample_backward(std::size_t channels, std::size_t height, std::size_t width, const float* dy,
                       float* dx) noexcept;
void upsample_backward(std::size_t channels, std::size_t height, std::size_t width, const double* dy,
                       double* dx) noexcept;

}  // namespace deepsad::kernels
