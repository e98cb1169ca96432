#include "deepsad/detectors/deep_sad.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "deepsad/core/aligned_buffer.h"
#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "deepsad/evaluation/roc_auc.h"
#include "deepsad/nn/catalogue.h"

namespace deepsad {
namespace {

using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;

/// Rows around (0.3, ...) with a few labelled anomalies around (0.8, ...); labels as asked.
struct Problem {
  Matrix<float> x;
  std::vector<SemiLabel> semi;
  [[nodiscard]] TrainingSet set() const { return {{x.values.data(), x.rows, x.cols}, semi}; }
};

Problem make_problem(std::size_t n, std::size_t d, std::size_t n_anomalies, std::size_t n_normals = 0) {
  Problem problem{.x = Matrix<float>(n, d), .semi = std::vector<SemiLabel>(n, SemiLabel::unlabelled)};
  RandomStream random(5, "problem");
  for (std::size_t i = 0; i < n; ++i) {
    const bool anomaly = i < n_anomalies;
    if (anomaly) problem.semi[i] = SemiLabel::anomaly;
    if (!anomaly && i < n_anomalies + n_normals) problem.semi[i] = SemiLabel::normal;
    for (float& v : problem.x.row(i)) v = static_cast<float>((anomaly ? 0.8 : 0.3) + 0.1 * random.normal());
  }
  return problem;
}

DeepSadOptions quick_options() {
  DeepSadOptions options;
  options.training.n_epochs = 5;
  options.training.batch_size = 32;
  options.pretraining.training.n_epochs = 5;
  options.pretraining.training.batch_size = 32;
  return options;
}

const NetworkDefinition& small_network() {
  static const NetworkDefinition network = mlp("small", 6, {16, 8}, 4);
  return network;
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

std::map<std::string, DetectorTensor> by_name(const Detector& detector) {
  std::map<std::string, DetectorTensor> tensors;
  for (DetectorTensor& tensor : detector.tensors()) tensors[tensor.name] = std::move(tensor);
  return tensors;
}

// T1: every tensor of the encoder, batch-norm state included, is the network's tensor before its own
// training.
TEST(DeepSad, EveryTensorOfThePretrainedEncoderReachesTheNetwork) {
  for (const NetworkDefinition& network : {small_network(), network_by_name("mnist_LeNet")}) {
    const Problem problem = make_problem(70, n_elements(network.encoder.input), 3);
    auto detector = make_deep_sad(network, quick_options());
    fit(*detector, problem);
    const auto autoencoder = by_name(*detector->pretrained_autoencoder());
    const auto start = by_name(*detector->before_training());
    const auto trained = by_name(*detector);
    std::size_t n_compared = 0;
    for (const TensorInfo& info : state_tensors(network.encoder)) {
      const DetectorTensor& source = autoencoder.at("encoder." + info.name);
      EXPECT_EQ(start.at(info.name).values, source.values) << info.name;
      EXPECT_EQ(start.at(info.name).count, source.count) << info.name;
      if (info.role == TensorRole::weight) {
        EXPECT_NE(trained.at(info.name).values, source.values) << info.name;
      }
      ++n_compared;
    }
    EXPECT_EQ(n_compared, state_tensors(network.encoder).size());
    const auto report = nlohmann::json::parse(detector->fit_report());
    EXPECT_EQ(report["transferred_tensors"], n_compared);
    EXPECT_EQ(report["network_tensors"], n_compared);
  }
}

TEST(DeepSad, WithoutTransferPretrainingChangesNothingAndSaysSo) {
  const Problem problem = make_problem(64, 6, 3);
  DeepSadOptions options = quick_options();
  options.transfer = false;
  auto with_pretraining = make_deep_sad(small_network(), options);
  fit(*with_pretraining, problem);
  EXPECT_THAT(with_pretraining->findings(), Contains(Field(&Finding::name, "nothing_transferred")));
  options.pretrain = false;
  auto without = make_deep_sad(small_network(), options);
  fit(*without, problem);
  EXPECT_EQ(scores_of(*with_pretraining, problem), scores_of(*without, problem));
}

TEST(DeepSad, WithoutLabelsEqualsOneClassDeepSvddBitForBit) {
  const Problem problem = make_problem(100, 6, 0);
  auto deep_sad = make_deep_sad(small_network(), quick_options());
  auto deep_svdd = make_deep_svdd(small_network(), {.base = quick_options()});
  fit(*deep_sad, problem);
  fit(*deep_svdd, problem);
  EXPECT_EQ(scores_of(*deep_sad, problem), scores_of(*deep_svdd, problem));
}

TEST(DeepSad, LabelledAnomaliesEndUpFarFromTheCentre) {
  const Problem problem = make_problem(200, 6, 10);
  DeepSadOptions options = quick_options();
  options.training.n_epochs = 30;
  options.pretraining.training.n_epochs = 10;
  auto detector = make_deep_sad(small_network(), options);
  fit(*detector, problem);
  std::vector<TrueLabel> labels;
  for (const SemiLabel label : problem.semi)
    labels.push_back(label == SemiLabel::anomaly ? TrueLabel::anomaly : TrueLabel::normal);
  EXPECT_GT(roc_auc(std::span<const float>(scores_of(*detector, problem)), labels), 0.99);
  EXPECT_THAT(detector->findings(), ::testing::IsEmpty());
}

TEST(DeepSad, CentreLeavesLabelledAnomaliesOutUnlessAskedFor) {
  const Problem problem = make_problem(64, 6, 20);
  DeepSadOptions options = quick_options();
  auto paper = make_deep_sad(small_network(), options);
  fit(*paper, problem);
  EXPECT_EQ(nlohmann::json::parse(paper->fit_report())["center"]["rows"], 44);
  options.center_rows = CenterRows::all;
  auto reference = make_deep_sad(small_network(), options);
  fit(*reference, problem);
  EXPECT_EQ(nlohmann::json::parse(reference->fit_report())["center"]["rows"], 64);
  EXPECT_NE(by_name(*paper)["c"].values, by_name(*reference)["c"].values);
}

TEST(DeepSad, SameBitsAtAnyThreadCount) {
  const NetworkDefinition network = network_by_name("mnist_LeNet");
  const Problem problem = make_problem(150, 784, 5);
  DeepSadOptions options = quick_options();
  options.training.n_epochs = 2;
  options.training.batch_size = 64;
  options.pretraining.training.n_epochs = 1;
  std::vector<float> one_thread;
  std::vector<DetectorTensor> tensors;
  for (const std::size_t threads : {1UL, 2UL, 3UL, 8UL}) {
    auto detector = make_deep_sad(network, options);
    fit(*detector, problem, threads);
    if (threads == 1) {
      one_thread = scores_of(*detector, problem, 1);
      tensors = detector->tensors();
    } else {
      EXPECT_EQ(scores_of(*detector, problem, threads), one_thread) << threads;
      EXPECT_EQ(detector->tensors(), tensors) << threads;
    }
  }
}

TEST(DeepSad, RestoredDetectorGivesTheSameBits) {
  const Problem problem = make_problem(64, 6, 4);
  DeepSvddOptions soft{
      .base = quick_options(), .objective = SvddObjective::soft_boundary, .nu = 0.2, .warm_up_epochs = 2};
  std::vector<std::unique_ptr<Detector>> detectors;
  detectors.push_back(make_deep_sad(small_network(), quick_options()));
  detectors.push_back(make_deep_svdd(small_network(), soft));
  detectors.push_back(make_autoencoder(small_network(), quick_options().pretraining));
  for (auto& detector : detectors) {
    fit(*detector, problem);
    const auto restored =
        restore_detector(detector->method(), detector->description(), detector->tensors(), "test");
    EXPECT_EQ(scores_of(*restored, problem), scores_of(*detector, problem)) << detector->method();
    EXPECT_EQ(restored->tensors(), detector->tensors());
    EXPECT_EQ(restored->description(), detector->description());
  }
}

TEST(DeepSad, RestoringDamagedTensorsNamesThem) {
  const Problem problem = make_problem(64, 6, 4);
  auto detector = make_deep_sad(small_network(), quick_options());
  fit(*detector, problem);
  const auto message_of = [&](auto&& damage) {
    auto tensors = detector->tensors();
    damage(tensors);
    try {
      (void)restore_detector("deep_sad", detector->description(), tensors, "m.safetensors");
    } catch (const ModelError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(message_of([](auto& t) { t.erase(t.begin()); }), HasSubstr("\"c\" (the centre) is missing"));
  EXPECT_THAT(message_of([](auto& t) { t.erase(t.begin() + 1); }),
              HasSubstr("\"hidden.0.linear.weight\" is missing"));
  EXPECT_THAT(message_of([](auto& t) { t[1].shape = {3, 3}; }), HasSubstr("wanted 16x6"));
  EXPECT_THROW((void)restore_detector("deep_sad", "{}", detector->tensors(), "x"), ModelError);
  EXPECT_THROW((void)restore_detector("deep_sad", "{", detector->tensors(), "x"), ModelError);
  EXPECT_THROW((void)restore_detector("magic", detector->description(), detector->tensors(), "x"),
               ModelError);
}

TEST(DeepSvdd, SoftBoundaryLeavesAboutNuOutside) {
  const Problem problem = make_problem(400, 6, 0);
  DeepSvddOptions options{
      .base = quick_options(), .objective = SvddObjective::soft_boundary, .nu = 0.1, .warm_up_epochs = 2};
  options.base.training.n_epochs = 10;
  auto detector = make_deep_svdd(small_network(), options);
  fit(*detector, problem);
  const std::vector<float> scores = scores_of(*detector, problem);
  const auto outside = std::count_if(scores.begin(), scores.end(), [](float s) { return s > 0; });
  EXPECT_NEAR(static_cast<double>(outside), 40.0,
              1.0);  // the radius is the 0.9 quantile of these very distances
  EXPECT_GT(nlohmann::json::parse(detector->fit_report())["radius"].get<double>(), 0.0);
}

TEST(DeepSvdd, LabelsAreIgnoredAndSaidToBe) {
  const Problem problem = make_problem(64, 6, 4, 3);
  auto detector = make_deep_svdd(small_network(), {.base = quick_options()});
  fit(*detector, problem);
  EXPECT_THAT(detector->findings(), Contains(Field(&Finding::name, "labels_ignored")));
  EXPECT_EQ(nlohmann::json::parse(detector->fit_report())["n_rows"], 60);
}

TEST(Checks, NoEpochsIsNamedUntrained) {
  const Problem problem = make_problem(64, 6, 4);
  DeepSadOptions options = quick_options();
  options.training.n_epochs = 0;
  auto detector = make_deep_sad(small_network(), options);
  fit(*detector, problem);
  EXPECT_THAT(detector->findings(), Contains(Field(&Finding::name, "untrained")));
}

TEST(Checks, ConstantFeaturesAreNamed) {
  Problem problem = make_problem(64, 6, 0);
  std::fill(problem.x.values.begin(), problem.x.values.end(), 0.5F);
  auto detector = make_deep_sad(small_network(), quick_options());
  fit(*detector, problem);
  EXPECT_THAT(detector->findings(), Contains(Field(&Finding::name, "constant_scores")));
  EXPECT_THAT(detector->findings(), Contains(Field(&Finding::name, "collapse")));
}

TEST(Checks, AnUntrainedRandomNetworkHasAMostlyClampedCentre) {
  const Problem problem = make_problem(64, 6, 0);
  DeepSadOptions options = quick_options();
  options.pretrain = false;
  auto detector = make_deep_sad(small_network(), options);
  fit(*detector, problem);
  const auto center = nlohmann::json::parse(detector->fit_report())["center"];
  const bool mostly = 2 * center["clamped"].get<int>() > center["components"].get<int>();
  const auto& findings = detector->findings();
  const bool named = std::any_of(findings.begin(), findings.end(),
                                 [](const Finding& f) { return f.name == "center_mostly_clamped"; });
  EXPECT_EQ(named, mostly);
  EXPECT_TRUE(mostly);
}

TEST(DeepSad, RefusesWhatCannotBeTrained) {
  EXPECT_THROW((void)make_deep_sad(small_network(), {.eta = 0}), InvalidArgument);
  EXPECT_THROW((void)make_deep_sad(small_network(), {.eta = std::nan("")}), InvalidArgument);
  EXPECT_THROW((void)make_deep_svdd(small_network(), {.base = {}, .nu = 1.0}), InvalidArgument);
  NetworkDefinition no_decoder = small_network();
  no_decoder.decoder.reset();
  EXPECT_THROW((void)make_deep_sad(no_decoder, {}), InvalidArgument);
  DeepSadOptions no_pretraining = quick_options();
  no_pretraining.pretrain = false;
  EXPECT_NO_THROW((void)make_deep_sad(no_decoder, no_pretraining));

  const auto message_of = [](const Problem& problem, DeepSadOptions options) {
    auto detector = make_deep_sad(small_network(), options);
    try {
      fit(*detector, problem);
    } catch (const InvalidArgument& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(message_of(make_problem(64, 5, 0), quick_options()),
              HasSubstr("the network takes 6 (6 values) but the data has 5"));
  EXPECT_THAT(message_of(make_problem(0, 6, 0), quick_options()), HasSubstr("no rows"));
  EXPECT_THAT(message_of(make_problem(1, 6, 0), quick_options()), HasSubstr("at least 2 rows"));
  EXPECT_THAT(message_of(make_problem(8, 6, 8), quick_options()),
              HasSubstr("every training row is labelled anomalous"));
  DeepSadOptions dropping = quick_options();
  dropping.training.reference_quirks = true;
  EXPECT_THAT(message_of(make_problem(20, 6, 0), dropping), HasSubstr("drops incomplete batches"));
}

TEST(DeepSad, ScoringTheWrongShapeOrBeforeFitIsRefused) {
  auto detector = make_deep_sad(small_network(), quick_options());
  const Problem problem = make_problem(64, 6, 4);
  EXPECT_THROW((void)scores_of(*detector, problem), InvalidArgument);
  fit(*detector, problem);
  EXPECT_THROW((void)scores_of(*detector, make_problem(4, 7, 0)), InvalidArgument);
}

TEST(DeepSad, StopsOnRequest) {
  const Problem problem = make_problem(64, 6, 4);
  auto detector = make_deep_sad(small_network(), quick_options());
  ThreadPool pool(1);
  const Observer silent;
  StopToken stop;
  stop.request_stop();
  FitContext context{.pool = pool, .seed = 1, .observer = silent, .stop = &stop};
  EXPECT_THROW(detector->fit(problem.set(), context), Interrupted);
}

}  // namespace
}  // namespace deepsad
