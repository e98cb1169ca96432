// Options and lines of output that several commands have.
#pragma once

#include <string>

#include "arguments.h"
#include "deepsad/model/train_run.h"

namespace deepsad::cli {

/// --data-dir and its value: the option, else $DEEPSAD_DATA_DIR, else "data".
[[nodiscard]] Option data_dir_option();
[[nodiscard]] std::string data_dir(const Arguments& arguments);

/// --num-threads (--threads) and its value, checked as in training.
[[nodiscard]] Option threads_option();
[[nodiscard]] std::size_t threads(const Arguments& arguments);

/// The positional MODEL and the file that its word names: a model file, or that of a run folder.
[[nodiscard]] Positional model_positional();
[[nodiscard]] std::string model_path(const Arguments& arguments);

/// AUC and average precision in percent, and the number of test rows, one a line.
[[nodiscard]] std::string metrics_text(const Metrics& metrics);

}  // namespace deepsad::cli
