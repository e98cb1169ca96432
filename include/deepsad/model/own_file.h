// Training on a file of one's own: which rows are trained on, which are held out, and what is chosen from the
// shape of the data.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "deepsad/core/progress.h"
#include "deepsad/data/row_file.h"
#include "deepsad/model/own_rows.h"
#include "deepsad/model/train_options.h"
#include "deepsad/model/train_run.h"

namespace deepsad {

struct SourceData;

/// One's own file, read and divided into parts.
struct OwnFile {
  std::uint64_t seed = 0;  ///< that the parts were drawn with
  std::shared_ptr<const OwnRows> rows;
  std::shared_ptr<const SourceData> data;
};

/// Reads the file that options.dataset names, with the options about one's own file, and divides its rows
/// (hold_out.h): a test part if there are true labels, a calibration part, the rest to train on. The schema
/// is inferred from the last alone. With options.init the schema and what labels mean are that model's, and
/// rows that it was trained on are not held out.
/// @param options with a seed
/// @throws as read_rows(), hold_out(); InvalidArgument for options that ask for what is not there
[[nodiscard]] OwnFile read_own_file(const TrainOptions& options);

/// The options of TableOptions and SampleFileOptions that TrainOptions hold.
[[nodiscard]] RowFileOptions row_file_options(const TrainOptions& options);

/// An option chosen from the shape of the data, with the reason for a person.
struct SuggestedOption {
  OptionAssignment assignment;
  std::string reason;
};
/// Epochs, batch sizes and learning rates of all phases, for merge_options() to put below what was given.
/// None for a preset, which has its own, nor for a method without a network.
///
/// Of n training rows batches have b = 2^k <= n / 16 rows, in 16..128. Deep SAD and Deep SVDD train about 300
/// steps (10 to 50 epochs) after about 1000 of pretraining, all other methods about 2000. On five of the
/// paper's tables with 1 % of labels this gives a mean AUC within 0.5 points of the best of 25 settings;
/// training 200 epochs loses 4 to 10 points. On images Deep SAD and Deep SVDD train about 2000 steps (10 to
/// 200 epochs) after about 2000 of pretraining (30 to 200), both at the rate 1e-4, which gains 1 to 9 points
/// (docs/results.md). Going on from a model (init) suggests batches only.
[[nodiscard]] std::vector<SuggestedOption> suggested_options(const TrainOptions& options,
                                                             const OwnFile& file);

/// train_run() on a file that is read already; options.seed is the file's.
[[nodiscard]] TrainRun train_run(const TrainOptions& options, const OwnFile& file, const Observer& observer,
                                 const StopToken* stop,
                                 const std::function<void(const TrainOptions&)>& on_resolved = {},
                                 RunCheckpoint* checkpoint = nullptr);

}  // namespace deepsad
