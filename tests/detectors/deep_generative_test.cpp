#include "deepsad/detectors/deep_generative.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "deepsad/evaluation/roc_auc.h"
#include "deepsad/nn/catalogue.h"

namespace deepsad {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Json = nlohmann::json;

constexpr GenerativeKind kKinds[] = {GenerativeKind::vae, GenerativeKind::m2, GenerativeKind::m1m2};

/// Rows around two patterns of ones and zeros: normal ones, and a share of anomalies.
struct Problem {
  Matrix<float> x;
  std::vector<SemiLabel> semi;
  std::vector<TrueLabel> truth;
  [[nodiscard]] TrainingSet set() const { return {{x.values.data(), x.rows, x.cols}, semi}; }
};

Problem make_problem(std::size_t n, std::size_t d, std::size_t n_anomalies, std::size_t n_known,
                     std::size_t n_normal = 0) {
  Problem problem{.x = Matrix<float>(n, d),
                  .semi = std::vector<SemiLabel>(n, SemiLabel::unlabelled),
                  .truth = std::vector<TrueLabel>(n, TrueLabel::normal)};
  RandomStream random(5, "problem");
  for (std::size_t i = 0; i < n; ++i) {
    const bool anomaly = i < n_anomalies;
    if (anomaly) problem.truth[i] = TrueLabel::anomaly;
    if (i < n_known) problem.semi[i] = SemiLabel::anomaly;
    if (i >= n_anomalies && i < n_anomalies + n_normal) problem.semi[i] = SemiLabel::normal;
    for (std::size_t j = 0; j < d; ++j) {
      const double center = (j % 2 == 0) == anomaly ? 0.8 : 0.2;
      problem.x.row(i)[j] = static_cast<float>(std::clamp(center + 0.08 * random.normal(), 0.0, 1.0));
    }
  }
  return problem;
}

TrainingOptions training(std::size_t n_epochs) {
  return {.learning_rate = 0.003, .n_epochs = n_epochs, .batch_size = 32};
}

GenerativeNetwork small_network(const Shape& input = {6}) {
  return {.name = "small", .input = input, .hidden = {12, 8}, .n_latent = 3};
}

std::unique_ptr<Detector> make(GenerativeKind kind, const GenerativeNetwork& network, std::size_t n_epochs,
                               DeepGenerativeOptions options = {}) {
  options.training = options.pretraining.training = training(n_epochs);
  options.pretraining.bound = options.bound;
  if (kind == GenerativeKind::vae) return make_vae(network, options.pretraining);
  return make_deep_generative(network, kind, options);
}

void fit(Detector& detector, const Problem& problem, std::size_t threads = 1, std::uint64_t seed = 1) {
  ThreadPool pool(threads);
  const Observer silent;
  FitContext context{.pool = pool, .seed = seed, .observer = silent};
  detector.fit(problem.set(), context);
}

std::vector<float> scores_of(const Detector& detector, const Problem& problem, std::size_t threads = 1) {
  ThreadPool pool(threads);
  std::vector<float> scores(problem.x.rows);
  detector.score(problem.set().x, scores, pool);
  return scores;
}

std::string refusal(const std::function<void()>& f) {
  try {
    f();
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "(nothing was thrown)";
}

TEST(DeepGenerative, FindsWhatItWasShown) {
  const Problem problem = make_problem(240, 6, 30, 10, 10);
  for (const GenerativeKind kind : {GenerativeKind::m2, GenerativeKind::m1m2}) {
    const auto detector = make(kind, small_network(), 40);
    fit(*detector, problem);
    const std::vector<float> scores = scores_of(*detector, problem);
    EXPECT_GT(roc_auc(std::span<const float>(scores), problem.truth), 0.98) << detector->method();
    EXPECT_THAT(detector->findings(), IsEmpty()) << detector->method();
    for (const float score : scores) EXPECT_TRUE(score >= 0 && score <= 1) << score;  // a probability
  }
}

TEST(Vae, ReconstructsTheNormalRowsBetter) {
  const Problem training_set = make_problem(240, 6, 0, 0);
  const Problem test = make_problem(100, 6, 20, 0);
  const auto detector = make(GenerativeKind::vae, small_network(), 30);
  fit(*detector, training_set);
  const std::vector<float> scores = scores_of(*detector, test);
  EXPECT_GT(roc_auc(std::span<const float>(scores), test.truth), 0.98);
  EXPECT_LT(detector->phases().front().history.epochs.back().loss,
            detector->phases().front().history.epochs.front().loss);
}

TEST(DeepGenerative, SavedAndRestoredGivesTheSameBits) {
  const Problem problem = make_problem(70, 6, 10, 5, 5);
  for (const GenerativeKind kind : kKinds) {
    const auto detector = make(kind, small_network(), 3,
                               {.alpha = 0.7,
                                .weights = TermWeights::counts,
                                .bound = {LogVarianceForm::softplus, KlForm::single_sample}});
    fit(*detector, problem);
    const auto restored =
        restore_detector(detector->method(), detector->description(), detector->tensors(), "model");
    EXPECT_EQ(restored->method(), detector->method());
    EXPECT_EQ(restored->description(), detector->description());
    EXPECT_EQ(restored->tensors(), detector->tensors());
    EXPECT_EQ(scores_of(*restored, problem), scores_of(*detector, problem));
    EXPECT_EQ(restored->n_features(), 6U);
  }
}

TEST(DeepGenerative, DamagedModelsAreRefusedByName) {
  const Problem problem = make_problem(70, 6, 10, 5);
  const auto detector = make(GenerativeKind::m1m2, small_network(), 1);
  fit(*detector, problem);
  auto tensors = detector->tensors();
  std::erase_if(
      tensors, [](const DetectorTensor& tensor) { return tensor.name == "features.encoder.sample.mu.bias"; });
  try {
    (void)restore_detector("dgm_m1m2", detector->description(), tensors, "model.safetensors");
    FAIL();
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(), HasSubstr("tensor \"features.encoder.sample.mu.bias\" is missing"));
    EXPECT_THAT(error.what(), HasSubstr("model.safetensors"));
  }
}

TEST(DeepGenerative, SameBitsAtAnyThreadCountAndForEveryRowAlone) {
  const Problem problem = make_problem(70, 6, 10, 5, 5);
  for (const GenerativeKind kind : kKinds) {
    const auto one = make(kind, small_network(), 3), three = make(kind, small_network(), 3);
    fit(*one, problem, 1);
    fit(*three, problem, 3);
    EXPECT_EQ(one->tensors(), three->tensors()) << one->method();
    const std::vector<float> scores = scores_of(*one, problem);
    EXPECT_EQ(scores_of(*one, problem, 3), scores);
    ThreadPool pool(1);
    for (const std::size_t row : {0UL, 17UL, 69UL}) {
      std::array<float, 1> alone{};
      one->score({problem.x.row(row).data(), 1, 6}, alone, pool);
      EXPECT_EQ(alone[0], scores[row]) << one->method();
    }
  }
}

// T16.
TEST(Vae, DrawnCodesGiveTheSameScoresEveryTimeAndForEveryRowAlone) {
  const Problem problem = make_problem(70, 6, 0, 0);
  VaeOptions options{.training = training(3), .score_samples = 3};
  const auto drawn = make_vae(small_network(), options);
  fit(*drawn, problem);
  const std::vector<float> scores = scores_of(*drawn, problem);
  EXPECT_EQ(scores_of(*drawn, problem, 2), scores);
  options.score_samples = 0;
  const auto mean = make_vae(small_network(), options);
  fit(*mean, problem);
  EXPECT_EQ(mean->tensors(), drawn->tensors());
  EXPECT_NE(scores_of(*mean, problem), scores);
  std::array<float, 1> alone{};
  ThreadPool pool(1);
  drawn->score({problem.x.row(33).data(), 1, 6}, alone, pool);
  EXPECT_EQ(alone[0], scores[33]);
}

TEST(DeepGenerative, AlphaIsATenthOfUnlabelledOverLabelled) {
  const Problem problem = make_problem(66, 6, 10, 4, 2);
  const auto detector = make(GenerativeKind::m2, small_network(), 1);
  fit(*detector, problem);
  const Json report = Json::parse(detector->fit_report());
  EXPECT_EQ(report.at("n_labelled"), 6);
  EXPECT_EQ(report.at("n_unlabelled"), 60);
  EXPECT_NEAR(report.at("alpha").get<double>(), 1.0, 1e-12);
  const auto given = make(GenerativeKind::m2, small_network(), 1, {.alpha = 2.5});
  fit(*given, problem);
  EXPECT_EQ(Json::parse(given->fit_report()).at("alpha"), 2.5);
  EXPECT_THAT(refusal([] { (void)make(GenerativeKind::m2, small_network(), 1, {.alpha = -2}); }),
              HasSubstr("alpha must be at least 0"));
}

// T10, and its mirror image.
TEST(DeepGenerative, WithoutLabelsOrWithoutUnlabelledRowsIsRefused) {
  for (const GenerativeKind kind : {GenerativeKind::m2, GenerativeKind::m1m2}) {
    const auto detector = make(kind, small_network(), 1);
    EXPECT_THAT(refusal([&] { fit(*detector, make_problem(40, 6, 5, 0)); }),
                HasSubstr("no training row is labelled"));
    EXPECT_THAT(refusal([&] { fit(*detector, make_problem(40, 6, 5, 5, 35)); }),
                HasSubstr("every training row is labelled"));
    const auto with_alpha = make(kind, small_network(), 2, {.alpha = 1});
    fit(*with_alpha, make_problem(40, 6, 5, 5, 35));
    EXPECT_THAT(scores_of(*with_alpha, make_problem(40, 6, 5, 5)),
                Each(::testing::Truly([](float s) { return std::isfinite(s); })));
  }
}

TEST(DeepGenerative, LabelsOfOneKindOneLabelledRowAndTinySetsTrain) {
  for (const GenerativeKind kind : {GenerativeKind::m2, GenerativeKind::m1m2}) {
    for (const Problem& problem :
         {make_problem(50, 6, 5, 5), make_problem(50, 6, 0, 0, 8), make_problem(50, 6, 3, 1),
          make_problem(50, 6, 0, 0, 1), make_problem(2, 6, 1, 1), make_problem(3, 6, 1, 1, 1)}) {
      const auto detector = make(kind, small_network(), 3);
      fit(*detector, problem);
      for (const float score : scores_of(*detector, problem)) EXPECT_TRUE(std::isfinite(score));
    }
  }
  const auto vae = make(GenerativeKind::vae, small_network(), 3);
  const Problem single = make_problem(1, 6, 0, 0);
  fit(*vae, single);
  EXPECT_TRUE(std::isfinite(scores_of(*vae, single)[0]));
}

// Pixels that are 0 or 1 in every row drive their logits away from 0 without end.
TEST(DeepGenerative, ConstantFeaturesStayFinite) {
  Problem problem = make_problem(64, 6, 8, 4, 4);
  for (std::size_t i = 0; i < problem.x.rows; ++i) {
    problem.x.row(i)[0] = 0;
    problem.x.row(i)[1] = 1;
    problem.x.row(i)[2] = 1;
  }
  for (const GenerativeKind kind : kKinds) {
    const auto detector = make(kind, small_network(), 200);
    fit(*detector, problem);
    for (const float score : scores_of(*detector, problem))
      EXPECT_TRUE(std::isfinite(score)) << detector->method();
  }
}

TEST(DeepGenerative, ImagesGoThroughALeNet) {
  Problem problem = make_problem(40, 64, 6, 3, 3);
  const NetworkDefinition body = default_network("mine", {1, 8, 8});
  GenerativeNetwork network = small_network({1, 8, 8});
  network.classifier_body = body.encoder;
  const auto detector = make(GenerativeKind::m2, network, 3);
  fit(*detector, problem);
  EXPECT_THAT(detector->tensors(), Contains(Field(&DetectorTensor::name, "classifier.net.bn1.running_mean")));
  const auto restored = restore_detector("dgm_m2", detector->description(), detector->tensors(), "model");
  EXPECT_EQ(scores_of(*restored, problem), scores_of(*detector, problem));
}

TEST(DeepGenerative, GeneratesSamplesOfBothLabelsFromTheSameCodes) {
  const Problem problem = make_problem(240, 6, 60, 30, 30);
  for (const GenerativeKind kind : kKinds) {
    const auto detector = make(kind, small_network(), 60);
    fit(*detector, problem);
    ThreadPool pool(1);
    const std::vector<GeneratedSamples> samples = detector->generate(5, 3, pool);
    ASSERT_EQ(samples.size(), kind == GenerativeKind::vae ? 1U : 2U);
    for (const GeneratedSamples& drawn : samples) {
      EXPECT_EQ(drawn.x.rows, 5U);
      EXPECT_EQ(drawn.x.cols, 6U);
      for (const float v : drawn.x.values) EXPECT_TRUE(v >= 0 && v <= 1);
    }
    if (kind == GenerativeKind::vae) continue;
    EXPECT_EQ(samples[0].name, "normal");
    EXPECT_EQ(samples[1].name, "anomalous");
    for (std::size_t i = 0; i < 5; ++i) {  // normal rows are 0.2 at even places, anomalous ones 0.8
      EXPECT_LT(samples[0].x.row(i)[0], 0.5) << detector->method();
      EXPECT_GT(samples[1].x.row(i)[0], 0.5) << detector->method();
    }
  }
}

TEST(DeepGenerative, SaysWhatWentWrong) {
  const Problem problem = make_problem(60, 6, 8, 4, 4);
  const auto vae = make(GenerativeKind::vae, small_network(), 2);
  fit(*vae, problem);
  EXPECT_THAT(vae->findings(), Contains(Field(&Finding::name, "labels_ignored")));
  const auto untrained = make(GenerativeKind::m1m2, small_network(), 0);
  fit(*untrained, problem);
  EXPECT_THAT(untrained->findings(), Contains(Field(&Finding::name, "untrained")));
  EXPECT_EQ(untrained->phases().size(), 2U);
  EXPECT_EQ(untrained->phases()[0].name, "pretraining");
  // Rows without any structure: the code has nothing to say.
  Problem noise = make_problem(200, 6, 0, 0);
  for (float& v : noise.x.values) v = 0.5F;
  const auto collapsed = make(GenerativeKind::vae, small_network(), 200);
  fit(*collapsed, noise);
  EXPECT_THAT(collapsed->findings(), Contains(Field(&Finding::name, "posterior_collapse")));
}

TEST(DeepGenerative, RefusesWhatDoesNotFit) {
  const auto detector = make(GenerativeKind::m2, small_network(), 1);
  EXPECT_THAT(refusal([&] { fit(*detector, make_problem(40, 5, 5, 5)); }),
              HasSubstr("the data has 5 features"));
  EXPECT_THAT(refusal([&] { (void)scores_of(*detector, make_problem(4, 6, 0, 0)); }),
              HasSubstr("has not been trained"));
  EXPECT_THAT(refusal([] { (void)make_deep_generative(small_network(), GenerativeKind::vae, {}); }),
              HasSubstr("make_vae"));
}

// Nothing is ever not a number, whatever the sizes, labels, rates and forms.
TEST(DeepGenerative, FiftyRandomConfigurationsStayFinite) {
  RandomStream random(11, "test/configurations");
  for (int trial = 0; trial < 50; ++trial) {
    const auto pick = [&](std::initializer_list<double> values) {
      return *(values.begin() + random.below(values.size()));
    };
    const std::size_t n = 2 + random.below(60);
    const std::size_t d = 1 + random.below(9);
    const std::size_t n_anomalies = 1 + random.below(n - 1);
    const std::size_t n_known = 1 + random.below(n_anomalies);
    Problem problem = make_problem(n, d, n_anomalies, n_known, random.below(n - n_anomalies + 1) / 2);
    for (std::size_t j = 0; j < d; ++j) {
      if (random.below(4) != 0) continue;
      const auto constant = static_cast<float>(random.below(2));
      for (std::size_t i = 0; i < n; ++i) problem.x.row(i)[j] = constant;
    }
    GenerativeNetwork network{.name = "random", .input = {d}, .hidden = {}, .n_latent = 1 + random.below(5)};
    for (std::size_t layer = 0; layer <= random.below(3); ++layer)
      network.hidden.push_back(1 + random.below(20));
    const BoundOptions bound{random.below(2) == 0 ? LogVarianceForm::bounded : LogVarianceForm::softplus,
                             random.below(2) == 0 ? KlForm::closed_form : KlForm::single_sample};
    DeepGenerativeOptions options;
    options.training.learning_rate = pick({1e-5, 1e-3, 1e-2});
    options.training.n_epochs = random.below(30);
    options.training.batch_size = 1 + random.below(40);
    options.training.weight_decay = pick({0, 1e-6, 1e-1});
    options.alpha = pick({0, 0.1, 9.9, 100});
    options.weights = random.below(2) == 0 ? TermWeights::means : TermWeights::counts;
    options.drop_single_labelled = random.below(2) == 0;
    options.bound = options.pretraining.bound = bound;
    options.pretraining.training = options.training;
    options.pretraining.score_samples = random.below(3);
    const GenerativeKind kind = kKinds[random.below(3)];
    SCOPED_TRACE("trial " + std::to_string(trial) + ", " + std::to_string(n) + " x " + std::to_string(d));
    const auto detector = kind == GenerativeKind::vae ? make_vae(network, options.pretraining)
                                                      : make_deep_generative(network, kind, options);
    fit(*detector, problem, 1, static_cast<std::uint64_t>(trial));
    EXPECT_THAT(scores_of(*detector, problem),
                Each(::testing::Truly([](float s) { return std::isfinite(s); })));
    for (const PhaseRecord& phase : detector->phases()) {
      for (const EpochRecord& epoch : phase.history.epochs) EXPECT_TRUE(std::isfinite(epoch.loss));
    }
  }
}

}  // namespace
}  // namespace deepsad
