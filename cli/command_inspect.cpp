// deepsad inspect: what a model file holds.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "deepsad/model/model.h"
#include "shared_options.h"

namespace deepsad::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kShownEntries = 12;  // of a list of numbers; the rest is counted

bool is_flat(const Json& node) {
  return !node.is_structured() ||
         (node.is_array() &&
          std::none_of(node.begin(), node.end(), [](const Json& e) { return e.is_structured(); }));
}

std::string shown(const Json& node) {
  if (node.is_string()) return node.get<std::string>();
  if (!node.is_array()) return node.dump();
  std::string text;
  for (std::size_t i = 0; i < std::min(node.size(), kShownEntries); ++i)
    text += (i == 0 ? "" : ", ") + shown(node[i]);
  if (node.size() > kShownEntries) text += fmt::format(", ... ({} in all)", node.size());
  return text.empty() ? "-" : text;
}

// Objects become indented blocks; lists of objects one line an entry.
void print_node(std::string& text, const std::string& key, const Json& node, std::size_t depth) {
  const std::string indent(2 * depth, ' ');
  if (is_flat(node)) {
    text += fmt::format("{}{:<{}} {}\n", indent, key, 26 - 2 * std::min<std::size_t>(depth, 8), shown(node));
  } else if (node.is_object()) {
    text += fmt::format("{}{}\n", indent, key);
    for (const auto& [name, child] : node.items()) print_node(text, name, child, depth + 1);
  } else {
    text += fmt::format("{}{} ({})\n", indent, key, node.size());
    for (const Json& entry : node) {
      std::string line;
      if (entry.is_object())
        for (const auto& [name, child] : entry.items())
          line += fmt::format("{}{}: {}", line.empty() ? "" : "; ", name,
                              is_flat(child) ? shown(child) : child.dump());
      else
        line = entry.dump();
      text += fmt::format("{}  {}\n", indent, line);
    }
  }
}

}  // namespace

int run_inspect(const Arguments& arguments, Console& console) {
  const bool as_json = arguments.flag("json");
  const std::string content = Model::load(model_path(arguments)).inspect_json();
  if (as_json) {
    console.print(content + "\n");
    return kDone;
  }
  std::string text;
  const Json document = Json::parse(content);
  for (const auto& [key, node] : document.items()) print_node(text, key, node, 0);
  console.print(text);
  return kDone;
}

}  // namespace deepsad::cli
