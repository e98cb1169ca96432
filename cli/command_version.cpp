// deepsad version: what this program is and what it computes with.
#include <fmt/format.h>

#include "commands.h"
#include "deepsad/report/system_info.h"

namespace deepsad::cli {
namespace {

std::string names_and_versions(const std::vector<LibraryVersion>& libraries) {
  std::string text;
  for (const LibraryVersion& library : libraries)
    if (library.problem.empty())
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", library.name, library.version);
  return text.empty() ? "none" : text;
}

}  // namespace

int run_version(const Arguments&, Console& console) {
  const SystemInfo info = system_info();
  const std::vector<LibraryVersion> on_use = libraries_loaded_on_use();
  std::string available;
  for (const std::string& name : info.available_instruction_sets)
    available += (available.empty() ? "" : ", ") + name;
  console.print(
      fmt::format("deepsad {}\n"
                  "compiler         {}, {} build\n"
                  "instruction set  {} (available: {})\n"
                  "threads          {}\n"
                  "cuda             {}\n"
                  "libraries        {}\n"
                  "loaded on use    {}\n",
                  info.version, info.compiler, info.build_type, info.instruction_set, available,
                  info.n_processors, info.cuda ? "yes" : "not in this build",
                  names_and_versions(linked_libraries()), names_and_versions(on_use)));
  for (const LibraryVersion& library : on_use)
    if (!library.problem.empty()) console.print(fmt::format("missing          {}\n", library.problem));
  return kDone;
}

}  // namespace deepsad::cli
