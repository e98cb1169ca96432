// Samples from a file of any known format: what `deepsad score MODEL FILE` and training on one's own data
// read.
#pragma once

#include <cstdint>
#include <string>

#include "deepsad/data/dataset.h"
#include "deepsad/data/mat.h"
#include "deepsad/storage/byte_stream.h"

namespace deepsad {

struct SampleFileOptions {
  std::string labels_path{};           ///< IDX labels that belong to IDX images; empty: none
  MatOptions mat = {"X", "y", false};  ///< names of the variables in a MAT file; labels may be missing
  std::string member{};                ///< which file of an archive; may be empty if it holds only one
  std::uint64_t max_bytes = kDefaultMaxBytes;  ///< most bytes of the content, after decompression
};

/// Reads IDX images, CIFAR-10 batches or a MAT file, plain, .gz, .xz or .bz2, or one of these in a tar or zip
/// archive. The format is told by content, not by name. True labels come along if the file has them (MAT: y);
/// original classes if it has those (CIFAR, IDX with labels_path, MAT).
/// @throws DataError as the format's reader, and for a file of another format (saying which, if it is a
/// well-known one); InvalidArgument for labels_path with a format that has its own labels
[[nodiscard]] Dataset read_samples(const std::string& path, const SampleFileOptions& options = {});

}  // namespace deepsad
