#include "deepsad/data/idx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "deepsad/core/error.h"
#include "deepsad/storage/byte_stream.h"
#include "support/files.h"

namespace deepsad {
namespace {

using testing::Bytes;
using ::testing::HasSubstr;
using testing::message_of;

// An IDX header; extents as given, whatever they promise.
Bytes header(std::uint32_t magic, const std::vector<std::uint32_t>& extents) {
  Bytes bytes;
  for (int i = -1; i < static_cast<int>(extents.size()); ++i) {
    const std::uint32_t v = i < 0 ? magic : extents[static_cast<std::size_t>(i)];
    for (const unsigned shift : {24U, 16U, 8U, 0U}) bytes.push_back(static_cast<std::uint8_t>(v >> shift));
  }
  return bytes;
}

Bytes images(std::uint32_t n, std::uint32_t height, std::uint32_t width) {
  Bytes bytes = header(2051, {n, height, width});
  for (std::uint32_t i = 0; i < n * height * width; ++i) bytes.push_back(static_cast<std::uint8_t>(i));
  return bytes;
}

Bytes labels(const Bytes& values) {
  Bytes bytes = header(2049, {static_cast<std::uint32_t>(values.size())});
  bytes.insert(bytes.end(), values.begin(), values.end());
  return bytes;
}

std::string image_error(const Bytes& bytes, std::uint64_t max_bytes = kDefaultMaxBytes) {
  const auto in = open_bytes(bytes, "images");
  in->set_max_bytes(max_bytes);
  return message_of<DataError>([&] { static_cast<void>(read_idx_images(*in)); });
}

std::string label_error(const Bytes& bytes) {
  const auto in = open_bytes(bytes, "labels");
  return message_of<DataError>([&] { static_cast<void>(read_idx_labels(*in, 10)); });
}

TEST(Idx, ReadsImagesAndLabelsAsTheyLie) {
  const Bytes image_bytes = images(3, 2, 4);
  const Bytes label_bytes = labels({7, 0, 9});
  const auto a = open_bytes(image_bytes, "images");
  const auto b = open_bytes(label_bytes, "labels");
  const Dataset data = read_idx(*a, *b, 10);
  EXPECT_EQ(data.size(), 3U);
  EXPECT_EQ(data.sample_shape, (std::vector<std::size_t>{1, 2, 4}));
  EXPECT_EQ(data.classes, (std::vector<int>{7, 0, 9}));
  EXPECT_TRUE(data.labels.empty());
  EXPECT_EQ(std::get<std::vector<std::uint8_t>>(data.values),
            Bytes(image_bytes.begin() + 16, image_bytes.end()));
  ASSERT_EQ(data.sources.size(), 2U);
  EXPECT_EQ(data.sources[0].sha256, sha256_hex(image_bytes));
  EXPECT_EQ(data.sources[1].path, "labels");
  EXPECT_EQ(data.sources[1].sha256, sha256_hex(label_bytes));
}

TEST(Idx, RefusesForeignAndSwappedFiles) {
  EXPECT_EQ(image_error(labels({1, 2})),
            "images: byte 0: found magic number 2049 (IDX labels), wanted 2051 (IDX images)");
  EXPECT_EQ(label_error(images(1, 2, 2)),
            "labels: byte 0: found magic number 2051 (IDX images), wanted 2049 (IDX labels)");
  EXPECT_EQ(image_error(testing::bytes_of("\x89PNG and so on")),
            "images: byte 0: found magic number 0x89504e47 (no IDX file), wanted 2051 (IDX images)");
  EXPECT_THAT(image_error(header(0x0D03, {1, 1, 1})),
              HasSubstr("3331 (IDX, 32-bit floats, 3 dimensions), wanted 2051"));
  EXPECT_THAT(image_error(header(0x0804, {1, 1, 1, 1})),
              HasSubstr("2052 (IDX, unsigned bytes, 4 dimensions), wanted 2051"));
  EXPECT_THAT(image_error(header(0x03080000, {1, 1, 1})),
              HasSubstr("0x03080000 (no IDX file)"));  // other byte order
}

TEST(Idx, RefusesTruncationAtEveryByte) {
  const Bytes whole = images(3, 2, 4);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    EXPECT_THAT(image_error(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n))),
                HasSubstr("images: truncated: "));
  }
  EXPECT_EQ(image_error(Bytes(whole.begin(), whole.begin() + 20)),
            "images: truncated: 3 images of 2 x 4 bytes: wanted 24 bytes from byte 16, found 4");
  EXPECT_EQ(image_error({}), "images: truncated: the magic number: wanted 4 bytes from byte 0, found 0");
}

TEST(Idx, RefusesBytesAfterTheEnd) {
  Bytes long_images = images(3, 2, 4);
  long_images.push_back(0);
  EXPECT_EQ(image_error(long_images),
            "images: oversized: found more bytes at byte 40, wanted the end after 3 images of 2 x 4 bytes");
  Bytes long_labels = labels({1, 2});
  long_labels.push_back(0);
  EXPECT_EQ(label_error(long_labels),
            "labels: oversized: found more bytes at byte 10, wanted the end after 2 labels");
}

TEST(Idx, RefusesZeroAndAbsurdSizes) {
  EXPECT_EQ(image_error(header(2051, {0, 28, 28})),
            "images: byte 4: found number of images 0, wanted at least 1");
  EXPECT_EQ(image_error(header(2051, {5, 0, 28})), "images: byte 8: found image height 0, wanted at least 1");
  EXPECT_EQ(image_error(header(2051, {5, 28, 0})), "images: byte 12: found image width 0, wanted at least 1");
  EXPECT_EQ(label_error(header(2049, {0})), "labels: byte 4: found number of labels 0, wanted at least 1");
  // 2^96 bytes: the product would wrap around in 64 bits, to 1 for these factors.
  EXPECT_EQ(image_error(header(2051, {0xffffffff, 0xffffffff, 0xffffffff}), 1000),
            "images: byte 4: header promises 4294967295 images of 4294967295 x 4294967295 bytes, wanted at "
            "most 1000 "
            "bytes in all");
  // Plausible enough to be tried, and then found to be a lie without allocating 3 GB.
  EXPECT_THAT(image_error(header(2051, {4000000, 28, 28})),
              HasSubstr("wanted 3136000000 bytes from byte 16, found 0"));
}

TEST(Idx, RefusesLabelsThatDoNotFit) {
  EXPECT_EQ(label_error(labels({0, 9, 10, 3})), "labels: byte 10: label of image 2 is 10, wanted 0..9");
  const Bytes image_bytes = images(3, 2, 2);
  const Bytes label_bytes = labels({1, 2});
  const auto a = open_bytes(image_bytes, "images");
  const auto b = open_bytes(label_bytes, "labels");
  EXPECT_EQ(message_of<DataError>([&] { static_cast<void>(read_idx(*a, *b)); }),
            "labels: found 2 labels, wanted 3, one for each image of images");
  // Without a number of classes every byte is a label.
  const Bytes high = labels({255});
  EXPECT_EQ(read_idx_labels(*open_bytes(high, "labels")), Bytes{255});
}

}  // namespace
}  // namespace deepsad
