#include "deepsad/evaluation/average_precision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using enum TrueLabel;

double ap(const std::vector<double>& scores, const std::vector<TrueLabel>& labels) {
  return average_precision(scores, labels);
}

// The definition, threshold by threshold.
double by_definition(const std::vector<double>& scores, const std::vector<TrueLabel>& labels) {
  const std::set<double, std::greater<>> thresholds(scores.begin(), scores.end());
  double anomalies = 0;
  for (const TrueLabel label : labels) anomalies += label == anomaly ? 1 : 0;
  double sum = 0, last_recall = 0;
  for (const double t : thresholds) {
    double hits = 0, selected = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (scores[i] < t) continue;
      selected += 1;
      hits += labels[i] == anomaly ? 1 : 0;
    }
    sum += (hits / anomalies - last_recall) * (hits / selected);
    last_recall = hits / anomalies;
  }
  return sum;
}

TEST(AveragePrecision, EqualsTheDefinition) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    RandomStream random(seed, "average precision test");
    const std::size_t n = 1 + random.below(60);
    std::vector<double> scores;
    std::vector<TrueLabel> labels;
    for (std::size_t i = 0; i < n; ++i) {
      scores.push_back(seed % 2 == 0 ? static_cast<double>(random.below(6)) : random.normal());
      labels.push_back(random.below(3) == 0 ? anomaly : normal);
    }
    labels[0] = anomaly;
    EXPECT_NEAR(ap(scores, labels), by_definition(scores, labels), 1e-14) << "seed " << seed;
    const std::vector<float> narrow(scores.begin(), scores.end());
    EXPECT_NEAR(average_precision(narrow, labels), by_definition(scores, labels), 1e-14) << "seed " << seed;
  }
}

TEST(AveragePrecision, EqualsScikitLearn) {
  // sklearn.metrics.average_precision_score of scikit-learn 1.2.1.
  EXPECT_NEAR(ap({0.1, 0.4, 0.35, 0.8, 0.4, 0.4, 0.2, 0.1},
                 {normal, normal, anomaly, anomaly, normal, anomaly, normal, anomaly}),
              0.65, 1e-15);
  EXPECT_NEAR(ap({3, 1, 2, 2, 5, 4, 0}, {anomaly, normal, anomaly, normal, normal, anomaly, normal}),
              0.5888888888888889, 1e-15);
}

TEST(AveragePrecision, KnowsTheExtremes) {
  EXPECT_EQ(ap({1, 2, 3, 4}, {normal, normal, anomaly, anomaly}), 1.0);
  EXPECT_EQ(ap({5, 5, 5, 5}, {normal, anomaly, normal, normal}),
            0.25);  // no information: the share of anomalies
  EXPECT_EQ(ap({1, 2}, {anomaly, anomaly}), 1.0);
  EXPECT_EQ(ap({std::numeric_limits<double>::infinity(), 1e308}, {anomaly, normal}), 1.0);
  EXPECT_TRUE(std::isnan(ap({1, 2}, {normal, normal})));
  EXPECT_TRUE(std::isnan(ap({}, {})));
}

TEST(AveragePrecision, NamesTheScoreThatIsNoNumberAndBothLengths) {
  EXPECT_THAT(
      [] {
        (void)ap({std::nan(""), 2}, {normal, anomaly});
      },
      ThrowsMessage<NumericError>(HasSubstr("[average_precision] score 0 is NaN")));
  EXPECT_THAT(
      [] {
        (void)ap({1}, {normal, anomaly});
      },
      ThrowsMessage<InvalidArgument>(HasSubstr("[average_precision] 1 scores but 2 labels")));
}

}  // namespace
}  // namespace deepsad
