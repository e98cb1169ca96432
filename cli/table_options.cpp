#include "table_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "deepsad/core/error.h"
#include "deepsad/core/words.h"
#include "deepsad/model/own_file.h"
#include "option_text.h"

namespace deepsad::cli {
namespace {

constexpr std::array kTextOptions{"separator", "header", "skip_lines"};
constexpr std::array kColumnOptions{"label_column", "label_map",      "truth_column", "truth_map",
                                    "id_column",    "ignore_columns", "missing_words"};

std::vector<Option> declared(std::span<const char* const> names) {
  std::vector<Option> options;
  for (const char* name : names) {
    options.push_back(command_line_option(*find_train_option(name)));
    options.back().group = "Tables in text files";
  }
  return options;
}

}  // namespace

std::vector<Option> text_options() {
  return declared(kTextOptions);
}

std::vector<Option> column_options() {
  return declared(kColumnOptions);
}

TableOptions table_options(const Arguments& arguments) {
  TrainOptions options;  // a carrier: what else it holds has no say
  for (const std::span<const char* const> names :
       {std::span<const char* const>(kTextOptions), {kColumnOptions}})
    apply_layer(options, command_line_layer(arguments, names));
  return row_file_options(options).table;
}

std::vector<std::string> comma_list(const std::string& text, const std::string& option) {
  std::vector<std::string> words = comma_words(text);
  if (std::ranges::find(words, "") != words.end())
    throw InvalidArgument(
        fmt::format("--{}: got \"{}\", wanted words with one comma between two", dashed(option), text));
  return words;
}

}  // namespace deepsad::cli
