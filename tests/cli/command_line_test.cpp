// What the command line promises before any training starts: help, names, spellings, precedence, start-up
// time.
#include <gtest/gtest.h>

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "cli/program.h"
#include "deepsad/model/train_options.h"

namespace deepsad::test {
namespace {

using Json = nlohmann::ordered_json;

std::string dashed(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

// Text with every run of blanks and line ends as one blank, so that wrapping does not matter.
std::string unwrapped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\n';
    if (!blank)
      result += c;
    else if (!result.empty() && result.back() != ' ')
      result += ' ';
  }
  return result;
}

// The resolved options of a very short training with these arguments; the exit code must be 0.
Json resolved(std::vector<std::string> arguments, const RunSetup& setup = {}) {
  const TemporaryFolder folder;
  arguments.insert(arguments.begin(), "train");
  arguments.insert(arguments.end(), {"--out", folder.path("run"), "--quiet"});
  const Outcome outcome = run_deepsad(arguments, setup);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return Json::parse(read_text(folder.path("run/config.json")), nullptr, false);
}

// As short as a training gets.
std::vector<std::string> brief(std::vector<std::string> more) {
  more.insert(more.begin(), {"toy2d", "--n_epochs", "1", "--ae_n_epochs", "1"});
  return more;
}

TEST(Messages, SpellOptionsAsTheCommandLineDoesButNotTheUsersFiles) {
  const TemporaryFolder folder;
  write_text(folder.path("my weight_decay.csv"), "a,b\n1,2\n2,3\n3,1\n");
  ASSERT_EQ(run_deepsad({"train", "toy2d", "--method", "kde", "--model", folder.path("rep_dim"), "--quiet"})
                .exit_code,
            0);
  const auto expect_error = [&](std::vector<std::string> arguments, const std::string& wanted) {
    arguments.insert(arguments.begin(), "train");
    RunSetup setup;
    setup.folder = folder.path("");
    const Outcome outcome = run_deepsad(arguments, setup);
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_NE(outcome.err.find("error: " + wanted), std::string::npos) << outcome.err;
  };
  expect_error({"my weight_decay.csv", "--ratio-known-normal", "0.1"},
               "--ratio-known-normal: got 0.1, but the rows of my weight_decay.csv are");
  expect_error({"toy2d", "--method", "kde", "--hybrid", "--load-ae", "rep_dim"},
               "--load-ae: rep_dim holds a model of kde");
  expect_error({"toy2d", "--objective", "soft-boundary"}, "--objective: soft-boundary belongs to");
  expect_error({"toy2d", "--ratio-known-normal", "0.7", "--ratio-known-outlier", "0.5",
                "--n-known-outlier-classes", "1"},
               "--ratio-known-normal and --ratio-known-outlier: ");
  expect_error({"toy2d", "--normal-class", "17"}, "--normal-class 17 is not a class of toy2d");
}

TEST(Help, ListsEveryCommand) {
  const Outcome outcome = run_deepsad({"--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  for (const char* command : {"train", "baseline semidgm", "evaluate", "score", "inspect", "data list",
                              "data info", "data fetch", "version"})
    EXPECT_NE(outcome.out.find("\n  " + std::string(command) + " "), std::string::npos) << command;
  EXPECT_EQ(run_deepsad({"help"}).out, outcome.out);
  EXPECT_EQ(run_deepsad({"-h"}).out, outcome.out);
}

TEST(Help, ExitCodesAreThoseOfTheirPage) {
  std::ifstream page(DEEPSAD_SOURCE_DIR "/docs/exit-codes.md");
  std::vector<std::string> codes;
  for (std::string line; std::getline(page, line);)
    if (std::smatch match; std::regex_search(line, match, std::regex(R"(^\| (\d+) \|)")))
      codes.push_back(match[1]);
  const std::string help = run_deepsad({"--help"}).out, manual = run_deepsad({"manual"}).out;
  std::vector<std::string> in_help;
  const std::string listed = help.substr(help.find("Exit codes:"));
  const std::regex entry(R"(\n +(\d+)  )");
  for (std::sregex_iterator line(listed.begin(), listed.end(), entry), end; line != end; ++line) {
    in_help.push_back((*line)[1]);
    EXPECT_NE(manual.find("\n.TP\n" + in_help.back() + "\n"), std::string::npos) << in_help.back();
  }
  EXPECT_EQ(in_help, codes);
  EXPECT_GE(codes.size(), 7u);
}

TEST(Help, OfTrainShowsEveryOptionWithDefaultRangeAndUnit) {
  const Outcome outcome = run_deepsad({"train", "--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  const std::string text = unwrapped(outcome.out);
  for (const OptionDeclaration& option : train_option_declarations()) {
    EXPECT_NE(text.find("--" + dashed(option.name)), std::string::npos) << option.name;
    std::string facts = "[default " + option.default_text + "; " + option.range;
    if (!option.unit.empty()) facts += "; unit: " + option.unit;
    EXPECT_NE(text.find(option.help + " " + facts), std::string::npos) << facts;
  }
  EXPECT_EQ(run_deepsad({"help", "train"}).out, outcome.out);
}

class HelpOf : public ::testing::TestWithParam<std::vector<std::string>> {};

TEST_P(HelpOf, EveryCommandShowsUsageAndFactsOfItsOptions) {
  std::vector<std::string> words = GetParam();
  words.push_back("--help");
  const Outcome outcome = run_deepsad(words);
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out.rfind("usage: deepsad " + GetParam()[0], 0), 0u) << outcome.out;
  // Every line that begins an option is followed by its default and range in brackets.
  std::size_t n_options = 0;
  for (std::size_t at = outcome.out.find("\n  -"); at != std::string::npos;
       at = outcome.out.find("\n  -", at + 1)) {
    const std::size_t next = std::min(outcome.out.find("\n  -", at + 1), outcome.out.find("\n\n", at + 1));
    EXPECT_NE(outcome.out.substr(at, next - at).find("[default "), std::string::npos)
        << outcome.out.substr(at, next - at);
    ++n_options;
  }
  EXPECT_EQ(n_options > 0, GetParam()[0] != "version");
}

INSTANTIATE_TEST_SUITE_P(
    Commands, HelpOf,
    ::testing::Values(std::vector<std::string>{"train"}, std::vector<std::string>{"baseline", "semidgm"},
                      std::vector<std::string>{"evaluate"}, std::vector<std::string>{"score"},
                      std::vector<std::string>{"inspect"}, std::vector<std::string>{"export"},
                      std::vector<std::string>{"import"}, std::vector<std::string>{"data", "list"},
                      std::vector<std::string>{"data", "info"}, std::vector<std::string>{"data", "fetch"},
                      std::vector<std::string>{"version"}));

// Processor time, because other programs may have the processor; the sanitizers' start alone takes longer.
TEST(Help, StartsFast) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizers' own start-up is measured here";
#endif
  const auto children = [] {
    rusage usage{};
    getrusage(RUSAGE_CHILDREN, &usage);
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
  };
  double fastest = 1;
  for (int i = 0; i < 10; ++i) {
    const double before = children();
    EXPECT_EQ(run_deepsad({"train", "--help"}).exit_code, 0);
    fastest = std::min(fastest, children() - before);
  }
  EXPECT_LT(fastest, 0.020);
}

TEST(Version, SaysWhatComputes) {
  const Outcome outcome = run_deepsad({"version"}, {.environment = {"DEEPSAD_FORCE_ISA=scalar"}});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out.rfind("deepsad ", 0), 0u);
  EXPECT_NE(outcome.out.find("instruction set  scalar (available: "), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("compiler "), std::string::npos);
  EXPECT_NE(outcome.out.find("threads "), std::string::npos);
  EXPECT_TRUE(std::regex_search(outcome.out, std::regex(R"(libraries .*Highway \d+\.\d.*SQLite 3\.\d+)")))
      << outcome.out;
  EXPECT_TRUE(std::regex_search(outcome.out, std::regex(R"(loaded on use .*libcurl \d+\..*Cairo 1\.)")))
      << outcome.out;
  EXPECT_EQ(run_deepsad({"--version"}, {.environment = {"DEEPSAD_FORCE_ISA=scalar"}}).out, outcome.out);
}

TEST(Spelling, UnderscoresAndDashesAreTheSame) {
  const Json a =
      resolved(brief({"--ratio_known_outlier", "0.02", "--n_known_outlier_classes", "1", "--seed", "5"}));
  const Json b =
      resolved(brief({"--ratio-known-outlier=0.02", "--n-known-outlier-classes", "1", "--seed", "5"}));
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.at("ratio_known_outlier"), 0.02);
}

TEST(Spelling, ListsBooleansAndNegativeNumbers) {
  const Json config =
      resolved({"toy2d", "--n_epochs", "1", "--lr_milestone", "1", "--lr-milestone", "2,3", "--pretrain",
                "False", "--strict", "no", "--seed", "-1", "--threads", "1", "--n_jobs_dataloader", "4"});
  EXPECT_EQ(config.at("lr_milestone"), Json({1, 2, 3}));
  EXPECT_EQ(config.at("pretrain"), false);
  EXPECT_EQ(config.at("strict"), false);
  EXPECT_EQ(config.at("num_threads"), 1);
  EXPECT_TRUE(config.at("seed").is_number());
}

TEST(Precedence, CommandLineFilePresetDefault) {
  const TemporaryFolder folder;
  write_text(folder.path("c.toml"),
             "preset = \"paper\"\nn_epochs = 2\nae_n_epochs = 1\nlr = 0.5\nseed = 3\n");
  const Json config = resolved({"toy2d", "--config", folder.path("c.toml"), "--lr", "0.25"});
  EXPECT_EQ(config.at("lr"), 0.25);
  EXPECT_EQ(config.at("n_epochs"), 2);
  EXPECT_EQ(config.at("batch_size"), 200);
  EXPECT_EQ(config.at("ratio_pollution"), 0.0);
  EXPECT_EQ(config.at("device"), "cpu");
  EXPECT_EQ(config.at("network"), "mlp");
}

TEST(Data, ListKnowsEverySetAndInfoDescribesIt) {
  const Outcome list = run_deepsad({"data", "list"}, {.environment = {"DEEPSAD_DATA_DIR=/nonexistent"}});
  EXPECT_EQ(list.exit_code, 0);
  for (const char* name : {"glyphs", "toy2d", "mnist", "fmnist", "cifar10", "arrhythmia", "cardio",
                           "satellite", "satimage-2", "shuttle", "thyroid"})
    EXPECT_NE(list.out.find(std::string(name) + " "), std::string::npos) << name;
  EXPECT_NE(list.out.find("not found"), std::string::npos);
  const Outcome toy = run_deepsad({"data", "info", "toy2d"});
  EXPECT_NE(toy.out.find("training rows    1000"), std::string::npos) << toy.out;
  const Outcome mnist = run_deepsad({"data", "info", "mnist", "--data-dir", "/nonexistent"});
  EXPECT_EQ(mnist.exit_code, 0);
  EXPECT_NE(mnist.out.find("training rows    60000"), std::string::npos) << mnist.out;
  EXPECT_NE(mnist.out.find("data fetch mnist --data-dir /nonexistent"), std::string::npos) << mnist.out;
}

}  // namespace
}  // namespace deepsad::test
