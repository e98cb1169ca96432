// deepsad threshold: another threshold for a model.
#include <fmt/format.h>

#include <array>

#include "commands.h"
#include "deepsad/core/error.h"
#include "deepsad/core/parallel.h"
#include "deepsad/data/row_file.h"
#include "deepsad/model/calibrate.h"
#include "deepsad/model/model.h"
#include "deepsad/model/model_rows.h"
#include "shared_options.h"
#include "table_options.h"

namespace deepsad::cli {
namespace {

ChosenDecision from_rows(const Model& model, const Arguments& arguments, const DecisionOptions& options,
                         Console& console) {
  RowFileOptions file;
  file.table = table_options(arguments);
  file.samples.mat.samples = arguments.text("samples", file.samples.mat.samples);
  ThreadPool pool(threads(arguments));
  const CalibrationSet rows = calibration_set(model, read_labelled_rows(model, arguments.text("ROWS"), file),
                                              arguments.flag("keep_training_rows"), pool);
  for (const std::string& message : rows.messages)
    console.note(fmt::format("{}: {}", arguments.text("ROWS"), message));
  return choose_decision({.scores = rows.scores, .labels = rows.labels, .name = rows.name}, options);
}

// The scores that the model keeps; those that were left out of them are gone.
ChosenDecision from_kept_scores(const Model& model, const Arguments& arguments,
                                const DecisionOptions& options) {
  const Decision& old = model.decision();
  if (options.threshold == "best-f1")
    throw InvalidArgument("--threshold best-f1 needs labelled rows; give them as ROWS with --label-column");
  if (!old.calibration && options.threshold.starts_with("manual:"))
    return choose_decision({.scores = {}, .labels = {}, .name = {}}, options);
  if (!old.calibration)
    throw InvalidArgument(fmt::format(
        "{}: the model keeps no calibration scores; give rows that training did not see as ROWS, or "
        "--threshold manual:SCORE",
        arguments.text("MODEL")));
  const std::size_t n_trimmed = old.calibration->n_trimmed();
  if (arguments.has("calibration_contamination") && n_trimmed > 0)
    throw InvalidArgument(fmt::format(
        "--calibration-contamination: the {} largest scores were left out of the model's calibration and are "
        "gone; give the rows again as ROWS",
        n_trimmed));
  return decide_on(*old.calibration, old.calibration_rows, options);
}

}  // namespace

int run_threshold(const Arguments& arguments, Console& console) {
  constexpr std::array kDecisionOptions{"threshold", "calibration_contamination"};
  TrainOptions given;  // a carrier: what else it holds has no say
  apply_layer(given, command_line_layer(arguments, kDecisionOptions));
  const DecisionOptions options{.threshold = given.threshold,
                                .contamination = given.calibration_contamination};
  if (!arguments.has("model"))
    throw InvalidArgument("--model (-o) is missing: the new model's file; the old one is never changed");
  require_new_file(arguments, "model");
  const Model model = Model::load(model_path(arguments));
  const ChosenDecision chosen = arguments.has("ROWS") ? from_rows(model, arguments, options, console)
                                                      : from_kept_scores(model, arguments, options);
  model.with_decision(chosen.decision).save(arguments.text("model"));
  std::string text;
  for (const std::string& note : chosen.notes) text += note + "\n";
  console.print(text + fmt::format("model {}\n", arguments.text("model")));
  return kDone;
}

}  // namespace deepsad::cli
