// The entry that libFuzzer calls; one program a target.
#include <cstddef>
#include <cstdint>

#include "fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t n) {
  deepsad::fuzz::DEEPSAD_FUZZ_TARGET({bytes, n});
  return 0;
}
