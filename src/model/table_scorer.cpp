#include "deepsad/model/table_scorer.h"

#include <fmt/format.h>

#include <utility>

#include "data/cell_text.h"
#include "deepsad/core/error.h"
#include "deepsad/storage/byte_stream.h"

namespace deepsad {

Schema table_schema(const Model& model) {
  if (model.schema()) return model.schema()->schema;
  if (model.sample_shape().size() != 1)
    throw DataError("the model was trained on images, which a text table cannot hold; wanted images");
  std::vector<ColumnSchema> columns;
  for (std::size_t j = 0; j < model.sample_shape()[0]; ++j) {
    columns.push_back(
        {.name = j < model.feature_names().size() ? model.feature_names()[j] : fmt::format("column{}", j + 1),
         .categories = {},
         .why = {}});
  }
  return Schema(std::move(columns), default_missing_words(), "the model");
}

TableScorer::TableScorer(std::shared_ptr<const Model> model, std::unique_ptr<ByteStream> in,
                         std::optional<Threshold> threshold, TableRowOptions options)
    : model_(std::move(model)),
      threshold_(std::move(threshold)),
      reader_(std::move(in), table_schema(*model_), std::move(options)) {}

bool TableScorer::next(std::size_t max_rows, ScoredChunk& chunk, ThreadPool& pool) {
  const bool more = reader_.next_chunk(max_rows, read_);
  name_rows(chunk);
  chunk.rejected = std::move(read_.rejected);
  if (read_.size() == 0) {
    chunk.rows = {};
    return more;
  }
  const RawRows rows{
      .values = MatrixView<const double>(read_.values.data(), read_.size(), reader_.schema().n_features()),
      .feature_names = {}};
  chunk.rows = score_and_decide(*model_, rows, threshold_, pool);
  return more;
}

void TableScorer::name_rows(ScoredChunk& chunk) {
  chunk.names = std::move(read_.ids);
  const std::uint64_t first = n_rows_;
  n_rows_ += read_.size() + read_.rejected.size();
  if (!chunk.names.empty()) return;
  // Rows set aside lie between the others, by their lines.
  std::size_t n_before = 0;
  for (std::size_t i = 0; i < read_.size(); ++i) {
    while (n_before < read_.rejected.size() && read_.rejected[n_before].line < read_.lines[i]) ++n_before;
    chunk.names.push_back(std::to_string(first + i + n_before));
  }
}

void TableScorer::set_model(std::shared_ptr<const Model> model, std::optional<Threshold> threshold) {
  reader_.set_schema(table_schema(*model));
  model_ = std::move(model);
  threshold_ = std::move(threshold);
}

std::vector<std::string> TableScorer::unseen_messages() const {
  std::vector<std::string> messages;
  const std::vector<ColumnSchema>& columns = reader_.schema().columns();
  for (std::size_t j = 0; j < columns.size(); ++j)
    if (reader_.n_unseen()[j] > 0)
      messages.push_back(fmt::format(
          "column {}: {} cells hold a category that the model does not know; they count as \"other\"",
          shown(columns[j].name), reader_.n_unseen()[j]));
  return messages;
}

}  // namespace deepsad
