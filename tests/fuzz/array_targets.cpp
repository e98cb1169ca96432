#include <variant>

#include "deepsad/data/cifar.h"
#include "deepsad/data/idx.h"
#include "deepsad/data/image_file.h"
#include "deepsad/data/mat.h"
#include "deepsad/data/numpy.h"
#include "fuzz/support.h"

namespace deepsad::fuzz {
namespace {

void require_whole(const Dataset& data) {
  const std::size_t n = std::visit([](const auto& values) { return values.size(); }, data.values);
  require(n == data.size() * data.n_features() && n > 0, "the values fill the shape");
  require(data.classes.empty() || data.classes.size() == data.size(), "one class a sample");
  require(data.labels.empty() || data.labels.size() == data.size(), "one label a sample");
}

}  // namespace

void idx(Input input) {
  static_cast<void>(accepted([&] { require_whole(read_idx_images(*open_bytes(input, "images"))); }));
  static_cast<void>(accepted([&] { static_cast<void>(read_idx_labels(*open_bytes(input, "labels"), 10)); }));
}

void cifar(Input input) {
  static_cast<void>(accepted([&] { require_whole(read_cifar_batch(*open_bytes(input, "batch"))); }));
}

void mat(Input input) {
  for (const bool labels : {false, true})
    static_cast<void>(accepted([&] {
      const auto in = open_bytes(input, "x.mat");
      // What a compressed variable of this size can plausibly hold.
      in->set_max_bytes(std::uint64_t{16} << 20);
      require_whole(read_mat(*in, {"X", "y", labels}));
    }));
}

void npy(Input input) {
  static_cast<void>(accepted([&] { require_whole(read_npy(*open_bytes(input, "x.npy"))); }));
  static_cast<void>(accepted([&] { static_cast<void>(read_npy_classes(*open_bytes(input, "y.npy"))); }));
}

void image(Input input) {
  // A few bytes may claim a large picture, which takes its time and its memory, rightly so.
  constexpr std::size_t kMostPixels = std::size_t{1} << 20;
  for (const ImageFit fit : {ImageFit::exact, ImageFit::stretch, ImageFit::crop}) {
    ImageOptions options;
    if (fit != ImageFit::exact) options = {.height = 5, .width = 7, .fit = fit};
    static_cast<void>(accepted([&] {
      const Dataset data = read_image_file(input, "image", options);
      require_whole(data);
      if (data.n_features() > kMostPixels) throw DataError("too large for this target");
    }));
  }
}

}  // namespace deepsad::fuzz
