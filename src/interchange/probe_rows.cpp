#include "interchange/probe_rows.h"

#include <algorithm>
#include <cmath>

#include "deepsad/core/random.h"

namespace deepsad {
namespace {

constexpr std::uint64_t kSeed = 0;
constexpr double kBeyond = 0.1;  // share of the range that rows may lie outside it
constexpr double kPixelMax = 255;
constexpr double kPixelNoise = 25;

void fill_table_row(const Scaler& scaler, RandomStream& random, std::span<double> row) {
  for (std::size_t j = 0; j < row.size(); ++j) {
    if (scaler.scaling() == Scaling::quantile) {
      row[j] = scaler.raw_value(j, random.uniform(-kBeyond, 1 + kBeyond));
      continue;
    }
    const double range = scaler.max()[j] - scaler.min()[j];
    const double z =
        range > 0 ? scaler.min()[j] + range * random.uniform(-kBeyond, 1 + kBeyond) : random.normal();
    row[j] = scaler.mean()[j] + scaler.std()[j] * z;
  }
}

void fill_image_row(const Shape& shape, RandomStream& random, std::span<double> row) {
  const std::size_t width = shape.back();
  const std::size_t height = shape.size() == 3 ? shape[1] : 1;
  double level = 0, along = 0, down = 0;
  for (std::size_t k = 0; k < row.size(); ++k) {
    if (k % (width * height) == 0) {  // each channel has its own slope
      level = random.uniform(0, kPixelMax);
      along = random.uniform(-kPixelMax, kPixelMax);
      down = random.uniform(-kPixelMax, kPixelMax);
    }
    const double x = static_cast<double>(k % width) / static_cast<double>(width);
    const double y = static_cast<double>(k / width % height) / static_cast<double>(height);
    row[k] =
        std::clamp(std::round(level + along * x + down * y + kPixelNoise * random.normal()), 0.0, kPixelMax);
  }
}

}  // namespace

Matrix<double> probe_rows(const Scaler& scaler, const Shape& sample_shape, std::size_t n) {
  Matrix<double> rows(n, scaler.n_features());
  for (std::size_t i = 0; i < n; ++i) {
    RandomStream random(kSeed, "interchange/probe", i);
    if (scaler.kind() == Scaler::Kind::pixels)
      fill_image_row(sample_shape, random, rows.row(i));
    else
      fill_table_row(scaler, random, rows.row(i));
  }
  return rows;
}

}  // namespace deepsad
