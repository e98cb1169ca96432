// deepsad version: what this program is and what it computes with.
#include <fmt/format.h>

#include "commands.h"
#include "deepsad/report/system_info.h"

namespace deepsad::cli {

int run_version(const Arguments&, Console& console) {
  const SystemInfo info = system_info();
  std::string available;
  for (const std::string& name : info.available_instruction_sets)
    available += (available.empty() ? "" : ", ") + name;
  console.print(
      fmt::format("deepsad {}\n"
                  "compiler         {}, {} build\n"
                  "instruction set  {} (available: {})\n"
                  "threads          {}\n"
                  "cuda             {}\n",
                  info.version, info.compiler, info.build_type, info.instruction_set, available,
                  info.n_processors, info.cuda ? "yes" : "not in this build"));
  return kDone;
}

}  // namespace deepsad::cli
