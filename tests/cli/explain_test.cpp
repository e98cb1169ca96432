// deepsad explain and deepsad doctor, as a user calls them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/program.h"
#include "cli/refusals.h"

namespace deepsad::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Json = nlohmann::json;
namespace fs = std::filesystem;

class ExplainAndDoctor : public ::testing::Test {
 protected:
  /// A run of its own of each set, trained once.
  static std::string run_of(const std::string& dataset) {
    static const TemporaryFolder folder;
    const std::string run = folder.path(dataset);
    if (!fs::exists(run)) {
      std::vector<std::string> words{"train",
                                     dataset,
                                     "--out",
                                     run,
                                     "--seed",
                                     "1",
                                     "--ratio-known-outlier",
                                     "0.05",
                                     "--n-known-outlier-classes",
                                     "1"};
      const std::vector<std::string> quick =
          dataset == "glyphs" ? std::vector<std::string>{"--n-epochs", "1", "--ae-n-epochs", "1"}
                              : std::vector<std::string>{"--n-epochs", "30", "--ae-n-epochs", "20"};
      words.insert(words.end(), quick.begin(), quick.end());
      EXPECT_EQ(run_deepsad(words).exit_code, 0);
    }
    return run;
  }
  static std::string model_of(const std::string& dataset) { return run_of(dataset) + "/model.safetensors"; }
  TemporaryFolder folder_;
};

TEST_F(ExplainAndDoctor, ExplainsTheMostAnomalousHeldOutRows) {
  const Outcome text = run_deepsad({"explain", model_of("toy2d"), "toy2d", "--top", "2"});
  ASSERT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, StartsWith("Contributions to the score by integrated gradients, compared with the "
                                   "nearest of the model's 32 typical training rows.\n\nrow "));
  const Outcome outcome = run_deepsad({"explain", model_of("toy2d"), "toy2d", "--top", "2", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json json = Json::parse(outcome.out);
  ASSERT_EQ(json["rows"].size(), 2U);
  EXPECT_GE(json["rows"][0]["score"], json["rows"][1]["score"]);
  EXPECT_EQ(json["rows"][0]["columns"].size(), 2U);
  EXPECT_LE(json["rows"][0]["completeness_error"], 0.01);
  // The highest score of the run's own table of test scores.
  double highest = 0;
  const Json results = Json::parse(read_text(run_of("toy2d") + "/results.json"));
  for (const Json& entry : results["test_scores"]) highest = std::max(highest, entry[2].get<double>());
  EXPECT_NEAR(json["rows"][0]["score"].get<double>(), highest, 1e-5 * highest);
}

TEST_F(ExplainAndDoctor, ExplainsRowsOfAFile) {
  const std::string csv = folder_.path("rows.csv"), mat = folder_.path("rows.mat");
  const std::vector<double> values{0.5, 0.5, 5, -3, 0.4, 0.6};
  write_mat_matrix(mat, "X", values, 3, 2);
  write_text(csv, "x,y\n0.5,0.5\n5,-3\n0.4,0.6\n");
  for (const std::string& path : {mat, csv}) {
    const Outcome outcome = run_deepsad(
        {"explain", model_of("toy2d"), path, "--rows", "0-1", "--json", "--attribution", "leave-one-out"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    const Json json = Json::parse(outcome.out);
    EXPECT_EQ(json["method"], "leave-one-out");
    EXPECT_EQ(json["rows"][1]["row"], 1);
    EXPECT_EQ(json["rows"].size(), 2U);
  }
}

TEST_F(ExplainAndDoctor, LeavesHeatMapsAndTablesAndOverwritesNothing) {
  const std::string out = folder_.path("why");
  const Outcome outcome =
      run_deepsad({"explain", model_of("glyphs"), "glyphs", "--rows", "3,8", "-o", out, "--columns", "2"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const char* name :
       {"explanations.json", "explanations.csv", "row-3.png", "row-8.png", "heat-maps.png"})
    EXPECT_TRUE(fs::exists(fs::path(out) / name)) << name;
  EXPECT_EQ(Json::parse(read_text(out + "/explanations.json"))["rows"][0]["columns"].size(), 28U * 28U);
  const Outcome again = run_deepsad({"explain", model_of("glyphs"), "glyphs", "--rows", "3", "-o", out});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.err, HasSubstr("explanations.json exists already; give another folder"));
  // Before the model is read.
  const Outcome early = run_deepsad({"explain", folder_.path("no-model"), "glyphs", "-o", out});
  EXPECT_THAT(early.err, HasSubstr("explanations.json exists already"));
  write_text(folder_.path("file"), "");
  EXPECT_THAT(run_deepsad({"explain", "no-model", "glyphs", "-o", folder_.path("file")}).err,
              HasSubstr("is no folder"));
}

TEST_F(ExplainAndDoctor, RefusesWrongUsageAndData) {
  const std::string model = model_of("toy2d"), glyphs = model_of("glyphs");
  expect_refusals(
      {},
      {
          {{"explain", model, "toy2d", "--rows", "1", "--top", "2"}, 2, "--rows and --top: give one of them"},
          {{"explain", model, "toy2d", "--rows", "1,x"},
           2,
           "--rows: got \"1,x\", wanted at most 10000 row numbers"},
          {{"explain", model, "toy2d", "--rows", "5-2"}, 2, "--rows: got \"5-2\""},
          {{"explain", model, "toy2d", "--rows", "4000000"}, 2, "row 4000000 is outside toy2d"},
          {{"explain", model, "toy2d", "--top", "0"},
           2,
           "--top: got \"0\", wanted a whole number from 1 to 10000"},
          {{"explain", model, "toy2d", "--baselines", "many"}, 2, "--baselines: got \"many\""},
          {{"explain", model, "toy2d", "--attribution", "magic"}, 2, "--attribution"},
          {{"explain", glyphs, "toy2d"}, 3, "its samples are of"},
          {{"explain", model, folder_.path("nothing.csv")}, 3, "nothing.csv"},
          {{"doctor", folder_.path()}, 2, "holds no results.json, so it is no finished run"},
          {{"doctor", model, glyphs}, 3, ""},
      });
}

TEST_F(ExplainAndDoctor, TheDoctorFindsNothingInAHealthyRun) {
  const Outcome outcome = run_deepsad({"doctor", run_of("toy2d"), "toy2d", "--strict"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out,
              HasSubstr(": nothing found\n\nlooked at: findings of the training; test AUC and "));
}

TEST_F(ExplainAndDoctor, TheDoctorNamesDriftAndEndsWithCodeFiveIfStrict) {
  std::string text = "x,y\n";
  for (int i = 0; i < 200; ++i) text += std::to_string(100 + i) + "," + std::to_string(-i) + "\n";
  const std::string csv = folder_.path("far.csv");
  write_text(csv, text);
  const Outcome lenient = run_deepsad({"doctor", model_of("toy2d"), csv, "--json"});
  ASSERT_EQ(lenient.exit_code, 0) << lenient.err;
  const Json json = Json::parse(lenient.out);
  EXPECT_EQ(json["findings"][0]["name"], "feature_drift");
  EXPECT_EQ(json["findings"][1]["name"], "score_drift");
  const Outcome strict = run_deepsad({"doctor", model_of("toy2d"), csv, "--strict"});
  EXPECT_EQ(strict.exit_code, 5);
  EXPECT_THAT(strict.out, HasSubstr("feature_drift\n  seen        2 of 2 features"));
}

}  // namespace
}  // namespace deepsad::test
