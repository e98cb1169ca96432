// The live table of an experiment on a terminal.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "console.h"
#include "deepsad/experiment/runner.h"

namespace deepsad::cli {

/// "120 of 450 runs done, 2 failed, 1:23:45 left", and below it what every job is doing. Redraws itself in
/// place on a terminal; elsewhere it says nothing.
class ExperimentBoard {
 public:
  ExperimentBoard(Console& console, const Grid& grid, const Store& store);
  ~ExperimentBoard();
  ExperimentBoard(const ExperimentBoard&) = delete;
  ExperimentBoard& operator=(const ExperimentBoard&) = delete;

  void planned(const ExperimentState& state, const ManyRunsPlan& plan);
  void started(std::size_t job, const GridRun& run);
  void progress(std::size_t job, const Progress& progress);
  void finished(std::size_t job, const RunRecord& record, const ExperimentState& state);
  void waiting(const ExperimentState& state);

 private:
  struct Job {
    std::string run, phase;
    std::chrono::steady_clock::time_point started;
  };
  /// Mean wall time of runs, by data set and column, and over all.
  struct Times {
    double seconds = 0;
    std::size_t n = 0;
    void add(double s) { seconds += s, ++n; }
    [[nodiscard]] double mean() const { return n == 0 ? 0 : seconds / static_cast<double>(n); }
  };

  void draw(bool at_once);
  void erase();
  [[nodiscard]] std::string time_left() const;

  Console& console_;
  bool shown_ = false;  // on a terminal, and not quiet
  std::string title_;
  ExperimentState state_;
  std::vector<Job> jobs_;
  std::map<std::string, std::string> kind_of_open_;  // identity -> data set and column
  std::map<std::string, Times> times_;
  Times all_times_;
  std::size_t lines_drawn_ = 0;
  std::chrono::steady_clock::time_point last_drawn_{};
};

}  // namespace deepsad::cli
