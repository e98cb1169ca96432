#include "deepsad/core/reference_random.h"

#include <bit>
#include <numeric>
#include <utility>

#include "deepsad/core/error.h"

namespace deepsad {
namespace {
constexpr std::size_t kShift = 397;
constexpr std::size_t kLargestPoolSample = 21;  // above it Python's sample() uses another algorithm
}  // namespace

void Mt19937::initialise(std::uint32_t seed) {
  state_[0] = seed;
  for (std::size_t i = 1; i < kStateSize; ++i) {
    state_[i] = 1812433253U * (state_[i - 1] ^ (state_[i - 1] >> 30)) + static_cast<std::uint32_t>(i);
  }
  position_ = kStateSize;
}

Mt19937 Mt19937::seeded_as_numpy(std::uint32_t seed) {
  Mt19937 generator;
  generator.initialise(seed);
  return generator;
}

Mt19937 Mt19937::seeded_as_python(std::uint32_t seed) {
  Mt19937 generator;
  generator.initialise(19650218U);
  auto& state = generator.state_;
  std::size_t i = 1;
  for (std::size_t k = 0; k < kStateSize; ++k) {  // the key has one word: its index stays 0
    state[i] = (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30)) * 1664525U)) + seed;
    if (++i >= kStateSize) {
      state[0] = state[kStateSize - 1];
      i = 1;
    }
  }
  for (std::size_t k = 0; k < kStateSize - 1; ++k) {
    state[i] =
        (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30)) * 1566083941U)) - static_cast<std::uint32_t>(i);
    if (++i >= kStateSize) {
      state[0] = state[kStateSize - 1];
      i = 1;
    }
  }
  state[0] = 0x80000000U;
  return generator;
}

void Mt19937::twist() {
  for (std::size_t i = 0; i < kStateSize; ++i) {
    const std::uint32_t y = (state_[i] & 0x80000000U) | (state_[(i + 1) % kStateSize] & 0x7fffffffU);
    state_[i] = state_[(i + kShift) % kStateSize] ^ (y >> 1) ^ ((y & 1U) != 0 ? 0x9908b0dfU : 0U);
  }
  position_ = 0;
}

std::uint32_t Mt19937::next_u32() {
  if (position_ == kStateSize) twist();
  std::uint32_t y = state_[position_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680U;
  y ^= (y << 15) & 0xefc60000U;
  return y ^ (y >> 18);
}

std::vector<std::size_t> NumpyRandom::permutation(std::size_t n) {
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = n; i-- > 1;) {
    const auto mask = static_cast<std::uint32_t>((std::uint64_t{1} << std::bit_width(i)) - 1);
    std::size_t j = generator_.next_u32() & mask;
    while (j > i) j = generator_.next_u32() & mask;
    std::swap(order[i], order[j]);
  }
  return order;
}

std::vector<int> PythonRandom::sample(std::vector<int> population, std::size_t k) {
  if (population.size() > kLargestPoolSample || k > population.size()) {
    throw InvalidArgument("[PythonRandom::sample] cannot draw " + std::to_string(k) + " of " +
                          std::to_string(population.size()) + " items; wanted at most " +
                          std::to_string(kLargestPoolSample) + " items and k no larger than their number");
  }
  std::vector<int> result;
  for (std::size_t i = 0; i < k; ++i) {
    const std::size_t remaining = population.size();
    const auto bits = static_cast<unsigned>(std::bit_width(remaining));
    std::size_t j = generator_.next_u32() >> (32 - bits);
    while (j >= remaining) j = generator_.next_u32() >> (32 - bits);
    result.push_back(population[j]);
    population[j] = population.back();
    population.pop_back();
  }
  return result;
}

}  // namespace deepsad
