#include "deepsad/data/semi_supervised.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "support/golden.h"

namespace deepsad {
namespace {

using ::testing::AllOf;
using testing::golden;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr int kClasses = 10;

// Class i mod 10 for sample i.
std::vector<int> mixed_classes(std::size_t n, int n_classes = kClasses) {
  std::vector<int> classes(n);
  for (std::size_t i = 0; i < n; ++i) classes[i] = static_cast<int>(i % static_cast<std::size_t>(n_classes));
  return classes;
}

// n normals of class 0, then n_anomalies of class 1.
std::vector<int> table_classes(std::size_t n_normal, std::size_t n_anomalies) {
  std::vector<int> classes(n_normal, 0);
  classes.resize(n_normal + n_anomalies, 1);
  return classes;
}

std::set<std::uint32_t> rows_with(const SemiSupervisedSet& set, SemiLabel semi, TrueLabel truth) {
  std::set<std::uint32_t> rows;
  for (std::size_t i = 0; i < set.rows.size(); ++i) {
    if (set.semi[i] == semi && set.truth[i] == truth) rows.insert(set.rows[i]);
  }
  return rows;
}

SemiSupervisedRatios ratios_of(const nlohmann::json& entry) {
  return {entry["ratio_known_normal"], entry["ratio_known_outlier"], entry["ratio_pollution"]};
}

TEST(SemiSupervisedCounts, AreTheReferencesWithoutItsLosses) {
  for (const auto& entry : golden("semi_supervised_counts")) {
    SCOPED_TRACE(entry.dump());
    const std::size_t n = entry["n_normal"];
    const auto counts = semi_supervised_counts(n, ratios_of(entry));
    // The file prints ten digits: an integer there is an integer, and counts as it; everything else is
    // rounded down.
    const auto& real = entry["real_solution"];
    const auto down = [](double value) { return static_cast<std::size_t>(value + 1e-5); };
    EXPECT_EQ(counts.known_normal, down(real[0]));
    EXPECT_EQ(counts.unlabelled_normal, n - counts.known_normal);
    EXPECT_EQ(counts.unlabelled_anomaly, down(real[2]));
    EXPECT_EQ(counts.known_anomaly, down(real[3]));
  }
}

TEST(SemiSupervisedCounts, ReachTheRatiosWithinOneSampleAndLoseNoNormal) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(seed);
    RandomStream random(seed, "counts test");
    const std::size_t n = 1 + random.below(10000);
    const double a = random.below(3) == 0 ? 0 : random.uniform(0, 0.5);
    const double b = random.below(3) == 0 ? 0 : random.uniform(0, 0.45);
    const double p = random.below(3) == 0 ? 0 : random.uniform(0, 0.9);
    const auto c = semi_supervised_counts(n, {a, b, p});
    EXPECT_EQ(c.known_normal + c.unlabelled_normal, n);
    const auto total = static_cast<double>(c.total());
    // Each of three counts may lack up to one sample, so a share of the total is off by less than three.
    EXPECT_NEAR(static_cast<double>(c.known_normal), a * total, 3);
    EXPECT_NEAR(static_cast<double>(c.known_anomaly), b * total, 3);
    EXPECT_NEAR(static_cast<double>(c.unlabelled_anomaly),
                p * static_cast<double>(c.unlabelled_normal + c.unlabelled_anomaly), 3);
  }
}

TEST(SemiSupervisedCounts, IntegersInDecimalNeverLoseASample) {
  // Percentages for which N = 100 k gives integers throughout: n = k (a + (100-p)(100-a-b)/100), all in
  // percent.
  int checked = 0;
  for (int a = 0; a < 100; a += 5) {
    for (int b = 0; a + b < 100; b += 5) {
      for (int p = 0; p < 100; p += 10) {
        if ((100 - a - b) * p % 100 != 0) continue;
        for (const int k : {1, 7, 60, 12345}) {
          const auto n = static_cast<std::size_t>(k * (a + (100 - p) * (100 - a - b) / 100));
          const SemiSupervisedCounts c = semi_supervised_counts(n, {a / 100.0, b / 100.0, p / 100.0});
          ASSERT_EQ(c.known_normal, static_cast<std::size_t>(k * a)) << a << ' ' << b << ' ' << p << ' ' << k;
          ASSERT_EQ(c.known_anomaly, static_cast<std::size_t>(k * b))
              << a << ' ' << b << ' ' << p << ' ' << k;
          ASSERT_EQ(c.unlabelled_anomaly, static_cast<std::size_t>(k * (100 - a - b) * p / 100))
              << a << ' ' << b << ' ' << p << ' ' << k;
          ++checked;
        }
      }
    }
  }
  EXPECT_GT(checked, 1000);
}

TEST(SemiSupervisedCounts, RefusesRatiosOutOfRange) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(
      [] { (void)semi_supervised_counts(10, {.known_normal = -0.1}); },
      ThrowsMessage<InvalidArgument>(HasSubstr("ratio_known_normal: found -0.1, wanted a number in [0, 1)")));
  EXPECT_THAT([] { (void)semi_supervised_counts(10, {.known_outlier = 1}); },
              ThrowsMessage<InvalidArgument>(HasSubstr("ratio_known_outlier: found 1,")));
  EXPECT_THAT([] { (void)semi_supervised_counts(10, {.pollution = 1}); },
              ThrowsMessage<InvalidArgument>(HasSubstr("ratio_pollution: found 1,")));
  EXPECT_THAT([] { (void)semi_supervised_counts(10, {.pollution = kNan}); },
              ThrowsMessage<InvalidArgument>(HasSubstr("ratio_pollution: found nan")));
  EXPECT_THAT([] { (void)semi_supervised_counts(10, {.known_normal = 0.6, .known_outlier = 0.4}); },
              ThrowsMessage<InvalidArgument>(HasSubstr("leave nothing unlabelled")));
}

TEST(SemiSupervisedSet, HasTheRightSamplesInTheRightOrder) {
  const auto classes = mixed_classes(20000);
  const SemiSupervisedOptions options{
      .normal_classes = {3, 0}, .known_classes = {1, 7}, .ratios = {0.05, 0.1, 0.2}};
  const SemiSupervisedSet set = semi_supervised_set(classes, options, 42);
  const auto wanted = semi_supervised_counts(4000, options.ratios);
  EXPECT_EQ(set.counts, wanted);
  ASSERT_EQ(set.rows.size(), wanted.total());
  EXPECT_EQ(std::set<std::uint32_t>(set.rows.begin(), set.rows.end()).size(), wanted.total());
  EXPECT_EQ(set.n_duplicates, 0U);
  std::map<int, int> pollution_classes;
  std::map<int, int> labelled_classes;
  for (std::size_t i = 0; i < set.rows.size(); ++i) {
    const int sample_class = classes[set.rows[i]];
    const bool normal = sample_class == 0 || sample_class == 3;
    ASSERT_EQ(set.truth[i], normal ? TrueLabel::normal : TrueLabel::anomaly);
    const std::size_t end_known_normal = wanted.known_normal;
    const std::size_t end_normal = end_known_normal + wanted.unlabelled_normal;
    const std::size_t end_unlabelled = end_normal + wanted.unlabelled_anomaly;
    ASSERT_EQ(normal, i < end_normal);
    ASSERT_EQ(set.semi[i], i < end_known_normal ? SemiLabel::normal
                           : i < end_unlabelled ? SemiLabel::unlabelled
                                                : SemiLabel::anomaly);
    const bool group_start = i == 0 || i == end_known_normal || i == end_normal || i == end_unlabelled;
    ASSERT_TRUE(group_start || set.rows[i - 1] < set.rows[i]);
    if (i >= end_unlabelled) ++labelled_classes[sample_class];
    if (i >= end_normal && i < end_unlabelled) ++pollution_classes[sample_class];
  }
  EXPECT_EQ(labelled_classes.size(), 2U);
  EXPECT_GT(labelled_classes[1], 0);
  EXPECT_GT(labelled_classes[7], 0);
  EXPECT_EQ(pollution_classes.size(), 8U);  // of every anomaly class, the known ones included
}

TEST(SemiSupervisedSet, ReportsTheRatiosItReached) {
  const auto set =
      semi_supervised_set(table_classes(231, 39), {.known_classes = {1}, .ratios = {0, 0.01, 0}}, 1);
  EXPECT_EQ(set.counts.known_anomaly, 2U);  // the paper's tables: 2 labelled anomalies on arrhythmia
  EXPECT_DOUBLE_EQ(set.requested.known_outlier, 0.01);
  EXPECT_DOUBLE_EQ(set.realised.known_outlier, 2.0 / 233);
  EXPECT_DOUBLE_EQ(set.realised.pollution, 0);
}

TEST(SemiSupervisedSet, IsAFunctionOfItsArguments) {
  const auto classes = mixed_classes(2000);
  const SemiSupervisedOptions options{.known_classes = {1}, .ratios = {0.1, 0.1, 0.1}};
  EXPECT_EQ(semi_supervised_set(classes, options, 3).rows, semi_supervised_set(classes, options, 3).rows);
  EXPECT_NE(semi_supervised_set(classes, options, 3).rows, semi_supervised_set(classes, options, 4).rows);
}

TEST(SemiSupervisedSet, MoreLabelsKeepTheOldOnes) {
  const auto classes = mixed_classes(20000);
  SemiSupervisedOptions options{.known_classes = {1, 2}, .ratios = {0.05, 0.05, 0.1}};
  const auto few = semi_supervised_set(classes, options, 9);
  options.ratios = {0.1, 0.2, 0.2};
  const auto many = semi_supervised_set(classes, options, 9);
  for (const auto& [semi, truth] :
       {std::pair(SemiLabel::normal, TrueLabel::normal), std::pair(SemiLabel::anomaly, TrueLabel::anomaly)}) {
    const auto small = rows_with(few, semi, truth);
    const auto large = rows_with(many, semi, truth);
    EXPECT_LT(small.size(), large.size());
    EXPECT_TRUE(std::includes(large.begin(), large.end(), small.begin(), small.end()));
  }
}

TEST(SemiSupervisedSet, WithoutRatiosAllNormalsAreUnlabelled) {
  const auto set = semi_supervised_set(mixed_classes(100), {.normal_classes = {4}}, 0);
  EXPECT_EQ(set.counts, (SemiSupervisedCounts{.unlabelled_normal = 10}));
  EXPECT_EQ(set.rows.front(), 4U);
  EXPECT_EQ(set.rows.back(), 94U);
}

// On small tables the reference loses half of its pollution to duplicates; here every anomaly can be used,
// none twice.
TEST(SemiSupervisedSet, UsesTheLastAnomaly) {
  const auto classes = table_classes(60, 40);
  const auto set = semi_supervised_set(classes, {.known_classes = {1}, .ratios = {0, 0.2, 0.25}}, 5);
  EXPECT_EQ(set.counts, (SemiSupervisedCounts{0, 60, 20, 20}));
  EXPECT_EQ(std::set<std::uint32_t>(set.rows.begin(), set.rows.end()).size(), 100U);
  EXPECT_THROW((void)semi_supervised_set(classes, {.known_classes = {1}, .ratios = {0, 0.2, 0.26}}, 5),
               InvalidArgument);
}

TEST(SemiSupervisedLimits, AreThePublishedMaximaOfPollution) {
  // The specification's table of the largest workable ratio_pollution.
  const auto limit = [](std::size_t n_normal, std::size_t n_anomalies) {
    return semi_supervised_limits(n_normal, 0, n_anomalies, {}).pollution;
  };
  EXPECT_NEAR(limit(231, 39), 0.144, 6e-4);
  EXPECT_NEAR(limit(993, 105), 0.096, 6e-4);
  EXPECT_NEAR(limit(2639, 1221), 0.316, 6e-4);
  EXPECT_NEAR(limit(3439, 42), 0.012, 6e-4);
  EXPECT_NEAR(limit(27351, 2106), 0.071, 6e-4);
  EXPECT_NEAR(limit(2207, 55), 0.024, 6e-4);
}

TEST(SemiSupervisedLimits, SeparateWhatWorksFromWhatDoesNot) {
  int checked = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    RandomStream random(seed, "limits test");
    const std::size_t n_normal = 100 + random.below(2000);
    const std::size_t n_known = 1 + random.below(300);
    const std::size_t n_other = random.below(600);
    std::vector<int> classes = table_classes(n_normal, n_known);
    classes.resize(classes.size() + n_other, 2);
    const SemiSupervisedRatios ratios{random.below(2) == 0 ? 0 : random.uniform(0, 0.4),
                                      random.below(2) == 0 ? 0 : random.uniform(0, 0.2),
                                      random.below(2) == 0 ? 0 : random.uniform(0, 0.3)};
    const auto limits = semi_supervised_limits(n_normal, n_known, n_known + n_other, ratios);
    const auto works = [&](const SemiSupervisedRatios& r) {
      try {
        (void)semi_supervised_set(classes, {.known_classes = {1}, .ratios = r}, seed);
        return true;
      } catch (const InvalidArgument&) {
        return false;
      }
    };
    // Rounding down lets a ratio pass its limit by the worth of two samples; 2 % is far beyond that.
    const auto check = [&](double limit, double SemiSupervisedRatios::*member) {
      SemiSupervisedRatios at = ratios;
      at.*member = limit - 1e-9;
      if (limit > 0.01 && at.known_normal + at.known_outlier < 0.99 && at.*member < 0.99) {
        EXPECT_TRUE(works(at));
        at.*member = limit * 1.02 + 0.02;
        if (at.known_normal + at.known_outlier < 0.99) {
          EXPECT_FALSE(works(at));
        }
        ++checked;
      }
      if (limit < -0.02) {
        at.*member = 0;
        EXPECT_FALSE(works(at));
        ++checked;
      }
    };
    check(limits.known_outlier, &SemiSupervisedRatios::known_outlier);
    check(limits.pollution, &SemiSupervisedRatios::pollution);
  }
  EXPECT_GT(checked, 300);
}

TEST(SemiSupervisedSet, NamesTheFeasibleMaximum) {
  const auto classes = table_classes(231, 39);
  EXPECT_THAT(
      [&] {
        (void)semi_supervised_set(classes, {.known_classes = {1}, .ratios = {0, 0.01, 0.2}}, 0);
      },
      ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("ratio_pollution 0.2 asks for 57 unlabelled anomalies"),
                                           HasSubstr("37 are left after 2 labelled"),
                                           HasSubstr("at most 0.135"))));
  EXPECT_THAT(
      [&] {
        (void)semi_supervised_set(classes, {.known_classes = {1}, .ratios = {0, 0.5, 0}}, 0);
      },
      ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("ratio_known_outlier 0.5 asks for 231 labelled"),
                                           HasSubstr("have 39 training samples"),
                                           HasSubstr("at most 0.144444"))));
  // The printed maximum is itself accepted.
  EXPECT_NO_THROW((void)semi_supervised_set(classes, {.known_classes = {1}, .ratios = {0, 0.144444, 0}}, 0));
  // No anomaly at all: everything but 0 is refused.
  EXPECT_THAT(
      [] {
        (void)semi_supervised_set(table_classes(50, 0), {.ratios = {0, 0, 0.1}}, 0);
      },
      ThrowsMessage<InvalidArgument>(HasSubstr("at most 0")));
}

TEST(SemiSupervisedSet, RefusesClassesThatContradict) {
  const auto classes = mixed_classes(1000);
  EXPECT_THAT(
      [&] {
        (void)semi_supervised_set(classes, {.ratios = {0, 0.01, 0}}, 0);
      },
      ThrowsMessage<InvalidArgument>(
          AllOf(HasSubstr("no class is known"), HasSubstr("n_known_outlier_classes"))));
  EXPECT_THAT(
      [&] {
        (void)semi_supervised_set(classes, {.normal_classes = {2, 1}, .known_classes = {1}}, 0);
      },
      ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("known anomaly class 1 is a normal class"),
                                           HasSubstr("Anomaly classes: 0, 3, 4, 5, 6, 7, 8, 9"))));
  EXPECT_THAT([&] { (void)semi_supervised_set(classes, {.known_classes = {11}}, 0); },
              ThrowsMessage<InvalidArgument>(HasSubstr("known anomaly class 11: no training sample")));
  EXPECT_THAT([&] { (void)semi_supervised_set(classes, {.normal_classes = {12}}, 0); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("normal_class 12: no training sample has it"),
                                                   HasSubstr("Classes: 0, 1, 2"))));
  EXPECT_THAT(
      [&] {
        (void)semi_supervised_set(classes, {.normal_classes = {2, 2}}, 0);
      },
      ThrowsMessage<InvalidArgument>(HasSubstr("normal_class 2 is given twice")));
  EXPECT_THROW((void)semi_supervised_set(classes, {.normal_classes = {}}, 0), InvalidArgument);
  EXPECT_THROW((void)semi_supervised_set({}, {}, 0), InvalidArgument);
}

TEST(SampleClasses, AreClassesWhereThereAreAnyElseLabels) {
  Dataset data;
  data.name = "three";
  data.sample_shape = {1};
  data.values = std::vector<double>{0, 1, 2};
  EXPECT_THAT([&] { (void)sample_classes(data); }, ThrowsMessage<DataError>(HasSubstr("three: has neither")));
  data.labels = {TrueLabel::normal, TrueLabel::anomaly, TrueLabel::normal};
  EXPECT_EQ(sample_classes(data), (std::vector{0, 1, 0}));
  data.classes = {7, 8, 9};
  EXPECT_EQ(sample_classes(data, std::vector<std::uint32_t>{2, 0}), (std::vector{9, 7}));
  EXPECT_THROW((void)sample_classes(data, std::vector<std::uint32_t>{3}), InvalidArgument);
}

TEST(TrueLabels, SeparateNormalClassesFromAllOthers) {
  using enum TrueLabel;
  const std::vector<int> classes = {0, 5, 3, 9};
  EXPECT_EQ(true_labels(classes, std::vector{3, 0}), (std::vector{normal, anomaly, normal, anomaly}));
  EXPECT_EQ(anomaly_classes(classes, std::vector{3, 0}), (std::vector{5, 9}));
  EXPECT_THROW((void)true_labels(classes, {}), InvalidArgument);
}

TEST(KnownClasses, AreNoneTheGivenOneOrDrawn) {
  const std::vector<int> anomalies = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  EXPECT_EQ(choose_known_classes(0, anomalies, 0, 4), std::vector<int>{});
  EXPECT_EQ(choose_known_classes(0, anomalies, 1, 4), std::vector<int>{4});
  EXPECT_EQ(choose_known_classes(0, anomalies, 9, 4), anomalies);
  std::map<int, int> drawn;
  constexpr int kSeeds = 3000;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto known = choose_known_classes(seed, anomalies, 3, 4);
    ASSERT_EQ(known.size(), 3U);
    ASSERT_TRUE(known[0] < known[1] && known[1] < known[2]);
    for (const int c : known) ++drawn[c];
  }
  // Each class with probability 1/3; five standard deviations.
  for (const int c : anomalies) EXPECT_NEAR(drawn[c], kSeeds / 3.0, 5 * std::sqrt(kSeeds * 2.0 / 9)) << c;
  EXPECT_THAT([&] { (void)choose_known_classes(0, anomalies, 10, 1); },
              ThrowsMessage<InvalidArgument>(HasSubstr("n_known_outlier_classes 10: there are only 9")));
  EXPECT_THAT([&] { (void)choose_known_classes(0, anomalies, 1, 0); },
              ThrowsMessage<InvalidArgument>(HasSubstr("known_outlier_class 0 is not an anomaly class")));
}

TEST(KnownClassesReference, EqualTheReference) {
  const std::vector<int> anomalies = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  for (const auto& [seed, samples] :
       golden("random_generators")["python_random_sample_of_1..9_k2_and_k5_by_seed"].items()) {
    const auto value = static_cast<std::uint32_t>(std::stoul(seed));
    PythonRandom two(value);
    EXPECT_EQ(choose_known_classes_reference(two, anomalies, 2, 1), samples[0].get<std::vector<int>>());
    PythonRandom five(value);
    // Neither none nor one known class draws a number.
    EXPECT_TRUE(choose_known_classes_reference(five, anomalies, 0, 1).empty());
    EXPECT_EQ(choose_known_classes_reference(five, anomalies, 1, 6), std::vector<int>{6});
    EXPECT_EQ(choose_known_classes_reference(five, anomalies, 5, 1), samples[1].get<std::vector<int>>());
  }
}

TEST(SemiSupervisedReference, SolutionsAndCountsEqualTheReference) {
  for (const auto& entry : golden("semi_supervised_counts")) {
    SCOPED_TRACE(entry.dump());
    const auto solution = semi_supervised_solution_reference(entry["n_normal"], ratios_of(entry));
    for (std::size_t i = 0; i < 4; ++i) {
      // The file keeps ten significant digits.
      const double printed = entry["real_solution"][i];
      EXPECT_NEAR(solution[i], printed, 1e-9 * (1 + std::abs(printed)));
      EXPECT_EQ(static_cast<long>(solution[i]),
                entry["counts_known_normal_unl_normal_unl_outlier_known_outlier"][i]);
    }
  }
}

// The last bits, where truncation looks: solutions of NumPy 1.24.2 on LAPACK 3.11 (Debian 12).
TEST(SemiSupervisedReference, SolutionsEqualLapackToTheLastBit) {
  EXPECT_EQ(semi_supervised_solution_reference(950, {0.2, 0.1, 0.2})[2], 174.99999999999997);
  EXPECT_EQ(semi_supervised_solution_reference(7074, {0.1, 0.2, 0.02}),
            (std::array{900.0, 6174.0, 126.00000000000001, 1800.0}));
  EXPECT_EQ(semi_supervised_solution_reference(3933, {0.2, 0.05, 0}),
            (std::array{828.0, 3105.0, 0.0, 207.00000000000003}));
  EXPECT_EQ(semi_supervised_solution_reference(3320, {0.2, 0.3, 0.2}),
            (std::array{1106.6666666666665, 2213.3333333333335, 553.3333333333333, 1660.0000000000002}));
  EXPECT_EQ(semi_supervised_solution_reference(504, {0.001, 0.1, 0}),
            (std::array{0.5600000000000023, 503.44, 0.0, 56.00000000000001}));
  EXPECT_EQ(semi_supervised_solution_reference(1040, {0.05, 0.15, 0.25}),
            (std::array{80.0, 960.0, 320.0, 240.00000000000003}));
  EXPECT_EQ(semi_supervised_solution_reference(6903, {0.15, 0.1, 0.3}),
            (std::array{1533.999999999999, 5369.000000000001, 2301.0, 1022.6666666666669}));
  EXPECT_EQ(semi_supervised_solution_reference(5923, {0.05, 0.05, 0.1}),
            (std::array{344.36046511627956, 5578.63953488372, 619.8488372093022, 344.36046511627916}));
  EXPECT_EQ(semi_supervised_solution_reference(2000, {0.2, 0.05, 0.2}),
            (std::array{500.0, 1500.0, 374.99999999999994, 125.00000000000001}));
  EXPECT_EQ(semi_supervised_solution_reference(27351, {0.001, 0.3, 0.25}),
            (std::array{52.07234650166356, 27298.927653498336, 9099.642551166113, 15621.703950499763}));
  // Where scaling by the pivot's reciprocal and dividing by the pivot differ.
  EXPECT_EQ(semi_supervised_solution_reference(8330, {0.001, 0.1, 0.05}),
            (std::array{9.742120343838906, 8320.257879656161, 437.9083094555874, 974.2120343839541}));
  EXPECT_EQ(semi_supervised_solution_reference(4241, {0, 0.001, 0.3}),
            (std::array{0.0, 4241.0, 1817.5714285714287, 6.064636064636064}));
  EXPECT_EQ(semi_supervised_solution_reference(2991, {0.25, 0.01, 0.02}),
            (std::array{766.7657916324856, 2224.2342083675144, 45.39253486464315, 30.670631665299425}));
}

TEST(SemiSupervisedReference, ExampleEqualsTheReference) {
  const auto& block = golden("random_generators")["semi_supervised_example"];
  const auto classes = mixed_classes(40, 5);
  NumpyRandom random(block["seed"].get<std::uint32_t>());
  const auto set = semi_supervised_set_reference(classes,
                                                 {.normal_classes = block["normal_classes"],
                                                  .known_classes = block["known_outlier_classes"],
                                                  .ratios = ratios_of(block)},
                                                 random);
  EXPECT_EQ(set.rows, block["idx"].get<std::vector<std::uint32_t>>());
  std::vector<int> original;
  for (const auto row : set.rows) original.push_back(classes[row]);
  EXPECT_EQ(original, block["orig_labels"].get<std::vector<int>>());
  std::vector<int> semi;
  for (const auto label : set.semi) semi.push_back(static_cast<int>(label));
  EXPECT_EQ(semi, block["semi_labels"].get<std::vector<int>>());
  // The generator stands where the reference's stands: after permutations of 8 normals, 32 anomalies and 8
  // candidates.
  NumpyRandom other(block["seed"].get<std::uint32_t>());
  (void)other.permutation(8);
  (void)other.permutation(32);
  (void)other.permutation(8);
  EXPECT_EQ(random.permutation(5), other.permutation(5));
}

TEST(SemiSupervisedReference, ASampleInBothPartsCountsAsLabelledTwice) {
  // Means over 20 seeds that the specification measured on the reference: rows with -1, unlabelled pollution.
  struct Case {
    std::size_t normals, anomalies;
    double b, p, labelled, polluted;
  };
  for (const Case& c : {Case{993, 105, 0.01, 0.05, 15.1, 47.0}, Case{993, 105, 0.05, 0.05, 82.4, 24.6},
                        Case{231, 39, 0.05, 0.1, 21.1, 16.9}, Case{2639, 1221, 0.01, 0.1, 36.0, 286.0}}) {
    SCOPED_TRACE(c.labelled);
    double labelled = 0;
    double polluted = 0;
    constexpr int kSeeds = 200;
    for (std::uint32_t seed = 0; seed < kSeeds; ++seed) {
      NumpyRandom random(seed);
      const auto set = semi_supervised_set_reference(table_classes(c.normals, c.anomalies),
                                                     {.known_classes = {1}, .ratios = {0, c.b, c.p}}, random);
      labelled += static_cast<double>(set.counts.known_anomaly) / kSeeds;
      polluted += static_cast<double>(set.counts.unlabelled_anomaly) / kSeeds;
      const std::set<std::uint32_t> distinct(set.rows.begin(), set.rows.end());
      ASSERT_EQ(set.rows.size() - distinct.size(), set.n_duplicates);
      // Both appearances read the same.
      std::map<std::uint32_t, SemiLabel> seen;
      for (std::size_t i = 0; i < set.rows.size(); ++i) {
        ASSERT_EQ(seen.emplace(set.rows[i], set.semi[i]).first->second, set.semi[i]);
      }
    }
    EXPECT_NEAR(labelled, c.labelled, 0.04 * c.labelled + 0.5);
    EXPECT_NEAR(polluted, c.polluted, 0.04 * c.polluted + 0.5);
  }
}

TEST(SemiSupervisedReference, RefusesWhereTheReferenceFails) {
  NumpyRandom random(0);
  const auto classes = table_classes(100, 20);
  EXPECT_THAT(
      [&] {
        (void)semi_supervised_set_reference(classes, {.ratios = {0, 0.1, 0}}, random);
      },
      ThrowsMessage<InvalidArgument>(
          AllOf(HasSubstr("11 labelled ones of 0"), HasSubstr("the reference system stops there"))));
  EXPECT_THROW((void)semi_supervised_set_reference(classes, {.ratios = {0, 0, 0.5}}, random),
               InvalidArgument);
  EXPECT_THROW(
      (void)semi_supervised_set_reference(classes, {.known_classes = {1}, .ratios = {0.7, 0.4, 0}}, random),
      InvalidArgument);
  EXPECT_THROW(
      (void)semi_supervised_set_reference(classes, {.known_classes = {1}, .ratios = {0, 1, 0}}, random),
      InvalidArgument);
  EXPECT_THROW((void)semi_supervised_set_reference(classes, {.known_classes = {0}}, random), InvalidArgument);
}

}  // namespace
}  // namespace deepsad
