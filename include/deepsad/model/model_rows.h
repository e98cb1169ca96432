// Rows that a stored model is to look at: of a file, or the held-out part of the set it was trained on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "deepsad/core/parallel.h"
#include "deepsad/data/raw_rows.h"
#include "deepsad/data/row_file.h"
#include "deepsad/model/model.h"

namespace deepsad {

struct ModelRowsOptions {
  std::string data_dir = "data";  ///< where named sets lie
  RowFileOptions file{};          ///< how files are read; the schema and maps are the model's
};

struct ModelRows {
  RawRows rows;                       ///< all rows of the source, as the model's features
  std::vector<std::uint32_t> chosen;  ///< those meant: all of a file, the test part of a set
  /// Of the set that the model was trained on: the chosen rows of normal classes.
  std::vector<std::uint32_t> normal;
  std::vector<std::string> ids;       ///< names of the rows, if the file has them
  std::shared_ptr<const void> owner;  ///< of the memory that `rows` looks at

  /// For a person: "7", with an id "7 (order-12)".
  [[nodiscard]] std::string name_of(std::uint32_t row) const;
};

/// A table is read through the model's schema, if it has one. Labels have no say.
/// @param source a file, or the name of a built-in or named set. Of the set that the model was trained on the
/// held-out rows are chosen; of another one its official test part, or all its rows.
/// @throws InvalidArgument, DataError as the readers; DataError if the samples are not of the model's shape,
/// or the data of the model's own set is not what it was trained on
[[nodiscard]] ModelRows load_model_rows(const Model& model, const std::string& source,
                                        const ModelRowsOptions& options, ThreadPool& pool);

/// Options that read a file as the model's own was read: its schema and, unless others are given, its label
/// maps.
[[nodiscard]] RowFileOptions with_schema_of(const Model& model, RowFileOptions options);

/// Rows of a file with their labels. The schema is the model's, and so are the label maps unless others are
/// given (the truth map: for a column that is named, too).
/// @throws as read_rows()
[[nodiscard]] Table read_labelled_rows(const Model& model, const std::string& path, RowFileOptions options);

}  // namespace deepsad
