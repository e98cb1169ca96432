// What ran: the build of the library and the machine, for `deepsad version` and every result file.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace deepsad {

struct SystemInfo {
  std::string version;                                  ///< of the library
  std::string compiler;                                 ///< "GCC 12.2.0"
  std::string build_type;                               ///< "Release"
  std::string instruction_set;                          ///< the one in use: "avx2"
  std::vector<std::string> available_instruction_sets;  ///< that this build and processor have, best first
  std::size_t n_processors = 0;                         ///< this process may run on
  std::string processor;                                ///< the processor's name, or "" if unknown
  bool cuda = false;                                    ///< whether this build has it
};

/// A library that deepsad computes, reads or draws with.
struct LibraryVersion {
  std::string name;     ///< "OpenSSL"
  std::string version;  ///< "3.0.17"; of the library in use where it tells, else of the headers of the build;
                        ///< "present" if it tells neither
  /// Why it cannot be used, with the package that holds it; empty if it can.
  std::string problem;
};

/// Libraries that are part of this build or loaded with it.
[[nodiscard]] std::vector<LibraryVersion> linked_libraries();
/// Libraries that are loaded when they are first needed, here: all of them, now.
[[nodiscard]] std::vector<LibraryVersion> libraries_loaded_on_use();

/// @throws InvalidArgument if DEEPSAD_FORCE_ISA names an instruction set that is unknown or not available.
[[nodiscard]] SystemInfo system_info();

/// Largest memory this process has used so far, in bytes; 0 if the system does not tell.
[[nodiscard]] std::size_t peak_memory_bytes();

}  // namespace deepsad
