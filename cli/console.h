// The program's two streams: results on standard output, everything else on standard error.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "deepsad/core/progress.h"

namespace deepsad::cli {

/// Standard output was closed by its reader (`deepsad ... | head`): end quietly.
struct BrokenPipe {};

enum class Verbosity { quiet, normal, verbose };

class Console {
 public:
  Console();
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  void set_verbosity(Verbosity verbosity) { verbosity_ = verbosity; }
  [[nodiscard]] Verbosity verbosity() const { return verbosity_; }
  /// Whether standard error is one.
  [[nodiscard]] bool is_terminal() const { return is_terminal_; }

  /// Results. @throws BrokenPipe, IoError.
  void print(std::string_view text);
  /// Makes sure that everything printed has arrived. @throws BrokenPipe, IoError.
  void flush();

  /// One line on standard error, whatever the verbosity.
  void say(std::string_view text);
  /// One line on standard error, unless quiet.
  void note(std::string_view text);
  /// Progress: a bar that redraws itself on a terminal; else lines, about ten a phase (each epoch if
  /// verbose).
  void show(const Progress& progress);
  /// Lines on a terminal, each cut to its width, and the way back above the last n of them.
  void draw_lines(const std::vector<std::string>& lines);
  void erase_lines(std::size_t n);

 private:
  void clear_bar();

  Verbosity verbosity_ = Verbosity::normal;
  bool is_terminal_ = false;
  bool bar_shown_ = false;
  std::string last_phase_;        // of the lines in a pipe
  std::size_t tenths_shown_ = 0;  // of that phase
  std::chrono::steady_clock::time_point last_drawn_{};
};

/// "1:05", "1:00:05".
[[nodiscard]] std::string duration_text(double seconds);

/// The line of a finished epoch: "pretraining | epoch 003/150 | loss 0.123456 | 1.234 s | 56789 rows/s".
[[nodiscard]] std::string epoch_line(const Progress& progress);

/// Turns the first SIGINT or SIGTERM into a stop request; the second ends the program at once. Lives until
/// the program ends.
[[nodiscard]] const StopToken& stop_on_signals();

}  // namespace deepsad::cli
