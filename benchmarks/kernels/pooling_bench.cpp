// Max pooling and upsampling of one group of 16 samples, one thread. Bytes: all that is read and written.
#include "kernels/pooling/pooling.h"

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
    AlignedBuffer<float> large, small;
    std::vector<std::uint8_t> winner;
  };
  const auto data = std::make_shared<Data>();
  const std::size_t n = channels * size * size * kLanes, half = size / 2;
  data->large = random_floats(n, 1);
  data->small = random_floats(n / 4, 2);
  data->winner.resize(n / 4);
  const double bytes = 1.25 * static_cast<double>(n * sizeof(float));
  const double with_winners = bytes + static_cast<double>(n / 4);
  register_kernel("max_pool_forward/" + name, 0, with_winners, [=] {
    kernels::max_pool_forward(channels, size, size, data->large.data(), data->small.data(),
                              data->winner.data());
  });
  register_kernel("max_pool_backward/" + name, 0, with_winners, [=] {
    kernels::max_pool_backward(channels, size, size, data->small.data(), data->winner.data(),
                               data->large.data());
  });
  register_kernel("upsample_forward/" + name, 0, bytes, [=] {
    kernels::upsample_forward(channels, half, half, data->small.data(), data->large.data());
  });
  register_kernel("upsample_backward/" + name, 0, bytes, [=] {
    kernels::upsample_backward(channels, half, half, data->large.data(), data->small.data());
  });
}

const bool registered = [] {
  register_layer("mnist_1", 8, 28);
  register_layer("fashion_2", 32, 14);
  register_layer("cifar_1", 32, 32);
  return true;
}();

}  // namespace
}  // namespace deepsad::benchmarks
