#include "deepsad/model/model_rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/row_positions.h"
#include "deepsad/core/error.h"
#include "deepsad/data/semi_supervised.h"
#include "deepsad/model/table_scorer.h"
#include "deepsad/model/train_run.h"
#include "deepsad/nn/network_spec.h"
#include "model/data_source.h"

namespace deepsad {
namespace {

// Labels need not be there, nor be understood.
Schema without_labels(const Schema& schema) {
  std::vector<ColumnSchema> columns = schema.columns();
  for (ColumnSchema& column : columns)
    if (column.kind == ColumnKind::label || column.kind == ColumnKind::truth)
      column.kind = ColumnKind::ignored;
  return Schema(std::move(columns), schema.missing_words());
}

ModelRows rows_from(const Model& model, std::shared_ptr<const Dataset> data) {
  if (data->sample_shape != model.sample_shape()) {
    throw DataError(fmt::format("{}: its samples are of {}, but the model was trained on samples of {}",
                                data->name, to_string(data->sample_shape), to_string(model.sample_shape())));
  }
  ModelRows rows{
      .rows = raw_rows(*data), .chosen = all_rows(data->size()), .normal = {}, .ids = {}, .owner = data};
  return rows;
}

}  // namespace

std::string ModelRows::name_of(std::uint32_t row) const {
  return ids.empty() ? std::to_string(row) : fmt::format("{} ({})", row, ids[row]);
}

RowFileOptions with_schema_of(const Model& model, RowFileOptions options) {
  TableOptions& table = options.table;
  if (model.schema()) {
    if (table.label_map.is_built_in()) table.label_map = model.schema()->label_map;
    if (table.truth_column.empty() || table.truth_map.is_built_in())
      table.truth_map = model.schema()->truth_map;
  }
  if (model.sample_shape().size() == 1) table.schema = table_schema(model);
  return options;
}

Table read_labelled_rows(const Model& model, const std::string& path, RowFileOptions options) {
  return read_rows(path, with_schema_of(model, std::move(options)));
}

ModelRows load_model_rows(const Model& model, const std::string& source, const ModelRowsOptions& options,
                          ThreadPool& pool) {
  const std::vector<std::string> sets = data_set_names();
  if (std::find(sets.begin(), sets.end(), source) == sets.end()) {
    RowFileOptions file = options.file;
    if (model.schema()) file.table.schema = without_labels(model.schema()->schema);
    Table table = read_rows(source, file);
    ModelRows rows = rows_from(model, std::make_shared<const Dataset>(std::move(table.data)));
    rows.ids = std::move(table.ids);
    return rows;
  }
  SourceData set = load_source(source, options.data_dir, pool);
  const bool has_test_part = set.test.has_value();
  ModelRows rows = rows_from(
      model, std::make_shared<const Dataset>(has_test_part ? std::move(*set.test) : std::move(set.train)));
  const DataSetup& setup = model.setup();
  if (source != setup.dataset) return rows;
  if (set.checksum != setup.data_checksum) {
    throw DataError(fmt::format(
        "{}: the data is not what the model was trained on (SHA-256 of its content {}, wanted {}), "
        "so held-out rows cannot be told from training rows",
        source, set.checksum, setup.data_checksum));
  }
  if (!has_test_part && setup.reference_split) {
    throw InvalidArgument(
        fmt::format("the model was trained with --compat reference, which trains on test rows of {}; give a "
                    "file of rows instead",
                    source));
  }
  if (!has_test_part) rows.chosen = setup.test_rows;
  for (const std::uint32_t row : rows.chosen) {
    if (row >= rows.rows.size())
      throw ModelError(
          fmt::format("the model holds out row {} but {} has {} rows", row, source, rows.rows.size()));
  }
  const std::vector<int> classes =
      sample_classes(*std::static_pointer_cast<const Dataset>(rows.owner), rows.chosen);
  for (std::size_t i = 0; i < classes.size(); ++i) {
    if (std::find(setup.normal_classes.begin(), setup.normal_classes.end(), classes[i]) !=
        setup.normal_classes.end())
      rows.normal.push_back(rows.chosen[i]);
  }
  return rows;
}

}  // namespace deepsad
