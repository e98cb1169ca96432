// Fully connected layers of the paper's networks, one thread: forward and data gradient of one group of 16
// samples, weight gradient of a batch of 128, and the transposition of its inputs.
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
    AlignedBuffer<float> x, y, w, packed, bias, rows, dw, dx;
  };
  const auto data = std::make_shared<Data>();
  const std::size_t row_step = kernels::dense_row_step(n_in);
  data->x = random_floats(kGroups * n_in * kLanes, 1);
  data->y = random_floats(kGroups * n_out * kLanes, 2);
  data->w = random_floats(n_in * n_out, 3);
  data->packed = AlignedBuffer<float>(kernels::dense_packed_size(n_in, n_out));
  data->bias = random_floats(n_out, 4);
  data->rows = random_floats(kGroups * row_step * kLanes, 5);
  data->dw = AlignedBuffer<float>(n_in * n_out);
  data->dx = AlignedBuffer<float>(n_in * kLanes);
  const double flops = 2.0 * static_cast<double>(n_in * n_out * kLanes);
  const auto pack = [=] { kernels::dense_pack(n_in, n_out, data->w.data(), data->packed.data()); };
  register_kernel(
      "dense_forward/" + name, flops, 0,
      [=] {
        kernels::dense_forward(n_in, n_out, data->x.data(), data->packed.data(), data->bias.data(),
                               data->y.data());
      },
      pack);
  register_kernel("dense_pack/" + name, 0, 2.0 * static_cast<double>(n_in * n_out * sizeof(float)), pack);
  register_kernel(
      "dense_data_gradient/" + name, flops, 0,
      [=] {
        kernels::dense_data_gradient(n_in, n_out, data->y.data(), data->packed.data(), data->dx.data());
      },
      pack);
  register_kernel("dense_weight_gradient/" + name, flops * kGroups, 0, [=] {
    const kernels::DenseBatch<float> batch{data->rows.data(), row_step * kLanes, data->y.data(),
                                           n_out * kLanes, kGroups};
    kernels::dense_weight_gradient(n_in, 0, n_out, batch, data->dw.data(), data->bias.data());
  });
  register_kernel("dense_weight_gradient_across/" + name, flops * kGroups, 0, [=] {
    const kernels::DenseBatch<float> batch{data->x.data(), n_in * kLanes, data->y.data(), n_out * kLanes,
                                           kGroups};
    kernels::dense_weight_gradient_across(n_in, 0, n_out, batch, data->dw.data(), data->bias.data());
  });
  register_kernel("dense_transpose/" + name, 0, 2.0 * static_cast<double>(n_in * kLanes * sizeof(float)),
                  [=] { kernels::dense_transpose(n_in, data->x.data(), data->rows.data()); });
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
