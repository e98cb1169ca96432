#include "deepsad/data/idx.h"

#include <fmt/format.h>

#include <array>
#include <span>
#include <string_view>

#include "deepsad/core/error.h"
#include "deepsad/storage/byte_stream.h"

namespace deepsad {
namespace {

struct ElementType {
  std::uint32_t code;
  std::string_view name;
};
constexpr std::array<ElementType, 6> kElementTypes = {{{0x08, "unsigned bytes"},
                                                       {0x09, "signed bytes"},
                                                       {0x0B, "16-bit integers"},
                                                       {0x0C, "32-bit integers"},
                                                       {0x0D, "32-bit floats"},
                                                       {0x0E, "64-bit floats"}}};

std::string_view element_type(std::uint32_t code) {
  for (const ElementType& type : kElementTypes) {
    if (type.code == code) return type.name;
  }
  return {};
}

// "2049 (IDX labels)", "3331 (IDX, 32-bit floats, 3 dimensions)" or "0x89504e47 (no IDX file)".
std::string describe_magic(std::uint32_t magic) {
  if (magic == kIdxImagesMagic) return "2051 (IDX images)";
  if (magic == kIdxLabelsMagic) return "2049 (IDX labels)";
  const std::string_view type = element_type(magic >> 8);
  const std::uint32_t rank = magic & 0xffU;
  if (!type.empty() && rank > 0) {
    return fmt::format("{} (IDX, {}, {} dimension{})", magic, type, rank, rank == 1 ? "" : "s");
  }
  return fmt::format("{:#010x} (no IDX file)", magic);
}

std::uint32_t read_u32(ByteStream& in, std::string_view what) {
  std::array<std::uint8_t, 4> b{};
  in.read_exactly(b, what);
  return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
}

void check_magic(ByteStream& in, std::uint32_t wanted) {
  const std::uint32_t found = read_u32(in, "the magic number");
  if (found != wanted) {
    throw DataError(fmt::format("{}: byte 0: found magic number {}, wanted {}", in.name(),
                                describe_magic(found), describe_magic(wanted)));
  }
}

std::uint64_t read_extent(ByteStream& in, std::string_view what) {
  const std::uint64_t position = in.position();
  const std::uint32_t extent = read_u32(in, what);
  if (extent == 0)
    throw DataError(fmt::format("{}: byte {}: found {} 0, wanted at least 1", in.name(), position, what));
  return extent;
}

}  // namespace

bool looks_like_idx(const std::uint8_t* first_bytes, std::size_t n) {
  return n >= 4 && first_bytes[0] == 0 && first_bytes[1] == 0 && !element_type(first_bytes[2]).empty() &&
         first_bytes[3] > 0;
}

Dataset read_idx_images(ByteStream& in) {
  check_magic(in, kIdxImagesMagic);
  const std::uint64_t n = read_extent(in, "number of images");
  const std::uint64_t height = read_extent(in, "image height");
  const std::uint64_t width = read_extent(in, "image width");
  const std::uint64_t image_bytes = height * width;  // two 32-bit factors: cannot overflow
  if (image_bytes > in.max_bytes() / n) {
    throw DataError(
        fmt::format("{}: byte 4: header promises {} images of {} x {} bytes, wanted at most {} bytes in all",
                    in.name(), n, height, width, in.max_bytes()));
  }
  Dataset data;
  data.name = in.name();
  data.sample_shape = {1, height, width};
  std::vector<std::uint8_t> pixels;
  in.append_exactly(pixels, n * image_bytes, fmt::format("{} images of {} x {} bytes", n, height, width));
  in.expect_end(fmt::format("{} images of {} x {} bytes", n, height, width));
  data.values = std::move(pixels);
  data.sources.push_back({in.name(), in.file_sha256()});
  return data;
}

std::vector<std::uint8_t> read_idx_labels(ByteStream& in, std::optional<int> n_classes) {
  check_magic(in, kIdxLabelsMagic);
  const std::uint64_t n = read_extent(in, "number of labels");
  if (n > in.max_bytes()) {
    throw DataError(fmt::format("{}: byte 4: header promises {} labels, wanted at most {}", in.name(), n,
                                in.max_bytes()));
  }
  std::vector<std::uint8_t> labels;
  in.append_exactly(labels, n, fmt::format("{} labels", n));
  in.expect_end(fmt::format("{} labels", n));
  if (n_classes) {
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] >= *n_classes) {
        constexpr std::size_t kHeaderBytes = 8;
        throw DataError(fmt::format("{}: byte {}: label of image {} is {}, wanted 0..{}", in.name(),
                                    kHeaderBytes + i, i, labels[i], *n_classes - 1));
      }
    }
  }
  return labels;
}

Dataset read_idx(ByteStream& images, ByteStream& labels, std::optional<int> n_classes) {
  Dataset data = read_idx_images(images);
  const std::vector<std::uint8_t> classes = read_idx_labels(labels, n_classes);
  if (classes.size() != data.size()) {
    throw DataError(fmt::format("{}: found {} labels, wanted {}, one for each image of {}", labels.name(),
                                classes.size(), data.size(), images.name()));
  }
  data.classes.assign(classes.begin(), classes.end());
  data.sources.push_back({labels.name(), labels.file_sha256()});
  return data;
}

}  // namespace deepsad
