#include "deepsad/data/row_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "deepsad/core/error.h"
#include "support/files.h"

namespace deepsad {
namespace {

using testing::Bytes;
using testing::bytes_of;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::message_of;
using testing::TempDir;
using testing::write_file;

// An NPY file of doubles, in C order.
Bytes npy(const std::string& shape, const std::vector<double>& values) {
  std::string header = "{'descr': '<f8', 'fortran_order': False, 'shape': (" + shape + "), }";
  header.resize(117, ' ');
  header += '\n';
  Bytes bytes = bytes_of(std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header);
  const std::size_t start = bytes.size();
  bytes.resize(start + values.size() * sizeof(double));
  std::memcpy(bytes.data() + start, values.data(), values.size() * sizeof(double));
  return bytes;
}

class RowFile : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const Bytes& bytes) const {
    write_file(dir_.at(name), bytes);
    return dir_.at(name);
  }
  template <class E>
  static std::string error(const std::string& path, const RowFileOptions& options) {
    return message_of<E>([&] { static_cast<void>(read_rows(path, options)); });
  }
  static const std::vector<double>& values(const Table& table) {
    return std::get<std::vector<double>>(table.data.values);
  }
  TempDir dir_;
};

TEST_F(RowFile, TextAndArraysOfTheSameNumbersAreTheSameRows) {
  const std::string text = write("a.dat", bytes_of("1;4;7\n2;5;8\n3;6;10\n"));
  const std::string array = write("a.npy", npy("3, 3", {1, 4, 7, 2, 5, 8, 3, 6, 10}));
  const std::string packed =
      write("a.npz",
            testing::make_archive("zip", "none", {{"rows.npy", npy("3, 3", {1, 4, 7, 2, 5, 8, 3, 6, 10})}}));
  const Table from_text = read_rows(text);
  for (const std::string& path : {array, packed}) {
    const Table from_array = read_rows(path);
    EXPECT_EQ(values(from_array), values(from_text));
    EXPECT_EQ(from_array.schema, from_text.schema);
    EXPECT_EQ(from_array.data.feature_names, from_text.data.feature_names);
    EXPECT_EQ(values(read_rows(path, {.table = {.schema = from_text.schema}})), values(from_text));
    EXPECT_EQ(values(read_rows(text, {.table = {.schema = from_array.schema}})), values(from_text));
  }
  const RawRows rows = raw_rows(from_text.data);
  EXPECT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows.n_features(), 3U);
  EXPECT_EQ(std::get<MatrixView<const double>>(rows.values).row(1)[2], 8);
}

TEST_F(RowFile, LabelsOfArraysGoThroughTheMaps) {
  const std::string path = write("a.npz", testing::make_archive("zip", "none",
                                                                {{"X.npy", npy("3, 1", {5, 6, 7})},
                                                                 {"semi.npy", npy("3,", {0, 1, 2})},
                                                                 {"truth.npy", npy("3,", {0, 1, 0})}}));
  RowFileOptions options;
  options.table.label_column = "semi";
  options.table.truth_column = "truth";
  EXPECT_THAT(error<DataError>(path, options),
              HasSubstr("sample 0 (from 0): found the label \"0\"; numbers are understood only with a map"));
  options.table.label_map = LabelMap::parse("0=unlabeled,1=anomaly,2=normal");
  options.table.truth_map = LabelMap::parse("0=normal,1=anomaly");
  const Table table = read_rows(path, options);
  EXPECT_THAT(table.semi, ElementsAre(SemiLabel::unlabelled, SemiLabel::anomaly, SemiLabel::normal));
  EXPECT_THAT(table.truth, ElementsAre(TrueLabel::normal, TrueLabel::anomaly, TrueLabel::normal));
  EXPECT_THAT(table.data.classes, IsEmpty());
  EXPECT_THAT(table.messages, Contains("labels: 1 known normal, 1 known anomalous, 1 unlabelled"));
  EXPECT_THAT(table.messages, Contains("true labels: 2 normal, 1 anomalous"));
  options.table.truth_column = "semi";
  EXPECT_THAT(error<InvalidArgument>(path, options), HasSubstr("both the semi labels and the true labels"));
  options.table.truth_column = "sem";
  EXPECT_THAT(error<InvalidArgument>(path, options), HasSubstr("has no labels \"sem\""));
}

TEST_F(RowFile, LabelsOfAnArrayMayLieInAFileOfTheirOwn) {
  const std::string path = write("a.npy", npy("3, 1", {5, 6, 7}));
  RowFileOptions options;
  options.table.labels_path = write("labels.txt", bytes_of("ok\nfraud\nunknown\n"));
  const auto expected = ElementsAre(SemiLabel::normal, SemiLabel::anomaly, SemiLabel::unlabelled);
  EXPECT_THAT(read_rows(path, options).semi, expected);
  options.table.labels_path = write("labels.npy", npy("3,", {1, 0, 9}));
  options.table.label_map = LabelMap::parse("1=normal,0=anomaly,9=unlabeled");
  EXPECT_THAT(read_rows(path, options).semi, expected);
  options.table.labels_path = write("short.txt", bytes_of("1\n0\n"));
  EXPECT_THAT(error<DataError>(path, options), HasSubstr("found 2 labels for the 3 rows of"));
}

TEST_F(RowFile, ClassesOfAFolderOfImagesAreLabels) {
  // A grey PNG of one pixel.
  const Bytes png = {0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48,
                     0x44, 0x52, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00,
                     0x00, 0x3a, 0x7e, 0x9b, 0x55, 0x00, 0x00, 0x00, 0x0a, 0x49, 0x44, 0x41, 0x54, 0x78,
                     0x9c, 0x63, 0x60, 0x00, 0x00, 0x00, 0x02, 0x00, 0x01, 0x48, 0xaf, 0xa4, 0x71, 0x00,
                     0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
  for (const char* name : {"images/good/1.png", "images/good/2.png", "images/broken/1.png"}) write(name, png);
  RowFileOptions options;
  options.table.label_column = "class";
  options.table.label_map = LabelMap::parse("good=normal,broken=anomaly");
  const Table table = read_rows(dir_.at("images"), options);
  EXPECT_TRUE(table.data.is_image());
  EXPECT_TRUE(table.schema.columns().empty());
  EXPECT_THAT(table.semi, ElementsAre(SemiLabel::anomaly, SemiLabel::normal, SemiLabel::normal));
  options.table.schema = Schema({{.name = "a", .categories = {}, .why = {}}}, {});
  EXPECT_THAT(error<DataError>(dir_.at("images"), options), HasSubstr("holds images, wanted a table"));
}

TEST_F(RowFile, AnArrayMustFitTheSchema) {
  const std::string path = write("a.npy", npy("2, 2", {1, 2, 3, 4}));
  const auto with = [](std::vector<ColumnSchema> columns) {
    return RowFileOptions{.table = {.schema = Schema(std::move(columns), {})}};
  };
  EXPECT_THAT(error<DataError>(path, with({{.name = "a", .categories = {}, .why = {}}})),
              HasSubstr("found 2 columns, wanted the 1 that the schema makes features of"));
  EXPECT_THAT(error<DataError>(
                  path, with({{.name = "a", .categories = {}, .why = {}},
                              {.name = "b", .kind = ColumnKind::one_hot, .categories = {"x"}, .why = {}}})),
              HasSubstr("an array holds numbers, but column \"b\" of the schema is of kind one_hot"));
  // Columns that give no feature are not in the array; no number of an array is missing.
  const Table table = read_rows(
      path, with({{.name = "key", .kind = ColumnKind::id, .categories = {}, .why = {}},
                  {.name = "a", .missing = MissingPolicy::impute, .imputed = 9, .categories = {}, .why = {}},
                  {.name = "b", .categories = {}, .why = {}}}));
  EXPECT_THAT(table.data.feature_names, ElementsAre("a", "a=missing", "b"));
  EXPECT_THAT(values(table), ElementsAre(1, 0, 2, 3, 0, 4));
}

TEST_F(RowFile, OptionsOfTextAreRefusedForOtherFormats) {
  const std::string path = write("a.npy", npy("2, 1", {1, 2}));
  EXPECT_THAT(error<InvalidArgument>(path, {.table = {.separator = ','}}),
              HasSubstr("a separator is for text tables"));
  EXPECT_THAT(error<InvalidArgument>(path, {.table = {.id_column = "id"}}),
              HasSubstr("an id column is for text"));
  EXPECT_THAT(error<DataError>(write("empty", {}), {}), HasSubstr("empty"));
}

}  // namespace
}  // namespace deepsad
