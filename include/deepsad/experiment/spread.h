// One experiment over several processes, on one machine or many: one of them owns the store and hands out
// runs, the others ask for them. They may join late and die at any time.
#pragma once

#include <memory>
#include <string>

#include "deepsad/experiment/runner.h"

namespace deepsad {

/// Hands out the open runs of a grid and stores what comes back, beside whatever else this process does, as
/// long as it lives. What a worker held when its connection ended is free again at once.
class ExperimentServer {
 public:
  /// @param grid has been enrolled in the store at `store`; outlives this object
  /// @throws IoError if no port can be opened
  ExperimentServer(const Grid& grid, const std::string& store);
  /// Waits a moment for workers that are about to hear that nothing is left.
  ~ExperimentServer();
  ExperimentServer(const ExperimentServer&) = delete;
  ExperimentServer& operator=(const ExperimentServer&) = delete;

  /// What workers need to find this process and to be let in: "ADDRESS,ADDRESS:PORT/KEY".
  [[nodiscard]] const std::string& address() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Trains runs of the grid that the server at `address` hands out until none is left. ExperimentOptions and
/// callbacks as in run_experiment(); there is no store in this process.
/// @throws IoError if the server cannot be reached or is gone; InvalidArgument if its grid is another one
ExperimentState join_experiment(const Grid& grid, const std::string& address,
                                const ExperimentOptions& options, const ExperimentCallbacks& callbacks,
                                const StopToken* stop);

}  // namespace deepsad
