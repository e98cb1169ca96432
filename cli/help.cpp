#include <fmt/format.h>

#include <algorithm>

#include "arguments.h"
#include "option_text.h"

namespace deepsad::cli {
namespace {

constexpr std::size_t kWidth = 100;
constexpr std::size_t kColumn = 34;  // where the descriptions begin

// Words of `text`, wrapped to the width, continued in the given column.
std::string wrapped(const std::string& text, std::size_t column, std::size_t at) {
  std::string result;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    if (at > column && at + 1 + word.size() > kWidth) {
      result += "\n" + std::string(column, ' ');
      at = column;
    } else if (at > column) {
      result += ' ';
      ++at;
    }
    result += word;
    at += word.size();
    begin = end + 1;
  }
  return result;
}

std::string entry(const std::string& left, const std::string& text) {
  std::string line = "  " + left;
  if (line.size() + 2 > kColumn)
    line += "\n" + std::string(kColumn, ' ');
  else
    line += std::string(kColumn - line.size(), ' ');
  return line + wrapped(text, kColumn, kColumn) + "\n";
}

}  // namespace

std::string help_text(const Command& command) {
  std::string text = "usage: deepsad " + command.name;
  for (const Positional& positional : command.positionals)
    text += positional.required ? " " + positional.name : " [" + positional.name + "]";
  text += " [options]\n\n" + wrapped(command.summary, 0, 0) + "\n";
  if (!command.details.empty()) text += "\n" + command.details + "\n";
  if (!command.positionals.empty()) {
    text += "\nArguments:\n";
    for (const Positional& positional : command.positionals) text += entry(positional.name, positional.help);
  }
  std::vector<std::string> groups;
  for (const Option& option : command.options)
    if (std::find(groups.begin(), groups.end(), option.group) == groups.end()) groups.push_back(option.group);
  for (const std::string& group : groups) {
    text += "\n" + group + ":\n";
    for (const Option& option : command.options) {
      if (option.group != group) continue;
      std::string left =
          (option.short_name.empty() ? "" : "-" + option.short_name + ", ") + "--" + dashed(option.name);
      for (const std::string& alias : option.aliases) left += ", --" + dashed(alias);
      if (!option.value.empty()) left += " " + option.value;
      text += entry(left, option.help) + std::string(kColumn, ' ') +
              wrapped(option_facts(option), kColumn, kColumn) + "\n";
    }
  }
  return text + "\nNames may be written with underscores for dashes. -h or --help prints this text.\n";
}

}  // namespace deepsad::cli
