#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "data/cell_text.h"
#include "deepsad/core/error.h"
#include "deepsad/data/image_file.h"
#include "deepsad/storage/byte_stream.h"
#include "deepsad/storage/checksum.h"

namespace deepsad {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMostFileBytes = std::uint64_t{1} << 30;

bool has_image_name(const fs::path& path) {
  const std::string extension = path.extension().string();
  return same_word(extension, ".png") || same_word(extension, ".jpg") || same_word(extension, ".jpeg");
}

// Names of the entries that are not hidden, sorted.
std::vector<fs::path> entries_of(const fs::path& folder, bool folders) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().filename().string().starts_with('.')) continue;
    std::error_code ignored;
    const bool wanted =
        folders ? entry->is_directory(ignored) : entry->is_regular_file(ignored) && has_image_name(*entry);
    if (wanted) entries.push_back(entry->path());
  }
  if (error) throw DataError(fmt::format("{}: cannot be read: {}", folder.string(), error.message()));
  std::ranges::sort(entries);
  return entries;
}

Image fit(Image image, const ImageOptions& options, std::size_t height, std::size_t width,
          const std::string& name) {
  if (image.height == height && image.width == width) return image;
  switch (options.fit) {
    case ImageFit::stretch:
      return resize_image(image, height, width);
    case ImageFit::crop: {
      // The largest part of the wanted proportions, from the middle; then resized.
      const bool too_wide = image.width * height > image.height * width;
      const auto part = [](std::size_t extent, std::size_t numerator, std::size_t denominator) {
        return std::max<std::size_t>(1, (2 * extent * numerator + denominator) / (2 * denominator));
      };
      const std::size_t part_height = too_wide ? image.height : part(image.width, height, width);
      const std::size_t part_width = too_wide ? part(image.height, width, height) : image.width;
      const std::size_t top = (image.height - part_height) / 2, left = (image.width - part_width) / 2;
      Image middle{part_height, part_width, image.channels, {}};
      for (std::size_t y = top; y < top + part_height; ++y) {
        const auto first =
            image.pixels.begin() + static_cast<std::ptrdiff_t>((y * image.width + left) * image.channels);
        middle.pixels.insert(middle.pixels.end(), first,
                             first + static_cast<std::ptrdiff_t>(part_width * image.channels));
      }
      return resize_image(middle, height, width);
    }
    case ImageFit::exact:
      break;
  }
  throw DataError(
      fmt::format("{}: found {} x {} pixels, wanted {} x {}; images are resized or cropped on request", name,
                  image.width, image.height, width, height));
}

// Gathers images, which need one size and, once all are known, one number of channels.
class ImageCollector {
 public:
  explicit ImageCollector(const ImageOptions& options)
      : options_(options), height_(options.height), width_(options.width) {
    if ((height_ == 0) != (width_ == 0)) {
      throw InvalidArgument(
          fmt::format("images of {} x {} pixels; give both sides or none", width_, height_));
    }
    if (height_ == 0 && options.fit != ImageFit::exact) {
      throw InvalidArgument("images are to be resized or cropped, but to which size? give height and width");
    }
  }

  void add(Image image, const std::string& name) {
    if (height_ == 0) {
      height_ = image.height;
      width_ = image.width;
    }
    if (options_.color != ImageColor::automatic) image = convert_color(image, options_.color);
    image = fit(std::move(image), options_, height_, width_, name);
    if (image.channels != 1) any_color_ = true;
    images_.push_back(std::move(image));
  }

  [[nodiscard]] Dataset take(const std::string& name) {
    const ImageColor color = any_color_ ? ImageColor::rgb : ImageColor::grey;
    const std::size_t channels = any_color_ ? 3 : 1, image_pixels = height_ * width_;
    Dataset data;
    data.name = name;
    data.sample_shape = {channels, height_, width_};
    std::vector<std::uint8_t> planes(images_.size() * channels * image_pixels);
    std::uint8_t* dst = planes.data();
    for (Image& image : images_) {
      const Image converted = convert_color(image, color);
      image.pixels = {};
      for (std::size_t c = 0; c < channels; ++c)
        for (std::size_t p = 0; p < image_pixels; ++p) *dst++ = converted.pixels[p * channels + c];
    }
    images_.clear();
    data.values = std::move(planes);
    return data;
  }

 private:
  const ImageOptions& options_;
  std::size_t height_, width_;
  bool any_color_ = false;
  std::vector<Image> images_;
};

}  // namespace

Dataset read_image_file(std::span<const std::uint8_t> bytes, const std::string& name,
                        const ImageOptions& options) {
  ImageCollector collector(options);
  collector.add(decode_image(bytes, name), name);
  Dataset data = collector.take(name);
  data.sources.push_back({name, sha256_hex(bytes)});
  return data;
}

Dataset read_image_folder(const std::string& path, const ImageOptions& options,
                          std::vector<std::string>* names) {
  struct File {
    fs::path path;
    int class_number;
  };
  std::vector<File> files;
  std::vector<std::string> class_names;
  for (const fs::path& file : entries_of(path, false)) files.push_back({file, 0});
  for (const fs::path& folder : entries_of(path, true)) {
    const std::vector<fs::path> inside = entries_of(folder, false);
    if (inside.empty()) continue;
    if (!files.empty() && class_names.empty()) {
      throw DataError(
          fmt::format("{}: holds images and, in {}, more images; wanted either all images in the folder "
                      "itself, or all in subfolders, one a class",
                      path, folder.filename().string()));
    }
    for (const fs::path& file : inside) files.push_back({file, static_cast<int>(class_names.size())});
    class_names.push_back(folder.filename().string());
  }
  if (files.empty()) {
    throw DataError(fmt::format("{}: holds no image (.png, .jpg or .jpeg), nor does a subfolder", path));
  }
  ImageCollector collector(options);
  std::vector<std::string> broken;
  std::vector<int> classes;
  for (const File& file : files) {
    const std::string name = file.path.string();
    std::optional<Image> image;
    try {
      const auto in = open_raw_file(name);
      in->set_max_bytes(kMostFileBytes);
      image = decode_image(in->read_all(), name);
    } catch (const DataError& error) {
      broken.emplace_back(error.what());
      continue;
    }
    if (!broken.empty()) continue;  // only the rest of the broken ones is of interest now
    collector.add(*std::move(image), name);
    classes.push_back(file.class_number);
    if (names != nullptr) names->push_back(fs::relative(file.path, path).string());
  }
  if (!broken.empty()) {
    constexpr std::size_t kMostShown = 10;
    std::string message = broken.front();
    for (std::size_t i = 1; i < std::min(kMostShown, broken.size()); ++i) message += "\n" + broken[i];
    if (broken.size() > 1)
      message += fmt::format("\n{} of {} images cannot be read", broken.size(), files.size());
    throw DataError(message);
  }
  Dataset data = collector.take(path);
  if (!class_names.empty()) {
    data.classes = std::move(classes);
    data.class_names = std::move(class_names);
  }
  data.sources.push_back({path, ""});
  return data;
}

}  // namespace deepsad
