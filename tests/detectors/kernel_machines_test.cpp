#include "deepsad/detectors/kernel_machines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "deepsad/evaluation/roc_auc.h"
#include "detectors/pairwise.h"
#include "shallow_support.h"

namespace deepsad {
namespace {

using ::testing::Contains;
using ::testing::Field;
using testing::filled_rows;
using testing::FitSetup;
using testing::golden;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::Problem;
using testing::refusal;
using testing::reloaded;
using testing::scores_of;

KernelChoice fixed(const std::string& kernel, double gamma, double tolerance = 1e-9) {
  return {.kernel = kernel, .width = KernelWidth::value, .gamma = gamma, .tolerance = tolerance};
}

nlohmann::json solver_report(const Detector& detector) {
  return nlohmann::json::parse(detector.fit_report()).at("solver");
}

// Scores are differences of sums of size rho: their rounding error goes with rho, not with the score.
void expect_scores(const std::vector<float>& got, const nlohmann::json& want, double sign, double rho,
                   double relative, const std::string& what) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double w = sign * want[i].get<double>();
    EXPECT_NEAR(static_cast<double>(got[i]), w, relative * std::max(std::abs(rho), std::abs(w)))
        << what << " " << i;
  }
}

TEST(OneClassSvm, Golden) {
  const auto &points = golden("ssad"), &block = golden("ocsvm");
  for (const auto& [kernel, c] : block["cases"].items()) {
    const auto shift = c["added_to_every_coordinate_of_X_and_T"].get<float>();
    auto detector =
        make_one_class_svm({.kernel = fixed(kernel, c["gamma"].get<double>()), .nu = c["nu"].get<double>()});
    testing::fit(*detector, Problem(testing::matrix_from_json(points["X"], shift)));
    const auto report = solver_report(*detector);
    // In the linear and poly cases all three weights are at their bound, so that every rho of an interval is
    // optimal: ours is its middle, libsvm's (which takes one weight for free) its end. Scores differ by that
    // constant.
    const bool any_rho = report["free_support_vectors"] == 0;
    EXPECT_EQ(any_rho, kernel != "rbf");
    const double rho = c["rho"].get<double>(), shift_of_rho = report["rho"].get<double>() - rho;
    EXPECT_NEAR(shift_of_rho, 0, (any_rho ? 0.05 : 1e-6) * rho) << kernel;
    nlohmann::json decisions = c["decision_on_T"];
    for (auto& decision : decisions) decision = decision.get<double>() - (any_rho ? shift_of_rho : 0);
    expect_scores(scores_of(*detector, testing::matrix_from_json(points["T"], shift)), decisions, -1, rho,
                  1e-6, kernel);
    const auto weights = detector->tensors()[1].values;
    ASSERT_EQ(weights.size(), c["alpha"].size()) << kernel;
    for (std::size_t i = 0; i < weights.size(); ++i)
      EXPECT_NEAR(static_cast<double>(weights[i]), c["alpha"][i].get<double>(), 1e-5) << kernel;
  }
}

TEST(OneClassSvm, EqualsScikitLearn) {
  for (const auto& c : testing::peer_values("oc_svm")) {
    const auto id = c["case"].get<std::size_t>(), n = c["n"].get<std::size_t>(),
               d = c["d"].get<std::size_t>();
    auto detector =
        make_one_class_svm({.kernel = fixed(c["kernel"].get<std::string>(), c["gamma"].get<double>()),
                            .nu = c["nu"].get<double>()});
    testing::fit(*detector, Problem(filled_rows(n, d, 2000 + id)));
    const auto report = solver_report(*detector);
    const double rho = c["rho"].get<double>(), objective = c["objective"].get<double>();
    EXPECT_NEAR(report["objective"].get<double>(), objective, 1e-6 * objective) << id;
    EXPECT_NEAR(report["rho"].get<double>(), rho, 1e-5 * rho) << id;
    expect_scores(scores_of(*detector, filled_rows(6, d, 3000 + id)), c["score"], 1, rho, 1e-5,
                  std::to_string(id));
  }
}

TEST(Ssad, EqualsCvxopt) {
  for (const auto& c : testing::peer_values("ssad")) {
    const auto id = c["case"].get<std::size_t>(), n = c["n"].get<std::size_t>(),
               d = c["d"].get<std::size_t>();
    Problem problem(filled_rows(n, d, 2000 + id));
    const auto n_normal = c["n_normal"].get<std::size_t>(), n_anomaly = c["n_anomaly"].get<std::size_t>();
    for (std::size_t i = 0; i < n_normal + n_anomaly; ++i)
      problem.semi[i] = i < n_normal ? SemiLabel::normal : SemiLabel::anomaly;
    auto detector = make_ssad({.kernel = fixed("rbf", c["gamma"].get<double>()),
                               .kappa = c["kappa"].get<double>(),
                               .c_normal = c["c_normal"].get<double>(),
                               .c_unlabelled = c["c_unlabelled"].get<double>(),
                               .c_anomaly = c["c_anomaly"].get<double>()});
    testing::fit(*detector, problem);
    const double rho = solver_report(*detector)["rho"].get<double>();
    const std::vector<float> scores = scores_of(*detector, filled_rows(6, d, 3000 + id));
    for (std::size_t i = 0; i < scores.size(); ++i)
      EXPECT_NEAR(static_cast<double>(scores[i]), rho - c["f"][i].get<double>(), 1e-5) << id;
  }
}

// T5: every one of kappa, C_p, C_u, C_n changes the solution where it binds.
TEST(Ssad, EveryWeightReachesTheSolver) {
  Problem problem(filled_rows(40, 4, 2013));
  for (std::size_t i = 0; i < 12; ++i) problem.semi[i] = i < 6 ? SemiLabel::normal : SemiLabel::anomaly;
  const SsadOptions base{
      .kernel = fixed("rbf", 1), .kappa = 2.5, .c_normal = 0.7, .c_unlabelled = 0.1, .c_anomaly = 0.3};
  const auto scores = [&](const SsadOptions& options) {
    auto detector = make_ssad(options);
    testing::fit(*detector, problem);
    return scores_of(*detector, problem.x);
  };
  const std::vector<float> before = scores(base);
  SsadOptions changed = base;
  changed.kappa = 2;
  EXPECT_NE(scores(changed), before);
  changed = base;
  changed.c_unlabelled = 0.05;
  EXPECT_NE(scores(changed), before);
  changed = base;
  changed.c_normal = 0.3;
  EXPECT_NE(scores(changed), before);
  changed = base;
  changed.c_anomaly = 0.25;
  EXPECT_NE(scores(changed), before);
}

// Schoelkopf et al., proposition 3: nu bounds the outliers from above and the support vectors from below.
TEST(OneClassSvm, NuBoundsOutliersAndSupportVectors) {
  const Problem problem(500, 4, 0);
  for (const double nu : {0.02, 0.1, 0.3, 0.7}) {
    for (const double gamma : {0.5, 10.0}) {
      auto detector = make_one_class_svm({.kernel = fixed("rbf", gamma), .nu = nu});
      testing::fit(*detector, problem);
      const auto report = solver_report(*detector);
      const auto n_vectors =
          report["free_support_vectors"].get<double>() + report["bounded_support_vectors"].get<double>();
      EXPECT_GE(n_vectors, nu * 500 - 1e-9);
      const std::vector<float> scores = scores_of(*detector, problem.x);
      const auto outside = std::count_if(scores.begin(), scores.end(), [](float s) { return s > 1e-4F; });
      EXPECT_LE(static_cast<double>(outside), nu * 500);
    }
  }
}

TEST(KernelMachines, SameBitsAtAnyThreadCountAndMemoryAndAfterLoading) {
  Problem problem(230, 6, 20);
  problem.semi[30] = SemiLabel::normal;
  for (const char* method : {"oc_svm", "ssad"}) {
    std::vector<float> first;
    std::string description;
    for (const FitSetup& setup :
         {FitSetup{.threads = 1}, FitSetup{.threads = 3}, FitSetup{.threads = 2, .memory_budget = 20000}}) {
      auto detector = method == std::string("ssad") ? make_ssad({}) : make_one_class_svm({.nu_grid = true});
      testing::fit(*detector, problem, setup);
      const std::vector<float> scores = scores_of(*detector, problem.x, setup.threads);
      if (first.empty()) {
        first = scores;
        description = detector->description();
      }
      EXPECT_EQ(scores, first) << method;
      EXPECT_EQ(detector->description(), description) << method;
      EXPECT_EQ(scores_of(*reloaded(*detector), problem.x), first) << method;
    }
  }
}

TEST(KernelMachines, ARowsScoreDependsOnThatRowAlone) {
  const Problem problem(120, 6, 0);
  auto detector = make_one_class_svm({.kernel = fixed("rbf", 3)});
  testing::fit(*detector, problem);
  const std::vector<float> all = scores_of(*detector, problem.x);
  for (const std::size_t i : {0U, 31U, 32U, 119U}) {
    Matrix<float> one(1, 6);
    std::ranges::copy(problem.x.row(i), one.row(0).begin());
    EXPECT_EQ(scores_of(*detector, one)[0], all[i]);
  }
}

TEST(KernelMachines, ChooseTheWidthByCrossValidationOnTrainingRowsAlone) {
  const Problem problem(200, 4, 20);
  auto detector = make_ssad({});
  testing::fit(*detector, problem);
  const auto selection = nlohmann::json::parse(detector->fit_report()).at("selection");
  EXPECT_EQ(selection["criterion"], "cross-validation");
  ASSERT_EQ(selection["candidates"].size(), 10U);
  double best = 0;
  for (const auto& candidate : selection["candidates"]) best = std::max(best, candidate["auc"].get<double>());
  EXPECT_GT(best, 0.99);
  EXPECT_THAT(detector->findings(), IsEmpty());
}

// T25: with a handful of labels an AUC is noise.
TEST(KernelMachines, FallBackToTheMedianDistance) {
  const Problem problem(200, 4, 9);
  for (const char* method : {"oc_svm", "ssad"}) {
    auto detector = method == std::string("ssad") ? make_ssad({}) : make_one_class_svm({.nu_grid = true});
    testing::fit(*detector, problem);
    const auto report = nlohmann::json::parse(detector->fit_report());
    EXPECT_EQ(report["selection"]["criterion"], "median-heuristic");
    EXPECT_NEAR(report["gamma"].get<double>() * median_squared_distance(testing::view(problem.x)), 1, 0.05);
    if (report.contains("nu")) {
      EXPECT_EQ(report["nu"], 0.1);
    }
  }
}

TEST(KernelMachines, SelectionOnTestRowsIsNamed) {
  const Problem problem(100, 3, 5), test(60, 3, 30, 6);
  std::vector<TrueLabel> labels(60, TrueLabel::normal);
  std::fill_n(labels.begin(), 30, TrueLabel::anomaly);
  const LabelledRows leaked{.x = testing::view(test.x), .labels = labels};
  auto detector = make_one_class_svm({});
  testing::fit(*detector, problem, {.leaked = &leaked});
  EXPECT_THAT(detector->findings(), Contains(Field(&Finding::name, "test_leak")));
  EXPECT_THAT(detector->description(), HasSubstr("test-leak"));
  // What was measured on the way is what the model gives.
  double best = 0;
  const auto report = nlohmann::json::parse(detector->fit_report());
  for (const auto& candidate : report["selection"]["candidates"])
    best = std::max(best, candidate["auc"].get<double>());
  EXPECT_NEAR(roc_auc(std::span<const float>(scores_of(*detector, test.x)), labels), best, 1e-6);
}

// Rows so far apart that sums of narrow kernels vanish beside rho: such a width may rank the sums well, but
// not the scores.
TEST(KernelMachines, WidthsAreJudgedByTheScoresTheyGive) {
  constexpr std::size_t kDims = 400;
  const Problem problem(100, kDims, 0), test(60, kDims, 30, 6);
  std::vector<TrueLabel> labels(60, TrueLabel::normal);
  std::fill_n(labels.begin(), 30, TrueLabel::anomaly);
  const LabelledRows leaked{.x = testing::view(test.x), .labels = labels};
  auto detector = make_one_class_svm({});
  testing::fit(*detector, problem, {.leaked = &leaked});
  const auto report = nlohmann::json::parse(detector->fit_report());
  for (const auto& candidate : report["selection"]["candidates"]) {
    KernelChoice choice{.width = KernelWidth::value, .gamma = candidate["gamma"].get<double>()};
    auto alone = make_one_class_svm({.kernel = choice});
    testing::fit(*alone, problem);
    EXPECT_NEAR(roc_auc(std::span<const float>(scores_of(*alone, test.x)), labels),
                candidate["auc"].get<double>(), 1e-3)
        << "gamma " << choice.gamma;
  }
}

TEST(KernelMachines, WidthsDerivedFromTheRows) {
  const Problem problem(100, 3, 0);
  auto detector = make_one_class_svm({.kernel = {.width = KernelWidth::scale}});
  testing::fit(*detector, problem);
  double mean = 0, squares = 0;
  for (const float v : problem.x.values) mean += static_cast<double>(v) / 300;
  for (const float v : problem.x.values) squares += std::pow(static_cast<double>(v) - mean, 2) / 300;
  EXPECT_NEAR(nlohmann::json::parse(detector->fit_report())["gamma"].get<double>(), 1 / (3 * squares), 1e-6);
}

TEST(KernelMachines, LabelledAnomaliesCanBeLeftOut) {
  Problem problem(100, 3, 10);
  auto with = make_one_class_svm({.kernel = fixed("rbf", 2), .exclude_labelled_anomalies = true});
  testing::fit(*with, problem);
  Problem rest(90, 3, 0);
  for (std::size_t i = 0; i < 90; ++i) std::ranges::copy(problem.x.row(i + 10), rest.x.row(i).begin());
  auto without = make_one_class_svm({.kernel = fixed("rbf", 2)});
  testing::fit(*without, rest);
  const std::vector<float> a = scores_of(*with, problem.x), b = scores_of(*without, problem.x);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-5F);
}

TEST(KernelMachines, RefuseBadInput) {
  const auto one_class = [](const Problem& problem, const KernelChoice& kernel = {}) {
    return refusal([&] { testing::fit(*make_one_class_svm({.kernel = kernel}), problem); });
  };
  EXPECT_THAT(one_class(Problem(1, 3, 0)), HasSubstr("[oc_svm] needs at least two rows to train on, got 1"));
  Problem same(20, 3, 0);
  std::fill(same.x.values.begin(), same.x.values.end(), 0.5F);
  EXPECT_THAT(one_class(same), HasSubstr("median distance of the training rows is 0"));
  EXPECT_THAT(one_class(same, {.width = KernelWidth::scale}),
              HasSubstr("variance of the training rows is 0"));
  EXPECT_EQ(one_class(same, fixed("rbf", 1)), "no error");
  Problem nan(20, 3, 0);
  nan.x.row(7)[2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(one_class(nan), HasSubstr("training row 7, feature 2 is nan"));
  EXPECT_THAT(refusal([] { (void)make_one_class_svm({.kernel = fixed("rbf", 0)}); }),
              HasSubstr("gamma must be positive"));
  EXPECT_THAT(refusal([] { (void)make_one_class_svm({.nu = 0}); }),
              HasSubstr("nu must lie in (0, 1], got 0"));
  EXPECT_THAT(refusal([] { (void)make_one_class_svm({.kernel = {.kernel = "cosine"}}); }),
              HasSubstr("unknown kernel \"cosine\""));
  EXPECT_THAT(refusal([] { (void)make_ssad({.kernel = {.kernel = "poly"}}); }), HasSubstr("rbf and linear"));
  EXPECT_THAT(refusal([] { (void)make_ssad({.kappa = -1}); }), HasSubstr("kappa must be 0 or more"));
  EXPECT_THAT(refusal([] { (void)make_ssad({.c_unlabelled = 0}); }),
              HasSubstr("c_unlabelled must be positive"));

  const auto ssad = [](const Problem& problem, const SsadOptions& options = {.kernel = fixed("rbf", 1)}) {
    return refusal([&] { testing::fit(*make_ssad(options), problem); });
  };
  EXPECT_THAT(ssad(Problem(20, 3, 20)), HasSubstr("there are too few such rows"));  // nothing but anomalies
  EXPECT_THAT(ssad(Problem(20, 3, 2), {.kernel = fixed("rbf", 1), .kappa = 5}),
              HasSubstr("[ssad] [dual] kappa 5 is more"));
  Problem labelled(20, 3, 5);  // no unlabelled rows
  for (std::size_t i = 5; i < 20; ++i) labelled.semi[i] = SemiLabel::normal;
  EXPECT_EQ(ssad(labelled), "no error");
}

TEST(KernelMachines, ConstantFeaturesAreNoTrouble) {
  Problem problem(60, 3, 0);
  for (std::size_t i = 0; i < 60; ++i) problem.x.row(i)[1] = 7;
  auto detector = make_one_class_svm({});
  testing::fit(*detector, problem);
  for (const float score : scores_of(*detector, problem.x)) EXPECT_TRUE(std::isfinite(score));
}

TEST(KernelMachines, IdenticalRowsAreNamed) {
  Problem same(20, 3, 0);
  std::fill(same.x.values.begin(), same.x.values.end(), 0.5F);
  auto detector = make_one_class_svm({.kernel = fixed("rbf", 1)});
  testing::fit(*detector, same);
  EXPECT_THAT(detector->findings(), Contains(Field(&Finding::name, "constant_scores")));
}

TEST(KernelMachines, RefuseDamagedModels) {
  auto detector = make_one_class_svm({.kernel = fixed("rbf", 1)});
  testing::fit(*detector, Problem(50, 3, 0));
  auto tensors = detector->tensors();
  tensors.pop_back();
  EXPECT_THROW((void)restore_detector("oc_svm", detector->description(), tensors, "file"), ModelError);
  tensors = detector->tensors();
  tensors[1].values.pop_back();
  tensors[1].shape[0] -= 1;
  EXPECT_THROW((void)restore_detector("oc_svm", detector->description(), tensors, "file"), ModelError);
  EXPECT_THROW((void)restore_detector("oc_svm", "{}", detector->tensors(), "file"), ModelError);
}

}  // namespace
}  // namespace deepsad
