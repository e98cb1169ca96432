// For the program deepsad: commands that compute are handed to deepsad-run.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "commands.h"
#include "deepsad/core/error.h"

namespace deepsad::cli {
namespace {

// Beside this program (a build folder), or where the installation puts it.
std::filesystem::path worker() {
  const std::filesystem::path here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const std::filesystem::path beside = here / "deepsad-run";
  return std::filesystem::exists(beside) ? beside : here / DEEPSAD_LIBEXEC_FROM_BIN / "deepsad-run";
}

}  // namespace

int run_command(const std::string& name, const Arguments& arguments, Console& console, char** argv) {
  if (name == "version") return run_version(arguments, console);
  const std::string path = worker().lexically_normal().string();
  execv(path.c_str(), argv);
  throw IoError(fmt::format("{}: cannot be started: {}; it belongs to deepsad, install both together", path,
                            std::strerror(errno)));
}

}  // namespace deepsad::cli
