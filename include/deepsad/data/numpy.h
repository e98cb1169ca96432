// NumPy's array files: NPY, one array, and NPZ, a zip archive of them.
// Source: NumPy, "NEP 1 - A simple file format for NumPy arrays", versions 1.0 to 3.0. Arrays of Python
// objects are pickles, which can execute anything, and are refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "deepsad/data/dataset.h"

namespace deepsad {

class ByteStream;

struct NpzOptions {
  std::string samples =
      "X";  ///< name of the array of samples; if there is none, the one of two or more dimensions
  std::string labels = "y";                           ///< name of the array of classes, which may be missing
  std::uint64_t max_bytes = std::uint64_t{16} << 30;  ///< most bytes of one array
};

/// The samples of an NPY file: n x d of any integer, boolean or real type as a table of doubles (integers
/// beyond 2^53 are rounded); n x H x W, n x H x W x C or n x C x H x W unsigned bytes, C = 1 or 3, as images,
/// channels last where both readings are possible. Either byte order, C or Fortran order.
/// @throws DataError naming the file and what was found and wanted: no NPY file, a header that is none,
/// another type (objects, text, complex, structured) or shape, an empty array, too few or too many bytes, NaN
/// or infinity (with row and column, from 0 as NumPy counts)
[[nodiscard]] Dataset read_npy(ByteStream& in);

/// The class numbers of an NPY file: n, n x 1 or 1 x n whole numbers from 0 on.
/// @throws DataError as read_npy(), and for any other number, with its position
[[nodiscard]] std::vector<int> read_npy_classes(ByteStream& in);

/// The samples and, if they are there, the classes of an NPZ file.
/// @throws DataError as read_npy(), listing the arrays if none or several could be meant, and if the counts
/// differ
[[nodiscard]] Dataset read_npz(const std::string& path, const NpzOptions& options = {});

/// Whether a file that starts with these bytes (at least 6) is an NPY file.
[[nodiscard]] bool looks_like_npy(const std::uint8_t* first_bytes, std::size_t n);

}  // namespace deepsad
