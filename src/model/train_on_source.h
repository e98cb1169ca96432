// A training run on data that is in memory already, so that several runs can share it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "deepsad/core/parallel.h"
#include "deepsad/detectors/autoencoder_cache.h"
#include "deepsad/model/train_run.h"
#include "model/data_source.h"

namespace deepsad {

/// What a run shares with others of this process, and what it measures beside itself. Nothing here changes
/// its result.
struct SharedWork {
  AutoencoderCache* autoencoders = nullptr;  ///< pretraining done once for equal rows and options
  bool untrained = false;                    ///< also test the network of deep_sad, deep_svdd before training
  RunCheckpoint* checkpoint = nullptr;       ///< as train_run()
  /// Called when values of the training part will not be read again, if there is a test part: whoever owns
  /// them alone may let go of them.
  std::function<void()> rows_taken = {};
};

/// train_run() after loading. @p given is valid; @p load_seconds is what loading took, for the record.
[[nodiscard]] TrainRun train_on_source(std::shared_ptr<const SourceData> source, const TrainOptions& given,
                                       double load_seconds, ThreadPool& pool, const Observer& observer,
                                       const StopToken* stop,
                                       const std::function<void(const TrainOptions&)>& on_resolved,
                                       const SharedWork& shared = {});

/// Bytes of memory that one run will hold at its peak besides the data of `source`: scaled rows, the plan of
/// the larger network, scores. An upper estimate for planning. @pre options are valid
[[nodiscard]] std::size_t estimated_run_bytes(const SourceData& source, const TrainOptions& options);

}  // namespace deepsad
