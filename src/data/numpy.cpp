#include "deepsad/data/numpy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#include "data/cell_text.h"
#include "deepsad/core/error.h"
#include "deepsad/storage/byte_stream.h"

namespace deepsad {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kMagic = "\x93NUMPY"sv;
constexpr std::size_t kMostHeaderBytes = std::size_t{1} << 20;
constexpr std::size_t kMostDimensions = 32;  // NumPy's own limit

struct NpyHeader {
  char kind = 0;          // of the type: b, i, u, f
  std::size_t bytes = 0;  // per element
  bool swap = false;
  bool fortran = false;
  std::vector<std::size_t> shape;
  std::uint64_t n = 1;  // elements
};

std::string shape_text(const std::vector<std::size_t>& shape) {
  return fmt::format("({}{})", fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
}

// Reads the dictionary of a header: {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const ByteStream& in) : text_(text), in_(in) {}

  NpyHeader parse() {
    NpyHeader header;
    std::set<std::string> seen;
    expect('{');
    while (!take('}')) {
      const std::string key = string();
      expect(':');
      if (!seen.insert(key).second) refuse(fmt::format("the key {} twice", shown(key)));
      if (key == "descr") {
        parse_type(header);
      } else if (key == "fortran_order") {
        header.fortran = boolean();
      } else if (key == "shape") {
        parse_shape(header);
      } else {
        refuse(fmt::format("the key {}", shown(key)));
      }
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    skip_spaces();
    if (at_ != text_.size()) refuse("something behind the dictionary");
    if (seen.size() != 3) refuse("too few keys");
    return header;
  }

 private:
  [[noreturn]] void refuse(const std::string& found) const {
    throw DataError(
        fmt::format("{}: damaged NPY header: found {} near its byte {}, wanted a dictionary of descr, "
                    "fortran_order and shape",
                    in_.name(), found, at_));
  }
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool take(char c) {
    skip_spaces();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) refuse(at_ == text_.size() ? "the end" : shown(text_.substr(at_, 1)));
  }
  std::string string() {
    skip_spaces();
    if (at_ == text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) refuse("no text in quotes");
    const char quote = text_[at_++];
    const std::size_t end = text_.find(quote, at_);
    if (end == std::string_view::npos) refuse("an open quote");
    std::string result(text_.substr(at_, end - at_));
    at_ = end + 1;
    return result;
  }
  bool boolean() {
    skip_spaces();
    for (const bool value : {true, false}) {
      const std::string_view word = value ? "True"sv : "False"sv;
      if (!text_.substr(at_).starts_with(word)) continue;
      at_ += word.size();
      return value;
    }
    refuse("neither True nor False");
  }
  void parse_shape(NpyHeader& header) {
    expect('(');
    while (!take(')')) {
      skip_spaces();
      std::uint64_t extent = 0;
      const std::size_t start = at_;
      for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
        if (__builtin_mul_overflow(extent, std::uint64_t{10}, &extent) ||
            __builtin_add_overflow(extent, static_cast<std::uint64_t>(text_[at_] - '0'), &extent)) {
          refuse("an extent beyond 64 bits");
        }
      }
      if (at_ == start) refuse("no extent");
      take('L');  // as Python 2 wrote it
      header.shape.push_back(extent);
      if (header.shape.size() > kMostDimensions)
        refuse(fmt::format("more than {} dimensions", kMostDimensions));
      if (__builtin_mul_overflow(header.n, extent, &header.n)) refuse("a shape beyond 64 bits");
      if (!take(',')) {
        expect(')');
        break;
      }
    }
  }
  void parse_type(NpyHeader& header) {
    skip_spaces();
    if (at_ < text_.size() && text_[at_] == '[') {
      throw DataError(fmt::format("{}: holds a structured array, wanted plain numbers", in_.name()));
    }
    const std::string descr = string();
    const auto unusable = [&](std::string_view what) {
      throw DataError(fmt::format("{}: holds {} (type {}), wanted integers, booleans or real numbers",
                                  in_.name(), what, shown(descr)));
    };
    if (descr.size() < 3) {
      if (descr.find('O') != std::string::npos) unusable("Python objects, which deepsad does not unpickle");
      refuse(fmt::format("the type {}", shown(descr)));
    }
    const char order = descr[0];
    header.kind = descr[1];
    const std::string_view size = std::string_view(descr).substr(2);
    switch (header.kind) {
      case 'b':
      case 'i':
      case 'u':
      case 'f':
        break;
      case 'O':
        unusable("Python objects, which deepsad does not unpickle");
        break;
      case 'c':
        unusable("complex numbers");
        break;
      case 'S':
      case 'U':
      case 'a':
        unusable("text");
        break;
      default:
        unusable("something else");
    }
    const bool known_size = size == "1" || size == "2" || size == "4" || size == "8";
    header.bytes = known_size ? static_cast<std::size_t>(size[0] - '0') : 0;
    const bool fits =
        known_size && (header.kind != 'b' || header.bytes == 1) && (header.kind != 'f' || header.bytes > 1);
    if (!fits) unusable("numbers of another size");
    if (order != '<' && order != '>' && order != '|' && order != '=')
      refuse(fmt::format("the type {}", shown(descr)));
    const bool little = order == '<' || (order != '>' && std::endian::native == std::endian::little);
    header.swap = header.bytes > 1 && little != (std::endian::native == std::endian::little);
  }

  std::string_view text_;
  const ByteStream& in_;
  std::size_t at_ = 0;
};

NpyHeader read_header(ByteStream& in) {
  std::array<std::uint8_t, 8> start{};
  const std::size_t got = in.read(start);
  if (!looks_like_npy(start.data(), got)) {
    throw DataError(fmt::format("{}: is no NPY file: wanted \\x93NUMPY as its first bytes", in.name()));
  }
  const unsigned version = start[6];
  if (got < start.size() || version < 1 || version > 3) {
    throw DataError(fmt::format("{}: is an NPY file of version {}, wanted 1 to 3", in.name(), version));
  }
  std::array<std::uint8_t, 4> length{};
  in.read_exactly(std::span(length).first(version == 1 ? 2 : 4), "the length of the NPY header");
  std::size_t n = 0;
  for (std::size_t i = 0; i < length.size(); ++i) n |= std::size_t{length[i]} << (8 * i);
  if (n > kMostHeaderBytes) {
    throw DataError(
        fmt::format("{}: an NPY header of {} bytes, wanted at most {}", in.name(), n, kMostHeaderBytes));
  }
  std::vector<std::uint8_t> text;
  in.append_exactly(text, n, "the NPY header");
  return HeaderParser({reinterpret_cast<const char*>(text.data()), text.size()}, in).parse();
}

double from_half(std::uint16_t half) {
  const int exponent = (half >> 10) & 0x1f;
  const double fraction = half & 0x3ff;
  double value = 0;
  if (exponent == 0x1f) {
    value =
        fraction == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  } else {
    value = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(fraction + 1024, exponent - 25);
  }
  return (half & 0x8000) != 0 ? -value : value;
}

template <class T>
T number(const std::uint8_t* bytes, bool swap) {
  std::array<std::uint8_t, sizeof(T)> copy;
  std::copy_n(bytes, sizeof(T), copy.begin());
  if (swap) std::reverse(copy.begin(), copy.end());
  return std::bit_cast<T>(copy);
}

template <class T>
void append(std::span<const std::uint8_t> raw, bool swap, std::vector<double>& values) {
  for (std::size_t i = 0; i < raw.size(); i += sizeof(T))
    values.push_back(static_cast<double>(number<T>(raw.data() + i, swap)));
}

void append_numbers(std::span<const std::uint8_t> raw, const NpyHeader& header, std::vector<double>& values) {
  switch (header.kind) {
    case 'f':
      if (header.bytes == 8) return append<double>(raw, header.swap, values);
      if (header.bytes == 4) return append<float>(raw, header.swap, values);
      for (std::size_t i = 0; i < raw.size(); i += 2)
        values.push_back(from_half(number<std::uint16_t>(raw.data() + i, header.swap)));
      return;
    case 'i':
      if (header.bytes == 8) return append<std::int64_t>(raw, header.swap, values);
      if (header.bytes == 4) return append<std::int32_t>(raw, header.swap, values);
      if (header.bytes == 2) return append<std::int16_t>(raw, header.swap, values);
      return append<std::int8_t>(raw, header.swap, values);
    default:
      if (header.bytes == 8) return append<std::uint64_t>(raw, header.swap, values);
      if (header.bytes == 4) return append<std::uint32_t>(raw, header.swap, values);
      if (header.bytes == 2) return append<std::uint16_t>(raw, header.swap, values);
      return append<std::uint8_t>(raw, header.swap, values);
  }
}

// From Fortran's order, first index fastest, to C's, last index fastest.
template <class T>
std::vector<T> to_c_order(const std::vector<T>& values, const std::vector<std::size_t>& shape) {
  std::vector<std::size_t> stride(shape.size(), 1);
  for (std::size_t k = 1; k < shape.size(); ++k) stride[k] = stride[k - 1] * shape[k - 1];
  std::vector<T> sorted;
  sorted.reserve(values.size());
  std::vector<std::size_t> index(shape.size());
  std::size_t from = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sorted.push_back(values[from]);
    for (std::size_t k = shape.size(); k-- > 0;) {
      from += stride[k];
      if (++index[k] < shape[k]) break;
      from -= stride[k] * shape[k];
      index[k] = 0;
    }
  }
  return sorted;
}

void check_size(const ByteStream& in, const NpyHeader& header) {
  std::uint64_t bytes = 0;
  if (header.n == 0) {
    throw DataError(fmt::format("{}: holds an empty array of shape {}, wanted at least one sample", in.name(),
                                shape_text(header.shape)));
  }
  if (__builtin_mul_overflow(header.n, std::uint64_t{header.bytes}, &bytes) || bytes > in.max_bytes()) {
    throw DataError(
        fmt::format("{}: an array of shape {} would hold more than {} bytes, the most that is plausible here",
                    in.name(), shape_text(header.shape), in.max_bytes()));
  }
}

std::vector<double> read_numbers(ByteStream& in, const NpyHeader& header) {
  check_size(in, header);
  const std::string what = fmt::format("the values of an array of shape {}", shape_text(header.shape));
  // In portions, so that memory grows with what really arrives.
  constexpr std::uint64_t kPortion = std::uint64_t{1} << 17;
  std::vector<double> values;
  std::vector<std::uint8_t> raw;
  for (std::uint64_t done = 0; done < header.n;) {
    const std::uint64_t n = std::min(kPortion, header.n - done);
    raw.clear();
    in.append_exactly(raw, n * header.bytes, what);
    append_numbers(raw, header, values);
    done += n;
  }
  in.expect_end(what);
  if (header.fortran && header.shape.size() > 1) return to_c_order(values, header.shape);
  return values;
}

// n x H x W x C to n x C x H x W.
std::vector<std::uint8_t> channels_first(const std::vector<std::uint8_t>& pixels, std::size_t channels,
                                         std::size_t image_pixels) {
  std::vector<std::uint8_t> planes(pixels.size());
  const std::size_t image = channels * image_pixels;
  for (std::size_t start = 0; start < pixels.size(); start += image)
    for (std::size_t p = 0; p < image_pixels; ++p)
      for (std::size_t c = 0; c < channels; ++c)
        planes[start + c * image_pixels + p] = pixels[start + p * channels + c];
  return planes;
}

void read_table(ByteStream& in, const NpyHeader& header, Dataset& data) {
  std::vector<double> values = read_numbers(in, header);
  const std::size_t d = header.shape[1];
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    throw DataError(fmt::format("{}: row {}, column {} (from 0): found {}, wanted a finite number", in.name(),
                                i / d, i % d, values[i]));
  }
  data.sample_shape = {d};
  data.values = std::move(values);
}

void read_images(ByteStream& in, const NpyHeader& header, Dataset& data) {
  check_size(in, header);
  std::vector<std::uint8_t> pixels;
  const std::string what = fmt::format("the pixels of an array of shape {}", shape_text(header.shape));
  in.append_exactly(pixels, header.n, what);
  in.expect_end(what);
  const std::vector<std::size_t>& shape = header.shape;
  if (header.fortran) pixels = to_c_order(pixels, shape);
  const auto is_channels = [](std::size_t extent) { return extent == 1 || extent == 3; };
  if (shape.size() == 3) {
    data.sample_shape = {1, shape[1], shape[2]};
  } else if (is_channels(shape[3])) {
    data.sample_shape = {shape[3], shape[1], shape[2]};
    pixels = channels_first(pixels, shape[3], shape[1] * shape[2]);
  } else if (is_channels(shape[1])) {
    data.sample_shape = {shape[1], shape[2], shape[3]};
  } else {
    throw DataError(fmt::format("{}: found images of shape {}, wanted 1 or 3 channels, first or last",
                                in.name(), shape_text(shape)));
  }
  data.values = std::move(pixels);
}

struct NpzMember {
  std::string member;  // in the archive
  std::string name;    // of the array
  std::size_t n_dimensions;
};

// The arrays of an archive, without their values.
std::vector<NpzMember> list_arrays(const std::string& path, std::uint64_t max_bytes) {
  std::vector<NpzMember> arrays;
  for_each_member(path, max_bytes, [&](const std::string& member, ByteStream& content) {
    constexpr std::string_view kSuffix = ".npy";
    std::string name = member;
    if (name.ends_with(kSuffix)) name.resize(name.size() - kSuffix.size());
    // What cannot be read is of no interest unless it is asked for.
    std::size_t n_dimensions = 0;
    try {
      n_dimensions = read_header(content).shape.size();
    } catch (const DataError&) {
    }
    arrays.push_back({member, name, n_dimensions});
    return true;
  });
  return arrays;
}

const NpzMember& find_samples(const std::string& path, const std::vector<NpzMember>& arrays,
                              const std::string& wanted) {
  const auto named = std::ranges::find(arrays, wanted, &NpzMember::name);
  if (named != arrays.end()) return *named;
  std::vector<const NpzMember*> candidates;
  std::vector<std::string> names;
  for (const NpzMember& array : arrays) {
    names.push_back(array.name);
    if (array.n_dimensions >= 2) candidates.push_back(&array);
  }
  if (candidates.size() == 1) return *candidates.front();
  throw DataError(fmt::format("{}: has no array \"{}\"; name one of its arrays: {}", path, wanted,
                              fmt::join(names, ", ")));
}

}  // namespace

bool looks_like_npy(const std::uint8_t* first_bytes, std::size_t n) {
  return n >= kMagic.size() &&
         std::equal(kMagic.begin(), kMagic.end(), first_bytes,
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

Dataset read_npy(ByteStream& in) {
  const NpyHeader header = read_header(in);
  Dataset data;
  data.name = in.name();
  const std::size_t n_dimensions = header.shape.size();
  if (n_dimensions == 2) {
    read_table(in, header, data);
  } else if (n_dimensions == 3 || n_dimensions == 4) {
    if (header.kind != 'u' || header.bytes != 1) {
      throw DataError(
          fmt::format("{}: found images of shape {} that are no unsigned bytes, wanted uint8 from 0 to 255",
                      in.name(), shape_text(header.shape)));
    }
    read_images(in, header, data);
  } else {
    throw DataError(fmt::format(
        "{}: found an array of shape {}, wanted n x d, n x H x W or n x H x W x C{}", in.name(),
        shape_text(header.shape),
        n_dimensions == 1 ? "; reshape(-1, 1) makes it one feature, reshape(1, -1) one sample" : ""));
  }
  data.sources.push_back({in.name(), in.file_sha256()});
  return data;
}

std::vector<int> read_npy_classes(ByteStream& in) {
  const NpyHeader header = read_header(in);
  std::size_t n_long = 0;  // dimensions of more than one entry
  for (const std::size_t extent : header.shape) n_long += extent > 1 ? 1 : 0;
  if (header.shape.empty() || header.shape.size() > 2 || n_long > 1) {
    throw DataError(
        fmt::format("{}: found an array of shape {}, wanted n classes", in.name(), shape_text(header.shape)));
  }
  const std::vector<double> values = read_numbers(in, header);
  std::vector<int> classes;
  classes.reserve(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double value = values[i];
    if (!(value >= 0 && value <= std::numeric_limits<int>::max()) || value != std::floor(value)) {
      throw DataError(fmt::format(
          "{}: entry {} (from 0): found {}, wanted the number of a class, a whole number from 0 on",
          in.name(), i, value));
    }
    classes.push_back(static_cast<int>(value));
  }
  return classes;
}

Dataset read_npz(const std::string& path, const NpzOptions& options) {
  const std::vector<NpzMember> arrays = list_arrays(path, options.max_bytes);
  const std::string samples = find_samples(path, arrays, options.samples).member;
  std::string labels;
  for (const NpzMember& array : arrays)
    if (array.name == options.labels && array.member != samples) labels = array.member;
  Dataset data;
  std::vector<int> classes;
  for_each_member(path, options.max_bytes, [&](const std::string& member, ByteStream& content) {
    if (member == samples) data = read_npy(content);
    if (member == labels) classes = read_npy_classes(content);
    return true;
  });
  if (!labels.empty() && classes.size() != data.size()) {
    throw DataError(fmt::format("{}: found {} classes in \"{}\" for {} samples, wanted one each", path,
                                classes.size(), options.labels, data.size()));
  }
  data.classes = std::move(classes);
  return data;
}

}  // namespace deepsad
