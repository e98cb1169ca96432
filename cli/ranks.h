// The processes that mpirun started together.
#pragma once

#include <cstddef>
#include <string>

namespace deepsad::cli {

/// Of this process; {0, 1} if mpirun did not start it.
struct Ranks {
  std::size_t rank = 0, n_ranks = 1;
};
[[nodiscard]] Ranks ranks();

/// Gives every rank the address that rank 0 passes in; the others' argument is ignored. To be called by all
/// of them, once. @throws IoError if this build has no MPI, or MPI fails
[[nodiscard]] std::string share_address(const std::string& address);

}  // namespace deepsad::cli
