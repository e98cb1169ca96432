// The manual page deepsad(1), made from the declarations of the commands.
#include <fmt/format.h>

#include <algorithm>

#include "deepsad/core/version.h"
#include "exit_codes.h"
#include "option_text.h"
#include "shell_completion.h"

namespace deepsad::cli {
namespace {

// Plain text in roff: no line begins with a control character, dashes can be searched for and copied.
std::string roff(const std::string& text) {
  std::string result;
  bool at_start = true;
  for (const char c : text) {
    if (at_start && (c == '.' || c == '\'')) result += "\\&";
    if (c == '\\')
      result += "\\e";
    else if (c == '-')
      result += "\\-";
    else
      result += c;
    at_start = c == '\n';
  }
  return result;
}

std::string option_entry(const Option& option) {
  std::string names;
  const auto add = [&](const std::string& name) {
    names += (names.empty() ? "\\fB" : ", \\fB") + roff(name) + "\\fR";
  };
  if (!option.short_name.empty()) add("-" + option.short_name);
  add("--" + dashed(option.name));
  for (const std::string& alias : option.aliases) add("--" + dashed(alias));
  if (!option.value.empty()) names += " \\fI" + roff(option.value) + "\\fR";
  const std::string facts = option_facts(option);
  return fmt::format(".TP\n{}\n{}{}\n", names, roff(option.help), facts.empty() ? "" : "\n" + roff(facts));
}

std::string command_section(const Command& command) {
  std::string text = fmt::format(".SS deepsad {}", roff(command.name));
  for (const Positional& positional : command.positionals)
    text += positional.required ? " " + roff(positional.name) : " [" + roff(positional.name) + "]";
  text += fmt::format(" [options]\n{}\n", roff(command.summary));
  if (!command.details.empty()) text += fmt::format(".PP\n.nf\n{}\n.fi\n", roff(command.details));
  for (const Positional& positional : command.positionals)
    text += fmt::format(".TP\n\\fI{}\\fR\n{}\n", roff(positional.name), roff(positional.help));
  for (const Option& option : command.options) text += option_entry(option);
  return text;
}

}  // namespace

std::string manual_page(std::span<const Command> commands) {
  std::string text = fmt::format(
      ".TH DEEPSAD 1 \"\" \"deepsad {}\" \"User Commands\"\n"
      ".SH NAME\ndeepsad \\- deep semi\\-supervised anomaly detection\n"
      ".SH SYNOPSIS\n.B deepsad\n.I COMMAND\n[arguments] [options]\n"
      ".SH DESCRIPTION\n"
      "Learns from many unlabelled samples and a few that are known to be normal or anomalous, and gives "
      "every "
      "sample a score: the larger, the more anomalous. Names of options may be written with underscores for "
      "dashes.\n.SH COMMANDS\n",
      version());
  // Of commands that share all their options, as the baselines do, each still has its own section: a manual
  // is searched, not read.
  for (const Command& command : commands) text += command_section(command);
  text += ".SH EXIT STATUS\n";
  for (const ExitCodeMeaning& code : kExitCodes)
    text += fmt::format(".TP\n{}\n{}\n", static_cast<int>(code.code), roff(code.meaning));
  return text +
         ".SH ENVIRONMENT\n"
         ".TP\nDEEPSAD_DATA_DIR\nfolder in which the named data sets lie, if \\-\\-data\\-dir is not given\n"
         ".TP\nDEEPSAD_FORCE_ISA\nscalar, avx2 or avx512 in place of the best instruction set\n"
         ".SH SEE ALSO\nRuff et al., Deep Semi\\-Supervised Anomaly Detection, ICLR 2020.\n";
}

}  // namespace deepsad::cli
