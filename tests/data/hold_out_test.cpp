#include "deepsad/data/hold_out.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "deepsad/core/error.h"
#include "support/errors.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::message_of;

// n rows: every tenth labelled normal, every seventh of the others labelled anomalous.
std::vector<SemiLabel> labels(std::size_t n) {
  std::vector<SemiLabel> semi(n, SemiLabel::unlabelled);
  for (std::size_t i = 0; i < n; ++i) {
    if (i % 10 == 0)
      semi[i] = SemiLabel::normal;
    else if (i % 7 == 0)
      semi[i] = SemiLabel::anomaly;
  }
  return semi;
}
std::vector<TrueLabel> truths(std::size_t n) {
  std::vector<TrueLabel> truth(n, TrueLabel::normal);
  for (std::size_t i = 0; i < n; i += 20) truth[i] = TrueLabel::anomaly;
  return truth;
}
template <class Is>
std::size_t count(const std::vector<std::uint32_t>& rows, Is&& is) {
  return static_cast<std::size_t>(std::count_if(rows.begin(), rows.end(), is));
}

TEST(HoldOut, PartsAreDisjointWholeAscendingAndOfTheRightSize) {
  const std::vector<SemiLabel> semi = labels(1000);
  const std::vector<TrueLabel> truth = truths(1000);
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const HoldOut parts = hold_out(semi, truth, {.test_share = 0.3, .calibration_share = 0.2}, seed, "t");
    std::vector<std::uint32_t> all;
    for (const auto* part : {&parts.training, &parts.calibration, &parts.test}) {
      EXPECT_TRUE(std::is_sorted(part->begin(), part->end()));
      all.insert(all.end(), part->begin(), part->end());
    }
    std::sort(all.begin(), all.end());
    ASSERT_EQ(all.size(), 1000U);
    for (std::uint32_t i = 0; i < 1000; ++i) EXPECT_EQ(all[i], i);
    EXPECT_EQ(count(parts.test, [&](std::uint32_t i) { return truth[i] == TrueLabel::anomaly; }), 15U);
    EXPECT_EQ(parts.test.size(), 300U);
    // Labelled anomalies are for the training alone; of the other labels a fifth of what the test left.
    EXPECT_EQ(count(parts.calibration, [&](std::uint32_t i) { return semi[i] == SemiLabel::anomaly; }), 0U);
    const auto normal = [&](std::uint32_t i) { return semi[i] == SemiLabel::normal; };
    const std::size_t n = count(parts.calibration, normal), rest = n + count(parts.training, normal);
    EXPECT_EQ(n, (rest + 2) / 5);
  }
}

TEST(HoldOut, OfBestF1HoldsLabelledAnomaliesToo) {
  const std::vector<SemiLabel> semi = labels(1000);
  const HoldOut parts =
      hold_out(semi, {}, {.calibration_share = 0.2, .calibrate_on_anomalies = true}, 1, "t");
  EXPECT_THAT(parts.test, IsEmpty());
  const auto n = static_cast<std::size_t>(std::count(semi.begin(), semi.end(), SemiLabel::anomaly));
  EXPECT_EQ(count(parts.calibration, [&](std::uint32_t i) { return semi[i] == SemiLabel::anomaly; }),
            (n + 2) / 5);
}

TEST(HoldOut, IsAFunctionOfLabelsAndSeed) {
  const std::vector<SemiLabel> semi = labels(200);
  const HoldOutOptions options{.calibration_share = 0.2};
  EXPECT_EQ(hold_out(semi, {}, options, 3, "a").calibration, hold_out(semi, {}, options, 3, "b").calibration);
  EXPECT_NE(hold_out(semi, {}, options, 3, "a").calibration, hold_out(semi, {}, options, 4, "a").calibration);
  EXPECT_THAT(hold_out(semi, {}, {}, 3, "a").calibration, IsEmpty());
}

TEST(HoldOut, TooFewRowsAreRefusedByName) {
  const std::vector<SemiLabel> semi{SemiLabel::anomaly, SemiLabel::anomaly, SemiLabel::unlabelled,
                                    SemiLabel::unlabelled};
  EXPECT_THAT(
      message_of<DataError>([&] { (void)hold_out(semi, {}, {.calibration_share = 0.2}, 1, "few.csv"); }),
      HasSubstr("few.csv: of 4 rows, 1 are held out for calibration and 0 for the test, which leaves 1 to "
                "train on"));
  EXPECT_EQ(hold_out(semi, {}, {}, 1, "few.csv").training.size(), 4U);
  EXPECT_THROW((void)hold_out(semi, {}, {.calibration_share = 1}, 1, "t"), InvalidArgument);
  EXPECT_THROW((void)hold_out(semi, truths(3), {}, 1, "t"), InvalidArgument);
}

}  // namespace
}  // namespace deepsad
