#include "kernels/winograd2d/winograd2d.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kernel_test.h"
#include "kernels/winograd2d/winograd2d_reference.h"

namespace deepsad::kernels {
namespace {

using namespace test;

// The transforms mix all values of a window and all taps of a kernel, so that errors are relative to the size
// of a whole sum, as though no tap fell into the padding: factors are uniform in [-1, 1), the mean size of a
// product is 1/4.
constexpr double kMeanProduct = 0.25;
constexpr double kTolerance = 1e-5;  // seen: 3.5e-6

/// A layer that sees maps of height x width, of half the size before the upsampling.
WinogradShape make_shape(std::size_t in_channels, std::size_t out_channels, std::size_t height,
                         std::size_t width, std::size_t kernel, std::size_t padding, bool upsampled) {
  return {.conv = {.in_channels = in_channels,
                   .height = height,
                   .width = width,
                   .out_channels = out_channels,
                   .out_height = height + 2 * padding + 1 - kernel,
                   .out_width = width + 2 * padding + 1 - kernel,
                   .kernel = kernel,
                   .padding = padding,
                   .stride = 1},
          .upsampled = upsampled};
}

std::string describe(const WinogradShape& shape) {
  const ConvShape& s = shape.conv;
  return "channels " + std::to_string(s.in_channels) + "->" + std::to_string(s.out_channels) + ", map " +
         std::to_string(s.height) + "x" + std::to_string(s.width) + ", kernel " + std::to_string(s.kernel) +
         ", padding " + std::to_string(s.padding) + (shape.upsampled ? ", upsampled" : "");
}

/// Channel counts off the blocks of 8 and 16, maps that are whole tiles, less than one, and one point more;
/// all paddings; more tiles than a block and more outputs than a slice.
std::vector<WinogradShape> shapes() {
  std::vector<WinogradShape> all;
  for (const std::size_t kernel : {3UL, 5UL}) {
    for (std::size_t padding = 0; padding < kernel; ++padding) {
      all.push_back(make_shape(3, 5, 7, 6, kernel, padding, false));
      all.push_back(make_shape(9, 16, 5, 9, kernel, padding, false));
    }
    all.push_back(make_shape(1, 1, 1, 2, kernel, kernel / 2, false));
    all.push_back(make_shape(16, 33, 8, 8, kernel, kernel / 2, false));
    all.push_back(make_shape(17, 8, 13, 12, kernel, kernel / 2, false));
    all.push_back(make_shape(40, 20, 16, 16, kernel, kernel / 2, false));
  }
  for (std::size_t padding = 0; padding <= 2; ++padding) {
    all.push_back(make_shape(3, 5, 8, 6, 5, padding, true));
    all.push_back(make_shape(17, 4, 10, 14, 5, padding, true));
    all.push_back(make_shape(16, 20, 16, 16, 5, padding, true));
  }
  all.push_back(make_shape(2, 3, 2, 2, 5, 2, true));
  all.push_back(make_shape(48, 3, 32, 16, 5, 2, true));
  return all;
}

struct Sizes {
  std::size_t x, w, y;
  explicit Sizes(const WinogradShape& shape) {
    const ConvShape& s = shape.conv;
    x = s.in_channels * s.height * s.width / (shape.upsampled ? 4 : 1) * kLanes;
    w = s.in_channels * s.out_channels * s.kernel * s.kernel;
    y = s.out_channels * s.out_height * s.out_width * kLanes;
  }
};

/// Results that are sums of n_terms products.
void expect_near(const Guarded<float>& got, const std::vector<double>& want, std::size_t n_terms,
                 const std::string& what) {
  const double bound = kTolerance * kMeanProduct * static_cast<double>(n_terms);
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (!(std::abs(static_cast<double>(got[i]) - want[i]) <= bound)) {  // also catches NaN
      ADD_FAILURE() << what << ": element " << i << " is " << got[i] << ", want " << want[i] << " +- "
                    << bound;
      return;
    }
  }
}

constexpr ConvWeights kForms[] = {ConvWeights::as_is, ConvWeights::swapped_flipped};

/// The three passes in double, by the reference.
struct Exact {
  explicit Exact(const WinogradShape& shape, ConvWeights weights) : s(shape), form(weights) {}
  [[nodiscard]] std::vector<double> packed(const std::vector<double>& w) const {
    std::vector<double> values(Sizes(s).w);
    reference::winograd2d_pack_forward(s, form, w.data(), values.data());
    return values;
  }
  [[nodiscard]] std::vector<double> forward(const std::vector<double>& x,
                                            const std::vector<double>& w) const {
    std::vector<double> y(Sizes(s).y);
    reference::winograd2d_forward<double>(s, x.data(), packed(w).data(), y.data(), nullptr);
    return y;
  }
  [[nodiscard]] std::vector<double> data(const std::vector<double>& dy, const std::vector<double>& w) const {
    std::vector<double> dx(Sizes(s).x);
    reference::winograd2d_data_gradient<double>(s, dy.data(), packed(w).data(), dx.data(), nullptr);
    return dx;
  }
  [[nodiscard]] std::vector<double> weights(const std::vector<double>& x,
                                            const std::vector<double>& dy) const {
    std::vector<double> partial(winograd2d_partial_size(s)), dw(Sizes(s).w);
    reference::winograd2d_weight_gradient<double>(s, x.data(), dy.data(), partial.data(), false, nullptr);
    reference::winograd2d_sum_gradients<double>(s, form, {partial.data(), partial.size(), 1}, 0,
                                                s.conv.in_channels, dw.data());
    return dw;
  }
  WinogradShape s;
  ConvWeights form;
};

Guarded<float> forward(const WinogradShape& s, ConvWeights form, const Guarded<float>& x,
                       const Guarded<float>& w) {
  Guarded<float> packed(winograd2d_forward_size(s)), scratch(winograd2d_scratch_size(s, false)),
      y(Sizes(s).y);
  winograd2d_pack_forward(s, form, w.data(), packed.data());
  winograd2d_forward(s, x.data(), packed.data(), y.data(), scratch.data());
  EXPECT_TRUE(packed.guards_intact() && scratch.guards_intact() && y.guards_intact()) << describe(s);
  return y;
}
Guarded<float> data_gradient(const WinogradShape& s, ConvWeights form, const Guarded<float>& dy,
                             const Guarded<float>& w) {
  Guarded<float> packed(winograd2d_backward_size(s)), scratch(winograd2d_scratch_size(s, true)),
      dx(Sizes(s).x);
  winograd2d_pack_backward(s, form, w.data(), packed.data());
  winograd2d_data_gradient(s, dy.data(), packed.data(), dx.data(), scratch.data());
  EXPECT_TRUE(packed.guards_intact() && scratch.guards_intact() && dx.guards_intact()) << describe(s);
  return dx;
}

TEST(Winograd2d, ForwardAgreesWithReference) {
  RandomStream random(1, "winograd2d");
  for (const WinogradShape& s : shapes()) {
    for (const ConvWeights form : kForms) {
      Guarded<float> x(Sizes(s).x), w(Sizes(s).w, 1);
      fill_uniform(x, random);
      fill_uniform(w, random);
      const Exact exact(s, form);
      expect_near(forward(s, form, x, w), exact.forward(convert<double>(x), convert<double>(w)),
                  s.conv.in_channels * s.conv.kernel * s.conv.kernel, describe(s));
      if (HasFailure()) return;
    }
  }
}

TEST(Winograd2d, DataGradientAgreesWithReference) {
  RandomStream random(2, "winograd2d");
  for (const WinogradShape& s : shapes()) {
    for (const ConvWeights form : kForms) {
      Guarded<float> dy(Sizes(s).y), w(Sizes(s).w, 1);
      fill_uniform(dy, random);
      fill_uniform(w, random);
      const Exact exact(s, form);
      const std::size_t copies = s.upsampled ? 4 : 1;
      expect_near(data_gradient(s, form, dy, w), exact.data(convert<double>(dy), convert<double>(w)),
                  s.conv.out_channels * s.conv.kernel * s.conv.kernel * copies, describe(s));
      if (HasFailure()) return;
    }
  }
}

TEST(Winograd2d, WeightGradientAgreesWithReferenceAndAddsIfTold) {
  RandomStream random(3, "winograd2d");
  for (const WinogradShape& s : shapes()) {
    for (const ConvWeights form : kForms) {
      // Two groups in one partial gradient, a third in another.
      const std::size_t size = winograd2d_partial_size(s), step = size + 3 * kLanes;
      Guarded<float> partials(2 * step), dw(Sizes(s).w, 1), scratch(winograd2d_scratch_size(s, true));
      std::vector<double> want(Sizes(s).w, 0.0);
      for (const std::size_t group : {0, 1, 2}) {
        const std::size_t n_valid = pick(random, {1, 2, 5, 15, 16});
        Guarded<float> x(Sizes(s).x), dy(Sizes(s).y);
        fill_uniform(x, random);
        fill_uniform(dy, random);
        for (std::size_t i = 0; i < dy.size(); ++i) dy[i] *= i % kLanes < n_valid ? 1.0F : 0.0F;
        winograd2d_weight_gradient(s, x.data(), dy.data(), partials.data() + group / 2 * step, group == 1,
                                   scratch.data());
        const auto of_group = Exact(s, form).weights(convert<double>(x), convert<double>(dy));
        for (std::size_t i = 0; i < want.size(); ++i) want[i] += of_group[i];
      }
      const std::size_t middle = s.conv.in_channels / 2;
      for (const auto& [first, last] :
           {std::pair{middle, s.conv.in_channels}, std::pair{std::size_t{0}, middle}}) {
        winograd2d_sum_gradients(s, form, WinogradPartials<float>{partials.data(), step, 2}, first, last,
                                 dw.data());
      }
      EXPECT_TRUE(partials.guards_intact() && dw.guards_intact() && scratch.guards_intact()) << describe(s);
      EXPECT_TRUE(std::isnan(partials[size])) << describe(s) << ": writes behind its partial gradient";
      expect_near(dw, want, 3 * s.conv.out_height * s.conv.out_width * kLanes, describe(s));
      if (HasFailure()) return;
    }
  }
}

TEST(Winograd2d, LanesNeverMix) {
  RandomStream random(4, "winograd2d");
  for (const WinogradShape& s : {make_shape(5, 17, 9, 14, 5, 2, false), make_shape(5, 3, 8, 8, 5, 2, true)}) {
    constexpr std::size_t kChanged = 5;
    Guarded<float> x(Sizes(s).x), w(Sizes(s).w), dy(Sizes(s).y);
    fill_uniform(x, random);
    fill_uniform(w, random);
    fill_uniform(dy, random);
    const Guarded<float> y = forward(s, ConvWeights::as_is, x, w);
    const Guarded<float> dx = data_gradient(s, ConvWeights::as_is, dy, w);
    for (std::size_t i = kChanged; i < x.size(); i += kLanes) x[i] = std::numeric_limits<float>::infinity();
    for (std::size_t i = kChanged; i < dy.size(); i += kLanes) {
      dy[i] = std::numeric_limits<float>::quiet_NaN();
    }
    const Guarded<float> other_y = forward(s, ConvWeights::as_is, x, w);
    const Guarded<float> other_dx = data_gradient(s, ConvWeights::as_is, dy, w);
    for (std::size_t i = 0; i < y.size(); ++i) {
      if (i % kLanes == kChanged) continue;
      ASSERT_EQ(y[i], other_y[i]) << describe(s) << ", element " << i;
    }
    for (std::size_t i = 0; i < dx.size(); ++i) {
      if (i % kLanes == kChanged) continue;
      ASSERT_EQ(dx[i], other_dx[i]) << describe(s) << ", element " << i;
    }
  }
}

// The reference itself, against the reference of the direct convolution.
TEST(Winograd2d, ReferenceIsTheConvolutionOfTheUpsampledMap) {
  RandomStream random(5, "winograd2d");
  const WinogradShape s = make_shape(2, 3, 4, 6, 5, 1, true);
  std::vector<double> x(Sizes(s).x), w(Sizes(s).w), large(4 * x.size());
  for (double& value : x) value = random.uniform(-1, 1);
  for (double& value : w) value = random.uniform(-1, 1);
  for (std::size_t point = 0; point < 2 * 4 * 6; ++point) {
    const std::size_t c = point / 24, i = point / 6 % 4, j = point % 6;
    for (std::size_t l = 0; l < kLanes; ++l) {
      large[point * kLanes + l] = x[((c * 2 + i / 2) * 3 + j / 2) * kLanes + l];
    }
  }
  std::vector<double> want(Sizes(s).y);
  reference::conv2d_forward(s.conv, large.data(), w.data(), want.data());
  EXPECT_EQ(Exact(s, ConvWeights::as_is).forward(x, w), want);
}

TEST(Winograd2d, ServesStrideOneAndFoldsOnlyWhatItCan) {
  EXPECT_TRUE(winograd2d_serves(make_shape(16, 16, 8, 8, 5, 2, false)));
  EXPECT_TRUE(winograd2d_serves(make_shape(16, 16, 7, 9, 3, 0, false)));
  EXPECT_FALSE(winograd2d_serves(make_shape(16, 16, 8, 8, 4, 2, false)));
  EXPECT_TRUE(winograd2d_serves(make_shape(16, 16, 8, 8, 5, 0, true)));
  EXPECT_FALSE(winograd2d_serves(make_shape(16, 16, 8, 8, 5, 3, true)));
  EXPECT_FALSE(winograd2d_serves(make_shape(16, 16, 8, 8, 3, 1, true)));
  WinogradShape strided = make_shape(16, 16, 8, 8, 5, 2, false);
  strided.conv.stride = 2;
  EXPECT_FALSE(winograd2d_serves(strided));
}

// Layers of the paper's networks, as benchmarks/kernels found them.
TEST(Winograd2d, PaysForManyChannelsOnMapsOfSomeSize) {
  EXPECT_TRUE(winograd2d_pays(make_shape(16, 32, 14, 14, 5, 2, false)));
  EXPECT_TRUE(winograd2d_pays(make_shape(64, 128, 8, 8, 5, 2, false)));
  EXPECT_TRUE(winograd2d_pays(make_shape(8, 128, 4, 4, 5, 2, false)));
  EXPECT_TRUE(winograd2d_pays(make_shape(32, 3, 32, 32, 5, 2, true)));
  EXPECT_FALSE(winograd2d_pays(make_shape(1, 16, 28, 28, 5, 2, false)));
  EXPECT_FALSE(winograd2d_pays(make_shape(3, 32, 32, 32, 5, 2, false)));
  EXPECT_FALSE(winograd2d_pays(make_shape(8, 4, 14, 14, 5, 2, false)));
  EXPECT_FALSE(winograd2d_pays(make_shape(4, 8, 16, 16, 5, 1, true)));
  EXPECT_FALSE(winograd2d_pays(make_shape(64, 64, 1, 1, 5, 2, false)));
}

}  // namespace
}  // namespace deepsad::kernels
