// deepsad data check: what is wrong with a table before anybody trains on it.
#include <chrono>

#include "commands.h"
#include "deepsad/core/error.h"
#include "deepsad/evaluation/data_check.h"
#include "table_options.h"

namespace deepsad::cli {

int run_data_check(const Arguments& arguments, Console& console) {
  DataCheckOptions options;
  options.table = table_options(arguments);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  options.today = static_cast<double>(std::chrono::duration_cast<std::chrono::days>(now).count());
  const std::string file = arguments.text("FILE"), against = arguments.text("against");
  if (file == "-" && against == "-")
    throw InvalidArgument("--against: got -, wanted a file: standard input is FILE already");
  const DataCheck check = check_data(file, options, against);
  console.print(arguments.flag("json") ? data_check_json(check) : data_check_text(check));
  const bool failed = check.worst().value_or(Severity::note) >= Severity::warning;
  return failed && arguments.flag("strict") ? kCheckFailed : kDone;
}

}  // namespace deepsad::cli
