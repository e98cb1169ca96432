// How long work tells its caller where it is, and how the caller asks it to end. The library never prints.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <string>

namespace deepsad {

/// Where a long piece of work is.
struct Progress {
  std::string phase;      ///< "pretraining", "training", "testing", "download", ...
  std::size_t done = 0;   ///< finished units (epochs, rows, bytes)
  std::size_t total = 0;  ///< all units; 0 if unknown
  double loss = 0;        ///< mean loss of the last epoch; NaN if the phase has none
  double seconds = 0;     ///< since the phase began
  std::size_t rows = 0;   ///< samples processed since the phase began
};

enum class LogLevel { info, warning };

/// Where the library sends what a person may want to know. Both functions may be empty; they are called from
/// the thread that called the library, never from two threads at once.
struct Observer {
  std::function<void(const Progress&)> on_progress;
  std::function<void(LogLevel, const std::string&)> on_message;

  void progress(const Progress& p) const {
    if (on_progress) on_progress(p);
  }
  void info(const std::string& text) const {
    if (on_message) on_message(LogLevel::info, text);
  }
  void warn(const std::string& text) const {
    if (on_message) on_message(LogLevel::warning, text);
  }
};

/// A request to end early; set from a signal handler or another thread, read between steps.
class StopToken {
 public:
  StopToken() = default;
  /// Stops when @p parent does, too; it may be null, and outlives this token.
  explicit StopToken(const StopToken* parent) : parent_(parent) {}

  void request_stop() noexcept { stop_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool stop_requested() const noexcept {
    return stop_.load(std::memory_order_relaxed) || (parent_ != nullptr && parent_->stop_requested());
  }

 private:
  std::atomic<bool> stop_{false};
  const StopToken* parent_ = nullptr;
};

}  // namespace deepsad
