// Where the messages of a run go: to log.txt in its folder, each with its time, and to the console.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "console.h"
#include "deepsad/core/progress.h"
#include "deepsad/storage/run_folder.h"

namespace deepsad::cli {

class RunLog {
 public:
  explicit RunLog(Console& console);

  /// From here on lines go to the folder's log.txt; those that came before are written now.
  void open(const RunFolder& folder);
  /// A line for log.txt and, unless it is quiet, the console.
  void message(LogLevel level, const std::string& text);
  /// A line for log.txt only.
  void keep(LogLevel level, const std::string& text);
  /// The same for last words: a log that cannot be written does not hide why the run ends.
  void keep_if_possible(LogLevel level, const std::string& text) noexcept;
  /// Messages and progress of the library: every epoch becomes a line of log.txt.
  [[nodiscard]] const Observer& observer() const { return observer_; }

 private:
  Console& console_;
  const RunFolder* folder_ = nullptr;
  std::vector<std::string> waiting_;  // lines from before open()
  Observer observer_;
};

}  // namespace deepsad::cli
