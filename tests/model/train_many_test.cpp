#include "deepsad/model/train_many.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <stdexcept>

#include "deepsad/core/error.h"
#include "deepsad/core/memory.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;

TrainOptions toy(std::uint64_t seed) {
  TrainOptions options;
  options.dataset = "toy2d";
  options.seed = seed;
  options.n_epochs = 2;
  options.ae_n_epochs = 2;
  options.n_known_outlier_classes = 1;
  options.ratio_known_outlier = 0.05;
  options.num_threads = 1;
  return options;
}

TEST(TrainMany, GivesTheBitsOfEachRunAlone) {
  std::vector<TrainOptions> runs{toy(1), toy(2), toy(3), toy(3)};
  runs[3].eta = 5;
  for (const std::size_t n_jobs : {1UL, 3UL}) {
    std::map<std::size_t, std::vector<float>> scores;
    std::vector<std::size_t> resolved;
    ManyRunsPlan plan;
    ManyRunsCallbacks callbacks;
    callbacks.on_planned = [&](const ManyRunsPlan& p) { plan = p; };
    callbacks.on_resolved = [&](std::size_t i, const TrainOptions& options) {
      EXPECT_EQ(options.seed, runs[i].seed);
      resolved.push_back(i);
    };
    callbacks.on_finished = [&](std::size_t i, const TrainRun& run) {
      scores[i] = run.test.scores;
      EXPECT_EQ(run.test_data->size(), 1000U);  // the shared data outlives the call that loaded it
    };
    train_many(runs, {.n_jobs = n_jobs}, callbacks, nullptr);
    EXPECT_EQ(plan.n_jobs, n_jobs);
    EXPECT_GT(plan.bytes_per_run, 0U);
    ASSERT_EQ(scores.size(), runs.size());
    EXPECT_EQ(resolved.size(), runs.size());
    for (std::size_t i = 0; i < runs.size(); ++i)
      EXPECT_EQ(scores[i], train_run(runs[i], Observer{}, nullptr).test.scores) << i;
  }
}

TEST(TrainMany, EqualPretrainingHappensOnceAndChangesNothing) {
  std::vector<TrainOptions> runs{toy(1), toy(1), toy(1)};
  runs[1].eta = 5;
  runs[2].method = "oc_svm";
  runs[2].hybrid = true;
  std::map<std::size_t, std::vector<float>> scores;
  std::map<std::size_t, double> pretraining_seconds, untrained;
  ManyRunsCallbacks callbacks;
  callbacks.untrained = true;
  callbacks.on_finished = [&](std::size_t i, const TrainRun& run) {
    scores[i] = run.test.scores;
    pretraining_seconds[i] = run.phases.at(0).history.seconds;
    if (run.untrained) untrained[i] = run.untrained->roc_auc;
  };
  train_many(runs, {.n_jobs = 3}, callbacks, nullptr);
  // One training gave all three their record: no two take the same time to the last bit.
  EXPECT_EQ(pretraining_seconds[0], pretraining_seconds[1]);
  EXPECT_EQ(pretraining_seconds[0], pretraining_seconds[2]);
  for (std::size_t i = 0; i < runs.size(); ++i)
    EXPECT_EQ(scores[i], train_run(runs[i], Observer{}, nullptr).test.scores) << i;

  TrainOptions nothing = toy(1);
  nothing.pretrain = false;
  nothing.n_epochs = 0;
  EXPECT_EQ(untrained[0], train_run(nothing, Observer{}, nullptr).metrics.roc_auc);
  EXPECT_EQ(untrained.count(2), 0U);
}

TEST(TrainMany, SomebodyElseCanSayWhichRunIsNext) {
  const std::vector<TrainOptions> runs{toy(1), toy(2), toy(3)};
  std::vector<std::size_t> finished;
  std::vector<NextRun> order{{.position = 2}, {.position = {}, .later = true}, {.position = 0}};
  ManyRunsCallbacks callbacks;
  callbacks.next = [&](std::size_t job) -> NextRun {
    EXPECT_EQ(job, 0U);
    if (order.empty()) return {};
    const NextRun next = order.front();
    order.erase(order.begin());
    return next;
  };
  callbacks.on_finished = [&](std::size_t i, const TrainRun&) { finished.push_back(i); };
  train_many(runs, {.n_jobs = 1}, callbacks, nullptr);
  EXPECT_EQ(finished, (std::vector<std::size_t>{2, 0}));
}

TEST(TrainMany, ARunThatFailsDoesNotStopTheOthers) {
  std::vector<TrainOptions> runs{toy(1), toy(2), toy(3)};
  runs[1].ratio_pollution = 0.9;  // more anomalies than there are: known only when the data is seen
  std::vector<std::size_t> finished;
  std::map<std::size_t, std::string> failed;
  ManyRunsCallbacks callbacks;
  callbacks.on_finished = [&](std::size_t i, const TrainRun&) { finished.push_back(i); };
  callbacks.on_failed = [&](std::size_t i, const std::string& error) { failed[i] = error; };
  train_many(runs, {.n_jobs = 1}, callbacks, nullptr);
  EXPECT_EQ(finished, (std::vector<std::size_t>{0, 2}));
  ASSERT_EQ(failed.count(1), 1U);
  EXPECT_THAT(failed[1], HasSubstr("100 training samples"));
}

TEST(TrainMany, ACallbacksExceptionEndsEverythingAndComesBack) {
  const std::vector<TrainOptions> runs{toy(1), toy(2), toy(3), toy(4)};
  for (const bool late : {false, true}) {
    std::size_t calls = 0;
    const auto fail = [&] {
      ++calls;
      throw std::runtime_error("disk full");
    };
    ManyRunsCallbacks callbacks;
    if (late) {
      callbacks.on_finished = [&](std::size_t, const TrainRun&) { fail(); };
    } else {
      callbacks.on_progress = [&](std::size_t, const Progress&) { fail(); };
    }
    callbacks.on_failed = [](std::size_t, const std::string& error) { ADD_FAILURE() << error; };
    try {
      train_many(runs, {.n_jobs = 2}, callbacks, nullptr);
      ADD_FAILURE() << "no exception";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "disk full");
    }
    EXPECT_LE(calls, 2U);  // one a job at the most
  }
}

TEST(TrainMany, AStopEndsTheRunsUnderWayAndStartsNoMore) {
  const std::vector<TrainOptions> runs{toy(1), toy(2), toy(3)};
  StopToken stop;
  std::size_t finished = 0;
  ManyRunsCallbacks callbacks;
  callbacks.on_finished = [&](std::size_t, const TrainRun&) {
    ++finished;
    stop.request_stop();
  };
  EXPECT_THROW(train_many(runs, {.n_jobs = 1}, callbacks, &stop), Interrupted);
  EXPECT_EQ(finished, 1U);
}

TEST(TrainMany, MemoryLimitsTheRunsAtATime) {
  const std::vector<TrainOptions> runs{toy(1), toy(2), toy(3), toy(4)};
  ManyRunsPlan plan;
  ManyRunsCallbacks callbacks;
  callbacks.on_planned = [&](const ManyRunsPlan& p) { plan = p; };
  train_many(runs, {.n_jobs = 4}, callbacks, nullptr);
  EXPECT_EQ(plan.n_jobs, 4U);
  const std::size_t one = plan.bytes_per_run;
  train_many(runs, {.n_jobs = 4, .memory_budget = 2 * one + 1}, callbacks, nullptr);
  EXPECT_EQ(plan.n_jobs, 2U);
  try {
    train_many(runs, {.n_jobs = 4, .memory_budget = one - 1}, callbacks, nullptr);
    ADD_FAILURE() << "no exception";
  } catch (const InvalidArgument& error) {
    EXPECT_THAT(error.what(), HasSubstr("more than the budget"));
  }
}

TEST(TrainMany, BadOptionsOfAnyRunAreRefusedBeforeTheFirst) {
  std::vector<TrainOptions> runs{toy(1), toy(2)};
  runs[1].eta = -1;
  ManyRunsCallbacks callbacks;
  callbacks.on_resolved = [](std::size_t, const TrainOptions&) { ADD_FAILURE() << "a run was started"; };
  EXPECT_THROW(train_many(runs, {}, callbacks, nullptr), InvalidArgument);
}

TEST(Memory, SomeIsAvailable) {
  EXPECT_GT(available_memory_bytes(), std::size_t{1} << 20);
}

}  // namespace
}  // namespace deepsad
