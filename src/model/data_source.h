// Where a run's samples come from: a built-in set, or a named set on disk.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "deepsad/core/parallel.h"
#include "deepsad/data/dataset.h"
#include "deepsad/model/train_run.h"

namespace deepsad {

/// A data set as training and evaluation want it.
struct SourceData {
  Dataset train;                         ///< all samples if there is no test part
  std::optional<Dataset> test;           ///< the official test part; tables have none and are split
  std::string checksum;                  ///< SHA-256 over the values, labels and classes of both parts
  std::shared_ptr<const OwnRows> own{};  ///< of one's own file
};

/// SHA-256 over the values, labels and classes. @param test may be null
[[nodiscard]] std::string data_checksum(const Dataset& train, const Dataset* test);
/// Of one's own file: with these true labels instead of the data's, and semi labels. @param truth may be
/// empty
[[nodiscard]] std::string data_checksum(const Dataset& data, std::span<const TrueLabel> truth,
                                        std::span<const SemiLabel> semi);

/// @throws InvalidArgument for an unknown name or a file of one's own, DataError as the readers.
[[nodiscard]] SourceData load_source(const std::string& dataset, const std::string& data_dir,
                                     ThreadPool& pool);

}  // namespace deepsad
