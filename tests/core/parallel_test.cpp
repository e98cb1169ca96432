#include "deepsad/core/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

namespace deepsad {
namespace {

TEST(ThreadPool, CallsEveryIndexOnceAtAnyThreadCount) {
  for (const std::size_t threads : {1UL, 2UL, 3UL, 8UL}) {
    ThreadPool pool(threads);
    for (const std::size_t n : {0UL, 1UL, 2UL, 7UL, 8UL, 100UL}) {
      std::vector<std::atomic<int>> calls(n);
      pool.parallel_for(n, [&](std::size_t i) { ++calls[i]; });
      for (const auto& c : calls) EXPECT_EQ(c, 1);
    }
  }
}

TEST(ThreadPool, WorkerNumbersAreWithinRangeAndNeverShared) {
  ThreadPool pool(3);
  std::vector<std::atomic<int>> busy(3);
  std::atomic<bool> shared{false};
  pool.parallel_for_worker(300, [&](std::size_t, std::size_t worker) {
    ASSERT_LT(worker, 3U);
    if (busy[worker].fetch_add(1) != 0) shared = true;
    busy[worker].fetch_sub(1);
  });
  EXPECT_FALSE(shared);
}

TEST(ThreadPool, SurvivesThousandsOfJobsAndSleepsInBetween) {
  ThreadPool pool(2);
  std::atomic<std::size_t> sum{0};
  for (int job = 0; job < 5000; ++job) {
    pool.parallel_for(4, [&](std::size_t i) { sum += i; });
    if (job % 1000 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_EQ(sum, 5000U * 6U);
}

TEST(ThreadPool, RethrowsAfterAllWorkersEndedAndStaysUsable) {
  ThreadPool pool(3);
  std::atomic<int> calls{0};
  EXPECT_THROW(pool.parallel_for(9,
                                 [&](std::size_t i) {
                                   ++calls;
                                   if (i == 8) throw std::runtime_error("injected");
                                 }),
               std::runtime_error);
  EXPECT_EQ(calls, 9);
  calls = 0;
  pool.parallel_for(9, [&](std::size_t) { ++calls; });
  EXPECT_EQ(calls, 9);
}

TEST(ThreadPool, ZeroMeansAllProcessors) {
  EXPECT_EQ(ThreadPool(0).n_threads(), available_processors());
}

}  // namespace
}  // namespace deepsad
