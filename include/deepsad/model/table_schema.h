// What a model keeps of the table that it was trained on, so that others are read as that one was.
#pragma once

#include <string>

#include "deepsad/data/labels.h"
#include "deepsad/data/schema.h"

namespace deepsad {

struct TableSchema {
  Schema schema;       ///< what the columns mean; its features are the model's
  LabelMap label_map;  ///< what semi labels mean
  LabelMap truth_map;  ///< what true labels mean
  std::string source;  ///< name of the table's file, without its folder

  bool operator==(const TableSchema&) const = default;
};

}  // namespace deepsad
