// Batch normalisation with its leaky ReLU, of one group of 16 samples of the paper's networks (vectors: of a
// batch of 128), one thread.
// Bytes: every tensor that has to be read or written, once.
#include "kernels/batch_norm/batch_norm.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/batch_norm/batch_norm_vectors.h"
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
  data->winner.resize(n / 4);
  for (std::size_t i = 0; i < n / 4; ++i) data->winner[i] = static_cast<std::uint8_t>(i % 4);
  register_kernel("batch_norm_backward_unpool/" + name, 0, (2 + 0.25 + 0.0625) * bytes, [=] {
    kernels::batch_norm_backward_unpool(channels, size, size, kLanes, data->x.data(), data->g.data(),
                                        data->winner.data(), data->mean.data(), data->inv_std.data(),
                                        data->mean.data(), data->mean.data(), data->y.data());
  });
}

void register_vectors(const std::string& name, std::size_t channels) {
  struct Data {
    AlignedBuffer<float> x, y, g, center, inv_std, mean_g, mean_gx;
    std::vector<double> mean, m2;
  };
  constexpr std::size_t kGroups = 8;
  const auto data = std::make_shared<Data>();
  const std::size_t step = channels * kLanes + kLanes, n = kGroups * step;
  data->x = random_floats(n, 1);
  data->y = random_floats(n, 2);
  data->g = random_floats(n, 3);
  for (auto* values : {&data->center, &data->inv_std, &data->mean_g, &data->mean_gx})
    values->resize(channels);
  data->mean.resize(channels);
  data->m2.resize(channels);
  const double bytes = static_cast<double>(kGroups * channels * kLanes * sizeof(float));
  const kernels::VectorNorm all{kGroups * kLanes, 0, channels};
  const auto forward = [=] {
    kernels::batch_norm_vectors_forward(
        all, kernels::VectorGroups<const float>{data->x.data(), step}, 1e-4, 0.01F,
        kernels::VectorMoments<float>{data->mean.data(), data->m2.data(), data->center.data(),
                                      data->inv_std.data()},
        kernels::VectorGroups<float>{data->y.data(), step});
  };
  register_kernel("batch_norm_vectors_forward/" + name, 0, 2 * bytes, forward);
  register_kernel(
      "batch_norm_vectors_backward/" + name, 0, 4 * bytes,
      [=] {
        // A slope of 1 leaves the gradient, which is written over, as it is.
        kernels::batch_norm_vectors_backward(
            all, kernels::VectorGroups<const float>{data->x.data(), step},
            kernels::VectorMoments<float>{data->mean.data(), data->m2.data(), data->center.data(),
                                          data->inv_std.data()},
            1, kernels::VectorGroups<float>{data->g.data(), step},
            kernels::VectorGradients<float>{data->mean_g.data(), data->mean_gx.data()},
            kernels::VectorGroups<float>{data->y.data(), step});
      },
      forward);
}

const bool registered = [] {
  register_layer("mnist_1", 8, 28);
  register_layer("fashion_2", 32, 14);
  register_layer("cifar_1", 32, 32);
  register_vectors("cardio_1", 32);
  register_vectors("arrhythmia_1", 128);
  return true;
}();

}  // namespace
}  // namespace deepsad::benchmarks
