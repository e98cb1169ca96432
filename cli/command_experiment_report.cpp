// deepsad experiment report: tables, statistics and pages of the runs in a store.
#include <fmt/format.h>

#include <filesystem>

#include "commands.h"
#include "deepsad/core/error.h"
#include "deepsad/experiment/store.h"
#include "deepsad/report/experiment_report.h"
#include "deepsad/storage/atomic_file.h"

namespace deepsad::cli {
namespace {

namespace fs = std::filesystem;

PublishedFigures published(const Arguments& arguments) {
  if (!arguments.has("published")) return published_figures();
  const std::string path = arguments.text("published");
  const std::vector<std::uint8_t> bytes = read_file(path);
  return parse_published_figures({bytes.begin(), bytes.end()}, path);
}

}  // namespace

int run_experiment_report(const Arguments& arguments, Console& console) {
  const std::string path = arguments.text("STORE", "runs/experiments.sqlite");
  if (!fs::exists(path))
    throw InvalidArgument(
        fmt::format("{}: no such store; `deepsad experiment run FILE --store {}` makes one", path, path));
  const fs::path folder = arguments.text("out", fs::path(path).replace_extension().string() + "-report");
  const bool replace = arguments.flag("replace");
  std::error_code error;
  if (fs::exists(folder) && !(fs::is_directory(folder) && (replace || fs::is_empty(folder, error))))
    throw IoError(
        fmt::format("{}: is there already; name another --out, or give --replace to write a report anew",
                    folder.string()));
  const std::vector<RunRecord> records = Store::open(path).records();
  const std::vector<ReportFile> files = experiment_report(
      records, published(arguments), fs::path(path).stem().string(), arguments.text("reference"));
  fs::create_directories(folder, error);
  if (error) throw IoError(fmt::format("{}: cannot be created: {}", folder.string(), error.message()));
  for (const ReportFile& file : files) {
    const std::string target = (folder / file.name).string();
    if (replace)
      replace_file(target, file.bytes);
    else
      write_file(target, file.bytes);
  }
  console.print(fmt::format("report             {}\npage               {}\n", folder.string(),
                            (folder / "report.html").string()));
  return kDone;
}

}  // namespace deepsad::cli
