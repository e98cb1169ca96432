#include "deepsad/core/memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace deepsad {
namespace {

constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

// The number at the start of a file; `otherwise` if there is none ("max") or no such file.
std::size_t number_in(const std::string& path, std::size_t otherwise) {
  std::ifstream file(path);
  std::size_t value = 0;
  return file >> value ? value : otherwise;
}

std::size_t system_available() {
  std::ifstream file("/proc/meminfo");
  for (std::string name; file >> name;) {
    std::size_t kilobytes = 0;
    if (name == "MemAvailable:" && file >> kilobytes) return kilobytes * 1024;
    file.ignore(kNoLimit >> 1, '\n');
  }
  return 0;
}

// What the control groups (version 2) above the process leave, the tightest of them.
std::size_t group_available() {
  std::ifstream file("/proc/self/cgroup");
  std::size_t least = kNoLimit;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("0::/")) continue;
    for (std::string group = line.substr(3);; group.resize(group.rfind('/'))) {
      const std::string folder = "/sys/fs/cgroup" + group;
      const std::size_t limit = number_in(folder + "/memory.max", kNoLimit);
      if (limit != kNoLimit) {
        const std::size_t used = number_in(folder + "/memory.current", 0);
        least = std::min(least, limit - std::min(limit, used));
      }
      if (group.empty() || group == "/") break;
    }
  }
  return least;
}

}  // namespace

std::size_t available_memory_bytes() {
  return std::min(system_available(), group_available());
}

}  // namespace deepsad
