#include "deepsad/data/mat.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/storage/byte_stream.h"

namespace deepsad {
namespace {

// The header: 116 bytes of text, 8 bytes subsystem offset, the version (0x0100, or 0x0200 for the
// HDF5-based 7.3) and "MI" written in the byte order of the file.
constexpr std::size_t kHeaderBytes = 128;
constexpr std::size_t kVersionOffset = 124;
constexpr std::size_t kEndianOffset = 126;
constexpr std::uint64_t kTagBytes = 8;

// Data types of elements.
enum : std::uint32_t { kInt8 = 1, kInt32 = 5, kUint32 = 6, kMatrix = 14, kCompressed = 15, kUtf8 = 16 };

struct StoredType {
  std::uint32_t code;
  std::size_t bytes;
};
constexpr std::array<StoredType, 10> kStoredTypes = {
    {{1, 1}, {2, 1}, {3, 2}, {4, 2}, {5, 4}, {6, 4}, {7, 4}, {9, 8}, {12, 8}, {13, 8}}};

std::size_t stored_bytes(std::uint32_t type) {
  for (const StoredType& stored : kStoredTypes) {
    if (stored.code == type) return stored.bytes;
  }
  return 0;
}

// Array classes, by their number.
constexpr std::array<std::string_view, 18> kClassNames = {
    "of class 0", "a cell array", "a structure", "an object", "text",       "a sparse matrix",
    "double",     "single",       "int8",        "uint8",     "int16",      "uint16",
    "int32",      "uint32",       "int64",       "uint64",    "a function", "an opaque object"};
constexpr std::uint32_t kFirstNumericClass = 6;
constexpr std::uint32_t kLastNumericClass = 15;
constexpr std::uint32_t kComplexFlag = 0x0800;

struct DoubleMatrix {
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::vector<double> values;  // row-major
};

// Bytes of a name may be anything; an error message goes to a terminal.
std::string printable(std::span<const std::uint8_t> bytes) {
  std::string text;
  for (const std::uint8_t b : bytes) text += b >= 0x20 && b < 0x7f ? static_cast<char>(b) : '?';
  return text;
}

class MatReader {
 public:
  MatReader(ByteStream& in, const MatOptions& options) : in_(in), options_(options) { read_header(); }

  void read_elements() {
    while (!in_.peek(1).empty()) {
      const std::uint64_t start = in_.position();
      const Tag tag = read_tag(in_, "the tag of an element");
      if (tag.small) continue;
      const std::uint64_t end = in_.position() + tag.size;
      if (tag.type == kCompressed) {
        const auto content = open_zlib(in_, tag.size);
        const Tag inner = read_tag(*content, "the tag of a compressed variable");
        if (inner.type != kMatrix || inner.small) {
          fail(fmt::format("byte {}: found a compressed element of type {}, wanted a matrix ({})", start,
                           inner.type, +kMatrix));
        }
        if (read_variable(*content, inner.size))
          content->expect_end("the variable in this compressed element");
        in_.skip(end - in_.position(), "a compressed variable");
      } else if (tag.type == kMatrix) {
        read_variable(in_, tag.size);
        in_.skip(end - in_.position(), "a variable");
      } else {
        in_.skip(padded(tag.size), "an element");
      }
    }
  }

  const std::optional<DoubleMatrix>& samples() const { return samples_; }
  const std::optional<DoubleMatrix>& labels() const { return labels_; }
  DoubleMatrix take_samples() { return std::move(*samples_); }

  [[noreturn]] void fail_missing(const std::string& name, std::string_view role) const {
    fail(fmt::format("has no variable \"{}\" ({}); found {}", name, role,
                     names_.empty() ? "no variable" : names_));
  }
  [[noreturn]] void fail(std::string_view text) const {
    throw DataError(fmt::format("{}: {}", in_.name(), text));
  }

 private:
  struct Tag {
    std::uint32_t type = 0;
    std::uint32_t size = 0;
    bool small = false;                  // the data are in the tag itself
    std::array<std::uint8_t, 4> data{};  // if small
  };

  void read_header() {
    std::array<std::uint8_t, kHeaderBytes> header{};
    const std::size_t got = in_.read(header);
    if (!looks_like_mat(header.data(), got)) {
      fail(
          fmt::format("is not a MAT file of version 5 to 7.2: found no byte order in its first {} bytes, "
                      "wanted \"MI\" or "
                      "\"IM\" at byte {}; save it with `save -v7`",
                      got, kEndianOffset));
    }
    const bool little = header[kEndianOffset] == 'I';
    swap_ = little != (std::endian::native == std::endian::little);
    const unsigned version = header[kVersionOffset + (little ? 1 : 0)];
    if (version != 1) {
      fail(fmt::format(
          "is a MAT file of version {}, wanted 5 to 7.2; save it with `save -v7`",
          version == 2 ? "7.3 (HDF5)" : fmt::format("{:#x}, which this reader does not know", version)));
    }
  }

  template <class T>
  T number(const std::uint8_t* bytes) const {
    std::array<std::uint8_t, sizeof(T)> copy;
    std::copy_n(bytes, sizeof(T), copy.begin());
    if (swap_) std::reverse(copy.begin(), copy.end());
    return std::bit_cast<T>(copy);
  }

  static std::uint64_t padded(std::uint64_t size) { return (size + 7) / 8 * 8; }

  // A tag, as 8 bytes type and size, or, in the small form, 2 bytes size, 2 bytes type and 4 bytes of data.
  Tag read_tag(ByteStream& s, std::string_view what) const {
    std::array<std::uint8_t, kTagBytes> bytes{};
    s.read_exactly(bytes, what);
    Tag tag;
    tag.type = number<std::uint32_t>(bytes.data());
    tag.size = number<std::uint32_t>(bytes.data() + 4);
    if (tag.type >> 16 != 0) {
      tag.small = true;
      tag.size = tag.type >> 16;
      tag.type &= 0xffffU;
      std::copy_n(bytes.begin() + 4, 4, tag.data.begin());
    }
    return tag;
  }

  // A tag inside a variable that ends at byte `end` of s: its data must lie before that.
  Tag read_inner_tag(ByteStream& s, std::uint64_t end, std::string_view what) const {
    const std::uint64_t start = s.position();
    if (end - start < kTagBytes) {
      fail(fmt::format("byte {}: {}: wanted a tag of 8 bytes, found {} up to the end of the variable", start,
                       what, end - start));
    }
    const Tag tag = read_tag(s, what);
    const std::uint64_t room = tag.small ? tag.data.size() : end - s.position();
    if (tag.size > room) {
      fail(fmt::format("byte {}: {}: wanted {} bytes, found {} up to the end of the variable", start, what,
                       tag.size, room));
    }
    return tag;
  }

  // The data of a short sub-element (flags, dimensions, name).
  std::vector<std::uint8_t> read_data(ByteStream& s, std::uint64_t end, const Tag& tag,
                                      std::string_view what) const {
    if (tag.small)
      return {tag.data.begin(), tag.data.begin() + std::min<std::size_t>(tag.size, tag.data.size())};
    std::vector<std::uint8_t> data;
    s.append_exactly(data, tag.size, what);
    s.skip(std::min(padded(tag.size) - tag.size, end - s.position()), what);
    return data;
  }

  [[noreturn]] void fail_type(const ByteStream& s, std::string_view what, std::uint32_t found) const {
    fail(fmt::format(
        "near byte {}: {}: found data of type {}, which does not belong there; the file is damaged",
        s.position(), what, found));
  }

  // Reads the variable of `size` bytes that starts here if it is one of the two wanted; true if it was, and
  // then all of it is read.
  bool read_variable(ByteStream& s, std::uint64_t size) {
    const std::uint64_t end = s.position() + size;
    if (size == 0) return false;  // MATLAB's way to write "nothing"
    const Tag flags_tag = read_inner_tag(s, end, "array flags");
    if (flags_tag.type != kUint32 || flags_tag.size != 8) fail_type(s, "array flags", flags_tag.type);
    const std::vector<std::uint8_t> flag_bytes = read_data(s, end, flags_tag, "array flags");
    const auto flags = number<std::uint32_t>(flag_bytes.data());
    const std::uint32_t array_class = flags & 0xffU;
    if (array_class == 0 || array_class >= kClassNames.size() - 1) {  // opaque objects have another inside
      note_name("(an object)");
      return false;
    }
    const Tag dims_tag = read_inner_tag(s, end, "dimensions");
    if (dims_tag.type != kInt32 || dims_tag.size % 4 != 0) fail_type(s, "dimensions", dims_tag.type);
    const std::vector<std::uint8_t> dims = read_data(s, end, dims_tag, "dimensions");
    const Tag name_tag = read_inner_tag(s, end, "the name of a variable");
    if (name_tag.type != kInt8 && name_tag.type != kUtf8)
      fail_type(s, "the name of a variable", name_tag.type);
    const std::string name = printable(read_data(s, end, name_tag, "the name of a variable"));
    note_name(name);
    const bool is_samples = name == options_.samples && !samples_;
    const bool is_labels = name == options_.labels && !labels_;
    if (!is_samples && !is_labels) return false;

    if (array_class < kFirstNumericClass || array_class > kLastNumericClass) {
      fail(fmt::format("\"{}\" is {}, wanted a full numeric matrix", name, kClassNames[array_class]));
    }
    if ((flags & kComplexFlag) != 0) fail(fmt::format("\"{}\" is complex, wanted real numbers", name));
    if (dims.size() != 2 * sizeof(std::int32_t)) {
      fail(fmt::format("\"{}\" has {} dimensions, wanted 2", name, dims.size() / sizeof(std::int32_t)));
    }
    const auto rows = number<std::int32_t>(dims.data());
    const auto cols = number<std::int32_t>(dims.data() + 4);
    if (rows <= 0 || cols <= 0) {
      fail(fmt::format("\"{}\" is empty ({} x {}), wanted at least 1 x 1", name, rows, cols));
    }
    DoubleMatrix m =
        read_values(s, end, name, static_cast<std::size_t>(rows), static_cast<std::size_t>(cols));
    if (is_samples) {
      samples_ = std::move(m);
    } else {
      labels_ = std::move(m);
    }
    s.skip(end - s.position(), "the rest of a variable");
    return true;
  }

  // The numbers of a real matrix; any class may be stored in any smaller type that holds its values.
  DoubleMatrix read_values(ByteStream& s, std::uint64_t end, const std::string& name, std::size_t n,
                           std::size_t d) const {
    const std::uint64_t start = s.position();
    const std::string what = fmt::format("the {} x {} values of \"{}\"", n, d, name);
    const Tag tag = read_inner_tag(s, end, what);
    const std::size_t bytes = stored_bytes(tag.type);
    if (bytes == 0) fail_type(s, what, tag.type);
    if (tag.size !=
        n * d * bytes) {  // two positive 32-bit factors and at most 8: cannot wrap around to a 32-bit size
      fail(fmt::format("byte {}: {}: found {} bytes, wanted {} ({} each)", start, what, tag.size,
                       n * d * bytes, bytes));
    }
    const std::vector<std::uint8_t> raw = read_data(s, end, tag, what);
    DoubleMatrix m{n, d, std::vector<double>(n * d)};
    switch (tag.type) {
      case 1:
        to_rows<std::int8_t>(raw, m);
        break;
      case 2:
        to_rows<std::uint8_t>(raw, m);
        break;
      case 3:
        to_rows<std::int16_t>(raw, m);
        break;
      case 4:
        to_rows<std::uint16_t>(raw, m);
        break;
      case 5:
        to_rows<std::int32_t>(raw, m);
        break;
      case 6:
        to_rows<std::uint32_t>(raw, m);
        break;
      case 7:
        to_rows<float>(raw, m);
        break;
      case 9:
        to_rows<double>(raw, m);
        break;
      case 12:
        to_rows<std::int64_t>(raw, m);
        break;
      default:
        to_rows<std::uint64_t>(raw, m);
        break;
    }
    return m;
  }

  // MATLAB stores columns, a Dataset rows.
  template <class T>
  void to_rows(std::span<const std::uint8_t> raw, DoubleMatrix& m) const {
    for (std::size_t j = 0; j < m.cols; ++j) {
      for (std::size_t i = 0; i < m.rows; ++i) {
        m.values[i * m.cols + j] = static_cast<double>(number<T>(raw.data() + (j * m.rows + i) * sizeof(T)));
      }
    }
  }

  void note_name(const std::string& name) {
    constexpr std::size_t kMostNamesShown = 500;  // characters
    if (names_.size() < kMostNamesShown) names_ += (names_.empty() ? "" : ", ") + name;
  }

  ByteStream& in_;
  const MatOptions& options_;
  bool swap_ = false;
  std::string names_;
  std::optional<DoubleMatrix> samples_;
  std::optional<DoubleMatrix> labels_;
};

}  // namespace

bool looks_like_mat(const std::uint8_t* first_bytes, std::size_t n) {
  // The header starts with printable text; that alone tells it from IDX and CIFAR files.
  if (n < kHeaderBytes || first_bytes[0] < ' ') return false;
  return std::memcmp(first_bytes + kEndianOffset, "IM", 2) == 0 ||
         std::memcmp(first_bytes + kEndianOffset, "MI", 2) == 0;
}

Dataset read_mat(ByteStream& in, const MatOptions& options) {
  MatReader reader(in, options);
  reader.read_elements();
  if (!reader.samples()) reader.fail_missing(options.samples, "the samples, n x d");
  if (!reader.labels() && options.labels_required) {
    reader.fail_missing(options.labels, "the labels, 0 = normal, 1 = anomaly");
  }
  DoubleMatrix x = reader.take_samples();
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    if (!std::isfinite(x.values[i])) {
      reader.fail(fmt::format("\"{}\" row {}, column {}: found {}, wanted a finite number", options.samples,
                              i / x.cols + 1, i % x.cols + 1, x.values[i]));
    }
  }
  Dataset data;
  data.name = in.name();
  if (reader.labels()) {
    const DoubleMatrix& y = *reader.labels();
    if ((y.rows != 1 && y.cols != 1) || y.values.size() != x.rows) {
      reader.fail(fmt::format("\"{}\" is {} x {}, wanted {} x 1, one label for each row of \"{}\"",
                              options.labels, y.rows, y.cols, x.rows, options.samples));
    }
    for (std::size_t i = 0; i < y.values.size(); ++i) {
      const double v = y.values[i];
      if (v != 0.0 && v != 1.0) {
        reader.fail(fmt::format("\"{}\" row {}: found label {}, wanted 0 (normal) or 1 (anomaly)",
                                options.labels, i + 1, v));
      }
      data.labels.push_back(v == 0.0 ? TrueLabel::normal : TrueLabel::anomaly);
      data.classes.push_back(v == 0.0 ? 0 : 1);
    }
    data.class_names = {"normal", "anomaly"};
  }
  data.sample_shape = {x.cols};
  data.values = std::move(x.values);
  data.sources.push_back({in.name(), in.file_sha256()});
  return data;
}

Dataset read_mat(const std::string& path, const MatOptions& options) {
  return read_mat(*open_file(path), options);
}

}  // namespace deepsad
