#include "deepsad/core/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

namespace deepsad {
namespace {

// About 10-20 microseconds of polling before a thread sleeps: longer than the gap between two phases of a
// training step, far shorter than a scheduler tick.
constexpr int kSpins = 2000;

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

// Waits until the value differs from `old`: polls first, then sleeps (futex behind std::atomic::wait).
std::uint64_t wait_for_change(const std::atomic<std::uint64_t>& value, std::uint64_t old) {
  for (int spin = 0; spin < kSpins; ++spin) {
    const std::uint64_t now = value.load(std::memory_order_acquire);
    if (now != old) return now;
    pause_cpu();
  }
  std::uint64_t now = value.load(std::memory_order_acquire);
  while (now == old) {
    value.wait(old, std::memory_order_acquire);
    now = value.load(std::memory_order_acquire);
  }
  return now;
}

}  // namespace

struct ThreadPool::State {
  alignas(64) std::atomic<std::uint64_t> generation{0};  // one more for every job
  alignas(64) std::atomic<std::uint64_t> finished{0};    // workers that ended their part, over all jobs
  alignas(64) std::size_t n = 0;
  Function function = nullptr;
  void* body = nullptr;
  bool stopping = false;
  std::uint64_t expected_finished = 0;
  std::vector<std::exception_ptr> errors;
  std::vector<std::thread> threads;

  void do_part(std::size_t worker) noexcept {
    const std::size_t workers = threads.size() + 1;
    const std::size_t begin = n * worker / workers;
    const std::size_t end = n * (worker + 1) / workers;
    try {
      for (std::size_t i = begin; i < end; ++i) function(body, i, worker);
    } catch (...) {
      errors[worker] = std::current_exception();
    }
  }

  void work(std::size_t worker) {
    std::uint64_t seen = 0;
    for (;;) {
      seen = wait_for_change(generation, seen);
      if (stopping) return;
      do_part(worker);
      finished.fetch_add(1, std::memory_order_release);
      finished.notify_one();
    }
  }
};

ThreadPool::ThreadPool(std::size_t n_threads) : state_(std::make_unique<State>()) {
  if (n_threads == 0) n_threads = available_processors();
  state_->errors.resize(n_threads);
  state_->threads.reserve(n_threads - 1);
  // do_part() reads threads.size(), so workers may only be woken after all of them exist; they start by
  // waiting.
  for (std::size_t worker = 1; worker < n_threads; ++worker) {
    state_->threads.emplace_back([state = state_.get(), worker] { state->work(worker); });
  }
}

ThreadPool::~ThreadPool() {
  state_->stopping = true;
  state_->generation.fetch_add(1, std::memory_order_release);
  state_->generation.notify_all();
  for (auto& thread : state_->threads) thread.join();
}

std::size_t ThreadPool::n_threads() const {
  return state_->threads.size() + 1;
}

void ThreadPool::run(std::size_t n, Function function, void* body) {
  State& state = *state_;
  state.n = n;
  state.function = function;
  state.body = body;
  if (state.threads.empty() || n <= 1) {
    // Worker 0 alone; with n <= 1 the split may give the only item to another worker, so do it directly.
    for (std::size_t i = 0; i < n; ++i) function(body, i, 0);
    return;
  }
  state.expected_finished += state.threads.size();
  state.generation.fetch_add(1, std::memory_order_release);
  state.generation.notify_all();
  state.do_part(0);
  std::uint64_t done = state.finished.load(std::memory_order_acquire);
  while (done != state.expected_finished) done = wait_for_change(state.finished, done);
  for (auto& error : state.errors) {
    if (error) {
      const std::exception_ptr first = error;
      std::fill(state.errors.begin(), state.errors.end(), nullptr);
      std::rethrow_exception(first);
    }
  }
}

std::size_t available_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0)
    return static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
  return std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace deepsad
