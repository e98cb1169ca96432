// From the words of a label column to labels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "deepsad/data/dataset.h"

namespace deepsad {

/// Which word means what. Built-in words are understood without a map, whatever their letter case:
/// normal:    normal, ok, good, benign, inlier, nominal, legitimate
/// anomaly:   anomaly, anomalous, abnormal, outlier, fraud, attack, malicious, bad, malignant
/// unlabelled: unlabeled, unlabelled, unknown, none, na, n/a, nan, null, ?, and the empty cell
/// Numbers are never understood without a map: 1 means anomaly in one tool and normal in the next.
class LabelMap {
 public:
  /// The built-in words alone.
  LabelMap() = default;
  /// @param text 'fraud=anomaly,ok=normal,=unlabeled': WORD=CLASS, separated by commas; CLASS is normal,
  /// anomaly, unlabeled or unlabelled; a word with a comma, an equals sign or quotes stands in double quotes,
  /// quotes inside doubled. Words are compared as they are written, spaces around them apart; numbers by
  /// value ("1" also means "1.0"). With a map, built-in words no longer count: what the map leaves out is an
  /// error.
  /// @throws InvalidArgument naming the position, what was found and what was wanted; for a word given twice
  [[nodiscard]] static LabelMap parse(std::string_view text);

  /// What a cell means. @param place "FILE:LINE:COLUMN", for the message
  /// @throws DataError naming place, value and how to write the map
  [[nodiscard]] SemiLabel label_of(std::string_view cell, std::string_view place) const;
  /// The same without throwing; empty if the cell is not understood.
  [[nodiscard]] std::optional<SemiLabel> find(std::string_view cell) const;
  /// True labels: as label_of(), but an unlabelled row is an error.
  [[nodiscard]] TrueLabel truth_of(std::string_view cell, std::string_view place) const;
  /// Whether only the built-in words count.
  [[nodiscard]] bool is_built_in() const { return !given_; }
  /// The map as parse() reads it, in the order of its words; empty for the built-in words.
  [[nodiscard]] std::string text() const;

  bool operator==(const LabelMap&) const = default;

 private:
  bool given_ = false;
  std::map<std::string, SemiLabel, std::less<>> words_;
};

/// Rows of each class.
struct LabelCounts {
  std::size_t normal = 0, anomaly = 0, unlabelled = 0;
  /// "12 known normal, 3 known anomalous, 985 unlabelled"
  [[nodiscard]] std::string text() const;
  bool operator==(const LabelCounts&) const = default;
};
[[nodiscard]] LabelCounts count_labels(const std::vector<SemiLabel>& labels);

/// "normal", "anomaly", "unlabelled".
[[nodiscard]] const char* label_name(SemiLabel label);

}  // namespace deepsad
