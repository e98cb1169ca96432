// For the program deepsad-run: every command is in this program.
#include <array>
#include <string_view>

#include "commands.h"
#include "deepsad/core/error.h"

namespace deepsad::cli {
namespace {

struct Runner {
  std::string_view name;
  int (*run)(const Arguments&, Console&);
};

constexpr std::array kRunners{
    Runner{"baseline semidgm", run_baseline_semidgm},
    Runner{"train", run_train},
    Runner{"baseline ocsvm", run_baseline_ocsvm},
    Runner{"baseline isoforest", run_baseline_isoforest},
    Runner{"baseline kde", run_baseline_kde},
    Runner{"baseline ssad", run_baseline_ssad},
    Runner{"evaluate", run_evaluate},
    Runner{"score", run_score},
    Runner{"inspect", run_inspect},
    Runner{"data list", run_data_list},
    Runner{"data info", run_data_info},
    Runner{"data fetch", run_data_fetch},
    Runner{"version", run_version},
};

}  // namespace

int run_command(const std::string& name, const Arguments& arguments, Console& console, char**) {
  for (const Runner& runner : kRunners) {
    if (runner.name == name) return runner.run(arguments, console);
  }
  throw InvalidArgument("command \"" + name + "\" is declared but cannot be run");
}

}  // namespace deepsad::cli
