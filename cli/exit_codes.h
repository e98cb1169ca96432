// Exit codes of the program, with their meanings for the help and the manual page; examples:
// docs/exit-codes.md.
#pragma once

#include <array>

namespace deepsad::cli {

enum ExitCode : int {
  kDone = 0,
  kFailure = 1,
  kUsage = 2,
  kBadData = 3,
  kBadModel = 4,
  kCheckFailed = 5,
  kInterrupted = 130,
};

struct ExitCodeMeaning {
  ExitCode code;
  const char* meaning;
};

inline constexpr std::array kExitCodes{
    ExitCodeMeaning{kDone, "done"},
    ExitCodeMeaning{kFailure, "failure at run time"},
    ExitCodeMeaning{kUsage, "wrong usage"},
    ExitCodeMeaning{kBadData, "bad data"},
    ExitCodeMeaning{kBadModel, "bad model file"},
    ExitCodeMeaning{kCheckFailed, "failed check under --strict"},
    ExitCodeMeaning{kInterrupted, "interrupted"},
};

}  // namespace deepsad::cli
