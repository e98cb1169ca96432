// Rows, with their labels, from a file of any format that the library reads.
#pragma once

#include <memory>
#include <string>

#include "deepsad/data/file_formats.h"
#include "deepsad/data/raw_rows.h"
#include "deepsad/data/table_file.h"

namespace deepsad {

struct RowFileOptions {
  /// As of text; `separator`, `header`, `skip_lines`, `id_column`, `class_column`, `ignore_columns`,
  /// `category_columns`, `dates` and `max_rows` are for text only. Labels of other files: see read_rows().
  TableOptions table{};
  /// Names of variables, size of images, the member of an archive. `labels_path` and the names of label
  /// variables come from `table`.
  SampleFileOptions samples{};
};

/// Delimited text as read_table() ("-": standard input, text only); any other format as read_samples().
///
/// Labels of arrays and images: TableOptions::label_column and truth_column name variables of an NPZ or MAT
/// file, or are "class", the classes that come with the samples: subfolders of a folder of images (by their
/// names), CIFAR-10's numbers. labels_path names IDX labels for IDX images, an NPY file for an NPY file, or,
/// for any format, a text file with one label a row. All go through the label maps, numbers too.
///
/// An array is a table of numbers. Without a schema it gets one: column1, column2, ... With a schema its
/// columns are, in their order, those that the schema makes features of, all of kind number. Images have no
/// schema: Table::schema stays empty, and one that is given is an error.
/// @throws as read_table() and read_samples(); DataError if an array's columns are not those of the schema;
/// InvalidArgument for options that the format has no use for
[[nodiscard]] Table read_rows(const std::string& path, const RowFileOptions& options = {});

/// The stream of a file that holds text ("-": standard input, which must); null for another format.
/// @throws DataError if it cannot be opened, or standard input holds no text
[[nodiscard]] std::unique_ptr<ByteStream> open_text(const std::string& path);

/// The same with a schema that knows the chosen rows only (read_table()). @p choose is called for every
/// format. Standard input and pipes are kept in memory meanwhile.
[[nodiscard]] Table read_rows(const std::string& path, const RowFileOptions& options,
                              const ChooseRows& choose);

/// Rows as Model::score() takes them, in the memory of the data.
[[nodiscard]] RawRows raw_rows(const Dataset& data);

}  // namespace deepsad
