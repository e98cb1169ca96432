// Where an unfinished training run stands, in a file from which it goes on to the same bits.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "deepsad/nn/state_dict.h"
#include "deepsad/nn/training.h"

namespace deepsad {

/// Where a phase stands between two epochs: all that its later epochs depend on. Orders and noise come from
/// streams that are named by epoch and step, so that no generator has a state of its own.
struct PhaseProgress {
  TrainingHistory history;          ///< epochs done; its `seconds` are those of all processes together
  bool finished = false;            ///< nothing is left to do; state holds what the phase leaves
  StateDict state = {};             ///< weights, statistics, the optimiser's moments, step counters
  std::vector<float> carried = {};  ///< what the phase carries from step to step besides; empty for most
  double best_loss = 0;             ///< early stopping: of history.best_epoch, if that is not 0
  StateDict best_weights = {};      ///< likewise
};

/// The checkpoint of one run: the progress of its phases by name, in one file that is replaced as a whole, so
/// that a kill at any moment leaves the last whole one. A checkpoint is for the same version of deepsad (the
/// model file is the one that stays readable); a container as docs/model-file.md describes it, with checksum.
class RunCheckpoint {
 public:
  /// @param every epochs between two saves within a phase, >= 1
  explicit RunCheckpoint(std::size_t every);

  /// Where save() writes from now on; before, it keeps progress in memory only. Reads the file if there is
  /// one.
  /// @throws ModelError if it is damaged or of another version
  void open(std::string path);
  /// Names everything that the run's bits depend on; goes with every save.
  /// @throws InvalidArgument if open() found the checkpoint of another run, naming the key that differs, with
  /// both values
  void bind(std::map<std::string, std::string> identity);

  /// The phase's progress as read, or null.
  [[nodiscard]] const PhaseProgress* find(const std::string& phase) const;
  [[nodiscard]] bool due(std::size_t epochs_done) const { return epochs_done % every_ == 0; }
  /// Writes the file anew, with this phase's progress replaced. @throws IoError
  void save(const std::string& phase, PhaseProgress progress);

 private:
  std::string path_;
  std::size_t every_;
  std::map<std::string, std::string> identity_;
  std::optional<std::map<std::string, std::string>> identity_read_;
  std::map<std::string, PhaseProgress> phases_;
};

}  // namespace deepsad
