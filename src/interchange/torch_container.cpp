#include "interchange/torch_container.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <string_view>

#include "deepsad/core/error.h"
#include "deepsad/storage/atomic_file.h"
#include "deepsad/storage/byte_stream.h"

namespace deepsad {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kOrderedDict = "collections.OrderedDict";
constexpr std::string_view kTensor = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kParameter = "torch._utils._rebuild_parameter";
constexpr std::string_view kFloats = "torch.FloatStorage";
constexpr std::string_view kDoubles = "torch.DoubleStorage";
constexpr std::string_view kIntegers = "torch.LongStorage";
constexpr std::string_view kDtype = "numpy.dtype";
constexpr std::string_view kScalar = "numpy.core.multiarray.scalar";
constexpr std::string_view kNewScalar = "numpy._core.multiarray.scalar";
constexpr std::string_view kEncode = "_codecs.encode";
constexpr std::array kGlobals{kOrderedDict, kTensor, kParameter, kFloats,    kDoubles,
                              kIntegers,    kDtype,  kScalar,    kNewScalar, kEncode};

constexpr std::string_view kZipMagic = "PK\x03\x04"sv;
constexpr std::string_view kTarMagic = "ustar"sv;
constexpr std::size_t kTarMagicAt = 257;
// PyTorch's magic number and version, each a pickle of its own in front of the object's.
constexpr std::string_view kLegacyMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv;
constexpr std::int64_t kLegacyProtocol = 1001;
constexpr std::size_t kMaxPickleBytes = std::size_t{64} << 20;
constexpr std::uint64_t kMaxMemberBytes = std::uint64_t{256} << 20;
constexpr std::uint64_t kMaxTotalBytes = std::uint64_t{512} << 20;
constexpr std::size_t kMaxDimensions = 8;

std::size_t bytes_of_type(std::string_view type) {
  return type == kFloats ? 4 : 8;
}

// Latin-1 text, as UTF-8, back to its bytes; nothing if a letter is outside it.
std::optional<std::string> latin1(std::string_view utf8) {
  std::string bytes;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto c = static_cast<unsigned char>(utf8[i]);
    if (c < 0x80) {
      bytes += static_cast<char>(c);
      continue;
    }
    const unsigned next = i + 1 < utf8.size() ? static_cast<unsigned char>(utf8[i + 1]) : 0;
    if ((c != 0xc2 && c != 0xc3) || (next & 0xc0U) != 0x80) return std::nullopt;
    bytes += static_cast<char>(((c & 3U) << 6) | (next & 0x3fU));
    ++i;
  }
  return bytes;
}

}  // namespace

void TorchFile::refuse(const std::string& what) const {
  throw DataError(fmt::format("{}: {}", source_, what));
}

TorchFile TorchFile::read(const std::string& path) {
  TorchFile file(path);
  std::vector<std::uint8_t> bytes = read_file(path);
  const auto starts_with = [&](std::size_t at, std::string_view magic) {
    return bytes.size() >= at + magic.size() &&
           std::memcmp(bytes.data() + at, magic.data(), magic.size()) == 0;
  };
  if (starts_with(0, kZipMagic)) {
    bytes = {};
    file.read_zip();
  } else if (starts_with(0, "\x80"sv)) {
    file.read_legacy(bytes);
  } else if (starts_with(kTarMagicAt, kTarMagic)) {
    file.refuse("is in the tar container of PyTorch before 0.2; load and save it again in a newer PyTorch");
  } else {
    file.refuse("is no file of torch.save: it starts neither as a ZIP archive nor as a pickle");
  }
  return file;
}

// Every storage that the pickle names, still without its values.
void TorchFile::find_storages() {
  for (const PickleNode& node : pickle_.nodes) {
    if (node.kind != PickleKind::persistent) continue;
    const PickleNode& identity = pickle_[*node.arguments];
    const auto part = [&](std::size_t i) -> const PickleNode& { return pickle_[identity.items[i]]; };
    if (identity.kind != PickleKind::tuple || identity.items.size() < 5 || part(0).kind != PickleKind::text ||
        part(0).text != "storage" || part(1).kind != PickleKind::global || part(2).kind != PickleKind::text) {
      refuse(fmt::format("a persistent identity that is {}, wanted a storage: its type, key, place and size",
                         in_words(identity)));
    }
    const std::string& type = part(1).text;
    if (type != kFloats && type != kDoubles && type != kIntegers)
      refuse("a storage of the type " + printable(type));
    if (identity.items.size() > 5 && part(5).kind != PickleKind::none)
      refuse("a view of a storage, which is not read");
    Storage storage{
        .type = type, .n = whole(part(4), printable(part(2).text), "the size of a storage"), .bytes = {}};
    const auto [known, is_new] = storages_.emplace(part(2).text, storage);
    if (!is_new && (known->second.type != storage.type || known->second.n != storage.n))
      refuse(fmt::format("the storage {} is described twice, differently", printable(part(2).text)));
  }
}

void TorchFile::fill(const std::string& key, std::vector<std::uint8_t> bytes) {
  const auto found = storages_.find(key);
  if (found == storages_.end()) return;  // nobody's
  Storage& storage = found->second;
  const std::size_t width = bytes_of_type(storage.type);
  if (bytes.size() % width != 0 || bytes.size() / width != storage.n) {
    refuse(fmt::format("damaged: the storage {} has {} bytes, wanted {} elements of {}", printable(key),
                       bytes.size(), storage.n, width));
  }
  room_ += kMostSharing * storage.n;
  storage.bytes = std::move(bytes);
}

void TorchFile::read_zip() {
  std::map<std::string, std::vector<std::uint8_t>> members;  // without the archive's folder
  std::uint64_t total = 0;
  for_each_member(source_, kMaxMemberBytes, [&](const std::string& member, ByteStream& content) {
    const std::size_t slash = member.find('/');
    const std::string name = slash == std::string::npos ? member : member.substr(slash + 1);
    if (name != "data.pkl" && name != "byteorder" && !name.starts_with("data/")) return true;
    std::vector<std::uint8_t> bytes = content.read_all();
    total += bytes.size();
    if (total > kMaxTotalBytes)
      refuse(fmt::format("holds more than {} bytes, which no model here has", kMaxTotalBytes));
    if (!members.emplace(name, std::move(bytes)).second)
      refuse(fmt::format("damaged: the member {} is there twice", printable(name)));
    return true;
  });
  const auto pickle = members.find("data.pkl");
  if (pickle == members.end())
    refuse("is a ZIP archive, but not of torch.save: it has no data.pkl (torch.jit.save writes other files)");
  if (pickle->second.size() > kMaxPickleBytes) refuse("the pickle is larger than any checkpoint's");
  if (const auto order = members.find("byteorder");
      order != members.end() && std::string(order->second.begin(), order->second.end()) != "little")
    refuse("was written on a big-endian machine, which is not read; load and save it again on another");
  pickle_ = read_pickle(pickle->second, kGlobals, source_);
  if (pickle_.n_bytes != pickle->second.size()) refuse("damaged: bytes follow the pickle");
  find_storages();
  for (auto& [name, bytes] : members)
    if (name.starts_with("data/")) fill(name.substr("data/"sv.size()), std::move(bytes));
}

void TorchFile::read_legacy(const std::vector<std::uint8_t>& bytes) {
  std::span<const std::uint8_t> rest = bytes;
  const auto next = [&] {
    Pickle pickle = read_pickle(rest, kGlobals, source_);
    rest = rest.subspan(pickle.n_bytes);
    return pickle;
  };
  const Pickle magic = next();
  if (magic.top().kind != PickleKind::big_integer || magic.top().text != kLegacyMagic)
    refuse("is a pickle, but no file of torch.save: its first value is not PyTorch's magic number");
  const Pickle protocol = next();
  if (protocol.top().kind != PickleKind::integer || protocol.top().integer != kLegacyProtocol)
    refuse(
        fmt::format("its container's version is {}, wanted {}", in_words(protocol.top()), kLegacyProtocol));
  const Pickle system = next();
  const PickleNode* little_endian = system.find(system.top(), "little_endian");
  if (little_endian == nullptr || little_endian->integer != 1)
    refuse("was written on a big-endian machine, which is not read; load and save it again on another");
  pickle_ = next();
  find_storages();
  const Pickle keys = next();
  if (keys.top().kind != PickleKind::list)
    refuse(fmt::format("the keys of its storages are {}", in_words(keys.top())));
  for (const PickleRef ref : keys.top().items) {
    const PickleNode& key = keys[ref];
    const auto found = storages_.find(key.text);
    if (key.kind != PickleKind::text || found == storages_.end())
      refuse(fmt::format("damaged: values of a storage that no tensor has: {}", in_words(key)));
    std::uint64_t n = 0;
    if (rest.size() < sizeof(n))
      refuse(fmt::format("truncated: the size of the storage {}", printable(key.text)));
    std::memcpy(&n, rest.data(), sizeof(n));
    rest = rest.subspan(sizeof(n));
    const std::size_t width = bytes_of_type(found->second.type);
    if (n > rest.size() / width) {
      refuse(fmt::format("truncated: the storage {} has {} elements of {} bytes, but {} bytes are left",
                         printable(key.text), n, width, rest.size()));
    }
    fill(key.text, {rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(n * width)});
    rest = rest.subspan(static_cast<std::size_t>(n) * width);
  }
  if (!rest.empty()) refuse(fmt::format("damaged: {} bytes follow the last storage", rest.size()));
}

std::uint64_t TorchFile::whole(const PickleNode& node, const std::string& name, const char* what) const {
  if (node.kind != PickleKind::integer || node.integer < 0)
    refuse(fmt::format("{}: {} is {}, wanted a number from 0 on", name, what, in_words(node)));
  return static_cast<std::uint64_t>(node.integer);
}

std::vector<std::uint64_t> TorchFile::whole_numbers(const PickleNode& node, const std::string& name,
                                                    const char* what) const {
  if (node.kind != PickleKind::tuple || node.items.size() > kMaxDimensions)
    refuse(fmt::format("{}: its {} is {}, wanted a tuple of at most {}", name, what, in_words(node),
                       kMaxDimensions));
  std::vector<std::uint64_t> values;
  for (const PickleRef ref : node.items) values.push_back(whole(pickle_[ref], name, what));
  return values;
}

StateTensor TorchFile::tensor(const PickleNode& given, const std::string& name) {
  const PickleNode* node = &given;
  const auto argument = [&](std::size_t i) -> const PickleNode& {
    const PickleNode& arguments = pickle_[*node->arguments];
    if (i >= arguments.items.size())
      refuse(fmt::format("{}: an argument of {} is missing", name, in_words(*node)));
    return pickle_[arguments.items[i]];
  };
  if (node->kind == PickleKind::call && node->text == kParameter) node = &argument(0);
  if (node->kind != PickleKind::call || node->text != kTensor)
    refuse(fmt::format("{} is {}, wanted a tensor", name, in_words(*node)));
  const PickleNode& reference = argument(0);
  if (reference.kind != PickleKind::persistent)
    refuse(fmt::format("{} lies in {}, wanted a storage", name, in_words(reference)));
  const std::string& key = pickle_[pickle_[*reference.arguments].items[2]].text;
  const Storage& storage = storages_.at(key);
  const std::size_t width = bytes_of_type(storage.type);
  if (storage.bytes.size() / width != storage.n)
    refuse(fmt::format("{}: the values of its storage {} are not in the file", name, printable(key)));

  const std::uint64_t offset = whole(argument(1), name, "its offset");
  const std::vector<std::uint64_t> shape = whole_numbers(argument(2), name, "shape");
  const std::vector<std::uint64_t> strides = whole_numbers(argument(3), name, "stride");
  if (shape.size() != strides.size())
    refuse(fmt::format("{} has {} dimensions, but {} strides", name, shape.size(), strides.size()));
  // Every element lies between `offset` and `last`; each product is checked before it is made.
  std::uint64_t n = 1, last = offset;
  bool fits = offset <= storage.n;
  for (std::size_t i = 0; fits && i < shape.size(); ++i) {
    fits = shape[i] == 0 || n <= storage.n / shape[i];
    n *= fits ? shape[i] : 1;
    if (shape[i] < 2) continue;
    fits = fits && strides[i] <= storage.n / (shape[i] - 1);
    last += fits ? strides[i] * (shape[i] - 1) : 0;
    fits = fits && last < storage.n;
  }
  if (!fits || (n > 0 && last >= storage.n)) {
    refuse(fmt::format(
        "{}: shape ({}) with strides ({}) from element {} on does not lie in its storage of {} elements",
        name, fmt::join(shape, ", "), fmt::join(strides, ", "), offset, storage.n));
  }
  if (n > room_) {
    refuse(
        fmt::format("{}: with it the tensors have more than {} times the elements of all storages; they "
                    "share storages beyond what a network needs",
                    name, kMostSharing));
  }
  room_ -= n;
  StateTensor tensor{
      .name = name, .shape = {shape.begin(), shape.end()}, .values = {}, .is_count = false, .count = 0};
  if (storage.type == kIntegers) {
    if (!shape.empty())
      refuse(fmt::format("{} is a tensor of integers of {}, wanted a count", name, to_string(tensor.shape)));
    tensor.is_count = true;
    std::memcpy(&tensor.count, storage.bytes.data() + offset * width, width);
    return tensor;
  }
  tensor.values.resize(static_cast<std::size_t>(n));
  std::vector<std::uint64_t> at(shape.size(), 0);
  std::uint64_t position = offset;
  for (float& value : tensor.values) {
    if (storage.type == kFloats) {
      std::memcpy(&value, storage.bytes.data() + position * width, width);
    } else {
      double wide = 0;
      std::memcpy(&wide, storage.bytes.data() + position * width, width);
      value = static_cast<float>(wide);
    }
    if (!std::isfinite(value)) refuse(fmt::format("{} holds {}, which no trained network does", name, value));
    for (std::size_t i = shape.size(); i-- > 0;) {
      position += strides[i];
      if (++at[i] < shape[i]) break;
      position -= strides[i] * shape[i];
      at[i] = 0;
    }
  }
  return tensor;
}

StateDict TorchFile::state_dict(const PickleNode& node, const std::string& name) {
  if (node.kind != PickleKind::dict && !(node.kind == PickleKind::call && node.text == kOrderedDict))
    refuse(fmt::format("{} is {}, wanted a state dict", name, in_words(node)));
  StateDict state;
  std::set<std::string_view> names;
  for (std::size_t i = 0; i + 1 < node.items.size(); i += 2) {
    const PickleNode& key = pickle_[node.items[i]];
    if (key.kind != PickleKind::text)
      refuse(fmt::format("{} has {} for a key, wanted a text", name, in_words(key)));
    if (!names.insert(key.text).second) refuse(fmt::format("{} has {} twice", name, printable(key.text)));
    StateTensor entry = tensor(pickle_[node.items[i + 1]], fmt::format("{}: {}", name, printable(key.text)));
    entry.name = key.text;
    state.push_back(std::move(entry));
  }
  return state;
}

// A number of Python or NumPy.
double TorchFile::number(const PickleNode& node, const std::string& name) const {
  if (node.kind == PickleKind::real) return node.real;
  if (node.kind == PickleKind::integer) return static_cast<double>(node.integer);
  const auto wrong = [&] { refuse(fmt::format("{} holds {}, wanted numbers", name, in_words(node))); };
  if (node.kind != PickleKind::call || (node.text != kScalar && node.text != kNewScalar)) wrong();
  // scalar(dtype("f4"), its bytes), the bytes themselves or as encode(text, "latin1").
  const PickleNode& arguments = pickle_[*node.arguments];
  if (arguments.items.size() != 2) wrong();
  const PickleNode& dtype = pickle_[arguments.items[0]];
  const PickleNode* content = &pickle_[arguments.items[1]];
  std::string bytes;
  if (content->kind == PickleKind::call && content->text == kEncode) {
    const PickleNode& parts = pickle_[*content->arguments];
    if (parts.items.empty() || pickle_[parts.items[0]].text.size() > 2 * sizeof(double)) wrong();
    const std::optional<std::string> decoded = latin1(pickle_[parts.items[0]].text);
    if (!decoded) wrong();
    bytes = *decoded;
  } else {
    if (content->kind != PickleKind::bytes || content->text.size() > sizeof(double)) wrong();
    bytes = content->text;
  }
  if (dtype.kind != PickleKind::call || dtype.text != kDtype || pickle_[*dtype.arguments].items.empty())
    wrong();
  const std::string& type = pickle_[pickle_[*dtype.arguments].items[0]].text;
  if (type == "f4" && bytes.size() == sizeof(float)) {
    float value = 0;
    std::memcpy(&value, bytes.data(), sizeof(value));
    return static_cast<double>(value);
  }
  if (type != "f8" || bytes.size() != sizeof(double)) wrong();
  double value = 0;
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

std::vector<float> TorchFile::numbers(const PickleNode& node, const std::string& name) {
  if (node.kind == PickleKind::call && (node.text == kTensor || node.text == kParameter)) {
    StateTensor values = tensor(node, name);
    if (values.shape.size() != 1)
      refuse(fmt::format("{} is a tensor of {}, wanted one dimension", name, to_string(values.shape)));
    return std::move(values.values);
  }
  if (node.kind != PickleKind::list && node.kind != PickleKind::tuple)
    refuse(fmt::format("{} is {}, wanted a list of numbers", name, in_words(node)));
  std::vector<float> values;
  for (const PickleRef ref : node.items) {
    const auto value = static_cast<float>(number(pickle_[ref], name));
    if (!std::isfinite(value)) refuse(fmt::format("{} holds {}, wanted finite numbers", name, value));
    values.push_back(value);
  }
  return values;
}

std::map<std::string, std::string> TorchFile::texts(const PickleNode& node, const std::string& name) const {
  if (node.kind != PickleKind::dict)
    refuse(fmt::format("{} is {}, wanted a dict of texts", name, in_words(node)));
  std::map<std::string, std::string> texts;
  std::uint64_t room = kMostSharing * pickle_.n_bytes;
  for (std::size_t i = 0; i + 1 < node.items.size(); i += 2) {
    const PickleNode &key = pickle_[node.items[i]], &value = pickle_[node.items[i + 1]];
    if (key.kind != PickleKind::text || value.kind != PickleKind::text)
      refuse(fmt::format("{} holds {} under {}, wanted texts", name, in_words(value), in_words(key)));
    if (key.text.size() + value.text.size() > room) {
      refuse(fmt::format("{}: with {} its texts have more than {} times the bytes of the pickle", name,
                         printable(key.text), kMostSharing));
    }
    room -= key.text.size() + value.text.size();
    texts[key.text] = value.text;
  }
  return texts;
}

namespace {

// The opcodes of protocol 2 that values here are written with.
std::string little_endian(std::uint64_t value, std::size_t n) {
  std::string bytes;
  for (std::size_t i = 0; i < n; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

// BINUNICODE, whose length has 32 bits; a longer text, 4 GiB, needs BINUNICODE8, of protocol 4.
std::string pickled(std::string_view text) {
  const bool is_long = text.size() > std::numeric_limits<std::uint32_t>::max();
  std::string bytes = is_long ? "\x8d" : "X";
  bytes += little_endian(text.size(), is_long ? 8 : 4);
  return bytes.append(text);
}

// Up to 31 bits as BININT, else as LONG1.
std::string pickled(std::uint64_t value) {
  if (value < (std::uint64_t{1} << 31)) return "J" + little_endian(value, 4);
  return "\x8a\x09" + little_endian(value, 8) + std::string(1, '\0');
}

std::string pickled(double value) {
  std::string bytes = "G";
  const auto bits = std::bit_cast<std::uint64_t>(value);
  for (unsigned shift = 64; shift > 0; shift -= 8) bytes += static_cast<char>(bits >> (shift - 8));
  return bytes;
}

std::string pickled_global(std::string_view whole) {
  const std::size_t dot = whole.rfind('.');
  return "c" + std::string(whole.substr(0, dot)) + "\n" + std::string(whole.substr(dot + 1)) + "\n";
}

std::string pickled_tuple(const std::vector<std::uint64_t>& values) {
  std::string bytes = "(";
  for (const std::uint64_t value : values) bytes += pickled(value);
  return bytes + "t";
}

const std::string kEmptyOrderedDict = pickled_global(kOrderedDict) + ")R";

std::string as_pickle(const std::string& value) {
  return "\x80\x02" + value + ".";
}

}  // namespace

void TorchWriter::numbers(const std::string& key, const std::vector<float>& values) {
  items_ += pickled(key) + "](";
  for (const float value : values) items_ += pickled(static_cast<double>(value));
  items_ += "e";
}

void TorchWriter::texts(const std::string& key, const std::map<std::string, std::string>& values) {
  items_ += pickled(key) + "}(";
  for (const auto& [name, text] : values) items_ += pickled(name) + pickled(text);
  items_ += "u";
}

void TorchWriter::state_dict(const std::string& key, const StateDict& state) {
  items_ += pickled(key) + kEmptyOrderedDict + "(";
  for (const StateTensor& tensor : state) {
    Storage storage{.key = std::to_string(storages_.size()),
                    .n = tensor.is_count ? 1 : tensor.values.size(),
                    .bytes = {}};
    if (tensor.is_count) {
      storage.bytes = little_endian(static_cast<std::uint64_t>(tensor.count), sizeof(tensor.count));
    } else {
      storage.bytes.resize(tensor.values.size() * sizeof(float));
      std::memcpy(storage.bytes.data(), tensor.values.data(), storage.bytes.size());
    }
    const std::vector<std::uint64_t> shape(tensor.shape.begin(), tensor.shape.end());
    std::vector<std::uint64_t> strides(shape.size(), 1);
    for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
    items_ += pickled(tensor.name) + pickled_global(kTensor) + "((" + pickled("storage"sv) +
              pickled_global(tensor.is_count ? kIntegers : kFloats) + pickled(storage.key) +
              pickled("cpu"sv) + pickled(storage.n) + "NtQ" + pickled(std::uint64_t{0}) +
              pickled_tuple(shape) + pickled_tuple(strides) + "\x89" + kEmptyOrderedDict + "tR";
    storages_.push_back(std::move(storage));
  }
  items_ += "u";
}

std::vector<std::uint8_t> TorchWriter::bytes() const {
  std::string file = as_pickle("\x8a\x0a" + std::string(kLegacyMagic));
  file += as_pickle(pickled(static_cast<std::uint64_t>(kLegacyProtocol)));
  file +=
      as_pickle("}(" + pickled("protocol_version"sv) + pickled(static_cast<std::uint64_t>(kLegacyProtocol)) +
                pickled("little_endian"sv) + "\x88" + pickled("type_sizes"sv) + "}(" + pickled("short"sv) +
                pickled(std::uint64_t{2}) + pickled("int"sv) + pickled(std::uint64_t{4}) + pickled("long"sv) +
                pickled(std::uint64_t{4}) + "uu");
  file += as_pickle("}(" + items_ + "u");
  std::string keys = "](";
  for (const Storage& storage : storages_) keys += pickled(storage.key);
  file += as_pickle(keys + "e");
  for (const Storage& storage : storages_) file += little_endian(storage.n, 8) + storage.bytes;
  return {file.begin(), file.end()};
}

}  // namespace deepsad
