// A schema as TOML, which a person edits, and as JSON, which a model file holds.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "core/toml_text.h"
#include "data/cell_text.h"
#include "data/schema_kinds.h"
#include "deepsad/core/error.h"
#include "deepsad/data/schema.h"

namespace deepsad {
namespace {

using Json = nlohmann::ordered_json;

const std::vector<std::string> kColumnKeys = {"name", "kind", "missing", "imputed", "categories", "why"};
const std::vector<std::string> kDocumentKeys = {"missing_words", "column"};

// Where it has a say, and where somebody wrote one: the value in place of an unseen category, or one that
// waits for missing = "impute".
bool keeps_imputed(const ColumnSchema& column) {
  return column.imputed != 0 ||
         (column.missing == MissingPolicy::impute && column.kind != ColumnKind::one_hot);
}

// A TOML basic string. JSON's escapes are TOML's too, but for DEL.
std::string quoted(const std::string& text) {
  std::string result = Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  for (std::size_t at = result.find('\x7f'); at != std::string::npos; at = result.find('\x7f', at))
    result.replace(at, 1, "\\u007f");
  return result;
}

std::string quoted(const std::vector<std::string>& texts) {
  std::string list;
  for (const std::string& text : texts) list += (list.empty() ? "" : ", ") + quoted(text);
  return "[" + list + "]";
}

// Shows where something is wrong: a TOML document knows lines, a JSON one has paths only.
struct Place {
  std::string source;
  std::string path;
  [[noreturn]] void refuse(const std::string& why) const {
    throw InvalidArgument(fmt::format("{}: {}", source, path.empty() ? why : path + ": " + why));
  }
};

// One value of the document, whatever its notation.
template <class Node>
struct Access;

template <>
struct Access<Json> {
  static bool is_table(const Json& node) { return node.is_object(); }
  static bool is_list(const Json& node) { return node.is_array(); }
  static std::optional<std::string> text(const Json& node) {
    return node.is_string() ? std::optional(node.get<std::string>()) : std::nullopt;
  }
  static std::optional<double> number(const Json& node) {
    return node.is_number() ? std::optional(node.get<double>()) : std::nullopt;
  }
  static std::vector<std::string> keys(const Json& node) {
    std::vector<std::string> names;
    for (const auto& item : node.items()) names.push_back(item.key());
    return names;
  }
  static const Json* child(const Json& node, const std::string& key) {
    const auto found = node.find(key);
    return found == node.end() ? nullptr : &*found;
  }
  static std::size_t size(const Json& node) { return node.size(); }
  static const Json& item(const Json& node, std::size_t i) { return node[i]; }
  static std::string at(const Json&, const std::string& source) { return source; }
};

template <>
struct Access<toml::node> {
  static bool is_table(const toml::node& node) { return node.is_table(); }
  static bool is_list(const toml::node& node) { return node.is_array(); }
  static std::optional<std::string> text(const toml::node& node) { return node.value_exact<std::string>(); }
  static std::optional<double> number(const toml::node& node) {
    return node.is_number() ? node.value<double>() : std::nullopt;
  }
  static std::vector<std::string> keys(const toml::node& node) {
    std::vector<std::string> names;
    for (const auto& [key, value] : *node.as_table()) names.emplace_back(key.str());
    return names;
  }
  static const toml::node* child(const toml::node& node, const std::string& key) {
    return node.as_table()->get(key);
  }
  static std::size_t size(const toml::node& node) { return node.as_array()->size(); }
  static const toml::node& item(const toml::node& node, std::size_t i) { return *node.as_array()->get(i); }
  static std::string at(const toml::node& node, const std::string& source) {
    const auto line = node.source().begin.line;
    return line == 0 ? source : fmt::format("{}:{}", source, line);
  }
};

template <class Node>
class Reader {
 public:
  explicit Reader(std::string source) : source_(std::move(source)) {}

  Schema read(const Node& document) const {
    const Place top{source_, ""};
    if (!A::is_table(document)) top.refuse("wanted a table with the keys missing_words and column");
    check_keys(document, kDocumentKeys, "");
    std::vector<std::string> missing_words = default_missing_words();
    if (const Node* words = A::child(document, "missing_words"))
      missing_words = texts(*words, "missing_words");
    const Node* list = A::child(document, "column");
    if (list == nullptr || !A::is_list(*list)) top.refuse("has no list of columns ([[column]])");
    std::vector<ColumnSchema> columns;
    for (std::size_t j = 0; j < A::size(*list); ++j)
      columns.push_back(column(A::item(*list, j), fmt::format("column {}", j + 1)));
    return Schema(std::move(columns), std::move(missing_words), source_);
  }

 private:
  using A = Access<Node>;

  [[nodiscard]] Place place(const Node& node, const std::string& path) const {
    return {A::at(node, source_), path};
  }

  void check_keys(const Node& table, const std::vector<std::string>& known, const std::string& path) const {
    for (const std::string& key : A::keys(table)) {
      if (std::ranges::find(known, key) != known.end()) continue;
      const std::string nearest = nearest_name(key, known.data(), known.size());
      place(*A::child(table, key), path)
          .refuse(fmt::format("unknown key {}{}; known: {}", shown(key),
                              nearest.empty() ? "" : fmt::format(", did you mean \"{}\"?", nearest),
                              fmt::join(known, ", ")));
    }
  }

  std::string text(const Node& node, const std::string& path) const {
    std::optional<std::string> value = A::text(node);
    if (!value) place(node, path).refuse("wanted a text in quotes");
    return *std::move(value);
  }

  std::vector<std::string> texts(const Node& node, const std::string& path) const {
    if (!A::is_list(node)) place(node, path).refuse("wanted a list of texts");
    std::vector<std::string> list;
    for (std::size_t i = 0; i < A::size(node); ++i) list.push_back(text(A::item(node, i), path));
    return list;
  }

  ColumnSchema column(const Node& node, const std::string& path) const {
    if (!A::is_table(node)) place(node, path).refuse("wanted a table");
    check_keys(node, kColumnKeys, path);
    ColumnSchema result;
    const Node* name = A::child(node, "name");
    const Node* kind = A::child(node, "kind");
    if (name == nullptr) place(node, path).refuse("has no name");
    result.name = text(*name, path + ", name");
    if (kind == nullptr) place(node, path).refuse("has no kind");
    const std::string kind_name = text(*kind, path + ", kind");
    const auto* const found = std::ranges::find_if(
        kColumnKindNames, [&](const ColumnKindName& entry) { return kind_name == entry.name; });
    if (found == kColumnKindNames.end()) {
      std::vector<std::string> known;
      for (const ColumnKindName& entry : kColumnKindNames) known.emplace_back(entry.name);
      const std::string nearest = nearest_name(kind_name, known.data(), known.size());
      place(*kind, path + ", kind")
          .refuse(fmt::format("unknown kind {}{}; known: {}", shown(kind_name),
                              nearest.empty() ? "" : fmt::format(", did you mean \"{}\"?", nearest),
                              fmt::join(known, ", ")));
    }
    result.kind = found->kind;
    if (const Node* missing = A::child(node, "missing")) {
      const std::string policy = text(*missing, path + ", missing");
      if (policy != "refuse" && policy != "impute") {
        place(*missing, path + ", missing")
            .refuse(fmt::format("found {}, wanted \"refuse\" or \"impute\"", shown(policy)));
      }
      result.missing = policy == "impute" ? MissingPolicy::impute : MissingPolicy::refuse;
    }
    if (const Node* imputed = A::child(node, "imputed")) {
      const std::optional<double> value = A::number(*imputed);
      if (!value) place(*imputed, path + ", imputed").refuse("wanted a number");
      result.imputed = *value;
    }
    if (const Node* categories = A::child(node, "categories"))
      result.categories = texts(*categories, path + ", categories");
    if (const Node* why = A::child(node, "why")) result.why = text(*why, path + ", why");
    return result;
  }

  std::string source_;
};

}  // namespace

std::string Schema::to_toml() const {
  std::string text = "# What the columns of the table mean; explained in docs/schema.md.\n";
  text += fmt::format("missing_words = {}\n", quoted(missing_words_));
  for (const ColumnSchema& column : columns_) {
    text += fmt::format("\n[[column]]\nname = {}\nkind = \"{}\"\n", quoted(column.name),
                        column_kind_name(column.kind));
    if (!column.categories.empty()) text += fmt::format("categories = {}\n", quoted(column.categories));
    if (column.missing == MissingPolicy::impute) text += "missing = \"impute\"\n";
    if (keeps_imputed(column)) text += fmt::format("imputed = {}\n", column.imputed);
    if (!column.why.empty()) text += fmt::format("why = {}\n", quoted(column.why));
  }
  return text;
}

Schema Schema::from_toml(const std::string& text, const std::string& source) {
  const toml::table document = parse_toml_text(text, source);
  return Reader<toml::node>(source).read(document);
}

std::string Schema::to_json() const {
  Json document;
  document["missing_words"] = missing_words_;
  Json list = Json::array();
  for (const ColumnSchema& column : columns_) {
    Json entry{{"name", column.name}, {"kind", column_kind_name(column.kind)}};
    if (!column.categories.empty()) entry["categories"] = column.categories;
    if (column.missing == MissingPolicy::impute) entry["missing"] = "impute";
    if (keeps_imputed(column)) entry["imputed"] = column.imputed;
    if (!column.why.empty()) entry["why"] = column.why;
    list.push_back(std::move(entry));
  }
  document["column"] = std::move(list);
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Schema Schema::from_json(const std::string& text, const std::string& source) {
  const Json document = Json::parse(text, nullptr, false);
  if (document.is_discarded()) throw InvalidArgument(fmt::format("{}: not valid JSON", source));
  return Reader<Json>(source).read(document);
}

}  // namespace deepsad
