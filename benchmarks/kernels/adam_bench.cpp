// Adam with the sum over partial gradients, one thread: parameters that stay in the second-level cache and
// some that do not, with one and with eight partial gradients. Bytes: all that is read and written.
#include "kernels/adam/adam.h"

#include <cstddef>
#include <memory>
#include <string>

#include "support/kernel_bench.h"

namespace deepsad::benchmarks {
namespace {

const bool registered = [] {
  for (const std::size_t n : {4096U, 262144U}) {
    for (const std::size_t partials : {1U, 8U}) {
      struct Data {
        AlignedBuffer<float> gradients, w, m, v;
      };
      const auto data = std::make_shared<Data>();
      data->gradients = random_floats(partials * n, 1);
      data->w = random_floats(n, 2);
      data->m = AlignedBuffer<float>(n);
      data->v = AlignedBuffer<float>(n);
      constexpr kernels::AdamStep<float> kStep{1e-4F, 0.9F, 0.999F, 1e-8F, 1e-6F, 0.1F, 0.001F};
      constexpr std::size_t kMoved = 6;  // w, m and v, read and written
      register_kernel("adam/" + std::to_string(n) + "x" + std::to_string(partials), 0,
                      static_cast<double>((kMoved + partials) * n * sizeof(float)), [=] {
                        kernels::adam(n, kStep, data->gradients.data(), partials, n, data->w.data(),
                                      data->m.data(), data->v.data());
                      });
    }
  }
  return true;
}();

}  // namespace
}  // namespace deepsad::benchmarks
