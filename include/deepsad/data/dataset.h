// What readers return: samples as they lie in the file, with what is known about them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace deepsad {

/// Ground truth, used for evaluation only.
enum class TrueLabel : std::uint8_t { normal = 0, anomaly = 1 };

/// What the training may know of a sample: known normal (+1), known anomaly (-1) or unlabelled (0).
/// A type of its own, so that it cannot be mixed up with TrueLabel, in which 1 means the opposite.
enum class SemiLabel : std::int8_t { anomaly = -1, unlabelled = 0, normal = 1 };

/// A file that data came from.
struct SourceFile {
  std::string path;
  std::string sha256;  ///< lower-case hex of the file's bytes as they lie on disk; empty if not computed
};

/// n samples, row-major, never preprocessed. Images keep their bytes (n x C x H x W, 0..255); tables keep the
/// file's numbers as double (n x d), so that scaling constants are computed from exact values.
struct Dataset {
  std::string name;                       ///< "mnist", "cardio", or the file's name
  std::vector<std::size_t> sample_shape;  ///< {d} for a table, {C, H, W} for images
  std::variant<std::vector<std::uint8_t>, std::vector<double>> values;
  std::vector<TrueLabel> labels;           ///< n entries, or empty if unknown
  std::vector<int> classes;                ///< n original classes, or empty if the data has none
  std::vector<std::string> class_names;    ///< name of class k at position k, or empty
  std::vector<std::string> feature_names;  ///< d names, or empty
  std::vector<SourceFile> sources;

  /// Values per sample: the product of sample_shape.
  [[nodiscard]] std::size_t n_features() const {
    std::size_t product = 1;
    for (const std::size_t extent : sample_shape) product *= extent;
    return product;
  }
  /// Number of samples.
  [[nodiscard]] std::size_t size() const {
    const std::size_t d = n_features();
    const std::size_t n = std::visit([](const auto& v) { return v.size(); }, values);
    return d == 0 ? 0 : n / d;
  }
  [[nodiscard]] bool is_image() const { return sample_shape.size() == 3; }
};

}  // namespace deepsad
