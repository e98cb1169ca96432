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

namespace deepsad {
namespace {

constexpr std::size_t kTestBatch = 5;
// A batch has 10000 records; an archive member far beyond that is not one.
constexpr std::uint64_t kMaxMemberBytes = 100000 * kCifarRecordBytes;

std::string_view file_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace

Dataset read_cifar_batch(ByteStream& in) {
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
  bool python_version = false;
  for_each_member(path, kMaxMemberBytes, [&](const std::string& member, ByteStream& content) {
    members += (members.empty() ? "" : ", ") + member;
    const std::string_view name = file_name(member);
    python_version = python_version || name == "data_batch_1";
    const auto* const found = std::find(kCifarBatchNames.begin(), kCifarBatchNames.end(), name);
    if (found == kCifarBatchNames.end()) return true;
    Dataset& batch = batches[static_cast<std::size_t>(found - kCifarBatchNames.begin())];
    if (batch.size() != 0) throw DataError(fmt::format("{}: is there twice, wanted once", content.name()));
    batch = read_cifar_batch(content);
    return true;
  });
  if (python_version) {
    throw DataError(
        fmt::format("{}: is the Python version of CIFAR-10 (pickled batches), wanted the binary version, "
                    "cifar-10-binary.tar.gz; get it with `deepsad data fetch cifar10`",
                    path));
  }
  for (std::size_t i = 0; i < kCifarBatches; ++i) {
    if (batches[i].size() == 0) {
      throw DataError(fmt::format("{}: has no {}; found {}", path, kCifarBatchNames[i],
                                  members.empty() ? "no file" : members));
    }
  }
  return join_cifar_batches(batches);
}

}  // namespace deepsad
