#include "detectors/center.h"

#include <cmath>

#include "deepsad/detectors/deep_sad.h"

namespace deepsad {

Center clamp_center(std::vector<float> mean, bool clamp_zeros) {
  constexpr auto kMargin = static_cast<float>(kCenterMargin);
  Center center{.values = std::move(mean)};
  for (float& value : center.values) {
    if (std::abs(value) >= kMargin) continue;
    if (value == 0) {
      ++center.n_zeros;
      if (!clamp_zeros) continue;
    }
    value = value < 0 ? -kMargin : kMargin;
    ++center.n_clamped;
  }
  return center;
}

Center compute_center(MatrixView<const float> outputs, std::span<const std::uint32_t> rows, bool clamp,
                      bool clamp_zeros) {
  std::vector<double> sum(outputs.cols());
  for (const std::uint32_t row : rows) {
    const std::span<const float> output = outputs.row(row);
    for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += static_cast<double>(output[j]);
  }
  std::vector<float> mean(sum.size());
  for (std::size_t j = 0; j < sum.size(); ++j)
    mean[j] = static_cast<float>(sum[j] / static_cast<double>(rows.size()));
  return clamp ? clamp_center(std::move(mean), clamp_zeros) : Center{.values = std::move(mean)};
}

}  // namespace deepsad
