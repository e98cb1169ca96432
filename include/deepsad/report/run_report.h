// What a finished run leaves in its folder (docs/run-folder.md).
#pragma once

#include <string>

#include "deepsad/model/train_run.h"
#include "deepsad/storage/run_folder.h"

namespace deepsad {

/// Writes all results of a run into its folder: ae_results.json (if an autoencoder was trained), scores.csv,
/// model.safetensors, training_curve.png, for images the four grids all_low.png, all_high.png,
/// normals_low.png and normals_high.png, page.html, and last results.json, which therefore marks a run that
/// is whole. config.json and log.txt are the business of whoever starts the run.
/// @throws IoError if a file exists or cannot be written
void write_run(const RunFolder& folder, const TrainRun& run);

/// results.json: first the keys of the published program in their order (train_time and test_time in seconds,
/// test_auc in [0, 1] or null, test_scores as [index, label, score]), then ours. One top-level key a line;
/// NaN becomes null.
[[nodiscard]] std::string results_json(const TrainRun& run);

/// "index,label,class,score": one test row a line, scores in the fewest digits that give the same float back;
/// class is the original class, or the label where the data has no other.
[[nodiscard]] std::string scores_csv(const TestScores& test);

/// "row,line,label,score": one calibration row a line. row: position in the file from 0; line: of text, where
/// it starts; label: what training might have known of it.
[[nodiscard]] std::string calibration_csv(const OwnResult& own);

}  // namespace deepsad
