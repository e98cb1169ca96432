#include "kernels/isa.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string_view>

#include "deepsad/core/error.h"
#include "kernels/dispatch.h"

namespace deepsad::kernels {
namespace {

// Everything that Highway lets the compiler use in a set, by the processor and, for the registers, the
// system. The same as hwy::SupportedTargets(), whose library however spends 3 ms of every process on
// measuring a clock.
#if defined(__x86_64__)
bool processor_has_avx2() {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
         __builtin_cpu_supports("bmi") != 0 && __builtin_cpu_supports("bmi2") != 0 &&
         __builtin_cpu_supports("aes") != 0 && __builtin_cpu_supports("pclmul") != 0;
}
bool processor_has_avx512() {
  return processor_has_avx2() && __builtin_cpu_supports("avx512f") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
         __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512cd") != 0;
}
#else
bool processor_has_avx2() {
  return false;
}
bool processor_has_avx512() {
  return false;
}
#endif

constexpr const char* kOverride = "DEEPSAD_FORCE_ISA";

Isa choose() {
  const std::vector<Isa> available = available_isas();
  const char* wanted = std::getenv(kOverride);
  if (wanted == nullptr || *wanted == '\0') return available.front();
  for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512}) {
    if (isa_name(isa) != wanted) continue;
    if (std::find(available.begin(), available.end(), isa) != available.end()) return isa;
    std::string names;
    for (const Isa other : available) names += (names.empty() ? "" : ", ") + isa_name(other);
    throw InvalidArgument(
        fmt::format("{}={}: this processor or build lacks that instruction set; available here: {}",
                    kOverride, wanted, names));
  }
  throw InvalidArgument(
      fmt::format("{}={}: unknown instruction set; known ones: scalar, avx2, avx512; unset the "
                  "variable to let the library choose",
                  kOverride, wanted));
}

std::atomic<Isa>& chosen() {
  static std::atomic<Isa> isa{choose()};
  return isa;
}

}  // namespace

Isa active_isa() {
  return chosen().load(std::memory_order_relaxed);
}

void force_isa(Isa isa) {
  const std::vector<Isa> available = available_isas();
  if (std::find(available.begin(), available.end(), isa) == available.end()) {
    throw InvalidArgument(fmt::format("[force_isa] this processor or build lacks {}", isa_name(isa)));
  }
  chosen().store(isa, std::memory_order_relaxed);
}

std::string isa_name(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return "avx512";
    case Isa::avx2:
      return "avx2";
    case Isa::scalar:
      break;
  }
  return "scalar";
}

std::vector<Isa> available_isas() {
  std::vector<Isa> isas;
  if ((HWY_TARGETS & HWY_AVX3) != 0 && processor_has_avx512()) isas.push_back(Isa::avx512);
  if ((HWY_TARGETS & HWY_AVX2) != 0 && processor_has_avx2()) isas.push_back(Isa::avx2);
  isas.push_back(Isa::scalar);
  return isas;
}

}  // namespace deepsad::kernels
