#include "kernels/isa.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "deepsad/core/error.h"

namespace deepsad::kernels {
namespace {

// The choice is made once a process, so each of these looks at it in a process of its own.
class ForcedIsa : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  /// Ends the process: 0 and the set's name, or 3 and the message, on the standard error.
  [[noreturn]] static void report(const char* forced) {
    setenv("DEEPSAD_FORCE_ISA", forced, 1);
    try {
      std::fprintf(stderr, "uses %s", isa_name(active_isa()).c_str());
    } catch (const InvalidArgument& error) {
      std::fputs(error.what(), stderr);
      std::exit(3);
    }
    std::exit(0);
  }
};

TEST_F(ForcedIsa, IsActiveOrRefused) {
  const auto available = available_isas();
  for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512}) {
    const std::string name = isa_name(isa);
    if (std::find(available.begin(), available.end(), isa) != available.end()) {
      EXPECT_EXIT(report(name.c_str()), testing::ExitedWithCode(0), "uses " + name);
    } else {
      EXPECT_EXIT(report(name.c_str()), testing::ExitedWithCode(3),
                  "DEEPSAD_FORCE_ISA=" + name + ".*lacks.*available here: .*scalar");
    }
  }
}

TEST_F(ForcedIsa, UnknownNameNamesTheKnownOnes) {
  EXPECT_EXIT(report("avx3"), testing::ExitedWithCode(3), "DEEPSAD_FORCE_ISA=avx3.*scalar, avx2, avx512");
}

TEST_F(ForcedIsa, EmptyMeansTheBest) {
  EXPECT_EXIT(report(""), testing::ExitedWithCode(0), "uses " + isa_name(available_isas().front()));
}

TEST(Isa, EnvironmentOfThisRunIsFollowed) {
  const char* forced = std::getenv("DEEPSAD_FORCE_ISA");
  EXPECT_EQ(isa_name(active_isa()), forced == nullptr ? isa_name(available_isas().front()) : forced);
}

TEST(Isa, ScalarIsAlwaysThereAndLast) {
  EXPECT_EQ(available_isas().back(), Isa::scalar);
}

TEST(Isa, WhatTheProcessorHasIsWhatHighwayFinds) {
  const auto available = available_isas();
  const auto has = [&](Isa isa) {
    return std::find(available.begin(), available.end(), isa) != available.end();
  };
  EXPECT_EQ(has(Isa::avx2), (hwy::SupportedTargets() & HWY_AVX2) != 0);
  EXPECT_EQ(has(Isa::avx512), (hwy::SupportedTargets() & HWY_AVX3) != 0);
}

TEST(Isa, ForceSwitchesThisProcess) {
  const Isa before = active_isa();
  for (const Isa isa : available_isas()) {
    force_isa(isa);
    EXPECT_EQ(active_isa(), isa);
  }
  force_isa(before);
}

}  // namespace
}  // namespace deepsad::kernels
