#include "evaluation/row_sketch.h"

#include <algorithm>

namespace deepsad {

void RowSketch::add(std::uint64_t hash, SemiLabel label, std::uint64_t line) {
  if (!kept(hash, level_)) return;
  Row& row = rows_.try_emplace(hash, Row{.first_line = line, .last_line = line}).first->second;
  row.last_line = line;
  ++row.count;
  row.anomaly = row.anomaly || label == SemiLabel::anomaly;
  row.normal = row.normal || label == SemiLabel::normal;
  while (rows_.size() > capacity_) {
    ++level_;
    std::erase_if(rows_, [this](const auto& entry) { return !kept(entry.first, level_); });
  }
}

RowSketch::Copies RowSketch::copies() const {
  Copies result;
  // Of several examples the first in the file, whatever the order of the map.
  const auto earlier = [](std::uint64_t line, std::uint64_t than) { return than == 0 || line < than; };
  for (const auto& [hash, row] : rows_) {
    result.n_copies += row.count - 1;
    result.largest = std::max<std::uint64_t>(result.largest, row.count);
    if (row.count > 1 && earlier(row.first_line, result.first_line)) {
      result.first_line = row.first_line;
      result.second_line = row.last_line;
    }
    if (row.anomaly && row.normal) {
      result.n_clashing += row.count;
      if (earlier(row.first_line, result.first_clash_line)) {
        result.first_clash_line = row.first_line;
        result.second_clash_line = row.last_line;
      }
    }
  }
  result.n_copies *= scale();
  result.n_clashing *= scale();
  return result;
}

RowSketch::Common RowSketch::common_rows(const RowSketch& other) const {
  const unsigned level = std::max(level_, other.level_);
  Common result;
  for (const auto& [hash, row] : other.rows_) {
    if (!kept(hash, level)) continue;
    const auto found = rows_.find(hash);
    if (found == rows_.end()) continue;
    result.n_rows += row.count;
    if (result.other_line == 0 || row.first_line < result.other_line) {
      result.other_line = row.first_line;
      result.line = found->second.first_line;
    }
  }
  result.n_rows <<= level;
  return result;
}

}  // namespace deepsad
