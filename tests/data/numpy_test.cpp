#include "deepsad/data/numpy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/data/file_formats.h"
#include "deepsad/storage/byte_stream.h"
#include "support/files.h"

namespace deepsad {
namespace {

using testing::Bytes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using testing::TempDir;
using testing::write_file;

// tests/golden/numpy_values.py wrote it with NumPy.
const nlohmann::json& golden() {
  static const nlohmann::json all = [] {
    std::ifstream in(NUMPY_VALUES);
    if (!in) throw std::runtime_error("cannot open " NUMPY_VALUES);
    return nlohmann::json::parse(in);
  }();
  return all;
}

Bytes from_hex(const std::string& text) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

Dataset read(const Bytes& bytes) {
  return read_npy(*open_bytes(bytes, "x.npy"));
}
std::string refusal(const Bytes& bytes) {
  return message_of<DataError>([&] { static_cast<void>(read(bytes)); });
}

TEST(Numpy, ReadsEveryNumberThatNumpyWrites) {
  ASSERT_EQ(golden().at("tables").size(), 37U);
  for (const auto& file : golden().at("tables")) {
    const Dataset data = read(from_hex(file.at("npy")));
    EXPECT_EQ(data.size(), file.at("shape")[0].get<std::size_t>());
    EXPECT_THAT(data.sample_shape, ElementsAre(file.at("shape")[1].get<std::size_t>()));
    EXPECT_EQ(std::get<std::vector<double>>(data.values), file.at("values").get<std::vector<double>>())
        << file.at("name");
  }
}

TEST(Numpy, ReadsImagesWithChannelsFirstOrLast) {
  for (const auto& file : golden().at("images")) {
    const Dataset data = read(from_hex(file.at("npy")));
    EXPECT_EQ(data.sample_shape, file.at("shape").get<std::vector<std::size_t>>()) << file.at("name");
    EXPECT_EQ(std::get<Bytes>(data.values), file.at("values").get<Bytes>()) << file.at("name");
  }
}

TEST(Numpy, RefusesWhatIsNoTableAndNoImage) {
  const auto refused = [](const char* name) { return refusal(from_hex(golden().at("refused").at(name))); };
  EXPECT_THAT(refused("objects"), HasSubstr("x.npy: holds Python objects, which deepsad does not unpickle"));
  EXPECT_THAT(refused("text"),
              HasSubstr("holds text (type \"<U1\"), wanted integers, booleans or real numbers"));
  EXPECT_THAT(refused("complex"), HasSubstr("holds complex numbers"));
  EXPECT_THAT(refused("structured"), HasSubstr("holds a structured array"));
  EXPECT_THAT(refused("dates"), HasSubstr("holds something else (type \"<M8[D]\")"));
  EXPECT_THAT(refused("long double"), HasSubstr("holds numbers of another size (type \"<f16\")"));
  EXPECT_THAT(refused("vector"), HasSubstr("found an array of shape (3,), wanted n x d"));
  EXPECT_THAT(refused("empty"), HasSubstr("holds an empty array of shape (0, 3)"));
  EXPECT_EQ(refused("nan"), "x.npy: row 0, column 1 (from 0): found nan, wanted a finite number");
  EXPECT_THAT(refused("float images"),
              HasSubstr("found images of shape (1, 2, 2) that are no unsigned bytes"));
  EXPECT_THAT(refused("channels"), HasSubstr("wanted 1 or 3 channels"));
}

TEST(Numpy, RefusesEveryTruncationAndWhatFollowsTheEnd) {
  Bytes bytes = from_hex(golden().at("tables")[0].at("npy"));
  for (std::size_t n = 0; n < bytes.size(); ++n)
    EXPECT_THAT(refusal(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n))),
                HasSubstr("x.npy: "));
  bytes.push_back(0);
  EXPECT_THAT(refusal(bytes), HasSubstr("oversized"));
  bytes[6] = 9;
  EXPECT_THAT(refusal(bytes), HasSubstr("of version 9, wanted 1 to 3"));
}

TEST(Numpy, AnArchiveGivesSamplesAndClasses) {
  const TempDir dir;
  const std::string path = dir.at("x.npz");
  const auto write = [&](const char* name) {
    write_file(path, from_hex(golden().at(name)));
    return path;
  };
  for (const char* name : {"npz", "compressed"}) {
    const Dataset data = read_samples(write(name));
    EXPECT_EQ(std::get<std::vector<double>>(data.values), (std::vector<double>{0, 1, 2, 100, 3, 4}));
    EXPECT_THAT(data.classes, ElementsAre(0, 2));
    EXPECT_TRUE(data.labels.empty());
    EXPECT_EQ(data.name, path + ":X.npy");
  }
  SampleFileOptions other;
  other.mat.labels = "other";
  EXPECT_THAT(read_samples(write("one"), other).classes, ElementsAre(0, 2));
  EXPECT_TRUE(read_samples(path).classes.empty());
  EXPECT_EQ(message_of<DataError>([&] { static_cast<void>(read_samples(write("two"))); }),
            path + ": has no array \"X\"; name one of its arrays: a, b");
  other.mat.samples = "b";
  EXPECT_EQ(read_samples(path, other).size(), 2U);
  EXPECT_EQ(read_samples(path, {.member = "a.npy"}).size(), 2U);
}

TEST(Numpy, ClassesMayLieInAFileOfTheirOwn) {
  const TempDir dir;
  const auto write = [&](const std::string& name, const std::string& header, const Bytes& values) {
    Bytes bytes = testing::bytes_of(std::string("\x93NUMPY\x01\x00", 8));
    bytes.push_back(static_cast<std::uint8_t>(header.size()));
    bytes.push_back(0);
    bytes.insert(bytes.end(), header.begin(), header.end());
    bytes.insert(bytes.end(), values.begin(), values.end());
    write_file(dir.at(name), bytes);
    return dir.at(name);
  };
  const std::string x = write("x.npy", "{'descr':'|u1','fortran_order':False,'shape':(2,1)}", {5, 6});
  const std::string y = write("y.npy", "{'descr': '|i1', 'fortran_order': False, 'shape': (2,), }\n", {3, 1});
  EXPECT_THAT(read_samples(x, {.labels_path = y}).classes, ElementsAre(3, 1));
  const auto error = [&](const std::string& labels) {
    return message_of<DataError>([&] { static_cast<void>(read_samples(x, {.labels_path = labels})); });
  };
  EXPECT_THAT(error(write("z.npy", "{'descr': '|i1', 'fortran_order': False, 'shape': (2,)}", {0, 255})),
              HasSubstr("entry 1 (from 0): found -1, wanted the number of a class"));
  EXPECT_THAT(error(write("z.npy", "{'descr': '|i1', 'fortran_order': False, 'shape': (3,)}", {0, 1, 0})),
              HasSubstr("found 3 classes for the 2 samples"));
  EXPECT_THAT(error(write("z.npy", "{'descr': '|i1', 'fortran_order': Maybe, 'shape': (3,)}", {})),
              HasSubstr("damaged NPY header: found neither True nor False near its byte 34"));
}

}  // namespace
}  // namespace deepsad
