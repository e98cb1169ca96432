#include "deepsad/evaluation/roc_auc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "support/golden.h"

namespace deepsad {
namespace {

using testing::golden;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using enum TrueLabel;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::uint64_t kSeeds = 200;

// Overloads cannot be deduced from vectors of different types; this keeps the tests short.
double auc(const std::vector<double>& scores, const std::vector<TrueLabel>& labels) {
  return roc_auc(scores, labels);
}

struct Case {
  std::vector<double> scores;
  std::vector<TrueLabel> labels;
};

// Between 2 and 60 samples of both classes; the few distinct scores of every second case make many ties.
Case random_case(std::uint64_t seed) {
  RandomStream random(seed, "roc test");
  Case c;
  const std::size_t n = 2 + random.below(59);
  const bool coarse = seed % 2 == 0;
  for (std::size_t i = 0; i < n; ++i) {
    c.scores.push_back(coarse ? static_cast<double>(random.below(6)) : random.normal());
    c.labels.push_back(random.below(3) == 0 ? anomaly : normal);
  }
  c.labels[0] = normal;
  c.labels[1] = anomaly;
  return c;
}

TEST(RocAuc, EqualsTheReferenceWithTies) {
  const auto& block = golden("auc_ties");
  std::vector<TrueLabel> labels;
  for (const int label : block["labels"]) labels.push_back(static_cast<TrueLabel>(label));
  EXPECT_EQ(auc(block["scores"], labels), block["auc"].get<double>());
  EXPECT_EQ(roc_auc(block["scores"].get<std::vector<float>>(), labels), block["auc"].get<double>());
}

TEST(RocAuc, EqualsCountingThePairs) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Case c = random_case(seed);
    double won = 0, pairs = 0;
    for (std::size_t a = 0; a < c.labels.size(); ++a) {
      for (std::size_t n = 0; n < c.labels.size(); ++n) {
        if (c.labels[a] != anomaly || c.labels[n] != normal) continue;
        won += c.scores[a] > c.scores[n] ? 1 : c.scores[a] == c.scores[n] ? 0.5 : 0;
        pairs += 1;
      }
    }
    EXPECT_EQ(auc(c.scores, c.labels), won / pairs) << "seed " << seed;  // sums of halves are exact
  }
}

TEST(RocAuc, MirrorsUnderNegationAndIgnoresRisingMaps) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    const Case c = random_case(seed);
    std::vector<double> negated, mapped;
    for (const double s : c.scores) {
      negated.push_back(-s);
      mapped.push_back(std::exp(s) - 7);
    }
    EXPECT_DOUBLE_EQ(auc(negated, c.labels), 1 - auc(c.scores, c.labels));
    EXPECT_EQ(auc(mapped, c.labels), auc(c.scores, c.labels));
  }
}

TEST(RocAuc, KnowsTheExtremes) {
  EXPECT_EQ(auc({1, 2, 3, 4}, {normal, normal, anomaly, anomaly}), 1.0);
  EXPECT_EQ(auc({1, 2, 3, 4}, {anomaly, anomaly, normal, normal}), 0.0);
  EXPECT_EQ(auc({5, 5, 5}, {normal, anomaly, normal}), 0.5);
  EXPECT_EQ(auc({-0.0, 0.0}, {normal, anomaly}), 0.5);
}

TEST(RocAuc, InfinitiesAreTheLargestAndSmallestScores) {
  EXPECT_EQ(auc({1e308, kInfinity, 0}, {normal, anomaly, normal}), 1.0);
  EXPECT_EQ(auc({kInfinity, kInfinity}, {normal, anomaly}), 0.5);
  EXPECT_EQ(auc({-kInfinity, -1e308}, {anomaly, normal}), 0.0);
}

TEST(RocAuc, OneClassOnlyIsUndefined) {
  EXPECT_TRUE(std::isnan(auc({1, 2}, {normal, normal})));
  EXPECT_TRUE(std::isnan(auc({1, 2}, {anomaly, anomaly})));
  EXPECT_TRUE(std::isnan(auc({}, {})));
}

TEST(RocAuc, NamesTheScoreThatIsNoNumberAndBothLengths) {
  EXPECT_THAT(
      [] {
        (void)auc({1, 2, std::nan("")}, {normal, anomaly, normal});
      },
      ThrowsMessage<NumericError>(HasSubstr("[roc_auc] score 2 is NaN")));
  EXPECT_THAT(
      [] {
        (void)auc({1, 2, 3}, {normal, anomaly});
      },
      ThrowsMessage<InvalidArgument>(HasSubstr("[roc_auc] 3 scores but 2 labels")));
}

}  // namespace
}  // namespace deepsad
