#include "kernels/upsample_conv/upsample_conv.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernel_test.h"
#include "kernels/conv2d/conv2d_reference.h"
#include "kernels/pooling/pooling_reference.h"

namespace deepsad::kernels {
namespace {

using namespace test;

UpsampleConvShape make_shape(std::size_t in_channels, std::size_t out_channels, std::size_t height,
                             std::size_t width, std::size_t kernel, std::size_t padding) {
  return {.in_channels = in_channels,
          .height = height,
          .width = width,
          .out_channels = out_channels,
          .out_height = 2 * height + 2 * padding + 1 - kernel,
          .out_width = 2 * width + 2 * padding + 1 - kernel,
          .kernel = kernel,
          .padding = padding};
}

std::string describe(const UpsampleConvShape& s) {
  return "channels " + std::to_string(s.in_channels) + "->" + std::to_string(s.out_channels) + ", map " +
         std::to_string(s.height) + "x" + std::to_string(s.width) + ", kernel " + std::to_string(s.kernel) +
         ", padding " + std::to_string(s.padding);
}

/// Every odd kernel with every padding, other sizes drawn at random; tiles of every kind; the paper's
/// decoders.
std::vector<UpsampleConvShape> shapes() {
  std::vector<UpsampleConvShape> all;
  RandomStream random(41, "upsample_conv shapes");
  for (const std::size_t kernel : {1U, 3U, 5U, 7U}) {
    for (std::size_t padding = 0; padding < kernel; ++padding) {
      for (int i = 0; i < 6; ++i) {
        const auto size = [&] {
          std::size_t n = 0;
          do n = pick(random, {1, 2, 3, 4, 5, 6, 7, 9});
          while (2 * n + 2 * padding < kernel + 1);
          return n;
        };
        const std::size_t height = size(), width = size();
        all.push_back(make_shape(pick(random, {1, 2, 3, 4, 7, 9}), pick(random, {1, 2, 3, 4, 5, 8}), height,
                                 width, kernel, padding));
      }
    }
  }
  // Of kernel 5, three taps a row: every width of a tile with every number of columns outside its window.
  for (std::size_t padding = 0; padding < 5; ++padding) {
    for (std::size_t width = 1; width <= 13; ++width) {
      if (2 * width + 2 * padding < 6) continue;
      const std::size_t height = padding == 0 ? 3 : pick(random, {2, 3});
      all.push_back(
          make_shape(pick(random, {1, 4, 6, 7}), pick(random, {1, 2, 4}), height, width, 5, padding));
      all.push_back(make_shape(pick(random, {2, 3}), pick(random, {2, 3}), height, width, 5, padding));
    }
  }
  all.push_back(make_shape(2, 4, 4, 4, 5, 2));
  all.push_back(make_shape(4, 8, 8, 8, 5, 1));
  all.push_back(make_shape(8, 1, 14, 14, 5, 2));
  return all;
}

/// The two layers as separate operations, in double.
struct Unfused {
  UpsampleConvShape s;
  ConvShape convolution;
  std::size_t x_size, u_size, w_size, y_size;
  explicit Unfused(const UpsampleConvShape& shape)
      : s(shape),
        convolution{s.in_channels,  2 * s.height, 2 * s.width,
                    s.out_channels, s.out_height, s.out_width,
                    s.kernel,       s.padding,    1},
        x_size(s.in_channels * s.height * s.width * kLanes),
        u_size(4 * x_size),
        w_size(s.in_channels * s.out_channels * s.kernel * s.kernel),
        y_size(s.out_channels * s.out_height * s.out_width * kLanes) {}

  [[nodiscard]] std::vector<double> upsampled(const std::vector<double>& x) const {
    std::vector<double> u(u_size);
    reference::upsample_forward(s.in_channels, s.height, s.width, x.data(), u.data());
    return u;
  }
  [[nodiscard]] std::vector<double> packed(ConvWeights form, const std::vector<double>& w) const {
    std::vector<double> result(w_size);
    reference::conv2d_pack(convolution, form, w.data(), result.data());
    return result;
  }
  [[nodiscard]] std::vector<double> forward(ConvWeights form, const std::vector<double>& x,
                                            const std::vector<double>& w) const {
    std::vector<double> y(y_size);
    reference::conv2d_forward(convolution, upsampled(x).data(), packed(form, w).data(), y.data());
    return y;
  }
  [[nodiscard]] std::vector<double> data_gradient(ConvWeights form, const std::vector<double>& dy,
                                                  const std::vector<double>& w) const {
    std::vector<double> du(u_size), dx(x_size);
    reference::conv2d_data_gradient(convolution, dy.data(), packed(form, w).data(), du.data());
    reference::upsample_backward(s.in_channels, s.height, s.width, du.data(), dx.data());
    return dx;
  }
  [[nodiscard]] std::vector<double> weight_gradient(ConvWeights form, const std::vector<double>& x,
                                                    const std::vector<double>& dy) const {
    std::vector<double> dw(w_size);
    reference::conv2d_weight_gradient(convolution, upsampled(x).data(), dy.data(), dw.data());
    if (form == ConvWeights::as_is) return dw;
    // packed() of the mirrored layer swaps and flips back.
    ConvShape mirrored = convolution;
    std::swap(mirrored.in_channels, mirrored.out_channels);
    std::vector<double> result(w_size);
    reference::conv2d_pack(mirrored, form, dw.data(), result.data());
    return result;
  }
};

constexpr ConvWeights kForms[] = {ConvWeights::as_is, ConvWeights::swapped_flipped};

template <class T>
void run_forward(const UpsampleConvShape& s, ConvWeights form, const T* x, const T* w, Guarded<T>& y) {
  Guarded<T> packed(upsample_conv_packed_size(s));
  upsample_conv_pack(s, form, w, packed.data(), static_cast<T*>(nullptr));
  upsample_conv_forward(s, x, packed.data(), y.data());
  EXPECT_TRUE(packed.guards_intact() && y.guards_intact()) << describe(s);
}
template <class T>
void run_data_gradient(const UpsampleConvShape& s, ConvWeights form, const T* dy, const T* w,
                       Guarded<T>& dx) {
  Guarded<T> packed(upsample_conv_packed_size(s)), forward(upsample_conv_packed_size(s));
  upsample_conv_pack(s, form, w, forward.data(), packed.data());
  upsample_conv_data_gradient(s, dy, packed.data(), dx.data());
  EXPECT_TRUE(packed.guards_intact() && forward.guards_intact() && dx.guards_intact()) << describe(s);
}
template <class T>
void run_weight_gradient(const UpsampleConvShape& s, ConvWeights form, const T* x, const T* dy,
                         Guarded<T>& dw) {
  Guarded<T> scratch(upsample_conv_packed_size(s));
  upsample_conv_weight_gradient(s, form, x, dy, dw.data(), scratch.data());
  EXPECT_TRUE(dw.guards_intact() && scratch.guards_intact()) << describe(s);
}

TEST(UpsampleConv, IsExactOnIntegers) {
  RandomStream random(1, "upsample_conv");
  for (const UpsampleConvShape& s : shapes()) {
    const Unfused want(s);
    for (const ConvWeights form : kForms) {
      Guarded<float> x(want.x_size), w(want.w_size, 1), dy(want.y_size);
      fill_integers(x, random);
      fill_integers(w, random);
      fill_integers(dy, random);
      const auto x64 = convert<double>(x), w64 = convert<double>(w), dy64 = convert<double>(dy);
      Guarded<float> y(want.y_size), dx(want.x_size), dw(want.w_size, 1);
      run_forward(s, form, x.data(), w.data(), y);
      expect_equal(y.data(), want.forward(form, x64, w64), "y of " + describe(s));
      run_data_gradient(s, form, dy.data(), w.data(), dx);
      expect_equal(dx.data(), want.data_gradient(form, dy64, w64), "dx of " + describe(s));
      dw.fill(3);
      auto dw64 = want.weight_gradient(form, x64, dy64);
      for (double& value : dw64) value += 3;
      run_weight_gradient(s, form, x.data(), dy.data(), dw);
      expect_equal(dw.data(), dw64, "dw of " + describe(s));
      if (HasFailure()) return;
    }
  }
}

TEST(UpsampleConv, AgreesWithReference) {
  RandomStream random(2, "upsample_conv");
  for (const UpsampleConvShape& s : shapes()) {
    const Unfused want(s);
    const std::size_t taps = s.kernel * s.kernel, points = s.out_height * s.out_width * kLanes;
    Guarded<float> x(want.x_size), w(want.w_size), dy(want.y_size);
    fill_uniform(x, random);
    fill_uniform(w, random);
    fill_uniform(dy, random);
    const auto x64 = convert<double>(x), w64 = convert<double>(w), dy64 = convert<double>(dy);
    const ConvWeights form = kForms[0];
    Guarded<float> y(want.y_size), dx(want.x_size), dw(want.w_size);
    run_forward(s, form, x.data(), w.data(), y);
    expect_close(y.data(), want.forward(form, x64, w64), want.forward(form, absolute(x64), absolute(w64)),
                 s.in_channels * taps, "y of " + describe(s));
    run_data_gradient(s, form, dy.data(), w.data(), dx);
    expect_close(dx.data(), want.data_gradient(form, dy64, w64),
                 want.data_gradient(form, absolute(dy64), absolute(w64)), 4 * s.out_channels * taps,
                 "dx of " + describe(s));
    dw.fill(0);
    run_weight_gradient(s, form, x.data(), dy.data(), dw);
    expect_close(dw.data(), want.weight_gradient(form, x64, dy64),
                 want.weight_gradient(form, absolute(x64), absolute(dy64)), points, "dw of " + describe(s));
    if (HasFailure()) return;
  }
}

TEST(UpsampleConv, DoubleIsTheUnfusedReference) {
  RandomStream random(3, "upsample_conv");
  for (const std::size_t padding : {1U, 2U}) {
    const UpsampleConvShape s = make_shape(2, 3, 4, 5, 5, padding);
    const Unfused want(s);
    for (const ConvWeights form : kForms) {
      Guarded<double> x(want.x_size), w(want.w_size), dy(want.y_size);
      fill_integers(x, random);
      fill_integers(w, random);
      fill_integers(dy, random);
      Guarded<double> y(want.y_size), dx(want.x_size), dw(want.w_size);
      const auto x64 = convert<double>(x), w64 = convert<double>(w), dy64 = convert<double>(dy);
      run_forward(s, form, x.data(), w.data(), y);
      EXPECT_EQ(convert<double>(y), want.forward(form, x64, w64));
      run_data_gradient(s, form, dy.data(), w.data(), dx);
      EXPECT_EQ(convert<double>(dx), want.data_gradient(form, dy64, w64));
      dw.fill(0);
      run_weight_gradient(s, form, x.data(), dy.data(), dw);
      EXPECT_EQ(convert<double>(dw), want.weight_gradient(form, x64, dy64));
    }
  }
}

TEST(UpsampleConv, LanesNeverMix) {
  constexpr std::size_t kChanged = 5;
  RandomStream random(4, "upsample_conv");
  const UpsampleConvShape s = make_shape(3, 5, 6, 7, 5, 1);
  const Unfused sizes(s);
  Guarded<float> x(sizes.x_size), w(sizes.w_size), before(sizes.y_size), after(sizes.y_size);
  fill_uniform(x, random);
  fill_uniform(w, random);
  run_forward(s, ConvWeights::as_is, x.data(), w.data(), before);
  for (std::size_t i = kChanged; i < x.size(); i += kLanes) x[i] = std::numeric_limits<float>::quiet_NaN();
  run_forward(s, ConvWeights::as_is, x.data(), w.data(), after);
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (i % kLanes != kChanged) {
      ASSERT_EQ(before[i], after[i]) << "element " << i;
    }
  }
}

}  // namespace
}  // namespace deepsad::kernels
