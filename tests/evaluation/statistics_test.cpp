#include "deepsad/evaluation/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "evaluation/distributions.h"
#include "golden_values.h"

namespace deepsad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::ThrowsMessage;
using Values = std::vector<double>;

const nlohmann::json& scipy(const std::string& block) {
  static const nlohmann::json all = golden_values("statistics_values.json");
  return all.at(block);
}

void expect_close(double value, double wanted, double relative) {
  EXPECT_NEAR(value, wanted, relative * std::abs(wanted));
}

TEST(Statistics, SummaryIsMeanAndSampleDeviation) {
  const Summary s = summarize(Values{1, 2, 4});
  EXPECT_EQ(s.n, 3U);
  EXPECT_DOUBLE_EQ(s.mean, 7.0 / 3);
  EXPECT_DOUBLE_EQ(s.standard_deviation, std::sqrt(7.0 / 3));
  EXPECT_DOUBLE_EQ(s.standard_error, std::sqrt(7.0) / 3);
  EXPECT_TRUE(std::isnan(summarize({}).mean));
  EXPECT_EQ(summarize(Values{5}).mean, 5);
  EXPECT_TRUE(std::isnan(summarize(Values{5}).standard_deviation));
}

TEST(Statistics, RanksShareTies) {
  EXPECT_THAT(ranks(Values{3, 1, 3, 2}), ElementsAre(3.5, 1, 3.5, 2));
  EXPECT_TRUE(ranks({}).empty());
}

TEST(Statistics, WilcoxonEqualsSciPy) {
  for (const nlohmann::json& c : scipy("wilcoxon")) {
    const auto a = c.at("a").get<Values>(), b = c.at("b").get<Values>();
    const WilcoxonResult result = wilcoxon_signed_rank(a, b);
    EXPECT_EQ(result.exact, c.at("exact").get<bool>()) << a.size() << " pairs";
    EXPECT_EQ(std::min(result.rank_sum_a, result.rank_sum_b), c.at("statistic").get<double>());
    expect_close(result.p_value, c.at("p_value").get<double>(), 1e-12);
  }
}

TEST(Statistics, WilcoxonOfFewPairsByHand) {
  // All five larger: of the 32 sign patterns 1 is as extreme, on either side.
  const WilcoxonResult all = wilcoxon_signed_rank(Values{2, 4, 6, 8, 10}, Values{1, 2, 3, 4, 5});
  EXPECT_TRUE(all.exact);
  EXPECT_EQ(all.p_value, 2.0 / 32);
  EXPECT_EQ(all.rank_biserial, 1);
  // Differences 1, -2, 3: W+ = 4, W- = 2, and 3 of the 8 patterns have a sum of at most 2.
  const WilcoxonResult mixed = wilcoxon_signed_rank(Values{1, 0, 3}, Values{0, 2, 0});
  EXPECT_EQ(mixed.rank_sum_a, 4);
  EXPECT_EQ(mixed.p_value, 6.0 / 8);
  EXPECT_DOUBLE_EQ(mixed.rank_biserial, 1.0 / 3);
}

TEST(Statistics, WilcoxonOfEqualSamplesSaysNothing) {
  const Values same{1, 2, 3};
  const WilcoxonResult result = wilcoxon_signed_rank(same, same);
  EXPECT_EQ(result.n, 0U);
  EXPECT_EQ(result.p_value, 1);
  EXPECT_EQ(result.rank_biserial, 0);
}

TEST(Statistics, SwappingTheSamplesTurnsTheEffectAround) {
  RandomStream random(11, "statistics");
  for (int round = 0; round < 50; ++round) {
    Values a, b;
    for (int i = 0; i < 3 + round; ++i) {
      a.push_back(random.uniform());
      b.push_back(random.uniform());
    }
    const WilcoxonResult there = wilcoxon_signed_rank(a, b), back = wilcoxon_signed_rank(b, a);
    EXPECT_EQ(there.p_value, back.p_value) << "seed 11, round " << round;
    EXPECT_EQ(there.rank_biserial, -back.rank_biserial);
    EXPECT_DOUBLE_EQ(cliffs_delta(a, b), -cliffs_delta(b, a));
  }
}

TEST(Statistics, HolmByHand) {
  EXPECT_THAT(holm_adjusted(Values{0.01, 0.04, 0.03, 0.005}),
              ElementsAre(::testing::DoubleEq(0.03), ::testing::DoubleEq(0.06), ::testing::DoubleEq(0.06),
                          ::testing::DoubleEq(0.02)));
  EXPECT_THAT(holm_adjusted(Values{0.9, 0.8}), ElementsAre(1, 1));
  EXPECT_TRUE(holm_adjusted({}).empty());
}

TEST(Statistics, FriedmanEqualsSciPy) {
  for (const nlohmann::json& c : scipy("friedman")) {
    const auto rows = c.at("values").get<std::vector<Values>>();
    Values flat;
    for (const Values& row : rows) flat.insert(flat.end(), row.begin(), row.end());
    const FriedmanResult result = friedman({flat.data(), rows.size(), rows.front().size()});
    EXPECT_EQ(result.n_blocks, rows.size());
    expect_close(result.chi_squared, c.at("chi_squared").get<double>(), 1e-10);
    expect_close(result.p_value, c.at("p_value").get<double>(), 1e-9);
    const auto wanted = c.at("average_ranks").get<Values>();
    for (std::size_t j = 0; j < wanted.size(); ++j) EXPECT_NEAR(result.average_ranks[j], wanted[j], 1e-12);
  }
}

TEST(Statistics, FriedmanOfOneTieSaysNothing) {
  const Values same(12, 0.5);
  const FriedmanResult result = friedman({same.data(), 4, 3});
  EXPECT_EQ(result.p_value, 1);
  EXPECT_THAT(result.average_ranks, ElementsAre(2, 2, 2));
}

TEST(Statistics, DistributionsEqualSciPy) {
  for (const nlohmann::json& c : scipy("chi_squared_tail"))
    expect_close(chi_squared_tail(c.at("x").get<double>(), c.at("k").get<std::size_t>()),
                 c.at("p").get<double>(), 1e-11);
  for (const nlohmann::json& c : scipy("normal"))
    expect_close(two_sided_normal_p(c.at("z").get<double>()), c.at("p").get<double>(), 1e-13);
  // SciPy integrates to about 1e-8.
  for (const nlohmann::json& c : scipy("studentized_range"))
    expect_close(normal_range_upper_point(c.at("alpha").get<double>(), c.at("k").get<std::size_t>()),
                 c.at("q").get<double>(), 1e-6);
}

TEST(Statistics, RangeOfTwoIsTheDifferenceOfTwo) {  // whose distribution is normal with variance 2
  for (const double q : {0.0, 0.1, 1.0, 3.0, 8.0})
    EXPECT_NEAR(normal_range_cdf(q, 2), 1 - two_sided_normal_p(q / std::sqrt(2.0)), 1e-14);
}

TEST(Statistics, CriticalDifferencesAreThoseOfTheTable) {
  // Demsar's table 5(a): q at 0.05 divided by sqrt(2), three digits.
  const double two = nemenyi_critical_difference(2, 1, 0.05) / std::sqrt(2 * 3 / 6.0);
  const double ten = nemenyi_critical_difference(10, 1, 0.05) / std::sqrt(10 * 11 / 6.0);
  EXPECT_NEAR(two, 1.960, 5e-4);
  EXPECT_NEAR(ten, 3.164, 5e-4);
  // His example of 4 classifiers on 14 data sets, at both levels.
  EXPECT_NEAR(nemenyi_critical_difference(4, 14, 0.05), 1.25, 5e-3);
  EXPECT_NEAR(nemenyi_critical_difference(4, 14, 0.10), 1.12, 5e-3);
}

TEST(Statistics, RunsOfIndistinguishableMethods) {
  EXPECT_THAT(indistinguishable_runs(Values{1, 1.5, 3, 3.4, 5}, 1.0), ElementsAre(Pair(0, 1), Pair(2, 3)));
  // Overlapping runs, none of which contains another; the order given plays no role.
  EXPECT_THAT(indistinguishable_runs(Values{3, 1, 2, 4}, 2.5), ElementsAre(Pair(0, 2), Pair(1, 3)));
  EXPECT_TRUE(indistinguishable_runs(Values{1, 2, 3}, 0.5).empty());
  EXPECT_THAT(indistinguishable_runs(Values{1, 2, 3}, 9), ElementsAre(Pair(0, 2)));
}

TEST(Statistics, CliffsDeltaEqualsMannWhitney) {
  for (const nlohmann::json& c : scipy("cliffs_delta"))
    EXPECT_NEAR(cliffs_delta(c.at("a").get<Values>(), c.at("b").get<Values>()), c.at("delta").get<double>(),
                1e-12);
  EXPECT_EQ(cliffs_delta(Values{2, 3}, Values{0, 1}), 1);
  EXPECT_TRUE(std::isnan(cliffs_delta({}, Values{1})));
}

TEST(Statistics, RefusesWhatCannotBeCompared) {
  const Values two{1, 2}, three{1, 2, 3}, bad{1, std::numeric_limits<double>::quiet_NaN()};
  EXPECT_THAT([&] { (void)wilcoxon_signed_rank(two, three); },
              ThrowsMessage<InvalidArgument>(HasSubstr("2 values but 3 to pair")));
  EXPECT_THAT([&] { (void)wilcoxon_signed_rank(two, bad); },
              ThrowsMessage<NumericError>(HasSubstr("value 1 is nan")));
  EXPECT_THAT([&] { (void)summarize(bad); }, ThrowsMessage<NumericError>(HasSubstr("[summarize] value 1")));
  EXPECT_THAT(
      [&] {
        (void)holm_adjusted(Values{0.5, 1.5});
      },
      ThrowsMessage<InvalidArgument>(HasSubstr("p-value 1 is 1.5")));
  EXPECT_THAT(
      [&] {
        (void)friedman({two.data(), 1, 2});
      },
      ThrowsMessage<InvalidArgument>(HasSubstr("1 blocks of 2 methods")));
  EXPECT_THAT([&] { (void)nemenyi_critical_difference(1, 5, 0.05); },
              ThrowsMessage<InvalidArgument>(HasSubstr("1 methods")));
}

}  // namespace
}  // namespace deepsad
