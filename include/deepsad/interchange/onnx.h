// A model as an ONNX file, which other runtimes score with (docs/onnx.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "deepsad/core/parallel.h"
#include "deepsad/model/model.h"

namespace deepsad {

/// Rows whose scores an exported file carries, so that whoever runs it can see whether it runs right.
inline constexpr std::size_t kProbeRows = 32;

/// The most that another runtime's score s' of a probe row may differ from the model's s, in float32:
/// 1e-5 max(|s|, median of the rows' |s|); and where the score is a sum of squares d (|o - c|^2, or the mean
/// square of o - x), 2e-6 sqrt(d) r more, r = |c| or the root mean square of x: outputs o near what they are
/// compared with have lost digits, 1e-6 of their size, before they are squared. The file holds the number of
/// each row.
inline constexpr double kOnnxTolerance = 1e-5;
inline constexpr double kOnnxOutputTolerance = 1e-6;

/// The bytes of an ONNX file, opset 13, that does what Model::score() does, scaling included:
/// - input "x" [N, sample_shape...]: raw rows, uint8 for images of bytes, else double;
/// - output "score" [N], float;
/// - output "label" [N], int64, if the model has a threshold: 1 if the score is larger, else 0.
/// Metadata say method, versions, threshold, names of the features, and hold kProbeRows rows with their
/// scores. The same model gives the same bytes.
/// @throws InvalidArgument if the method's score is no network's (kernel machines, density, forest, a VAE
/// that scores by drawn codes); names those that can be exported
[[nodiscard]] std::vector<std::uint8_t> to_onnx(const Model& model, ThreadPool& pool);

/// What check_onnx() found. Differences are shares of the tolerance: at most 1.
struct OnnxCheck {
  std::size_t n_rows = 0;
  double graph_difference = 0;               ///< largest of the graph's scores from those in the file
  std::optional<double> model_difference{};  ///< largest of the model's scores from those in the file
};

/// Computes the file's graph for the probe rows that it carries, by plain loops and not by a network of this
/// library, and compares the scores with those that it carries, and these with the model's.
/// @param source the file's name for messages   @param model the model it came from, or nullptr
/// @throws DataError if the file is no ONNX file of deepsad, is damaged, or holds what deepsad never writes
/// @throws ModelError if a score differs by more than the tolerance, a label differs, or the model takes
/// other rows
[[nodiscard]] OnnxCheck check_onnx(std::span<const std::uint8_t> bytes, const std::string& source,
                                   const Model* model, ThreadPool& pool);

}  // namespace deepsad
