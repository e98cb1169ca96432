// deepsad experiment run, list, status.
#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <map>
#include <optional>

#include "commands.h"
#include "deepsad/core/csv_text.h"
#include "deepsad/core/error.h"
#include "deepsad/experiment/runner.h"
#include "deepsad/experiment/spread.h"
#include "deepsad/model/options_file.h"
#include "deepsad/report/run_report.h"
#include "deepsad/storage/run_folder.h"
#include "experiment_board.h"
#include "ranks.h"
#include "run_log.h"
#include "shared_options.h"

namespace deepsad::cli {
namespace {

constexpr const char* kDefaultStore = "runs/experiments.sqlite";

std::string store_path(const Arguments& arguments) {
  return arguments.text("store", kDefaultStore);
}

Grid grid_of(const Arguments& arguments) {
  return read_grid(arguments.text("GRID"), arguments.text("subset"));
}

Store open_store(const Arguments& arguments) {
  const std::string path = store_path(arguments);
  if (!arguments.has("store")) std::filesystem::create_directories("runs");
  return Store::open(path);
}

// A store that is not there is an empty one, and is not made by looking at it.
std::map<std::string, std::optional<RunState>> stored_states(const Arguments& arguments) {
  if (!std::filesystem::exists(store_path(arguments))) return {};
  return Store::open(store_path(arguments)).states();
}

const char* state_name(const std::map<std::string, std::optional<RunState>>& states, const std::string& id) {
  const auto found = states.find(id);
  if (found == states.end() || !found->second) return "open";
  return *found->second == RunState::done ? "done" : "failed";
}

// Open, done and failed runs of a data set's column.
struct Count {
  std::size_t n_open = 0, n_done = 0, n_failed = 0;
};

std::string counts_table(const Grid& grid, const std::map<std::string, std::optional<RunState>>& states) {
  std::vector<std::pair<std::string, std::string>> order;
  std::map<std::pair<std::string, std::string>, std::map<std::string, const char*>> runs;
  std::size_t width = std::string_view("column").size();
  for (const GridRun& run : grid.runs) {
    const std::pair key{run.setup.dataset, run.setup.column};
    if (runs.count(key) == 0) order.push_back(key);
    runs[key][run.setup.id] = state_name(states, run.setup.id);
    width = std::max(width, run.setup.column.size());
  }
  std::string text = fmt::format("{:<12}  {:<{}}  {:>6}  {:>6}  {:>6}\n", "data set", "column", width, "done",
                                 "failed", "open");
  for (const auto& key : order) {
    Count count;
    for (const auto& [id, state] : runs[key])
      ++(state == std::string_view("open")   ? count.n_open
         : state == std::string_view("done") ? count.n_done
                                             : count.n_failed);
    text += fmt::format("{:<12}  {:<{}}  {:>6}  {:>6}  {:>6}\n", key.first, key.second, width, count.n_done,
                        count.n_failed, count.n_open);
  }
  return text;
}

std::string totals(const ExperimentState& state) {
  return fmt::format("{} runs: {} done, {} failed, {} open\n", state.n_runs, state.n_done, state.n_failed,
                     state.n_open());
}

std::size_t jobs(const Arguments& arguments) {
  if (!arguments.has("jobs")) return 0;
  const std::string text = arguments.text("jobs");
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    throw InvalidArgument(fmt::format("--jobs: got \"{}\", wanted a whole number", text));
  return value;
}

// The folder of a run below `parent`, complete, named by what it is.
std::string write_folder(const std::string& parent, const GridRun& run, const TrainRun& result) {
  std::filesystem::create_directories(parent);
  RunFolder folder = RunFolder::create_beside(
      fmt::format("{}/{}-{}-{}", parent, run.setup.dataset, run.setup.method, run.setup.id));
  folder.write("config.json", options_to_json(result.options));
  write_run(folder, result);
  return folder.path();
}

}  // namespace

namespace {

// A worker is silent: the process that owns the store tells how the experiment goes.
int join(const Arguments& arguments, const Grid& grid, const ExperimentOptions& options) {
  const std::string address = arguments.has("join") ? arguments.text("join") : share_address("");
  ExperimentCallbacks callbacks;
  if (arguments.has("folders")) {
    callbacks.write_run = [&](const GridRun& run, const TrainRun& result) {
      return write_folder(arguments.text("folders"), run, result);
    };
  }
  (void)join_experiment(grid, address, options, callbacks, &stop_on_signals());
  return kDone;
}

}  // namespace

int run_experiment_run(const Arguments& arguments, Console& console) {
  const Grid grid = grid_of(arguments);
  const ExperimentOptions options{.data_dir = data_dir(arguments),
                                  .n_jobs = jobs(arguments),
                                  .retry_failed = arguments.flag("retry_failed")};
  if (arguments.flag("quiet")) console.set_verbosity(Verbosity::quiet);
  if (arguments.flag("dry_run")) {
    console.print(counts_table(grid, stored_states(arguments)));
    return kDone;
  }
  const Ranks where = ranks();
  if (arguments.has("join") || where.rank > 0) return join(arguments, grid, options);
  Store store = open_store(arguments);
  const StopToken& stop = stop_on_signals();
  ExperimentState state;
  {
    std::optional<ExperimentServer> server;
    if (arguments.flag("serve") || where.n_ranks > 1) {
      enrol(grid, store, options.retry_failed);
      server.emplace(grid, store.path());
      if (where.n_ranks > 1) (void)share_address(server->address());
      if (arguments.flag("serve"))
        console.say(fmt::format("workers: deepsad experiment run {}{} --join {}", arguments.text("GRID"),
                                arguments.has("subset") ? " --subset " + arguments.text("subset") : "",
                                server->address()));
    }
    ExperimentBoard board(console, grid, store);
    ExperimentCallbacks callbacks;
    callbacks.on_planned = [&](const ExperimentState& s, const ManyRunsPlan& plan) {
      board.planned(s, plan);
    };
    callbacks.on_started = [&](std::size_t job, const GridRun& run) { board.started(job, run); };
    callbacks.on_progress = [&](std::size_t job, const Progress& p) { board.progress(job, p); };
    callbacks.on_finished = [&](std::size_t job, const RunRecord& record, const ExperimentState& s) {
      board.finished(job, record, s);
    };
    callbacks.on_waiting = [&](const ExperimentState& s) { board.waiting(s); };
    if (arguments.has("folders")) {
      callbacks.write_run = [&](const GridRun& run, const TrainRun& result) {
        return write_folder(arguments.text("folders"), run, result);
      };
    }
    state = run_experiment(grid, store, options, callbacks, &stop);
  }
  console.print(totals(state) + fmt::format("store  {}\n", store.path()));
  if (state.n_failed == 0) return kDone;
  console.say(
      fmt::format("deepsad: error: {} of {} runs failed; `deepsad experiment status` says why, "
                  "--retry-failed trains them again",
                  state.n_failed, state.n_runs));
  return kFailure;
}

int run_experiment_list(const Arguments& arguments, Console& console) {
  const Grid grid = grid_of(arguments);
  const auto states = stored_states(arguments);
  std::string text =
      "id,state,dataset,column,variant,normal_class,known_class,n_known_classes,gamma_l,gamma_p,varied,"
      "seed\n";
  for (const GridRun& run : grid.runs) {
    const RunSetup& s = run.setup;
    std::vector<std::string> varied;
    for (const auto& [name, value] : s.varied) varied.push_back(fmt::format("{}={}", name, value));
    text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{}\n", s.id, state_name(states, s.id),
                        csv_field(s.dataset), csv_field(s.column), csv_field(s.variant),
                        fmt::join(s.normal_classes, "+"),
                        s.known_class ? fmt::format("{}", *s.known_class) : "", s.n_known_classes, s.gamma_l,
                        s.gamma_p, csv_field(fmt::format("{}", fmt::join(varied, " "))), s.seed);
  }
  console.print(text);
  return kDone;
}

int run_experiment_status(const Arguments& arguments, Console& console) {
  const Grid grid = grid_of(arguments);
  const std::string path = store_path(arguments);
  if (!std::filesystem::exists(path)) {
    console.print(counts_table(grid, {}));
    return kDone;
  }
  const Store store = Store::open(path);
  console.print(counts_table(grid, store.states()));
  console.print(totals(experiment_state(grid, store)));
  std::map<std::string, std::pair<std::size_t, std::string>> failures;  // error -> how often, an example
  for (const RunRecord& record : store.records()) {
    if (record.state != RunState::failed || record.setup.experiment != grid.name) continue;
    auto& [n, example] = failures[record.error];
    if (n++ == 0) example = record.setup.id;
  }
  for (const auto& [error, where] : failures)
    console.print(fmt::format("failed {} times, for instance {}: {}\n", where.first, where.second, error));
  return kDone;
}

}  // namespace deepsad::cli
