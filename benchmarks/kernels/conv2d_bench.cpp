// Convolutions of the paper's networks, one group of 16 samples, one thread. FLOPs count only taps inside the
// map; Winograd's algorithm is given those of the direct one, so its share of the peak may pass 1.
#include "kernels/conv2d/conv2d.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/conv2d/conv2d_reference.h"
#include "kernels/patch_moments/patch_moments.h"
#include "kernels/winograd1d/winograd1d.h"
#include "support/kernel_bench.h"

namespace deepsad::benchmarks {
namespace {

using kernels::ConvShape;
using kernels::ConvWeights;
using kernels::kLanes;

struct Layer {
  std::string name;
  std::size_t in_channels, out_channels, size, padding;
  bool pooled = false;  // a batch norm and a max pool stand behind it
};

constexpr std::size_t kKernel = 5;  // of all networks
const std::vector<Layer> kLayers = {
    {"mnist_conv1", 1, 8, 28, 2, true}, {"mnist_conv2", 8, 4, 14, 2, true},
    {"mnist_deconv1", 2, 4, 4, 2},      {"mnist_deconv2", 4, 8, 8, 1},
    {"mnist_deconv3", 8, 1, 28, 2},     {"fashion_conv1", 1, 16, 28, 2, true},
    {"fashion_conv2", 16, 32, 14, 2},   {"fashion_deconv2", 32, 16, 14, 2},
    {"fashion_deconv3", 16, 1, 28, 2},  {"cifar_conv1", 3, 32, 32, 2, true},
    {"cifar_conv2", 32, 64, 16, 2},     {"cifar_conv3", 64, 128, 8, 2},
    {"cifar_deconv1", 8, 128, 4, 2},    {"cifar_deconv2", 128, 64, 8, 2},
    {"cifar_deconv3", 64, 32, 16, 2},   {"cifar_deconv4", 32, 3, 32, 2},
};

ConvShape shape_of(const Layer& layer) {
  const std::size_t out = layer.size + 2 * layer.padding + 1 - kKernel;
  return {.in_channels = layer.in_channels,
          .height = layer.size,
          .width = layer.size,
          .out_channels = layer.out_channels,
          .out_height = out,
          .out_width = out,
          .kernel = kKernel,
          .padding = layer.padding,
          .stride = 1};
}

/// Multiplications and additions for one group, taps in the padding left out.
double flops(const ConvShape& s) {
  std::size_t taps = 0;  // of one axis, over its outputs; the map is square
  for (std::size_t a = 0; a < s.kernel; ++a) {
    kernels::reference::for_each_valid(s.height, s.out_height, s, a,
                                       [&](std::size_t, std::size_t) { ++taps; });
  }
  return 2.0 * static_cast<double>(taps * taps * s.in_channels * s.out_channels * kLanes);
}

void check(const std::string& name, const float* got, const float* want, std::size_t n) {
  constexpr float kTolerance = 1e-4F;  // sums of up to 3200 terms below 1
  for (std::size_t i = 0; i < n; ++i) {
    if (!(std::abs(got[i] - want[i]) <= kTolerance * (10 + std::abs(want[i])))) {
      throw std::runtime_error(name + ": differs from the reference");
    }
  }
}

/// The kernels that pool and take moments, and that make the gradient of batch norm and pool themselves.
void register_pooled(const Layer& layer) {
  const ConvShape s = shape_of(layer);
  const std::size_t n_y = s.out_channels * s.out_height * s.out_width * kLanes;
  struct Data {
    AlignedBuffer<float> x, w, packed, y, pooled, dw, statistics, scratch;
    std::vector<std::uint8_t> winner;
    std::vector<double> mean, m2;
  };
  const auto data = std::make_shared<Data>();
  data->x = random_floats(s.in_channels * s.height * s.width * kLanes, 1);
  data->w = random_floats(s.in_channels * s.out_channels * s.kernel * s.kernel, 2);
  data->packed = AlignedBuffer<float>(kernels::winograd1d_packed_size(s));
  data->y = AlignedBuffer<float>(n_y);
  data->pooled = AlignedBuffer<float>(n_y / 4);
  data->dw = AlignedBuffer<float>(data->w.size());
  data->statistics = random_floats(s.out_channels, 3);
  data->winner.resize(n_y / 4);
  data->mean.resize(s.out_channels);
  data->m2.resize(s.out_channels);
  data->scratch = AlignedBuffer<float>(
      std::max(kernels::winograd1d_pool_scratch_size(s), kernels::winograd1d_unpool_scratch_size(s)));
  const auto forward = [s, data] {
    kernels::winograd1d_forward_pool(s, data->x.data(), data->packed.data(),
                                     {data->y.data(), data->pooled.data(), data->winner.data(), kLanes,
                                      data->mean.data(), data->m2.data()},
                                     data->scratch.data());
  };
  const auto prepare = [=] {
    kernels::winograd1d_pack(s, ConvWeights::as_is, data->w.data(), data->packed.data());
    forward();
  };
  register_kernel("winograd1d_forward_pool/" + layer.name, flops(s), 0, forward, prepare);
  const float* statistics = data->statistics.data();
  const auto backward = [=](const float* y) {
    kernels::winograd1d_weight_gradient_unpool(
        s, data->x.data(),
        {y, data->pooled.data(), data->winner.data(), statistics, statistics, statistics, statistics, kLanes},
        data->dw.data(), data->scratch.data());
  };
  register_kernel(
      "winograd1d_weight_gradient_unpool/" + layer.name, flops(s), 0, [=] { backward(data->y.data()); },
      prepare);
  if (!kernels::patch_moments_serve(s)) return;
  register_kernel(
      "winograd1d_weight_gradient_unpool_without_output/" + layer.name, flops(s), 0,
      [=] { backward(nullptr); }, prepare);
  struct Moments {
    AlignedBuffer<float> rows, scratch;
    AlignedBuffer<double> sums;
  };
  const std::size_t size = kernels::patch_moments_size(s);
  const auto moments = std::make_shared<Moments>();
  moments->rows = AlignedBuffer<float>(kLanes * size);
  moments->scratch = AlignedBuffer<float>(kernels::patch_moments_scratch_size(s));
  moments->sums = AlignedBuffer<double>(size);
  register_kernel("patch_moments_of_group/" + layer.name, flops(s), 0, [s, data, moments] {
    kernels::patch_moments_of_group(s, data->x.data(), kLanes, moments->sums.data(), moments->scratch.data());
  });
  register_kernel("patch_moments_of_samples/" + layer.name, flops(s), 0, [s, data, moments] {
    kernels::patch_moments_of_samples(s, data->x.data(), kLanes, moments->rows.data(),
                                      moments->scratch.data());
  });
  register_kernel("sum_of_rows/" + layer.name, 0, static_cast<double>(kLanes * size * sizeof(float)), [=] {
    constexpr std::uint32_t kRows[kLanes] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    kernels::sum_of_rows(size, moments->rows.data(), kRows, kLanes, moments->sums.data());
  });
}

void register_layer(const Layer& layer) {
  const ConvShape s = shape_of(layer);
  const std::size_t n_w = s.in_channels * s.out_channels * s.kernel * s.kernel;
  const std::size_t n_y = s.out_channels * s.out_height * s.out_width * kLanes;
  struct Data {
    AlignedBuffer<float> x, w, packed, y, dy, dw, expected, transformed, scratch;
  };
  const auto data = std::make_shared<Data>();
  data->x = random_floats(s.in_channels * s.height * s.width * kLanes, 1);
  data->w = random_floats(n_w, 2);
  data->dy = random_floats(n_y, 3);
  data->packed = AlignedBuffer<float>(kernels::conv2d_packed_size(s));
  data->y = AlignedBuffer<float>(n_y);
  data->dw = AlignedBuffer<float>(n_w);
  data->expected = AlignedBuffer<float>(std::max(n_y, n_w));
  const auto forward = [s, data] {
    kernels::conv2d_forward(s, data->x.data(), data->packed.data(), data->y.data());
  };
  register_kernel("conv2d_forward/" + layer.name, flops(s), 0, forward, [=] {
    kernels::reference::conv2d_forward(s, data->x.data(), data->w.data(), data->expected.data());
    kernels::conv2d_pack(s, ConvWeights::as_is, data->w.data(), data->packed.data());
    forward();
    check(layer.name, data->y.data(), data->expected.data(), n_y);
  });
  const auto weights = [s, data] {
    kernels::conv2d_weight_gradient(s, data->x.data(), data->dy.data(), data->dw.data());
  };
  register_kernel("conv2d_weight_gradient/" + layer.name, flops(s), 0, weights, [=] {
    data->expected.resize(n_w);
    kernels::reference::conv2d_weight_gradient(s, data->x.data(), data->dy.data(), data->expected.data());
    data->dw.resize(n_w);
    weights();
    check(layer.name, data->dw.data(), data->expected.data(), n_w);
    data->expected.resize(std::max(n_y, n_w));
  });

  data->transformed = AlignedBuffer<float>(kernels::winograd1d_packed_size(s));
  data->scratch = AlignedBuffer<float>(
      std::max(kernels::winograd1d_forward_scratch_size(s), kernels::winograd1d_gradient_scratch_size(s)));
  const auto winograd = [s, data] {
    kernels::winograd1d_forward(s, data->x.data(), data->transformed.data(), data->y.data(),
                                data->scratch.data());
  };
  register_kernel("winograd1d_forward/" + layer.name, flops(s), 0, winograd, [=] {
    kernels::reference::conv2d_forward(s, data->x.data(), data->w.data(), data->expected.data());
    kernels::winograd1d_pack(s, ConvWeights::as_is, data->w.data(), data->transformed.data());
    winograd();
    check(layer.name, data->y.data(), data->expected.data(), n_y);
  });
  register_kernel("winograd1d_weight_gradient/" + layer.name, flops(s), 0, [s, data] {
    kernels::winograd1d_weight_gradient(s, data->x.data(), data->dy.data(), data->dw.data(),
                                        data->scratch.data());
  });
  if (layer.pooled) register_pooled(layer);
}

// The data gradient of a stride-1 layer is the forward kernel with the channels swapped: the mirrored layers
// above.
const bool registered = [] {
  for (const Layer& layer : kLayers) register_layer(layer);
  return true;
}();

}  // namespace
}  // namespace deepsad::benchmarks
