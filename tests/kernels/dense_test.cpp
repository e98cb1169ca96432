#include "kernels/dense/dense.h"

#include <gtest/gtest.h>

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

constexpr std::size_t kGroups = 3;

// Buffers of a batch hold its groups one behind the other, with a gap; forward and data gradient take the
// first.
struct Layer {
  std::size_t n_in, n_out, x_step, dy_step, row_step;
  Guarded<float> x, w, packed, bias, dy, y, dx, dw, dbias, rows, dw_across, dbias_across;

  // w, bias and their gradients may lie anywhere.
  Layer(std::size_t in, std::size_t out)
      : n_in(in),
        n_out(out),
        x_step(in * kLanes + kLanes),
        dy_step(out * kLanes + kLanes),
        row_step(kLanes * dense_row_step(in)),
        x(kGroups * x_step),
        w(in * out, 1),
        packed(dense_packed_size(in, out)),
        bias(out, 3),
        dy(kGroups * dy_step),
        y(out * kLanes),
        dx(in * kLanes),
        dw(in * out, 5),
        dbias(out, 1),
        rows(kGroups * row_step),
        dw_across(in * out, 5),
        dbias_across(out, 1) {}

  void run(bool with_bias) {
    dense_pack(n_in, n_out, w.data(), packed.data());
    dense_forward(n_in, n_out, x.data(), packed.data(), with_bias ? bias.data() : nullptr, y.data());
    dense_data_gradient(n_in, n_out, dy.data(), packed.data(), dx.data());
    for (std::size_t g = 0; g < kGroups; ++g)
      dense_transpose(n_in, x.data() + g * x_step, rows.data() + g * row_step);
    // In two parts, as two threads would.
    const DenseBatch<float> batch{rows.data(), row_step, dy.data(), dy_step, kGroups};
    const DenseBatch<float> as_they_are{x.data(), x_step, dy.data(), dy_step, kGroups};
    for (const auto& [first, last] : {std::pair{std::size_t{0}, n_out / 2}, std::pair{n_out / 2, n_out}}) {
      dense_weight_gradient(n_in, first, last, batch, dw.data(), with_bias ? dbias.data() : nullptr);
      dense_weight_gradient_across(n_in, first, last, as_they_are, dw_across.data(),
                                   with_bias ? dbias_across.data() : nullptr);
    }
    for (const auto* buffer :
         {&x, &w, &packed, &bias, &dy, &y, &dx, &dw, &dbias, &rows, &dw_across, &dbias_across}) {
      EXPECT_TRUE(buffer->guards_intact()) << describe(n_in, n_out);
    }
  }
};

/// The reference in double on the values that the layer starts with.
struct Expected {
  std::vector<double> y, dx, dw, dbias;

  template <class F>
  Expected(const Layer& layer, bool with_bias, F transform)
      : y(layer.y.size()),
        dx(layer.dx.size()),
        dw(transform(convert<double>(layer.dw))),
        dbias(transform(convert<double>(layer.dbias))) {
    const auto x = transform(convert<double>(layer.x)), w = transform(convert<double>(layer.w));
    const auto bias = transform(convert<double>(layer.bias)), dy = transform(convert<double>(layer.dy));
    const std::size_t n_in = layer.n_in, n_out = layer.n_out;
    reference::dense_forward(n_in, n_out, x.data(), w.data(), with_bias ? bias.data() : nullptr, y.data());
    reference::dense_data_gradient(n_in, n_out, dy.data(), w.data(), dx.data());
    std::vector<double> rows(layer.rows.size());
    for (std::size_t g = 0; g < kGroups; ++g)
      reference::dense_transpose(n_in, x.data() + g * layer.x_step, rows.data() + g * layer.row_step);
    reference::dense_weight_gradient<double>(n_in, 0, n_out,
                                             {rows.data(), layer.row_step, dy.data(), layer.dy_step, kGroups},
                                             dw.data(), with_bias ? dbias.data() : nullptr);
  }
};

const auto kAsIs = [](std::vector<double> values) { return values; };

TEST(Dense, AgreesWithReference) {
  RandomStream random(1, "dense");
  for (const auto& [n_in, n_out] : shapes()) {
    Layer layer(n_in, n_out);
    for (auto* buffer :
         {&layer.x, &layer.w, &layer.bias, &layer.dy, &layer.dw, &layer.dbias, &layer.dbias_across}) {
      fill_uniform(*buffer, random);
    }
    std::copy(layer.dbias.begin(), layer.dbias.end(), layer.dbias_across.begin());
    const bool with_bias = n_in % 2 == 0;
    const Expected want(layer, with_bias, kAsIs), magnitude(layer, with_bias, absolute);
    layer.run(with_bias);
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
    const Expected want(layer, true, kAsIs);
    layer.run(true);
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
  EXPECT_FALSE(dense_gradient_goes_across(274, 128, 8));
  EXPECT_FALSE(dense_gradient_goes_across(196, 32, 13));    // would pay, were x not read eight times
  EXPECT_FALSE(dense_gradient_goes_across(2048, 128, 63));  // likewise
}

TEST(Dense, DoubleIsTheReference) {
  std::vector<double> x(2 * kLanes, 2.0), y(kLanes), dx(2 * kLanes), dw = {0, 1}, dbias = {1};
  std::vector<double> rows(kLanes * dense_row_step(2));
  const std::vector<double> w = {3, 5}, bias = {7};
  std::vector<double> packed(dense_packed_size(2, 1));
  dense_pack(2, 1, w.data(), packed.data());
  dense_forward(2, 1, x.data(), packed.data(), bias.data(), y.data());
  EXPECT_EQ(y[15], 3 * 2 + 5 * 2 + 7);
  const std::vector<double> dy(kLanes, 1.0);
  dense_data_gradient(2, 1, dy.data(), packed.data(), dx.data());
  EXPECT_EQ(dx[0], 3);
  EXPECT_EQ(dx[kLanes], 5);
  dense_transpose(2, x.data(), rows.data());
  dense_weight_gradient(2, 0, 1, DenseBatch<double>{rows.data(), 0, dy.data(), 0, 2}, dw.data(),
                        dbias.data());
  EXPECT_EQ(dw, (std::vector<double>{64, 64}));
  EXPECT_EQ(dbias[0], 32);
  std::fill(dw.begin(), dw.end(), 1);
  dbias[0] = 1;
  dense_weight_gradient_across(2, 0, 1, DenseBatch<double>{x.data(), 0, dy.data(), 0, 2}, dw.data(),
                               dbias.data());
  EXPECT_EQ(dw, (std::vector<double>{64, 64}));
  EXPECT_EQ(dbias[0], 32);
}

}  // namespace
}  // namespace deepsad::kernels
