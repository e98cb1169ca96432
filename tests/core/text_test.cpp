// Small texts that people read and write.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "deepsad/core/percent_text.h"
#include "deepsad/core/words.h"

namespace deepsad {
namespace {

using ::testing::ElementsAre;

TEST(PercentText, OfShares) {
  EXPECT_EQ(percent_text(0.91871), "91.87 %");
  EXPECT_EQ(percent_text(0.5, 0), "50 %");
  EXPECT_EQ(percent_text(std::numeric_limits<double>::quiet_NaN()), "undefined");
  EXPECT_EQ(short_percent_text(0.00125), "0.125 %");
  EXPECT_EQ(short_percent_text(1, 8), "12.5 %");
  EXPECT_EQ(short_percent_text(0, 0), "0 %");
}

TEST(CommaWords, WithoutTheBlanksAroundThem) {
  EXPECT_THAT(comma_words(" a b ,c\t,  d"), ElementsAre("a b", "c", "d"));
  EXPECT_THAT(comma_words("a,,b,"), ElementsAre("a", "", "b", ""));
  EXPECT_THAT(comma_words(" "), ElementsAre(""));
  EXPECT_THAT(comma_words(""), ElementsAre(""));
}

}  // namespace
}  // namespace deepsad
