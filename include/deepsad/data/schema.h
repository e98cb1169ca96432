// What the columns of a table mean, and how a row of cells becomes a row of numbers.
// A schema is inferred from a table once, can be edited as TOML (docs/schema.md), travels inside the model as
// JSON and is enforced on every table that the model scores.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace deepsad {

enum class ColumnKind {
  number,   ///< one feature: the number
  one_hot,  ///< one feature a category, 0 or 1, and one for all other texts
  ordinal,  ///< one feature: the position of the category, from 0; and one that is 1 for all other texts
  date,     ///< one feature: days since 1970-01-01, with fraction
  ignored,  ///< no feature; may be missing when scoring
  label,    ///< the semi labels; may be missing when scoring
  truth,    ///< the true labels; may be missing when scoring
  id        ///< names of the rows; may be missing when scoring
};

/// What a missing cell does.
enum class MissingPolicy {
  refuse,  ///< the row is an error
  impute   ///< ColumnSchema::imputed in its place, and a feature that is 1 where the cell is missing
};

struct ColumnSchema {
  std::string name;
  ColumnKind kind = ColumnKind::number;
  MissingPolicy missing = MissingPolicy::refuse;
  /// number, date, ordinal: the value in place of a missing cell (and of an unseen category); the median of
  /// the table that the schema was inferred from. one_hot: without meaning, all categories are 0 then.
  double imputed = 0;
  std::vector<std::string> categories{};  ///< one_hot, ordinal: in the order of their features or values
  std::string why{};                      ///< why this kind was chosen, for a person

  bool operator==(const ColumnSchema&) const = default;
};

struct FeatureOrigin {
  std::uint32_t column;  ///< position in Schema::columns()
  std::string name;      ///< "age", "age=missing", "color=red", "color=other"
};

class Schema {
 public:
  Schema() = default;
  /// @throws InvalidArgument if a name is empty or double, categories are missing, double or out of place, an
  /// imputed value is not finite, or no column gives a feature; the message starts with @p source
  explicit Schema(std::vector<ColumnSchema> columns, std::vector<std::string> missing_words,
                  const std::string& source = "schema");

  [[nodiscard]] const std::vector<ColumnSchema>& columns() const { return columns_; }
  /// Cells that count as missing, letter case and spaces around them apart. The empty cell always does.
  [[nodiscard]] const std::vector<std::string>& missing_words() const { return missing_words_; }
  [[nodiscard]] bool is_missing(std::string_view text) const;
  [[nodiscard]] std::size_t n_features() const { return features_.size(); }
  [[nodiscard]] const std::vector<FeatureOrigin>& features() const { return features_; }
  [[nodiscard]] std::vector<std::string> feature_names() const;
  /// Position of a column, if there is one of this name.
  [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const;
  /// The column of that role (label, truth, id), if there is one.
  [[nodiscard]] std::optional<std::size_t> find(ColumnKind role) const;

  /// For a person: a line a column, what becomes of it and why.
  [[nodiscard]] std::string describe() const;
  /// For a person to edit.
  [[nodiscard]] std::string to_toml() const;
  /// @throws InvalidArgument naming source, line, key, what was found and what was wanted
  [[nodiscard]] static Schema from_toml(const std::string& text, const std::string& source);
  /// For the model file.
  [[nodiscard]] std::string to_json() const;
  /// @throws InvalidArgument as from_toml()
  [[nodiscard]] static Schema from_json(const std::string& text, const std::string& source);

  bool operator==(const Schema& other) const {
    return columns_ == other.columns_ && missing_words_ == other.missing_words_;
  }

 private:
  std::vector<ColumnSchema> columns_;
  std::vector<std::string> missing_words_;
  std::vector<FeatureOrigin> features_;
};

/// "number", "one_hot", ...
[[nodiscard]] const char* column_kind_name(ColumnKind kind);

/// Words that count as missing unless the caller says otherwise: na, n/a, #n/a, nan, null, <na>, ?
[[nodiscard]] std::vector<std::string> default_missing_words();

/// Days since 1970-01-01 of an ISO 8601 date, alone or with a time: 2024-02-29, 2024/02/29, 2024-02-29T13:45,
/// 2024-02-29 13:45:10.5Z, ...+01:00. Times without offset count as UTC. Empty for anything else.
[[nodiscard]] std::optional<double> parse_date(std::string_view text);

}  // namespace deepsad
