// Winograd convolutions of the paper's networks, one group of 16 samples, one thread. FLOPs count the
// products at the points of the transforms alone, so "peak" is the share that transforms and waiting leave of
// the machine.
#include "kernels/winograd2d/winograd2d.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "support/kernel_bench.h"

namespace deepsad::benchmarks {
namespace {

using kernels::ConvShape;
using kernels::ConvWeights;
using kernels::kLanes;
using kernels::WinogradShape;

struct Layer {
  std::string name;
  std::size_t in_channels, out_channels, size, padding;  // size: of the map that the kernel sees
  bool upsampled;
};

constexpr std::size_t kKernel = 5;  // of all networks
const std::vector<Layer> kLayers = {
    {"fashion_conv2", 16, 32, 14, 2, false},  {"fashion_deconv1", 8, 32, 8, 2, true},
    {"fashion_deconv2", 32, 16, 16, 1, true}, {"cifar_conv1", 3, 32, 32, 2, false},
    {"cifar_conv2", 32, 64, 16, 2, false},    {"cifar_conv3", 64, 128, 8, 2, false},
    {"cifar_deconv1", 8, 128, 4, 2, false},   {"cifar_deconv2", 128, 64, 8, 2, true},
    {"cifar_deconv3", 64, 32, 16, 2, true},   {"cifar_deconv4", 32, 3, 32, 2, true},
};

WinogradShape shape_of(const Layer& layer) {
  const std::size_t out = layer.size + 2 * layer.padding + 1 - kKernel;
  return {.conv = {.in_channels = layer.in_channels,
                   .height = layer.size,
                   .width = layer.size,
                   .out_channels = layer.out_channels,
                   .out_height = out,
                   .out_width = out,
                   .kernel = kKernel,
                   .padding = layer.padding,
                   .stride = 1},
          .upsampled = layer.upsampled};
}

double flops(const WinogradShape& shape) {
  const std::size_t axis = shape.upsampled ? 6 : 8, phases = shape.upsampled ? 4 : 1;
  const std::size_t grid = shape.upsampled ? shape.conv.height / 2 : shape.conv.out_height;
  const std::size_t tiles = (grid + 3) / 4;
  return 2.0 * static_cast<double>(axis * axis * tiles * tiles * shape.conv.in_channels *
                                   shape.conv.out_channels * phases * kLanes);
}

void register_layer(const Layer& layer) {
  const WinogradShape s = shape_of(layer);
  const ConvShape& c = s.conv;
  struct Data {
    AlignedBuffer<float> x, w, packed, y, dx, dw, partials, scratch;
  };
  const auto data = std::make_shared<Data>();
  data->x = random_floats(c.in_channels * c.height * c.width / (s.upsampled ? 4 : 1) * kLanes, 1);
  data->dx = AlignedBuffer<float>(data->x.size());
  data->w = random_floats(c.in_channels * c.out_channels * c.kernel * c.kernel, 2);
  data->dw = AlignedBuffer<float>(data->w.size());
  constexpr std::size_t kPartials = 8;  // of a batch of 128
  data->partials = AlignedBuffer<float>(kPartials * kernels::winograd2d_partial_size(s));
  data->y = random_floats(c.out_channels * c.out_height * c.out_width * kLanes, 3);
  data->packed = AlignedBuffer<float>(
      std::max(kernels::winograd2d_forward_size(s), kernels::winograd2d_backward_size(s)));
  data->scratch = AlignedBuffer<float>(kernels::winograd2d_scratch_size(s, true));
  register_kernel(
      "winograd2d_forward/" + layer.name, flops(s), 0,
      [s, data] {
        kernels::winograd2d_forward(s, data->x.data(), data->packed.data(), data->y.data(),
                                    data->scratch.data());
      },
      [s, data] {
        kernels::winograd2d_pack_forward(s, ConvWeights::as_is, data->w.data(), data->packed.data());
      });
  register_kernel(
      "winograd2d_data_gradient/" + layer.name, flops(s), 0,
      [s, data] {
        kernels::winograd2d_data_gradient(s, data->y.data(), data->packed.data(), data->dx.data(),
                                          data->scratch.data());
      },
      [s, data] {
        kernels::winograd2d_pack_backward(s, ConvWeights::as_is, data->w.data(), data->packed.data());
      });
  register_kernel("winograd2d_weight_gradient/" + layer.name, flops(s), 0, [s, data] {
    kernels::winograd2d_weight_gradient(s, data->x.data(), data->y.data(), data->partials.data(), false,
                                        data->scratch.data());
  });
  const std::size_t partial = kernels::winograd2d_partial_size(s);
  register_kernel("winograd2d_sum_gradients/" + layer.name, 0,
                  static_cast<double>(kPartials * partial * sizeof(float)), [s, data, partial] {
                    kernels::winograd2d_sum_gradients(
                        s, ConvWeights::as_is,
                        kernels::WinogradPartials<float>{data->partials.data(), partial, kPartials}, 0,
                        s.conv.in_channels, data->dw.data());
                  });
  register_kernel("winograd2d_pack_forward/" + layer.name, 0,
                  static_cast<double>(data->w.size() * sizeof(float)), [s, data] {
                    kernels::winograd2d_pack_forward(s, ConvWeights::as_is, data->w.data(),
                                                     data->packed.data());
                  });
}

const bool registered = [] {
  for (const Layer& layer : kLayers) register_layer(layer);
  return true;
}();

}  // namespace
}  // namespace deepsad::benchmarks
