// The shallow detectors as the published programs are called, and what their runs leave.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/program.h"

namespace deepsad::test {
namespace {

using Json = nlohmann::ordered_json;

std::vector<std::string> baseline(const std::string& method, const std::string& out,
                                  std::vector<std::string> more = {}) {
  std::vector<std::string> words{"baseline", method,
                                 "toy2d",    out,
                                 "unused",   "--seed",
                                 "7",        "--ratio_known_outlier",
                                 "0.05",     "--n_known_outlier_classes",
                                 "1"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::vector<std::string> keys_of(const Json& object, std::size_t n) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items())
    if (keys.size() < n) keys.push_back(key);
  return keys;
}

TEST(Baseline, TakesTheReferencesSpellingAndLeavesItsKeys) {
  const TemporaryFolder folder;
  const std::vector<std::string> four{"train_time", "test_time", "test_auc", "test_scores"};
  std::vector<std::string> seven = four;
  for (const char* key : {"train_time_linear", "test_time_linear", "test_auc_linear"})
    seven.emplace_back(key);
  const struct {
    const char* name;
    std::vector<std::string> options, keys;
  } cases[] = {
      {"ocsvm", {"--kernel", "rbf", "--nu", "0.1", "--hybrid", "False"}, seven},
      {"ssad", {"--kernel", "rbf", "--kappa", "1.0", "--n_jobs_dataloader", "0"}, seven},
      {"kde", {"--kernel", "gaussian", "--grid_search_cv", "True", "--n_jobs_model", "-1"}, four},
      {"isoforest", {"--n_estimators", "50", "--max_samples", "128", "--contamination", "0.05"}, four}};
  for (const auto& c : cases) {
    const std::string run = folder.path(c.name);
    const Outcome outcome = run_deepsad(baseline(c.name, run, c.options));
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    const Json results = Json::parse(read_text(run + "/results.json"));
    EXPECT_EQ(keys_of(results, c.keys.size()), c.keys) << c.name;
    EXPECT_EQ(results.at("hybrid"), false);
    if (c.keys.size() == 7) {
      EXPECT_TRUE(results.at("test_auc_linear").is_null());
    }
    EXPECT_FALSE(std::filesystem::exists(run + "/training_curve.png"));
    const Outcome again = run_deepsad({"evaluate", run + "/model.safetensors", "--json"});
    ASSERT_EQ(again.exit_code, 0) << again.err;
    EXPECT_EQ(Json::parse(again.out).at("test_auc"), results.at("test_auc"));
    EXPECT_EQ(run_deepsad({"train", "--config", run + "/config.json", "--out", run + "2"}).exit_code, 0);
    EXPECT_TRUE(read_text(run + "/model.safetensors") == read_text(run + "2/model.safetensors")) << c.name;
  }
}

TEST(Baseline, HybridsNeedOneFileAndReportTheirLinearVariant) {
  const TemporaryFolder folder;
  ASSERT_EQ(run_deepsad({"train", "toy2d", "--seed", "7", "--n-epochs", "2", "--ae-n-epochs", "2", "--out",
                         folder.path("deep")})
                .exit_code,
            0);
  const std::string run = folder.path("hybrid");
  const Outcome outcome = run_deepsad(
      baseline("ssad", run, {"--hybrid", "True", "--load_ae", folder.path("deep/model.safetensors")}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json results = Json::parse(read_text(run + "/results.json"));
  EXPECT_TRUE(results.at("test_auc_linear").is_number());
  std::filesystem::remove_all(folder.path("deep"));
  EXPECT_EQ(run_deepsad({"evaluate", run + "/model.safetensors"}).exit_code, 0);
}

TEST(Baseline, SelectionOnTheTestPartIsSaidEverywhere) {
  const TemporaryFolder folder;
  const std::string run = folder.path("run");
  ASSERT_EQ(run_deepsad(baseline("ocsvm", run, {"--selection", "test-leak"})).exit_code, 0);
  const Json results = Json::parse(read_text(run + "/results.json"));
  EXPECT_EQ(results.at("test_leak"), true);
  EXPECT_NE(read_text(run + "/log.txt").find("test_leak"), std::string::npos);
  EXPECT_NE(run_deepsad({"inspect", run + "/model.safetensors"}).out.find("test-leak"), std::string::npos);
}

TEST(Baseline, WrongUseIsExplained) {
  const TemporaryFolder folder;
  Outcome outcome = run_deepsad(baseline("ocsvm", folder.path("a"), {"--method", "kde"}));
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("this command trains oc_svm"), std::string::npos) << outcome.err;
  outcome = run_deepsad(baseline("ssad", folder.path("b"), {"--kappa", "1000"}));
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("the largest possible is"), std::string::npos) << outcome.err;
  outcome = run_deepsad({"baseline", "ocsvn"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("did you mean \"baseline ocsvm\"?"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace deepsad::test
