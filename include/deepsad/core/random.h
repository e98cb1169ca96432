// Named, counter-based random streams. The same seed and name give the same numbers on every machine, and
// what one phase draws never disturbs another.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace deepsad {

/// A stream of random numbers fixed by (seed, purpose, index): Philox4x32-10 (Salmon et al., "Parallel random
/// numbers: as easy as 1, 2, 3", SC 2011) with the key from the seed and the counter's upper half from
/// purpose and index. Example: RandomStream(seed, "shuffle/train", epoch) reproduces the order of one epoch
/// alone.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, std::string_view purpose, std::uint64_t index = 0);

  /// 32 uniform bits.
  std::uint32_t next_u32();
  /// 64 uniform bits.
  std::uint64_t next_u64();
  /// Uniform in [0, 1), 53 bits.
  double uniform();
  /// Uniform in [low, high).
  double uniform(double low, double high);
  /// Standard normal (Box-Muller, both values used).
  double normal();
  /// Uniform integer in [0, n), without bias. Requires n > 0.
  std::uint64_t below(std::uint64_t n);
  /// A uniform random order of 0..n-1 (Fisher-Yates).
  [[nodiscard]] std::vector<std::size_t> permutation(std::size_t n);
  /// Fisher-Yates in place.
  void shuffle(std::span<std::uint32_t> items);

 private:
  void refill();
  std::array<std::uint32_t, 2> key_{};
  std::array<std::uint32_t, 4> counter_{};
  std::array<std::uint32_t, 4> block_{};
  unsigned used_ = 4;
  bool has_spare_normal_ = false;
  double spare_normal_ = 0;
};

/// A seed from the operating system's entropy, in [0, 2^32), for runs that give none; log and store it.
[[nodiscard]] std::uint64_t seed_from_entropy();

}  // namespace deepsad
