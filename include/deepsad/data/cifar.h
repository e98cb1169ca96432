// CIFAR-10 in its binary version, records of one label byte and 3072 pixel bytes, and in its Python version,
// pickled dicts of a NumPy array and a list, which are read as data (deepsad/storage/pickle.h). Source:
// Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html, section "Binary version": 10000 records a file,
// the red, then the green, then the blue plane, each 32 x 32 in row-major order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "deepsad/data/dataset.h"

namespace deepsad {

class ByteStream;

inline constexpr std::uint64_t kCifarImageBytes = 3 * 32 * 32;
inline constexpr std::uint64_t kCifarRecordBytes = 1 + kCifarImageBytes;
inline constexpr int kCifarClasses = 10;

/// One batch file of either version: n samples of shape {3, 32, 32} with their classes 0..9. Any number of
/// records from 1 on is read. Of a pickled batch the source's checksum is that of the same records in the
/// binary version.
/// @throws DataError naming file, record and byte, if the size is no multiple of 3073, a label is above 9, or
/// it is empty; if a pickle holds anything but the dict of a batch
[[nodiscard]] Dataset read_cifar_batch(ByteStream& in);

/// Whether a batch is of the Python version, by its first byte, which stays in the stream.
[[nodiscard]] bool is_pickled_cifar_batch(ByteStream& in);

/// Official training and test part.
struct CifarParts {
  Dataset train;  ///< data_batch_1.bin .. data_batch_5.bin in this order
  Dataset test;   ///< test_batch.bin
};

/// An official archive as downloaded (cifar-10-binary.tar.gz or cifar-10-python.tar.gz), or another tar or
/// zip with the six batches in it.
/// @throws DataError as read_cifar_batch(), and if one of the six is missing or double
[[nodiscard]] CifarParts read_cifar_archive(const std::string& path);

inline constexpr std::size_t kCifarBatches = 6;
/// The file names of the batches: five of the training set, then the one of the test set.
inline constexpr std::array<std::string_view, kCifarBatches> kCifarBatchNames = {
    "data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
    "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};

/// Which batch a file of this name holds, a place in kCifarBatchNames; the Python version's names have no
/// .bin.
[[nodiscard]] std::optional<std::size_t> cifar_batch_of(std::string_view file_name);

/// Joins six batches in the order of kCifarBatchNames; takes their memory.
[[nodiscard]] CifarParts join_cifar_batches(std::span<Dataset, kCifarBatches> batches);

}  // namespace deepsad
