// Activations, losses and the gathering of a batch, of one group of 16 samples of MNIST's size (784 values),
// one thread. Bytes: all that is read and written.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <vector>

#include "kernels/activation/activation.h"
#include "kernels/gather/gather.h"
#include "kernels/layout.h"
#include "kernels/loss/loss.h"
#include "support/kernel_bench.h"

namespace deepsad::benchmarks {
namespace {

using kernels::kLanes;

const bool registered = [] {
  constexpr std::size_t kFeatures = 784, kValues = kFeatures * kLanes;
  constexpr double kBytes = kValues * sizeof(float);
  struct Data {
    AlignedBuffer<float> x = random_floats(kValues, 1), y = random_floats(kValues, 2),
                         dy = AlignedBuffer<float>(kValues), weight = random_floats(kLanes, 3),
                         distance = AlignedBuffer<float>(kLanes);
    std::vector<double> loss = std::vector<double>(kLanes);
    std::vector<std::uint32_t> rows = std::vector<std::uint32_t>(kLanes);
  };
  const auto data = std::make_shared<Data>();
  std::iota(data->rows.begin(), data->rows.end(), 0U);
  const float* x = data->x.data();
  const float* y = data->y.data();
  float* dy = data->dy.data();
  const auto add = [data](const char* name, double bytes, std::function<void()> body) {
    register_kernel(name, 0, bytes, [data, body] { body(); });
  };
  constexpr float kSlope = 0.01F, kScale = 1.0F / 128;
  add("leaky_relu_forward", 2 * kBytes, [=] { kernels::leaky_relu_forward(kValues, x, kSlope, dy); });
  add("leaky_relu_backward", 3 * kBytes, [=] { kernels::leaky_relu_backward(kValues, x, y, kSlope, dy); });
  add("sigmoid_forward", 2 * kBytes, [=] { kernels::sigmoid_forward(kValues, x, dy); });
  add("sigmoid_backward", 3 * kBytes, [=] { kernels::sigmoid_backward(kValues, x, y, dy); });
  double* loss = data->loss.data();
  float* distance = data->distance.data();
  const float* weight = data->weight.data();
  add("squared_error", 3 * kBytes,
      [=] { kernels::squared_error(kFeatures, kLanes, x, y, kScale, dy, loss); });
  add("sigmoid_squared_error", 3 * kBytes,
      [=] { kernels::sigmoid_squared_error(kFeatures, kLanes, x, y, kScale, dy, loss); });
  add("squared_distance", kBytes, [=] { kernels::squared_distance(kFeatures, x, y, distance); });
  add("squared_distance_backward", 2 * kBytes,
      [=] { kernels::squared_distance_backward(kFeatures, x, y, weight, dy); });
  add("deep_sad_loss", 2 * kBytes, [=] {
    kernels::deep_sad_loss(kFeatures, kLanes, x, {y, weight, kScale, kScale}, kScale, dy, loss);
  });
  add("bernoulli_loss", 3 * kBytes,
      [=] { kernels::bernoulli_loss(kFeatures, kLanes, x, y, weight, dy, loss); });
  const std::uint32_t* rows = data->rows.data();
  add("gather_rows", 2 * kBytes, [=] { kernels::gather_rows(x, kFeatures, rows, kLanes, kFeatures, dy); });
  add("scatter_rows", 2 * kBytes, [=] { kernels::scatter_rows(x, kLanes, kFeatures, dy, kFeatures); });
  return true;
}();

}  // namespace
}  // namespace deepsad::benchmarks
