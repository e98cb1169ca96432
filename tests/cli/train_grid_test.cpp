// Several runs by one command.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "cli/program.h"

namespace deepsad::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
namespace fs = std::filesystem;

std::vector<std::string> toy(std::vector<std::string> more) {
  std::vector<std::string> words{"train",
                                 "toy2d",
                                 "--n-epochs",
                                 "2",
                                 "--ae-n-epochs",
                                 "2",
                                 "--n-known-outlier-classes",
                                 "1",
                                 "--ratio-known-outlier",
                                 "0.05"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::size_t n_lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST(TrainGrid, EverySeedAndSettingHasAFolderThatEqualsTheRunAlone) {
  const TemporaryFolder folder;
  const std::string grid = folder.path("grid"), alone = folder.path("alone");
  const Outcome outcome = run_deepsad(toy({"--seeds", "1-2,5", "--vary", "eta=0.5,1", "--out", grid}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("eta-0.5"));
  EXPECT_THAT(outcome.out, HasSubstr(" ± "));
  EXPECT_THAT(outcome.err, HasSubstr("run 6/6 | "));
  const std::string summary = read_text(grid + "/summary.csv");
  EXPECT_THAT(summary, StartsWith("folder,setting,seed,test_auc,"));
  EXPECT_EQ(n_lines(summary), 7U);
  EXPECT_THAT(summary, HasSubstr("\neta-1_seed-5,eta-1,5,"));
  ASSERT_EQ(run_deepsad(toy({"--seed", "5", "--eta", "1", "--out", alone})).exit_code, 0);
  for (const char* file : {"model.safetensors", "scores.csv"})
    EXPECT_EQ(read_text(grid + "/eta-1_seed-5/" + file), read_text(alone + "/" + file)) << file;
  EXPECT_TRUE(fs::exists(grid + "/eta-0.5_seed-1/results.json"));
  EXPECT_TRUE(fs::exists(grid + "/log.txt"));
}

TEST(TrainGrid, WithoutSeedsAllSettingsShareOne) {
  const TemporaryFolder folder;
  const std::string grid = folder.path("grid");
  ASSERT_EQ(run_deepsad(toy({"--vary", "weight_decay=0,0.1", "--out", grid})).exit_code, 0);
  std::vector<std::string> seeds;
  for (const auto& entry : fs::directory_iterator(grid)) {
    const std::string name = entry.path().filename();
    if (entry.is_directory()) seeds.push_back(name.substr(name.find("_seed-")));
  }
  ASSERT_EQ(seeds.size(), 2U);
  EXPECT_EQ(seeds[0], seeds[1]);
}

TEST(TrainGrid, AFailedRunIsARowAndExitCode1) {
  const TemporaryFolder folder;
  const std::string grid = folder.path("grid");
  const Outcome outcome =
      run_deepsad(toy({"--seeds", "1", "--vary", "ratio_pollution=0,0.9", "--out", grid}));
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("1 of 2 runs failed"));
  EXPECT_THAT(read_text(grid + "/summary.csv"),
              HasSubstr("ratio_pollution-0.9_seed-1,ratio_pollution-0.9,1,,,,,"));
}

TEST(TrainGrid, PublishedCommandsMayHoldOptionsWithoutEffect) {
  const TemporaryFolder folder;
  const Outcome outcome = run_deepsad({"baseline", "kde", "toy2d", folder.path("grid"), folder.path(""),
                                       "--bandwidth", "2", "--seeds", "1-2"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("--bandwidth: has no effect in any of the runs"));
}

TEST(TrainGrid, RefusesWhatItCannotMean) {
  const struct {
    std::vector<std::string> words;
    const char* message;
  } cases[] = {
      {{"--seeds", "3-1"}, "--seeds: got \"3-1\""},
      {{"--seeds", "1,x"}, "--seeds: got \"x\" in \"1,x\""},
      {{"--seeds", ""}, "--seeds: got \"\""},
      {{"--seeds", "1-3,2"}, "seed 2 is given twice"},
      {{"--seeds", "0-9999999"}, "more than 100000 seeds"},
      {{"--seeds", "1", "--seed", "1"}, "--seed and --seeds say the same"},
      {{"--vary", "eta"}, "wanted NAME=VALUE"},
      {{"--vary", "etta=1"}, "did you mean \"eta\"?"},
      {{"--vary", "eta=1,x"}, "--vary eta: got \"x\""},
      {{"--vary", "eta=1,1"}, "the same value is given twice"},
      {{"--vary", "eta=1", "--vary", "eta=2"}, "--vary eta: given twice"},
      {{"--vary", "lr_milestone=1,2"}, "an option that is a list cannot be varied"},
      {{"--vary", "seed=1,2"}, "use --seeds"},
      {{"--vary", "kappa=1,2"},
       "--vary kappa: has no effect in any of the runs: method deep_sad does not use"},
      {{"--seeds", "1-2", "--bandwidth", "1"}, "--bandwidth: has no effect in any of the runs"},
      {{"--jobs", "2"}, "give --seeds or --vary"},
      {{"--seeds", "1-2", "--checkpoint-every", "3"}, "--checkpoint-every: is for one run"},
      {{"--seeds", "1", "--jobs", "two"}, "--jobs: got \"two\""},
  };
  for (const auto& bad : cases) {
    const Outcome outcome = run_deepsad(toy(bad.words));
    EXPECT_EQ(outcome.exit_code, 2) << bad.message;
    EXPECT_THAT(outcome.err, HasSubstr(bad.message));
  }
}

}  // namespace
}  // namespace deepsad::test
