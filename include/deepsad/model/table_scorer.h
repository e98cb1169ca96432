// Scoring tables of any length, and streams without end: a chunk of rows at a time, in bounded memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "deepsad/core/parallel.h"
#include "deepsad/data/table_file.h"
#include "deepsad/model/model.h"
#include "deepsad/model/scoring.h"

namespace deepsad {

/// The schema by which a model reads tables: its own or, for a model that has none because it was trained on
/// an array or a named set, one of numbers under the model's feature names, else column1, column2, ...
/// @throws DataError if the model is one of images
[[nodiscard]] Schema table_schema(const Model& model);

/// Some rows of a table and what the model says of them.
struct ScoredChunk {
  ScoredRows rows;
  /// A name a row: its cell in the id column, or without one its position in the table, from 0, in which
  /// rows that were set aside count, too.
  std::vector<std::string> names;
  std::vector<RejectedRow> rejected;  ///< rows between them that were set aside
};

/// Reads rows through the model's schema and scores them. A row's result depends on nothing but that row.
/// Not safe for use by two threads at once.
class TableScorer {
 public:
  /// Reads the header. @param threshold instead of the model's; empty: the model's, if it has one
  /// @throws DataError as TableRowReader, table_schema()
  TableScorer(std::shared_ptr<const Model> model, std::unique_ptr<ByteStream> in,
              std::optional<Threshold> threshold = {}, TableRowOptions options = {});

  /// Up to @p max_rows (at least 1) further rows replace what @p chunk holds.
  /// @returns false at the end, then with an empty chunk
  /// @throws as TableRowReader::next_chunk(), Model::score()
  bool next(std::size_t max_rows, ScoredChunk& chunk, ThreadPool& pool);

  /// Rows to come are scored by another model. Its schema may have other categories and medians, but must
  /// read the columns that this table has.
  /// @throws DataError naming the columns in the way; nothing has changed then
  void set_model(std::shared_ptr<const Model> model, std::optional<Threshold> threshold = {});

  [[nodiscard]] const Model& model() const { return *model_; }
  /// What was detected of the text.
  [[nodiscard]] const std::vector<std::string>& messages() const { return reader_.messages(); }
  /// Cells with categories that the schema does not know, a sentence a column.
  [[nodiscard]] std::vector<std::string> unseen_messages() const;

 private:
  void name_rows(ScoredChunk& chunk);

  std::shared_ptr<const Model> model_;
  std::optional<Threshold> threshold_;
  TableRowReader reader_;
  TableChunk read_;
  std::uint64_t n_rows_ = 0;  // so far, with those set aside
};

}  // namespace deepsad
