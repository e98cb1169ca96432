#include "deepsad/storage/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "deepsad/core/error.h"
#include "deepsad/storage/checksum.h"

namespace deepsad {
namespace {

static_assert(std::endian::native == std::endian::little,
              "tensors are stored little-endian, as memory is here");

using Json = nlohmann::json;

constexpr std::size_t kLengthBytes = 8;  // the header's length, u64 little-endian
constexpr std::size_t kAlignment = 64;   // of the payload: a cache line, for readers that map the file
constexpr std::string_view kMetadataKey = "__metadata__";
constexpr std::string_view kKeyPrefix = "deepsad.";
constexpr std::size_t kChecksumDigits = 64;  // SHA-256 in hexadecimal

struct TypeRow {
  TensorType type;
  std::string_view name;
  std::size_t size;
};
constexpr TypeRow kTypes[] = {{TensorType::f32, "F32", 4},
                              {TensorType::f64, "F64", 8},
                              {TensorType::i64, "I64", 8},
                              {TensorType::u8, "U8", 1}};

const TypeRow& row_of(TensorType type) {
  return *std::find_if(std::begin(kTypes), std::end(kTypes),
                       [&](const TypeRow& row) { return row.type == type; });
}

template <class T>
constexpr TensorType kTypeOf = TensorType::f32;
template <>
constexpr TensorType kTypeOf<double> = TensorType::f64;
template <>
constexpr TensorType kTypeOf<std::int64_t> = TensorType::i64;
template <>
constexpr TensorType kTypeOf<std::uint8_t> = TensorType::u8;

// Bytes of a tensor, or nothing if that number does not fit 64 bits.
std::optional<std::uint64_t> size_in_bytes(TensorType type, const std::vector<std::size_t>& shape) {
  std::uint64_t size = element_size(type);
  for (const std::size_t extent : shape) {
    if (__builtin_mul_overflow(size, std::uint64_t{extent}, &size)) return std::nullopt;
  }
  return size;
}

std::string shape_text(const std::vector<std::size_t>& shape) {
  return fmt::format("({})", fmt::join(shape, ","));
}

template <class T>
NamedTensor make(std::string name, std::vector<std::size_t> shape, std::span<const T> values) {
  NamedTensor tensor{std::move(name), kTypeOf<T>, std::move(shape), {}};
  if (size_in_bytes(tensor.type, tensor.shape) != values.size_bytes()) {
    throw InvalidArgument(fmt::format("[safetensors] tensor \"{}\" of shape {} cannot hold {} values",
                                      tensor.name, shape_text(tensor.shape), values.size()));
  }
  tensor.bytes.resize(values.size_bytes());
  if (!values.empty()) std::memcpy(tensor.bytes.data(), values.data(), values.size_bytes());
  return tensor;
}

// ---- the checksum
// ----------------------------------------------------------------------------------------------

// How the writer begins every header. The checksum comes first, so that its digits lie at the same place in
// every file and nothing needs to be parsed to check it.
std::string header_opening() {
  return fmt::format("{{\"{}\":{{\"{}\":\"", kMetadataKey, kChecksumKey);
}

// Offset of the first digit of the checksum in a file with a valid header of this length, or nothing.
std::optional<std::size_t> find_checksum(std::span<const std::uint8_t> bytes, std::size_t header_length) {
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, header_length);
  const std::string opening = header_opening();
  const std::size_t after = opening.size() + kChecksumDigits;
  if (!header.starts_with(opening) || after >= header.size() || header[after] != '"') return std::nullopt;
  return kLengthBytes + opening.size();
}

// SHA-256 of the whole file with the digits of the checksum, which start at `digits`, taken as '0'.
std::string checksum_of(std::span<const std::uint8_t> bytes, std::size_t digits) {
  const std::vector<std::uint8_t> zeros(kChecksumDigits, '0');
  Sha256 sha;
  sha.update(bytes.first(digits));
  sha.update(zeros);
  sha.update(bytes.subspan(digits + kChecksumDigits));
  return sha.hex();
}

// ---- reading
// ---------------------------------------------------------------------------------------------------

// The start of a text that comes from the file, so that a message stays readable.
std::string brief(std::string text) {
  constexpr std::size_t kMaxLength = 200;
  if (text.size() <= kMaxLength) return text;
  std::size_t end = kMaxLength;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U)
    --end;  // not inside a UTF-8 character
  text.resize(end);
  return text + "...";
}

class Reader {
 public:
  Reader(std::span<const std::uint8_t> bytes, const std::string& source) : bytes_(bytes), source_(source) {}

  // Header and metadata; then whose file it is can be told.
  void read_header() {
    read_header_length();
    header_ = parse_header();
    const auto metadata = header_.find(kMetadataKey);
    if (metadata != header_.end()) read_metadata(*metadata);
  }
  Safetensors read_tensors() {
    for (const std::string& key : header_keys_) {
      if (key != kMetadataKey) read_entry(key, header_.at(key));
    }
    check_offsets();
    for (const Entry& entry : entries_) {
      const auto payload = bytes_.subspan(payload_start() + entry.begin, entry.end - entry.begin);
      content_.tensors.push_back({entry.name, entry.type, entry.shape, {payload.begin(), payload.end()}});
    }
    return std::move(content_);
  }
  [[nodiscard]] bool has_our_metadata() const { return has_our_metadata_; }
  [[nodiscard]] std::size_t header_length() const { return header_length_; }

 private:
  struct Entry {
    std::string name;
    TensorType type;
    std::vector<std::size_t> shape;
    std::uint64_t begin;  // offsets in the payload
    std::uint64_t end;
  };

  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw ModelError(fmt::format("{}: {}", source_, fmt::format(format, std::forward<Args>(args)...)));
  }

  template <class... Args>
  [[noreturn]] void fail_at(const std::string& tensor, fmt::format_string<Args...> format,
                            Args&&... args) const {
    fail("tensor \"{}\": {}", brief(tensor), fmt::format(format, std::forward<Args>(args)...));
  }

  [[nodiscard]] std::size_t payload_start() const { return kLengthBytes + header_length_; }
  [[nodiscard]] std::uint64_t payload_size() const { return bytes_.size() - payload_start(); }

  void read_header_length() {
    if (bytes_.size() < kLengthBytes) {
      fail(
          "truncated: a safetensors file starts with {} bytes of header length, this one has {} bytes in "
          "all; copy it "
          "again",
          kLengthBytes, bytes_.size());
    }
    // The two forms of PyTorch's own files: a ZIP archive, and before version 1.6 a pickle stream.
    constexpr std::uint8_t kZip[] = {'P', 'K', 3, 4};
    constexpr std::uint8_t kPickle[] = {0x80, 0x02};
    if (std::equal(std::begin(kZip), std::end(kZip), bytes_.begin()) ||
        std::equal(std::begin(kPickle), std::end(kPickle), bytes_.begin())) {
      fail(
          "not a safetensors file but a PyTorch checkpoint or other archive; a run's model is its "
          "model.safetensors");
    }
    std::uint64_t length = 0;
    std::memcpy(&length, bytes_.data(), kLengthBytes);
    if (length > kMaxSafetensorsHeader) {
      fail(
          "not a safetensors file: its first {} bytes promise a header of {} bytes, more than the {} allowed",
          kLengthBytes, length, kMaxSafetensorsHeader);
    }
    if (length > bytes_.size() - kLengthBytes) {
      if (bytes_.size() > kLengthBytes && bytes_[kLengthBytes] != '{') fail_not_json();
      fail(
          "truncated: the header should be {} bytes after the first {}, but the file has {} bytes in all; "
          "copy it "
          "again",
          length, kLengthBytes, bytes_.size());
    }
    header_length_ = static_cast<std::size_t>(length);
    if (header_length_ == 0 || bytes_[kLengthBytes] != '{') fail_not_json();
  }

  [[noreturn]] void fail_not_json() const {
    fail("not a safetensors file: after the first {} bytes a '{{' should come", kLengthBytes);
  }

  [[nodiscard]] Json parse_header() {
    const auto first = bytes_.begin() + kLengthBytes;
    // A tensor's entry is an object in the header's object, with an array in it: nothing valid lies deeper.
    // The limit keeps a hostile header from costing memory without bound.
    constexpr int kMaxDepth = 3;
    std::vector<std::set<std::string>> keys;  // of the objects that are open
    const auto check = [&](int depth, Json::parse_event_t event, Json& value) {
      switch (event) {
        case Json::parse_event_t::object_start:
        case Json::parse_event_t::array_start:
          if (depth >= kMaxDepth) fail("the header is nested too deeply");
          if (event == Json::parse_event_t::object_start) keys.emplace_back();
          break;
        case Json::parse_event_t::object_end:
          keys.pop_back();
          break;
        case Json::parse_event_t::key: {
          const auto& key = value.get_ref<const std::string&>();
          if (!keys.back().insert(key).second) fail("the header holds the key \"{}\" twice", brief(key));
          if (keys.size() == 1) header_keys_.push_back(key);
          break;
        }
        default:
          break;
      }
      return true;
    };
    try {
      return Json::parse(first, first + static_cast<std::ptrdiff_t>(header_length_), check);
    } catch (const Json::exception& error) {
      fail("the header is not valid JSON: {}", brief(error.what()));
    }
  }

  void read_metadata(const Json& metadata) {
    if (!metadata.is_object()) fail("{} in the header should be an object of texts", kMetadataKey);
    for (const auto& [key, value] : metadata.items()) {
      if (!value.is_string())
        fail("{} key \"{}\" should be a text, but is {}", kMetadataKey, brief(key), brief(value.dump()));
      if (key.starts_with(kKeyPrefix)) has_our_metadata_ = true;
      if (key != kChecksumKey) content_.metadata.emplace(key, value.get<std::string>());
    }
  }

  [[nodiscard]] std::uint64_t whole_number(const Json& value, const std::string& tensor,
                                           const char* what) const {
    if (!value.is_number_unsigned()) {
      fail_at(tensor, "{} should be a whole number below 2^64, but is {}", what, brief(value.dump()));
    }
    return value.get<std::uint64_t>();
  }

  [[nodiscard]] const Json& field(const Json& entry, const std::string& tensor, const char* key) const {
    const auto it = entry.find(key);
    if (it == entry.end()) fail_at(tensor, "the header lacks \"{}\"", key);
    return *it;
  }

  void read_entry(const std::string& name, const Json& entry) {
    if (!entry.is_object()) fail_at(name, "its entry in the header should be an object");
    for (const auto& [key, value] : entry.items()) {
      if (key != "dtype" && key != "shape" && key != "data_offsets") {
        fail_at(name, "unknown key \"{}\" in the header", brief(key));
      }
    }
    const Json& dtype = field(entry, name, "dtype");
    const std::string dtype_name = dtype.is_string() ? dtype.get<std::string>() : "";
    const auto row = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const TypeRow& candidate) { return dtype_name == candidate.name; });
    if (row == std::end(kTypes)) {
      fail_at(name, "element type {} is not supported; known are F32, F64, I64, U8", brief(dtype.dump()));
    }
    Entry result{name, row->type, {}, 0, 0};

    const Json& shape = field(entry, name, "shape");
    if (!shape.is_array()) fail_at(name, "shape should be an array");
    for (const Json& extent : shape) result.shape.push_back(whole_number(extent, name, "each dimension"));

    const Json& offsets = field(entry, name, "data_offsets");
    if (!offsets.is_array() || offsets.size() != 2) {
      fail_at(name, "data_offsets should be an array of two numbers");
    }
    result.begin = whole_number(offsets[0], name, "each data offset");
    result.end = whole_number(offsets[1], name, "each data offset");

    const std::optional<std::uint64_t> size = size_in_bytes(result.type, result.shape);
    if (!size || result.begin > result.end || *size != result.end - result.begin) {
      fail_at(name, "data offsets {} to {} do not fit shape {} of {}, which takes {} bytes", result.begin,
              result.end, brief(shape_text(result.shape)), row->name,
              size ? std::to_string(*size) : "more than 2^64");
    }
    entries_.push_back(std::move(result));
  }

  // The tensors must cover the payload exactly: no gap, no overlap, nothing before or behind.
  void check_offsets() const {
    std::vector<const Entry*> by_offset;
    for (const Entry& entry : entries_) by_offset.push_back(&entry);
    std::sort(by_offset.begin(), by_offset.end(), [](const Entry* a, const Entry* b) {
      return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
    });
    std::uint64_t covered = 0;
    for (const Entry* entry : by_offset) {
      if (entry->begin != covered) {
        fail_at(entry->name, "starts at byte {} of the payload, but the tensors before it end at {}: they {}",
                entry->begin, covered, entry->begin < covered ? "overlap" : "leave a gap");
      }
      covered = entry->end;
    }
    if (covered > payload_size()) {
      fail("truncated: the header says {} bytes of tensors, the file has {}; copy it again", covered,
           payload_size());
    }
    if (covered < payload_size()) {
      fail("{} bytes too many: the header says {} bytes of tensors, the file has {}",
           payload_size() - covered, covered, payload_size());
    }
  }

  std::span<const std::uint8_t> bytes_;
  const std::string& source_;
  std::size_t header_length_ = 0;
  Json header_;
  std::vector<std::string> header_keys_;  // in the order of the file, which Json does not keep
  std::vector<Entry> entries_;
  bool has_our_metadata_ = false;
  Safetensors content_;
};

// ---- writing
// ---------------------------------------------------------------------------------------------------

void check_content(const Safetensors& content) {
  std::set<std::string_view> names;
  for (const NamedTensor& tensor : content.tensors) {
    if (tensor.name.empty() || tensor.name == kMetadataKey || !names.insert(tensor.name).second) {
      throw InvalidArgument(
          fmt::format("[safetensors] tensor name \"{}\" is empty, reserved or used twice", tensor.name));
    }
    if (size_in_bytes(tensor.type, tensor.shape) != tensor.bytes.size()) {
      throw InvalidArgument(
          fmt::format("[safetensors] tensor \"{}\": shape {} of {} does not fit its {} bytes", tensor.name,
                      shape_text(tensor.shape), type_name(tensor.type), tensor.bytes.size()));
    }
  }
  if (content.metadata.contains(std::string(kChecksumKey))) {
    throw InvalidArgument(
        fmt::format("[safetensors] metadata key {} is filled in by the writer", kChecksumKey));
  }
}

// Positions of the tensors in the order in which their bytes lie in the file: the widest elements first,
// otherwise as given, so that each starts at a multiple of its element size without gaps, which the format
// forbids.
std::vector<std::size_t> payload_order(const std::vector<NamedTensor>& tensors) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return element_size(tensors[a].type) > element_size(tensors[b].type);
  });
  return order;
}

using OrderedJson = nlohmann::ordered_json;

std::string header_of(const Safetensors& content, const std::vector<std::size_t>& order) {
  std::vector<std::size_t> begin(content.tensors.size());
  std::size_t end = 0;
  for (const std::size_t i : order) {
    begin[i] = end;
    end += content.tensors[i].bytes.size();
  }
  OrderedJson metadata = OrderedJson::object();
  metadata[std::string(kChecksumKey)] = std::string(kChecksumDigits, '0');  // first: header_opening()
  for (const auto& [key, value] : content.metadata) metadata[key] = value;
  OrderedJson header = OrderedJson::object();
  header[std::string(kMetadataKey)] = std::move(metadata);
  for (std::size_t i = 0; i < content.tensors.size(); ++i) {
    const NamedTensor& tensor = content.tensors[i];
    header[tensor.name] = {{"dtype", type_name(tensor.type)},
                           {"shape", tensor.shape},
                           {"data_offsets", {begin[i], begin[i] + tensor.bytes.size()}}};
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const Json::exception& error) {
    throw InvalidArgument(
        fmt::format("[safetensors] a name or a metadata text is not UTF-8: {}", error.what()));
  }
  const std::size_t past_alignment = (kLengthBytes + text.size()) % kAlignment;
  if (past_alignment != 0) text.append(kAlignment - past_alignment, ' ');
  if (text.size() > kMaxSafetensorsHeader) {
    throw InvalidArgument(fmt::format("[safetensors] the header would have {} bytes; at most {} are allowed",
                                      text.size(), kMaxSafetensorsHeader));
  }
  return text;
}

}  // namespace

std::size_t element_size(TensorType type) {
  return row_of(type).size;
}
std::string_view type_name(TensorType type) {
  return row_of(type).name;
}

NamedTensor make_tensor(std::string name, std::vector<std::size_t> shape, std::span<const float> values) {
  return make(std::move(name), std::move(shape), values);
}
NamedTensor make_tensor(std::string name, std::vector<std::size_t> shape, std::span<const double> values) {
  return make(std::move(name), std::move(shape), values);
}
NamedTensor make_tensor(std::string name, std::vector<std::size_t> shape,
                        std::span<const std::int64_t> values) {
  return make(std::move(name), std::move(shape), values);
}
NamedTensor make_tensor(std::string name, std::vector<std::size_t> shape,
                        std::span<const std::uint8_t> values) {
  return make(std::move(name), std::move(shape), values);
}

template <class T>
std::vector<T> tensor_values(const NamedTensor& tensor, const std::string& source) {
  if (tensor.type != kTypeOf<T>) {
    throw ModelError(fmt::format("{}: tensor \"{}\" holds {}, expected {}", source, tensor.name,
                                 type_name(tensor.type), type_name(kTypeOf<T>)));
  }
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), values.size() * sizeof(T));
  return values;
}
template std::vector<float> tensor_values(const NamedTensor&, const std::string&);
template std::vector<double> tensor_values(const NamedTensor&, const std::string&);
template std::vector<std::int64_t> tensor_values(const NamedTensor&, const std::string&);
template std::vector<std::uint8_t> tensor_values(const NamedTensor&, const std::string&);

const std::string& metadata_text(const Safetensors& file, const std::string& key, const std::string& what) {
  const auto entry = file.metadata.find(key);
  if (entry == file.metadata.end()) throw ModelError(fmt::format("{}: its metadata lacks \"{}\"", what, key));
  return entry->second;
}

std::vector<std::uint8_t> write_safetensors(const Safetensors& content) {
  check_content(content);
  const std::vector<std::size_t> order = payload_order(content.tensors);
  const std::string header = header_of(content, order);

  std::size_t size = kLengthBytes + header.size();
  for (const NamedTensor& tensor : content.tensors) size += tensor.bytes.size();
  std::vector<std::uint8_t> bytes(size);
  const std::uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, kLengthBytes);
  auto end = std::copy(header.begin(), header.end(), bytes.begin() + kLengthBytes);
  for (const std::size_t i : order) {
    end = std::copy(content.tensors[i].bytes.begin(), content.tensors[i].bytes.end(), end);
  }
  const std::size_t digits = find_checksum(bytes, header.size()).value();
  const std::string checksum = checksum_of(bytes, digits);
  std::copy(checksum.begin(), checksum.end(), bytes.begin() + static_cast<std::ptrdiff_t>(digits));
  return bytes;
}

Safetensors read_safetensors(std::span<const std::uint8_t> bytes, const std::string& source) {
  Reader reader(bytes, source);
  reader.read_header();
  return reader.read_tensors();
}

Safetensors read_deepsad_safetensors(std::span<const std::uint8_t> bytes, const std::string& source) {
  Reader reader(bytes, source);
  reader.read_header();
  const std::optional<std::size_t> digits = find_checksum(bytes, reader.header_length());
  if (!digits) {
    if (!reader.has_our_metadata()) {
      throw ModelError(
          fmt::format("{}: not a deepsad model, but a safetensors file of other origin; deepsad train "
                      "makes models",
                      source));
    }
    throw ModelError(
        fmt::format("{}: altered: the header does not begin with the checksum {}, as deepsad writes it; "
                    "use the original file",
                    source, kChecksumKey));
  }
  Safetensors content = reader.read_tensors();
  const std::string stored(reinterpret_cast<const char*>(bytes.data()) + *digits, kChecksumDigits);
  const std::string actual = checksum_of(bytes, *digits);
  if (stored != actual) {
    throw ModelError(
        fmt::format("{}: altered: its content has the checksum {}, but {} was stored when it was written; "
                    "use the original file",
                    source, actual, stored));
  }
  return content;
}

}  // namespace deepsad
