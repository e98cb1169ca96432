// How much memory the process may still take.
#pragma once

#include <cstddef>

namespace deepsad {

/// Bytes that can be allocated without swapping: what the system calls available, or what the process's
/// control group leaves where that is less. 0 if the system does not tell.
[[nodiscard]] std::size_t available_memory_bytes();

}  // namespace deepsad
