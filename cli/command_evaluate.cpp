// deepsad evaluate: a stored model on rows whose truth is known: the test part it has not been trained on, or
// a file of one's own.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "commands.h"
#include "deepsad/core/error.h"
#include "deepsad/data/delimited.h"
#include "deepsad/model/evaluate_file.h"
#include "deepsad/model/model.h"
#include "deepsad/model/train_options.h"
#include "deepsad/model/train_run.h"
#include "deepsad/report/image_grid.h"
#include "deepsad/report/run_page.h"
#include "deepsad/report/run_report.h"
#include "deepsad/storage/atomic_file.h"
#include "option_text.h"
#include "scored_output.h"
#include "shared_options.h"
#include "table_options.h"

namespace deepsad::cli {
namespace {

std::size_t repetitions_option(const Arguments& arguments) {
  constexpr std::size_t kDefault = 1000, kMost = 1'000'000;
  if (!arguments.has("bootstrap")) return kDefault;
  const auto n = parse_number(arguments.text("bootstrap"));
  if (!n || *n < 0 || *n > kMost || *n != std::floor(*n))
    throw InvalidArgument(fmt::format("--bootstrap: got \"{}\", wanted a whole number from 0 to {}",
                                      arguments.text("bootstrap"), kMost));
  return static_cast<std::size_t>(*n);
}

// Rows of the test part with the classes of the set, if it has any.
ScoresToReport rows_of(const Evaluation& evaluation, const Model& model) {
  ScoresToReport rows{.scores = evaluation.test.scores, .labels = evaluation.test.labels};
  if (evaluation.test.classes.empty()) return rows;
  rows.classes = evaluation.test.classes;
  rows.class_names = evaluation.test_data->class_names;
  const int largest = *std::ranges::max_element(rows.classes);
  for (auto c = static_cast<int>(rows.class_names.size()); c <= largest; ++c)
    rows.class_names.push_back(std::to_string(c));
  for (const int c : model.setup().known_anomaly_classes)
    if (c >= 0 && c <= largest) rows.known_classes.push_back(rows.class_names[static_cast<std::size_t>(c)]);
  return rows;
}

void print_report(const ScoreReport& report, const std::string& more_keys, bool as_json, Console& console) {
  console.print(as_json ? fmt::format("{{{}{}}}\n", score_report_json_keys(report), more_keys)
                        : score_report_text(report));
}

// What only files of one's own have.
void refuse_file_options(const Arguments& arguments) {
  std::vector<std::string> names{"class_column", "known_classes", "keep_training_rows"};
  for (const std::vector<Option>& options : {column_options(), text_options()})
    for (const Option& option : options) names.push_back(option.name);
  const std::string data = arguments.text("DATA");
  for (const std::string& name : names) {
    if (!arguments.has(name)) continue;
    throw InvalidArgument(fmt::format(
        "--{}: is for files of one's own, which are given as a path with / or . in it{}", dashed(name),
        data.empty() ? "" : fmt::format(", as ./{}; {} would be a data set with a name", data, data)));
  }
}

int evaluate_set(const Model& model, const Arguments& arguments, Console& console) {
  refuse_file_options(arguments);
  Observer observer;
  observer.on_message = [&console](LogLevel level, const std::string& text) {
    if (level == LogLevel::warning) console.note("deepsad: warning: " + text);
  };
  const std::size_t n_threads = threads(arguments);
  const Evaluation result =
      evaluate_model(model, arguments.text("DATA"), data_dir(arguments), n_threads, observer);
  if (arguments.has("scores")) write_file(arguments.text("scores"), scores_csv(result.test));
  if (arguments.has("page")) {
    const auto pictures =
        has_pictures(*result.test_data)
            ? image_grid_files(*result.test_data, result.test.rows, result.test.labels, result.test.scores)
            : std::vector<ReportFile>{};
    write_file(arguments.text("page"), evaluation_page(model, result, pictures));
  }
  ThreadPool pool(n_threads);
  const auto threshold = threshold_option(arguments, model);
  print_report(report_scores(rows_of(result, model), threshold ? threshold : model.decision().threshold,
                             repetitions_option(arguments), pool),
               fmt::format(",\"test_time\":{}", result.test_seconds), arguments.flag("json"), console);
  return kDone;
}

int evaluate_own_file(const Model& model, const Arguments& arguments, Console& console) {
  if (arguments.has("page"))
    throw InvalidArgument(
        "--page: is for the test part of a data set; --json and --scores have what a file's rows give");
  EvaluateFileOptions options;
  options.file.table = table_options(arguments);
  options.class_column = arguments.text("class_column");
  if (arguments.has("known_classes"))
    options.known_classes = comma_list(arguments.text("known_classes"), "known_classes");
  options.threshold = threshold_option(arguments, model);
  options.n_repetitions = repetitions_option(arguments);
  options.keep_training_rows = arguments.flag("keep_training_rows");
  ThreadPool pool(threads(arguments));
  const FileEvaluation result = evaluate_file(model, arguments.text("DATA"), options, pool);
  note_messages(arguments.text("DATA"), result.messages, console);
  if (arguments.has("scores")) write_file(arguments.text("scores"), scores_csv(result.test));
  print_report(result.report, "", arguments.flag("json"), console);
  return kDone;
}

}  // namespace

int run_evaluate(const Arguments& arguments, Console& console) {
  for (const char* option : {"scores", "page"}) require_new_file(arguments, option);
  require_different_files(arguments, "scores", "page");
  const Model model = Model::load(model_path(arguments));
  if (arguments.text("DATA").empty() && model.schema())
    throw InvalidArgument(
        fmt::format("DATA is missing: the model was trained on the file {}; give it again, or another, and "
                    "--truth-column",
                    model.schema()->source));
  if (!is_own_file(arguments.text("DATA"))) return evaluate_set(model, arguments, console);
  if (!arguments.has("truth_column") && !arguments.has("label_column"))
    throw InvalidArgument(
        fmt::format("{}: an evaluation needs the truth: give --truth-column, or --label-column if only some "
                    "rows have labels",
                    arguments.text("DATA")));
  return evaluate_own_file(model, arguments, console);
}

}  // namespace deepsad::cli
