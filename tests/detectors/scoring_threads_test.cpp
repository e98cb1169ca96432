// score() from several threads at once.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "deepsad/core/random.h"
#include "deepsad/detectors/deep_sad.h"
#include "deepsad/nn/network_spec.h"

namespace deepsad {
namespace {

constexpr std::size_t kRows = 70, kFeatures = 6;

TEST(ScoringThreads, ManyCallersWithPoolsOfTheirOwnGetTheSameBits) {
  RandomStream random(1, "test");
  std::vector<float> x(kRows * kFeatures);
  for (float& value : x) value = static_cast<float>(random.uniform());
  const std::vector<SemiLabel> semi(kRows, SemiLabel::unlabelled);
  const auto detector = make_deep_sad(mlp("m", kFeatures, {16}, 4),
                                      {.training = {.n_epochs = 1, .batch_size = 32},
                                       .pretraining = {.training = {.n_epochs = 1, .batch_size = 32}}});
  ThreadPool pool(1);
  const Observer observer;
  FitContext context{.pool = pool, .seed = 1, .observer = observer};
  detector->fit({.x = {x.data(), kRows, kFeatures}, .semi = semi}, context);
  std::vector<float> expected(kRows);
  detector->score({x.data(), kRows, kFeatures}, expected, pool);

  constexpr std::size_t kCallers = 3, kCalls = 20;
  std::vector<std::vector<float>> scores(kCallers, std::vector<float>(kRows));
  std::vector<std::thread> callers;
  for (std::size_t caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] {
      ThreadPool own(1 + caller % 2);
      for (std::size_t call = 0; call < kCalls; ++call)
        detector->score({x.data(), kRows, kFeatures}, scores[caller], own);
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (const auto& found : scores) EXPECT_EQ(found, expected);

  // A new fit with another seed leaves no plan of the old weights behind.
  FitContext other{.pool = pool, .seed = 2, .observer = observer};
  detector->fit({.x = {x.data(), kRows, kFeatures}, .semi = semi}, other);
  std::vector<float> refitted(kRows);
  detector->score({x.data(), kRows, kFeatures}, refitted, pool);
  EXPECT_NE(refitted, expected);
  const auto restored =
      restore_detector(detector->method(), detector->description(), detector->tensors(), "test");
  std::vector<float> fresh(kRows);
  restored->score({x.data(), kRows, kFeatures}, fresh, pool);
  EXPECT_EQ(refitted, fresh);
}

}  // namespace
}  // namespace deepsad
