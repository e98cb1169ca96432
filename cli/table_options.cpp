#include "table_options.h"

#include <fmt/format.h>

#include "deepsad/core/error.h"
#include "deepsad/data/delimited.h"
#include "option_text.h"

namespace deepsad::cli {
namespace {

constexpr const char* kGroup = "Tables in text files";

// An error of the library with the option in front.
template <class Read>
auto of_option(const char* name, Read&& read) {
  try {
    return read();
  } catch (const InvalidArgument& error) {
    throw InvalidArgument(fmt::format("--{}: {}", dashed(name), error.what()));
  }
}

}  // namespace

std::vector<Option> text_options() {
  return {{.name = "separator",
           .value = "NAME",
           .help = "what stands between two cells",
           .default_text = "detected",
           .range = "comma, semicolon, tab, bar, space, or the character itself",
           .group = kGroup},
          {.name = "header",
           .value = "BOOL",
           .help = "whether the first record holds the names of the columns",
           .default_text = "detected",
           .range = "true or false",
           .group = kGroup},
          {.name = "skip_lines",
           .value = "N",
           .help = "lines before the table",
           .default_text = "0",
           .range = ">= 0",
           .unit = "lines",
           .group = kGroup}};
}

std::vector<Option> column_options() {
  return {{.name = "label_column",
           .value = "COLUMN",
           .help = "what the training may know of a row: normal, anomaly, or nothing",
           .default_text = "none",
           .range = "a name, or a position from 1",
           .group = kGroup},
          {.name = "label_map",
           .value = "MAP",
           .help = "what the words of the label column mean: fraud=anomaly,ok=normal,=unlabeled",
           .default_text = "words such as normal, ok, anomaly, fraud; numbers always need a map",
           .range = "WORD=normal, WORD=anomaly or WORD=unlabeled, separated by commas",
           .group = kGroup},
          {.name = "truth_column",
           .value = "COLUMN",
           .help = "true labels, for evaluation only",
           .default_text = "none",
           .range = "a name, or a position from 1",
           .group = kGroup},
          {.name = "truth_map",
           .value = "MAP",
           .help = "what the words of the column of true labels mean",
           .default_text = "as --label-map",
           .range = "as --label-map",
           .group = kGroup},
          {.name = "id_column",
           .value = "COLUMN",
           .help = "names of the rows",
           .default_text = "none",
           .range = "a name, or a position from 1",
           .group = kGroup},
          {.name = "ignore_columns",
           .value = "LIST",
           .help = "columns that are no features",
           .default_text = "none",
           .range = "names or positions, separated by commas",
           .group = kGroup},
          {.name = "missing_words",
           .value = "LIST",
           .help = "texts that stand for a missing value, besides the empty cell",
           .default_text = "NA,N/A,#N/A,NaN,null,<NA>,?",
           .range = "words, separated by commas",
           .group = kGroup}};
}

TableOptions table_options(const Arguments& arguments) {
  TableOptions table;
  if (arguments.has("separator"))
    table.separator =
        of_option("separator", [&] { return separator_from_name(arguments.text("separator")); });
  if (arguments.has("header")) table.header = arguments.flag("header");
  if (arguments.has("skip_lines")) {
    const auto n = parse_number(arguments.text("skip_lines"));
    if (!n || *n < 0 || *n != static_cast<double>(static_cast<std::size_t>(*n)))
      throw InvalidArgument(fmt::format("--skip-lines: got \"{}\", wanted a whole number from 0",
                                        arguments.text("skip_lines")));
    table.skip_lines = static_cast<std::size_t>(*n);
  }
  table.label_column = arguments.text("label_column");
  table.truth_column = arguments.text("truth_column");
  table.id_column = arguments.text("id_column");
  if (arguments.has("label_map"))
    table.label_map = of_option("label_map", [&] { return LabelMap::parse(arguments.text("label_map")); });
  table.truth_map = table.label_map;
  if (arguments.has("truth_map"))
    table.truth_map = of_option("truth_map", [&] { return LabelMap::parse(arguments.text("truth_map")); });
  if (arguments.has("ignore_columns"))
    table.ignore_columns = comma_list(arguments.text("ignore_columns"), "ignore_columns");
  if (arguments.has("missing_words"))
    table.missing_words = comma_list(arguments.text("missing_words"), "missing_words");
  return table;
}

std::vector<std::string> comma_list(const std::string& text, const std::string& option) {
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::string word = text.substr(begin, end - begin);
    word.erase(0, word.find_first_not_of(" \t"));
    word.erase(word.find_last_not_of(" \t") + 1);
    if (word.empty())
      throw InvalidArgument(
          fmt::format("--{}: got \"{}\", wanted words with one comma between two", dashed(option), text));
    words.push_back(word);
    begin = end + 1;
  }
  return words;
}

}  // namespace deepsad::cli
