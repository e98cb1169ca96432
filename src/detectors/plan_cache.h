// Compiled networks that score() keeps between calls, so that scoring one row costs one forward pass.
#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "deepsad/core/parallel.h"
#include "deepsad/nn/network_spec.h"
#include "deepsad/nn/state_dict.h"
#include "nn/plan.h"

namespace deepsad {

/// A plan for inference with these weights.
[[nodiscard]] inline std::unique_ptr<Plan<float>> inference_plan(const NetworkSpec& spec,
                                                                 const StateDict& state, ThreadPool& pool) {
  auto plan = std::make_unique<Plan<float>>(spec, 0, PlanMode::infer, pool);
  plan->load(state);
  return plan;
}

/// A plan for score_gradient() with these weights.
[[nodiscard]] inline std::unique_ptr<Plan<float>> gradient_plan(const NetworkSpec& spec,
                                                                const StateDict& state, ThreadPool& pool) {
  auto plan = std::make_unique<Plan<float>>(spec, 0, PlanMode::differentiate, pool);
  plan->load(state);
  return plan;
}

/// Plans of one network with fixed weights. with() may be called from many threads at once, each with its own
/// pool: every call has a plan to itself, compiled at the first need and kept for the next call with as many
/// threads.
class PlanCache {
 public:
  /// f(plan). `spec` and `state` are the same in all calls between two clear()s.
  template <class F>
  void with(const NetworkSpec& spec, const StateDict& state, ThreadPool& pool, F&& f) {
    with(
        pool, [&] { return inference_plan(spec, state, pool); }, f);
  }
  /// The same with compile() for the plan, for a network that takes only a part of a model's tensors.
  template <class Compile, class F>
  void with(ThreadPool& pool, Compile&& compile, F&& f) {
    Entry entry = take(pool);
    if (!entry.plan) entry.plan = compile();
    f(*entry.plan);
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(entry));
  }
  /// The weights are about to change.
  void clear() {
    const std::lock_guard lock(mutex_);
    idle_.clear();
  }

 private:
  struct Entry {
    std::size_t n_threads;
    std::unique_ptr<Plan<float>> plan;
  };

  // An idle plan for as many threads as the pool has, or an empty entry.
  Entry take(ThreadPool& pool) {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(idle_.begin(), idle_.end(),
                                    [&](const Entry& entry) { return entry.n_threads == pool.n_threads(); });
    if (found == idle_.end()) return {pool.n_threads(), nullptr};
    Entry entry = std::move(*found);
    idle_.erase(found);
    entry.plan->use_pool(pool);
    return entry;
  }

  std::mutex mutex_;
  std::vector<Entry> idle_;
};

}  // namespace deepsad
