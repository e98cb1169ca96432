#include "deepsad/data/table_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <tuple>
#include <utility>

#include "data/bad_record.h"
#include "data/cell_text.h"
#include "data/label_file.h"
#include "data/row_encoder.h"
#include "data/schema_inference.h"
#include "deepsad/core/error.h"
#include "deepsad/storage/byte_stream.h"

namespace deepsad {
namespace {

std::vector<std::string> names_of(const Schema& schema) {
  std::vector<std::string> names;
  for (const ColumnSchema& column : schema.columns()) names.push_back(column.name);
  return names;
}

// The positions of the columns with a role in the file.
struct Roles {
  std::optional<std::size_t> label, truth, id, classes;
};

Roles find_roles(const DelimitedReader& reader, const TableOptions& options) {
  Roles roles;
  if (!options.label_column.empty() && options.labels_path.empty())
    roles.label = find_column(reader, options.label_column, "the label column");
  if (!options.truth_column.empty())
    roles.truth = find_column(reader, options.truth_column, "the column of true labels");
  if (!options.id_column.empty()) roles.id = find_column(reader, options.id_column, "the id column");
  if (!options.class_column.empty())
    roles.classes = find_column(reader, options.class_column, "the class column");
  else if (options.classes_of_labels)
    roles.classes = options.truth_column.empty() ? roles.label : roles.truth;
  if (roles.label && roles.label == roles.truth) {
    throw InvalidArgument(fmt::format(
        "{}: column {} is to hold both the semi labels and the true labels; the true labels are a column of "
        "their own, which the training must not see",
        reader.name(), shown(reader.column_names()[*roles.label])));
  }
  if (roles.id && (roles.id == roles.label || roles.id == roles.truth)) {
    throw InvalidArgument(fmt::format("{}: column {} is to hold both ids and labels", reader.name(),
                                      shown(reader.column_names()[*roles.id])));
  }
  return roles;
}

// The schema with the roles that the caller gives columns of this file.
Schema with_roles(const Schema& schema, const DelimitedReader& reader, const Roles& roles) {
  std::vector<ColumnSchema> columns = schema.columns();
  const auto give = [&](std::optional<std::size_t> cell, ColumnKind kind) {
    if (!cell) return;
    const std::string& name = reader.column_names()[*cell];
    for (ColumnSchema& column : columns)
      if (column.kind == kind) column.kind = ColumnKind::ignored;
    const auto found = std::ranges::find(columns, name, &ColumnSchema::name);
    if (found == columns.end()) {
      columns.push_back({.name = name, .kind = kind, .categories = {}, .why = {}});
      return;
    }
    const ColumnKind old = found->kind;
    if (old == ColumnKind::number || old == ColumnKind::one_hot || old == ColumnKind::ordinal ||
        old == ColumnKind::date) {
      throw InvalidArgument(fmt::format("{}: column {} is a feature in the schema and cannot be of kind {}",
                                        reader.name(), shown(name), column_kind_name(kind)));
    }
    *found = {.name = name, .kind = kind, .categories = {}, .why = {}};
  };
  give(roles.label, ColumnKind::label);
  give(roles.truth, ColumnKind::truth);
  give(roles.id, ColumnKind::id);
  if (roles.classes) {  // a column that the schema knows keeps its kind
    const std::string& name = reader.column_names()[*roles.classes];
    if (std::ranges::find(columns, name, &ColumnSchema::name) == columns.end())
      columns.push_back({.name = name, .kind = ColumnKind::ignored, .categories = {}, .why = {}});
  }
  return Schema(std::move(columns), schema.missing_words(), reader.name());
}

// The texts of a column as classes, in the order of their first rows.
class ClassColumn {
 public:
  explicit ClassColumn(std::size_t cell) : cell_(cell) {}

  void add(const DelimitedReader& reader, Table& table) {
    if (too_many_) return;
    const std::string_view text = as_utf8(trimmed(reader.cells()[cell_].text), scratch_);
    auto found = known_.find(text);
    if (found == known_.end()) {
      too_many_ = known_.size() == kMaxClasses;
      if (too_many_) {
        table.classes.clear();
        table.class_names.clear();
        return;
      }
      found = known_.emplace(text, static_cast<int>(table.class_names.size())).first;
      table.class_names.emplace_back(text.empty() ? "(empty)" : text);
    }
    table.classes.push_back(found->second);
  }

 private:
  std::size_t cell_;
  TextMap<int> known_;
  std::string scratch_;
  bool too_many_ = false;
};

class TableReader {
 public:
  TableReader(std::unique_ptr<ByteStream> in, const TableOptions& options)
      : options_(options),
        reader_(std::move(in), reader_options(options)),
        roles_(find_roles(reader_, options)) {
    table_.messages = reader_.messages();
  }

  Table read() {
    if (options_.schema) {
      read_with_schema(*options_.schema);
    } else {
      read_and_infer();
    }
    require_rows();
    finish(table_);
    if (!options_.labels_path.empty()) read_label_file();
    add_messages(table_);
    return std::move(table_);
  }

  /// All but the features.
  Table read_labels() {
    read_rows([] {});
    require_rows();
    if (!options_.labels_path.empty()) read_label_file();
    return std::move(table_);
  }

  /// The schema of the chosen rows, as if there were no others, and their features.
  std::pair<Schema, std::vector<double>> infer_from(const std::vector<bool>& chosen) {
    SchemaInference inference = start_inference();
    each_row(chosen.size(), [&](std::size_t row) {
      if (chosen[row]) inference.add(reader_);
    });
    Schema schema = inference.infer(reader_.name());
    std::vector<double> features = inference.take_features(schema);
    return {std::move(schema), std::move(features)};
  }

  /// Completes a table of labels: features of the chosen rows as given, those of the others as the schema
  /// encodes them.
  void add_features(Table& table, const std::vector<bool>& chosen, const std::vector<double>& features) {
    const std::size_t d = table.schema.n_features();
    RowEncoder encoder(table.schema, reader_);
    std::vector<double> values(chosen.size() * d);
    const double* next = features.data();
    each_row(chosen.size(), [&](std::size_t row) {
      double* dst = values.data() + row * d;
      if (chosen[row]) {
        std::copy_n(next, d, dst);
        next += d;
        return;
      }
      try {
        encoder.encode(reader_, dst);
      } catch (const BadRecord& error) {
        std::fill_n(dst, d, 0.0);
        table.refused.push_back({static_cast<std::uint32_t>(row), error.what()});
      }
    });
    table.data.values = std::move(values);
    table.n_unseen = encoder.n_unseen();
    finish(table);
    add_messages(table);
  }

 private:
  static DelimitedOptions reader_options(const TableOptions& options) {
    DelimitedOptions text = delimited_options(options);
    if (options.schema) {
      text.missing_words = options.schema->missing_words();
      text.expected_names = names_of(*options.schema);
    }
    return text;
  }

  void require_rows() const {
    if (!table_.lines.empty()) return;
    throw DataError(fmt::format("{}: holds no rows, wanted at least one", reader_.name()));
  }

  // Name, shape and source, once schema and values are there.
  void finish(Table& table) {
    table.data.name = reader_.name();
    table.data.sample_shape = {table.schema.n_features()};
    table.data.feature_names = table.schema.feature_names();
    table.data.sources.push_back({reader_.name(), cut_ ? "" : reader_.stream().file_sha256()});
  }

  // take(row) at each of the n rows that an earlier reading found.
  template <class Take>
  void each_row(std::size_t n, Take&& take) {
    std::size_t row = 0;
    for (; row < n && reader_.next(); ++row) take(row);
    cut_ = n == options_.max_rows;
    if (row < n || (!cut_ && reader_.next()))
      throw DataError(fmt::format("{}: changed while it was read", reader_.name()));
  }

  template <class TakeFeatures>
  void read_rows(TakeFeatures&& take_features) {
    std::optional<LabelColumn> labels, truths;
    if (roles_.label) labels.emplace(options_.label_map, *roles_.label);
    if (roles_.truth) truths.emplace(options_.truth_map, *roles_.truth);
    std::optional<ClassColumn> classes;
    if (roles_.classes) classes.emplace(*roles_.classes);
    while (reader_.next()) {
      if (table_.lines.size() == options_.max_rows) {
        cut_ = true;
        break;
      }
      if (labels) table_.semi.push_back(labels->semi(reader_));
      if (truths) table_.truth.push_back(truths->truth(reader_));
      if (classes) classes->add(reader_, table_);
      if (roles_.id) table_.ids.push_back(id_of(reader_, *roles_.id));
      table_.lines.push_back(reader_.line());
      take_features();
    }
  }

  void read_with_schema(const Schema& schema) {
    // Roles of the schema that the caller does not give away.
    RowEncoder encoder(with_roles(schema, reader_, roles_), reader_);
    if (!roles_.label && options_.labels_path.empty()) roles_.label = encoder.role(ColumnKind::label);
    if (!roles_.truth) roles_.truth = encoder.role(ColumnKind::truth);
    if (!roles_.id) roles_.id = encoder.role(ColumnKind::id);
    std::vector<double> values;
    const std::size_t d = schema.n_features();
    read_rows([&] {
      values.resize(values.size() + d);
      encoder.encode(reader_, values.data() + values.size() - d);
    });
    table_.data.values = std::move(values);
    table_.schema = encoder.schema();
    table_.n_unseen = encoder.n_unseen();
    table_.n_unseen.resize(schema.columns().size());
  }

  SchemaInference start_inference() const {
    std::vector<ColumnWish> wishes(reader_.column_names().size(), ColumnWish::infer);
    for (const std::string& name : options_.category_columns)
      wishes[find_column(reader_, name, "category columns")] = ColumnWish::category;
    for (const std::string& name : options_.ignore_columns)
      wishes[find_column(reader_, name, "ignored columns")] = ColumnWish::ignore;
    if (roles_.label) wishes[*roles_.label] = ColumnWish::label;
    if (roles_.truth) wishes[*roles_.truth] = ColumnWish::truth;
    if (roles_.id) wishes[*roles_.id] = ColumnWish::id;
    return {reader_.column_names(),
            std::move(wishes),
            {options_.missing_words, options_.dates, options_.max_categories}};
  }

  void read_and_infer() {
    SchemaInference inference = start_inference();
    read_rows([&] { inference.add(reader_); });
    if (inference.n_rows() == 0) return;
    table_.schema = inference.infer(reader_.name());
    table_.data.values = inference.take_features(table_.schema);
    table_.n_unseen.assign(table_.schema.columns().size(), 0);
  }

  void read_label_file() {
    RowsToLabel rows{.name = reader_.name(), .n_rows = table_.lines.size(), .cut = cut_};
    if (!options_.id_column.empty()) {
      rows.id_column = reader_.column_names()[*roles_.id];
      rows.ids = table_.ids;
      rows.lines = table_.lines;
    }
    table_.semi = deepsad::read_label_file(options_.labels_path, options_.label_column, options_.label_map,
                                           options_.missing_words, rows);
  }

  void add_messages(Table& table) const {
    table.messages.push_back(
        fmt::format("{} rows{}", table.lines.size(), cut_ ? "; those beyond were not asked for" : ""));
    add_label_messages(table);
    for (std::size_t j = 0; j < table.n_unseen.size(); ++j) {
      if (table.n_unseen[j] == 0) continue;
      table.messages.push_back(
          fmt::format("column {}: {} of {} rows hold a category that the schema does not "
                      "know; they count as \"other\"",
                      shown(table.schema.columns()[j].name), table.n_unseen[j], table.lines.size()));
    }
  }

  const TableOptions& options_;
  DelimitedReader reader_;
  Roles roles_;
  Table table_;
  bool cut_ = false;
};

}  // namespace

DelimitedOptions delimited_options(const TableOptions& options) {
  return {.separator = options.separator,
          .header = options.header,
          .skip_lines = options.skip_lines,
          .missing_words = options.missing_words};
}

Table read_table(std::unique_ptr<ByteStream> in, const TableOptions& options) {
  return TableReader(std::move(in), options).read();
}

Table read_table(const std::string& path, const TableOptions& options) {
  return read_table(open_input(path), options);
}

Table read_table(const std::function<std::unique_ptr<ByteStream>()>& open, const TableOptions& options,
                 const ChooseRows& choose) {
  if (options.schema) {
    Table table = read_table(open(), options);
    static_cast<void>(choose(table));
    return table;
  }
  Table table = TableReader(open(), options).read_labels();
  const std::vector<bool> chosen = choose(table);
  if (chosen.size() != table.lines.size()) {
    throw InvalidArgument(
        fmt::format("[read_table] {} rows, but {} entries say which to infer the schema from",
                    table.lines.size(), chosen.size()));
  }
  std::vector<double> features;
  std::tie(table.schema, features) = TableReader(open(), options).infer_from(chosen);
  TableReader(open(), options).add_features(table, chosen, features);
  return table;
}

bool looks_like_text(const std::uint8_t* first_bytes, std::size_t n) {
  const auto text = [](std::uint8_t b) {
    return (b >= 0x20 && b != 0x7f) || b == '\t' || b == '\n' || b == '\r' || b == '\f';
  };
  return n > 0 && std::all_of(first_bytes, first_bytes + n, text);
}

struct TableRowReader::State {
  State(std::unique_ptr<ByteStream> in, const Schema& schema, TableRowOptions opts)
      : options(std::move(opts)),
        reader(std::move(in), text_of(options.text, schema)),
        encoder(schema, reader),
        id(encoder.role(ColumnKind::id)) {
    reader.stream().forgo_file_sha256();
  }

  static DelimitedOptions text_of(DelimitedOptions text, const Schema& schema) {
    text.missing_words = schema.missing_words();
    text.expected_names = names_of(schema);
    return text;
  }

  TableRowOptions options;
  DelimitedReader reader;
  RowEncoder encoder;
  std::optional<std::size_t> id;
  std::exception_ptr pending;  // what the row after the last chunk threw
};

TableRowReader::TableRowReader(std::unique_ptr<ByteStream> in, const Schema& schema, TableRowOptions options)
    : state_(std::make_unique<State>(std::move(in), schema, std::move(options))) {}
TableRowReader::~TableRowReader() = default;

bool TableRowReader::next_chunk(std::size_t max_rows, TableChunk& chunk) {
  State& s = *state_;
  if (s.pending) std::rethrow_exception(std::exchange(s.pending, nullptr));
  const std::size_t d = s.encoder.schema().n_features();
  chunk.values.clear();
  chunk.lines.clear();
  chunk.ids.clear();
  chunk.rejected.clear();
  while (chunk.lines.size() + chunk.rejected.size() < std::max<std::size_t>(1, max_rows)) {
    const bool has_some = !chunk.lines.empty() || !chunk.rejected.empty();
    if (has_some && s.options.text.eager && !s.reader.has_buffered_record()) break;
    try {
      if (!s.reader.next()) break;
      chunk.values.resize((chunk.lines.size() + 1) * d);
      s.encoder.encode(s.reader, chunk.values.data() + chunk.lines.size() * d);
      if (s.id) chunk.ids.push_back(id_of(s.reader, *s.id));
      chunk.lines.push_back(s.reader.line());
      continue;
    } catch (const BadRecord& error) {
      if (s.options.reject_rows)
        chunk.rejected.push_back({s.reader.line(), error.what()});
      else
        s.pending = std::current_exception();
    } catch (const Error&) {
      s.pending = std::current_exception();
    }
    chunk.values.resize(chunk.lines.size() * d);
    if (!s.pending) continue;
    if (!has_some) std::rethrow_exception(std::exchange(s.pending, nullptr));
    break;
  }
  return !chunk.lines.empty() || !chunk.rejected.empty();
}

void TableRowReader::set_schema(const Schema& schema) {
  RowEncoder encoder(schema, state_->reader);
  state_->id = encoder.role(ColumnKind::id);
  state_->encoder = std::move(encoder);
}

const Schema& TableRowReader::schema() const {
  return state_->encoder.schema();
}
const std::vector<std::string>& TableRowReader::messages() const {
  return state_->reader.messages();
}
const std::vector<std::uint64_t>& TableRowReader::n_unseen() const {
  return state_->encoder.n_unseen();
}

}  // namespace deepsad
