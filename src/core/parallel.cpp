#include "deepsad/core/parallel.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "deepsad/core/error.h"

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

// Every worker has a share of a job's indices and takes them in order; one that has none left takes those of
// the others. So a worker that the system does not let run costs no more than the index it holds: without
// that, whoever waits for it loses a scheduler tick.
//
// An index is taken by counting its share down. While one that was taken is not reported as done the job
// cannot end, so whoever took it may read what the job consists of.
struct ThreadPool::State {
  struct alignas(64) Share {
    std::atomic<std::size_t> left{0};
  };
  alignas(64) std::atomic<std::uint64_t> generation{0};  // one more for every job
  alignas(64) std::atomic<std::uint64_t> done{0};        // indices of the job
  alignas(64) std::size_t n = 0;
  Function function = nullptr;
  void* body = nullptr;
  std::atomic<bool> stopping{false};             // read by workers that are late for the last job, too
  std::atomic<std::size_t> first_failed{kNone};  // lowest index that threw
  std::mutex error_mutex;
  std::exception_ptr error;  // what it threw
  std::vector<Share> shares;
  std::vector<std::thread> threads;
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  explicit State(std::size_t n_threads) : shares(n_threads) {}

  [[nodiscard]] std::size_t end_of(std::size_t share) const { return n * (share + 1) / shares.size(); }

  // Takes an index of a share, if there is one.
  bool take(std::size_t share, std::size_t& index) {
    std::atomic<std::size_t>& left = shares[share].left;
    std::size_t before = left.load(std::memory_order_relaxed);
    do {
      if (before == 0) return false;
    } while (!left.compare_exchange_weak(before, before - 1, std::memory_order_acquire,
                                         std::memory_order_relaxed));
    index = end_of(share) - before;
    return true;
  }

  void call(std::size_t index, std::size_t worker) noexcept {
    // What follows a failure is left out; what comes before it is not, so that the error does not depend on
    // who was faster.
    if (index > first_failed.load(std::memory_order_relaxed)) return;
    try {
      function(body, index, worker);
    } catch (...) {
      const std::lock_guard lock(error_mutex);
      if (index < first_failed.load(std::memory_order_relaxed)) {
        first_failed.store(index, std::memory_order_relaxed);
        error = std::current_exception();
      }
    }
  }

  // Works on the current job until no index is left to take.
  void take_part(std::size_t worker) noexcept {
    std::uint64_t calls = 0;
    for (std::size_t k = 0; k < shares.size(); ++k) {
      const std::size_t share = (worker + k) % shares.size();
      for (std::size_t index = 0; take(share, index); ++calls) call(index, worker);
    }
    if (calls == 0) return;
    done.fetch_add(calls, std::memory_order_acq_rel);
    done.notify_one();
  }

  void work(std::size_t worker) {
    std::uint64_t seen = 0;
    for (;;) {
      seen = wait_for_change(generation, seen);
      if (stopping.load(std::memory_order_relaxed)) return;
      take_part(worker);
    }
  }

  void end_threads() {
    stopping.store(true, std::memory_order_relaxed);
    generation.fetch_add(1, std::memory_order_release);
    generation.notify_all();
    for (auto& thread : threads) thread.join();
  }
};

ThreadPool::ThreadPool(std::size_t n_threads)
    : state_(std::make_unique<State>(n_threads == 0 ? available_processors() : n_threads)) {
  const std::size_t n = state_->shares.size();
  state_->threads.reserve(n - 1);
  for (std::size_t worker = 1; worker < n; ++worker) {
    try {
      state_->threads.emplace_back([state = state_.get(), worker] { state->work(worker); });
    } catch (const std::system_error& error) {
      state_->end_threads();
      throw IoError(fmt::format("cannot start thread {} of {}: {}; ask for fewer threads", worker + 1, n,
                                error.what()));
    }
  }
}

ThreadPool::~ThreadPool() {
  state_->end_threads();
}

std::size_t ThreadPool::n_threads() const {
  return state_->shares.size();
}

void ThreadPool::run(std::size_t n, Function function, void* body) {
  State& state = *state_;
  if (state.threads.empty() || n <= 1) {
    for (std::size_t i = 0; i < n; ++i) function(body, i, 0);
    return;
  }
  state.n = n;
  state.function = function;
  state.body = body;
  state.done.store(0, std::memory_order_relaxed);
  state.first_failed.store(State::kNone, std::memory_order_relaxed);
  for (std::size_t share = 0; share < state.shares.size(); ++share) {
    const std::size_t begin = share == 0 ? 0 : state.end_of(share - 1);
    state.shares[share].left.store(state.end_of(share) - begin, std::memory_order_release);
  }
  state.generation.fetch_add(1, std::memory_order_release);
  state.generation.notify_all();
  state.take_part(0);
  std::uint64_t done = state.done.load(std::memory_order_acquire);
  while (done != n) done = wait_for_change(state.done, done);
  if (state.error) std::rethrow_exception(std::exchange(state.error, nullptr));
}

std::size_t available_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0)
    return static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
  return std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace deepsad
