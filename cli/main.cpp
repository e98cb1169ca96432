// deepsad: chooses the command, runs it, and turns every failure into a message and an exit code.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <exception>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "commands.h"
#include "deepsad/core/error.h"

namespace deepsad::cli {
namespace {

struct CommandEntry {
  const char* name;
  Command (*declare)();
  int (*run)(const Arguments&, Console&);
};

constexpr std::array kCommands{
    CommandEntry{"train", declare_train, run_train},
    CommandEntry{"baseline ocsvm", declare_baseline_ocsvm, run_baseline_ocsvm},
    CommandEntry{"baseline isoforest", declare_baseline_isoforest, run_baseline_isoforest},
    CommandEntry{"baseline kde", declare_baseline_kde, run_baseline_kde},
    CommandEntry{"baseline ssad", declare_baseline_ssad, run_baseline_ssad},
    CommandEntry{"baseline semidgm", declare_baseline_semidgm, run_baseline_semidgm},
    CommandEntry{"evaluate", declare_evaluate, run_evaluate},
    CommandEntry{"score", declare_score, run_score},
    CommandEntry{"threshold", declare_threshold, run_threshold},
    CommandEntry{"explain", declare_explain, run_explain},
    CommandEntry{"doctor", declare_doctor, run_doctor},
    CommandEntry{"inspect", declare_inspect, run_inspect},
    CommandEntry{"export", declare_export, run_export},
    CommandEntry{"import", declare_import, run_import},
    CommandEntry{"experiment run", declare_experiment_run, run_experiment_run},
    CommandEntry{"experiment list", declare_experiment_list, run_experiment_list},
    CommandEntry{"experiment status", declare_experiment_status, run_experiment_status},
    CommandEntry{"experiment report", declare_experiment_report, run_experiment_report},
    CommandEntry{"data list", declare_data_list, run_data_list},
    CommandEntry{"data info", declare_data_info, run_data_info},
    CommandEntry{"data fetch", declare_data_fetch, run_data_fetch},
    CommandEntry{"data check", declare_data_check, run_data_check},
    CommandEntry{"version", declare_version, run_version},
    CommandEntry{"completion", declare_completion, run_completion},
    CommandEntry{"manual", declare_manual, run_manual},
};

// Commands whose names begin with `prefix` ("" = all), one a line.
std::string command_list(const std::string& prefix) {
  std::string text = fmt::format(
      "usage: deepsad {}COMMAND [arguments] [options]\n\nDeep semi-supervised anomaly "
      "detection.\n\nCommands:\n",
      prefix);
  std::size_t width = 0;
  for (const CommandEntry& entry : kCommands)
    if (std::string_view(entry.name).starts_with(prefix))
      width = std::max(width, std::string_view(entry.name).size());
  for (const CommandEntry& entry : kCommands)
    if (std::string_view(entry.name).starts_with(prefix))
      text += fmt::format("  {:<{}}  {}\n", entry.name, width, entry.declare().summary);
  text +=
      "\n`deepsad COMMAND --help` shows a command's arguments and options with defaults, units and ranges.\n"
      "Exit codes:\n";
  for (const ExitCodeMeaning& code : kExitCodes)
    text += fmt::format("  {:>3}  {}\n", static_cast<int>(code.code), code.meaning);
  return text;
}

[[noreturn]] void unknown_command(const std::string& prefix, const std::string& word) {
  std::vector<std::string> known{"help"};
  for (const CommandEntry& entry : kCommands) {
    const std::string name = entry.name;
    if (name.starts_with(prefix))
      known.push_back(name.substr(prefix.size(), name.find(' ', prefix.size()) - prefix.size()));
  }
  const std::string near = nearest_name(word, known.data(), known.size());
  throw InvalidArgument(fmt::format("unknown command \"{}{}\"; {}", prefix, word,
                                    near.empty() ? "`deepsad --help` lists the commands"
                                                 : fmt::format("did you mean \"{}{}\"?", prefix, near)));
}

// Whether the word is the first of commands of two words, as "data" is.
bool is_group(const std::string& word) {
  return std::any_of(kCommands.begin(), kCommands.end(),
                     [&](const CommandEntry& e) { return std::string(e.name).starts_with(word + " "); });
}

bool asks_for_help(const std::string& word) {
  return word == "--help" || word == "-h" || word == "help";
}

int dispatch(std::vector<std::string> words, Console& console) {
  if (words.size() > 1 && words[0] == "help") {  // `deepsad help train` is `deepsad train --help`
    words.erase(words.begin());
    words.push_back("--help");
  }
  std::string prefix;
  if (!words.empty() && is_group(words[0])) prefix = words[0] + " ";
  const std::span<const std::string> rest = std::span(words).subspan(prefix.empty() ? 0 : 1);
  if (rest.empty()) {
    console.say(command_list(prefix));
    return kUsage;
  }
  if (asks_for_help(rest[0])) {
    console.print(command_list(prefix));
    return kDone;
  }
  const std::string name = prefix + (rest[0] == "--version" ? "version" : rest[0]);
  const auto entry =
      std::find_if(kCommands.begin(), kCommands.end(), [&](const CommandEntry& e) { return name == e.name; });
  if (entry == kCommands.end()) unknown_command(prefix, rest[0]);
  const Command command = entry->declare();
  const Arguments arguments = parse_arguments(command, rest.subspan(1));
  if (arguments.help_wanted()) {
    console.print(help_text(command));
    return kDone;
  }
  return entry->run(arguments, console);
}

int run(std::vector<std::string> words, Console& console) {
  const auto error = [&console](const std::string& text) { console.say("deepsad: error: " + text); };
  try {
    const int code = dispatch(words, console);
    console.flush();
    return code;
  } catch (const BrokenPipe&) {
    return kDone;  // whoever read our output has had enough
  } catch (const Interrupted& e) {
    console.say(fmt::format("deepsad: interrupted: {}", e.what()));
    return kInterrupted;
  } catch (const InvalidArgument& e) {
    // An experiment's options are keys of its file.
    error(words[0] == "experiment" ? e.what() : in_command_line_spelling(e.what(), words));
    return kUsage;
  } catch (const DataError& e) {
    error(e.what());
    return kBadData;
  } catch (const ModelError& e) {
    error(e.what());
    return kBadModel;
  } catch (const Error& e) {
    error(e.what());
  } catch (const std::bad_alloc&) {
    error("out of memory");
  } catch (const std::exception& e) {
    error(e.what());
  }
  return kFailure;
}

// A program started with a closed standard stream would get that number for the first file it opens, and
// results meant for the screen would land in it. A placeholder that cannot be used that way makes such writes
// fail instead.
void occupy_closed_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(stream, F_GETFD) == -1)
      static_cast<void>(open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY));
}

}  // namespace

std::vector<Command> declared_commands() {
  std::vector<Command> commands;
  for (const CommandEntry& entry : kCommands) {
    commands.push_back(entry.declare());
    commands.back().name = entry.name;
  }
  return commands;
}

}  // namespace deepsad::cli

int main(int argc, char** argv) {
  deepsad::cli::occupy_closed_streams();
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of the write, handled there
  try {
    deepsad::cli::Console console;
    return deepsad::cli::run({argv + std::min(argc, 1), argv + argc}, console);
  } catch (...) {
    return deepsad::cli::kFailure;
  }
}
