// deepsad evaluate on files of one's own, as a user runs it.
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "cli/program.h"
#include "cli/refusals.h"

namespace deepsad::test {
namespace {

using Json = nlohmann::ordered_json;

class EvaluateFile : public ::testing::Test {
 protected:
  // Rows around the two bananas, and some far away.
  static std::string rows(const std::string& header, const std::string& normal, const std::string& near,
                          const std::string& far) {
    std::string text = header + "\n";
    for (int i = 0; i < 60; ++i)
      text += std::to_string(i % 7 * 0.1) + "," + std::to_string(i % 5 * 0.1) + "," + normal + "\n";
    for (int i = 0; i < 5; ++i) text += std::to_string(2.0 + i) + ",3," + near + "\n";
    for (int i = 0; i < 5; ++i) text += std::to_string(-90.0 - i) + ",80," + far + "\n";
    return text;
  }
  static std::string run_folder() {
    static const TemporaryFolder folder;
    static const int code = run_deepsad({"train", "toy2d", "--n-epochs", "2", "--ae-n-epochs", "2", "--seed",
                                         "1", "--out", folder.path("run"), "--quiet"})
                                .exit_code;
    EXPECT_EQ(code, 0);
    return folder.path("run");
  }
  Outcome evaluate(std::vector<std::string> more) {
    more.insert(more.begin(), {"evaluate", run_folder()});
    return run_deepsad(more);
  }
  TemporaryFolder folder_;
};

TEST_F(EvaluateFile, ReportsWholeClassesAndThreshold) {
  write_text(folder_.path("t.csv"), rows("x,y,what", "0", "1", "2"));
  const Outcome outcome = evaluate({folder_.path("t.csv"), "--truth-column", "what", "--truth-map",
                                    "0=normal,1=anomaly,2=anomaly", "--known-classes", "1", "--threshold",
                                    "20", "--json", "--scores", folder_.path("scores.csv")});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json json = Json::parse(outcome.out);
  EXPECT_EQ(json.at("test_rows").at("normal"), 60);
  EXPECT_EQ(json.at("test_rows").at("anomaly"), 10);
  EXPECT_GT(json.at("test_auc").get<double>(), 0.9);
  EXPECT_EQ(json.at("bootstrap").at("repetitions"), 1000);
  EXPECT_EQ(json.at("threshold").at("value"), 20);
  EXPECT_EQ(json.at("classes").size(), 3u);
  EXPECT_EQ(json.at("kinds").at(0).at("rows"), 5);
  EXPECT_EQ(json.at("kinds").at(1).at("name"), "novel anomalies");
  EXPECT_EQ(read_text(folder_.path("scores.csv")).rfind("index,label,class,score\n0,0,0,", 0), 0u);
  // Fewer bootstrap repetitions change the intervals, not what they are about.
  const Json again = Json::parse(evaluate({folder_.path("t.csv"), "--truth-column", "3", "--truth-map",
                                           "0=normal,1=anomaly,2=anomaly", "--bootstrap", "0", "--json"})
                                     .out);
  EXPECT_EQ(again.at("test_auc"), json.at("test_auc"));
  EXPECT_FALSE(again.contains("bootstrap"));
  EXPECT_FALSE(again.contains("threshold"));
}

TEST_F(EvaluateFile, LeavesRowsWithoutLabelOut) {
  write_text(folder_.path("t.csv"), rows("x,y,status", "ok", "", "fraud"));
  const Outcome outcome = evaluate({folder_.path("t.csv"), "--label-column", "status"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("test rows          60 normal, 5 anomalous\n"), std::string::npos)
      << outcome.out;
  EXPECT_NE(outcome.err.find("5 rows without a label left out"), std::string::npos) << outcome.err;
}

TEST_F(EvaluateFile, ReadsArraysToo) {
  write_mat_matrix(folder_.path("t.mat"), "X", {0, 0, 1, 1, 90, 90}, 3, 2);
  const Outcome outcome = evaluate({folder_.path("t.mat"), "--truth-column", "y"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("has no labels \"y\""), std::string::npos) << outcome.err;
}

TEST_F(EvaluateFile, RefusesWithPlaceAndRemedy) {
  write_text(folder_.path("t.csv"), rows("x,y,what", "ok", "fraud", "attack"));
  write_text(folder_.path("few.csv"), rows("x,z,what", "ok", "fraud", "attack"));
  const std::string file = folder_.path("t.csv");
  expect_refusals(
      {"evaluate", run_folder()},
      {{{file}, 2, "give --truth-column"},
       {{file, "--truth-column", "wat"}, 2, "did you mean \"what\""},
       {{file, "--truth-column", "what", "--truth-map", "ok=normal,fraud=anomaly"}, 3, "t.csv:67:"},
       {{file, "--truth-column", "what", "--known-classes", "frauds"}, 2, "did you mean \"fraud\"?"},
       {{file, "--truth-column", "what", "--bootstrap", "-1"}, 2, "--bootstrap: got \"-1\""},
       {{file, "--truth-column", "what", "--class-column", "kind"},
        2,
        "the class column: there is no column"},
       {{file, "--truth-column", "what", "--page", folder_.path("p")}, 2, "--page: is for"},
       {{folder_.path("few.csv"), "--truth-column", "what"}, 3, "missing \"y\", unknown \"z\""},
       {{file, "--truth-column", "what", "--scores", file}, 1, "--scores: " + file + " exists"},
       {{"--page", file}, 1, "--page: " + file + " exists"},
       {{"--page", folder_.path("p"), "--scores", folder_.path("p")}, 2, "--scores and --page: both"},
       {{"glyphs"}, 2, "the model was trained on toy2d"},
       {{"labels", "--truth-column", "what"},
        2,
        "--truth-column: is for files of one's own, which are given as"},
       {{"toy2d", "--known-classes", "1"}, 2, "--known-classes: is for files of one's own"},
       {{"toy2d", "--skip-lines", "1"}, 2, "as ./toy2d"},
       {{"--keep-training-rows"}, 2, "--keep-training-rows: is for files"},
       {{folder_.path("none.csv")}, 2, "none.csv"},
       {{folder_.path("none.csv"), "--truth-column", "what"}, 3, "none.csv"}});
}

// Two classes that the labels name anyway are no reason to deny that they are there.
TEST_F(EvaluateFile, KnowsTheClassesOfATwoClassColumn) {
  write_text(folder_.path("t.csv"), rows("x,y,what", "ok", "fraud", "fraud"));
  const Outcome outcome =
      evaluate({folder_.path("t.csv"), "--truth-column", "what", "--known-classes", "fraud", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json json = Json::parse(outcome.out);
  EXPECT_EQ(json.at("kinds").at(0).at("rows"), 10);
  EXPECT_EQ(json.at("classes").size(), 2u);
  const Outcome plain = evaluate({folder_.path("t.csv"), "--truth-column", "what", "--json"});
  EXPECT_EQ(Json::parse(plain.out).value("classes", Json::array()).size(), 0u);
}

TEST_F(EvaluateFile, ReadsAPipeOnce) {
  const std::string text = rows("x,y,what", "ok", "fraud", "attack");
  write_text(folder_.path("t.csv"), text);
  const auto words = [](const std::string& file) {
    return std::vector<std::string>{file,
                                    "--truth-column",
                                    "what",
                                    "--truth-map",
                                    "ok=normal,fraud=anomaly,attack=anomaly",
                                    "--class-column",
                                    "what",
                                    "--json"};
  };
  const Outcome from_file = evaluate(words(folder_.path("t.csv")));
  ASSERT_EQ(from_file.exit_code, 0) << from_file.err;
  ASSERT_EQ(mkfifo(folder_.path("pipe").c_str(), 0600), 0);
  std::thread writer([&] { write_text(folder_.path("pipe"), text); });
  const Outcome piped = evaluate(words(folder_.path("pipe")));
  writer.join();
  ASSERT_EQ(piped.exit_code, 0) << piped.err;
  EXPECT_EQ(piped.out, from_file.out);
}

TEST_F(EvaluateFile, OfTheTrainingTableOnlyHeldOutRowsCount) {
  std::string text = "x,y,seen,what\n";
  for (int i = 0; i < 200; ++i)
    text += std::to_string(i * 37 % 211 * (i % 20 == 3 ? 9 : 1)) + "," + std::to_string(i * 53 % 197) +
            (i % 5 == 0 ? ",ok" : ",") + (i % 20 == 3 ? ",1\n" : ",0\n");
  write_text(folder_.path("t.csv"), text);
  const std::string file = folder_.path("t.csv");
  const auto train = [&](const std::string& name, std::vector<std::string> more) {
    more.insert(more.begin(), {"train", file, "--label-column", "seen", "--method", "isolation_forest",
                               "--seed", "1", "-q", "--out", folder_.path(name)});
    const Outcome outcome = run_deepsad(more);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  };
  train("tested", {"--truth-column", "what", "--truth-map", "1=anomaly,0=normal"});
  const Outcome held_out =
      run_deepsad({"evaluate", folder_.path("tested"), file, "--truth-column", "what", "--json"});
  ASSERT_EQ(held_out.exit_code, 0) << held_out.err;
  EXPECT_NE(held_out.err.find("only the 40 rows held out for tests count"), std::string::npos)
      << held_out.err;
  const Json json = Json::parse(held_out.out),
             run = Json::parse(read_text(folder_.path("tested/results.json")));
  EXPECT_EQ(json.at("test_auc"), run.at("test_auc"));
  EXPECT_NE(run_deepsad({"evaluate", folder_.path("tested")})
                .err.find("was trained on the file t.csv; give it again"),
            std::string::npos);
  train("untested", {"--ignore-columns", "what"});
  const Outcome none = run_deepsad({"evaluate", folder_.path("untested"), file, "--truth-column", "what",
                                    "--truth-map", "1=anomaly,0=normal"});
  EXPECT_EQ(none.exit_code, 3) << none.out;
  EXPECT_NE(none.err.find("no row was held out for a test"), std::string::npos) << none.err;
}

// Under another order, beside other rows, or with other labels a training row is a training row still.
TEST_F(EvaluateFile, TrainingRowsDoNotCountInAnyFile) {
  std::string head = "x,y,seen,what,also\n", lines, reversed, labels = "label\n";
  for (int i = 0; i < 200; ++i) {
    const std::string line = std::to_string(i * 37 % 211 * (i % 20 == 3 ? 9 : 1)) + "," +
                             std::to_string(i * 53 % 197) + (i % 5 == 0 ? ",ok" : ",") +
                             (i % 20 == 3 ? ",1" : ",0") + (i % 20 == 3 ? ",fraud\n" : ",ok\n");
    lines += line;
    reversed = line + reversed;
    labels += i % 5 == 0 ? "ok\n" : "unknown\n";
  }
  write_text(folder_.path("t.csv"), head + lines);
  write_text(folder_.path("reversed.csv"), head + reversed);
  write_text(folder_.path("more.csv"), head + lines + "5,5,,0,ok\n7,7.5,,0,ok\n");
  write_text(folder_.path("labels.csv"), labels);
  const auto train = [&](const std::string& name, std::vector<std::string> more) {
    more.insert(more.begin(), {"train", folder_.path("t.csv"), "--truth-column", "what", "--truth-map",
                               "1=anomaly,0=normal", "--method", "isolation_forest", "--seed", "1", "-q",
                               "--out", folder_.path(name)});
    const Outcome outcome = run_deepsad(more);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return Json::parse(read_text(folder_.path(name + "/results.json")))
        .at("own_file")
        .at("rows")
        .at("training")
        .get<int>();
  };
  const int n_training = train("column", {"--label-column", "seen", "--ignore-columns", "also"});
  const int n_training_by_file =
      train("file", {"--label-file", folder_.path("labels.csv"), "--ignore-columns", "seen,also"});
  const auto n_rows = [](const Outcome& outcome) {
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    const Json counts = Json::parse(outcome.out).at("test_rows");
    return counts.at("normal").get<int>() + counts.at("anomaly").get<int>();
  };
  const auto count = [&](const std::string& run, const std::string& file, std::vector<std::string> more) {
    more.insert(more.begin(), {"evaluate", folder_.path(run), folder_.path(file), "--json"});
    return n_rows(run_deepsad(more));
  };
  EXPECT_EQ(count("column", "reversed.csv", {"--truth-column", "what"}), 200 - n_training);
  EXPECT_EQ(count("column", "more.csv", {"--truth-column", "what"}), 202 - n_training);
  EXPECT_EQ(count("column", "t.csv", {"--label-column", "also", "--label-map", "fraud=anomaly,ok=normal"}),
            200 - n_training);
  EXPECT_EQ(count("file", "t.csv", {"--truth-column", "what"}), 200 - n_training_by_file);
  EXPECT_EQ(count("column", "more.csv", {"--truth-column", "what", "--keep-training-rows"}), 202);
  const Outcome said =
      run_deepsad({"evaluate", folder_.path("column"), folder_.path("more.csv"), "--truth-column", "what"});
  EXPECT_NE(said.err.find(std::to_string(n_training) + " of 202 rows are training rows and left out"),
            std::string::npos)
      << said.err;
  // Nor is a threshold chosen on them.
  const auto threshold = [&](const std::string& file, std::vector<std::string> more) {
    more.insert(more.begin(), {"threshold", folder_.path("column"), folder_.path(file)});
    more.insert(more.end(), {"--threshold", "target-fpr:0.05"});
    return run_deepsad(more);
  };
  const Outcome fewer = threshold("more.csv", {"-o", folder_.path("fewer")});
  EXPECT_EQ(fewer.exit_code, 0) << fewer.err;
  EXPECT_NE(fewer.err.find("are training rows and left out"), std::string::npos) << fewer.err;
  EXPECT_NE(fewer.out.find("the " + std::to_string(202 - n_training) + " calibration rows"),
            std::string::npos)
      << fewer.out;
  EXPECT_EQ(threshold("more.csv", {"-o", folder_.path("all"), "--keep-training-rows"}).exit_code, 0);
}

TEST_F(EvaluateFile, OfASetShowsIntervalsAndClasses) {
  const Json json = Json::parse(evaluate({"--json", "--threshold", "1"}).out);
  EXPECT_EQ(json.at("classes").size(), 3u);
  EXPECT_EQ(json.at("threshold").at("quiet").get<int>() + json.at("threshold").at("false_alarms").get<int>(),
            500);
  EXPECT_LT(json.at("bootstrap").at("test_auc").at(0).get<double>(), json.at("test_auc").get<double>());
}

}  // namespace
}  // namespace deepsad::test
