// One pass over a table: exact counts of what its columns hold, a sample of its rows, and which rows are
// copies.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "deepsad/core/random.h"
#include "deepsad/data/dataset.h"
#include "evaluation/row_sketch.h"

namespace deepsad {

/// A cell of the sample: a number, or a NaN that carries the hash of a text, or 0 if the cell is missing.
class SampleCell {
 public:
  SampleCell() = default;
  [[nodiscard]] static SampleCell missing() { return SampleCell(kNan); }
  [[nodiscard]] static SampleCell number(double x) {
    return SampleCell(std::bit_cast<std::uint64_t>(x == 0 ? 0.0 : x));
  }
  [[nodiscard]] static SampleCell text(std::uint64_t hash) {
    return SampleCell(kNan | 1 | (hash & kPayload));
  }

  [[nodiscard]] bool is_number() const { return !std::isnan(value()); }
  [[nodiscard]] bool is_missing() const { return bits_ == kNan; }
  [[nodiscard]] bool is_text() const { return !is_number() && !is_missing(); }
  [[nodiscard]] double value() const { return std::bit_cast<double>(bits_); }
  /// Equal for equal cells only.
  [[nodiscard]] std::uint64_t bits() const { return bits_; }

 private:
  explicit SampleCell(std::uint64_t bits) : bits_(bits) {}
  static constexpr std::uint64_t kNan = 0x7ff8'0000'0000'0000, kPayload = 0x0007'ffff'ffff'ffff;
  std::uint64_t bits_ = kNan;
};

/// What a reader hands over.
struct CellValue {
  enum class Kind { missing, number, text };
  Kind kind = Kind::missing;
  double number = 0;
  std::string_view text{};  ///< of a number, too, if it came as text
};

/// Dates that stand for no date in one program or the other.
struct PlaceholderDate {
  const char* text;
  double days;
};
inline constexpr std::array kPlaceholderDates = {
    PlaceholderDate{"0001-01-01", -719162}, PlaceholderDate{"1899-12-30", -25569},
    PlaceholderDate{"1899-12-31", -25568},  PlaceholderDate{"1900-01-01", -25567},
    PlaceholderDate{"1970-01-01", 0},       PlaceholderDate{"2099-12-31", 47481},
    PlaceholderDate{"2999-12-31", 376199},  PlaceholderDate{"9999-12-31", 2932896}};

struct CellExample {
  std::uint64_t line = 0;
  std::string text;
};

struct ColumnProfile {
  std::string name;
  std::uint64_t n_missing = 0, n_numbers = 0, n_texts = 0;
  std::uint64_t n_integers = 0;
  double min = std::numeric_limits<double>::infinity(), max = -min;
  std::uint64_t min_line = 0, max_line = 0;
  bool rises = true, rises_by_one = true;  ///< its numbers, from row to row
  double last = 0;
  std::uint64_t content = 0;  ///< hash of all its cells in their order
  CellExample first_number, first_text;
  // Of the texts:
  std::uint64_t n_dates = 0;              ///< ISO 8601
  std::uint64_t n_decimal_commas = 0;     ///< "1,5"
  std::uint64_t n_numbers_with_unit = 0;  ///< "12 kg", "5%", "$ 3"
  std::uint64_t n_day_first = 0, n_month_first = 0,
                n_either_first = 0;  ///< "31/12/2024", "12/31/2024", "1/2/2024"
  std::uint64_t n_late_dates = 0;
  CellExample first_late_date;
  std::array<std::uint64_t, kPlaceholderDates.size()> n_placeholders{};
  std::unordered_map<std::uint64_t, std::string> texts;  ///< by SampleCell::bits(); the first 2,000
};

/// Rows drawn so that each had the same chance, in the order of the file.
struct RowSample {
  std::vector<SampleCell> cells;  ///< size() x columns, features only matter
  std::vector<SemiLabel> labels;
  std::vector<std::uint64_t> lines;
  [[nodiscard]] std::size_t size() const { return lines.size(); }
};

struct ProfileOptions {
  std::size_t max_sample_cells, max_distinct_rows;
  double today = std::numeric_limits<double>::infinity();
};

class TableProfile {
 public:
  /// @param is_feature whether the column is part of a row's content
  TableProfile(const std::vector<std::string>& names, std::vector<bool> is_feature,
               const ProfileOptions& options);

  void add(std::span<const CellValue> row, SemiLabel label, std::uint64_t line);
  /// Brings the samples into the order of the file; call once after the last row.
  void finish();

  [[nodiscard]] const std::vector<ColumnProfile>& columns() const { return columns_; }
  [[nodiscard]] bool is_feature(std::size_t column) const { return is_feature_[column]; }
  [[nodiscard]] std::uint64_t n_rows() const { return n_rows_; }
  [[nodiscard]] std::uint64_t n_empty_rows() const { return n_empty_rows_; }
  /// Of all rows, of known anomalies, of known normals.
  [[nodiscard]] const RowSample& rows() const { return all_.sample; }
  [[nodiscard]] const RowSample& anomalies() const { return anomalies_.sample; }
  [[nodiscard]] const RowSample& normals() const { return normals_.sample; }
  /// Whether rows() are all rows.
  [[nodiscard]] bool is_whole() const { return all_.n_seen == all_.sample.size(); }
  [[nodiscard]] const RowSketch& sketch() const { return sketch_; }
  /// The same from rows(), without these columns; only if is_whole().
  [[nodiscard]] RowSketch sketch_without(std::span<const std::size_t> columns) const;
  [[nodiscard]] SampleCell cell(const RowSample& sample, std::size_t row, std::size_t column) const {
    return sample.cells[row * columns_.size() + column];
  }
  /// The cell for a person.
  [[nodiscard]] std::string text_of(std::size_t column, SampleCell cell) const;

 private:
  struct Reservoir {
    RowSample sample;
    std::uint64_t n_seen = 0;
    RandomStream random;
  };
  void tally(ColumnProfile& column, const CellValue& cell, std::uint64_t line);
  void tally_text(ColumnProfile& column, std::string_view text, std::uint64_t line) const;
  void offer(Reservoir& reservoir, SemiLabel label, std::uint64_t line);
  static void sort_by_line(RowSample& sample, std::size_t n_columns);

  std::vector<ColumnProfile> columns_;
  std::vector<bool> is_feature_;
  std::vector<std::uint64_t> name_hashes_;
  ProfileOptions options_;
  std::size_t max_rows_;
  std::uint64_t n_rows_ = 0, n_empty_rows_ = 0;
  std::vector<SampleCell> row_;  // the one being added
  Reservoir all_, anomalies_, normals_;
  RowSketch sketch_;
};

}  // namespace deepsad
