// What the kernel benchmarks share: filled buffers, registration per instruction set, rates as counters.
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "deepsad/core/aligned_buffer.h"
#include "deepsad/core/random.h"
#include "kernels/isa.h"
#include "support/machine_peak.h"

namespace deepsad::benchmarks {

/// n values, uniform in [-1, 1).
inline AlignedBuffer<float> random_floats(std::size_t n, std::uint64_t seed = 1) {
  AlignedBuffer<float> values(n);
  RandomStream random(seed, "benchmark");
  for (float& value : values) value = static_cast<float>(random.uniform(-1, 1));
  return values;
}

/// Runs `body` as the benchmark NAME/ISA for every set that this machine has. flops and bytes are per call of
/// body; counters: FLOP/s and its share of the multiply-add peak ("peak"), bytes/s and their share of the
/// rate of a plain copy of as many bytes ("copy"). prepare runs once before, under the same set: it packs,
/// and checks the answer.
inline void register_kernel(const std::string& name, double flops, double bytes, std::function<void()> body,
                            std::function<void()> prepare = {}) {
  for (const kernels::Isa isa : kernels::available_isas()) {
    benchmark::RegisterBenchmark((name + "/" + kernels::isa_name(isa)).c_str(), [=](benchmark::State& state) {
      kernels::force_isa(isa);
      if (prepare) prepare();
      for (auto _ : state) {
        body();
        benchmark::ClobberMemory();
      }
      using benchmark::Counter;
      if (flops > 0) {
        state.counters["FLOP/s"] = Counter(flops, Counter::kIsIterationInvariantRate);
        state.counters["peak"] = Counter(flops / fma_peak(isa), Counter::kIsIterationInvariantRate);
      }
      if (bytes > 0) {
        state.counters["B/s"] = Counter(bytes, Counter::kIsIterationInvariantRate);
        state.counters["copy"] = Counter(bytes / copy_peak(isa, bytes), Counter::kIsIterationInvariantRate);
      }
    });
  }
}

}  // namespace deepsad::benchmarks
