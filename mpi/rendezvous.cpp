// The one thing that MPI does for an experiment: all ranks learn the address of rank 0. Runs and results then
// travel over plain connections, because MPI gives up on a whole job when one of its ranks dies.
#include <mpi.h>

#include <cstddef>

/// Rank 0's text reaches all ranks. Returns 0, or an MPI error. Called once in the life of a process.
extern "C" __attribute__((visibility("default"))) int deepsad_mpi_share(char* text, std::size_t size) {
  int error = MPI_Init(nullptr, nullptr);
  if (error == MPI_SUCCESS) error = MPI_Bcast(text, static_cast<int>(size), MPI_CHAR, 0, MPI_COMM_WORLD);
  const int end = MPI_Finalize();
  return error == MPI_SUCCESS ? end : error;
}
