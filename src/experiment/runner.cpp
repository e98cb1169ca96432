#include "deepsad/experiment/runner.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <ctime>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/core/memory.h"
#include "deepsad/core/parallel.h"
#include "deepsad/core/version.h"
#include "experiment/run_desk.h"

namespace deepsad {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kHeartbeat{10};
constexpr double kShareForKernels = 0.4;  // of the memory, for the kernel matrices of all jobs

std::string utc_now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

/// Renews the claims of this process until its end.
class Heartbeat {
 public:
  explicit Heartbeat(const std::string& store) : store_(Store::open(store)), thread_([this] { beat(); }) {}
  ~Heartbeat() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

 private:
  void beat() noexcept {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, kHeartbeat, [this] { return ended_; })) {
      try {
        store_.renew_claims();
      } catch (const std::exception&) {  // a store that cannot be written is reported by whoever stores a run
      }
    }
  }

  Store store_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ended_ = false;
  std::thread thread_;
};

void put_metrics(std::map<std::string, double>& into, const std::string& name, const Metrics& metrics) {
  // One class only: undefined, and therefore absent.
  if (!std::isnan(metrics.roc_auc)) into[name + "_auc"] = metrics.roc_auc;
  if (!std::isnan(metrics.average_precision)) into[name + "_ap"] = metrics.average_precision;
}

std::map<std::string, double> metrics_of(const TrainRun& run) {
  std::map<std::string, double> metrics;
  put_metrics(metrics, "test", run.metrics);
  if (run.untrained) put_metrics(metrics, "untrained", *run.untrained);
  if (run.autoencoder) put_metrics(metrics, "autoencoder", run.autoencoder->metrics);
  if (run.linear) put_metrics(metrics, "linear", run.linear->metrics);
  metrics["train_seconds"] = run.train_seconds;
  metrics["test_seconds"] = run.test_seconds;
  metrics["n_train"] = static_cast<double>(run.training_set.rows.size());
  metrics["n_test"] = static_cast<double>(run.test.scores.size());
  return metrics;
}

void mark(RunRecord& record, const std::string& finding) {
  if (std::find(record.findings.begin(), record.findings.end(), finding) == record.findings.end())
    record.findings.push_back(finding);
}

/// The store of this process.
class StoreDesk final : public RunDesk {
 public:
  StoreDesk(const Grid& grid, Store& store) : grid_(grid), store_(store), heartbeat_(store.path()) {}
  [[nodiscard]] std::vector<std::string> open_runs() override {
    std::vector<std::string> open;
    for (const auto& [id, state] : store_.states())
      if (!state) open.push_back(id);
    return open;
  }
  [[nodiscard]] Store::Claimed claim(const std::vector<ClaimCandidate>& candidates,
                                     const std::string& group) override {
    return store_.claim(candidates, group);
  }
  void finish(const RunRecord& record) override {
    (void)store_.finish(record);  // another process can only have stored the same
  }
  void release() override { store_.release_claims(); }
  [[nodiscard]] ExperimentState state() override { return experiment_state(grid_, store_); }

 private:
  const Grid& grid_;
  Store& store_;
  Heartbeat heartbeat_;
};

/// The open runs of a grid, each identity once, and what is going on with them.
class Experiment {
 public:
  Experiment(RunDesk& desk, const Grid& grid, const ExperimentOptions& options,
             const ExperimentCallbacks& callbacks)
      : desk_(desk), options_(options), callbacks_(callbacks) {
    const std::vector<std::string> ids = desk.open_runs();
    std::set<std::string> left(ids.begin(), ids.end());
    for (const GridRun& run : grid.runs) {
      if (left.erase(run.setup.id) == 0) continue;
      open_.push_back(&run);
      candidates_.push_back({run.setup.id, run.group});
    }
    started_.resize(open_.size());
    job_of_.resize(open_.size());
  }

  void run(const StopToken* stop) {
    if (open_.empty()) {
      if (callbacks_.on_planned) callbacks_.on_planned(desk_.state(), ManyRunsPlan{});
      return;
    }
    try {
      train_many(train_options(), {.n_jobs = n_jobs()}, train_callbacks(), stop);
    } catch (...) {
      desk_.release();
      throw;
    }
  }

 private:
  struct Start {
    std::string utc;
    Clock::time_point time;
  };

  [[nodiscard]] std::size_t n_jobs() const {
    return options_.n_jobs == 0 ? available_processors() : options_.n_jobs;
  }

  [[nodiscard]] std::vector<TrainOptions> train_options() const {
    const double gigabytes = kShareForKernels * static_cast<double>(available_memory_bytes()) / 1e9;
    std::vector<TrainOptions> all;
    for (const GridRun* run : open_) {
      TrainOptions options = run->options;
      options.data_dir = options_.data_dir;
      if (options.memory_budget == 0) options.memory_budget = gigabytes / static_cast<double>(n_jobs());
      all.push_back(std::move(options));
    }
    return all;
  }

  ManyRunsCallbacks train_callbacks() {
    ManyRunsCallbacks callbacks;
    callbacks.untrained = true;
    callbacks.on_planned = [this](const ManyRunsPlan& plan) {
      group_of_job_.resize(plan.n_jobs);
      if (callbacks_.on_planned) callbacks_.on_planned(desk_.state(), plan);
    };
    callbacks.next = [this](std::size_t job) { return next(job); };
    callbacks.on_progress = [this](std::size_t i, const Progress& progress) {
      if (callbacks_.on_progress) callbacks_.on_progress(job_of_[i], progress);
    };
    callbacks.on_finished = [this](std::size_t i, const TrainRun& run) {
      RunRecord record = record_of(i);
      record.metrics = metrics_of(run);
      for (const Finding& finding : run.findings) record.findings.push_back(finding.name);
      // What was tested on seen rows, as was asked for, never goes unmarked.
      if (run.metrics.n_seen_by_training > 0) mark(record, "test_rows_in_training");
      if (run.metrics.n_seen_by_selection > 0) mark(record, "test_leak");
      if (callbacks_.write_run) record.folder = callbacks_.write_run(*open_[i], run);
      store(i, std::move(record));
    };
    callbacks.on_failed = [this](std::size_t i, const std::string& error) {
      RunRecord record = record_of(i);
      record.state = RunState::failed;
      record.error = error;
      store(i, std::move(record));
    };
    return callbacks;
  }

  NextRun next(std::size_t job) {
    const Store::Claimed claimed = desk_.claim(candidates_, group_of_job_[job]);
    if (!claimed.position) {
      if (!claimed.others_at_work) return {};
      if (callbacks_.on_waiting) callbacks_.on_waiting(desk_.state());
      return {.position = {}, .later = true};
    }
    const std::size_t i = *claimed.position;
    group_of_job_[job] = candidates_[i].group;
    job_of_[i] = job;
    started_[i] = {utc_now(), Clock::now()};
    if (callbacks_.on_started) callbacks_.on_started(job, *open_[i]);
    return {.position = i};
  }

  [[nodiscard]] RunRecord record_of(std::size_t i) const {
    RunRecord record;
    record.setup = open_[i]->setup;
    record.started = started_[i].utc;
    record.seconds = std::chrono::duration<double>(Clock::now() - started_[i].time).count();
    record.version = version();
    return record;
  }

  void store(std::size_t i, RunRecord record) {
    desk_.finish(record);
    if (callbacks_.on_finished) callbacks_.on_finished(job_of_[i], record, desk_.state());
  }

  RunDesk& desk_;
  const ExperimentOptions& options_;
  const ExperimentCallbacks& callbacks_;
  std::vector<const GridRun*> open_;
  std::vector<ClaimCandidate> candidates_;  // of open_
  std::vector<Start> started_;
  std::vector<std::size_t> job_of_;
  std::vector<std::string> group_of_job_;
};

}  // namespace

ExperimentState experiment_state(const Grid& grid, const Store& store) {
  const auto states = store.states();
  std::set<std::string> counted;
  ExperimentState state;
  for (const GridRun& run : grid.runs) {
    if (!counted.insert(run.setup.id).second) continue;
    ++state.n_runs;
    const auto found = states.find(run.setup.id);
    if (found == states.end() || !found->second) continue;
    ++(*found->second == RunState::done ? state.n_done : state.n_failed);
  }
  return state;
}

void enrol(const Grid& grid, Store& store, bool retry_failed) {
  std::vector<RunSetup> setups;
  std::vector<std::string> ids;
  for (const GridRun& run : grid.runs) {
    setups.push_back(run.setup);
    ids.push_back(run.setup.id);
  }
  store.enrol(setups);
  if (retry_failed) store.reopen_failed(ids);
}

void work_at(RunDesk& desk, const Grid& grid, const ExperimentOptions& options,
             const ExperimentCallbacks& callbacks, const StopToken* stop) {
  Experiment(desk, grid, options, callbacks).run(stop);
}

std::vector<ClaimCandidate> candidates_of(const Grid& grid) {
  std::vector<ClaimCandidate> candidates;
  std::set<std::string> taken;
  for (const GridRun& run : grid.runs)
    if (taken.insert(run.setup.id).second) candidates.push_back({run.setup.id, run.group});
  return candidates;
}

ExperimentState run_experiment(const Grid& grid, Store& store, const ExperimentOptions& options,
                               const ExperimentCallbacks& callbacks, const StopToken* stop) {
  enrol(grid, store, options.retry_failed);
  StoreDesk desk(grid, store);
  work_at(desk, grid, options, callbacks, stop);
  return desk.state();
}

}  // namespace deepsad
