// Thread pools that calls leave behind for the next ones, so that a call starts no threads if one before it
// did.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "deepsad/core/parallel.h"

namespace deepsad {

/// Any number of threads may use it at once, each with a pool of its own. At most kMostIdlePools wait for the
/// next call. A process that was forked from this one begins without any: of a pool's threads none lives on
/// in it, and a mutex may be locked by one that does not; what it inherits is left alone, never freed.
class PoolCache {
 public:
  static constexpr std::size_t kMostIdlePools = 8;

  PoolCache() : idle_(new Idle) {}
  ~PoolCache() {
    const Idle* idle = idle_.load();
    if (idle->process == getpid()) delete idle;
  }
  PoolCache(const PoolCache&) = delete;
  PoolCache& operator=(const PoolCache&) = delete;

  /// f(pool), a pool of that many threads, at least 1. @throws what f and ThreadPool() throw
  template <class F>
  void with(std::size_t n_threads, F&& f) {
    std::unique_ptr<ThreadPool> pool = take(n_threads);
    f(*pool);
    Idle& idle = mine();
    std::unique_ptr<ThreadPool> oldest;  // its threads are ended when the lock is gone
    const std::lock_guard lock(idle.mutex);
    if (idle.pools.size() == kMostIdlePools) {
      oldest = std::move(idle.pools.front());
      idle.pools.erase(idle.pools.begin());
    }
    idle.pools.push_back(std::move(pool));
  }

 private:
  struct Idle {
    pid_t process = getpid();
    std::mutex mutex;
    std::vector<std::unique_ptr<ThreadPool>> pools;  // from the one that has waited longest on
  };

  // This process's.
  Idle& mine() {
    Idle* idle = idle_.load();
    if (idle->process == getpid()) return *idle;
    auto fresh = std::make_unique<Idle>();
    return *(idle_.compare_exchange_strong(idle, fresh.get()) ? fresh.release() : idle);
  }

  std::unique_ptr<ThreadPool> take(std::size_t n_threads) {
    Idle& idle = mine();
    {
      const std::lock_guard lock(idle.mutex);
      const auto found = std::ranges::find_if(idle.pools, [&](const std::unique_ptr<ThreadPool>& pool) {
        return pool->n_threads() == n_threads;
      });
      if (found != idle.pools.end()) {
        std::unique_ptr<ThreadPool> pool = std::move(*found);
        idle.pools.erase(found);
        return pool;
      }
    }
    return std::make_unique<ThreadPool>(n_threads);
  }

  std::atomic<Idle*> idle_;
};

}  // namespace deepsad
