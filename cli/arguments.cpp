#include "arguments.h"

#include "option_text.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstring>

#include "deepsad/core/error.h"

namespace deepsad::cli {
namespace {

std::vector<std::string> all_names(const Option& option) {
  std::vector<std::string> names{option.name};
  names.insert(names.end(), option.aliases.begin(), option.aliases.end());
  return names;
}

// "--new-run,--new_run,-n": every spelling, as CLI11 wants them.
std::string spellings(const Option& option) {
  std::string list;
  for (const std::string& name : all_names(option)) {
    list += fmt::format("--{},", name);
    if (dashed(name) != name) list += fmt::format("--{},", dashed(name));
  }
  if (!option.short_name.empty()) list += "-" + option.short_name + ",";
  list.pop_back();
  return list;
}

bool is_boolean_word(const std::string& word) {
  try {
    static_cast<void>(parse_option_value(*find_train_option("strict"), {word}));
    return true;
  } catch (const InvalidArgument&) {
    return false;
  }
}

// Two rules that CLI11 does not have, written out before it sees the words: a flag stands alone or takes the
// next word if that is true, no, ...; and "--name=" gives the empty value instead of swallowing the next
// word.
std::vector<std::string> normalised(const Command& command, std::span<const std::string> words) {
  std::vector<std::string> result;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") {
      result.insert(result.end(), words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
      break;
    }
    const std::size_t equals = word.starts_with("--") ? word.find('=') : std::string::npos;
    const std::string name = word.substr(0, equals);
    const auto option =
        std::find_if(command.options.begin(), command.options.end(), [&](const Option& candidate) {
          if (!candidate.short_name.empty() && name == "-" + candidate.short_name) return true;
          const auto names = all_names(candidate);
          return std::any_of(names.begin(), names.end(), [&](const std::string& n) {
            return name == "--" + n || name == "--" + dashed(n);
          });
        });
    result.push_back(name);
    if (equals != std::string::npos) {
      result.push_back(word.substr(equals + 1));
    } else if (option != command.options.end()) {
      const bool has_next = i + 1 < words.size();
      if (!option->value.empty()) {
        if (!has_next) throw InvalidArgument(fmt::format("{} needs a value ({})", name, option->value));
        result.push_back(words[++i]);
      } else {
        result.push_back(has_next && is_boolean_word(words[i + 1]) ? words[++i] : "true");
      }
    }
  }
  return result;
}

[[noreturn]] void unknown_option(const Command& command, const std::string& given) {
  std::vector<std::string> known{"--help"};
  for (const Option& option : command.options)
    for (const std::string& name : all_names(option)) known.push_back("--" + dashed(name));
  const std::string near = nearest_name(dashed(given), known.data(), known.size());
  throw InvalidArgument(
      fmt::format("unknown option {}; {}", given,
                  near.empty() ? fmt::format("`deepsad {} --help` lists the known ones", command.name)
                               : "did you mean " + near + "?"));
}

}  // namespace

const std::vector<std::string>& Arguments::words(const std::string& name) const {
  static const std::vector<std::string> none;
  const auto entry = given_.find(name);
  return entry == given_.end() ? none : entry->second;
}

std::vector<std::string> Arguments::names() const {
  std::vector<std::string> names;
  for (const auto& [name, words] : given_)
    if (!words.empty()) names.push_back(name);
  return names;
}

std::string Arguments::text(const std::string& name, const std::string& otherwise) const {
  return has(name) ? words(name).front() : otherwise;
}

bool Arguments::flag(const std::string& name) const {
  if (!has(name)) return false;
  try {
    return std::get<bool>(parse_option_value(*find_train_option("strict"), words(name)));
  } catch (const InvalidArgument& error) {
    throw InvalidArgument(fmt::format("--{}: {}", dashed(name), error.what()));
  }
}

// One CLI::App a command, never its subcommands: there, a folder called "data" would be taken for the command
// `data`.
Arguments parse_arguments(const Command& command, std::span<const std::string> words) {
  Arguments arguments;
  for (const std::string& word : words) {
    if (word == "--") break;
    if (word == "--help" || word == "-h") {
      arguments.help_wanted_ = true;
      return arguments;
    }
  }
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  std::map<std::string, CLI::Option*> options;
  for (const Option& option : command.options)
    options[option.name] = app.add_option(spellings(option))
                               ->expected(1, CLI::detail::expected_max_vector_size)
                               ->allow_extra_args(false)
                               ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  for (const Positional& positional : command.positionals)
    options[positional.name] = app.add_option(positional.name);

  std::vector<std::string> reversed = normalised(command, words);
  std::reverse(reversed.begin(), reversed.end());
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    throw InvalidArgument(error.what());
  }
  const std::vector<std::string> surplus = app.remaining();
  for (const std::string& word : surplus)
    if (word.size() > 1 && word[0] == '-') unknown_option(command, word);
  if (!surplus.empty())
    throw InvalidArgument(fmt::format("unexpected argument \"{}\"; usage: see `deepsad {} --help`",
                                      surplus.front(), command.name));

  for (const auto& [name, option] : options)
    if (option->count() > 0) arguments.given_[name] = option->results();
  for (const Option& option : command.options) {
    const auto& given = arguments.words(option.name);
    if (given.size() > 1 && !option.repeatable)
      throw InvalidArgument(fmt::format("--{} is given {} times (\"{}\", then \"{}\"), wanted once",
                                        dashed(option.name), given.size(), given[0], given[1]));
  }
  for (const Positional& positional : command.positionals)
    if (positional.required && !arguments.has(positional.name))
      throw InvalidArgument(fmt::format("{} is missing ({}); usage: see `deepsad {} --help`", positional.name,
                                        positional.help, command.name));
  return arguments;
}

Option command_line_option(const OptionDeclaration& declaration) {
  Option option{.name = declaration.name,
                .aliases = declaration.aliases,
                .help = declaration.help,
                .default_text = declaration.default_text,
                .range = declaration.range,
                .unit = declaration.unit,
                .group = declaration.group,
                .choices = declaration.choices};
  switch (declaration.type) {
    case OptionType::boolean:
      // One that is on by default can only be switched off, so it asks for its word.
      option.value = declaration.default_text == "true" ? "BOOL" : "";
      break;
    case OptionType::integer:
      option.value = "N";
      break;
    case OptionType::real:
      option.value = "X";
      break;
    case OptionType::text:
      option.value = declaration.range == "a folder" ? "DIR" : "NAME";
      break;
    case OptionType::integer_list:
      option.value = "N,N,...";
      option.repeatable = true;
      break;
  }
  return option;
}

OptionLayer command_line_layer(const Arguments& arguments) {
  std::vector<const char*> names;
  for (const OptionDeclaration& option : train_option_declarations()) names.push_back(option.name.c_str());
  return command_line_layer(arguments, names);
}

OptionLayer command_line_layer(const Arguments& arguments, std::span<const char* const> names) {
  OptionLayer layer;
  for (const char* name : names) {
    const OptionDeclaration& option = *find_train_option(name);
    if (!arguments.has(option.name)) continue;
    const std::string place = "--" + dashed(option.name);
    try {
      layer.push_back({&option, parse_option_value(option, arguments.words(option.name)), place});
    } catch (const InvalidArgument& error) {
      throw InvalidArgument(fmt::format("{}: {}", place, error.what()));
    }
  }
  return layer;
}

std::string in_command_line_spelling(std::string message, std::span<const std::string> given) {
  const auto in_name = [](char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const auto is_the_users = [&](const std::string& name) {
    return std::any_of(given.begin(), given.end(), [&](const std::string& word) {
      return !word.starts_with("--") && word.find(name) != std::string::npos;
    });
  };
  for (const char* place : {"option ", "options "}) {
    if (!message.starts_with(place)) continue;
    message.erase(0, std::strlen(place));
    const std::string name = message.substr(0, message.find_first_of(": "));
    if (name.find('_') == std::string::npos) message.insert(0, "--");
  }
  std::string result;
  bool quoted = false;
  for (std::size_t at = 0; at < message.size();) {
    std::size_t end = at;
    while (end < message.size() && in_name(message[end])) ++end;
    if (end == at) {
      quoted = quoted != (message[at] == '"');
      result += message[at++];
      continue;
    }
    const std::string word = message.substr(at, end - at);
    const bool is_option = !quoted && word.find('_') != std::string::npos &&
                           find_train_option(word) != nullptr && !is_the_users(word);
    result += is_option ? "--" + dashed(word) : word;
    at = end;
  }
  return result;
}

}  // namespace deepsad::cli
