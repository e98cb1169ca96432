// A schema from the cells of a table, which are kept as numbers until it is known.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/cell_text.h"
#include "data/row_encoder.h"
#include "deepsad/data/delimited.h"
#include "deepsad/data/schema.h"

namespace deepsad {

struct InferenceOptions {
  std::vector<std::string> missing_words;
  bool dates = false;
  std::size_t max_categories = 64;
};

/// What is known of a column before its cells are seen.
enum class ColumnWish { infer, category, ignore, label, truth, id };

/// Takes a table row by row and gives it back as features. Memory: 8 bytes a cell, and the result.
class SchemaInference {
 public:
  SchemaInference(std::vector<std::string> names, std::vector<ColumnWish> wishes, InferenceOptions options);

  /// The reader's current record.
  void add(const DelimitedReader& reader);
  [[nodiscard]] std::size_t n_rows() const { return n_rows_; }
  /// @throws DataError if a column of numbers holds a text, or if no column gives a feature
  [[nodiscard]] Schema infer(const std::string& source) const;
  /// The rows as @p schema, which must come from infer(), encodes them; gives the memory of the cells free on
  /// the way.
  [[nodiscard]] std::vector<double> take_features(const Schema& schema);

 private:
  struct Place {
    std::string text;   // of the cell
    std::string where;  // FILE:LINE:COLUMN
  };
  struct Column {
    std::string name;
    ColumnWish wish = ColumnWish::infer;
    std::size_t n_missing = 0, n_texts = 0, n_dates = 0;
    bool many_texts = false;  // more than the dictionary takes
    TextMap<std::uint32_t> codes;
    std::vector<std::string> texts;  // by code
    std::optional<Place> first_text;
  };

  double add_text(Column& column, std::string_view text, const DelimitedReader& reader, std::size_t cell);
  [[nodiscard]] double cell(std::size_t row, std::size_t j) const {
    return blocks_[row / block_rows_][(row % block_rows_) * cells_.size() + j];
  }
  [[nodiscard]] ColumnSchema decide(std::size_t j) const;
  static void refuse_decimal_commas(const Column& column);
  [[nodiscard]] double median(std::size_t j) const;
  void ignore_duplicates(std::vector<ColumnSchema>& columns) const;

  InferenceOptions options_;
  MissingWords missing_words_;
  std::vector<Column> columns_;
  std::vector<std::size_t> cells_;  // positions of the columns that are kept, in the file
  std::size_t block_rows_;
  std::vector<std::unique_ptr<double[]>> blocks_;
  std::size_t n_rows_ = 0;
  std::string scratch_;
};

}  // namespace deepsad
