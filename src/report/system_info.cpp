#include "deepsad/report/system_info.h"

#include <sys/resource.h>

#include <fstream>

#include "deepsad/core/parallel.h"
#include "deepsad/core/version.h"
#include "kernels/isa.h"

namespace deepsad {
namespace {

std::string compiler_name() {
#if defined(__clang__)
  return "Clang " __clang_version__;
#else
  return "GCC " __VERSION__;
#endif
}

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "";
}

}  // namespace

SystemInfo system_info() {
  SystemInfo info;
  info.version = version();
  info.compiler = compiler_name();
  info.build_type = DEEPSAD_BUILD_TYPE;
  info.instruction_set = kernels::isa_name(kernels::active_isa());
  for (const kernels::Isa isa : kernels::available_isas())
    info.available_instruction_sets.push_back(kernels::isa_name(isa));
  info.n_processors = available_processors();
  info.processor = processor_name();
  return info;
}

std::size_t peak_memory_bytes() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;  // Linux counts in kilobytes
}

}  // namespace deepsad
