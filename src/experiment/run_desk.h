// Where the runner gets runs from and brings results to: the store itself, or the process that owns it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "deepsad/experiment/runner.h"
#include "deepsad/experiment/store.h"

namespace deepsad {

class RunDesk {
 public:
  RunDesk() = default;
  virtual ~RunDesk() = default;
  RunDesk(const RunDesk&) = delete;
  RunDesk& operator=(const RunDesk&) = delete;

  /// Identities of the runs that are open when the work begins.
  [[nodiscard]] virtual std::vector<std::string> open_runs() = 0;
  /// As Store::claim().
  [[nodiscard]] virtual Store::Claimed claim(const std::vector<ClaimCandidate>& candidates,
                                             const std::string& group) = 0;
  virtual void finish(const RunRecord& record) = 0;
  /// Gives back what is claimed and not finished.
  virtual void release() = 0;
  [[nodiscard]] virtual ExperimentState state() = 0;
};

/// The runner proper: trains open runs of the grid that the desk hands out.
void work_at(RunDesk& desk, const Grid& grid, const ExperimentOptions& options,
             const ExperimentCallbacks& callbacks, const StopToken* stop);

/// Each identity of the grid once, as candidates for Store::claim().
[[nodiscard]] std::vector<ClaimCandidate> candidates_of(const Grid& grid);

}  // namespace deepsad
