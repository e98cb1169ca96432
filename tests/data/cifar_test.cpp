#include "deepsad/data/cifar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <variant>

#include "deepsad/core/error.h"
#include "deepsad/storage/byte_stream.h"
#include "support/files.h"

namespace deepsad {
namespace {

using testing::Bytes;
using ::testing::HasSubstr;
using testing::message_of;
using testing::TempDir;
using testing::write_file;

// n records; record i has label (first + i) % 10 and pixels that count up from i.
Bytes batch(std::size_t n, std::size_t first = 0) {
  Bytes bytes;
  for (std::size_t i = 0; i < n; ++i) {
    bytes.push_back(static_cast<std::uint8_t>((first + i) % 10));
    for (std::size_t j = 0; j < kCifarImageBytes; ++j) bytes.push_back(static_cast<std::uint8_t>(i + j));
  }
  return bytes;
}

std::string batch_error(const Bytes& bytes) {
  const auto in = open_bytes(bytes, "batch");
  return message_of<DataError>([&] { static_cast<void>(read_cifar_batch(*in)); });
}

TEST(Cifar, ReadsRecordsInOrderAtAnyCount) {
  for (const std::size_t n : {1UL, 255UL, 256UL, 257UL, 600UL}) {  // 256 records are read at a time
    const Bytes bytes = batch(n);
    const Dataset data = read_cifar_batch(*open_bytes(bytes, "batch"));
    ASSERT_EQ(data.size(), n);
    EXPECT_EQ(data.sample_shape, (std::vector<std::size_t>{3, 32, 32}));
    const auto& pixels = std::get<std::vector<std::uint8_t>>(data.values);
    for (std::size_t i = 0; i < n; ++i) {
      EXPECT_EQ(data.classes[i], static_cast<int>(i % 10));
      EXPECT_EQ(pixels[i * 3072], static_cast<std::uint8_t>(i));
      EXPECT_EQ(pixels[i * 3072 + 3071], static_cast<std::uint8_t>(i + 3071));
    }
    EXPECT_EQ(data.sources.at(0).sha256, sha256_hex(bytes));
  }
}

TEST(Cifar, RefusesWhatIsNoBatch) {
  EXPECT_EQ(batch_error({}), "batch: is empty, wanted records of 3073 bytes");
  Bytes cut = batch(300);
  cut.resize(cut.size() - 73);
  EXPECT_EQ(batch_error(cut),
            "batch: found 921827 bytes, wanted a multiple of 3073 (records of 1 label and 3072 pixel bytes); "
            "the last "
            "record, 299, has 3000 bytes");
  Bytes wrong = batch(300);
  wrong[280 * 3073] = 17;
  EXPECT_EQ(batch_error(wrong), "batch: byte 860440: label of record 280 is 17, wanted 0..9");
}

// The six batches, each with other labels, in an order that is not theirs, as in the official archive.
std::vector<std::pair<std::string, Bytes>> six(const std::string& folder) {
  std::vector<std::pair<std::string, Bytes>> members = {
      {folder + "batches.meta.txt", testing::bytes_of("airplane\n")}};
  for (const std::size_t i : {3UL, 1UL, 6UL, 2UL, 5UL, 4UL}) {
    const std::string name = i == 6 ? "test_batch.bin" : "data_batch_" + std::to_string(i) + ".bin";
    members.emplace_back(folder + name, batch(2, i));
  }
  return members;
}

TEST(Cifar, ReadsTheOfficialArchive) {
  const TempDir dir;
  for (const auto& [name, format, filter] :
       {std::tuple{"a.tar.gz", "tar", "gzip"}, std::tuple{"a.zip", "zip", "none"}}) {
    const std::string path = dir.at(name);
    write_file(path, testing::make_archive(format, filter, six("cifar-10-batches-bin/")));
    const CifarParts parts = read_cifar_archive(path);
    EXPECT_EQ(parts.train.classes, (std::vector<int>{1, 2, 2, 3, 3, 4, 4, 5, 5, 6}));
    EXPECT_EQ(parts.test.classes, (std::vector<int>{6, 7}));
    ASSERT_EQ(parts.train.sources.size(), 5U);
    EXPECT_EQ(parts.train.sources[2].path, path + ":cifar-10-batches-bin/data_batch_3.bin");
    EXPECT_EQ(parts.train.sources[2].sha256, sha256_hex(batch(2, 3)));
    EXPECT_EQ(parts.test.sources.at(0).sha256, sha256_hex(batch(2, 6)));
  }
}

TEST(Cifar, RefusesArchivesThatLackOrRepeatABatch) {
  const TempDir dir;
  const std::string path = dir.at("a.tar.gz");
  auto members = six("x/");
  members.pop_back();
  write_file(path, testing::make_archive("tar", "gzip", members));
  EXPECT_EQ(
      message_of<DataError>([&] { static_cast<void>(read_cifar_archive(path)); }),
      path +
          ": has no data_batch_4.bin; found x/batches.meta.txt, x/data_batch_3.bin, x/data_batch_1.bin, "
          "x/test_batch.bin, x/data_batch_2.bin, x/data_batch_5.bin");
  members.push_back(members[1]);
  write_file(path, testing::make_archive("tar", "gzip", members));
  EXPECT_EQ(message_of<DataError>([&] { static_cast<void>(read_cifar_archive(path)); }),
            path + ":x/data_batch_3.bin: is there twice, wanted once");
  write_file(path, testing::make_archive("tar", "gzip", {{"cifar-10-batches-py/data_batch_1", {0x80, 2}}}));
  EXPECT_THAT(message_of<DataError>([&] { static_cast<void>(read_cifar_archive(path)); }),
              HasSubstr("is the Python version of CIFAR-10 (pickled batches), wanted the binary version, "
                        "cifar-10-binary.tar.gz; get it with `deepsad data fetch cifar10`"));
}

TEST(Cifar, ErrorsInsideAnArchiveNameTheMember) {
  const TempDir dir;
  const std::string path = dir.at("a.zip");
  auto members = six("");
  members[2].second[3073] = 200;
  write_file(path, testing::make_archive("zip", "none", members));
  EXPECT_EQ(message_of<DataError>([&] { static_cast<void>(read_cifar_archive(path)); }),
            path + ":data_batch_1.bin: byte 3073: label of record 1 is 200, wanted 0..9");
}

}  // namespace
}  // namespace deepsad
