// Batch normalisation with its leaky ReLU, of one group of 16 samples of the paper's networks, one thread.
// Bytes: every tensor that has to be read or written, once.
#include "kernels/batch_norm/batch_norm.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/layout.h"
#include "support/kernel_bench.h"

namespace deepsad::benchmarks {
namespace {

using kernels::kLanes;

void register_layer(const std::string& name, std::size_t channels, std::size_t size) {
  struct Data {
    AlignedBuffer<float> x, y, g, mean, inv_std;
    std::vector<std::uint8_t> winner;
    std::vector<double> sums, more_sums;
  };
  const auto data = std::make_shared<Data>();
  const std::size_t plane = size * size, n = channels * plane * kLanes;
  data->x = random_floats(n, 1);
  data->y = random_floats(n, 2);
  data->g = random_floats(n, 3);
  data->mean = random_floats(channels, 4);
  data->inv_std = random_floats(channels, 5);
  data->sums.resize(channels);
  data->more_sums.resize(channels);
  const double bytes = static_cast<double>(n * sizeof(float));
  constexpr float kSlope = 0.01F;
  register_kernel("channel_moments/" + name, 0, bytes, [=] {
    kernels::channel_moments(channels, plane, kLanes, data->x.data(), data->sums.data(),
                             data->more_sums.data());
  });
  register_kernel("batch_norm_forward/" + name, 0, 2 * bytes, [=] {
    kernels::batch_norm_forward(channels, plane, data->x.data(), data->mean.data(), data->inv_std.data(),
                                kSlope, data->y.data());
  });
  register_kernel("batch_norm_backward_sums/" + name, 0, 3 * bytes, [=] {
    // A slope of 1 leaves the gradient, which is written over, as it is.
    kernels::batch_norm_backward_sums(channels, plane, kLanes, data->x.data(), data->mean.data(),
                                      data->inv_std.data(), 1, data->g.data(), data->sums.data(),
                                      data->more_sums.data());
  });
  register_kernel("batch_norm_backward/" + name, 0, 3 * bytes, [=] {
    kernels::batch_norm_backward(channels, plane, kLanes, data->x.data(), data->g.data(), data->mean.data(),
                                 data->inv_std.data(), data->mean.data(), data->mean.data(), data->y.data());
  });
  if (size == 1) return;
  data->winner.resize(n / 4);
  for (std::size_t i = 0; i < n / 4; ++i) data->winner[i] = static_cast<std::uint8_t>(i % 4);
  register_kernel("batch_norm_backward_unpool/" + name, 0, (2 + 0.25 + 0.0625) * bytes, [=] {
    kernels::batch_norm_backward_unpool(channels, size, size, kLanes, data->x.data(), data->g.data(),
                                        data->winner.data(), data->mean.data(), data->inv_std.data(),
                                        data->mean.data(), data->mean.data(), data->y.data());
  });
}

const bool registered = [] {
  register_layer("mnist_1", 8, 28);
  register_layer("fashion_2", 32, 14);
  register_layer("cifar_1", 32, 32);
  register_layer("arrhythmia_1", 128, 1);
  return true;
}();

}  // namespace
}  // namespace deepsad::benchmarks
