// MAT files of MATLAB 5 to 7.2, the format of the ODDS outlier sets: a matrix X with one row per sample and a
// vector y of true labels. Source: MathWorks, "MAT-File Format", chapter 1, "Level 5 MAT-File Format".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "deepsad/data/dataset.h"

namespace deepsad {

class ByteStream;

struct MatOptions {
  std::string samples = "X";    ///< name of the n x d matrix
  std::string labels = "y";     ///< name of the n x 1 or 1 x n vector of 0 (normal) and 1 (anomaly)
  bool labels_required = true;  ///< false: a file without the label variable gives a Dataset without labels
};

/// The samples as doubles (integers beyond 2^53 are rounded), sample_shape {d}; labels and classes 0/1 from
/// y. X may have any real numeric class or be logical, and so may y. Other variables, of whatever class, are
/// stepped over. Why not through matio: matio 1.5.23 hands out uninitialised memory for elements that are
/// shorter than their dimensions say, gave other numbers without an error for 440 of 472 single-bit changes
/// to a compressed variable (it does not verify the checksum), and reads files by path only. The tests
/// compare with files that matio writes.
/// @throws DataError naming the file and the row and column (from 1, as MATLAB counts) or the byte, if the
/// file is no MAT file of version 5 to 7.2 (7.3 is named), is truncated or damaged, lacks a variable (listing
/// those it has), or if X is not a real, full, non-empty n x d matrix of finite numbers, or y not one 0 or 1
/// per row of X
[[nodiscard]] Dataset read_mat(ByteStream& in, const MatOptions& options = {});

/// The file at @p path, plain or compressed as a whole.
[[nodiscard]] Dataset read_mat(const std::string& path, const MatOptions& options = {});

/// Whether a file that starts with these bytes is a MAT file of version 5 to 7.3 (needs 128 bytes to be
/// sure).
[[nodiscard]] bool looks_like_mat(const std::uint8_t* first_bytes, std::size_t n);

}  // namespace deepsad
