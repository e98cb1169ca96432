#include "run_log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>

namespace deepsad::cli {
namespace {

// "2020-02-14 12:34:56,789 - INFO - text", the shape of the published program's log.
std::string log_line(LogLevel level, const std::string& text) {
  using std::chrono::milliseconds;
  const auto now = std::chrono::system_clock::now();
  const auto ms = std::chrono::duration_cast<milliseconds>(now.time_since_epoch()).count() % 1000;
  return fmt::format("{:%Y-%m-%d %H:%M:%S},{:03} - {} - {}",
                     fmt::localtime(std::chrono::system_clock::to_time_t(now)), ms,
                     level == LogLevel::info ? "INFO" : "WARNING", text);
}

}  // namespace

RunLog::RunLog(Console& console) : console_(console) {
  observer_.on_message = [this](LogLevel level, const std::string& text) { message(level, text); };
  observer_.on_progress = [this](const Progress& progress) {
    keep(LogLevel::info, epoch_line(progress));
    console_.show(progress);
  };
}

void RunLog::open(const RunFolder& folder) {
  folder_ = &folder;
  for (const std::string& line : waiting_) folder.log(line);
  waiting_.clear();
}

void RunLog::message(LogLevel level, const std::string& text) {
  keep(level, text);
  console_.note(level == LogLevel::warning ? "deepsad: warning: " + text : text);
}

void RunLog::keep(LogLevel level, const std::string& text) {
  if (folder_ == nullptr)
    waiting_.push_back(log_line(level, text));
  else
    folder_->log(log_line(level, text));
}

void RunLog::keep_if_possible(LogLevel level, const std::string& text) noexcept {
  try {
    keep(level, text);
  } catch (...) {  // the error that ends the run is being reported already
  }
}

}  // namespace deepsad::cli
