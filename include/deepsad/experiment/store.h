// The store of an experiment: an SQLite file that several processes may use at once and that outlives any
// of them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "deepsad/experiment/record.h"

namespace deepsad {

/// A process, told from all others of its machine, and machines (and containers) from each other.
struct ProcessIdentity {
  std::string host;
  std::int64_t pid = 0;
  std::int64_t started =
      0;  ///< clock ticks after the machine's start, so that a reused pid is another process
  friend bool operator==(const ProcessIdentity&, const ProcessIdentity&) = default;
};
/// This process.
[[nodiscard]] ProcessIdentity this_process();

/// A run that can be claimed. Of a group, see GridRun.
struct ClaimCandidate {
  std::string id, group;
};

/// Finished runs by identity, and the setups of experiments that they answer. Every change is one
/// transaction, on disk when the call returns. One object serves one thread at a time.
class Store {
 public:
  /// Opens the store at `path`, which is created if it does not exist.
  /// @throws IoError if it cannot be opened or written, DataError if the file is no store or a newer one
  [[nodiscard]] static Store open(const std::string& path);

  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  [[nodiscard]] const std::string& path() const;

  /// All finished and failed runs, one record for each setup: a training that answers several setups appears
  /// with each of them. In the order the setups were added; setups whose run has not ended do not appear.
  [[nodiscard]] std::vector<RunRecord> records() const;

  /// Adds a finished run with its setup; a failed run under the same identity is replaced.
  /// @throws InvalidArgument if a run with this identity is done already, or a metric is not finite
  void add(const RunRecord& record);

  // What a process that works on an experiment needs. A run is open until it is done or failed; an open run
  // may be claimed by one process at a time.

  /// Adds setups whose runs are to be done. A setup whose cell is there already is given its new run.
  /// @throws DataError if a run is there under other options, because a default has changed since
  /// @returns how many runs the store did not know
  std::size_t enrol(std::span<const RunSetup> setups);

  /// State of all runs: nothing for open ones.
  [[nodiscard]] std::map<std::string, std::optional<RunState>> states() const;

  /// Makes the failed among these runs open again. @returns how many there were
  std::size_t reopen_failed(std::span<const std::string> ids);

  struct Claimed {
    std::optional<std::size_t> position;  ///< among the candidates
    bool others_at_work = false;          ///< nothing is free, but other processes hold open runs
  };
  /// Claims a run for this process: the first free one of `group`, else of a group nobody works on, else the
  /// first free one. A claim is void when its process has ended, or, on another machine, was silent for a
  /// minute.
  [[nodiscard]] Claimed claim(std::span<const ClaimCandidate> candidates, const std::string& group);
  /// Says that this process is alive, for all its claims.
  void renew_claims();
  /// Gives all claims of this process back, or those of these runs.
  void release_claims();
  void release_claims(std::span<const std::string> ids);

  /// Stores the result of a claimed run. @returns false, changing nothing, if another process was faster
  [[nodiscard]] bool finish(const RunRecord& record);

 private:
  struct State;
  explicit Store(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace deepsad
