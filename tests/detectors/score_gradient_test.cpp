// score_gradient() of every method that has one: the score is score()'s, and the gradient integrates to
// differences of it along a line. (The derivatives themselves are held against central differences in double
// in tests/nn.)
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "deepsad/detectors/classifier.h"
#include "deepsad/detectors/deep_generative.h"
#include "deepsad/detectors/deep_sad.h"
#include "deepsad/detectors/hybrid.h"
#include "deepsad/detectors/isolation_forest.h"
#include "deepsad/detectors/kde.h"
#include "deepsad/detectors/kernel_machines.h"
#include "deepsad/nn/catalogue.h"
#include "support/errors.h"

namespace deepsad {
namespace {

using testing::message_of;

constexpr std::size_t kFeatures = 6;

struct Problem {
  Matrix<float> x;
  std::vector<SemiLabel> semi;
};

// Normal rows around one pattern of [0, 1], some labelled anomalies around its opposite.
Problem make_problem(std::size_t n) {
  Problem problem{Matrix<float>(n, kFeatures), std::vector<SemiLabel>(n, SemiLabel::unlabelled)};
  RandomStream random(5, "problem");
  for (std::size_t i = 0; i < n; ++i) {
    const bool anomaly = i % 8 == 0;
    if (anomaly) problem.semi[i] = SemiLabel::anomaly;
    for (std::size_t j = 0; j < kFeatures; ++j) {
      const double center = (j % 2 == 0) == anomaly ? 0.8 : 0.2;
      problem.x.row(i)[j] = static_cast<float>(std::clamp(center + 0.1 * random.normal(), 0.0, 1.0));
    }
  }
  return problem;
}

TrainingOptions quick() {
  return {.learning_rate = 0.003, .n_epochs = 5, .batch_size = 32};
}

struct Method {
  std::string name;
  std::function<std::unique_ptr<Detector>()> make;
};

std::vector<Method> methods() {
  const NetworkDefinition network = mlp("small", kFeatures, {16, 8}, 4);
  const GenerativeNetwork generative{.name = "small", .input = {kFeatures}, .hidden = {16, 8}, .n_latent = 3};
  DeepSadOptions sad{.training = quick()};
  sad.pretraining.training = quick();
  VaeOptions vae{.training = quick()};
  DeepGenerativeOptions dgm{.training = quick()};
  dgm.pretraining = vae;
  return {
      {"deep_sad", [=] { return make_deep_sad(network, sad); }},
      {"deep_svdd", [=] { return make_deep_svdd(network, {.base = sad}); }},
      {"deep_svdd, soft boundary",
       [=] {
         return make_deep_svdd(network,
                               {.base = sad, .objective = SvddObjective::soft_boundary, .warm_up_epochs = 2});
       }},
      {"autoencoder", [=] { return make_autoencoder(network, {.training = quick()}); }},
      {"classifier", [=] { return make_classifier(network, {.training = quick()}); }},
      {"vae", [=] { return make_vae(generative, vae); }},
      {"dgm_m2", [=] { return make_deep_generative(generative, GenerativeKind::m2, dgm); }},
      {"oc_svm, rbf", [] { return make_one_class_svm({.kernel = {.width = KernelWidth::median}}); }},
      {"oc_svm, poly",
       [] { return make_one_class_svm({.kernel = {.kernel = "poly", .width = KernelWidth::value}}); }},
      {"ssad, rbf", [] { return make_ssad({.kernel = {.width = KernelWidth::median}}); }},
      {"ssad, linear",
       [] { return make_ssad({.kernel = {.kernel = "linear", .width = KernelWidth::value}}); }},
      {"kde", [] { return make_kde({.cross_validate = false, .bandwidth = 0.2}); }},
      {"hybrid of ssad",
       [=] {
         return make_hybrid(network, initial_state(network.encoder, 1, "network"),
                            make_ssad({.kernel = {.width = KernelWidth::median}}));
       }},
      {"dgm_m1m2", [=] { return make_deep_generative(generative, GenerativeKind::m1m2, dgm); }},
  };
}

class ScoreGradientOfDetector : public ::testing::Test {
 protected:
  std::unique_ptr<Detector> fitted(const Method& method) {
    std::unique_ptr<Detector> detector = method.make();
    const Observer silent;
    FitContext context{.pool = pool_, .seed = 1, .observer = silent};
    detector->fit({{problem_.x.values.data(), problem_.x.rows, kFeatures}, problem_.semi}, context);
    return detector;
  }
  ThreadPool pool_{2};
  Problem problem_ = make_problem(200);
};

TEST_F(ScoreGradientOfDetector, GivesTheScoreAndIntegratesToItsDifferences) {
  constexpr std::size_t kSteps = 4096;  // midpoints: kinks cost 1 / kSteps of their jump
  for (const Method& method : methods()) {
    SCOPED_TRACE(method.name);
    const std::unique_ptr<Detector> trained = fitted(method);
    const std::unique_ptr<Detector> restored =
        restore_detector(trained->method(), trained->description(), trained->tensors(), "memory");
    for (const Detector* detector : {trained.get(), restored.get()}) {
      ASSERT_TRUE(detector->has_score_gradient());
      const std::span<const float> from = problem_.x.row(1), to = problem_.x.row(8);
      Matrix<float> path(kSteps, kFeatures), gradient(kSteps, kFeatures);
      for (std::size_t k = 0; k < kSteps; ++k) {
        const float t = (static_cast<float>(k) + 0.5F) / kSteps;
        for (std::size_t j = 0; j < kFeatures; ++j) path.row(k)[j] = from[j] + t * (to[j] - from[j]);
      }
      const MatrixView<const float> rows(path.values.data(), kSteps, kFeatures);
      std::vector<double> scores(kSteps);
      std::vector<float> wanted(kSteps);
      detector->score_gradient(rows, scores, {gradient.values.data(), kSteps, kFeatures}, pool_);
      detector->score(rows, wanted, pool_);
      double integral = 0, size = 0;
      for (std::size_t k = 0; k < kSteps; ++k) {
        const auto score = static_cast<double>(wanted[k]);
        ASSERT_NEAR(scores[k], score, 1e-5 * (1 + std::abs(score)));
        double slope = 0;
        for (std::size_t j = 0; j < kFeatures; ++j)
          slope += static_cast<double>(gradient.row(k)[j]) * static_cast<double>(to[j] - from[j]);
        integral += slope / kSteps;
        size += std::abs(slope) / kSteps;
      }
      const std::vector<float> ends = [&] {
        Matrix<float> both(2, kFeatures);
        std::ranges::copy(from, both.row(0).begin());
        std::ranges::copy(to, both.row(1).begin());
        std::vector<float> values(2);
        detector->score({both.values.data(), 2, kFeatures}, values, pool_);
        return values;
      }();
      const double difference = static_cast<double>(ends[1]) - static_cast<double>(ends[0]);
      ASSERT_GT(std::abs(difference), 1e-3);
      EXPECT_NEAR(integral, difference, 1e-3 * size);
    }
  }
}

TEST_F(ScoreGradientOfDetector, FollowsANewTraining) {
  for (const Method& method : methods()) {
    SCOPED_TRACE(method.name);
    const std::unique_ptr<Detector> detector = fitted(method);
    const MatrixView<const float> x(problem_.x.values.data(), problem_.x.rows, kFeatures);
    Matrix<float> gradient(x.rows(), kFeatures);
    std::vector<double> scores(x.rows());
    detector->score_gradient(x, scores, {gradient.values.data(), x.rows(), kFeatures}, pool_);
    const Observer silent;
    FitContext context{.pool = pool_, .seed = 2, .observer = silent};
    detector->fit({x, problem_.semi}, context);
    std::vector<float> wanted(x.rows());
    detector->score(x, wanted, pool_);
    detector->score_gradient(x, scores, {gradient.values.data(), x.rows(), kFeatures}, pool_);
    for (std::size_t i = 0; i < x.rows(); ++i)
      ASSERT_NEAR(scores[i], static_cast<double>(wanted[i]), 1e-5 * (1 + std::abs(scores[i])));
  }
}

TEST_F(ScoreGradientOfDetector, IsRefusedWhereThereIsNone) {
  const auto forest = fitted({"isolation_forest", [] { return make_isolation_forest({}); }});
  EXPECT_FALSE(forest->has_score_gradient());
  VaeOptions drawn{.training = quick()};
  drawn.score_samples = 3;
  const GenerativeNetwork network{.name = "small", .input = {kFeatures}, .hidden = {8}, .n_latent = 2};
  const auto vae = fitted({"vae", [=] { return make_vae(network, drawn); }});
  EXPECT_FALSE(vae->has_score_gradient());
  Matrix<float> gradient(1, kFeatures);
  std::vector<double> scores(1);
  const MatrixView<const float> x(problem_.x.values.data(), 1, kFeatures);
  for (const Detector* detector : {forest.get(), vae.get()}) {
    EXPECT_EQ(message_of<InvalidArgument>([&] {
                detector->score_gradient(x, scores, {gradient.values.data(), 1, kFeatures}, pool_);
              }),
              "[score_gradient] the score of " + detector->method() + " has no derivative that is known");
  }
  const auto deep = fitted(methods().front());
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              deep->score_gradient(x, scores, {gradient.values.data(), 1, kFeatures - 1}, pool_);
            }),
            "[score_gradient] room for a gradient of 1 x 5 but rows of 1 x 6");
}

}  // namespace
}  // namespace deepsad
