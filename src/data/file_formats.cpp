#include "deepsad/data/file_formats.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>

#include "deepsad/core/error.h"
#include "deepsad/data/cifar.h"
#include "deepsad/data/idx.h"
#include "deepsad/data/numpy.h"
#include "deepsad/storage/pickle.h"

namespace deepsad {
namespace {

using Start = std::span<const std::uint8_t>;
constexpr std::size_t kStartBytes = kCifarRecordBytes + 1;  // enough to tell every format below

bool is_idx(Start start) {
  return looks_like_idx(start.data(), start.size());
}
bool is_mat(Start start) {
  return looks_like_mat(start.data(), start.size());
}
bool is_npy(Start start) {
  return looks_like_npy(start.data(), start.size());
}
bool is_image(Start start) {
  return looks_like_image(start.data(), start.size());
}
// No magic number: the labels of the first and the second record must be labels. Or a pickle, the Python
// version.
bool is_cifar(Start start) {
  if (!start.empty() && start[0] == kPickleStart) return true;
  return start.size() >= kCifarRecordBytes && start[0] < kCifarClasses &&
         (start.size() == kCifarRecordBytes || start[kCifarRecordBytes] < kCifarClasses);
}

void refuse_labels_file(const ByteStream& in, const SampleFileOptions& options, std::string_view format) {
  if (!options.labels_path.empty()) {
    throw InvalidArgument(fmt::format(
        "a labels file ({}) belongs to IDX images or an NPY file, but {} is {}, which has its own labels",
        options.labels_path, in.name(), format));
  }
}

Dataset read_idx_file(ByteStream& in, const SampleFileOptions& options) {
  if (options.labels_path.empty()) return read_idx_images(in);
  return read_idx(in, *open_file(options.labels_path, options.max_bytes));
}
Dataset read_mat_file(ByteStream& in, const SampleFileOptions& options) {
  refuse_labels_file(in, options, "a MAT file");
  return read_mat(in, options.mat);
}
Dataset read_cifar_file(ByteStream& in, const SampleFileOptions& options) {
  refuse_labels_file(in, options, "a CIFAR-10 batch");
  return read_cifar_batch(in);
}
Dataset read_npy_file(ByteStream& in, const SampleFileOptions& options) {
  Dataset data = read_npy(in);
  if (options.labels_path.empty()) return data;
  data.classes = read_npy_classes(*open_file(options.labels_path, options.max_bytes));
  if (data.classes.size() != data.size()) {
    throw DataError(fmt::format("{}: found {} classes for the {} samples of {}, wanted one each",
                                options.labels_path, data.classes.size(), data.size(), in.name()));
  }
  return data;
}
Dataset read_one_image(ByteStream& in, const SampleFileOptions& options) {
  refuse_labels_file(in, options, "an image");
  return read_image_file(in.read_all(), in.name(), options.images);
}

struct Format {
  std::string_view name;
  bool (*matches)(Start start);
  Dataset (*read)(ByteStream& in, const SampleFileOptions& options);
};
// In the order in which they are tried: formats with a magic number first.
constexpr std::array<Format, 5> kFormats = {{{"IDX images", is_idx, read_idx_file},
                                             {"MAT 5 to 7.2", is_mat, read_mat_file},
                                             {"NPY", is_npy, read_npy_file},
                                             {"PNG or JPEG", is_image, read_one_image},
                                             {"CIFAR-10 batch", is_cifar, read_cifar_file}}};

// Files that people have and this reader cannot take; named, so that the error says more than "unknown".
struct ForeignFormat {
  std::string_view magic;
  std::string_view name;
};
using namespace std::string_view_literals;
constexpr std::array<ForeignFormat, 2> kForeignFormats = {
    {{"\x89HDF\r\n"sv, "an HDF5 file"}, {"\x28\xb5\x2f\xfd"sv, "zstd-compressed"}}};

std::string describe(Start start) {
  if (start.empty()) return "an empty file";
  for (const ForeignFormat& format : kForeignFormats) {
    if (start.size() >= format.magic.size() &&
        std::memcmp(start.data(), format.magic.data(), format.magic.size()) == 0) {
      return std::string(format.name);
    }
  }
  const Start head = start.first(std::min<std::size_t>(start.size(), 8));
  const bool text = std::ranges::all_of(
      head, [](std::uint8_t b) { return (b >= 0x20 && b < 0x7f) || (b >= 9 && b <= 13); });
  return fmt::format("{} that starts with the bytes {:02x}", text ? "a text" : "a file",
                     fmt::join(head, " "));
}

Dataset read_stream(ByteStream& in, const SampleFileOptions& options) {
  const Start start = in.peek(kStartBytes);
  for (const Format& format : kFormats) {
    if (format.matches(start)) return format.read(in, options);
  }
  std::string known;
  for (const Format& format : kFormats) known += fmt::format("{}{}", known.empty() ? "" : ", ", format.name);
  throw DataError(
      fmt::format("{}: found {}, wanted one of the formats: {}", in.name(), describe(start), known));
}

// Whether these are the files of an NPZ archive.
bool is_npz(const std::vector<std::string>& members) {
  return !members.empty() &&
         std::ranges::all_of(members, [](const std::string& name) { return name.ends_with(".npy"); });
}

Dataset read_member(const std::string& path, const SampleFileOptions& options) {
  // One walk to see what is there, so that an ambiguous archive is refused before anything is read.
  std::vector<std::string> members;
  for_each_member(path, options.max_bytes, [&](const std::string& member, ByteStream&) {
    members.push_back(member);
    return true;
  });
  if (options.member.empty() && options.labels_path.empty() && is_npz(members)) {
    return read_npz(path, {options.mat.samples, options.mat.labels, options.max_bytes});
  }
  std::string wanted = options.member;
  if (wanted.empty() && members.size() == 1) wanted = members.front();
  if (std::ranges::find(members, wanted) == members.end()) {
    throw DataError(fmt::format("{}: {}, wanted the name of one of its {} files: {}", path,
                                wanted.empty() ? "is an archive" : fmt::format("has no \"{}\"", wanted),
                                members.size(), fmt::join(members, ", ")));
  }
  std::optional<Dataset> data;
  for_each_member(path, options.max_bytes, [&](const std::string& member, ByteStream& content) {
    if (member != wanted) return true;
    data = read_stream(content, options);
    return false;
  });
  return std::move(*data);
}

}  // namespace

Dataset read_samples(const std::string& path, const SampleFileOptions& options) {
  std::error_code not_there;
  if (std::filesystem::is_directory(path, not_there)) {
    if (!options.labels_path.empty()) {
      throw InvalidArgument(
          fmt::format("a labels file ({}) belongs to IDX images or an NPY file; the classes of a folder of "
                      "images are its subfolders",
                      options.labels_path));
    }
    return read_image_folder(path, options.images);
  }
  if (is_archive(path)) return read_member(path, options);
  if (!options.member.empty()) {
    throw InvalidArgument(
        fmt::format("\"{}\" was asked for as a file in {}, which is not an archive", options.member, path));
  }
  return read_stream(*open_file(path, options.max_bytes), options);
}

}  // namespace deepsad
