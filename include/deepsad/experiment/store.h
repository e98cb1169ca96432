// The store of an experiment: an SQLite file that several processes may use at once and that outlives any
// of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "deepsad/experiment/record.h"

namespace deepsad {

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

 private:
  struct State;
  explicit Store(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace deepsad
