// IDX files: the format of MNIST and Fashion-MNIST.
// Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", section "File formats": a 32-bit
// big-endian magic number 0x0000TTRR (TT = 08 for unsigned bytes, RR = number of dimensions), the extents as
// 32-bit big-endian numbers, then the bytes in row-major order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "deepsad/data/dataset.h"

namespace deepsad {

class ByteStream;

inline constexpr std::uint32_t kIdxImagesMagic = 2051;  ///< unsigned bytes, 3 dimensions: n x H x W
inline constexpr std::uint32_t kIdxLabelsMagic = 2049;  ///< unsigned bytes, 1 dimension: n

/// The images of an IDX file as n samples of shape {1, H, W}, bytes 0..255; no classes, no labels.
/// @throws DataError naming file, byte, found and wanted, if the magic number is not 2051, an extent is 0,
/// the sizes are beyond in.max_bytes(), or the file is shorter or longer than its header says
[[nodiscard]] Dataset read_idx_images(ByteStream& in);

/// The labels of an IDX file. @param n_classes if given, labels must lie in [0, n_classes)
/// @throws DataError as read_idx_images() with magic number 2049, and for a label out of range (naming its
/// position)
[[nodiscard]] std::vector<std::uint8_t> read_idx_labels(ByteStream& in, std::optional<int> n_classes = {});

/// Images with their labels as classes. @throws DataError as above, and if the counts differ (naming both
/// files)
[[nodiscard]] Dataset read_idx(ByteStream& images, ByteStream& labels, std::optional<int> n_classes = {});

/// Whether a file that starts with these bytes (at least 4) is an IDX file of any element type and rank.
[[nodiscard]] bool looks_like_idx(const std::uint8_t* first_bytes, std::size_t n);

}  // namespace deepsad
