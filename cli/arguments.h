// What a command accepts, declared as data; parsing (by CLI11) and --help both come from the declaration.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "deepsad/model/train_options.h"

namespace deepsad::cli {

/// An option. Names are declared with underscores; the command line takes dashes and underscores alike.
struct Option {
  std::string name;                    ///< "new_run", written --new-run or --new_run
  std::vector<std::string> aliases{};  ///< further names
  std::string value{};  ///< what the value stands for in help ("DIR"); "" = a flag, alone or with a word
  std::string help{};
  std::string default_text{};  ///< "" = none
  std::string range{};
  std::string unit{};
  std::string group = "Options";
  std::string short_name{};            ///< "v" for -v
  std::vector<std::string> choices{};  ///< if the value is one of these words
  bool repeatable = false;
};

struct Positional {
  std::string name;  ///< "MODEL"
  std::string help;
  bool required = true;
};

struct Command {
  std::string name;     ///< "train", "data fetch"
  std::string summary;  ///< one line, for the list of commands
  std::string details;  ///< paragraphs below the usage line, or ""
  std::vector<Positional> positionals;
  std::vector<Option> options;
};

/// What was given on a command line.
class Arguments {
 public:
  [[nodiscard]] bool help_wanted() const { return help_wanted_; }
  /// All words given for an option or positional, in order; empty if it was not given.
  [[nodiscard]] const std::vector<std::string>& words(const std::string& name) const;
  [[nodiscard]] bool has(const std::string& name) const { return !words(name).empty(); }
  /// Names of all options and positionals that were given.
  [[nodiscard]] std::vector<std::string> names() const;
  /// The one word given, or `otherwise`.
  [[nodiscard]] std::string text(const std::string& name, const std::string& otherwise = "") const;
  /// Whether a flag is set. @throws InvalidArgument if its word is none of true, yes, ..., false, no.
  [[nodiscard]] bool flag(const std::string& name) const;

 private:
  friend Arguments parse_arguments(const Command&, std::span<const std::string>);
  std::map<std::string, std::vector<std::string>> given_;
  bool help_wanted_ = false;
};

/// @throws InvalidArgument for an unknown option (with the nearest known one), an option without its value or
/// given
///         twice, a missing or surplus argument. Asking for help ends parsing: the rest is not checked.
[[nodiscard]] Arguments parse_arguments(const Command& command, std::span<const std::string> words);

/// The text of `deepsad COMMAND --help`: every option with default, range and unit.
[[nodiscard]] std::string help_text(const Command& command);

/// How an option of a training run appears on the command line.
[[nodiscard]] Option command_line_option(const OptionDeclaration& declaration);
/// The training options among the arguments, as the layer that comes last in merge_options().
[[nodiscard]] OptionLayer command_line_layer(const Arguments& arguments);
/// Only those of these names: for commands whose other options have names that training options have, too.
[[nodiscard]] OptionLayer command_line_layer(const Arguments& arguments, std::span<const char* const> names);
/// A message of the library with the names of training options as the command line spells them: "option lr:
/// ..., give n_epochs ..." becomes "--lr: ..., give --n-epochs ...". Names in quotes, names without an
/// underscore (which are words, too) and names that occur in what the user gave (his files) stay.
/// @param given the words of the command line
[[nodiscard]] std::string in_command_line_spelling(std::string message, std::span<const std::string> given);

}  // namespace deepsad::cli
