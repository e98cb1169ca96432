// TOML text as a document.
#pragma once

#include <fmt/format.h>

#include <toml++/toml.h>
#include <string>

#include "deepsad/core/error.h"

namespace deepsad {

/// @throws InvalidArgument "NAME:LINE:COLUMN: not valid TOML: WHY"
inline toml::table parse_toml_text(const std::string& text, const std::string& name) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    const auto at = error.source().begin;
    throw InvalidArgument(fmt::format("{}:{}:{}: not valid TOML: {}", name, at.line, at.column,
                                      std::string(error.description())));
  }
}

}  // namespace deepsad
