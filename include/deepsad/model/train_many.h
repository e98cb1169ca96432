// Many training runs at once: each has a processor of its own, data sets are loaded once and shared.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "deepsad/core/progress.h"
#include "deepsad/model/train_options.h"
#include "deepsad/model/train_run.h"

namespace deepsad {

/// How the runs share the machine.
struct ManyRunsLimits {
  std::size_t n_jobs = 0;         ///< runs at a time; 0 = as many as processors and memory allow
  std::size_t memory_budget = 0;  ///< bytes that all runs at a time may take; 0 = 80 % of what is available
};

/// What was decided: a run gets `threads_per_run` threads, n_jobs runs go at a time.
struct ManyRunsPlan {
  std::size_t n_jobs = 1;
  std::size_t threads_per_run = 1;
  std::size_t bytes_per_run = 0;  ///< estimate for the largest run, without the shared data
  std::size_t memory_budget = 0;
};

/// Which run to start next, if any: a position, or whether to ask again in a moment.
struct NextRun {
  std::optional<std::size_t> position;
  bool later = false;
};

/// Called by train_many(), never two at once, from whichever thread a run lives in.
struct ManyRunsCallbacks {
  /// Once, when the data is loaded and before the first run starts.
  std::function<void(const ManyRunsPlan&)> on_planned;
  /// Which run a job that is free starts; one at most for each position. Without it all, in their order.
  /// @param job number of the job that asks, from 0
  std::function<NextRun(std::size_t job)> next;
  /// Options of run i with the seed drawn and the network chosen, before its work starts.
  std::function<void(std::size_t i, const TrainOptions&)> on_resolved;
  std::function<void(std::size_t i, const Progress&)> on_progress;
  std::function<void(std::size_t i, LogLevel, const std::string&)> on_message;
  std::function<void(std::size_t i, const TrainRun&)> on_finished;
  /// Run i failed; the others go on.
  std::function<void(std::size_t i, const std::string& error)> on_failed;
  bool untrained = false;  ///< also test networks as they were before training (TrainRun::untrained)
};

/// Trains every entry of `runs`. Data sets are loaded once (a file of one's own for each run, which divides
/// it by its seed), equal pretraining is done once. Each run gives the same bits as train_run() alone,
/// whatever the limits: the number of threads never enters a result. Runs start in their order. An exception
/// thrown by a callback ends all runs and is rethrown.
/// @throws InvalidArgument for bad options of any run or a limit that is too small for a single run,
/// DataError, before any run starts; Interrupted when a stop was asked for and the runs under way have ended.
void train_many(std::span<const TrainOptions> runs, const ManyRunsLimits& limits,
                const ManyRunsCallbacks& callbacks, const StopToken* stop);

}  // namespace deepsad
