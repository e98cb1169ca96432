// deepsad doctor: what is wrong with a run, a model, or the rows that it is to score.
#include <fmt/format.h>

#include <filesystem>

#include "commands.h"
#include "deepsad/core/error.h"
#include "deepsad/core/parallel.h"
#include "deepsad/model/doctor.h"
#include "shared_options.h"

namespace deepsad::cli {

int run_doctor(const Arguments& arguments, Console& console) {
  namespace fs = std::filesystem;
  const std::string subject = arguments.text("RUN");
  const bool is_run = fs::is_directory(subject);
  const fs::path folder = subject;
  if (is_run && !fs::exists(folder / "results.json")) {
    throw InvalidArgument(fmt::format(
        "{}: holds no results.json, so it is no finished run; give the folder of a run, or a model file",
        subject));
  }
  ThreadPool pool(threads(arguments));
  DoctorReport report{.subject = subject, .checked = {}, .skipped = {}, .findings = {}};
  const Model model = Model::load(model_path(arguments, "RUN"));
  if (is_run) examine_run(subject, report);
  examine_model(model, pool, report);
  if (arguments.has("FILE")) {
    const ModelRows rows =
        load_model_rows(model, arguments.text("FILE"), model_rows_options(arguments), pool);
    examine_rows(model, rows, pool, report);
  } else {
    report.skipped.emplace_back("drift and overlap: give the rows that are scored as FILE");
  }
  console.print(arguments.flag("json") ? doctor_json(report) : doctor_text(report));
  return arguments.flag("strict") && !report.findings.empty() ? kCheckFailed : kDone;
}

}  // namespace deepsad::cli
