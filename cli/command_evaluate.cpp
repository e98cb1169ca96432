// deepsad evaluate: a stored model on the test part it has not been trained on.
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>

#include "commands.h"
#include "deepsad/core/error.h"
#include "deepsad/model/model.h"
#include "deepsad/model/train_run.h"
#include "deepsad/report/image_grid.h"
#include "deepsad/report/run_page.h"
#include "deepsad/report/run_report.h"
#include "deepsad/storage/atomic_file.h"
#include "shared_options.h"

namespace deepsad::cli {

int run_evaluate(const Arguments& arguments, Console& console) {
  const bool as_json = arguments.flag("json");
  const std::size_t n_threads = threads(arguments);
  const Model model = Model::load(model_path(arguments));
  Observer observer;
  observer.on_message = [&console](LogLevel level, const std::string& text) {
    if (level == LogLevel::warning) console.note("deepsad: warning: " + text);
  };
  const Evaluation result =
      evaluate_model(model, arguments.text("DATASET"), data_dir(arguments), n_threads, observer);
  if (arguments.has("scores")) write_file(arguments.text("scores"), scores_csv(result.test));
  if (arguments.has("page")) {
    const auto pictures =
        has_pictures(*result.test_data)
            ? image_grid_files(*result.test_data, result.test.rows, result.test.labels, result.test.scores)
            : std::vector<ReportFile>{};
    write_file(arguments.text("page"), evaluation_page(model, result, pictures));
  }
  const Metrics& m = result.metrics;
  const auto number = [](double x) { return std::isnan(x) ? std::string("null") : fmt::format("{}", x); };
  if (as_json) {
    console.print(
        fmt::format("{{\"test_auc\": {}, \"test_average_precision\": {}, \"test_time\": {}, "
                    "\"test_rows\": {{\"normal\": {}, \"anomaly\": {}}}}}\n",
                    number(m.roc_auc), number(m.average_precision), number(result.test_seconds), m.n_normal,
                    m.n_anomaly));
  } else {
    console.print(metrics_text(m));
  }
  return kDone;
}

}  // namespace deepsad::cli
