#include "shared_options.h"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <filesystem>

#include "deepsad/core/error.h"
#include "deepsad/core/percent_text.h"
#include "deepsad/storage/run_folder.h"
#include "option_text.h"
#include "table_options.h"

namespace deepsad::cli {
namespace {

Option declared(const char* name) {
  Option option = command_line_option(*find_train_option(name));
  option.group = "Options";
  return option;
}

}  // namespace

Option data_dir_option() {
  return declared("data_dir");
}

std::string data_dir(const Arguments& arguments) {
  if (arguments.has("data_dir")) return arguments.text("data_dir");
  const char* folder = std::getenv("DEEPSAD_DATA_DIR");
  return folder == nullptr || *folder == '\0' ? "data" : folder;
}

Option threads_option() {
  return declared("num_threads");
}

std::size_t threads(const Arguments& arguments) {
  constexpr std::array kNames{"num_threads"};
  return merge_options({command_line_layer(arguments, kNames)}).num_threads;
}

Positional model_positional() {
  return {"MODEL", "a model.safetensors, or the run folder that holds it", true};
}

std::string model_path(const Arguments& arguments, const char* positional) {
  return model_file(arguments.text(positional));
}

Option keep_training_rows_option() {
  return {.name = "keep_training_rows",
          .help =
              "files: take rows, too, that the model was trained on, whose scores are too low; else they "
              "are left out",
          .default_text = "false",
          .range = "true or false"};
}

void require_new_file(const Arguments& arguments, const char* option) {
  if (!arguments.has(option)) return;
  const std::filesystem::path path = arguments.text(option);
  std::error_code error;
  if (std::filesystem::symlink_status(path, error).type() != std::filesystem::file_type::not_found)
    throw IoError(fmt::format("--{}: {} exists, and nothing is overwritten; give another name or remove it",
                              dashed(option), path.string()));
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  if (!std::filesystem::is_directory(folder, error))
    throw IoError(fmt::format("--{}: the folder {} is not there", dashed(option), folder.string()));
}

void require_different_files(const Arguments& arguments, const char* a, const char* b) {
  namespace fs = std::filesystem;
  if (!arguments.has(a) || !arguments.has(b)) return;
  std::error_code unknown;
  if (fs::weakly_canonical(arguments.text(a), unknown) == fs::weakly_canonical(arguments.text(b), unknown))
    throw InvalidArgument(
        fmt::format("--{} and --{}: both are to be written to {}; give two names", a, b, arguments.text(b)));
}

std::vector<Option> model_rows_option_list() {
  std::vector<Option> options = {{.name = "member",
                                  .value = "NAME",
                                  .help = "which file of an archive",
                                  .default_text = "its only one",
                                  .range = "a file in the archive"},
                                 {.name = "mat_variable",
                                  .value = "NAME",
                                  .help = "matrix of a MAT file that holds the samples, one a row",
                                  .default_text = "X",
                                  .range = "a variable of the file"},
                                 data_dir_option()};
  for (Option& option : text_options()) options.push_back(std::move(option));
  return options;
}

ModelRowsOptions model_rows_options(const Arguments& arguments) {
  ModelRowsOptions options{.data_dir = data_dir(arguments), .file = {}};
  options.file.table = table_options(arguments);
  SampleFileOptions& samples = options.file.samples;
  samples.member = arguments.text("member");
  samples.mat.samples = arguments.text("mat_variable", samples.mat.samples);
  return options;
}

std::string metrics_text(const Metrics& metrics) {
  return fmt::format(
      "test AUC           {}\n"
      "average precision  {}\n"
      "test rows          {} normal, {} anomalous\n",
      percent_text(metrics.roc_auc), percent_text(metrics.average_precision), metrics.n_normal,
      metrics.n_anomaly);
}

}  // namespace deepsad::cli
