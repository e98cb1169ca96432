// How an option is written for a person, in help and manual alike.
#pragma once

#include <algorithm>
#include <string>

#include "arguments.h"

namespace deepsad::cli {

/// "new_run" as it is shown: "new-run".
[[nodiscard]] inline std::string dashed(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

/// "[default 128; 1 <= x <= 1000000; unit: rows; repeatable]", or "" if there is nothing to say.
[[nodiscard]] inline std::string option_facts(const Option& option) {
  std::string text;
  const auto add = [&text](const std::string& fact) { text += (text.empty() ? "" : "; ") + fact; };
  if (!option.default_text.empty()) add("default " + option.default_text);
  if (!option.range.empty()) add(option.range);
  if (!option.unit.empty()) add("unit: " + option.unit);
  if (option.repeatable) add("repeatable");
  return text.empty() ? "" : "[" + text + "]";
}

}  // namespace deepsad::cli
