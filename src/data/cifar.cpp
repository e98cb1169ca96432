#include "deepsad/data/cifar.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/storage/byte_stream.h"
#include "deepsad/storage/checksum.h"
#include "deepsad/storage/pickle.h"

namespace deepsad {
namespace {

constexpr std::size_t kTestBatch = 5;
// A batch has 10000 records; an archive member far beyond that is not one.
constexpr std::uint64_t kMaxMemberBytes = 100000 * kCifarRecordBytes;

std::string_view file_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

constexpr std::string_view kReconstruct = "numpy.core.multiarray._reconstruct";
constexpr std::string_view kNewReconstruct = "numpy._core.multiarray._reconstruct";
constexpr std::string_view kDtype = "numpy.dtype";
constexpr std::array<std::string_view, 4> kGlobals = {kReconstruct, kNewReconstruct, "numpy.ndarray", kDtype};

/// The pixels of a pickled array of bytes, n x 3072.
std::string pixels_of(const Pickle& pickle, const PickleNode& array, const std::string& source) {
  const auto refuse = [&](const std::string& what) {
    throw DataError(
        fmt::format("{}: \"data\" is {}, wanted an array of bytes, n x {}", source, what, kCifarImageBytes));
  };
  if (array.kind != PickleKind::call || (array.text != kReconstruct && array.text != kNewReconstruct) ||
      !array.state)
    refuse(in_words(array));
  // The state of an array: version, shape, type, whether in Fortran's order, its bytes.
  const PickleNode& state = pickle[*array.state];
  if (state.kind != PickleKind::tuple || state.items.size() != 5)
    refuse("an array with " + in_words(state) + " for state");
  const auto part = [&](std::size_t i) -> const PickleNode& { return pickle[state.items[i]]; };
  const PickleNode& type = part(2);
  const bool is_bytes = type.kind == PickleKind::call && type.text == kDtype &&
                        !pickle[*type.arguments].items.empty() &&
                        pickle[pickle[*type.arguments].items[0]].text == "u1";
  if (!is_bytes || part(3).integer != 0 || part(4).kind != PickleKind::bytes)
    refuse("an array of another type or order");
  const std::string& pixels = part(4).text;
  const std::vector<PickleRef>& shape = part(1).items;
  if (part(1).kind != PickleKind::tuple || shape.size() != 2 ||
      pickle[shape[1]].integer != static_cast<std::int64_t>(kCifarImageBytes) ||
      pixels.size() % kCifarImageBytes != 0 ||
      pickle[shape[0]].integer != static_cast<std::int64_t>(pixels.size() / kCifarImageBytes))
    refuse(fmt::format("an array of {} bytes with another shape", pixels.size()));
  return pixels;
}

Dataset read_pickled_batch(ByteStream& in) {
  const std::string& source = in.name();
  const Pickle pickle = read_pickle(in.read_all(), kGlobals, source);
  const PickleNode* data = pickle.find(pickle.top(), "data");
  const PickleNode* labels = pickle.find(pickle.top(), "labels");
  if (data == nullptr || labels == nullptr || labels->kind != PickleKind::list) {
    throw DataError(
        fmt::format("{}: is a pickle of {}, wanted CIFAR-10's dict with \"data\" and a list \"labels\"",
                    source, in_words(pickle.top())));
  }
  const std::string pixels = pixels_of(pickle, *data, source);
  const std::size_t n = pixels.size() / kCifarImageBytes;
  if (n == 0 || labels->items.size() != n)
    throw DataError(fmt::format("{}: found {} images and {} labels, wanted one label an image", source, n,
                                labels->items.size()));
  Dataset batch;
  batch.name = source;
  batch.sample_shape = {3, 32, 32};
  batch.values = std::vector<std::uint8_t>(pixels.begin(), pixels.end());
  Sha256 digest;
  for (std::size_t i = 0; i < n; ++i) {
    const PickleNode& label = pickle[labels->items[i]];
    if (label.kind != PickleKind::integer || label.integer < 0 || label.integer >= kCifarClasses) {
      throw DataError(fmt::format("{}: label of record {} is {}, wanted 0..{}", source, i, in_words(label),
                                  kCifarClasses - 1));
    }
    const auto byte = static_cast<std::uint8_t>(label.integer);
    batch.classes.push_back(byte);
    digest.update({&byte, 1});
    digest.update(
        {reinterpret_cast<const std::uint8_t*>(pixels.data()) + i * kCifarImageBytes, kCifarImageBytes});
  }
  batch.sources.push_back({source, digest.hex()});
  return batch;
}

}  // namespace

bool is_pickled_cifar_batch(ByteStream& in) {
  const std::span<const std::uint8_t> start = in.peek(1);
  return !start.empty() && start[0] == kPickleStart;  // no label is that large
}

std::optional<std::size_t> cifar_batch_of(std::string_view name) {
  for (std::size_t i = 0; i < kCifarBatches; ++i) {
    const std::string_view binary = kCifarBatchNames[i];
    if (name == binary || name == binary.substr(0, binary.rfind('.'))) return i;
  }
  return std::nullopt;
}

Dataset read_cifar_batch(ByteStream& in) {
  if (is_pickled_cifar_batch(in)) return read_pickled_batch(in);
  constexpr std::size_t kRecordsPerRead = 256;
  std::vector<std::uint8_t> records(kRecordsPerRead * kCifarRecordBytes);
  Dataset data;
  data.name = in.name();
  data.sample_shape = {3, 32, 32};
  std::vector<std::uint8_t> pixels;
  for (std::size_t got = records.size(); got == records.size();) {
    got = in.read(records);
    if (got % kCifarRecordBytes != 0) {
      throw DataError(
          fmt::format("{}: found {} bytes, wanted a multiple of {} (records of 1 label and {} pixel bytes); "
                      "the last record, {}, has {} bytes",
                      in.name(), in.position(), kCifarRecordBytes, kCifarImageBytes,
                      in.position() / kCifarRecordBytes, in.position() % kCifarRecordBytes));
    }
    for (std::size_t at = 0; at < got; at += kCifarRecordBytes) {
      const std::uint8_t label = records[at];
      if (label >= kCifarClasses) {
        const std::size_t record = data.classes.size();
        throw DataError(fmt::format("{}: byte {}: label of record {} is {}, wanted 0..{}", in.name(),
                                    record * kCifarRecordBytes, record, label, kCifarClasses - 1));
      }
      data.classes.push_back(label);
      const auto image = records.begin() + static_cast<std::ptrdiff_t>(at + 1);
      pixels.insert(pixels.end(), image, image + static_cast<std::ptrdiff_t>(kCifarImageBytes));
    }
  }
  if (pixels.empty()) {
    throw DataError(fmt::format("{}: is empty, wanted records of {} bytes", in.name(), kCifarRecordBytes));
  }
  data.values = std::move(pixels);
  data.sources.push_back({in.name(), in.file_sha256()});
  return data;
}

CifarParts join_cifar_batches(std::span<Dataset, kCifarBatches> batches) {
  CifarParts parts;
  for (std::size_t i = 0; i < kCifarBatches; ++i) {
    Dataset& part = i == kTestBatch ? parts.test : parts.train;
    Dataset batch = std::move(batches[i]);
    if (part.size() == 0) {
      part = std::move(batch);
      continue;
    }
    auto& pixels = std::get<std::vector<std::uint8_t>>(part.values);
    const auto& more = std::get<std::vector<std::uint8_t>>(batch.values);
    pixels.insert(pixels.end(), more.begin(), more.end());
    part.classes.insert(part.classes.end(), batch.classes.begin(), batch.classes.end());
    std::move(batch.sources.begin(), batch.sources.end(), std::back_inserter(part.sources));
  }
  return parts;
}

CifarParts read_cifar_archive(const std::string& path) {
  std::array<Dataset, kCifarBatches> batches;
  std::string members;
  for_each_member(path, kMaxMemberBytes, [&](const std::string& member, ByteStream& content) {
    members += (members.empty() ? "" : ", ") + member;
    const std::optional<std::size_t> found = cifar_batch_of(file_name(member));
    if (!found) return true;
    Dataset& batch = batches[*found];
    if (batch.size() != 0) throw DataError(fmt::format("{}: is there twice, wanted once", content.name()));
    batch = read_cifar_batch(content);
    return true;
  });
  for (std::size_t i = 0; i < kCifarBatches; ++i) {
    if (batches[i].size() == 0) {
      throw DataError(fmt::format("{}: has no {}; found {}", path, kCifarBatchNames[i],
                                  members.empty() ? "no file" : members));
    }
  }
  return join_cifar_batches(batches);
}

}  // namespace deepsad
