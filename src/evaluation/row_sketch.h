// Which rows of a long table are copies of each other, in bounded memory.
// Source: Gibbons, "Distinct sampling for highly-accurate answers to distinct values queries", VLDB 2001: the
// rows that are kept are chosen by their hash, so that all copies of a row are kept or none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "deepsad/data/dataset.h"

namespace deepsad {

/// An integer whose bits all depend on all bits of `x` (the finaliser of SplitMix64).
[[nodiscard]] constexpr std::uint64_t scrambled(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

class RowSketch {
 public:
  /// @param capacity different rows that are kept at most, >= 1
  explicit RowSketch(std::size_t capacity) : capacity_(capacity) {}

  /// @param hash of the row's content, all bits of which are used   @param line for messages
  void add(std::uint64_t hash, SemiLabel label, std::uint64_t line);

  struct Row {
    std::uint64_t first_line, last_line;
    std::uint32_t count = 0;
    bool anomaly = false, normal = false;  // labels that copies of it carry
  };
  /// Rows of other sketches that stand for this many each: 2^level.
  [[nodiscard]] std::uint64_t scale() const { return std::uint64_t{1} << level_; }

  struct Copies {
    std::uint64_t n_copies = 0;                                 ///< rows beyond the first of each kind
    std::uint64_t largest = 0;                                  ///< rows of the commonest kind
    std::uint64_t n_clashing = 0;                               ///< rows of kinds that carry both labels
    std::uint64_t first_line = 0, second_line = 0;              ///< an example of a copy
    std::uint64_t first_clash_line = 0, second_clash_line = 0;  ///< and of a clash
  };
  [[nodiscard]] Copies copies() const;

  /// Rows of `other` that are rows of this one; exact if neither had to drop any.
  struct Common {
    std::uint64_t n_rows = 0, line = 0, other_line = 0;
  };
  [[nodiscard]] Common common_rows(const RowSketch& other) const;

 private:
  [[nodiscard]] static bool kept(std::uint64_t hash, unsigned level) {
    return level == 0 || (hash >> (64 - level)) == 0;
  }
  std::size_t capacity_;
  unsigned level_ = 0;
  std::unordered_map<std::uint64_t, Row> rows_;
};

}  // namespace deepsad
