// What schema, its text form and its readers share: names of the kinds, and when two categories are one.
#pragma once

#include <fmt/format.h>

#include <array>
#include <compare>
#include <string>
#include <string_view>

#include "data/cell_text.h"
#include "deepsad/data/delimited.h"
#include "deepsad/data/schema.h"

namespace deepsad {

struct ColumnKindName {
  ColumnKind kind;
  const char* name;
};
inline constexpr std::array<ColumnKindName, 8> kColumnKindNames = {{{ColumnKind::number, "number"},
                                                                    {ColumnKind::one_hot, "one_hot"},
                                                                    {ColumnKind::ordinal, "ordinal"},
                                                                    {ColumnKind::date, "date"},
                                                                    {ColumnKind::ignored, "ignored"},
                                                                    {ColumnKind::label, "label"},
                                                                    {ColumnKind::truth, "truth"},
                                                                    {ColumnKind::id, "id"}}};

[[nodiscard]] constexpr bool is_role(ColumnKind kind) {
  return kind == ColumnKind::label || kind == ColumnKind::truth || kind == ColumnKind::id;
}

/// A number as the shortest text that reads back as the same double.
[[nodiscard]] inline std::string number_text(double value) {
  return fmt::format("{}", value == 0 ? 0.0 : value);
}

/// What a category is compared by: its text without the spaces around it; numbers by value, so that "1",
/// "1.0" and "01" are one.
class CategoryKey {
 public:
  explicit CategoryKey(std::string_view text) {
    text = trimmed(text);
    const std::optional<double> number = parse_number(text);
    key_ = number ? number_text(*number) : std::string(text);
  }
  [[nodiscard]] const std::string& text() const { return key_; }
  auto operator<=>(const CategoryKey&) const = default;

 private:
  std::string key_;
};

}  // namespace deepsad
