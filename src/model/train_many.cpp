#include "deepsad/model/train_many.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <map>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>

#include "deepsad/core/error.h"
#include "deepsad/core/memory.h"
#include "deepsad/model/own_file.h"
#include "model/data_source.h"
#include "model/train_on_source.h"

namespace deepsad {
namespace {

constexpr double kShareOfMemory = 0.8;
constexpr std::chrono::milliseconds kAskAgainAfter{200};

struct Source {
  std::shared_ptr<const SourceData> data;
  double load_seconds = 0;
};
// By data set and folder. Of one's own file it is what the first run reads: it tells the size of the others.
using Sources = std::map<std::pair<std::string, std::string>, Source>;

Sources load_sources(std::span<const TrainOptions> runs) {
  Sources sources;
  ThreadPool pool(0);
  for (const TrainOptions& options : runs) {
    Source& source = sources[{options.dataset, options.data_dir}];
    if (source.data) continue;
    const auto start = std::chrono::steady_clock::now();
    source.data =
        is_own_file(options.dataset)
            ? read_own_file(options).data
            : std::make_shared<const SourceData>(load_source(options.dataset, options.data_dir, pool));
    source.load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  return sources;
}

const Source& source_of(const Sources& sources, const TrainOptions& options) {
  return sources.at({options.dataset, options.data_dir});
}

ManyRunsPlan plan_runs(std::span<const TrainOptions> runs, const Sources& sources,
                       const ManyRunsLimits& limits) {
  ManyRunsPlan plan;
  for (const TrainOptions& options : runs) {
    const SourceData& source = *source_of(sources, options).data;
    const std::size_t own_copy =
        source.own ? source.train.size() * source.train.n_features() * sizeof(double) : 0;
    plan.bytes_per_run = std::max(plan.bytes_per_run, estimated_run_bytes(source, options) + own_copy);
  }
  plan.memory_budget = limits.memory_budget;
  if (plan.memory_budget == 0) {
    plan.memory_budget =
        static_cast<std::size_t>(kShareOfMemory * static_cast<double>(available_memory_bytes()));
    if (plan.memory_budget == 0) plan.memory_budget = std::numeric_limits<std::size_t>::max();  // unknown
  } else if (plan.memory_budget < plan.bytes_per_run) {
    throw InvalidArgument(fmt::format("[memory] a run needs about {} MB, more than the budget of {} MB",
                                      plan.bytes_per_run >> 20, plan.memory_budget >> 20));
  }
  const std::size_t processors = available_processors();
  const std::size_t fit =
      std::max<std::size_t>(1, plan.memory_budget / std::max<std::size_t>(1, plan.bytes_per_run));
  const std::size_t wanted = limits.n_jobs == 0 ? processors : limits.n_jobs;
  plan.n_jobs = std::min({wanted, fit, runs.size()});
  // Processors that would stand idle help the runs there are.
  plan.threads_per_run = std::max<std::size_t>(1, processors / plan.n_jobs);
  return plan;
}

/// Runs in their order, n_jobs at a time.
class Runner {
 public:
  Runner(std::span<const TrainOptions> runs, const Sources& sources, const ManyRunsPlan& plan,
         const ManyRunsCallbacks& callbacks, const StopToken* stop)
      : runs_(runs), sources_(sources), plan_(plan), callbacks_(callbacks), stop_(stop) {}

  void run() {
    std::vector<std::thread> threads;
    try {
      for (std::size_t job = 0; job < plan_.n_jobs; ++job) threads.emplace_back([this, job] { work(job); });
    } catch (...) {
      end_with(std::current_exception());
    }
    for (std::thread& thread : threads) thread.join();
    if (error_) std::rethrow_exception(error_);
    if (stop_.stop_requested())
      throw Interrupted(fmt::format("{} of {} runs are finished", n_finished_, runs_.size()));
  }

 private:
  void end_with(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
    stop_.request_stop();
  }

  // A callback's own exception, to be told from one of the run that it passes through.
  struct CallbackFailed {};

  template <class Result, class... Parts>
  Result call(const std::function<Result(Parts...)>& callback,
              const std::type_identity_t<std::remove_cvref_t<Parts>>&... parts) {
    if (!callback) return Result();
    std::unique_lock lock(mutex_);
    try {
      return callback(parts...);
    } catch (...) {
      lock.unlock();
      end_with(std::current_exception());
      throw CallbackFailed();
    }
  }

  NextRun next(std::size_t job) {
    if (callbacks_.next) return call(callbacks_.next, job);
    const std::size_t i = next_.fetch_add(1);
    return {.position = i < runs_.size() ? std::optional(i) : std::nullopt};
  }

  void work(std::size_t job) noexcept {
    try {
      ThreadPool pool(plan_.threads_per_run);
      while (!stop_.stop_requested()) {
        const NextRun run = next(job);
        if (run.position) {
          train_one(*run.position, pool);
        } else if (run.later) {
          std::this_thread::sleep_for(kAskAgainAfter);
        } else {
          return;
        }
      }
    } catch (const CallbackFailed&) {
      return;
    } catch (...) {
      end_with(std::current_exception());
    }
  }

  void train_one(std::size_t i, ThreadPool& pool) {
    Observer observer;
    observer.on_progress = [this, i](const Progress& progress) { call(callbacks_.on_progress, i, progress); };
    observer.on_message = [this, i](LogLevel level, const std::string& text) {
      call(callbacks_.on_message, i, level, text);
    };
    Source source = source_of(sources_, runs_[i]);
    try {
      // Its parts, and what the schema knows, are the run's own.
      if (source.data->own && i > 0) source.data = read_own_file(runs_[i]).data;
      const TrainRun run = train_on_source(
          source.data, runs_[i], source.load_seconds, pool, observer, &stop_,
          [this, i](const TrainOptions& options) { call(callbacks_.on_resolved, i, options); },
          {.autoencoders = &autoencoders_, .untrained = callbacks_.untrained});
      call(callbacks_.on_finished, i, run);
      n_finished_.fetch_add(1);
    } catch (const Interrupted&) {
      return;
    } catch (const std::exception& failure) {
      call(callbacks_.on_failed, i, std::string(failure.what()));
    }
  }

  std::span<const TrainOptions> runs_;
  const Sources& sources_;
  const ManyRunsPlan& plan_;
  const ManyRunsCallbacks& callbacks_;
  StopToken stop_;  // the caller's, and ours when a callback fails
  std::atomic<std::size_t> next_{0}, n_finished_{0};
  AutoencoderCache autoencoders_;
  std::mutex mutex_;
  std::exception_ptr error_;
};

}  // namespace

void train_many(std::span<const TrainOptions> runs, const ManyRunsLimits& limits,
                const ManyRunsCallbacks& callbacks, const StopToken* stop) {
  if (runs.empty()) return;
  for (const TrainOptions& options : runs) {
    validate(options);
    if (options.dataset == "-")
      throw InvalidArgument(
          "dataset: standard input can be read but once, and there are several runs; give a file");
    if (is_own_file(options.dataset) && !options.seed)
      throw InvalidArgument("[train_many] runs on a file of one's own need their seeds");
  }
  const Sources sources = load_sources(runs);
  const ManyRunsPlan plan = plan_runs(runs, sources, limits);
  if (callbacks.on_planned) callbacks.on_planned(plan);
  Runner(runs, sources, plan, callbacks, stop).run();
}

}  // namespace deepsad
