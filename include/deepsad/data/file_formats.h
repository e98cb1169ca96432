// Samples from a file of any known format: what `deepsad score MODEL FILE` and training on one's own data
// read.
#pragma once

#include <cstdint>
#include <string>

#include "deepsad/data/dataset.h"
#include "deepsad/data/image_file.h"
#include "deepsad/data/mat.h"
#include "deepsad/storage/byte_stream.h"

namespace deepsad {

struct SampleFileOptions {
  std::string labels_path{};           ///< IDX labels that belong to IDX images, NPY classes to an NPY file
  MatOptions mat = {"X", "y", false};  ///< names of the variables in MAT and NPZ files; labels may be missing
  ImageOptions images{};               ///< size and colour of PNG and JPEG images
  std::string member{};                ///< which file of an archive; may be empty if it holds only one
  std::uint64_t max_bytes = kDefaultMaxBytes;  ///< most bytes of the content, after decompression
};

/// Reads IDX images, CIFAR-10 batches, a MAT, NPY or NPZ file, a PNG or JPEG image, plain, .gz, .xz or .bz2,
/// or one of these in a tar or zip archive, or a folder of images. The format is told by content, not by
/// name. True labels come along if the file has them (MAT: y); original classes if it has those (CIFAR, MAT,
/// NPZ, IDX and NPY with labels_path, a folder with subfolders). Delimited text is for read_table()
/// (table_file.h).
/// @throws DataError as the format's reader, and for a file of another format (saying which, if it is a
/// well-known one); InvalidArgument for labels_path with a format that has its own labels
[[nodiscard]] Dataset read_samples(const std::string& path, const SampleFileOptions& options = {});

}  // namespace deepsad
