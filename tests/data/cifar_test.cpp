#include "deepsad/data/cifar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
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
}

// A batch as Python 2 pickled the official ones: {"data": array of bytes, "labels": [...], "filenames":
// [...]}.
Bytes pickled(const Bytes& records, const std::string& type = "u1", bool last_label_missing = false) {
  const std::size_t n = records.size() / kCifarRecordBytes;
  const auto little_endian = [](std::size_t value) {
    std::string bytes;
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(value >> shift);
    return bytes;
  };
  std::string pixels, labels;
  for (std::size_t i = 0; i < n; ++i) {
    const auto record = records.begin() + static_cast<std::ptrdiff_t>(i * kCifarRecordBytes);
    pixels.append(record + 1, record + static_cast<std::ptrdiff_t>(kCifarRecordBytes));
    if (i + 1 < n || !last_label_missing) labels += std::string("K") + static_cast<char>(*record);
  }
  std::string out =
      "\x80\x02}(U\x04"
      "data"
      "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK";
  out += std::string(
      "\0\x85U\x01"
      "b\x87R(K\x01",
      10);
  out += "J" + little_endian(n) + "M" + std::string("\x00\x0c", 2) + "\x86";
  out += "cnumpy\ndtype\nU\x02" + type +
         std::string("K\0K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb", 29);
  out += "\x89T" + little_endian(pixels.size()) + pixels + "tb";
  out += "U\x06labels](" + labels +
         "eU\x09"
         "filenames](U\x05"
         "a.pngeu.";
  return testing::bytes_of(out);
}

TEST(Cifar, ThePythonVersionGivesTheSame) {
  const Bytes binary = batch(5, 3), python = pickled(binary);
  const Dataset wanted = read_cifar_batch(*open_bytes(binary, "batch"));
  const Dataset found = read_cifar_batch(*open_bytes(python, "batch"));
  EXPECT_EQ(found.values, wanted.values);
  EXPECT_EQ(found.classes, wanted.classes);
  EXPECT_EQ(found.sample_shape, wanted.sample_shape);
  EXPECT_EQ(found.sources.at(0).sha256, sha256_hex(binary));  // of the records, whatever they came in
  const TempDir dir;
  auto members = six("cifar-10-batches-py/");
  for (auto& [name, content] : members) {
    if (!name.ends_with(".bin")) continue;
    name.erase(name.size() - 4);
    content = pickled(content);
  }
  write_file(dir.at("py.tar.gz"), testing::make_archive("tar", "gzip", members));
  write_file(dir.at("bin.tar.gz"), testing::make_archive("tar", "gzip", six("")));
  const CifarParts from_python = read_cifar_archive(dir.at("py.tar.gz"));
  const CifarParts from_binary = read_cifar_archive(dir.at("bin.tar.gz"));
  EXPECT_EQ(from_python.train.values, from_binary.train.values);
  EXPECT_EQ(from_python.test.classes, from_binary.test.classes);
}

TEST(Cifar, PicklesThatAreNoBatchAreRefused) {
  const Bytes records = batch(2);
  Bytes named = pickled(records);
  const std::string from = "cnumpy\nndarray", to = "cposix\nsystem\n";
  const auto at = std::search(named.begin(), named.end(), from.begin(), from.end());
  std::copy(to.begin(), to.end(), at);
  EXPECT_THAT(batch_error(named), HasSubstr("refused: the global \"posix.system\""));
  EXPECT_THAT(batch_error(pickled(records, "i8")), HasSubstr("an array of another type or order"));
  EXPECT_THAT(batch_error(pickled(records, "u1", true)), HasSubstr("found 2 images and 1 labels"));
  EXPECT_THAT(batch_error(testing::bytes_of("\x80\x02}.")),
              HasSubstr("is a pickle of a dict of 0, wanted CIFAR-10's"));
  Bytes label = records;
  label[kCifarRecordBytes] = 10;
  EXPECT_THAT(batch_error(pickled(label)), HasSubstr("label of record 1 is the integer 10, wanted 0..9"));
  Bytes cut = pickled(records);
  cut.resize(cut.size() / 2);
  EXPECT_THAT(batch_error(cut), HasSubstr("truncated"));
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
