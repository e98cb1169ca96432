#include "deepsad/data/mat.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <matio.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <tuple>
#include <type_traits>
#include <variant>

#include "deepsad/core/error.h"
#include "deepsad/storage/byte_stream.h"
#include "deepsad/storage/checksum.h"
#include "support/files.h"

namespace deepsad {
namespace {

using ::testing::AllOf;
using testing::Bytes;
using ::testing::HasSubstr;
using testing::message_of;
using ::testing::StartsWith;
using testing::TempDir;
using testing::write_file;

// Writes variables one after the other into a new MAT 5 file.
class MatWriter {
 public:
  explicit MatWriter(const std::string& path, matio_compression compression = MAT_COMPRESSION_NONE)
      : file_(Mat_CreateVer(path.c_str(), nullptr, MAT_FT_MAT5)), compression_(compression) {
    if (file_ == nullptr) throw std::runtime_error("cannot create " + path);
  }
  ~MatWriter() { Mat_Close(file_); }
  MatWriter(const MatWriter&) = delete;
  MatWriter& operator=(const MatWriter&) = delete;

  // Values in MATLAB's order, column by column.
  template <class T>
  MatWriter& add(const std::string& name, matio_classes c, matio_types type, std::vector<std::size_t> dims,
                 std::vector<T> values) {
    matvar_t* v =
        Mat_VarCreate(name.c_str(), c, type, static_cast<int>(dims.size()), dims.data(), values.data(), 0);
    write(v);
    return *this;
  }
  MatWriter& doubles(const std::string& name, std::size_t rows, std::size_t cols,
                     std::vector<double> values) {
    return add(name, MAT_C_DOUBLE, MAT_T_DOUBLE, {rows, cols}, std::move(values));
  }
  MatWriter& complex(const std::string& name, std::size_t rows, std::size_t cols) {
    std::vector<double> values(rows * cols, 1.0);
    mat_complex_split_t split{values.data(), values.data()};
    std::size_t dims[2] = {rows, cols};
    write(Mat_VarCreate(name.c_str(), MAT_C_DOUBLE, MAT_T_DOUBLE, 2, dims, &split, MAT_F_COMPLEX));
    return *this;
  }
  MatWriter& sparse(const std::string& name) {
    mat_uint32_t ir[1] = {0};
    mat_uint32_t jc[3] = {0, 1, 1};
    double data[1] = {2.5};
    mat_sparse_t s{};
    s.nzmax = 1;
    s.ir = ir;
    s.nir = 1;
    s.jc = jc;
    s.njc = 3;
    s.ndata = 1;
    s.data = data;
    std::size_t dims[2] = {2, 2};
    write(Mat_VarCreate(name.c_str(), MAT_C_SPARSE, MAT_T_DOUBLE, 2, dims, &s, 0));
    return *this;
  }

 private:
  void write(matvar_t* v) {
    const int status = v == nullptr ? 1 : Mat_VarWrite(file_, v, compression_);
    Mat_VarFree(v);
    if (status != 0) throw std::runtime_error("cannot write a variable");
  }
  mat_t* file_;
  matio_compression compression_;
};

class Mat : public ::testing::Test {
 protected:
  std::string error(const MatOptions& options = {}) const {
    const std::string message = message_of<DataError>([&] { static_cast<void>(read_mat(path_, options)); });
    EXPECT_THAT(message, StartsWith(path_ + ": "));
    return message.size() > path_.size() + 2 ? message.substr(path_.size() + 2) : message;
  }
  TempDir dir_;
  std::string path_ = dir_.at("x.mat");
};

TEST_F(Mat, RowsAreSamplesAndLabelsMayLieOrStand) {
  for (const matio_compression compression : {MAT_COMPRESSION_NONE, MAT_COMPRESSION_ZLIB}) {
    for (const bool lying : {false, true}) {
      std::filesystem::remove(path_);
      MatWriter(path_, compression)
          .doubles("other", 1, 1, {5})
          .doubles("X", 3, 2, {1, 2, 3, -0.5, 1e300, 0})
          .doubles("y", lying ? 1 : 3, lying ? 3 : 1, {0, 1, 0});
      const Dataset data = read_mat(path_);
      EXPECT_EQ(data.sample_shape, std::vector<std::size_t>{2});
      EXPECT_EQ(std::get<std::vector<double>>(data.values), (std::vector<double>{1, -0.5, 2, 1e300, 3, 0}));
      EXPECT_EQ(data.labels, (std::vector{TrueLabel::normal, TrueLabel::anomaly, TrueLabel::normal}));
      EXPECT_EQ(data.classes, (std::vector<int>{0, 1, 0}));
      EXPECT_EQ(data.sources.at(0).sha256, sha256_of_file(path_));
    }
  }
}

template <class T>
void check_class(const std::string& path, matio_classes c, matio_types type) {
  std::filesystem::remove(path);
  const T low = std::numeric_limits<T>::lowest() / (std::is_same_v<T, std::int64_t> ? 1 << 11 : 1);
  MatWriter(path)
      .add<T>("X", c, type, {2, 2}, {low, 1, 2, 127})
      .template add<T>("y", c, type, {2, 1}, {1, 0});
  const Dataset data = read_mat(path);
  EXPECT_EQ(std::get<std::vector<double>>(data.values),
            (std::vector<double>{static_cast<double>(low), 2, 1, 127}));
  EXPECT_EQ(data.classes, (std::vector<int>{1, 0}));
}

TEST_F(Mat, EveryNumericClassIsRead) {
  check_class<double>(path_, MAT_C_DOUBLE, MAT_T_DOUBLE);
  check_class<float>(path_, MAT_C_SINGLE, MAT_T_SINGLE);
  check_class<std::int8_t>(path_, MAT_C_INT8, MAT_T_INT8);
  check_class<std::uint8_t>(path_, MAT_C_UINT8, MAT_T_UINT8);
  check_class<std::int16_t>(path_, MAT_C_INT16, MAT_T_INT16);
  check_class<std::uint16_t>(path_, MAT_C_UINT16, MAT_T_UINT16);
  check_class<std::int32_t>(path_, MAT_C_INT32, MAT_T_INT32);
  check_class<std::uint32_t>(path_, MAT_C_UINT32, MAT_T_UINT32);
  check_class<std::int64_t>(path_, MAT_C_INT64, MAT_T_INT64);
  check_class<std::uint64_t>(path_, MAT_C_UINT64, MAT_T_UINT64);
}

TEST_F(Mat, LabelsMayBeMissingIfTheCallerSaysSo) {
  MatWriter(path_).doubles("X", 2, 1, {1, 2}).doubles("z", 1, 1, {0});
  const Dataset data = read_mat(path_, {.labels_required = false});
  EXPECT_EQ(data.size(), 2U);
  EXPECT_TRUE(data.labels.empty());
  EXPECT_TRUE(data.classes.empty());
  EXPECT_EQ(error(), "has no variable \"y\" (the labels, 0 = normal, 1 = anomaly); found X, z");
  EXPECT_EQ(error({.samples = "data"}), "has no variable \"data\" (the samples, n x d); found X, z");
}

TEST_F(Mat, RefusesSamplesOfAnotherKind) {
  MatWriter(path_)
      .add<double>("cube", MAT_C_DOUBLE, MAT_T_DOUBLE, {2, 2, 2}, std::vector<double>(8))
      .complex("c", 2, 2)
      .sparse("s")
      .add<char>("text", MAT_C_CHAR, MAT_T_UINT8, {1, 3}, {'a', 'b', 'c'})
      .doubles("empty", 0, 4, {})
      .doubles("y", 2, 1, {0, 1});
  EXPECT_EQ(error({.samples = "cube"}), "\"cube\" has 3 dimensions, wanted 2");
  EXPECT_EQ(error({.samples = "c"}), "\"c\" is complex, wanted real numbers");
  EXPECT_EQ(error({.samples = "s"}), "\"s\" is a sparse matrix, wanted a full numeric matrix");
  EXPECT_EQ(error({.samples = "text"}), "\"text\" is text, wanted a full numeric matrix");
  EXPECT_EQ(error({.samples = "empty"}), "\"empty\" is empty (0 x 4), wanted at least 1 x 1");
}

TEST_F(Mat, RefusesValuesThatAreNoNumbers) {
  MatWriter(path_)
      .doubles("X", 2, 3, {1, 2, 3, 4, 5, std::nan("")})
      .doubles("inf", 2, 1, {1, -std::numeric_limits<double>::infinity()})
      .doubles("y", 2, 1, {0, 1});
  EXPECT_EQ(error(), "\"X\" row 2, column 3: found nan, wanted a finite number");
  EXPECT_EQ(error({.samples = "inf"}), "\"inf\" row 2, column 1: found -inf, wanted a finite number");
}

TEST_F(Mat, RefusesLabelsThatDoNotFit) {
  MatWriter(path_)
      .doubles("X", 2, 2, {1, 2, 3, 4})
      .doubles("three", 3, 1, {0, 1, 0})
      .doubles("square", 2, 2, {0, 1, 0, 1})
      .doubles("minus", 2, 1, {1, -1})
      .doubles("nan", 1, 2, {std::nan(""), 0});
  EXPECT_EQ(error({.labels = "three"}), "\"three\" is 3 x 1, wanted 2 x 1, one label for each row of \"X\"");
  EXPECT_EQ(error({.labels = "square"}),
            "\"square\" is 2 x 2, wanted 2 x 1, one label for each row of \"X\"");
  EXPECT_EQ(error({.labels = "minus"}), "\"minus\" row 2: found label -1, wanted 0 (normal) or 1 (anomaly)");
  EXPECT_EQ(error({.labels = "nan"}), "\"nan\" row 1: found label nan, wanted 0 (normal) or 1 (anomaly)");
}

TEST_F(Mat, RefusesOtherFiles) {
  write_file(path_, testing::bytes_of("a,b\n1,2\n"));
  EXPECT_THAT(error(),
              HasSubstr("is not a MAT file of version 5 to 7.2: found no byte order in its first 8 bytes"));
  Bytes hdf5(512, ' ');
  const std::string text = "MATLAB 7.3 MAT-file";
  std::copy(text.begin(), text.end(), hdf5.begin());
  hdf5[124] = 0;
  hdf5[125] = 2;
  hdf5[126] = 'I';
  hdf5[127] = 'M';
  write_file(path_, hdf5);
  EXPECT_EQ(error(), "is a MAT file of version 7.3 (HDF5), wanted 5 to 7.2; save it with `save -v7`");
  EXPECT_THAT(message_of<DataError>([] { static_cast<void>(read_mat("/nowhere/x.mat")); }),
              StartsWith("/nowhere/x.mat: cannot be opened: "));
}

// A MAT file put together by hand: byte order, small elements and lies are under control.
class Handmade {
 public:
  explicit Handmade(bool little) : little_(little) {
    const std::string text = "MATLAB 5.0 MAT-file";
    bytes_.assign(text.begin(), text.end());
    bytes_.resize(124, ' ');
    put(std::uint16_t{0x0100});
    bytes_.push_back(little ? 'I' : 'M');
    bytes_.push_back(little ? 'M' : 'I');
  }
  template <class T>
  Handmade& put(T v) {
    std::array<std::uint8_t, sizeof(T)> raw{};
    std::memcpy(raw.data(), &v, sizeof(T));
    if (!little_) std::reverse(raw.begin(), raw.end());  // the tests run on little-endian machines
    bytes_.insert(bytes_.end(), raw.begin(), raw.end());
    return *this;
  }
  // A small element: size and type in one word, up to 4 bytes of data.
  Handmade& small(std::uint32_t type, const Bytes& data) {
    put(static_cast<std::uint32_t>(data.size() << 16 | type));
    Bytes padded = data;
    padded.resize(4);
    bytes_.insert(bytes_.end(), padded.begin(), padded.end());
    return *this;
  }
  // Tag, flags, dimensions and name of a matrix whose values take `value_bytes` bytes, tag included.
  Handmade& matrix(std::uint32_t array_class, std::int32_t rows, std::int32_t cols, const std::string& name,
                   std::uint32_t value_bytes) {
    put<std::uint32_t>(14).put<std::uint32_t>(40 + value_bytes);
    put<std::uint32_t>(6).put<std::uint32_t>(8).put(array_class).put<std::uint32_t>(0);
    put<std::uint32_t>(5).put<std::uint32_t>(8).put(rows).put(cols);
    return small(1, testing::bytes_of(name));
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  bool little_;
  Bytes bytes_;
};

Dataset read_bytes(const Bytes& bytes, const MatOptions& options = {}) {
  return read_mat(*open_bytes(bytes, "mem"), options);
}

TEST(MatBytes, EitherByteOrderSmallElementsAndSmallerStoredTypes) {
  for (const bool little : {true, false}) {
    Handmade file(little);
    // X: doubles of which one row of two is stored as int16, as MATLAB does; y: class double in a small uint8
    // element.
    file.matrix(6, 2, 2, "X", 16).put<std::uint32_t>(3).put<std::uint32_t>(8);
    file.put<std::int16_t>(-300).put<std::int16_t>(2).put<std::int16_t>(3).put<std::int16_t>(4);
    file.matrix(6, 2, 1, "y", 8).small(2, {1, 0});
    const Dataset data = read_bytes(file.bytes());
    EXPECT_EQ(std::get<std::vector<double>>(data.values), (std::vector<double>{-300, 3, 2, 4}));
    EXPECT_EQ(data.classes, (std::vector<int>{1, 0}));
  }
}

TEST(MatBytes, RefusesElementsThatContradictTheirDimensions) {
  // 3 x 2 promised, 4 values there.
  Handmade file(true);
  file.matrix(6, 3, 2, "X", 16).put<std::uint32_t>(3).put<std::uint32_t>(8).put<std::uint64_t>(0);
  EXPECT_EQ(message_of<DataError>([&] { static_cast<void>(read_bytes(file.bytes())); }),
            "mem: byte 176: the 3 x 2 values of \"X\": found 8 bytes, wanted 12 (2 each)");
  // 2^31-1 squared promised; nothing of it is allocated.
  Handmade huge(true);
  huge.matrix(6, 0x7fffffff, 0x7fffffff, "X", 8).small(2, {1, 2, 3, 4});
  EXPECT_THAT(
      message_of<DataError>([&] { static_cast<void>(read_bytes(huge.bytes())); }),
      HasSubstr(
          "the 2147483647 x 2147483647 values of \"X\": found 4 bytes, wanted 4611686014132420609 (1 each)"));
  // A data element that reaches beyond its variable.
  Handmade beyond(true);
  beyond.matrix(6, 2, 2, "X", 16).put<std::uint32_t>(9).put<std::uint32_t>(32).put<double>(1);
  EXPECT_EQ(
      message_of<DataError>([&] { static_cast<void>(read_bytes(beyond.bytes())); }),
      "mem: byte 176: the 2 x 2 values of \"X\": wanted 32 bytes, found 8 up to the end of the variable");
  // Negative dimensions.
  Handmade negative(true);
  negative.matrix(6, -2, 2, "X", 8).small(2, {1, 2, 3, 4});
  EXPECT_EQ(message_of<DataError>([&] { static_cast<void>(read_bytes(negative.bytes())); }),
            "mem: \"X\" is empty (-2 x 2), wanted at least 1 x 1");
}

TEST(MatBytes, NamesFromTheFileAreMadePrintable) {
  Handmade file(true);
  file.matrix(6, 1, 1, "\x1b[m", 8).small(2, {1});
  EXPECT_THAT(message_of<DataError>([&] { static_cast<void>(read_bytes(file.bytes())); }),
              HasSubstr("found ?[m"));
}

class DamagedMat : public ::testing::TestWithParam<matio_compression> {
 protected:
  Bytes whole() const {
    const TempDir dir;
    const std::string path = dir.at("whole.mat");
    std::vector<double> x(60 * 5);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<double>(i));
    std::vector<std::uint8_t> y(60);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = i % 7 == 0 ? 1 : 0;
    MatWriter(path, GetParam())
        .doubles("X", 60, 5, x)
        .add<std::uint8_t>("y", MAT_C_UINT8, MAT_T_UINT8, {60, 1}, y);
    return testing::read_file(path);
  }
};
INSTANTIATE_TEST_SUITE_P(Kinds, DamagedMat, ::testing::Values(MAT_COMPRESSION_NONE, MAT_COMPRESSION_ZLIB),
                         [](const auto& test) {
                           return test.param == MAT_COMPRESSION_NONE ? "plain" : "compressed";
                         });

TEST_P(DamagedMat, EveryTruncationIsRefused) {
  const Bytes bytes = whole();
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    const Bytes cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
    ASSERT_THAT(message_of<DataError>([&] { static_cast<void>(read_bytes(cut)); }), StartsWith("mem: ")) << n;
  }
}

// Whatever byte is changed: the file is read or refused. A compressed one is never read as other numbers.
TEST_P(DamagedMat, EveryChangedByteIsSurvived) {
  const Bytes bytes = whole();
  const Dataset expected = read_bytes(bytes);
  const bool compressed = GetParam() == MAT_COMPRESSION_ZLIB;
  std::size_t refused = 0;
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    for (const unsigned flip : {0x01U, 0x80U, 0xffU}) {
      Bytes changed = bytes;
      changed[n] = static_cast<std::uint8_t>(changed[n] ^ flip);
      try {
        const Dataset data = read_bytes(changed);
        ASSERT_EQ(data.labels.size(), data.size());
        if (compressed) {
          ASSERT_EQ(data.values, expected.values) << n;
          ASSERT_EQ(data.classes, expected.classes) << n;
        }
      } catch (const DataError& e) {
        ++refused;
        ASSERT_THAT(e.what(), StartsWith("mem: "));
      }
    }
  }
  EXPECT_GT(refused, compressed ? (bytes.size() - 128) * 29 / 10 : 300U);
}

}  // namespace
}  // namespace deepsad
