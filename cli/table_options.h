// How commands are told about tables in text files.
#pragma once

#include <string>
#include <vector>

#include "arguments.h"
#include "deepsad/data/table_file.h"

namespace deepsad::cli {

/// --separator, --header, --skip-lines: how the text is written. Declared as training options.
[[nodiscard]] std::vector<Option> text_options();
/// --label-column, --label-map, --truth-column, --truth-map, --id-column, --ignore-columns,
/// --missing-words: what its columns are. Declared as training options.
[[nodiscard]] std::vector<Option> column_options();
/// The values of both. @throws InvalidArgument naming the option, what was given and what was wanted
[[nodiscard]] TableOptions table_options(const Arguments& arguments);

/// The words between the commas, spaces around them apart. @throws InvalidArgument if one is empty
[[nodiscard]] std::vector<std::string> comma_list(const std::string& text, const std::string& option);

}  // namespace deepsad::cli
