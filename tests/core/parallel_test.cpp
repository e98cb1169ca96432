#include "deepsad/core/parallel.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "deepsad/core/error.h"

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

TEST(ThreadPool, TakesOverWhatAHeldUpWorkerHasNotBegun) {
  // Whichever worker gets index 4 waits there until all others are done, by the other worker if need be.
  ThreadPool pool(2);
  constexpr int kOthers = 7;
  for (int job = 0; job < 50; ++job) {
    std::atomic<int> others{0};
    pool.parallel_for(kOthers + 1, [&](std::size_t i) {
      if (i != 4) {
        ++others;
        return;
      }
      const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while (others != kOthers && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
      EXPECT_EQ(others, kOthers);
    });
  }
}

TEST(ThreadPool, RethrowsWhatTheLowestIndexThrew) {
  ThreadPool pool(3);
  for (int job = 0; job < 200; ++job) {
    try {
      pool.parallel_for(12, [&](std::size_t i) {
        if (i % 3 == 2) throw std::runtime_error(std::to_string(i));
      });
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "2");
    }
  }
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

// Sanitizers need more address space than the limit leaves.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(ThreadPool, SaysThatTheSystemStartsNoMoreThreads) {
  const auto with_little_memory = [] {
    const rlimit limit{256UL << 20, 256UL << 20};  // room for some thirty stacks
    if (setrlimit(RLIMIT_AS, &limit) != 0) std::_Exit(2);
    try {
      const ThreadPool pool(1000);
    } catch (const IoError& error) {
      std::fputs(error.what(), stderr);
      std::_Exit(0);
    }
    std::_Exit(1);
  };
  EXPECT_EXIT(with_little_memory(), ::testing::ExitedWithCode(0),
              "cannot start thread [0-9]+ of 1000: .*; ask for fewer threads");
}
#endif

}  // namespace
}  // namespace deepsad
