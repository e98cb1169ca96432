#include "deepsad/experiment/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "deepsad/core/error.h"
#include "support/files.h"

namespace deepsad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TempDir;

constexpr const char* kGrid = R"(name = "toy"
datasets = ["toy2d"]
gamma_l = [0, 0.05]
seeds = [1, 2]
[options]
n_epochs = 2
ae_n_epochs = 2
[[method]]
column = "Deep SAD"
[[method]]
column = "SSAD hybrid"
method = "ssad"
options = { hybrid = true, gamma = "scale" }
[[method]]
column = "IF raw"
method = "isolation_forest"
)";

std::map<std::string, double> aucs(const Store& store) {
  std::map<std::string, double> found;
  for (const RunRecord& record : store.records())
    if (record.state == RunState::done) found[record.setup.id] = record.metrics.at("test_auc");
  return found;
}

TEST(Runner, GivesWhatEachRunGivesAlone) {
  const TempDir folder;
  Store store = Store::open(folder.at("a.sqlite"));
  const Grid grid = parse_grid(kGrid, "toy.toml");
  std::size_t n_finished = 0;
  ExperimentCallbacks callbacks;
  callbacks.on_finished = [&](std::size_t, const RunRecord&, const ExperimentState&) { ++n_finished; };
  const ExperimentState state = run_experiment(grid, store, {.n_jobs = 2}, callbacks, nullptr);
  EXPECT_EQ(state.n_runs, 10U);
  EXPECT_EQ(state.n_done, 10U);
  EXPECT_EQ(n_finished, 10U);
  const std::map<std::string, double> found = aucs(store);
  for (const GridRun& run : grid.runs) {
    const TrainRun alone = train_run(run.options, Observer{}, nullptr);
    EXPECT_EQ(found.at(run.setup.id), alone.metrics.roc_auc) << run.setup.column;
  }
  for (const RunRecord& record : store.records()) {
    EXPECT_EQ(record.metrics.count("untrained_auc"), record.setup.method == "deep_sad" ? 1U : 0U);
    EXPECT_EQ(record.metrics.count("linear_auc"), record.setup.method == "ssad" ? 1U : 0U);
    EXPECT_EQ(record.metrics.at("n_test"), 1000);
    EXPECT_THAT(record.started, ::testing::MatchesRegex("....-..-..T..:..:..Z"));
  }

  // All done: nothing happens. One seed more: its runs alone.
  run_experiment(grid, store, {}, callbacks, nullptr);
  EXPECT_EQ(n_finished, 10U);
  std::string longer = kGrid;
  longer.replace(longer.find("[1, 2]"), 6, "[1, 2, 3]");
  run_experiment(parse_grid(longer, "toy.toml"), store, {}, callbacks, nullptr);
  EXPECT_EQ(n_finished, 15U);
}

TEST(Runner, AFailedRunIsARowAndIsTriedAgainWhenAskedFor) {
  const TempDir folder;
  Store store = Store::open(folder.at("a.sqlite"));
  std::string text = kGrid;
  text.replace(text.find("gamma_l = [0, 0.05]"), 19, "gamma_p = [0.9]");  // more anomalies than there are
  const Grid grid = parse_grid(text, "toy.toml");
  std::size_t n_finished = 0;
  ExperimentCallbacks callbacks;
  callbacks.on_finished = [&](std::size_t, const RunRecord&, const ExperimentState&) { ++n_finished; };
  for (const bool retry : {false, false, true}) {
    const ExperimentState state =
        run_experiment(grid, store, {.n_jobs = 1, .retry_failed = retry}, callbacks, nullptr);
    EXPECT_EQ(state.n_failed, 6U);
    EXPECT_EQ(n_finished, retry ? 12U : 6U);
  }
  for (const RunRecord& record : store.records()) {
    EXPECT_EQ(record.state, RunState::failed);
    EXPECT_THAT(record.error, HasSubstr("ratio_pollution 0.9 asks for"));
    EXPECT_TRUE(record.metrics.empty());
  }
}

TEST(Runner, AStopGivesTheRunsUnderWayBack) {
  const TempDir folder;
  Store store = Store::open(folder.at("a.sqlite"));
  const Grid grid = parse_grid(kGrid, "toy.toml");
  StopToken stop;
  ExperimentCallbacks callbacks;
  callbacks.on_finished = [&](std::size_t, const RunRecord&, const ExperimentState&) { stop.request_stop(); };
  EXPECT_THROW(run_experiment(grid, store, {.n_jobs = 2}, callbacks, &stop), Interrupted);
  const std::size_t n_done = experiment_state(grid, store).n_done;
  EXPECT_GE(n_done, 1U);
  EXPECT_LT(n_done, 10U);
  std::size_t n_started = 0;
  callbacks = {};
  callbacks.on_started = [&](std::size_t, const GridRun&) { ++n_started; };
  EXPECT_EQ(run_experiment(grid, store, {.n_jobs = 2}, callbacks, nullptr).n_done, 10U);
  EXPECT_EQ(n_started, 10 - n_done);
}

}  // namespace
}  // namespace deepsad
