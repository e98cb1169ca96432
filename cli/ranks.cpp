#include "ranks.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>

#include "deepsad/core/error.h"

namespace deepsad::cli {
namespace {

constexpr const char* kModule = "libdeepsad-mpi.so";

std::size_t from_environment(const char* name, std::size_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoul(text, nullptr, 10);
}

// Beside this program (a build folder), or where the installation puts it.
std::filesystem::path module() {
  const std::filesystem::path here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const std::filesystem::path beside = here / kModule;
  return std::filesystem::exists(beside) ? beside : here / DEEPSAD_MODULES_FROM_BIN / kModule;
}

}  // namespace

Ranks ranks() {
  return {.rank = from_environment("OMPI_COMM_WORLD_RANK", 0),
          .n_ranks = from_environment("OMPI_COMM_WORLD_SIZE", 1)};
}

std::string share_address(const std::string& address) {
  const std::string path = module().lexically_normal().string();
  // Never unloaded: MPI leaves things behind that would then point to nowhere.
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  void* share = handle == nullptr ? nullptr : dlsym(handle, "deepsad_mpi_share");
  if (share == nullptr) {
    const char* why = dlerror();
    throw IoError(fmt::format(
        "{}: cannot be loaded ({}); build deepsad with MPI (libopenmpi-dev), or start the processes "
        "without mpirun: one with --serve, the others with --join",
        path, why == nullptr ? "no reason given" : why));
  }
  std::array<char, 1024> text{};
  std::copy_n(address.begin(), std::min(address.size(), text.size() - 1), text.begin());
  const int error = reinterpret_cast<int (*)(char*, std::size_t)>(share)(text.data(), text.size());
  if (error != 0) throw IoError(fmt::format("MPI failed with error {}", error));
  return text.data();
}

}  // namespace deepsad::cli
