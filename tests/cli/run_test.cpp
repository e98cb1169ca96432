// Whole runs: what they leave, that they can be repeated, continued with other commands, and interrupted.
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/program.h"
#include "deepsad/data/synthetic.h"

namespace deepsad::test {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

// A training on toy2d that takes a blink, with labels and pollution.
std::vector<std::string> toy(const std::string& out, std::vector<std::string> more = {}) {
  std::vector<std::string> words{"train",
                                 "toy2d",
                                 "--n-epochs",
                                 "6",
                                 "--ae-n-epochs",
                                 "3",
                                 "--lr-milestone",
                                 "4",
                                 "--n-known-outlier-classes",
                                 "1",
                                 "--ratio-known-outlier",
                                 "0.05",
                                 "--ratio-pollution",
                                 "0.02",
                                 "--seed",
                                 "7",
                                 "--out",
                                 out};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

Json read_json(const std::string& path) {
  return Json::parse(read_text(path), nullptr, false);
}

std::size_t epoch_lines(const std::string& text) {
  std::size_t n = 0;
  for (std::size_t at = text.find("| epoch"); at != std::string::npos; at = text.find("| epoch", at + 1)) ++n;
  return n;
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(Run, LeavesAWholeFolder) {
  const TemporaryFolder folder;
  const std::string run = folder.path("run");
  const Outcome outcome = run_deepsad(toy(run));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(names_in(run),
            (std::vector<std::string>{"ae_results.json", "config.json", "log.txt", "model.safetensors",
                                      "page.html", "results.json", "scores.csv", "training_curve.png"}));
  EXPECT_NE(outcome.out.find("test AUC"), std::string::npos);
  EXPECT_NE(outcome.out.find(run), std::string::npos);

  const Json results = read_json(run + "/results.json");
  std::vector<std::string> keys;
  for (const auto& [key, value] : results.items()) keys.push_back(key);
  ASSERT_GT(keys.size(), 4u);
  EXPECT_EQ(std::vector<std::string>(keys.begin(), keys.begin() + 4),
            (std::vector<std::string>{"train_time", "test_auc", "test_time", "test_scores"}));
  EXPECT_EQ(results.at("test_scores").size(), 1000u);
  EXPECT_EQ(results.at("seed"), 7);
  EXPECT_EQ(results.at("training_rows").at("known_anomaly"), 48);
  EXPECT_EQ(results.at("ratios").at("requested").at("known_outlier"), 0.05);
  EXPECT_FALSE(results.contains("compat_reference"));
  EXPECT_EQ(read_json(run + "/ae_results.json").size(), 4u);

  // scores.csv says what results.json says, and gives the same floats back.
  const std::string csv = read_text(run + "/scores.csv");
  EXPECT_EQ(csv.rfind("index,label,class,score\n0,0,0,", 0), 0u);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1001);
  const std::string first = csv.substr(csv.find("0,0,0,") + 6, csv.find('\n', 30) - csv.find("0,0,0,") - 6);
  EXPECT_EQ(std::stof(first), results.at("test_scores")[0][2].get<float>());

  const std::string log = read_text(run + "/log.txt");
  for (const char* text :
       {"ratio_known_outlier: 0.05", "seed 7", "48 labelled anomalous", "known outlier 0.0",
        "centre: ", "pretraining | epoch 003/003", "training | epoch 006/006", "learning rate", "test AUC"})
    EXPECT_NE(log.find(text), std::string::npos) << text << "\n" << log;
}

TEST(Run, FilesAreComplete) {  // every file ends as its format ends, and nothing temporary is left
  const TemporaryFolder folder;
  ASSERT_EQ(run_deepsad(toy(folder.path("run"))).exit_code, 0);
  for (const std::string& name : names_in(folder.path("run")))
    EXPECT_EQ(name.find(".partial"), std::string::npos) << name;
  EXPECT_EQ(read_text(folder.path("run/results.json")).back(), '\n');
}

TEST(Run, SameBitsAtAnyNumberOfThreads) {
  const TemporaryFolder folder;
  std::string model, scores;
  for (const char* n : {"1", "2", "3", "8"}) {
    const std::string run = folder.path(n);
    ASSERT_EQ(run_deepsad(toy(run, {"--num_threads", n})).exit_code, 0);
    EXPECT_EQ(read_json(run + "/results.json").at("threads"), std::stoi(n));
    if (model.empty()) {
      model = read_text(run + "/model.safetensors");
      scores = read_text(run + "/scores.csv");
      ASSERT_GT(scores.size(), 1000u);
    }
    EXPECT_TRUE(read_text(run + "/model.safetensors") == model) << n << " threads";
    EXPECT_TRUE(read_text(run + "/scores.csv") == scores) << n << " threads";
  }
}

TEST(Run, ReplaysFromItsConfig) {
  const TemporaryFolder folder;
  auto words = toy(folder.path("a"));
  words.erase(std::find(words.begin(), words.end(), "--seed"),
              std::find(words.begin(), words.end(), "--seed") + 2);
  ASSERT_EQ(run_deepsad(words).exit_code, 0);  // the seed is drawn
  ASSERT_EQ(
      run_deepsad({"train", "--config", folder.path("a/config.json"), "--out", folder.path("b")}).exit_code,
      0);
  EXPECT_EQ(read_text(folder.path("b/config.json")), read_text(folder.path("a/config.json")));
  EXPECT_TRUE(read_text(folder.path("b/model.safetensors")) == read_text(folder.path("a/model.safetensors")));
  ASSERT_EQ(run_deepsad({"train", "--config", folder.path("a/config.json"), "--seed", "12345", "--out",
                         folder.path("c")})
                .exit_code,
            0);
  EXPECT_FALSE(read_text(folder.path("c/model.safetensors")) ==
               read_text(folder.path("a/model.safetensors")));
}

TEST(Run, EvaluateGivesTheRunsNumbersBack) {
  const TemporaryFolder folder;
  ASSERT_EQ(run_deepsad(toy(folder.path("run"))).exit_code, 0);
  const Outcome outcome = run_deepsad({"evaluate", folder.path("run/model.safetensors"), "toy2d", "--json",
                                       "--scores", folder.path("again.csv"), "--threads", "3"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json again = Json::parse(outcome.out, nullptr, false),
             first = read_json(folder.path("run/results.json"));
  EXPECT_EQ(again.at("test_auc").get<double>(), first.at("test_auc").get<double>());
  EXPECT_EQ(again.at("test_average_precision").get<double>(),
            first.at("test_average_precision").get<double>());
  EXPECT_EQ(again.at("test_rows"), first.at("test_rows"));
  EXPECT_TRUE(read_text(folder.path("again.csv")) == read_text(folder.path("run/scores.csv")));
}

TEST(Run, ScoreGivesTheRunsScoresBackFromAFile) {
  const TemporaryFolder folder;
  ASSERT_EQ(run_deepsad(toy(folder.path("run"))).exit_code, 0);
  const Dataset test = toy2d({}).test;  // the rows that the run has tested on, as a user's own table
  const auto& values = std::get<std::vector<double>>(test.values);
  write_mat_matrix(folder.path("rows.mat"), "points", values, test.size(), test.n_features());

  const std::vector<std::string> words{"score", folder.path("run/model.safetensors"), folder.path("rows.mat"),
                                       "--mat-variable", "points"};
  const Outcome outcome = run_deepsad(words);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  // scores.csv without its two middle columns is what `score` prints.
  std::istringstream csv(read_text(folder.path("run/scores.csv")));
  std::string line, wanted = "row,score\n";
  std::getline(csv, line);
  while (std::getline(csv, line))
    wanted += line.substr(0, line.find(',')) + line.substr(line.rfind(',')) + "\n";
  EXPECT_TRUE(outcome.out == wanted) << outcome.out.substr(0, 200);

  auto to_file = words;
  to_file.insert(to_file.end(), {"--out", folder.path("scores.csv"), "--threads", "3"});
  EXPECT_EQ(run_deepsad(to_file).exit_code, 0);
  EXPECT_TRUE(read_text(folder.path("scores.csv")) == wanted);
  EXPECT_EQ(run_deepsad(to_file).exit_code, 1);  // never over a file
}

TEST(Run, InspectShowsWhatTheModelHolds) {
  const TemporaryFolder folder;
  ASSERT_EQ(run_deepsad(toy(folder.path("run"))).exit_code, 0);
  const Outcome json = run_deepsad({"inspect", folder.path("run/model.safetensors"), "--json"});
  ASSERT_EQ(json.exit_code, 0);
  const Json content = Json::parse(json.out, nullptr, false);
  EXPECT_EQ(content.at("method"), "deep_sad");
  EXPECT_EQ(content.at("setup").at("seed"), 7);
  const Outcome text = run_deepsad({"inspect", folder.path("run/model.safetensors")});
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_NE(text.out.find("deep_sad"), std::string::npos);
  EXPECT_NE(text.out.find("name: c; shape:"), std::string::npos) << text.out;
}

TEST(Run, TheOtherMethodsRunToo) {
  const TemporaryFolder folder;
  const auto train = [&](const std::string& name, std::vector<std::string> more) {
    more.insert(more.begin(),
                {"train", "toy2d", "--ae-n-epochs", "2", "--seed", "1", "--out", folder.path(name)});
    const Outcome outcome = run_deepsad(more);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return read_json(folder.path(name + "/results.json"));
  };
  EXPECT_EQ(train("svdd", {"--method", "deep_svdd", "--n-epochs", "3"}).at("method"), "deep_svdd");
  EXPECT_EQ(train("soft", {"--method", "deep_svdd", "--objective", "soft-boundary", "--nu", "0.2",
                           "--warm-up-epochs", "1", "--n-epochs", "3"})
                .at("method"),
            "deep_svdd");
  EXPECT_EQ(train("ae", {"--method", "autoencoder"}).at("method"), "autoencoder");
  EXPECT_FALSE(fs::exists(folder.path("ae/ae_results.json")));
  const Json compat = train("compat", {"--compat", "reference", "--n-epochs", "3"});
  EXPECT_EQ(compat.at("compat_reference"), true);
  EXPECT_NE(compat.at("compat_note").get<std::string>().find("for comparison only"), std::string::npos);
}

// The deep generative models: every command on each, spelt as published.
TEST(Run, DeepGenerativeModelsRunAsPublished) {
  const TemporaryFolder folder;
  fs::create_directory(folder.path("data"));
  const std::vector<std::string> common{"--n_epochs",
                                        "3",
                                        "--vae_n_epochs",
                                        "2",
                                        "--seed",
                                        "1",
                                        "--ratio_known_outlier",
                                        "0.05",
                                        "--n_known_outlier_classes",
                                        "1",
                                        "--vae_lr",
                                        "0.002",
                                        "--vae_lr_milestone",
                                        "1"};
  const auto semidgm = [&](const std::string& network, const std::string& out,
                           std::vector<std::string> more = {}) {
    more.insert(more.begin(), common.begin(), common.end());
    more.insert(more.begin(),
                {"baseline", "semidgm", "toy2d", network, folder.path(out), folder.path("data")});
    return run_deepsad(more);
  };
  Outcome outcome = semidgm("DGM_M1M2", "stacked", {"--pretrain", "True"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json results = read_json(folder.path("stacked/results.json"));
  EXPECT_EQ(results.at("method"), "dgm_m1m2");
  EXPECT_EQ(results.at("phases").size(), 2U);
  EXPECT_TRUE(fs::exists(folder.path("stacked/vae_results.json")));
  EXPECT_FALSE(fs::exists(folder.path("stacked/ae_results.json")));
  EXPECT_EQ(read_json(folder.path("stacked/config.json")).at("vae_lr"), 0.002);
  // T19: a saved model is evaluated without training, and gives the run's numbers back.
  const Json again =
      Json::parse(run_deepsad({"evaluate", folder.path("stacked/model.safetensors"), "--json"}).out);
  EXPECT_EQ(again.at("test_auc"), results.at("test_auc"));
  EXPECT_EQ(run_deepsad({"inspect", folder.path("stacked/model.safetensors")}).exit_code, 0);

  outcome = semidgm("DGM_M2", "m2");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(read_json(folder.path("m2/results.json")).at("method"), "dgm_m2");
  // The published program takes options of the VAE with either network, and so does this spelling.
  EXPECT_NE(outcome.err.find("--vae-lr: has no effect: method dgm_m2 does not use it"), std::string::npos)
      << outcome.err;
  EXPECT_FALSE(fs::exists(folder.path("m2/vae_results.json")));
  // A run's own config names its method, and replays.
  EXPECT_EQ(run_deepsad({"train", "--config", folder.path("m2/config.json"), "--out", folder.path("replay")})
                .exit_code,
            0);
  EXPECT_EQ(read_text(folder.path("replay/scores.csv")), read_text(folder.path("m2/scores.csv")));

  // T24: before any work, so no folder is left.
  for (const auto& [network, more, words] :
       {std::tuple{"DGM_M2", std::vector<std::string>{"--pretrain", "True"}, "has no VAE to pretrain"},
        std::tuple{"DGM_M1M2", std::vector<std::string>{"--pretrain", "False"}, "must be trained first"},
        std::tuple{"mlp", std::vector<std::string>{}, "wanted SET_DGM_M2 or SET_DGM_M1M2"},
        std::tuple{"mnist_DGM_M2", std::vector<std::string>{}, "takes samples of"},
        std::tuple{"DGM_M2", std::vector<std::string>{"--ratio_known_outlier", "0"}, "both are 0"},
        std::tuple{"DGM_M2", std::vector<std::string>{"--load_model", "x"},
                   "use `deepsad evaluate MODEL`"}}) {
    std::vector<std::string> words_given{"baseline",
                                         "semidgm",
                                         "toy2d",
                                         network,
                                         folder.path("refused"),
                                         folder.path("data"),
                                         "--n_known_outlier_classes",
                                         "1"};
    if (std::string(words).find("both") == std::string::npos)
      words_given.insert(words_given.end(), {"--ratio_known_outlier", "0.05"});
    words_given.insert(words_given.end(), more.begin(), more.end());
    outcome = run_deepsad(words_given);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
    EXPECT_NE(outcome.err.find(words), std::string::npos) << outcome.err;
    EXPECT_FALSE(fs::exists(folder.path("refused")));
  }
}

TEST(Run, GenerativeModelsLeavePicturesOfWhatTheyLearned) {
  const TemporaryFolder folder;
  const auto train = [&](const std::string& method, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"train", "glyphs", "--method", method, "--vae-n-epochs", "1",
                               "--vae-batch-size", "1000", "--ratio-known-outlier", "0.05",
                               "--n-known-outlier-classes", "1", "--out", folder.path(method)});
    return run_deepsad(more);
  };
  ASSERT_EQ(train("vae").exit_code, 0);
  EXPECT_EQ(read_text(folder.path("vae/generated.png")).rfind("\x89PNG", 0), 0u);
  ASSERT_EQ(train("dgm_m1m2", {"--n-epochs", "1", "--batch-size", "1000"}).exit_code, 0);
  for (const char* name : {"generated_normal.png", "generated_anomalous.png"})
    EXPECT_EQ(read_text(folder.path("dgm_m1m2/" + std::string(name))).rfind("\x89PNG", 0), 0u) << name;
}

TEST(Run, DefaultFolderIsNewEachTime) {
  const TemporaryFolder folder;
  const RunSetup there{.folder = folder.path()};
  const std::vector<std::string> words{"train", "toy2d", "--n-epochs", "1", "--ae-n-epochs", "1", "-q"};
  ASSERT_EQ(run_deepsad(words, there).exit_code, 0);
  ASSERT_EQ(run_deepsad(words, there).exit_code, 0);
  EXPECT_EQ(names_in(folder.path("runs")), (std::vector<std::string>{"toy2d-deep_sad", "toy2d-deep_sad-2"}));
}

TEST(Run, ReferenceFormTakesAnEmptyOrMissingOutAndRefusesAFullOne) {
  const TemporaryFolder folder;
  fs::create_directory(folder.path("empty"));
  fs::create_directory(folder.path("data"));
  const auto reference_form = [&](const std::string& out, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"train",  "toy2d",
                               "mlp",    out,
                               "data",   "--ratio_known_outlier",
                               "0.01",   "--ratio_pollution",
                               "0.02",   "--lr",
                               "0.0001", "--n_epochs",
                               "2",      "--lr_milestone",
                               "1",      "--batch_size",
                               "128",    "--weight_decay",
                               "0.5e-6", "--pretrain",
                               "True",   "--ae_lr",
                               "0.0001", "--ae_n_epochs",
                               "2",      "--ae_batch_size",
                               "128",    "--ae_weight_decay",
                               "0.5e-3", "--normal_class",
                               "0",      "--known_outlier_class",
                               "1",      "--n_known_outlier_classes",
                               "1"});
    return run_deepsad(more, {.folder = folder.path()});
  };
  EXPECT_EQ(reference_form("empty").exit_code, 0);
  EXPECT_EQ(reference_form("missing").exit_code, 0);
  EXPECT_EQ(read_json(folder.path("missing/config.json")).at("data_dir"), "data");
  const std::string results = read_text(folder.path("missing/results.json"));
  const Outcome refused = reference_form("missing");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("--new-run"), std::string::npos) << refused.err;
  EXPECT_EQ(read_text(folder.path("missing/results.json")), results);
  EXPECT_EQ(reference_form("missing", {"--new-run"}).exit_code, 0);
  EXPECT_TRUE(fs::exists(folder.path("missing-2/results.json")));
}

TEST(Run, ImagesLeaveTheirGrids) {
  const TemporaryFolder folder;
  const Outcome outcome = run_deepsad({"train", "glyphs", "--n-epochs", "1", "--pretrain", "false",
                                       "--batch-size", "1000", "--out", folder.path("run")});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const char* name :
       {"all_low.png", "all_high.png", "normals_low.png", "normals_high.png", "training_curve.png"}) {
    const std::string png = read_text(folder.path("run/" + std::string(name)));
    EXPECT_EQ(png.rfind("\x89PNG", 0), 0u) << name;
  }
  EXPECT_FALSE(fs::exists(folder.path("run/ae_results.json")));
}

TEST(Interrupt, EndsAfterTheStepKeepsWhatIsWholeAndSaysWhere) {
  const TemporaryFolder folder;
  const std::string run = folder.path("run");
  const Outcome outcome =
      run_deepsad({"train", "toy2d", "--n-epochs", "1000000", "--pretrain", "no", "--out", run},
                  {.interrupt_when_exists = run + "/config.json"});
  EXPECT_EQ(outcome.exit_code, 130) << outcome.err;
  EXPECT_NE(outcome.err.find("interrupted"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find(run), std::string::npos) << outcome.err;
  EXPECT_EQ(names_in(run), (std::vector<std::string>{"config.json", "log.txt"}));
  EXPECT_NE(read_text(run + "/log.txt").find("WARNING"), std::string::npos);
}

TEST(Strict, AFailedCheckIsExitCodeFive) {
  const TemporaryFolder folder;
  const std::vector<std::string> untrained{"train",         "toy2d", "--n-epochs", "0",
                                           "--ae-n-epochs", "1",     "--seed",     "1"};
  auto words = untrained;
  words.insert(words.end(), {"--out", folder.path("a")});
  const Outcome lenient = run_deepsad(words);
  EXPECT_EQ(lenient.exit_code, 0);
  EXPECT_NE(lenient.err.find("deepsad: warning: untrained: "), std::string::npos) << lenient.err;
  EXPECT_NE(read_json(folder.path("a/results.json")).at("findings").dump().find("\"untrained\""),
            std::string::npos);
  words = untrained;
  words.insert(words.end(), {"--strict", "--out", folder.path("b")});
  const Outcome strict = run_deepsad(words);
  EXPECT_EQ(strict.exit_code, 5);
  EXPECT_NE(strict.err.find("deepsad: error: --strict: "), std::string::npos) << strict.err;
  EXPECT_NE(strict.err.find("untrained; see "), std::string::npos) << strict.err;
  EXPECT_TRUE(fs::exists(folder.path("b/results.json")));
}

TEST(Streams, MessagesGoToStandardErrorAndResultsToStandardOutput) {
  const TemporaryFolder folder;
  const Outcome quiet = run_deepsad(toy(folder.path("a"), {"-q"}));
  EXPECT_EQ(quiet.err, "");
  EXPECT_EQ(std::count(quiet.out.begin(), quiet.out.end(), '\n'), 5);
  EXPECT_EQ(quiet.out.substr(quiet.out.rfind('\n', quiet.out.size() - 2) + 1),
            "page               " + folder.path("a/page.html") + "\n");
  const Outcome normal = run_deepsad(toy(folder.path("b"), {"--n-known-outlier-classes", "1"}));
  EXPECT_EQ(normal.exit_code, 2);  // given twice
  const Outcome many =
      run_deepsad({"train", "toy2d", "--n-epochs", "40", "--pretrain", "no", "--out", folder.path("c")});
  EXPECT_EQ(epoch_lines(many.err), 10u);  // ten lines of forty epochs
  const Outcome verbose = run_deepsad(
      {"train", "toy2d", "--n-epochs", "40", "--pretrain", "no", "-v", "--out", folder.path("d")});
  EXPECT_EQ(epoch_lines(verbose.err), 40u);
}

TEST(Streams, AFullOrClosedStandardOutputIsAnError) {
  const Outcome full = run_deepsad({"version"}, {.stdout_file = "/dev/full"});
  EXPECT_EQ(full.exit_code, 1);
  EXPECT_EQ(full.err, "deepsad: error: cannot write to standard output: No space left on device\n");
  const TemporaryFolder folder;
  const Outcome closed = run_deepsad(toy(folder.path("run")), {.close_stdout = true});
  EXPECT_EQ(closed.exit_code, 1);
  EXPECT_NE(closed.err.find("cannot write to standard output: Bad file descriptor"), std::string::npos)
      << closed.err;
  EXPECT_EQ(read_text(folder.path("run/log.txt")).find("test AUC  "),
            std::string::npos);  // nothing strayed into a file
  EXPECT_TRUE(fs::exists(folder.path("run/results.json")));
}

TEST(Streams, ABrokenPipeEndsQuietly) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);  // the reader has gone
  const Outcome outcome = run_deepsad({"train", "--help"}, {.stdout_descriptor = ends[1]});
  close(ends[1]);
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
}

}  // namespace
}  // namespace deepsad::test
