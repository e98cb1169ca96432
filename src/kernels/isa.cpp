#include "kernels/isa.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string_view>

#include <hwy/targets.h>
#include "deepsad/core/error.h"
#include "kernels/dispatch.h"

namespace deepsad::kernels {
namespace {

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
  const auto supported =
      hwy::SupportedTargets() & HWY_TARGETS;  // by the processor and system, and in this build
  std::vector<Isa> isas;
  if ((supported & HWY_AVX3) != 0) isas.push_back(Isa::avx512);
  if ((supported & HWY_AVX2) != 0) isas.push_back(Isa::avx2);
  isas.push_back(Isa::scalar);
  return isas;
}

}  // namespace deepsad::kernels
