// Fully connected layers of the paper's networks, one thread: forward and data gradient of one group of 16
// samples, weight gradient of a batch of 128.
#include "kernels/dense/dense.h"

#include <cstddef>
#include <memory>
#include <string>

#include "kernels/layout.h"
#include "support/kernel_bench.h"

namespace deepsad::benchmarks {
namespace {

using kernels::kLanes;

constexpr std::size_t kGroups = 8;

void register_layer(const std::string& name, std::size_t n_in, std::size_t n_out) {
  struct Data {
    AlignedBuffer<float> x, y, w, bias, dw, dx;
  };
  const auto data = std::make_shared<Data>();
  data->x = random_floats(kGroups * n_in * kLanes, 1);
  data->y = random_floats(kGroups * n_out * kLanes, 2);
  data->w = random_floats(kernels::dense_packed_size(n_in, n_out), 3);
  data->bias = random_floats(n_out, 4);
  data->dw = AlignedBuffer<float>(data->w.size());
  data->dx = AlignedBuffer<float>(n_in * kLanes);
  const kernels::DensePart whole{n_in, n_out, 0, n_in, 0, n_out};
  const double flops = 2.0 * static_cast<double>(n_in * n_out * kLanes);
  register_kernel("dense_forward/" + name, flops, 0, [=] {
    kernels::dense_forward(whole, data->x.data(), data->w.data(), data->bias.data(), 1.0F, data->y.data());
  });
  register_kernel("dense_data_gradient/" + name, flops, 0, [=] {
    kernels::dense_data_gradient(whole, data->y.data(), data->w.data(), nullptr, 1.0F, data->dx.data());
  });
  const kernels::DenseBatch<float> batch{data->x.data(), n_in * kLanes, data->y.data(), n_out * kLanes,
                                         kGroups};
  register_kernel("dense_weight_gradient/" + name, flops * kGroups, 0,
                  [=] { kernels::dense_weight_gradient(whole, batch, data->dw.data(), data->bias.data()); });
  register_kernel("dense_weight_gradient_across/" + name, flops * kGroups, 0, [=] {
    kernels::dense_weight_gradient_across(whole, batch, data->dw.data(), data->bias.data());
  });
}

const bool registered = [] {
  register_layer("mnist_fc1", 196, 32);
  register_layer("fashion_fc1", 1568, 128);
  register_layer("cifar_fc1", 2048, 128);
  register_layer("arrhythmia_1", 274, 128);
  register_layer("arrhythmia_2", 128, 64);
  register_layer("cardio_1", 21, 32);
  return true;
}();

}  // namespace
}  // namespace deepsad::benchmarks
