#include "deepsad/detectors/hybrid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "deepsad/detectors/kernel_machines.h"
#include "deepsad/nn/catalogue.h"
#include "detectors/network_detector.h"
#include "shallow_support.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;
using testing::Problem;
using testing::refusal;
using testing::reloaded;
using testing::scores_of;

TEST(Hybrid, IsTheDetectorOnTheCodes) {
  const NetworkDefinition network = mlp("small", 6, {16, 8}, 4);
  const StateDict encoder = initial_state(network.encoder, 3, "test");
  const Problem problem(200, 6, 20);
  auto hybrid = make_hybrid(network, encoder, make_ssad({}));
  testing::fit(*hybrid, problem);
  EXPECT_EQ(hybrid->method(), "ssad");
  EXPECT_EQ(hybrid->n_features(), 6U);

  ThreadPool pool(1);
  Problem codes(network_outputs(network.encoder, encoder, testing::view(problem.x), pool));
  codes.semi = std::vector<SemiLabel>(problem.semi);
  auto plain = make_ssad({});
  testing::fit(*plain, codes);
  EXPECT_EQ(scores_of(*hybrid, problem.x), scores_of(*plain, codes.x));
  EXPECT_EQ(scores_of(*reloaded(*hybrid), problem.x), scores_of(*hybrid, problem.x));  // one file is enough
}

TEST(Hybrid, RefusesAnEncoderThatDoesNotFit) {
  const NetworkDefinition network = mlp("small", 6, {16, 8}, 4);
  StateDict encoder = initial_state(network.encoder, 3, "test");
  encoder.pop_back();
  EXPECT_THAT(refusal([&] { (void)make_hybrid(network, encoder, make_ssad({})); }),
              HasSubstr("the encoder does not fit its network"));
  auto hybrid = make_hybrid(network, initial_state(network.encoder, 3, "test"), make_ssad({}));
  EXPECT_THAT(refusal([&] { testing::fit(*hybrid, Problem(20, 5, 0)); }),
              HasSubstr("the data has 5 features"));
}

}  // namespace
}  // namespace deepsad
