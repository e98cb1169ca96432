// Runs the tests, or skips them all where DEEPSAD_FORCE_ISA names a set that this machine lacks.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "kernels/isa.h"

int main(int argc, char** argv) {
  using deepsad::kernels::Isa;
  testing::InitGoogleTest(&argc, argv);
  if (const char* forced = std::getenv("DEEPSAD_FORCE_ISA")) {
    const auto available = deepsad::kernels::available_isas();
    for (const Isa isa : {Isa::avx2, Isa::avx512}) {
      if (deepsad::kernels::isa_name(isa) == forced &&
          std::find(available.begin(), available.end(), isa) == available.end()) {
        std::printf("[  SKIPPED ] this machine or build lacks %s\n", forced);  // ctest looks for this mark
        return 0;
      }
    }
  }
  return RUN_ALL_TESTS();
}
