#include "kernels/conv2d/conv2d.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "conv_shape.h"
#include "kernel_test.h"
#include "kernels/conv2d/conv2d_reference.h"

namespace deepsad::kernels {
namespace {

using namespace test;

const std::vector<std::size_t> kChannels = {1, 2, 3, 4, 5, 7, 8, 9, 16, 17};
const std::vector<std::size_t> kSizes = {1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 28};
const std::vector<std::size_t> kKernels = {1, 2, 3, 4, 5, 7};

/// Every pair of channel counts, every kernel with every padding and stride, the other sizes drawn at random.
std::vector<ConvShape> shapes() {
  std::vector<ConvShape> all;
  RandomStream random(11, "conv2d shapes");
  const auto add = [&](std::size_t ic, std::size_t oc, std::size_t k, std::size_t padding,
                       std::size_t stride) {
    const auto size = [&] {
      std::size_t n = 0;
      do n = pick(random, kSizes);
      while (n + 2 * padding < k);
      return n;
    };
    const std::size_t height = size(), width = size();
    all.push_back(conv_shape(ic, oc, height, width, k, padding, stride));
  };
  for (const std::size_t ic : kChannels) {
    for (const std::size_t oc : kChannels) {
      const std::size_t k = pick(random, kKernels);
      add(ic, oc, k, static_cast<std::size_t>(random.uniform(0, static_cast<double>(k))), 1);
    }
  }
  for (const std::size_t k : kKernels) {
    for (std::size_t padding = 0; padding < k; ++padding) {
      for (const std::size_t stride : {1U, 2U, 3U}) {
        for (int i = 0; i < 3; ++i)
          add(pick(random, {1, 2, 3, 5}), pick(random, kChannels), k, padding, stride);
      }
    }
  }
  // Rows wider than several tiles, more weights than one pass of input channels takes.
  all.push_back(conv_shape(3, 9, 5, 32, 5, 2, 1));
  all.push_back(conv_shape(2, 1, 3, 33, 5, 2, 1));
  all.push_back(conv_shape(130, 8, 3, 4, 5, 2, 1));
  all.push_back(conv_shape(170, 6, 2, 3, 7, 3, 1));
  all.push_back(conv_shape(1, 2, 2, 3, 11, 5, 1));
  return all;
}

struct Sizes {
  std::size_t x, w, y;
  explicit Sizes(const ConvShape& s)
      : x(s.in_channels * s.height * s.width * kLanes),
        w(s.in_channels * s.out_channels * s.kernel * s.kernel),
        y(s.out_channels * s.out_height * s.out_width * kLanes) {}
};

std::vector<double> reference_forward(const ConvShape& s, const std::vector<double>& x,
                                      const std::vector<double>& w) {
  std::vector<double> y(Sizes(s).y);
  reference::conv2d_forward(s, x.data(), w.data(), y.data());
  return y;
}
std::vector<double> reference_weights(const ConvShape& s, const std::vector<double>& x,
                                      const std::vector<double>& dy) {
  std::vector<double> dw(Sizes(s).w);
  reference::conv2d_weight_gradient(s, x.data(), dy.data(), dw.data());
  return dw;
}
std::vector<double> reference_data(const ConvShape& s, const std::vector<double>& dy,
                                   const std::vector<double>& w) {
  std::vector<double> dx(Sizes(s).x);
  reference::conv2d_data_gradient(s, dy.data(), w.data(), dx.data());
  return dx;
}

struct Forward {
  Guarded<float> packed, y;
  Forward(const ConvShape& s, ConvWeights form, const Guarded<float>& x, const Guarded<float>& w)
      : packed(conv2d_packed_size(s)), y(Sizes(s).y) {
    conv2d_pack(s, form, w.data(), packed.data());
    conv2d_forward(s, x.data(), packed.data(), y.data());
    EXPECT_TRUE(packed.guards_intact() && y.guards_intact()) << describe(s);
  }
};

TEST(Conv2d, ForwardAgreesWithReference) {
  RandomStream random(1, "conv2d");
  for (const ConvShape& s : shapes()) {
    Guarded<float> x(Sizes(s).x), w(Sizes(s).w, 1);
    fill_uniform(x, random);
    fill_uniform(w, random);
    const Forward result(s, ConvWeights::as_is, x, w);
    const auto x64 = convert<double>(x), w64 = convert<double>(w);
    expect_close(result.y.data(), reference_forward(s, x64, w64),
                 reference_forward(s, absolute(x64), absolute(w64)), s.in_channels * s.kernel * s.kernel,
                 describe(s));
    if (HasFailure()) return;
  }
}

TEST(Conv2d, ForwardIsExactOnIntegers) {
  RandomStream random(2, "conv2d");
  for (const ConvShape& s : shapes()) {
    Guarded<float> x(Sizes(s).x), w(Sizes(s).w);
    fill_integers(x, random);
    fill_integers(w, random);
    const Forward result(s, ConvWeights::as_is, x, w);
    expect_equal(result.y.data(), reference_forward(s, convert<double>(x), convert<double>(w)), describe(s));
    if (HasFailure()) return;
  }
}

TEST(Conv2d, SwappedFlippedPackingGivesTheDataGradient) {
  RandomStream random(3, "conv2d");
  for (const ConvShape& s : shapes()) {
    if (s.stride != 1) continue;
    const ConvShape mirrored{.in_channels = s.out_channels,
                             .height = s.out_height,
                             .width = s.out_width,
                             .out_channels = s.in_channels,
                             .out_height = s.height,
                             .out_width = s.width,
                             .kernel = s.kernel,
                             .padding = s.kernel - 1 - s.padding,
                             .stride = 1};
    Guarded<float> dy(Sizes(s).y), w(Sizes(s).w);
    fill_integers(dy, random);
    fill_integers(w, random);
    const Forward result(mirrored, ConvWeights::swapped_flipped, dy, w);
    expect_equal(result.y.data(), reference_data(s, convert<double>(dy), convert<double>(w)), describe(s));
    if (HasFailure()) return;
  }
}

TEST(Conv2d, DataGradientAgreesWithReference) {
  RandomStream random(4, "conv2d");
  for (const ConvShape& s : shapes()) {
    Guarded<float> dy(Sizes(s).y), w(Sizes(s).w, 3), dx(Sizes(s).x);
    fill_uniform(dy, random);
    fill_uniform(w, random);
    conv2d_data_gradient(s, dy.data(), w.data(), dx.data());
    EXPECT_TRUE(dx.guards_intact()) << describe(s);
    const auto dy64 = convert<double>(dy), w64 = convert<double>(w);
    expect_close(dx.data(), reference_data(s, dy64, w64), reference_data(s, absolute(dy64), absolute(w64)),
                 s.out_channels * s.kernel * s.kernel, describe(s));
    if (HasFailure()) return;
  }
}

TEST(Conv2d, WeightGradientAgreesWithReferenceAndAdds) {
  RandomStream random(5, "conv2d");
  for (const ConvShape& s : shapes()) {
    const std::size_t n_valid = pick(random, {1, 2, 5, 15, 16});
    Guarded<float> x(Sizes(s).x), dy(Sizes(s).y), dw(Sizes(s).w, 1);
    fill_uniform(x, random);
    fill_uniform(dy, random);
    for (std::size_t i = 0; i < dy.size(); ++i) dy[i] *= i % kLanes < n_valid ? 1.0F : 0.0F;
    fill_uniform(dw, random);
    const auto x64 = convert<double>(x), dy64 = convert<double>(dy), before = convert<double>(dw);
    conv2d_weight_gradient(s, x.data(), dy.data(), dw.data());
    EXPECT_TRUE(dw.guards_intact()) << describe(s);
    auto want = reference_weights(s, x64, dy64);
    auto magnitude = reference_weights(s, absolute(x64), absolute(dy64));
    for (std::size_t i = 0; i < want.size(); ++i) {
      want[i] += before[i];
      magnitude[i] += std::abs(before[i]);
    }
    expect_close(dw.data(), want, magnitude, s.out_height * s.out_width * kLanes, describe(s));
    if (HasFailure()) return;
  }
}

TEST(Conv2d, WeightGradientIsExactOnIntegers) {
  RandomStream random(6, "conv2d");
  for (const ConvShape& s : shapes()) {
    Guarded<float> x(Sizes(s).x), dy(Sizes(s).y), dw(Sizes(s).w);
    fill_integers(x, random);
    fill_integers(dy, random);
    dw.fill(0);
    conv2d_weight_gradient(s, x.data(), dy.data(), dw.data());
    expect_equal(dw.data(), reference_weights(s, convert<double>(x), convert<double>(dy)), describe(s));
    if (HasFailure()) return;
  }
}

TEST(Conv2d, LanesNeverMix) {
  RandomStream random(7, "conv2d");
  for (const ConvShape& s : {conv_shape(3, 17, 9, 14, 5, 2, 1), conv_shape(4, 3, 7, 7, 3, 1, 2)}) {
    constexpr std::size_t kChanged = 5;
    Guarded<float> x(Sizes(s).x), w(Sizes(s).w), dy(Sizes(s).y), dx(Sizes(s).x), other_dx(Sizes(s).x);
    fill_uniform(x, random);
    fill_uniform(w, random);
    fill_uniform(dy, random);
    const Forward before(s, ConvWeights::as_is, x, w);
    conv2d_data_gradient(s, dy.data(), w.data(), dx.data());
    for (std::size_t i = kChanged; i < x.size(); i += kLanes) x[i] = std::numeric_limits<float>::infinity();
    for (std::size_t i = kChanged; i < dy.size(); i += kLanes)
      dy[i] = std::numeric_limits<float>::quiet_NaN();
    const Forward after(s, ConvWeights::as_is, x, w);
    conv2d_data_gradient(s, dy.data(), w.data(), other_dx.data());
    for (std::size_t i = 0; i < before.y.size(); ++i) {
      if (i % kLanes == kChanged) continue;
      ASSERT_EQ(before.y[i], after.y[i]) << describe(s) << ", element " << i;
    }
    for (std::size_t i = 0; i < dx.size(); ++i) {
      if (i % kLanes == kChanged) continue;
      ASSERT_EQ(dx[i], other_dx[i]) << describe(s) << ", element " << i;
    }
  }
}

TEST(Conv2d, DoubleIsTheReference) {
  const ConvShape s = conv_shape(1, 1, 1, 3, 3, 1, 1);
  std::vector<double> x(3 * kLanes), y(3 * kLanes), packed(conv2d_packed_size(s));
  const std::vector<double> w = {100, 100, 100, 1, 10, 100, 100, 100, 100};  // only the middle row is inside
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<double>(1 + i / kLanes);
  conv2d_pack(s, ConvWeights::as_is, w.data(), packed.data());
  conv2d_forward(s, x.data(), packed.data(), y.data());
  EXPECT_EQ(y[0], 10 * 1 + 100 * 2);
  EXPECT_EQ(y[kLanes], 1 * 1 + 10 * 2 + 100 * 3);
  EXPECT_EQ(y[2 * kLanes + 15], 1 * 2 + 10 * 3);
  std::vector<double> dw(9), dx(3 * kLanes);
  conv2d_weight_gradient(s, x.data(), y.data(), dw.data());
  EXPECT_EQ(dw[4], kLanes * (210 * 1 + 321 * 2 + 32 * 3));
  EXPECT_EQ(dw[3], kLanes * (321 * 1 + 32 * 2));
  conv2d_data_gradient(s, y.data(), w.data(), dx.data());
  EXPECT_EQ(dx[0], 210 * 10 + 321 * 1);
}

}  // namespace
}  // namespace deepsad::kernels
