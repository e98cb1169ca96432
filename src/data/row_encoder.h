// Rows of cells to rows of numbers, as a schema says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/cell_text.h"
#include "deepsad/data/delimited.h"
#include "deepsad/data/schema.h"

namespace deepsad {

/// Lookup by string_view in a map of strings.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
template <class Value>
using TextMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;

/// The categories of one column, found by text, or, if they are numbers, by value.
class CategoryIndex {
 public:
  explicit CategoryIndex(const std::vector<std::string>& categories);
  [[nodiscard]] std::optional<std::size_t> find(std::string_view text) const;
  [[nodiscard]] std::optional<std::size_t> find(double value) const;

 private:
  TextMap<std::size_t> by_text_;
  std::map<double, std::size_t> by_value_;
};

class RowEncoder {
 public:
  /// Finds the schema's columns in the reader's. @throws DataError naming those that are missing or unknown
  RowEncoder(Schema schema, const DelimitedReader& reader);

  [[nodiscard]] const Schema& schema() const { return schema_; }
  /// Where in the file a column of that role lies, if anywhere.
  [[nodiscard]] std::optional<std::size_t> role(ColumnKind kind) const;
  /// The reader's record as features. @param dst n_features() numbers
  /// @throws BadRecord naming file, line and column
  void encode(const DelimitedReader& reader, double* dst);
  [[nodiscard]] const std::vector<std::uint64_t>& n_unseen() const { return n_unseen_; }

 private:
  void find_by_name(const DelimitedReader& reader);
  void find_by_position(const DelimitedReader& reader);

  struct Target {
    std::size_t cell;    // position in the file
    std::size_t column;  // position in the schema
    std::optional<CategoryIndex> categories;
  };
  Schema schema_;
  MissingWords missing_words_;
  std::vector<std::optional<std::size_t>> cell_of_;  // per column of the schema
  std::vector<Target> targets_;
  std::vector<std::size_t> unseen_in_row_;  // columns
  std::vector<std::uint64_t> n_unseen_;
  std::string scratch_;
};

}  // namespace deepsad
