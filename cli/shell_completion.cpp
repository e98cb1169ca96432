#include "shell_completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/model/train_run.h"
#include "option_text.h"

namespace deepsad::cli {
namespace {

using Words = std::vector<std::string>;

std::string joined(const Words& words) {
  return fmt::format("{}", fmt::join(words, " "));
}

enum class ValueKind { none, words, file, folder, other };

/// What may stand behind an option.
struct Values {
  ValueKind kind = ValueKind::other;
  Words words = {};
};

Values values_of(const Option& option) {
  if (option.value.empty()) return {.kind = ValueKind::none};
  if (!option.choices.empty()) return {.kind = ValueKind::words, .words = option.choices};
  if (option.range == "true or false") return {.kind = ValueKind::words, .words = {"true", "false"}};
  if (option.name == "dataset") return {.kind = ValueKind::words, .words = data_set_names()};
  if (option.range.find("folder") != std::string::npos) return {.kind = ValueKind::folder};
  if (option.value.find("FILE") != std::string::npos || option.range.find("file") != std::string::npos)
    return {.kind = ValueKind::file};
  return {};
}

/// First words of commands of two words: baseline, data, experiment.
Words groups_of(std::span<const Command> commands) {
  Words groups;
  for (const Command& command : commands) {
    const std::size_t space = command.name.find(' ');
    if (space == std::string::npos) continue;
    const std::string group = command.name.substr(0, space);
    if (std::find(groups.begin(), groups.end(), group) == groups.end()) groups.push_back(group);
  }
  return groups;
}

/// The words that may come next after `prefix` ("" or "data ").
Words next_words(std::span<const Command> commands, const std::string& prefix) {
  Words words;
  for (const Command& command : commands) {
    if (!command.name.starts_with(prefix)) continue;
    const std::string rest = command.name.substr(prefix.size());
    const std::string word = rest.substr(0, rest.find(' '));
    if (std::find(words.begin(), words.end(), word) == words.end()) words.push_back(word);
  }
  return words;
}

/// Every spelling with two dashes that is shown: names and aliases, with dashes.
Words spellings(const Option& option) {
  Words words{"--" + dashed(option.name)};
  for (const std::string& alias : option.aliases) words.push_back("--" + dashed(alias));
  if (!option.short_name.empty()) words.push_back("-" + option.short_name);
  return words;
}

bool takes_data_set(const Command& command) {
  return std::any_of(
      command.positionals.begin(), command.positionals.end(),
      [](const Positional& positional) { return positional.name == "DATASET" || positional.name == "NAME"; });
}

std::string bash_values(const Values& values) {
  switch (values.kind) {
    case ValueKind::words:
      return fmt::format("COMPREPLY=($(compgen -W '{}' -- \"$word\"))", joined(values.words));
    case ValueKind::folder:
      return "compopt -o filenames; COMPREPLY=($(compgen -d -- \"$word\"))";
    case ValueKind::file:
      return "compopt -o filenames; COMPREPLY=($(compgen -f -- \"$word\"))";
    default:
      return "COMPREPLY=()";
  }
}

std::string bash(std::span<const Command> commands) {
  std::string text =
      "# bash completion for deepsad; made by `deepsad completion bash`\n"
      "_deepsad() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} "
      "first=2\n"
      "  COMPREPLY=()\n";
  text +=
      fmt::format("  case $command in {})\n    first=3; command=\"$command ${{COMP_WORDS[2]}}\";;\n  esac\n",
                  fmt::join(groups_of(commands), "|"));
  text += fmt::format(
      "  if ((COMP_CWORD == 1)); then\n    COMPREPLY=($(compgen -W '{} help' -- \"$word\")); return\n  fi\n",
      joined(next_words(commands, "")));
  text += "  if ((COMP_CWORD < first)); then\n    case ${COMP_WORDS[1]} in\n";
  for (const std::string& group : groups_of(commands))
    text += fmt::format("      {}) COMPREPLY=($(compgen -W '{}' -- \"$word\"));;\n", group,
                        joined(next_words(commands, group + " ")));
  text += "    esac\n    return\n  fi\n  case $command in\n";
  for (const Command& command : commands) {
    text += fmt::format("    '{}')\n      case $before in\n", command.name);
    Words all{"--help"};
    for (const Option& option : command.options) {
      const Words names = spellings(option);
      all.insert(all.end(), names.begin(), names.end());
      const Values values = values_of(option);
      if (values.kind != ValueKind::none)
        text += fmt::format("        {}) {}; return;;\n", fmt::join(names, "|"), bash_values(values));
    }
    text += fmt::format(
        "      esac\n      if [[ $word == -* ]]; then\n"
        "        COMPREPLY=($(compgen -W '{}' -- \"$word\"))\n      else\n"
        "        compopt -o filenames; COMPREPLY=($(compgen -f {}-- \"$word\"))\n      fi;;\n",
        joined(all), takes_data_set(command) ? fmt::format("-W '{}' ", joined(data_set_names())) : "");
  }
  return text + "  esac\n}\ncomplete -F _deepsad deepsad\n";
}

// Within single quotes of a zsh _arguments specification.
std::string zsh_quoted(const std::string& text) {
  std::string quoted;
  for (const char c : text) {
    if (c == '\'')
      quoted += "'\\''";
    else if (c == '[' || c == ']' || c == ':' || c == '\\')
      quoted += {'\\', c};
    else
      quoted += c;
  }
  return quoted;
}

std::string zsh_values(const Option& option) {
  const Values values = values_of(option);
  switch (values.kind) {
    case ValueKind::none:
      return "";
    case ValueKind::words:
      return fmt::format(":{}:({})", zsh_quoted(option.value), joined(values.words));
    case ValueKind::folder:
      return fmt::format(":{}:_files -/", zsh_quoted(option.value));
    case ValueKind::file:
      return fmt::format(":{}:_files", zsh_quoted(option.value));
    case ValueKind::other:
      break;
  }
  return fmt::format(":{}: ", zsh_quoted(option.value));
}

std::string zsh(std::span<const Command> commands) {
  std::string text =
      "#compdef deepsad\n# zsh completion for deepsad; made by `deepsad completion zsh`\n"
      "_deepsad() {\n  local command=$words[2]\n  local -i first=3\n";
  text += fmt::format("  case $command in ({})\n    first=4; command=\"$command $words[3]\";;\n  esac\n",
                      fmt::join(groups_of(commands), "|"));
  text += "  if ((CURRENT == 2)); then\n    local -a names=(\n";
  for (const std::string& word : next_words(commands, "")) {
    const auto whole = std::find_if(commands.begin(), commands.end(),
                                    [&](const Command& command) { return command.name == word; });
    text +=
        fmt::format("      '{}{}'\n", word, whole == commands.end() ? "" : ":" + zsh_quoted(whole->summary));
  }
  text +=
      "    )\n    _describe command names; return\n  fi\n  if ((CURRENT < first)); then\n    local -a "
      "names\n";
  text += "    case $words[2] in\n";
  for (const std::string& group : groups_of(commands)) {
    text += fmt::format("      ({}) names=(\n", group);
    for (const Command& command : commands)
      if (command.name.starts_with(group + " "))
        text += fmt::format("        '{}:{}'\n", command.name.substr(group.size() + 1),
                            zsh_quoted(command.summary));
    text += "      );;\n";
  }
  text += "    esac\n    _describe command names; return\n  fi\n";
  text += "  shift $((first - 2)) words; ((CURRENT -= first - 2))\n  case $command in\n";
  for (const Command& command : commands) {
    text += fmt::format("    ('{}') _arguments \\\n      '--help[show the options]' \\\n", command.name);
    for (const Option& option : command.options)
      for (const std::string& name : spellings(option))
        text += fmt::format("      '{}{}[{}]{}' \\\n", option.repeatable ? "*" : "", name,
                            zsh_quoted(option.help), zsh_values(option));
    text +=
        takes_data_set(command)
            ? fmt::format("      '*:argument:_alternative \"sets:data set:({})\" \"files:file:_files\"';;\n",
                          joined(data_set_names()))
            : "      '*:argument:_files';;\n";
  }
  return text + "  esac\n}\n_deepsad \"$@\"\n";
}

std::string fish_quoted(const std::string& text) {
  std::string quoted;
  for (const char c : text) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return "'" + quoted + "'";
}

std::string fish(std::span<const Command> commands) {
  std::string text =
      "# fish completion for deepsad; made by `deepsad completion fish`\n"
      "function __deepsad_is --description 'whether the command line begins with these words'\n"
      "  set -l words (commandline -opc)\n"
      "  test (count $words) -gt (count $argv); or return 1\n"
      "  set -l last (math (count $argv) + 1)\n"
      "  test \"$words[2..$last]\" = \"$argv\"\n"
      "end\n"
      "function __deepsad_next --description 'whether the next word comes right behind these'\n"
      "  set -l words (commandline -opc)\n"
      "  test (count $words) -eq (math (count $argv) + 1); or return 1\n"
      "  test -z \"$argv\"; or test \"$words[2..-1]\" = \"$argv\"\n"
      "end\n"
      "complete -c deepsad -n __deepsad_next -f\n";
  const Words groups = groups_of(commands);
  for (const std::string& group : groups) {
    text += fmt::format("complete -c deepsad -n __deepsad_next -a {}\n", group);
    text += fmt::format("complete -c deepsad -n '__deepsad_next {}' -f\n", group);
  }
  for (const Command& command : commands) {
    const std::size_t space = command.name.find(' ');
    const std::string group = space == std::string::npos ? "" : " " + command.name.substr(0, space);
    text += fmt::format("complete -c deepsad -n '__deepsad_next{}' -a {} -d {}\n", group,
                        space == std::string::npos ? command.name : command.name.substr(space + 1),
                        fish_quoted(command.summary));
    const std::string here = fmt::format("complete -c deepsad -n '__deepsad_is {}'", command.name);
    if (takes_data_set(command))
      text += fmt::format("{} -a '{}' -d 'data set'\n", here, joined(data_set_names()));
    text += here + " -l help -d 'show the options'\n";
    for (const Option& option : command.options) {
      const Values values = values_of(option);
      std::string line = here;
      if (!option.short_name.empty()) line += " -s " + option.short_name;
      line += " -l " + dashed(option.name);
      for (const std::string& alias : option.aliases) line += " -l " + dashed(alias);
      line += " -d " + fish_quoted(option.help);
      switch (values.kind) {
        case ValueKind::none:
          break;
        case ValueKind::words:
          line += fmt::format(" -x -a '{}'", joined(values.words));
          break;
        case ValueKind::folder:
          line += " -x -a '(__fish_complete_directories)'";
          break;
        case ValueKind::file:
          line += " -r -F";
          break;
        case ValueKind::other:
          line += " -x";
      }
      text += line + "\n";
    }
  }
  return text;
}

}  // namespace

std::string shell_completion(const std::string& shell, std::span<const Command> commands) {
  if (shell == "bash") return bash(commands);
  if (shell == "zsh") return zsh(commands);
  if (shell == "fish") return fish(commands);
  throw InvalidArgument(fmt::format("SHELL: got \"{}\", wanted bash, zsh or fish", shell));
}

}  // namespace deepsad::cli
