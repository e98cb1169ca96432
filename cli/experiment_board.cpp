#include "experiment_board.h"

#include <fmt/format.h>

#include <algorithm>

namespace deepsad::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kRedrawAfter{200};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string kind_of(const RunSetup& setup) {
  return setup.dataset + '\n' + setup.column + '\n' + setup.variant;
}

std::string short_name(const RunSetup& setup) {
  std::string text = fmt::format("{} · {}", setup.dataset, setup.column);
  if (!setup.variant.empty()) text += " " + setup.variant;
  text += fmt::format(" · normal {}", fmt::join(setup.normal_classes, "+"));
  if (setup.known_class) text += fmt::format(", known {}", *setup.known_class);
  for (const auto& [name, value] : setup.varied) text += fmt::format(", {} {}", name, value);
  return text + fmt::format(", γl {}, γp {}, seed {}", setup.gamma_l, setup.gamma_p, setup.seed);
}

}  // namespace

ExperimentBoard::ExperimentBoard(Console& console, const Grid& grid, const Store& store)
    : console_(console),
      shown_(console.is_terminal() && console.verbosity() != Verbosity::quiet),
      title_(grid.title.empty() ? grid.name : fmt::format("{}: {}", grid.name, grid.title)) {
  if (!shown_) return;
  for (const RunRecord& record : store.records()) {
    if (record.state != RunState::done) continue;
    times_[kind_of(record.setup)].add(record.seconds);
    all_times_.add(record.seconds);
  }
  const auto states = store.states();
  for (const GridRun& run : grid.runs) {
    const auto found = states.find(run.setup.id);
    if (found == states.end() || !found->second) kind_of_open_[run.setup.id] = kind_of(run.setup);
  }
}

ExperimentBoard::~ExperimentBoard() {
  erase();
}

void ExperimentBoard::planned(const ExperimentState& state, const ManyRunsPlan& plan) {
  state_ = state;
  jobs_.resize(plan.n_jobs);
  draw(true);
}

void ExperimentBoard::started(std::size_t job, const GridRun& run) {
  jobs_[job] = {.run = short_name(run.setup), .phase = {}, .started = Clock::now()};
  draw(false);
}

void ExperimentBoard::progress(std::size_t job, const Progress& progress) {
  jobs_[job].phase = progress.total == 0
                         ? progress.phase
                         : fmt::format("{} {}/{}", progress.phase, progress.done, progress.total);
  draw(false);
}

void ExperimentBoard::finished(std::size_t job, const RunRecord& record, const ExperimentState& state) {
  state_ = state;
  jobs_[job] = {};
  kind_of_open_.erase(record.setup.id);
  if (record.state == RunState::done) {
    times_[kind_of(record.setup)].add(record.seconds);
    all_times_.add(record.seconds);
  } else if (shown_) {
    erase();
    console_.note(fmt::format("deepsad: warning: {} failed: {}", short_name(record.setup), record.error));
  }
  draw(true);
}

void ExperimentBoard::waiting(const ExperimentState& state) {
  state_ = state;
  draw(false);
}

std::string ExperimentBoard::time_left() const {
  if (all_times_.n == 0) return "";
  double seconds = 0;
  for (const auto& [id, kind] : kind_of_open_) {
    const auto found = times_.find(kind);
    seconds += found == times_.end() ? all_times_.mean() : found->second.mean();
  }
  for (const Job& job : jobs_)
    if (!job.run.empty()) seconds = std::max(0.0, seconds - seconds_since(job.started));
  return duration_text(seconds / static_cast<double>(std::max<std::size_t>(1, jobs_.size())));
}

void ExperimentBoard::draw(bool at_once) {
  if (!shown_) return;
  const auto now = Clock::now();
  if (!at_once && now - last_drawn_ < kRedrawAfter) return;
  last_drawn_ = now;
  std::vector<std::string> lines{
      title_, fmt::format("{} of {} runs done, {} failed", state_.n_done, state_.n_runs, state_.n_failed)};
  if (const std::string left = time_left(); state_.n_open() > 0 && !left.empty())
    lines.back() += fmt::format(", {} left", left);
  for (const Job& job : jobs_) {
    lines.push_back(
        job.run.empty()
            ? "  waiting"
            : fmt::format("  {:>7}  {}  {}", duration_text(seconds_since(job.started)), job.run, job.phase));
  }
  erase();
  console_.draw_lines(lines);
  lines_drawn_ = lines.size();
}

void ExperimentBoard::erase() {
  if (lines_drawn_ > 0) console_.erase_lines(lines_drawn_);
  lines_drawn_ = 0;
}

}  // namespace deepsad::cli
