#include "deepsad/model/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "deepsad/model/fit_model.h"
#include "deepsad/storage/safetensors.h"
#include "support/errors.h"
#include "support/files.h"

namespace deepsad {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::message_of;
using ::testing::Not;
using testing::TempDir;
using Json = nlohmann::json;

constexpr std::size_t kFeatures = 6;
const std::vector<std::string> kNames{"a", "b", "c", "d", "e", "f"};

struct Rows {
  std::vector<double> values;
  [[nodiscard]] std::size_t size() const { return values.size() / kFeatures; }
  [[nodiscard]] RawRows raw() const {
    return {.values = MatrixView<const double>(values.data(), size(), kFeatures), .feature_names = kNames};
  }
  [[nodiscard]] ModelRows for_model() const {
    ModelRows rows{.rows = raw(), .chosen = {}, .normal = {}, .ids = {}, .owner = nullptr};
    for (std::uint32_t i = 0; i < size(); ++i) rows.chosen.push_back(i);
    return rows;
  }
};

/// Normal rows; the first n_anomalous of them anomalies.
Rows make_rows(std::uint64_t seed, std::size_t n, std::size_t n_anomalous = 0) {
  Rows rows;
  RandomStream random(seed, "test/doctor");
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < kFeatures; ++j)
      rows.values.push_back(static_cast<double>(j) + random.normal() +
                            (i < n_anomalous && j % 2 == 0 ? 5 : 0));
  return rows;
}

TrainOptions quick(const std::string& method = "deep_sad") {
  TrainOptions options = starting_options("none", "none", method);
  options.method = method;
  options.seed = 7;
  options.n_epochs = 30;
  options.ae_n_epochs = 20;
  options.clamp_center = false;  // of four components some lie near 0
  options.num_threads = 1;
  return options;
}

class Doctor : public ::testing::Test {
 protected:
  static constexpr std::size_t kTrain = 600, kAnomalies = 30;
  static const FittedModel& healthy() {
    static const FittedModel fitted = fit(quick());
    return fitted;
  }
  static FittedModel fit(const TrainOptions& options) {
    const Rows rows = make_rows(1, kTrain, kAnomalies);
    std::vector<SemiLabel> semi(kTrain, SemiLabel::unlabelled);
    std::fill(semi.begin(), semi.begin() + kAnomalies, SemiLabel::anomaly);
    return fit_model(options, {.rows = rows.raw(), .semi = semi, .sample_shape = {}}, {}, nullptr);
  }
  std::vector<std::string> names(const Model& model, const Rows& rows) {
    report_ = {.subject = "model", .checked = {}, .skipped = {}, .findings = {}};
    examine_model(model, pool_, report_);
    examine_rows(model, rows.for_model(), pool_, report_);
    std::vector<std::string> found;
    for (const Diagnosis& finding : report_.findings) {
      found.push_back(finding.name);
      EXPECT_FALSE(finding.seen.empty());
      EXPECT_FALSE(finding.why.empty());
      EXPECT_FALSE(finding.advice.empty());
    }
    return found;
  }
  ThreadPool pool_{2};
  DoctorReport report_;
};

TEST_F(Doctor, FindsNothingWrongWithAHealthyModelAndFreshRows) {
  EXPECT_THAT(healthy().findings, IsEmpty());
  EXPECT_THAT(names(*healthy().model, make_rows(2, 400)), IsEmpty());
  EXPECT_THAT(report_.skipped, IsEmpty());
  EXPECT_THAT(doctor_text(report_), HasSubstr("model: nothing found\n\nlooked at: centre; scores of 62 "));
}

TEST_F(Doctor, NamesFeaturesThatDrifted) {
  Rows rows = make_rows(3, 400);
  for (std::size_t i = 0; i < rows.size(); ++i) rows.values[i * kFeatures + 3] += 0.8;
  const std::vector<std::string> found = names(*healthy().model, rows);
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0], "feature_drift");
  EXPECT_THAT(report_.findings[0].seen, HasSubstr("1 of 6 features are distributed otherwise"));
  EXPECT_THAT(report_.findings[0].seen, HasSubstr(": d ("));
}

TEST_F(Doctor, NamesScoresThatDrifted) {
  // A third of the rows are anomalies.
  const std::vector<std::string> found = names(*healthy().model, make_rows(4, 300, 100));
  EXPECT_TRUE(std::find(found.begin(), found.end(), "score_drift") != found.end());
}

TEST_F(Doctor, ComparesScoresWithCalibrationRowsIfThereAreAny) {
  const Rows held_out = make_rows(8, 300);
  const std::vector<float> scores = healthy().model->score(held_out.raw(), pool_);
  const Model calibrated =
      healthy().model->with_decision({ConformalCalibration(scores, 0), "300 rows", std::nullopt});
  EXPECT_THAT(names(calibrated, make_rows(2, 400)), IsEmpty());
  names(calibrated, make_rows(4, 300, 100));
  ASSERT_FALSE(report_.findings.empty());
  EXPECT_THAT(report_.findings.back().seen, HasSubstr("than those of the calibration rows"));
  const Model hardly = healthy().model->with_decision(
      {ConformalCalibration({scores.begin(), scores.begin() + 10}, 0), "10 rows", std::nullopt});
  names(hardly, make_rows(4, 300, 100));
  ASSERT_FALSE(report_.findings.empty());
  EXPECT_THAT(report_.findings.back().seen, HasSubstr("than those of the training rows"));
}

TEST_F(Doctor, NamesTrainingRowsAmongTheScoredOnes) {
  Rows rows = make_rows(5, 200);
  const Rows training = make_rows(1, kTrain, kAnomalies);
  std::copy_n(training.values.begin() + 100 * kFeatures, 40 * kFeatures,
              rows.values.begin() + 60 * kFeatures);
  EXPECT_THAT(names(*healthy().model, rows), ElementsAre("training_rows_scored"));
  EXPECT_THAT(
      report_.findings[0].seen,
      EndsWith(
          "40 of 200 rows compared (20.0 %) are training rows, to the bit; such as rows 60, 61, 62, 63, 64"));
  // One row in a hundred may be one by chance.
  Rows few = make_rows(5, 200);
  std::copy_n(training.values.begin() + 100 * kFeatures, 2 * kFeatures, few.values.begin());
  EXPECT_THAT(names(*healthy().model, few), IsEmpty());
}

TEST_F(Doctor, SaysWhatItCouldNotLookAt) {
  const Model bare = healthy().model->with_training_rows({});
  EXPECT_THAT(names(bare, make_rows(2, 400)), IsEmpty());
  ASSERT_EQ(report_.skipped.size(), 2U);
  EXPECT_THAT(report_.skipped[0], HasSubstr("example rows"));
  EXPECT_THAT(report_.skipped[1], HasSubstr("--training-profile"));
  EXPECT_THAT(names(*healthy().model, make_rows(2, 10)), IsEmpty());
  EXPECT_THAT(doctor_text(report_), HasSubstr("not looked at: drift: 10 rows say little, wanted 20 or more"));
}

// Weights of 0 make all scores one; a centre that was pushed away from 0 in most components.
Model broken(const Model& healthy) {
  Safetensors file = read_safetensors(healthy.to_bytes(), "model");
  for (NamedTensor& tensor : file.tensors) {
    const bool of_network = tensor.type == TensorType::f32 && !tensor.name.starts_with("profile") &&
                            !tensor.name.starts_with("examples") && !tensor.name.starts_with("decoder") &&
                            tensor.name.ends_with("weight");
    if (of_network) std::fill(tensor.bytes.begin(), tensor.bytes.end(), std::uint8_t{0});
    if (tensor.name == "c") {
      const std::vector<float> clamped(tensor.bytes.size() / sizeof(float), 0.1F);
      tensor = make_tensor("c", {clamped.size()}, std::span<const float>(clamped));
    }
  }
  return Model::from_bytes(write_safetensors(file), "broken");
}

TEST_F(Doctor, NamesConstantScoresAndAClampedCentre) {
  const std::vector<std::string> found = names(broken(*healthy().model), make_rows(2, 400));
  ASSERT_GE(found.size(), 5U);
  EXPECT_EQ(found[0], "center_mostly_clamped");
  EXPECT_EQ(found[1], "constant_scores");
  EXPECT_EQ(found[2], "labels_ignored");  // nothing ranks labelled anomalies higher
  EXPECT_EQ(found[3], "dead_units");
  EXPECT_EQ(found[4], "collapse");
  EXPECT_THAT(report_.findings[1].seen, HasSubstr("example rows: all 62 "));
}

TEST_F(Doctor, WithoutExamplesTheRowsShowTheSame) {
  const std::vector<std::string> found =
      names(broken(*healthy().model).with_training_rows({}), make_rows(2, 400));
  EXPECT_THAT(found, ElementsAre("center_mostly_clamped", "constant_scores", "dead_units", "collapse"));
  EXPECT_THAT(report_.findings[1].seen, HasSubstr("rows of rows: all 400 "));
  names(*healthy().model, make_rows(2, 10));  // too few for units
  for (const std::string& checked : report_.checked)
    EXPECT_THAT(checked, Not(HasSubstr("units of the network, on rows")));
}

// What the training found already, or the example rows showed, is not said again.
TEST_F(Doctor, SaysNothingTwice) {
  const Model model = broken(*healthy().model);
  report_ = {.subject = "model", .checked = {}, .skipped = {}, .findings = {}};
  report_.findings.push_back(
      {.name = "center_mostly_clamped", .seen = "in training", .why = {}, .advice = {}});
  examine_model(model, pool_, report_);
  const Rows rows = make_rows(2, 400);
  examine_rows(model, rows.for_model(), pool_, report_);
  std::vector<std::string> found;
  for (const Diagnosis& finding : report_.findings) found.push_back(finding.name);
  std::sort(found.begin(), found.end());
  EXPECT_TRUE(std::adjacent_find(found.begin(), found.end()) == found.end())
      << ::testing::PrintToString(found);
}

TEST_F(Doctor, SaysThatTrainingRowsCannotBeTold) {
  TrainingRows rows = healthy().model->training_rows();
  auto profile = std::make_shared<TrainingProfile>(*rows.profile);
  profile->hashes = {.smallest = {}, .all = false};  // as going on from a model without a profile leaves them
  rows.profile = profile;
  names(healthy().model->with_training_rows(rows), make_rows(5, 200));
  EXPECT_THAT(report_.skipped,
              ::testing::Contains(HasSubstr("a model that this one goes on from held no profile")));
  EXPECT_THAT(report_.checked, Not(::testing::Contains(HasSubstr("overlap"))));
}

TEST_F(Doctor, LooksAtALongFileFromOneEndToTheOther) {
  Rows rows = make_rows(3, 30000);
  for (std::size_t i = 22000; i < rows.size(); ++i) rows.values[i * kFeatures + 3] += 3;
  names(*healthy().model, rows);
  ASSERT_FALSE(report_.findings.empty());
  EXPECT_EQ(report_.findings[0].name, "feature_drift");
  // The edge in the column's own unit: about 3, scaled it would be below 1.
  const std::string& seen = report_.findings[0].seen;
  const std::string_view up_to = "up to ";
  const std::size_t at = seen.find(up_to);
  ASSERT_NE(at, std::string::npos) << seen;
  EXPECT_GT(std::stod(seen.substr(at + up_to.size())), 2.0) << seen;
}

TEST_F(Doctor, OfATestPartTheNormalRowsAreCompared) {
  const Rows held_out = make_rows(4, 300, 100);
  ModelRows rows = held_out.for_model();
  for (std::uint32_t i = 100; i < 300; ++i) rows.normal.push_back(i);
  report_ = {.subject = "model", .checked = {}, .skipped = {}, .findings = {}};
  examine_rows(*healthy().model, rows, pool_, report_);
  EXPECT_THAT(report_.findings, IsEmpty());
  EXPECT_THAT(report_.checked.front(), HasSubstr("scores of 200 held-out normal rows of"));
}

TEST_F(Doctor, ReadsTheFindingsOfARunAndItsTestAuc) {
  const TempDir folder;
  const auto write = [&](const Json& results) {
    std::ofstream(folder.path() + "/results.json") << results.dump();
  };
  Json results{{"findings", {{{"name", "labels_ignored"}, {"text", "the 3 rows"}}}},
               {"test_auc", 0.2},
               {"test_rows", {{"normal", 500}, {"anomaly", 100}}},
               {"test_scores", Json::array()}};
  for (int i = 0; i < 600; ++i) results["test_scores"].push_back({i, i % 6 == 0 ? 1 : 0, 0.5});
  write(results);
  DoctorReport report;
  examine_run(folder.path(), report);
  ASSERT_EQ(report.findings.size(), 3U);
  EXPECT_EQ(report.findings[0].name, "labels_ignored");
  EXPECT_EQ(report.findings[0].seen, "the 3 rows");
  EXPECT_EQ(report.findings[0].why, "the labels had no effect");
  EXPECT_EQ(report.findings[1].name, "constant_scores");
  EXPECT_EQ(report.findings[2].name, "auc_below_half");
  const Json json = Json::parse(doctor_json(report));
  EXPECT_EQ(json["findings"].size(), 3U);
  EXPECT_EQ(json["findings"][2]["name"], "auc_below_half");
  EXPECT_THAT(doctor_text(report),
              HasSubstr("3 findings\n\nlabels_ignored\n  seen        the 3 rows\n  matters  "));

  // Without true labels there was no test.
  results["test_auc"] = nullptr;
  results["test_scores"] = Json::array();
  write(results);
  DoctorReport untested;
  examine_run(folder.path(), untested);
  EXPECT_EQ(untested.findings.size(), 1U);
  EXPECT_THAT(untested.skipped, ElementsAre(HasSubstr("the run held no rows out")));

  write({{"findings", 3}});
  EXPECT_THAT(message_of<DataError>([&] { examine_run(folder.path(), report); }),
              HasSubstr("/results.json: not the results of a run"));
  EXPECT_THROW(examine_run(folder.path() + "/nothing", report), IoError);
}

// docs/checks.md has a line for each finding that has advice.
TEST(FindingAdvice, IsThatOfTheDocs) {
  std::ifstream file(DEEPSAD_SOURCE_DIR "/docs/checks.md");
  std::ostringstream text;
  text << file.rdbuf();
  for (const FindingAdvice& advice : finding_advice())
    EXPECT_THAT(text.str(), HasSubstr(std::string("| `") + advice.name + "` |"));
}

}  // namespace
}  // namespace deepsad
