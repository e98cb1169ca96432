// A small pool of threads.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>

namespace deepsad {

/// n_threads workers, the calling thread among them. parallel_for(n, f) calls f(i) once for every i in [0,
/// n). Worker t begins with the contiguous range [n t / T, n (t+1) / T), so that a worker meets the same data
/// from call to call; what is left of other ranges when its own is done, it takes over, so no result may
/// depend on which thread does what. Between calls idle workers spin for some microseconds, then sleep.
/// Nothing is allocated per call. If f throws, indices above the lowest that threw may be left out, and its
/// exception is rethrown by parallel_for after all workers have ended. One parallel_for at a time; calls must
/// not be nested.
class ThreadPool {
 public:
  /// @param n_threads 0 means as many as the process may use.
  /// @throws IoError if the system starts no more threads
  explicit ThreadPool(std::size_t n_threads = 1);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] std::size_t n_threads() const;

  template <class F>
  void parallel_for(std::size_t n, F&& f) {
    using Body = std::remove_reference_t<F>;
    run(
        n, [](void* body, std::size_t i, std::size_t) { (*static_cast<Body*>(body))(i); },
        const_cast<void*>(static_cast<const void*>(&f)));
  }

  /// As parallel_for, with f(i, worker), worker in [0, n_threads): for scratch memory of the worker's own.
  template <class F>
  void parallel_for_worker(std::size_t n, F&& f) {
    using Body = std::remove_reference_t<F>;
    run(
        n, [](void* body, std::size_t i, std::size_t worker) { (*static_cast<Body*>(body))(i, worker); },
        const_cast<void*>(static_cast<const void*>(&f)));
  }

 private:
  using Function = void (*)(void* body, std::size_t i, std::size_t worker);
  void run(std::size_t n, Function function, void* body);
  struct State;
  std::unique_ptr<State> state_;
};

/// Number of processors this process may run on (its affinity mask), at least 1.
[[nodiscard]] std::size_t available_processors();

}  // namespace deepsad
