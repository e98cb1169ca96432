#include "cli/refusals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.h"

namespace deepsad::test {

void expect_refusals(const std::vector<std::string>& start, const std::vector<Refusal>& refusals) {
  for (const Refusal& refusal : refusals) {
    std::vector<std::string> words = start;
    words.insert(words.end(), refusal.words.begin(), refusal.words.end());
    SCOPED_TRACE(::testing::PrintToString(words));
    const Outcome outcome = run_deepsad(words);
    EXPECT_EQ(outcome.exit_code, refusal.exit_code) << outcome.err;
    EXPECT_THAT(outcome.err, ::testing::HasSubstr("deepsad: error: "));
    EXPECT_THAT(outcome.err, ::testing::HasSubstr(refusal.message));
    EXPECT_EQ(outcome.out, "");
  }
}

}  // namespace deepsad::test
