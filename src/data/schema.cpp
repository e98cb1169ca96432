#include "deepsad/data/schema.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <set>
#include <utility>

#include "data/cell_text.h"
#include "data/schema_kinds.h"
#include "deepsad/core/error.h"

namespace deepsad {

const char* column_kind_name(ColumnKind kind) {
  for (const ColumnKindName& entry : kColumnKindNames)
    if (entry.kind == kind) return entry.name;
  return "unknown";
}

std::vector<std::string> default_missing_words() {
  return {"na", "n/a", "#n/a", "nan", "null", "<na>", "?"};
}

Schema::Schema(std::vector<ColumnSchema> columns, std::vector<std::string> missing_words,
               const std::string& source)
    : columns_(std::move(columns)), missing_words_(std::move(missing_words)) {
  std::set<std::string_view> names;
  std::set<ColumnKind> roles;
  for (std::size_t j = 0; j < columns_.size(); ++j) {
    const ColumnSchema& column = columns_[j];
    const auto refuse = [&](const std::string& why) {
      throw InvalidArgument(fmt::format("{}: column {} ({}): {}", source, j + 1, shown(column.name), why));
    };
    if (column.name.empty()) refuse("has no name");
    if (!names.insert(column.name).second) refuse("another column has this name");
    if (!std::isfinite(column.imputed)) refuse("the imputed value must be a finite number");
    const bool categorical = column.kind == ColumnKind::one_hot || column.kind == ColumnKind::ordinal;
    if (categorical && column.categories.empty()) {
      refuse(fmt::format("kind {} needs categories", column_kind_name(column.kind)));
    }
    if (!categorical && !column.categories.empty()) {
      refuse(
          fmt::format("kind {} has no categories; wanted one_hot or ordinal", column_kind_name(column.kind)));
    }
    if (is_role(column.kind) && !roles.insert(column.kind).second) {
      refuse(fmt::format("another column is of kind {}", column_kind_name(column.kind)));
    }
    std::set<CategoryKey> categories;
    for (const std::string& category : column.categories) {
      if (is_missing(category)) refuse(fmt::format("category {} means a missing value", shown(category)));
      if (!categories.insert(CategoryKey(category)).second)
        refuse(fmt::format("category {} is there twice", shown(category)));
    }
    const auto add = [&](const std::string& suffix) {
      features_.push_back({static_cast<std::uint32_t>(j),
                           suffix.empty() ? column.name : fmt::format("{}={}", column.name, suffix)});
    };
    switch (column.kind) {
      case ColumnKind::number:
      case ColumnKind::date:
        add("");
        break;
      case ColumnKind::one_hot:
        for (const std::string& category : column.categories) add(category);
        add("other");
        break;
      case ColumnKind::ordinal:
        add("");
        add("other");
        break;
      case ColumnKind::ignored:
      case ColumnKind::label:
      case ColumnKind::truth:
      case ColumnKind::id:
        continue;
    }
    if (column.missing == MissingPolicy::impute) add("missing");
  }
  if (features_.empty()) {
    throw InvalidArgument(
        fmt::format("{}: no column gives a feature; wanted at least one of kind number, one_hot, ordinal or "
                    "date",
                    source));
  }
}

bool Schema::is_missing(std::string_view text) const {
  return is_missing_word(text, missing_words_);
}

std::vector<std::string> Schema::feature_names() const {
  std::vector<std::string> names;
  names.reserve(features_.size());
  for (const FeatureOrigin& feature : features_) names.push_back(feature.name);
  return names;
}

std::optional<std::size_t> Schema::find(std::string_view name) const {
  for (std::size_t j = 0; j < columns_.size(); ++j)
    if (columns_[j].name == name) return j;
  return {};
}

std::optional<std::size_t> Schema::find(ColumnKind role) const {
  for (std::size_t j = 0; j < columns_.size(); ++j)
    if (columns_[j].kind == role) return j;
  return {};
}

std::string Schema::describe() const {
  std::size_t width = 0;
  for (const ColumnSchema& column : columns_) width = std::max(width, column.name.size());
  constexpr std::size_t kMostWidth = 24;
  width = std::min(width, kMostWidth);
  std::string text = fmt::format("{} columns, {} features\n", columns_.size(), n_features());
  for (const ColumnSchema& column : columns_) {
    std::string what;
    if (!column.categories.empty()) {
      constexpr std::size_t kMostShown = 5;
      for (std::size_t k = 0; k < std::min(kMostShown, column.categories.size()); ++k)
        what += fmt::format("{}{}", k == 0 ? "" : ", ", column.categories[k]);
      if (column.categories.size() > kMostShown)
        what += fmt::format(", ... ({} categories)", column.categories.size());
    }
    if (column.missing == MissingPolicy::impute) {
      what += what.empty() ? "" : "; ";
      what += column.kind == ColumnKind::one_hot
                  ? std::string("missing: a feature of its own")
                  : fmt::format("missing: {} and a feature of its own", column.imputed);
    }
    if (!column.why.empty()) what += fmt::format("{}{}", what.empty() ? "" : "; ", column.why);
    std::string line =
        fmt::format("  {:<{}}  {:<8}  {}", column.name, width, column_kind_name(column.kind), what);
    line.resize(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace deepsad
