// CIFAR-10 in its binary version: records of one label byte and 3072 pixel bytes.
// Source: Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html, section "Binary version": 10000 records a
// file, the red, then the green, then the blue plane, each 32 x 32 in row-major order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "deepsad/data/dataset.h"

namespace deepsad {

class ByteStream;

inline constexpr std::uint64_t kCifarImageBytes = 3 * 32 * 32;
inline constexpr std::uint64_t kCifarRecordBytes = 1 + kCifarImageBytes;
inline constexpr int kCifarClasses = 10;

/// One batch file: n samples of shape {3, 32, 32} with their classes 0..9. Any number of records from 1 on is
/// read.
/// @throws DataError naming file, record and byte, if the size is no multiple of 3073, a label is above 9, or
/// it is empty
[[nodiscard]] Dataset read_cifar_batch(ByteStream& in);

/// Official training and test part.
struct CifarParts {
  Dataset train;  ///< data_batch_1.bin .. data_batch_5.bin in this order
  Dataset test;   ///< test_batch.bin
};

/// The official archive as downloaded (cifar-10-binary.tar.gz), or another tar or zip with the six .bin files
/// in it.
/// @throws DataError as read_cifar_batch(), and if one of the six is missing or double, or if the archive is
/// the Python version (the message says which file to get instead)
[[nodiscard]] CifarParts read_cifar_archive(const std::string& path);

inline constexpr std::size_t kCifarBatches = 6;
/// The file names of the batches: five of the training set, then the one of the test set.
inline constexpr std::array<std::string_view, kCifarBatches> kCifarBatchNames = {
    "data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
    "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};

/// Joins six batches in the order of kCifarBatchNames; takes their memory.
[[nodiscard]] CifarParts join_cifar_batches(std::span<Dataset, kCifarBatches> batches);

}  // namespace deepsad
