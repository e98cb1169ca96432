// A trained model: the one thing that leaves training. Immutable; score() may be called from many threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "deepsad/core/parallel.h"
#include "deepsad/data/dataset.h"
#include "deepsad/data/raw_rows.h"
#include "deepsad/data/scaler.h"
#include "deepsad/detectors/detector.h"
#include "deepsad/model/decision.h"
#include "deepsad/model/table_schema.h"
#include "deepsad/model/training_rows.h"

namespace deepsad {

/// How the data was made into normal and anomalous, and into training and test rows; enough to do it again.
struct DataSetup {
  std::string dataset;  ///< "mnist", "cardio", "glyphs", ...
  std::vector<int> normal_classes;
  std::vector<int> known_anomaly_classes;
  double ratio_known_normal = 0, ratio_known_outlier = 0, ratio_pollution = 0;
  std::uint64_t seed = 0;
  std::vector<std::uint32_t>
      test_rows;  ///< tables: the rows held out; empty for sets with an official test part
  bool reference_split =
      false;  ///< --compat reference on a table: test rows come from the reference's second split
  std::string data_checksum;  ///< SHA-256 over the samples and labels that the rows were taken from
};

/// Newest version of the model file's format; this library reads it and all before, and writes the oldest one
/// that can hold the model (docs/model-file.md).
inline constexpr int kModelFormatVersion = 3;

/// Scores of the given rows of raw data, scaled in chunks, so that memory does not grow with the number of
/// rows.
/// @throws DataError as Scaler::transform
[[nodiscard]] std::vector<float> score_rows(const Detector& detector, const Scaler& scaler,
                                            const Dataset& data, std::span<const std::uint32_t> rows,
                                            ThreadPool& pool);

class Model {
 public:
  /// @param summary_json what the training run wants to be remembered by (options, counts, versions, times)
  Model(std::unique_ptr<Detector> detector, Scaler scaler, std::vector<std::size_t> sample_shape,
        std::vector<std::string> feature_names, DataSetup setup, std::string summary_json);

  [[nodiscard]] const Detector& detector() const;
  [[nodiscard]] const Scaler& scaler() const;
  [[nodiscard]] const std::vector<std::size_t>& sample_shape() const;
  [[nodiscard]] const std::vector<std::string>& feature_names() const;
  [[nodiscard]] const DataSetup& setup() const;
  [[nodiscard]] const std::string& summary() const;
  /// Calibration and threshold; both empty unless with_decision() gave them.
  [[nodiscard]] const Decision& decision() const;
  /// The same model with other calibration and threshold.
  [[nodiscard]] Model with_decision(Decision decision) const;
  /// How rows of a table become the model's features; empty unless with_schema() gave it: models of images,
  /// of named sets and of rows in memory have none.
  [[nodiscard]] const std::optional<TableSchema>& schema() const;
  /// The same model with this schema. @throws InvalidArgument if its features are not the model's
  [[nodiscard]] Model with_schema(TableSchema schema) const;
  /// What the model remembers of its training rows; empty unless with_training_rows() gave it.
  [[nodiscard]] const TrainingRows& training_rows() const;
  /// The same model with these. @throws InvalidArgument if they have other features than the model
  [[nodiscard]] Model with_training_rows(TrainingRows rows) const;

  /// Scores of rows `rows` of raw data (scaled here, in chunks; memory does not grow with the number of
  /// rows).
  /// @throws DataError if the data's shape is not the model's, naming both.
  [[nodiscard]] std::vector<float> score(const Dataset& data, std::span<const std::uint32_t> rows,
                                         ThreadPool& pool) const;
  /// Scores of all rows.
  [[nodiscard]] std::vector<float> score(const Dataset& data, ThreadPool& pool) const;

  /// Scores of raw rows in the caller's memory, the same bits as from a Dataset.
  /// @throws DataError if the number of features is not the model's, and as Scaler::transform
  [[nodiscard]] std::vector<float> score(const RawRows& rows, ThreadPool& pool) const;

  /// The bytes of the model file (docs/model-file.md).
  [[nodiscard]] std::vector<std::uint8_t> to_bytes() const;
  /// Writes to_bytes() atomically. @throws IoError if the file exists or cannot be written.
  void save(const std::string& path) const;
  /// @throws ModelError (truncated, altered, foreign, newer), IoError (cannot be read).
  [[nodiscard]] static Model load(const std::string& path);
  [[nodiscard]] static Model from_bytes(std::span<const std::uint8_t> bytes, const std::string& name);
  /// Everything the model holds, for `inspect --json`: format version, method, network, scaler, schema,
  /// set-up, tensors.
  [[nodiscard]] std::string inspect_json() const;

 private:
  std::shared_ptr<const Detector> detector_;  // shared by models that differ in the rest
  Scaler scaler_;
  std::vector<std::size_t> sample_shape_;
  std::vector<std::string> feature_names_;
  DataSetup setup_;
  std::string summary_;
  Decision decision_;
  std::optional<TableSchema> schema_;
  TrainingRows training_rows_;
};

}  // namespace deepsad
