// The random generators that the reference system draws from, exactly; used only for --compat reference.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace deepsad {

/// MT19937 (Matsumoto and Nishimura 1998) with the two seedings in use.
class Mt19937 {
 public:
  /// NumPy's RandomState(seed): state[i] = 1812433253 (state[i-1] xor state[i-1] >> 30) + i.
  [[nodiscard]] static Mt19937 seeded_as_numpy(std::uint32_t seed);
  /// Python's random.seed(seed): init_by_array with the key [seed].
  [[nodiscard]] static Mt19937 seeded_as_python(std::uint32_t seed);
  std::uint32_t next_u32();

 private:
  static constexpr std::size_t kStateSize = 624;
  void initialise(std::uint32_t seed);
  void twist();
  std::array<std::uint32_t, kStateSize> state_{};
  std::size_t position_ = kStateSize;
};

/// NumPy's legacy generator (np.random.seed / RandomState).
class NumpyRandom {
 public:
  /// @param seed in [0, 2^32)
  explicit NumpyRandom(std::uint32_t seed) : generator_(Mt19937::seeded_as_numpy(seed)) {}
  /// np.random.permutation(n).
  [[nodiscard]] std::vector<std::size_t> permutation(std::size_t n);

 private:
  Mt19937 generator_;
};

/// Python's random.Random.
class PythonRandom {
 public:
  /// @param seed in [0, 2^32)
  explicit PythonRandom(std::uint32_t seed) : generator_(Mt19937::seeded_as_python(seed)) {}
  /// random.sample(population, k) for populations of at most 21 items, the only ones the reference has.
  /// @throws InvalidArgument if k exceeds the population or the population exceeds 21.
  [[nodiscard]] std::vector<int> sample(std::vector<int> population, std::size_t k);

 private:
  Mt19937 generator_;
};

}  // namespace deepsad
