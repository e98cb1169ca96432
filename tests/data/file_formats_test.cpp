#include "deepsad/data/file_formats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/data/cifar.h"
#include "support/files.h"

namespace deepsad {
namespace {

using testing::Bytes;
using testing::bytes_of;
using ::testing::HasSubstr;
using testing::message_of;
using ::testing::StartsWith;
using testing::TempDir;
using testing::write_file;

const std::string kData = std::string(DEEPSAD_SHARED_DIR) + "/data";

const Bytes kImages = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 10, 11, 12, 20, 21, 22};
const Bytes kLabels = {0, 0, 8, 1, 0, 0, 0, 2, 200, 3};

Bytes cifar_batch(std::size_t n) {
  Bytes bytes(n * kCifarRecordBytes, 100);
  for (std::size_t i = 0; i < n; ++i) bytes[i * kCifarRecordBytes] = static_cast<std::uint8_t>(i);
  return bytes;
}

class FileFormats : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const Bytes& bytes) const {
    write_file(dir_.at(name), bytes);
    return dir_.at(name);
  }
  template <class E>
  std::string error(const std::string& path, const SampleFileOptions& options = {}) const {
    return message_of<E>([&] { static_cast<void>(read_samples(path, options)); });
  }
  TempDir dir_;
};

TEST_F(FileFormats, AreToldByContentWhateverTheNameAndCompression) {
  for (const char* filter : {"none", "gzip", "xz", "bzip2"}) {
    const auto pack = [&](const Bytes& b) {
      return std::string(filter) == "none" ? b : testing::compress(filter, b);
    };
    const Dataset idx = read_samples(write("a.csv", pack(kImages)));
    EXPECT_EQ(idx.sample_shape, (std::vector<std::size_t>{1, 1, 3}));
    EXPECT_EQ(std::get<Bytes>(idx.values), (Bytes{10, 11, 12, 20, 21, 22}));
    EXPECT_TRUE(idx.labels.empty());
    EXPECT_TRUE(idx.classes.empty());
    for (const std::size_t n : {1UL, 3UL}) {
      const Dataset cifar = read_samples(write("b", pack(cifar_batch(n))));
      EXPECT_EQ(cifar.size(), n);
      EXPECT_EQ(cifar.classes.back(), static_cast<int>(n - 1));
      EXPECT_TRUE(cifar.labels.empty());
    }
    const Dataset mat = read_samples(write("c", pack(testing::read_file(kData + "/odds/cardio.mat"))));
    EXPECT_EQ(mat.size(), 1831U);
    EXPECT_EQ(mat.labels.size(), 1831U);
  }
}

TEST_F(FileFormats, ALabelsFileGivesIdxImagesTheirClasses) {
  const std::string images = write("images", kImages);
  const std::string labels = write("labels", kLabels);
  EXPECT_EQ(read_samples(images, {.labels_path = labels}).classes, (std::vector<int>{200, 3}));
  EXPECT_EQ(error<InvalidArgument>(write("c", cifar_batch(1)), {.labels_path = labels}),
            "a labels file (" + labels + ") belongs to IDX images or an NPY file, but " + dir_.at("c") +
                " is a CIFAR-10 batch, which has its own labels");
}

TEST_F(FileFormats, AFileOfAnArchiveIsReadByNameOrBecauseItIsTheOnlyOne) {
  const std::string one = write("one.zip", testing::make_archive("zip", "none", {{"x/images", kImages}}));
  EXPECT_EQ(read_samples(one).name, one + ":x/images");
  const std::string two = write(
      "two.tar.gz", testing::make_archive("tar", "gzip", {{"images", kImages}, {"batch", cifar_batch(2)}}));
  EXPECT_EQ(read_samples(two, {.member = "batch"}).size(), 2U);
  EXPECT_EQ(error<DataError>(two),
            two + ": is an archive, wanted the name of one of its 2 files: images, batch");
  EXPECT_EQ(error<DataError>(two, {.member = "no"}),
            two + ": has no \"no\", wanted the name of one of its 2 files: images, batch");
  EXPECT_EQ(error<InvalidArgument>(write("images", kImages), {.member = "x"}),
            "\"x\" was asked for as a file in " + dir_.at("images") + ", which is not an archive");
}

TEST_F(FileFormats, OthersAreRefusedByWhatTheyAre) {
  const std::string known =
      ", wanted one of the formats: IDX images, MAT 5 to 7.2, NPY, PNG or JPEG, CIFAR-10 batch";
  const auto refusal = [&](const Bytes& bytes) {
    return error<DataError>(write("x", bytes)).substr(dir_.at("x").size());
  };
  EXPECT_EQ(refusal({}), ": found an empty file" + known);
  EXPECT_EQ(refusal(bytes_of("\x89HDF\r\n")), ": found an HDF5 file" + known);
  EXPECT_EQ(refusal(bytes_of("a,b\n1,2\n")),
            ": found a text that starts with the bytes 61 2c 62 0a 31 2c 32 0a" + known);
  EXPECT_EQ(refusal({1, 2, 3}), ": found a file that starts with the bytes 01 02 03" + known);
  // Labels in the place of images are told apart from an unknown format.
  EXPECT_THAT(refusal(kLabels), HasSubstr("found magic number 2049 (IDX labels), wanted 2051 (IDX images)"));
  EXPECT_THAT(refusal(testing::compress("gzip", bytes_of("hello world"))),
              HasSubstr("found a text that starts with"));
  EXPECT_THAT(error<DataError>(dir_.at("nothing")), StartsWith(dir_.at("nothing") + ": cannot be opened: "));
}

TEST_F(FileFormats, AHugeContentIsRefused) {
  Bytes batch = cifar_batch(1);
  batch.resize(3073 * 1000);
  const std::string path = write("bomb.xz", testing::compress("xz", batch));
  EXPECT_EQ(read_samples(path).size(), 1000U);
  EXPECT_THAT(error<DataError>(path, {.max_bytes = 1000000}), HasSubstr("holds more than 1000000 bytes"));
}

}  // namespace
}  // namespace deepsad
