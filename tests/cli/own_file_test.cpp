// Training on a file of one's own, as its owner does it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "cli/program.h"
#include "deepsad/core/random.h"
#include "deepsad/model/model.h"

namespace deepsad::test {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

// Orders: some fraudulent, of which every second is known; a category, a missing amount here and there.
std::string orders(std::size_t n, bool with_labels = true, std::uint64_t seed = 9) {
  RandomStream random(seed, "orders");
  std::string text =
      with_labels ? "order,amount,items,country,status,checked\n" : "order,amount,items,country\n";
  for (std::size_t i = 0; i < n; ++i) {
    const bool fraud = i % 15 == 7;
    const double amount = fraud ? 900 + 50 * random.normal() : 60 + 10 * random.normal();
    text += fmt::format("o{},{},{},{}", i, i % 40 == 3 ? "n/a" : fmt::format("{:.2f}", amount),
                        fraud ? 40 + random.below(5) : 1 + random.below(4), i % 4 == 0 ? "AT" : "DE");
    if (with_labels)
      text += fmt::format(",{},{}", fraud && i % 2 == 0 ? "fraud" : i % 9 == 0 ? "ok" : "", fraud ? 1 : 0);
    text += "\n";
  }
  return text;
}

// As short as a training gets.
std::vector<std::string> brief(const std::string& file, std::vector<std::string> more) {
  std::vector<std::string> words{"train", file, "--n-epochs", "6", "--ae-n-epochs", "4", "--seed", "5"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

class OwnFile : public ::testing::Test {
 protected:
  OwnFile() {
    write_text(path("orders.csv"), orders(600));
    write_text(path("new.csv"), orders(30, false));
  }
  [[nodiscard]] std::string path(const std::string& name) const { return folder_.path(name); }
  Outcome run(const std::vector<std::string>& words) const {
    return run_deepsad(words, {.folder = folder_.path()});
  }
  // orders.csv with every kind of column, into orders.deepsad.
  [[nodiscard]] Outcome train_on_orders() const {
    return run(brief("orders.csv", {"--label-column", "status", "--truth-column", "checked", "--truth-map",
                                    "1=anomaly,0=normal", "--label-map", "fraud=anomaly,ok=normal,=unlabeled",
                                    "--id-column", "order", "-o", "orders.deepsad"}));
  }
  TemporaryFolder folder_;
};

TEST_F(OwnFile, MoreRowsAndLabelsGoOnFromTheModelThatIsThere) {
  const Outcome first = train_on_orders();
  ASSERT_EQ(first.exit_code, 0) << first.err;
  const std::string before = read_text(path("orders.deepsad"));
  const std::string later = orders(400, true, 10);
  write_text(path("more.csv"), orders(600) + later.substr(later.find('\n') + 1));
  const Outcome second =
      run({"train", "more.csv", "--init", "orders.deepsad", "--seed", "5", "-o", "more.deepsad"});
  ASSERT_EQ(second.exit_code, 0) << second.err;
  EXPECT_THAT(second.err, HasSubstr("held-out rows are training rows of orders.deepsad, and are trained on"));
  EXPECT_THAT(second.err, HasSubstr("chosen from the data: batch_size"));
  for (const char* text : {"chosen from the data: n_epochs", "chosen from the data: scaling"})
    EXPECT_THAT(second.err, Not(HasSubstr(text)));
  EXPECT_THAT(second.out, HasSubstr("test AUC before"));
  EXPECT_THAT(second.out, HasSubstr("its anomalies      mean rank"));
  EXPECT_EQ(read_text(path("orders.deepsad")), before);
  const Model model = Model::load(path("more.deepsad"));
  EXPECT_EQ(model.schema()->schema, Model::load(path("orders.deepsad")).schema()->schema);
  EXPECT_EQ(run({"train", "more.csv", "--init", "orders.deepsad", "-o", "orders.deepsad"}).exit_code, 1);
  EXPECT_EQ(read_text(path("orders.deepsad")), before);
}

TEST_F(OwnFile, FromRawCsvToAModelInOneCommand) {
  const Outcome outcome = train_on_orders();
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  // What was seen and chosen, on standard error.
  for (const char* text :
       {"600 rows", "labels: ", "6 columns, 6 features", "amount", "missing: ", "country", "one_hot",
        "chosen from the data: batch_size 16", "chosen from the data: scaling standardise",
        "held out: ", "training rows: ", "chosen from the data: network mlp"})
    EXPECT_THAT(outcome.err, HasSubstr(text));
  EXPECT_THAT(outcome.err, Not(HasSubstr("chosen from the data: n_epochs")));  // that was given
  for (const char* text : {"test AUC ", "at the threshold ", "anomalies found",
                           "model              orders.deepsad", "are called anomalous"})
    EXPECT_THAT(outcome.out, HasSubstr(text));
  EXPECT_FALSE(fs::exists(path("runs")));  // the model is all that is left
  const Outcome inspect = run({"inspect", "orders.deepsad"});
  for (const char* text : {"orders.csv", "fraud=anomaly,ok=normal", "target-fpr", "one_hot", "order"})
    EXPECT_THAT(inspect.out, HasSubstr(text));
  const Outcome scores = run({"score", "orders.deepsad", "new.csv"});
  EXPECT_EQ(scores.exit_code, 0) << scores.err;
  EXPECT_THAT(scores.out, ::testing::StartsWith("row,score,label,p_value\no0,"));
  EXPECT_THAT(scores.out, HasSubstr("\no1,"));
  // Nothing is overwritten, and that is said before any work.
  const Outcome again = run(brief("orders.csv", {"-o", "orders.deepsad"}));
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.err, HasSubstr("--model: orders.deepsad exists"));
  EXPECT_THAT(again.err, Not(HasSubstr("600 rows")));
}

TEST_F(OwnFile, LeavesAWholeRunFolder) {
  const Outcome outcome =
      run(brief("./orders.csv", {"--label-column", "status", "--ignore-columns", "order,checked"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const std::string run_folder = path("runs/orders-deep_sad");
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(run_folder)) names.push_back(entry.path().filename());
  EXPECT_THAT(
      names, ::testing::UnorderedElementsAre("calibration.csv", "config.json", "log.txt", "model.safetensors",
                                             "page.html", "results.json", "training_curve.png"));
  const Json results = Json::parse(read_text(run_folder + "/results.json"));
  EXPECT_TRUE(results.at("test_auc").is_null());
  const Json& own = results.at("own_file");
  EXPECT_EQ(own.at("name"), "orders.csv");
  EXPECT_EQ(own.at("rows").at("training").get<int>() + own.at("rows").at("calibration").get<int>(), 600);
  EXPECT_EQ(own.at("threshold").at("kind"), "target-fpr");
  EXPECT_TRUE(own.at("at_threshold").is_null());
  const std::string page = read_text(run_folder + "/page.html");
  for (const char* text :
       {"orders.csv", "Scores of the calibration rows", "What the columns mean", "--label-column status"})
    EXPECT_THAT(page, HasSubstr(text));
  EXPECT_THAT(page, Not(HasSubstr("test AUC")));
  EXPECT_THAT(read_text(run_folder + "/calibration.csv"), ::testing::StartsWith("row,line,label,score\n"));
  // The configuration alone repeats the run.
  ASSERT_EQ(run({"train", "--config", run_folder + "/config.json", "--out", "again"}).exit_code, 0);
  EXPECT_TRUE(read_text(path("again/model.safetensors")) == read_text(run_folder + "/model.safetensors"));
}

TEST_F(OwnFile, SameBitsFromAPipeAndAtAnyNumberOfThreads) {
  const auto train = [&](const std::string& file, const std::string& model, const std::string& threads) {
    return run(brief(file, {"--label-column", "status", "--ignore-columns", "checked", "-o", model,
                            "--num-threads", threads}));
  };
  ASSERT_EQ(train("orders.csv", "a", "1").exit_code, 0);
  ASSERT_EQ(train("orders.csv", "b", "3").exit_code, 0);
  EXPECT_TRUE(read_text(path("a")) == read_text(path("b")));
  fs::create_directory(path("pipe"));
  const std::string pipe = path("pipe/orders.csv");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] { write_text(pipe, orders(600)); });
  const Outcome piped = train("pipe/orders.csv", "c", "2");
  writer.join();
  ASSERT_EQ(piped.exit_code, 0) << piped.err;
  EXPECT_TRUE(read_text(path("a")) == read_text(path("c")));
}

TEST_F(OwnFile, EverySeedAndSettingEqualsTheRunAlone) {
  // What pretraining takes is for the data to say.
  const std::vector<std::string> given{"train",          "orders.csv", "--label-column", "status",
                                       "--truth-column", "checked",    "--truth-map",    "1=anomaly,0=normal",
                                       "--n-epochs",     "4"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), given.begin(), given.end());
    return run(more);
  };
  const Outcome grid = with({"--seeds", "5-6", "--vary", "eta=0.5,1", "--out", "grid"});
  ASSERT_EQ(grid.exit_code, 0) << grid.err;
  EXPECT_THAT(grid.out, HasSubstr("eta-0.5"));
  ASSERT_EQ(with({"--seed", "6", "--eta", "1", "--out", "alone"}).exit_code, 0);
  for (const char* file : {"model.safetensors", "scores.csv", "calibration.csv"})
    EXPECT_TRUE(read_text(path("grid/eta-1_seed-6/") + file) == read_text(path("alone/") + file)) << file;
  EXPECT_FALSE(read_text(path("grid/eta-1_seed-5/model.safetensors")) ==
               read_text(path("alone/model.safetensors")));
}

TEST_F(OwnFile, GoesOnAfterABreakToTheSameBits) {
  const std::vector<std::string> more{"--label-column",     "status", "--ignore-columns", "checked",
                                      "--checkpoint-every", "2"};
  auto whole = brief("orders.csv", more), broken = whole;
  whole.insert(whole.end(), {"--out", "whole"});
  broken.insert(broken.end(), {"--out", "broken"});
  ASSERT_EQ(run(whole).exit_code, 0);
  const Outcome stopped = run_deepsad(
      broken, {.folder = path(""), .interrupt_when_exists = path("broken/checkpoint.safetensors")});
  if (stopped.exit_code == 0) GTEST_SKIP() << "it was done before the interrupt came";
  EXPECT_EQ(stopped.exit_code, 130) << stopped.err;
  const Outcome resumed = run({"train", "--resume", "broken"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_TRUE(read_text(path("broken/model.safetensors")) == read_text(path("whole/model.safetensors")));
}

TEST_F(OwnFile, ASchemaIsWrittenEditedAndGivenBack) {
  ASSERT_EQ(run({"train", "orders.csv", "--method", "isolation_forest", "--seed", "5", "--write-schema",
                 "orders.toml", "-o", "first"})
                .exit_code,
            0);
  std::string schema = read_text(path("orders.toml"));
  EXPECT_THAT(schema, HasSubstr("name = \"country\"\nkind = \"one_hot\""));
  const std::size_t at = schema.find("kind = \"one_hot\"", schema.find("name = \"country\""));
  schema.replace(at, std::string("kind = \"one_hot\"").size(), "kind = \"ordinal\"");
  write_text(path("orders.toml"), schema);
  const Outcome outcome = run({"train", "orders.csv", "--method", "isolation_forest", "--seed", "5",
                               "--schema", "orders.toml", "-o", "second"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(run({"inspect", "second"}).out, HasSubstr("ordinal"));
  write_text(path("orders.toml"), schema + "\n[[column]]\nname = \"x\"\nkind = \"nomber\"\n");
  const Outcome wrong = run(brief("orders.csv", {"--schema", "orders.toml", "-o", "third"}));
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("did you mean \"number\"?"));
}

TEST_F(OwnFile, AnotherThresholdMakesAnotherModel) {
  ASSERT_EQ(
      run(brief("orders.csv", {"--label-column", "status", "--ignore-columns", "order,checked", "-o", "m"}))
          .exit_code,
      0);
  const std::string before = read_text(path("m"));
  const Outcome kept = run({"threshold", "m", "--threshold", "target-fpr:0.1", "-o", "loose"});
  ASSERT_EQ(kept.exit_code, 0) << kept.err;
  EXPECT_THAT(kept.out, HasSubstr("at most 10 % are called anomalous"));
  const Model old = Model::load(path("m")), loose = Model::load(path("loose"));
  EXPECT_LT(loose.decision().threshold->value, old.decision().threshold->value);
  EXPECT_EQ(read_text(path("m")), before);

  write_text(path("june.csv"), orders(200, true, 10));
  const Outcome best = run({"threshold", "m", "june.csv", "--label-column", "checked", "--label-map",
                            "1=anomaly,0=normal", "--threshold", "best-f1", "-o", "june"});
  ASSERT_EQ(best.exit_code, 0) << best.err;
  EXPECT_THAT(best.out, HasSubstr("The best F1 ("));
  const Outcome refused = run({"threshold", "loose", "--threshold", "best-f1", "-o", "x"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("needs labelled rows; give them as ROWS"));
  EXPECT_EQ(run({"threshold", "m", "--threshold", "manual:3", "-o", "loose"}).exit_code, 1);  // it exists
  const Outcome automatic = run({"threshold", "m", "--calibration-contamination", "auto", "-o", "x"});
  EXPECT_EQ(automatic.exit_code, 2);
  EXPECT_THAT(automatic.err, HasSubstr("give rows (ROWS of"));
  EXPECT_EQ(
      run({"threshold", "m", "june.csv", "--calibration-contamination", "auto", "-o", "cleaned"}).exit_code,
      0);
  // Of its own table the rows that were held out for that, but those that equal a training row.
  const Outcome own = run({"threshold", "m", "orders.csv", "--threshold", "target-fpr:0.1", "-o", "own"});
  ASSERT_EQ(own.exit_code, 0) << own.err;
  EXPECT_THAT(own.err, HasSubstr("rows held out for calibration count"));
  const Model anew = Model::load(path("own"));
  const auto &again = anew.decision().calibration->scores(), &first = old.decision().calibration->scores();
  EXPECT_TRUE(std::includes(first.begin(), first.end(), again.begin(), again.end()));
  EXPECT_GT(again.size(), first.size() - 20);
}

TEST_F(OwnFile, ARunFolderStandsForItsModel) {
  ASSERT_EQ(run(brief("orders.csv", {"--out", "first"})).exit_code, 0);
  write_text(path("june.csv"), orders(200, true, 10));
  for (const auto& [init, out] : {std::pair{"first", "a"}, std::pair{"first/model.safetensors", "b"}}) {
    const Outcome outcome = run({"train", "june.csv", "--init", init, "--seed", "5", "--out", out});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  }
  EXPECT_EQ(read_text(path("a/calibration.csv")), read_text(path("b/calibration.csv")));
}

TEST_F(OwnFile, NumbersAsLabelsNeedAMapThatTheErrorShows) {
  const Outcome outcome = run(brief("orders.csv", {"--label-column", "checked", "-o", "m"}));
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("orders.csv:2:"));
  EXPECT_THAT(outcome.err, HasSubstr("--label-map '0=normal,1=anomaly'"));
  EXPECT_FALSE(fs::exists(path("m")));
}

TEST_F(OwnFile, WhatCannotBeDoneIsRefusedWithAWayOut) {
  write_text(path("few.csv"), "a,b\n1,2\n");
  write_text(path("text.csv"), "a,b\n1,2\n3,4\n5,6\n7,x\n8,9\n1,1\n2,3\n7,x\n9,x\n");
  struct Case {
    std::vector<std::string> more;
    int exit_code;
    const char* message;
  };
  const std::vector<std::pair<std::string, Case>> cases{
      {"orders.csv", {{"--label-column", "nothing"}, 2, "the label column: there is no column \"nothing\""}},
      {"orders.csv",
       {{"-o", "m", "--checkpoint-every", "2"}, 2, "checkpoints lie in the run folder; give --out"}},
      {"orders.csv", {{"-o", "no/such/folder/m"}, 1, "the folder no/such/folder is not there"}},
      {"orders.csv",
       {{"--ratio-known-normal", "0.1"}, 2, "--ratio-known-normal: got 0.1, but the rows of orders.csv"}},
      {"orders.csv", {{"--threshold", "target-fpr"}, 2, "--threshold: got \"target-fpr\" without a value"}},
      {"orders.csv", {{"--threshold", "target-fpr:0.0001"}, 2, "9999"}},
      {"orders.csv", {{"--threshold", "best-f1"}, 2, "best-f1 needs both normal and anomalous rows"}},
      {"orders.csv", {{"--separator", "dot"}, 2, "--separator"}},
      {"orders.csv", {{"--schema", "none.toml"}, 1, "none.toml"}},
      {"few.csv", {{}, 3, "few.csv: "}},
      {"text.csv", {{}, 3, "found \"x\" in a column of numbers"}},
      {"missing.csv", {{}, 3, "missing.csv"}},
      {"toy2d", {{"--label-column", "status"}, 2, "toy2d is no file of one's own"}},
      {"toy2d", {{"--write-schema", "s.toml"}, 2, "--write-schema: toy2d is a data set with a name"}},
      {"orders", {{}, 2, "a file of one's own is a path with / or . in it, as ./orders"}}};
  for (const auto& [file, c] : cases) {
    const Outcome outcome = run(brief(file, c.more));
    EXPECT_EQ(outcome.exit_code, c.exit_code)
        << file << " " << fmt::format("{}", fmt::join(c.more, " ")) << "\n"
        << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(c.message));
    EXPECT_FALSE(fs::exists(path("m")));
  }
  const Outcome several = run({"train", "-", "--seeds", "1-3"});
  EXPECT_EQ(several.exit_code, 2);
  EXPECT_THAT(several.err, HasSubstr("standard input can be read but once"));
  EXPECT_EQ(run({"threshold", "orders.csv"}).exit_code, 2);
}

}  // namespace
}  // namespace deepsad::test
