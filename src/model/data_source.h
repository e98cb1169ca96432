// Where a run's samples come from: a built-in set, or a named set on disk.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "deepsad/core/parallel.h"
#include "deepsad/data/dataset.h"
#include "deepsad/model/train_run.h"

namespace deepsad {

/// A data set as training and evaluation want it.
struct SourceData {
  Dataset train;                ///< all samples if there is no test part
  std::optional<Dataset> test;  ///< the official test part; tables have none and are split
  std::string checksum;         ///< SHA-256 over the values, labels and classes of both parts
};

/// @throws InvalidArgument for an unknown name, DataError as the readers.
[[nodiscard]] SourceData load_source(const std::string& dataset, const std::string& data_dir,
                                     ThreadPool& pool);

}  // namespace deepsad
