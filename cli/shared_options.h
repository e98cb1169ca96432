// Options and lines of output that several commands have.
#pragma once

#include <string>
#include <vector>

#include "arguments.h"
#include "deepsad/model/model_rows.h"
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
/// @param positional that names it
[[nodiscard]] std::string model_path(const Arguments& arguments, const char* positional = "MODEL");
/// --keep-training-rows: a flag.
[[nodiscard]] Option keep_training_rows_option();
/// For an option that names a file to be written: that it is new, before any work is done for it.
/// @throws IoError if the file exists or its folder does not
void require_new_file(const Arguments& arguments, const char* option);
/// That two options do not name one file to be written. @throws InvalidArgument if they do
void require_different_files(const Arguments& arguments, const char* a, const char* b);

/// --data-dir, --member, --mat-variable and how text is written, and what they say of rows for a stored
/// model.
[[nodiscard]] std::vector<Option> model_rows_option_list();
[[nodiscard]] ModelRowsOptions model_rows_options(const Arguments& arguments);

/// AUC and average precision in percent, and the number of test rows, one a line.
[[nodiscard]] std::string metrics_text(const Metrics& metrics);

}  // namespace deepsad::cli
