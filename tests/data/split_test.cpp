#include "deepsad/data/split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <string>

#include "deepsad/core/error.h"
#include "deepsad/data/named_sets.h"
#include "deepsad/data/scaler.h"
#include "support/golden.h"

namespace deepsad {
namespace {

using testing::golden;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// Normals and anomalies interleaved, so that positions and classes cannot be confused.
std::vector<TrueLabel> interleaved_labels(std::size_t n, std::size_t n_anomalies) {
  std::vector<TrueLabel> labels(n, TrueLabel::normal);
  for (std::size_t i = 0; i < n_anomalies; ++i) labels[i * n / n_anomalies] = TrueLabel::anomaly;
  return labels;
}

std::size_t n_anomalies(const std::vector<std::uint32_t>& rows, const std::vector<TrueLabel>& labels) {
  return static_cast<std::size_t>(std::count_if(
      rows.begin(), rows.end(), [&](std::uint32_t row) { return labels[row] == TrueLabel::anomaly; }));
}

std::vector<std::uint32_t> united(const TrainTestSplit& split) {
  std::vector<std::uint32_t> all = split.train;
  all.insert(all.end(), split.test.begin(), split.test.end());
  std::sort(all.begin(), all.end());
  return all;
}

struct OddsSizes {
  const char* name;
  std::size_t n, anomalies, train_normal, train_anomaly, test_normal, test_anomaly;
};

// The six ODDS sets: sizes of the files, and of the parts as the specification prints them.
constexpr OddsSizes kOdds[] = {
    {"arrhythmia", 452, 66, 231, 39, 155, 27},          {"cardio", 1831, 176, 993, 105, 662, 71},
    {"satellite", 6435, 2036, 2639, 1221, 1760, 815},   {"satimage-2", 5803, 71, 3439, 42, 2293, 29},
    {"shuttle", 49097, 3511, 27351, 2106, 18235, 1405}, {"thyroid", 3772, 93, 2207, 55, 1472, 38},
};

// Label vectors of the real sets' sizes; named_sets_test.cpp of the readers repeats this on the files
// themselves.
TEST(SplitTable, TestRowsAreNeverTrainingRowsAndSizesAreThePublishedOnesOnAllSixSets) {
  for (const OddsSizes& set : kOdds) {
    SCOPED_TRACE(set.name);
    const auto labels = interleaved_labels(set.n, set.anomalies);
    std::vector<std::uint32_t> every_row(set.n);
    std::iota(every_row.begin(), every_row.end(), 0U);
    for (const std::uint64_t seed : {0ULL, 1ULL, 12345678901234ULL}) {
      const TrainTestSplit split = split_table(labels, seed);
      EXPECT_EQ(united(split), every_row);  // no row twice, none missing
      EXPECT_EQ(n_shared_rows(split.train, split.test), 0U);
      EXPECT_EQ(split.train.size(), set.train_normal + set.train_anomaly);
      EXPECT_EQ(split.test.size(), set.test_normal + set.test_anomaly);
      EXPECT_EQ(n_anomalies(split.train, labels), set.train_anomaly);
      EXPECT_EQ(n_anomalies(split.test, labels), set.test_anomaly);
    }
  }
}

// The same on the files themselves, down to the scaled values: fitted on training rows, these lie in [0, 1].
TEST(SplitTable, TheSixFilesSplitAndScaleCleanly) {
  for (const OddsSizes& set : kOdds) {
    SCOPED_TRACE(set.name);
    const Dataset data = load_named_set(set.name, std::string(DEEPSAD_SHARED_DIR) + "/data").train;
    const TrainTestSplit split = split_table(data.labels, 1);
    EXPECT_EQ(n_shared_rows(split.train, split.test), 0U);
    EXPECT_EQ(split.train.size(), set.train_normal + set.train_anomaly);
    EXPECT_EQ(n_anomalies(split.train, data.labels), set.train_anomaly);
    EXPECT_EQ(split.test.size(), set.test_normal + set.test_anomaly);
    EXPECT_EQ(n_anomalies(split.test, data.labels), set.test_anomaly);

    const Scaler scaler = Scaler::fit(data, split.train);
    const Matrix<float> train = scaler.transform(data, split.train);
    const auto [low, high] = std::minmax_element(train.values.begin(), train.values.end());
    EXPECT_EQ(*low, 0.0F);
    EXPECT_EQ(*high, 1.0F);
    EXPECT_NO_THROW((void)scaler.transform(data, split.test));
  }
}

TEST(SplitTable, NormalsComeFirstAndRowsAscendWithinAClass) {
  const auto labels = interleaved_labels(100, 20);
  const TrainTestSplit split = split_table(labels, 5);
  const auto before = [&](std::uint32_t a, std::uint32_t b) {
    return std::pair(labels[a], a) < std::pair(labels[b], b);
  };
  EXPECT_TRUE(std::is_sorted(split.train.begin(), split.train.end(), before));
  EXPECT_TRUE(std::is_sorted(split.test.begin(), split.test.end(), before));
}

TEST(SplitTable, IsAFunctionOfTheSeed) {
  const auto labels = interleaved_labels(100, 20);
  EXPECT_EQ(split_table(labels, 5).test, split_table(labels, 5).test);
  EXPECT_NE(split_table(labels, 5).test, split_table(labels, 6).test);
}

TEST(SplitTable, EveryRowGetsItsChanceToBeATestRow) {
  const auto labels = interleaved_labels(20, 5);
  std::vector<int> drawn(20, 0);
  constexpr int kSeeds = 2000;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    for (const std::uint32_t row : split_table(labels, seed).test) ++drawn[row];
  }
  // Probability 0.4 for each row (6 of 15 normals, 2 of 5 anomalies); five standard deviations of a binomial.
  for (const int times : drawn) EXPECT_NEAR(times, 0.4 * kSeeds, 5 * std::sqrt(0.24 * kSeeds));
}

TEST(SplitTable, WorksOnTheSmallestTableAndRefusesSmallerOnes) {
  using enum TrueLabel;
  const TrainTestSplit smallest = split_table(std::vector{normal, anomaly, normal}, 0);
  EXPECT_EQ(smallest.train.size(), 1U);
  EXPECT_EQ(smallest.test.size(), 2U);
  EXPECT_EQ(smallest.test[1], 1U);  // the only anomaly is tested on
  EXPECT_THAT(
      [] {
        (void)split_table(std::vector{normal, normal, normal}, 0);
      },
      ThrowsMessage<DataError>(HasSubstr("no anomaly among 3 rows; the test part needs at least 1")));
  EXPECT_THAT(
      [] {
        (void)split_table(std::vector{normal, anomaly, anomaly}, 0);
      },
      ThrowsMessage<DataError>(HasSubstr("1 normal row(s) among 3; the 60:40 split needs at least 2")));
  EXPECT_THAT([] { (void)split_table(std::vector{anomaly}, 0); },
              ThrowsMessage<DataError>(HasSubstr("0 normal row(s) among 1")));
  EXPECT_THROW((void)split_table({}, 0), DataError);
}

TEST(SplitTableReference, BothConstructionsEqualTheReference) {
  const auto& block = golden("random_generators")["odds_split_seed1_10normal_5outlier"];
  std::vector<TrueLabel> labels(15, TrueLabel::normal);
  std::fill(labels.begin() + 10, labels.end(), TrueLabel::anomaly);
  const ReferenceSplits splits = split_table_reference(labels, 1);
  const auto rows = [&](const char* call, const char* part) {
    return block[call][part].get<std::vector<std::uint32_t>>();
  };
  EXPECT_EQ(splits.first.train, rows("train_set_call", "train"));
  EXPECT_EQ(splits.first.test, rows("train_set_call", "test"));
  EXPECT_EQ(splits.second.train, rows("second_construction_by_the_test_set", "train"));
  EXPECT_EQ(splits.second.test, rows("second_construction_by_the_test_set", "test"));
}

TEST(SplitTableReference, SharesAboutSixtyPercentOfItsTestRowsWithTraining) {
  const auto labels = interleaved_labels(1831, 176);
  const ReferenceSplits splits = split_table_reference(labels, 0);
  const double shared = static_cast<double>(n_shared_rows(splits.first.train, splits.second.test)) /
                        static_cast<double>(splits.second.test.size());
  EXPECT_GT(shared, 0.55);  // the range that the specification measured
  EXPECT_LT(shared, 0.65);
}

TEST(SplitTableReference, RefusesWhatTheReferenceCannotDo) {
  using enum TrueLabel;
  EXPECT_THAT(
      [] {
        (void)split_table_reference(std::vector{normal, normal, anomaly}, 0);
      },
      ThrowsMessage<DataError>(HasSubstr("1 anomalous row(s) among 3")));
  EXPECT_THAT(
      [] {
        (void)split_table_reference(std::vector{normal, normal, anomaly, anomaly}, 1ULL << 32);
      },
      ThrowsMessage<InvalidArgument>(HasSubstr("seed 4294967296")));
}

TEST(SharedRows, CountsTestRowsThatWereTrainedOn) {
  EXPECT_EQ(n_shared_rows(std::vector<std::uint32_t>{5, 1, 9}, std::vector<std::uint32_t>{9, 2, 5}), 2U);
  EXPECT_EQ(n_shared_rows({}, std::vector<std::uint32_t>{1}), 0U);
}

}  // namespace
}  // namespace deepsad
