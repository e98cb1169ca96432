#include "deepsad/data/row_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "data/cell_text.h"
#include "data/label_file.h"
#include "data/schema_kinds.h"
#include "deepsad/core/error.h"
#include "deepsad/storage/byte_stream.h"

namespace deepsad {
namespace {

constexpr std::size_t kStartBytes = 4096;          // by which text is told from other formats
constexpr const char* kClassColumn = "class";      // the classes that come with the samples
constexpr const char* kNoVariable = "(no label)";  // no variable of a file has this name

bool is_utf16(std::span<const std::uint8_t> start) {
  return start.size() >= 2 &&
         ((start[0] == 0xff && start[1] == 0xfe) || (start[0] == 0xfe && start[1] == 0xff));
}

void refuse_text_options(const TableOptions& options, const std::string& path) {
  const auto refuse = [&](bool given, const char* what) {
    if (given) throw InvalidArgument(fmt::format("{}: {} is for text tables, which this is not", path, what));
  };
  refuse(options.separator.has_value(), "a separator");
  refuse(options.header.has_value(), "a header");
  refuse(options.skip_lines > 0, "a number of lines to skip");
  refuse(!options.id_column.empty(), "an id column");
  refuse(!options.ignore_columns.empty(), "a list of columns to ignore");
  refuse(!options.category_columns.empty(), "a list of columns of categories");
  refuse(!options.class_column.empty(), "a class column");
  refuse(options.dates, "turning dates into numbers");
}

bool is_text_file(const std::string& path) {
  const auto in = open_input(path);
  const std::span<const std::uint8_t> start = in->peek(kStartBytes);
  return looks_like_text(start.data(), start.size());
}

// What a row's class is called in a label map: by its name, or by its number if the map has that.
std::string class_text(const Dataset& data, std::size_t row, const LabelMap& map) {
  const auto number = static_cast<std::size_t>(data.classes[row]);
  const std::string digits = std::to_string(number);
  if (number >= data.class_names.size()) return digits;
  const std::string& name = data.class_names[number];
  return !map.find(name) && map.find(digits) ? digits : name;
}

class SampleLabels {
 public:
  SampleLabels(const std::string& path, const RowFileOptions& options) : path_(path), options_(options) {}

  // Samples and, if one of the two columns needs them, their classes.
  Dataset read() {
    const std::string& label = options_.table.label_column;
    const std::string& truth = options_.table.truth_column;
    if (!label.empty() && label == truth) {
      throw InvalidArgument(
          fmt::format("{}: {} is to hold both the semi labels and the true labels; the true labels are a "
                      "variable of their own, which the training must not see",
                      path_, shown(label)));
    }
    Dataset data = read_with(label);
    if (!label.empty()) semi_classes_ = classes_of(data, label, options_.table.label_map);
    if (!truth.empty()) truth_classes_ = classes_of(read_with(truth), truth, options_.table.truth_map);
    return data;
  }

  void add_to(Table& table) const {
    if (semi_classes_) {
      const LabelMap& map = options_.table.label_map;
      require_known(map, *semi_classes_, LabelKind::semi);
      table.semi.reserve(table.data.size());
      for (std::size_t row = 0; row < table.data.size(); ++row)
        table.semi.push_back(map.label_of((*semi_classes_)[row], place(row)));
    }
    if (truth_classes_) {
      const LabelMap& map = options_.table.truth_map;
      require_known(map, *truth_classes_, LabelKind::truth);
      table.truth.reserve(table.data.size());
      for (std::size_t row = 0; row < table.data.size(); ++row)
        table.truth.push_back(map.truth_of((*truth_classes_)[row], place(row)));
    }
  }

 private:
  Dataset read_with(const std::string& labels) {
    SampleFileOptions samples = options_.samples;
    samples.mat.labels_required = false;
    samples.mat.labels = labels.empty() ? kNoVariable : labels;
    if (!options_.table.labels_path.empty()) samples.labels_path = options_.table.labels_path;
    return read_samples(path_, samples);
  }

  std::vector<std::string> classes_of(const Dataset& data, const std::string& column,
                                      const LabelMap& map) const {
    if (data.classes.empty()) {
      throw InvalidArgument(
          column == kClassColumn
              ? fmt::format("{}: its samples have no classes; wanted the name of a variable of an NPZ or MAT "
                            "file, or a folder of images with subfolders",
                            path_)
              : fmt::format("{}: has no labels {}; wanted the name of a variable of an NPZ or MAT file, or "
                            "\"{}\" for classes that come with the samples, or a label file",
                            path_, shown(column), kClassColumn));
    }
    std::vector<std::string> texts;
    texts.reserve(data.size());
    for (std::size_t row = 0; row < data.size(); ++row) texts.push_back(class_text(data, row, map));
    return texts;
  }

  void require_known(const LabelMap& map, const std::vector<std::string>& classes, LabelKind kind) const {
    const auto unknown =
        std::ranges::find_if(classes, [&map](const std::string& word) { return !map.find(word); });
    if (unknown == classes.end()) return;
    LabelWords words;
    for (const std::string& word : classes) ++words[CategoryKey(word).text()];
    refuse_label(map, *unknown, place(static_cast<std::size_t>(unknown - classes.begin())), kind, words);
  }

  [[nodiscard]] std::string place(std::size_t row) const {
    return fmt::format("{}: sample {} (from 0)", path_, row);
  }

  const std::string& path_;
  const RowFileOptions& options_;
  std::optional<std::vector<std::string>> semi_classes_, truth_classes_;
};

Schema numbers_schema(const Dataset& data) {
  std::vector<ColumnSchema> columns;
  for (std::size_t j = 0; j < data.n_features(); ++j)
    columns.push_back({.name = fmt::format("column{}", j + 1), .categories = {}, .why = {}});
  return Schema(std::move(columns), default_missing_words(), data.name);
}

// An array's columns as the features of a schema: each with a 0 behind it where missing values are imputed.
void encode_by_schema(Dataset& data, const Schema& schema) {
  std::vector<bool> has_indicator;
  for (const ColumnSchema& column : schema.columns()) {
    if (column.kind == ColumnKind::ignored || is_role(column.kind)) continue;
    if (column.kind != ColumnKind::number) {
      throw DataError(
          fmt::format("{}: an array holds numbers, but column {} of the schema is of kind {}; wanted a table "
                      "in delimited text",
                      data.name, shown(column.name), column_kind_name(column.kind)));
    }
    has_indicator.push_back(column.missing == MissingPolicy::impute);
  }
  const std::size_t d = has_indicator.size();
  if (data.n_features() != d) {
    throw DataError(fmt::format("{}: found {} columns, wanted the {} that the schema makes features of",
                                data.name, data.n_features(), d));
  }
  if (schema.n_features() == d) return;
  const auto& values = std::get<std::vector<double>>(data.values);
  std::vector<double> features;
  features.reserve(data.size() * schema.n_features());
  for (std::size_t i = 0; i < values.size(); ++i) {
    features.push_back(values[i]);
    if (has_indicator[i % d]) features.push_back(0);
  }
  data.sample_shape = {schema.n_features()};
  data.values = std::move(features);
}

Table read_sample_file(const std::string& path, const RowFileOptions& given) {
  refuse_text_options(given.table, path);
  RowFileOptions options = given;
  // A text file holds labels for any format; IDX and NPY have binary ones, too.
  const std::string labels_text =
      !options.table.labels_path.empty() && is_text_file(options.table.labels_path)
          ? std::exchange(options.table.labels_path, "")
          : "";
  if (!labels_text.empty()) options.table.label_column.clear();
  if (!options.table.labels_path.empty()) {
    if (!options.table.label_column.empty() || !options.table.truth_column.empty())
      throw InvalidArgument(fmt::format("{}: labels come from {}; leave out the label column", path,
                                        options.table.labels_path));
    options.table.label_column = kClassColumn;
  }
  SampleLabels labels(path, options);
  Table table;
  table.data = labels.read();
  const std::size_t n = table.data.size();
  labels.add_to(table);
  if (!labels_text.empty()) {
    table.semi = read_label_file(labels_text, given.table.label_column, options.table.label_map,
                                 options.table.missing_words, {.name = path, .n_rows = n});
  }
  table.data.labels.clear();
  table.data.classes.clear();
  table.data.class_names.clear();
  for (std::size_t row = 0; row < n; ++row) table.lines.push_back(row + 1);
  if (table.data.is_image()) {
    if (options.table.schema)
      throw DataError(fmt::format("{}: holds images, wanted a table as the schema describes it", path));
  } else {
    table.schema = options.table.schema ? *options.table.schema : numbers_schema(table.data);
    encode_by_schema(table.data, table.schema);
    table.data.feature_names = table.schema.feature_names();
    table.n_unseen.assign(table.schema.columns().size(), 0);
  }
  table.messages.push_back(
      fmt::format("{} samples of {}", n,
                  table.data.is_image() ? fmt::format("{} pixels", fmt::join(table.data.sample_shape, " x "))
                                        : fmt::format("{} numbers", table.data.n_features())));
  add_label_messages(table);
  return table;
}

}  // namespace

std::unique_ptr<ByteStream> open_text(const std::string& path) {
  if (path != "-") {
    // A pipe can be opened but once, and holds no archive.
    std::error_code not_there;
    if (std::filesystem::is_directory(path, not_there) ||
        (std::filesystem::is_regular_file(path, not_there) && is_archive(path)))
      return nullptr;
  }
  std::unique_ptr<ByteStream> in = open_input(path);
  const std::span<const std::uint8_t> start = in->peek(kStartBytes);
  // The text reader has the better words for a text in UTF-16 and for nothing at all.
  if (start.empty() || looks_like_text(start.data(), start.size()) || is_utf16(start)) return in;
  if (path == "-") {
    throw DataError(fmt::format("{}: found no text; other formats are read from files: give the file's path",
                                in->name()));
  }
  return nullptr;
}

Table read_rows(const std::string& path, const RowFileOptions& options) {
  if (std::unique_ptr<ByteStream> text = open_text(path)) return read_table(std::move(text), options.table);
  return read_sample_file(path, options);
}

Table read_rows(const std::string& path, const RowFileOptions& options, const ChooseRows& choose) {
  std::unique_ptr<ByteStream> text = open_text(path);
  if (!text) {
    Table table = read_sample_file(path, options);
    static_cast<void>(choose(table));
    return table;
  }
  std::error_code unknown;
  if (path != "-" && std::filesystem::is_regular_file(path, unknown)) {
    text.reset();
    return read_table([&] { return open_input(path); }, options.table, choose);
  }
  const std::string name = text->name();
  const std::vector<std::uint8_t> bytes = text->read_all();
  text.reset();
  return read_table([&] { return open_bytes(bytes, name); }, options.table, choose);
}

RawRows raw_rows(const Dataset& data) {
  RawRows rows{.values = {}, .name = data.name, .feature_names = data.feature_names};
  std::visit(
      [&](const auto& values) {
        using Value = typename std::decay_t<decltype(values)>::value_type;
        rows.values = MatrixView<const Value>(values.data(), data.size(), data.n_features());
      },
      data.values);
  return rows;
}

}  // namespace deepsad
