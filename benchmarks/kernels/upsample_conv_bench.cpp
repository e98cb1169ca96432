// Upsampling + convolution of the paper's decoders, one group of 16 samples, one thread. FLOPs count the
// folded products, those in the padding included.
#include "kernels/upsample_conv/upsample_conv.h"

#include <cstddef>
#include <memory>
#include <string>

#include "support/kernel_bench.h"

namespace deepsad::benchmarks {
namespace {

using kernels::ConvWeights;
using kernels::kLanes;
using kernels::UpsampleConvShape;

void register_layer(const std::string& name, std::size_t in_channels, std::size_t out_channels,
                    std::size_t size, std::size_t padding) {
  constexpr std::size_t kKernel = 5;
  const std::size_t out = 2 * size + 2 * padding + 1 - kKernel;
  const UpsampleConvShape s{in_channels, size, size, out_channels, out, out, kKernel, padding};
  struct Data {
    AlignedBuffer<float> x, w, forward, backward, y, dx, dw, scratch;
  };
  const auto data = std::make_shared<Data>();
  data->x = random_floats(in_channels * size * size * kLanes, 1);
  data->w = random_floats(in_channels * out_channels * kKernel * kKernel, 2);
  data->y = random_floats(out_channels * out * out * kLanes, 3);
  data->dx = AlignedBuffer<float>(data->x.size());
  data->dw = AlignedBuffer<float>(data->w.size());
  const std::size_t packed = kernels::upsample_conv_packed_size(s);
  for (auto* buffer : {&data->forward, &data->backward, &data->scratch})
    *buffer = AlignedBuffer<float>(packed);
  const double taps = (kKernel + 1) / 2 * ((kKernel + 1) / 2);
  const double flops = 2 * taps * static_cast<double>(in_channels * out_channels * out * out * kLanes);
  const auto pack = [=] {
    kernels::upsample_conv_pack(s, ConvWeights::as_is, data->w.data(), data->forward.data(),
                                data->backward.data());
  };
  register_kernel(
      "upsample_conv_forward/" + name, flops, 0,
      [=] { kernels::upsample_conv_forward(s, data->x.data(), data->forward.data(), data->y.data()); }, pack);
  register_kernel(
      "upsample_conv_data_gradient/" + name, flops, 0,
      [=] {
        kernels::upsample_conv_data_gradient(s, data->y.data(), data->backward.data(), data->dx.data());
      },
      pack);
  register_kernel("upsample_conv_weight_gradient/" + name, flops, 0, [=] {
    kernels::upsample_conv_weight_gradient(s, ConvWeights::as_is, data->x.data(), data->y.data(),
                                           data->dw.data(), data->scratch.data());
  });
  register_kernel("upsample_conv_pack/" + name, 0, static_cast<double>(2 * packed * sizeof(float)), pack);
}

const bool registered = [] {
  register_layer("mnist_deconv1", 2, 4, 4, 2);
  register_layer("mnist_deconv2", 4, 8, 8, 1);
  register_layer("mnist_deconv3", 8, 1, 14, 2);
  register_layer("fashion_deconv3", 16, 1, 14, 2);
  return true;
}();

}  // namespace
}  // namespace deepsad::benchmarks
