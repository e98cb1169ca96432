// Runs what is open of a grid: side by side, resumable, together with other processes on the same store.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "deepsad/core/progress.h"
#include "deepsad/experiment/grid.h"
#include "deepsad/experiment/store.h"
#include "deepsad/model/train_many.h"
#include "deepsad/model/train_run.h"

namespace deepsad {

struct ExperimentOptions {
  std::string data_dir{};     ///< where named sets lie
  std::size_t n_jobs = 0;     ///< runs at a time, each with one thread; 0 = one a processor
  bool retry_failed = false;  ///< runs that failed are tried again
};

/// Where an experiment stands. Counts runs, not setups.
struct ExperimentState {
  std::size_t n_runs = 0, n_done = 0, n_failed = 0;
  [[nodiscard]] std::size_t n_open() const { return n_runs - n_done - n_failed; }
};

/// Called never two at once, from whichever thread a run lives in. An exception ends the experiment.
struct ExperimentCallbacks {
  /// Once, before the first run starts: where the experiment stands, and how the machine is shared.
  std::function<void(const ExperimentState&, const ManyRunsPlan&)> on_planned;
  /// A job takes up this run.
  std::function<void(std::size_t job, const GridRun&)> on_started;
  std::function<void(std::size_t job, const Progress&)> on_progress;
  /// A run has trained and is about to be stored; returns the folder it was written to, or "".
  std::function<std::string(const GridRun&, const TrainRun&)> write_run;
  /// A run is done or failed, and stored; where the experiment stands now, other processes included.
  std::function<void(std::size_t job, const RunRecord&, const ExperimentState&)> on_finished;
  /// Nothing is free, but other processes are at work on open runs; asked for again in a moment.
  std::function<void(const ExperimentState&)> on_waiting;
};

/// Where the runs of a grid stand in a store. Runs that the store does not know are open.
[[nodiscard]] ExperimentState experiment_state(const Grid& grid, const Store& store);

/// Adds the grid's setups to the store, and makes failed runs open again if they are to be retried.
void enrol(const Grid& grid, Store& store, bool retry_failed);

/// Enrols the grid's setups and trains its open runs, each once, as long as there are any; the result of a
/// run is the same as that of train_run() with its options. Data sets are loaded once, equal pretraining is
/// done once. A run that fails is stored with its error. Returns when no run is open, in this process or
/// another.
/// @throws Interrupted when a stop was asked for: runs under way are given back; InvalidArgument, DataError,
/// IoError.
ExperimentState run_experiment(const Grid& grid, Store& store, const ExperimentOptions& options,
                               const ExperimentCallbacks& callbacks, const StopToken* stop);

}  // namespace deepsad
