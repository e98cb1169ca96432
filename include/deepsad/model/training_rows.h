// What a model remembers of the rows that it was trained on: a few of them, to compare others with, and how
// their features and scores were distributed. Either may be left out (docs/model-file.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "deepsad/core/aligned_buffer.h"
#include "deepsad/core/matrix_view.h"
#include "deepsad/core/parallel.h"
#include "deepsad/data/dataset.h"
#include "deepsad/detectors/detector.h"
#include "deepsad/evaluation/drift.h"

namespace deepsad {

/// Training rows, scaled as the detector saw them. The first n_typical are normal as far as training knew:
/// not labelled anomalous, and of no score above the median of those that are not. The others are labelled.
struct ExampleRows {
  Matrix<float> x;
  std::vector<SemiLabel> labels;
  std::vector<float> scores;
  std::vector<std::uint32_t> rows;  ///< where each lay in the data that training rows were taken from
  std::size_t n_typical = 0;

  [[nodiscard]] std::size_t size() const { return labels.size(); }
};

/// 64-bit hashes of rows as the detector sees them, of which the kMaxRowHashes smallest are kept: all, or a
/// share that every different row has the same chance to be in [Gibbons, "Distinct sampling", VLDB 2001].
struct RowHashes {
  std::vector<std::uint64_t> smallest;  ///< ascending, different
  bool all = true;                      ///< nothing was left out

  /// Whether some rows can be told: not if nothing is kept, but something was left out.
  [[nodiscard]] bool can_tell() const { return all || !smallest.empty(); }

  /// Rows of x that are training rows, to the bit, among those whose hash could be among the kept ones.
  struct Overlap {
    std::vector<std::uint32_t> compared;  ///< positions of those that can be told, ascending
    std::vector<std::uint32_t> found;     ///< of these the training rows
  };
  [[nodiscard]] Overlap overlap(MatrixView<const float> x) const;
};
inline constexpr std::size_t kMaxRowHashes = 4096;
[[nodiscard]] RowHashes hash_rows(MatrixView<const float> x);
/// Of the rows of both, as if they had been hashed together; what one cannot tell, both cannot.
[[nodiscard]] RowHashes merged(const RowHashes& a, const RowHashes& b);

struct TrainingProfile {
  std::size_t n_rows = 0;                    ///< that the sketches were made of: all, or kProfileRows of them
  std::vector<DistributionSketch> features;  ///< as the detector sees them
  DistributionSketch scores;
  RowHashes hashes;  ///< of all rows, and of those that the models it goes on from were trained on
};
inline constexpr std::size_t kProfileRows = 10000;

/// Either may be null. Shared by models that differ in the rest.
struct TrainingRows {
  std::shared_ptr<const ExampleRows> examples;
  std::shared_ptr<const TrainingProfile> profile;
};

struct TrainingRowsOptions {
  std::size_t n_examples = 32;  ///< typical rows, and as many labelled ones: half anomalous, half normal, or
                                ///< what there is; 0: no examples
  bool profile = true;
  std::uint64_t seed = 0;
  const TrainingRows* start = nullptr;  ///< of the model that training goes on from
};

/// Draws the rows and makes the profile; the same for the same seed at any thread count. Scores at most
/// kProfileRows rows.
/// @param rows for each row of the training set where it lay, ExampleRows::rows; empty: its own position
[[nodiscard]] TrainingRows remember_training_rows(const Detector& detector, const TrainingSet& data,
                                                  std::span<const std::uint32_t> rows,
                                                  const TrainingRowsOptions& options, ThreadPool& pool);

}  // namespace deepsad
