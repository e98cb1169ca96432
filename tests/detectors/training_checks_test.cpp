// Each check provoked, and silent where all is well. (Those of whole trainings are in the detectors' tests.)
#include "detectors/training_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "deepsad/core/random.h"
#include "deepsad/nn/catalogue.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<float> normals(std::size_t n, std::uint64_t seed) {
  RandomStream random(seed, "test");
  std::vector<float> values(n);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

TEST(TrainingChanged, SeesScoresThatRankAsBefore) {
  const std::vector<float> before = normals(500, 1);
  std::vector<float> stretched(before), other = normals(500, 2);
  for (float& score : stretched) score = 5 * score + 2;
  std::vector<Finding> findings;
  check_training_changed(before, other, findings);
  EXPECT_THAT(findings, IsEmpty());
  check_training_changed(before, stretched, findings);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].name, "ranking_unchanged");
  EXPECT_THAT(findings[0].text, HasSubstr("rank correlation 1.00000"));
  findings.clear();
  check_training_changed(before, before, findings);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].name, "untrained");
}

class Units : public ::testing::Test {
 protected:
  Units() : x_(300, 6) {
    RandomStream random(3, "test");
    for (float& value : x_.values) value = static_cast<float>(random.normal());
  }
  std::vector<Finding> check(const NetworkSpec& spec, const StateDict& state, bool outputs) {
    std::vector<Finding> findings;
    check_units(spec, state, outputs, {x_.values.data(), x_.rows, x_.cols}, pool_, findings);
    return findings;
  }
  ThreadPool pool_{1};
  Matrix<float> x_;
};

NetworkSpec relu_network() {
  return {.input = {6},
          .layers = {{.kind = LayerKind::linear, .name = "a", .out = 8, .bias = true},
                     {.kind = LayerKind::leaky_relu, .slope = 0},
                     {.kind = LayerKind::linear, .name = "b", .out = 4, .bias = true}}};
}

TEST_F(Units, AliveInFreshNetworks) {
  EXPECT_THAT(check(relu_network(), initial_state(relu_network(), 1, "test"), true), IsEmpty());
  const NetworkSpec mlp_encoder = mlp("m", 6, {16, 8}, 4).encoder;
  EXPECT_THAT(check(mlp_encoder, initial_state(mlp_encoder, 1, "test"), true), IsEmpty());
}

TEST_F(Units, DeadBehindAReluThatNothingPasses) {
  StateDict state = initial_state(relu_network(), 1, "test");
  for (StateTensor& tensor : state) {
    if (tensor.name != "a.bias") continue;
    for (std::size_t u = 0; u < 8; ++u) tensor.values[u] = u < 5 ? -100.0F : 0.0F;
  }
  const std::vector<Finding> findings = check(relu_network(), state, true);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].name, "dead_units");
  EXPECT_THAT(findings[0].text, HasSubstr("5 of 8 units of layer 2 (leaky_relu)"));
  // Half of them and no more is not said.
  for (StateTensor& tensor : state)
    if (tensor.name == "a.bias") tensor.values[4] = 0;
  EXPECT_THAT(check(relu_network(), state, true), IsEmpty());
}

TEST_F(Units, DeadInTheLastLayerIfThatIsLookedAt) {
  StateDict state = initial_state(relu_network(), 1, "test");
  for (StateTensor& tensor : state)
    if (tensor.name == "b.weight") std::fill(tensor.values.begin(), tensor.values.begin() + 3 * 8, 0.0F);
  EXPECT_THAT(check(relu_network(), state, false), IsEmpty());
  const std::vector<Finding> findings = check(relu_network(), state, true);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_THAT(findings[0].text, HasSubstr("3 of 4 units of the last layer"));
}

TEST_F(Units, OfMapsAreChannels) {
  const NetworkSpec spec{.input = {1, 2, 3},
                         .layers = {{.kind = LayerKind::conv2d, .name = "c", .out = 4, .kernel = 1},
                                    {.kind = LayerKind::leaky_relu, .slope = 0.1}}};
  StateDict state = initial_state(spec, 1, "test");
  EXPECT_THAT(check(spec, state, true), IsEmpty());
  for (StateTensor& tensor : state) std::fill(tensor.values.begin(), tensor.values.begin() + 3, 0.0F);
  const std::vector<Finding> findings = check(spec, state, true);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_THAT(findings[0].text, HasSubstr("3 of 4 units of the last layer"));
}

TEST(AnomalyTerm, ExplodesAtTheCentreAlone) {
  std::vector<float> distances(200, 1.0F);
  std::vector<SemiLabel> semi(200, SemiLabel::unlabelled);
  semi[7] = semi[9] = SemiLabel::anomaly;
  std::vector<Finding> findings;
  distances[7] = 0.01F;  // 100, less than a batch of 64
  check_anomaly_term(distances, semi, 1, 1e-6, 64, "after", findings);
  EXPECT_THAT(findings, IsEmpty());
  distances[9] = 1e-4F;  // 10,000, more than ten batches of 64 with mean 1.5
  check_anomaly_term(distances, semi, 1, 1e-6, 64, "after", findings);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].name, "anomaly_term_explodes");
  EXPECT_THAT(findings[0].text, HasSubstr("after training, row 9"));
  findings.clear();
  semi[9] = SemiLabel::unlabelled;  // without the label nothing explodes
  check_anomaly_term(distances, semi, 1, 1e-6, 64, "after", findings);
  EXPECT_THAT(findings, IsEmpty());
}

TEST(Auc, BelowHalfOnlyBeyondChance) {
  std::vector<Finding> findings;
  check_auc(0.3, 10, 3, "test rows", findings);        // chance: deviation 0.19
  check_auc(0.48, 5000, 5000, "test rows", findings);  // sure, but small
  check_auc(0.95, 500, 50, "test rows", findings);
  check_auc(std::numeric_limits<double>::quiet_NaN(), 500, 0, "test rows", findings);
  EXPECT_THAT(findings, IsEmpty());
  check_auc(0.2, 500, 50, "test rows", findings);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].name, "auc_below_half");
  EXPECT_THAT(findings[0].text, HasSubstr("AUC 0.200 on 500 normal and 50 anomalous test rows"));
}

}  // namespace
}  // namespace deepsad
