// Squared distances and dot products of 96 rows with 96 rows, and exponentials of a row of distances, one
// thread. A difference, a product and an addition count as two FLOPs, as a multiply-add: the rate to reach is
// that of the dot product.
#include "kernels/distance/distance.h"

#include <memory>
#include <string>

#include "kernels/radial/radial.h"
#include "support/kernel_bench.h"

namespace deepsad::benchmarks {
namespace {

constexpr std::size_t kRows = 96;
constexpr std::size_t kDistances = 6016;

const bool registered = [] {
  for (const std::size_t d : {9U, 36U, 274U, 784U, 3072U}) {
    struct Data {
      AlignedBuffer<float> a, packed, dst;
    };
    const auto data = std::make_shared<Data>();
    data->a = random_floats(kRows * d);
    data->packed = AlignedBuffer<float>(kRows * d);
    data->dst = AlignedBuffer<float>(kRows * kRows);
    kernels::pack_rows(data->a.data(), d, kRows, d, data->packed.data());
    const double flops = 2.0 * static_cast<double>(kRows * kRows * d);
    const auto run = [data, d](auto* kernel) {
      kernel(data->a.data(), d, kRows, data->packed.data(), kernels::n_panels(kRows), d, data->dst.data(),
             kRows);
    };
    register_kernel("squared_distances/" + std::to_string(d), flops, 0,
                    [run] { run(kernels::squared_distances); });
    register_kernel("dot_products/" + std::to_string(d), flops, 0, [run] { run(kernels::dot_products); });
  }
  const auto from = std::make_shared<AlignedBuffer<float>>(random_floats(kDistances));
  for (float& x : *from) x = 10 * (x + 1);
  const auto to = std::make_shared<AlignedBuffer<float>>(kDistances);
  const double bytes = 4.0 * kDistances;
  register_kernel("exp_of_distances", 0, bytes,
                  [=] { kernels::exp_of_distances(kDistances, from->data(), 0.5F, to->data()); });
  register_kernel("exp_sum", 0, bytes,
                  [=] { benchmark::DoNotOptimize(kernels::exp_sum(kDistances, from->data(), 0.5F, 0.0F)); });
  return true;
}();

}  // namespace
}  // namespace deepsad::benchmarks
