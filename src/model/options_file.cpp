#include "deepsad/model/options_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "core/toml_text.h"
#include "deepsad/core/error.h"

namespace deepsad {
namespace {

using Json = nlohmann::ordered_json;

// A config holds some forty short lines; a file beyond this is something else, for instance a data file.
constexpr std::size_t kMaxConfigBytes = 1 << 20;

// Keys of the reference's config files that say where a run was written or read from, not how it is trained.
bool is_passed_over(const std::string& key) {
  return key == "xp_path" || key == "load_config";
}

std::string unknown_key(const std::string& place, const std::string& key) {
  std::vector<std::string> known;
  for (const OptionDeclaration& option : train_option_declarations()) {
    known.push_back(option.name);
    known.insert(known.end(), option.aliases.begin(), option.aliases.end());
  }
  const std::string near = nearest_name(key, known.data(), known.size());
  return fmt::format(
      "{}: unknown key \"{}\"; {}", place, key,
      near.empty() ? "`deepsad train --help` lists the known ones" : "did you mean \"" + near + "\"?");
}

// What both formats share once a value is in hand. `place` is "FILE" or "FILE:LINE".
void add(OptionLayer& layer, const std::string& place, const std::string& key, OptionValue value) {
  if (is_passed_over(key)) return;
  if (key == "out" || key == "new_run")
    throw InvalidArgument(fmt::format(
        "{}: key \"{}\": where a run is written is said on the command line (--out, --new-run)", place, key));
  if (key == "load_model") {
    if (std::holds_alternative<std::monostate>(value)) return;
    throw InvalidArgument(
        fmt::format("{}: key \"load_model\": training always starts anew; use `deepsad evaluate MODEL` for a "
                    "stored model",
                    place));
  }
  // Config keys are spelled with underscores, so that a file has one spelling for one option.
  const OptionDeclaration* option = key.find('-') == std::string::npos ? find_train_option(key) : nullptr;
  if (option == nullptr) throw InvalidArgument(unknown_key(place, key));
  for (const OptionAssignment& earlier : layer)
    if (earlier.option == option)
      throw InvalidArgument(
          fmt::format("{}: key \"{}\" is given twice (first as {})", place, key, earlier.place));
  layer.push_back({option, std::move(value), fmt::format("{}: key \"{}\"", place, key)});
}

std::string wrong_kind(const std::string& place, const std::string& key, const std::string& kind) {
  return fmt::format("{}: key \"{}\": got {}, wanted a number, text, true, false or a list of whole numbers",
                     place, key, kind);
}

OptionLayer parse_json(const std::string& text, const std::string& name) {
  // The parser keeps the last of two equal keys; the callback sees both.
  std::set<std::string> seen;
  const auto refuse_duplicates = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth == 1 && event == Json::parse_event_t::key && !seen.insert(parsed.get<std::string>()).second)
      throw InvalidArgument(fmt::format("{}: key \"{}\" is given twice", name, parsed.get<std::string>()));
    return true;
  };
  Json document;
  try {
    document = Json::parse(text, refuse_duplicates);
  } catch (const Json::exception& error) {
    throw InvalidArgument(fmt::format("{}: not valid JSON: {}", name, error.what()));
  }
  OptionLayer layer;
  for (const auto& [key, node] : document.items()) {
    OptionValue value;
    if (node.is_null()) {
      value = std::monostate{};
    } else if (node.is_boolean()) {
      value = node.get<bool>();
    } else if (node.is_number_unsigned() &&
               node.get<std::uint64_t>() >
                   static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      value = node.get<double>();  // beyond every range, and refused there
    } else if (node.is_number_integer()) {
      value = node.get<std::int64_t>();
    } else if (node.is_number()) {
      value = node.get<double>();
    } else if (node.is_string()) {
      value = node.get<std::string>();
    } else if (node.is_array()) {
      std::vector<std::int64_t> list;
      for (const auto& entry : node) {
        if (!entry.is_number_integer())
          throw InvalidArgument(wrong_kind(name, key, "a list with " + entry.dump()));
        list.push_back(entry.get<std::int64_t>());
      }
      value = std::move(list);
    } else {
      throw InvalidArgument(wrong_kind(name, key, "an object"));
    }
    add(layer, name, key, std::move(value));
  }
  return layer;
}

OptionLayer parse_toml(const std::string& text, const std::string& name) {
  const toml::table document = parse_toml_text(text, name);
  OptionLayer layer;
  for (auto&& [toml_key, node] : document) {
    const std::string key(toml_key.str());
    const std::string place = fmt::format("{}:{}", name, toml_key.source().begin.line);
    OptionValue value;
    if (const auto* boolean = node.as_boolean()) {
      value = boolean->get();
    } else if (const auto* integer = node.as_integer()) {
      value = integer->get();
    } else if (const auto* real = node.as_floating_point()) {
      value = real->get();
    } else if (const auto* string = node.as_string()) {
      value = string->get();
    } else if (const auto* array = node.as_array()) {
      std::vector<std::int64_t> list;
      for (const auto& entry : *array) {
        if (!entry.is_integer())
          throw InvalidArgument(wrong_kind(place, key, "a list with something else in it"));
        list.push_back(entry.as_integer()->get());
      }
      value = std::move(list);
    } else {
      throw InvalidArgument(
          node.is_table() ? fmt::format("{}: unknown table [{}]; all keys stand at top level", place, key)
                          : wrong_kind(place, key, "a date or time"));
    }
    add(layer, place, key, std::move(value));
  }
  return layer;
}

}  // namespace

OptionLayer parse_options_text(const std::string& text, const std::string& name) {
  const std::size_t first = text.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  if (first != std::string::npos && text[first] == '{') return parse_json(text, name);
  return parse_toml(text, name);
}

OptionLayer read_options_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    throw InvalidArgument(fmt::format("{}: cannot open the config file: {}", path, std::strerror(errno)));
  std::string text(kMaxConfigBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || file.gcount() == 0)
    throw InvalidArgument(fmt::format("{}: the config file is empty or cannot be read", path));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxConfigBytes)
    throw InvalidArgument(
        fmt::format("{}: larger than {} bytes, so not a config file", path, kMaxConfigBytes));
  return parse_options_text(text, path);
}

std::string options_to_json(const TrainOptions& options) {
  Json document = Json::object();
  for (const OptionDeclaration& option : train_option_declarations())
    std::visit(
        [&](const auto& value) {
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::monostate>)
            document[option.name] = nullptr;
          else
            document[option.name] = value;
        },
        option.get(options));
  return document.dump(2) + "\n";
}

}  // namespace deepsad
