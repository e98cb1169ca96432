#include "kernels/dense/dense.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "kernel_test.h"
#include "kernels/dense/dense_reference.h"

namespace deepsad::kernels {
namespace {

using namespace test;

/// Inputs and outputs around every block size, and the layers of the paper's networks.
std::vector<std::pair<std::size_t, std::size_t>> shapes() {
  const std::vector<std::size_t> sizes = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 23, 31, 32, 33, 47, 48, 49, 65};
  std::vector<std::pair<std::size_t, std::size_t>> all = {
      {196, 32}, {274, 128}, {1024, 20}, {21, 32}, {32, 16}};
  for (const std::size_t n_in : sizes) {
    for (const std::size_t n_out : sizes) all.emplace_back(n_in, n_out);
  }
  return all;
}

std::string describe(std::size_t n_in, std::size_t n_out) {
  return std::to_string(n_in) + "->" + std::to_string(n_out);
}

constexpr std::size_t kGroups = 11;  // more than the weight gradient takes at a time, and not a multiple

// Buffers of a batch hold its groups one behind the other, with a gap; forward and data gradient take the
// first.
struct Layer {
  std::size_t n_in, n_out, x_step, dy_step;
  Guarded<float> x, w, bias, dy, y, dx, dw, dbias, dw_across, dbias_across;

  // bias and its gradient may lie anywhere.
  Layer(std::size_t in, std::size_t out)
      : n_in(in),
        n_out(out),
        x_step(in * kLanes + kLanes),
        dy_step(out * kLanes + kLanes),
        x(kGroups * x_step),
        w(dense_packed_size(in, out)),
        bias(out, 3),
        dy(kGroups * dy_step),
        y(out * kLanes),
        dx(in * kLanes),
        dw(dense_packed_size(in, out)),
        dbias(out, 1),
        dw_across(dense_packed_size(in, out)),
        dbias_across(out, 1) {}

  // slope 1: no activation, neither of the outputs nor in front of the inputs.
  void run(bool with_bias, float slope = 1) {
    // The gradient of the inputs replaces what tells of the activation, a copy of them here.
    std::copy_n(x.begin(), dx.size(), dx.begin());
    const float* const rectified = slope == 1 ? nullptr : dx.data();
    // In four parts, as four threads would; the bias with one half of the inputs.
    const DenseBatch<float> batch{x.data(), x_step, dy.data(), dy_step, kGroups};
    const std::size_t cut = std::min(n_out, (n_out / 2 + kLanes - 1) / kLanes * kLanes);
    for (const auto& [first_out, last_out] : {std::pair{std::size_t{0}, cut}, std::pair{cut, n_out}}) {
      const DensePart outputs{n_in, n_out, 0, n_in, first_out, last_out};
      dense_forward(outputs, x.data(), w.data(), with_bias ? bias.data() : nullptr, slope, y.data());
      for (const auto& [first, last] : {std::pair{std::size_t{0}, n_in / 2}, std::pair{n_in / 2, n_in}}) {
        const DensePart part{n_in, n_out, first, last, first_out, last_out};
        if (first_out < n_out && last_out == n_out)
          dense_data_gradient(part, dy.data(), w.data(), rectified, slope, dx.data());
        const bool bias_too = with_bias && last == n_in;
        dense_weight_gradient(part, batch, dw.data(), bias_too ? dbias.data() : nullptr);
        dense_weight_gradient_across(part, batch, dw_across.data(), bias_too ? dbias_across.data() : nullptr);
      }
    }
    for (const auto* buffer : {&x, &w, &bias, &dy, &y, &dx, &dw, &dbias, &dw_across, &dbias_across}) {
      EXPECT_TRUE(buffer->guards_intact()) << describe(n_in, n_out);
    }
  }
};

/// The reference in double on the values that the layer starts with.
struct Expected {
  std::vector<double> y, dx, dw, dbias;

  template <class F>
  Expected(const Layer& layer, bool with_bias, double slope, F transform)
      : y(layer.y.size()),
        dx(layer.dx.size()),
        dw(transform(convert<double>(layer.dw))),
        dbias(transform(convert<double>(layer.dbias))) {
    const auto x = transform(convert<double>(layer.x)), w = transform(convert<double>(layer.w));
    const auto bias = transform(convert<double>(layer.bias)), dy = transform(convert<double>(layer.dy));
    const DensePart whole{layer.n_in, layer.n_out, 0, layer.n_in, 0, layer.n_out};
    reference::dense_forward(whole, x.data(), w.data(), with_bias ? bias.data() : nullptr, slope, y.data());
    reference::dense_data_gradient(whole, dy.data(), w.data(), slope == 1 ? nullptr : x.data(), slope,
                                   dx.data());
    reference::dense_weight_gradient<double>(whole,
                                             {x.data(), layer.x_step, dy.data(), layer.dy_step, kGroups},
                                             dw.data(), with_bias ? dbias.data() : nullptr);
  }
};

/// None for every third layer, then a leaky ReLU, then a ReLU.
float slope_of(std::size_t n_in, std::size_t n_out) {
  constexpr float kSlopes[] = {1, 0.125, 0};
  return kSlopes[(n_in + n_out) % 3];
}

const auto kAsIs = [](std::vector<double> values) { return values; };

TEST(Dense, AgreesWithReference) {
  RandomStream random(1, "dense");
  for (const auto& [n_in, n_out] : shapes()) {
    Layer layer(n_in, n_out);
    for (auto* buffer : {&layer.x, &layer.w, &layer.bias, &layer.dy, &layer.dw, &layer.dbias})
      fill_uniform(*buffer, random);
    std::copy(layer.dw.begin(), layer.dw.end(), layer.dw_across.begin());
    std::copy(layer.dbias.begin(), layer.dbias.end(), layer.dbias_across.begin());
    const bool with_bias = n_in % 2 == 0;
    const float slope = slope_of(n_in, n_out);
    const Expected want(layer, with_bias, slope, kAsIs), magnitude(layer, with_bias, slope, absolute);
    layer.run(with_bias, slope);
    const std::string what = describe(n_in, n_out);
    expect_close(layer.y.data(), want.y, magnitude.y, n_in, "y of " + what);
    expect_close(layer.dx.data(), want.dx, magnitude.dx, n_out, "dx of " + what);
    expect_close(layer.dw.data(), want.dw, magnitude.dw, kGroups * kLanes, "dw of " + what);
    expect_close(layer.dbias.data(), want.dbias, magnitude.dbias, kGroups * kLanes, "dbias of " + what);
    expect_close(layer.dw_across.data(), want.dw, magnitude.dw, kGroups * kLanes, "dw across of " + what);
    expect_close(layer.dbias_across.data(), want.dbias, magnitude.dbias, kGroups * kLanes,
                 "dbias across of " + what);
    if (HasFailure()) return;
  }
}

TEST(Dense, IsExactOnIntegers) {
  RandomStream random(2, "dense");
  for (const auto& [n_in, n_out] : shapes()) {
    Layer layer(n_in, n_out);
    for (auto* buffer : {&layer.x, &layer.w, &layer.bias, &layer.dy, &layer.dw, &layer.dbias}) {
      fill_integers(*buffer, random);
    }
    std::copy(layer.dw.begin(), layer.dw.end(), layer.dw_across.begin());
    const float slope = slope_of(n_in, n_out);
    const Expected want(layer, true, slope, kAsIs);
    layer.run(true, slope);
    const std::string what = describe(n_in, n_out);
    expect_equal(layer.y.data(), want.y, "y of " + what);
    expect_equal(layer.dx.data(), want.dx, "dx of " + what);
    expect_equal(layer.dw.data(), want.dw, "dw of " + what);
    expect_equal(layer.dbias.data(), want.dbias, "dbias of " + what);
    expect_equal(layer.dw_across.data(), want.dw, "dw across of " + what);
    expect_equal(layer.dbias_across.data(), want.dbias, "dbias across of " + what);
    if (HasFailure()) return;
  }
}

TEST(Dense, LanesNeverMix) {
  RandomStream random(3, "dense");
  constexpr std::size_t kChanged = 5;
  Layer a(37, 29);
  for (auto* buffer : {&a.x, &a.w, &a.bias, &a.dy, &a.dw, &a.dbias}) fill_uniform(*buffer, random);
  Layer b = a;
  for (std::size_t i = kChanged; i < b.x.size(); i += kLanes) b.x[i] = std::numeric_limits<float>::infinity();
  for (std::size_t i = kChanged; i < b.dy.size(); i += kLanes)
    b.dy[i] = std::numeric_limits<float>::quiet_NaN();
  a.run(true);
  b.run(true);
  for (std::size_t i = 0; i < a.y.size(); ++i) {
    if (i % kLanes == kChanged) continue;
    ASSERT_EQ(a.y[i], b.y[i]) << i;
  }
  for (std::size_t i = 0; i < a.dx.size(); ++i) {
    if (i % kLanes == kChanged) continue;
    ASSERT_EQ(a.dx[i], b.dx[i]) << i;
  }
}

TEST(Dense, SmallLayersTakeTheirGradientAcrossTheLanes) {
  EXPECT_TRUE(dense_gradient_goes_across(21, 32, 8));
  EXPECT_TRUE(dense_gradient_goes_across(32, 16, 8));
  EXPECT_TRUE(dense_gradient_goes_across(16, 8, 8));
  EXPECT_TRUE(dense_gradient_goes_across(2048, 1, 63));
  EXPECT_FALSE(dense_gradient_goes_across(274, 128, 8));
  EXPECT_FALSE(dense_gradient_goes_across(196, 32, 13));
  EXPECT_FALSE(dense_gradient_goes_across(2048, 128, 63));
  EXPECT_FALSE(dense_gradient_goes_across(2048, 8, 8));  // would pay, were x not read twice
}

TEST(Dense, WeightsLieInBlocksOfOutputs) {
  // Three inputs, 17 outputs; output 16 begins a block of its own, filled up with zeros.
  ASSERT_EQ(dense_packed_size(3, 17), 2 * 3 * kLanes);
  EXPECT_EQ(dense_packed_index(3, 0, 1), 1);
  EXPECT_EQ(dense_packed_index(3, 2, 15), 2 * kLanes + 15);
  EXPECT_EQ(dense_packed_index(3, 1, 16), 4 * kLanes);
  std::vector<int> used(dense_packed_size(3, 17));
  for (std::size_t o = 0; o < 17; ++o) {
    for (std::size_t i = 0; i < 3; ++i) ++used.at(dense_packed_index(3, i, o));
  }
  EXPECT_EQ(std::count(used.begin(), used.end(), 1), 3 * 17);
  EXPECT_EQ(std::count(used.begin(), used.end(), 0), 3 * 15);
}

TEST(Dense, DoubleIsTheReference) {
  std::vector<double> x(2 * kLanes, 2.0), y(kLanes), dx(2 * kLanes), dbias = {1};
  x[kLanes + 1] = -2;
  const std::vector<double> bias = {7};
  std::vector<double> w(dense_packed_size(2, 1)), dw(w.size());
  w[0] = 3;
  w[kLanes] = 5;
  const DensePart whole{2, 1, 0, 2, 0, 1};
  dense_forward(whole, x.data(), w.data(), bias.data(), 1.0, y.data());
  EXPECT_EQ(y[15], 3 * 2 + 5 * 2 + 7);
  dense_forward(whole, x.data(), w.data(), nullptr, 0.5, y.data());
  EXPECT_EQ(y[0], 3 * 2 + 5 * 2);
  EXPECT_EQ(y[1], 0.5 * (3 * 2 - 5 * 2));
  const std::vector<double> dy(kLanes, 1.0);
  dense_data_gradient(whole, dy.data(), w.data(), nullptr, 1.0, dx.data());
  EXPECT_EQ(dx[0], 3);
  EXPECT_EQ(dx[kLanes + 1], 5);
  dense_data_gradient(whole, dy.data(), w.data(), x.data(), 0.5, dx.data());
  EXPECT_EQ(dx[0], 3);
  EXPECT_EQ(dx[kLanes + 1], 0.5 * 5);
  x[kLanes + 1] = 2;
  const auto expect_gradient = [&] {
    EXPECT_EQ(dw[0], 64);
    EXPECT_EQ(dw[kLanes], 64);
    EXPECT_EQ(std::count(dw.begin(), dw.end(), 0.0), 2 * 15);
    EXPECT_EQ(dbias[0], 32);
    std::fill(dw.begin(), dw.end(), 0);
    dbias[0] = 1;
  };
  dense_weight_gradient(whole, DenseBatch<double>{x.data(), 0, dy.data(), 0, 2}, dw.data(), dbias.data());
  expect_gradient();
  dense_weight_gradient_across(whole, DenseBatch<double>{x.data(), 0, dy.data(), 0, 2}, dw.data(),
                               dbias.data());
  expect_gradient();
}

}  // namespace
}  // namespace deepsad::kernels
