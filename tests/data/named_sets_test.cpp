#include "deepsad/data/named_sets.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/core/parallel.h"
#include "deepsad/storage/byte_stream.h"
#include "support/files.h"

namespace deepsad {
namespace {

using testing::Bytes;
using ::testing::HasSubstr;
using testing::message_of;
using testing::TempDir;
using testing::write_file;

const std::string kData = std::string(DEEPSAD_SHARED_DIR) + "/data";

std::vector<std::size_t> counts_of(const Dataset& data) {
  std::vector<std::size_t> counts(data.class_names.size());
  for (const int c : data.classes) ++counts.at(static_cast<std::size_t>(c));
  return counts;
}

// n, d and outliers as the README beside the data states them (and Table 1 of Ruff et al. 2020).
struct TableFacts {
  const char* name;
  std::size_t n, d, outliers;
};
class Tables : public ::testing::TestWithParam<TableFacts> {};

TEST_P(Tables, HaveTheKnownShapeAndOutliers) {
  const TableFacts& facts = GetParam();
  const LoadedSet set = load_named_set(facts.name, kData);
  EXPECT_FALSE(set.test);
  EXPECT_EQ(set.train.name, facts.name);
  EXPECT_EQ(set.train.size(), facts.n);
  EXPECT_EQ(set.train.sample_shape, std::vector<std::size_t>{facts.d});
  ASSERT_EQ(set.train.labels.size(), facts.n);
  EXPECT_EQ(std::ranges::count(set.train.labels, TrueLabel::anomaly),
            static_cast<std::ptrdiff_t>(facts.outliers));
  EXPECT_EQ(counts_of(set.train), (std::vector<std::size_t>{facts.n - facts.outliers, facts.outliers}));
  ASSERT_EQ(set.files.size(), 1U);
  EXPECT_EQ(set.files[0].state, ChecksumState::official);
  ASSERT_EQ(set.train.sources.size(), 1U);
  EXPECT_EQ(set.train.sources[0].path, kData + "/odds/" + facts.name + ".mat");
  EXPECT_EQ(set.train.sources[0].sha256, set.files[0].content_sha256);
}

INSTANTIATE_TEST_SUITE_P(
    Odds, Tables,
    ::testing::Values(TableFacts{"arrhythmia", 452, 274, 66}, TableFacts{"cardio", 1831, 21, 176},
                      TableFacts{"satellite", 6435, 36, 2036}, TableFacts{"satimage-2", 5803, 36, 71},
                      TableFacts{"shuttle", 49097, 9, 3511}, TableFacts{"thyroid", 3772, 6, 93}),
    [](const auto& test) {
      std::string name = test.param.name;
      std::erase(name, '-');
      return name;
    });

// The README: cardio has zero mean and unit variance, thyroid lies in [0, 1], arrhythmia has 17 constant
// columns. These fail if rows and columns are mixed up.
TEST(Tables, ColumnsAreColumns) {
  const LoadedSet cardio = load_named_set("cardio", kData);
  const auto& v = std::get<std::vector<double>>(cardio.train.values);
  for (std::size_t j = 0; j < 21; ++j) {
    double sum = 0;
    double squares = 0;
    for (std::size_t i = 0; i < 1831; ++i) {
      sum += v[i * 21 + j];
      squares += v[i * 21 + j] * v[i * 21 + j];
    }
    // ODDS standardised before it dropped a third class, so the remaining rows are only near mean 0 and
    // variance 1.
    EXPECT_NEAR(sum / 1831, 0, 0.2) << j;
    EXPECT_NEAR(squares / 1831, 1, 0.4) << j;
  }
  const LoadedSet arrhythmia = load_named_set("arrhythmia", kData);
  const auto& a = std::get<std::vector<double>>(arrhythmia.train.values);
  std::size_t constant = 0;
  for (std::size_t j = 0; j < 274; ++j) {
    bool same = true;
    for (std::size_t i = 1; i < 452; ++i) same = same && a[i * 274 + j] == a[j];
    constant += same ? 1 : 0;
  }
  EXPECT_EQ(constant, 17U);
  const LoadedSet thyroid = load_named_set("thyroid", kData);
  for (const double x : std::get<std::vector<double>>(thyroid.train.values)) {
    ASSERT_GE(x, 0);
    ASSERT_LE(x, 1);
  }
}

TEST(Mnist, TestPartIsTheOfficialOne) {
  const LoadedSet set = load_named_set("mnist", kData, {.part = SetPart::test, .verify_checksums = true});
  EXPECT_EQ(set.train.size(), 0U);
  ASSERT_TRUE(set.test);
  EXPECT_EQ(set.test->sample_shape, (std::vector<std::size_t>{1, 28, 28}));
  EXPECT_EQ(counts_of(*set.test),
            (std::vector<std::size_t>{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009}));
  EXPECT_TRUE(set.test->labels.empty());
  // The first test image is a 7 (its label), drawn in its middle and not on its border.
  EXPECT_EQ(set.test->classes[0], 7);
  const auto& pixels = std::get<std::vector<std::uint8_t>>(set.test->values);
  EXPECT_EQ(pixels[0], 0);
  EXPECT_EQ(*std::max_element(pixels.begin(), pixels.begin() + 784), 255);
  ASSERT_EQ(set.files.size(), 2U);
  EXPECT_EQ(set.files[0].state, ChecksumState::official);
  EXPECT_EQ(set.test->sources[0].sha256, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6");
}

// Makes `to` (under a folder of the test) the file at `from` in the data folder.
void link_file(const TempDir& dir, const std::string& from, const std::string& to) {
  std::filesystem::create_symlink(kData + "/" + from, dir.at(to));
}

constexpr const char* kIdxFiles[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                     "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
constexpr const char* kTestPart[] = {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

class Layouts : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Folders, Layouts, ::testing::Values("mnist/", "MNIST/raw/", "MyMNIST/raw/", ""));

TEST_P(Layouts, MnistIsFoundGzippedPlainAndXz) {
  const TempDir dir;
  const std::string folder = GetParam();
  for (const char* name : kIdxFiles)
    link_file(dir, fmt::format("mnist/{}.gz", name), fmt::format("{}{}.gz", folder, name));
  const Dataset gz = *load_named_set("mnist", dir.path(), {.part = SetPart::test}).test;
  // Plain images and xz labels in place of .gz ones.
  for (const char* name : kTestPart) {
    const Bytes plain = open_file(kData + "/mnist/" + name + ".gz")->read_all();
    std::filesystem::remove(dir.at(folder + name + ".gz"));
    const bool labels = std::string(name) == kTestPart[1];
    write_file(dir.at(folder + name + (labels ? ".xz" : "")),
               labels ? testing::compress("xz", plain) : plain);
  }
  const LoadedSet mixed =
      load_named_set("mnist", dir.path(), {.part = SetPart::test, .verify_checksums = true});
  EXPECT_EQ(mixed.test->values, gz.values);
  EXPECT_EQ(mixed.test->classes, gz.classes);
  EXPECT_EQ(mixed.files.at(0).path, dir.path() + "/" + folder + kTestPart[0]);
  EXPECT_EQ(mixed.files.at(0).state, ChecksumState::official);
  EXPECT_EQ(mixed.files.at(1).state, ChecksumState::official);
}

TEST(NamedSets, TablesAreFoundInTheFolderItself) {
  const TempDir dir;
  link_file(dir, "odds/satimage-2.mat", "satimage-2.mat");
  EXPECT_EQ(load_named_set("satimage-2", dir.path()).train.size(), 5803U);
}

TEST(NamedSets, AnIncompleteFolderIsPassedOverAndFoldersAreNotMixed) {
  const TempDir dir;
  link_file(dir, "mnist/train-images-idx3-ubyte.gz", "mnist/train-images-idx3-ubyte.gz");
  for (const char* name : {kIdxFiles[1], kIdxFiles[2], kIdxFiles[3]}) {
    link_file(dir, fmt::format("mnist/{}.gz", name), fmt::format("MNIST/raw/{}.gz", name));
  }
  EXPECT_FALSE(find_named_set(named_set("mnist"), dir.path()));
  link_file(dir, "mnist/train-images-idx3-ubyte.gz", "MNIST/raw/train-images-idx3-ubyte.gz");
  EXPECT_EQ(find_named_set(named_set("mnist"), dir.path())->folder, dir.path() + "/MNIST/raw");
}

TEST(NamedSets, AMissingSetListsEveryPlaceAndTheRemedy) {
  const TempDir dir;
  link_file(dir, "mnist/t10k-labels-idx1-ubyte.gz", "mnist/t10k-labels-idx1-ubyte.gz");
  const std::string& d = dir.path();
  EXPECT_EQ(message_of<DataError>([&] { static_cast<void>(load_named_set("mnist", d)); }),
            d + ": does not hold the set mnist; looked in\n  " + d +
                "/mnist: lacks train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte\n  " +
                d + "/MNIST/raw: no such folder\n  " + d + "/MyMNIST/raw: no such folder\n  " + d +
                ": lacks train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, "
                "t10k-labels-idx1-ubyte\n(each plain, .gz or .xz)\nget it with `deepsad data fetch mnist "
                "--data-dir " +
                d + "`");
  EXPECT_THAT(
      message_of<DataError>([&] { static_cast<void>(load_named_set("cardio", d + "/no")); }),
      HasSubstr(d + "/no: is not there; looked for the set cardio in\n  " + d + "/no/odds: no such folder"));
}

TEST(NamedSets, ThePythonVersionOfCifarIsFound) {
  const TempDir dir;
  for (const char* name :
       {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"})
    write_file(dir.at(std::string("cifar-10-batches-py/") + name), Bytes{0x80, 2, '}', '.'});
  const auto found = find_named_set(named_set("cifar10"), dir.path());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->folder, dir.path() + "/cifar-10-batches-py");
  EXPECT_THAT(message_of<DataError>([&] { static_cast<void>(load_named_set("cifar10", dir.path())); }),
              HasSubstr("data_batch_1: is a pickle of a dict of 0, wanted CIFAR-10's"));
}

TEST(NamedSets, AnUnknownNameListsTheKnownOnes) {
  EXPECT_EQ(message_of<InvalidArgument>([] { static_cast<void>(named_set("satimage2")); }),
            "unknown set \"satimage2\"; did you mean \"satimage-2\"?; known sets: mnist, fmnist, cifar10, "
            "arrhythmia, "
            "cardio, satellite, satimage-2, shuttle, thyroid");
}

TEST(NamedSets, AnotherSetUnderTheNameIsRefused) {
  const TempDir dir;
  for (const char* name : kIdxFiles)
    link_file(dir, fmt::format("fmnist/{}.gz", name), fmt::format("mnist/{}.gz", name));
  EXPECT_EQ(message_of<DataError>(
                [&] { static_cast<void>(load_named_set("mnist", dir.path(), {.part = SetPart::test})); }),
            dir.path() +
                "/mnist/t10k-images-idx3-ubyte.gz: found samples per class 1000 1000 1000 1000 1000 1000 "
                "1000 1000 1000 "
                "1000, wanted 980 1135 1032 1010 982 892 958 1028 974 1009 (mnist); these are the counts of "
                "fmnist");
  link_file(dir, "odds/cardio.mat", "odds/thyroid.mat");
  EXPECT_EQ(message_of<DataError>([&] { static_cast<void>(load_named_set("thyroid", dir.path())); }),
            dir.path() + "/odds/thyroid.mat: found samples of shape 21, wanted 6 (thyroid)");
}

TEST(NamedSets, UnknownContentIsReportedAndOnRequestRefused) {
  const TempDir dir;
  link_file(dir, "mnist/t10k-labels-idx1-ubyte.gz", "mnist/t10k-labels-idx1-ubyte.gz");
  for (const char* name : {kIdxFiles[0], kIdxFiles[1]}) {
    link_file(dir, fmt::format("mnist/{}.gz", name), fmt::format("mnist/{}.gz", name));
  }
  Bytes changed = open_file(kData + "/mnist/t10k-images-idx3-ubyte.gz")->read_all();
  changed[5000] ^= 1;  // a pixel: shape and counts stay right
  const std::string path = dir.at("mnist/t10k-images-idx3-ubyte");
  write_file(path, changed);
  const LoadedSet set = load_named_set("mnist", dir.path(), {.part = SetPart::test});
  EXPECT_EQ(set.files.at(0).state, ChecksumState::unknown);
  EXPECT_EQ(set.files.at(0).note, "content of unknown origin");
  EXPECT_EQ(set.files.at(1).state, ChecksumState::official);
  EXPECT_EQ(message_of<DataError>([&] {
              static_cast<void>(
                  load_named_set("mnist", dir.path(), {.part = SetPart::test, .verify_checksums = true}));
            }),
            path + ": found content with SHA-256 " + sha256_hex(changed) +
                ", wanted the official one of mnist; move it away and get the official file with `deepsad "
                "data fetch mnist "
                "--data-dir " +
                dir.path() + "`");
}

// The whole of both grey sets: counts of all classes, and the states of all files without reading their
// meaning.
TEST(NamedSets, MnistAndFashionMnistAreWhole) {
  ThreadPool pool(2);
  for (const char* name : {"mnist", "fmnist"}) {
    const NamedSetInfo& info = named_set(name);
    const LoadedSet set = load_named_set(name, kData, {.verify_checksums = true, .pool = &pool});
    EXPECT_EQ(set.train.size(), 60000U);
    EXPECT_EQ(set.test->size(), 10000U);
    EXPECT_EQ(counts_of(set.train),
              (std::vector<std::size_t>(info.train_counts.begin(), info.train_counts.end())));
    EXPECT_EQ(set.train.name, name);
    EXPECT_EQ(set.train.class_names.size(), 10U);
    ASSERT_EQ(set.files.size(), 4U);
    for (const FileCheck& check : set.files) EXPECT_EQ(check.state, ChecksumState::official) << check.path;
  }
  for (const FileCheck& check :
       check_named_set(named_set("thyroid"), *find_named_set(named_set("thyroid"), kData))) {
    EXPECT_EQ(check.state, ChecksumState::official);
  }
}

}  // namespace
}  // namespace deepsad
