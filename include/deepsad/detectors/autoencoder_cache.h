// Autoencoders that several runs of one process share.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "deepsad/detectors/detector.h"

namespace deepsad {

/// What training an autoencoder gave.
struct TrainedAutoencoder {
  StateDict state;  ///< tensors prefixed "encoder." and "decoder."
  PhaseRecord phase;
  std::vector<Finding> findings;
};

/// Autoencoders by a key that names everything their training depends on, so that equal pretraining happens
/// once. The most recent ones are kept. All members may be called from many threads.
class AutoencoderCache {
 public:
  /// @param capacity how many are kept
  explicit AutoencoderCache(std::size_t capacity = 32);
  ~AutoencoderCache();
  AutoencoderCache(const AutoencoderCache&) = delete;
  AutoencoderCache& operator=(const AutoencoderCache&) = delete;

  /// The autoencoder under `key`, trained by `train` if there is none yet. While another thread trains it,
  /// this one waits; if that training throws, the next one that waits trains.
  [[nodiscard]] std::shared_ptr<const TrainedAutoencoder> get(
      const std::string& key, const std::function<TrainedAutoencoder()>& train);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace deepsad
