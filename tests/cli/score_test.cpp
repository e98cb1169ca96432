// deepsad score on tables in text, as a user runs it.
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "cli/program.h"
#include "cli/refusals.h"

namespace deepsad::test {
namespace {

namespace fs = std::filesystem;

// A run folder with a model of two numbers, made once.
const std::string& run_folder() {
  static const TemporaryFolder folder;
  static const std::string run = [] {
    const Outcome outcome = run_deepsad({"train", "toy2d", "--n-epochs", "1", "--ae-n-epochs", "1", "--seed",
                                         "1", "--out", folder.path("run"), "--quiet"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return folder.path("run");
  }();
  return run;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(Score, GivesATextTableTheScoresOfTheSameNumbersInAMatrix) {
  const TemporaryFolder folder;
  std::vector<double> values;
  std::string text = "y;x\n";  // names of one's own cannot be: the model knows x and y
  for (int i = 0; i < 20'000; ++i) {
    const double x = i % 97 / 40.0 - 1, y = i % 89 / 30.0 - 1;
    values.insert(values.end(), {x, y});
    text += std::to_string(y) + ";" + std::to_string(x) + "\n";
    values[values.size() - 2] = std::stod(std::to_string(x));
    values[values.size() - 1] = std::stod(std::to_string(y));
  }
  write_text(folder.path("rows.csv"), text);
  write_mat_matrix(folder.path("rows.mat"), "X", values, values.size() / 2, 2);
  const Outcome of_text = run_deepsad({"score", run_folder(), folder.path("rows.csv"), "--threads", "2"});
  const Outcome of_matrix = run_deepsad({"score", run_folder(), folder.path("rows.mat")});
  ASSERT_EQ(of_text.exit_code, 0) << of_text.err;
  EXPECT_EQ(lines_of(of_text.out).size(), 20'001u);
  EXPECT_TRUE(of_text.out == of_matrix.out);
  EXPECT_NE(of_text.err.find("separator: semicolon (detected)"), std::string::npos) << of_text.err;
  EXPECT_EQ(run_deepsad({"score", run_folder(), folder.path("rows.csv"), "-q"}).err, "");
}

TEST(Score, SetsBadRowsAside) {
  const TemporaryFolder folder;
  write_text(folder.path("t.csv"), "x,y\n1,2\nno,2\n1,2\n1\n");
  const std::vector<std::string> words{"score", run_folder(), folder.path("t.csv")};
  const Outcome strict = run_deepsad(words);
  EXPECT_EQ(strict.exit_code, 3);
  EXPECT_NE(strict.err.find("t.csv:3:1: column \"x\": found \"no\""), std::string::npos) << strict.err;
  auto aside = words;
  aside.insert(aside.end(),
               {"--rejects", folder.path("bad.csv"), "-o", folder.path("scores.csv"), "--threshold", "-1"});
  const Outcome outcome = run_deepsad(aside);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("2 rows could not be used"), std::string::npos) << outcome.err;
  const auto scores = lines_of(read_text(folder.path("scores.csv")));
  ASSERT_EQ(scores.size(), 3u);
  EXPECT_EQ(scores[0], "row,score,label");
  EXPECT_EQ(scores[1].substr(1), scores[2].substr(1));
  EXPECT_EQ(scores[2].substr(0, 2), "2,");
  EXPECT_EQ(scores[2].substr(scores[2].rfind(',')), ",anomaly");
  const auto rejects = lines_of(read_text(folder.path("bad.csv")));
  ASSERT_EQ(rejects.size(), 3u);
  EXPECT_EQ(rejects[0], "line,reason");
  EXPECT_EQ(rejects[1].substr(0, 2), "3,");
  EXPECT_EQ(rejects[2].substr(0, 2), "5,");
  EXPECT_EQ(run_deepsad(aside).exit_code, 1);  // never over a file
}

TEST(Score, ABrokenRunLeavesNoFile) {
  const TemporaryFolder folder;
  write_text(folder.path("t.csv"), "x,y\n1,2\nno,2\n");
  EXPECT_EQ(
      run_deepsad({"score", run_folder(), folder.path("t.csv"), "-o", folder.path("scores.csv")}).exit_code,
      3);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1);
}

TEST(Score, RowsBeforeABadOneAreOut) {
  const TemporaryFolder folder;
  write_text(folder.path("t.csv"), "x,y\n1,2\n3,4\nno,2\n5,6\n");
  const Outcome outcome = run_deepsad({"score", run_folder(), folder.path("t.csv")});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(lines_of(outcome.out).size(), 3u) << outcome.out;
  EXPECT_NE(outcome.err.find("t.csv:4:1: "), std::string::npos) << outcome.err;
}

// Names of outputs are looked at before the model is.
TEST(Score, WritesOverNothingAndToDifferentFiles) {
  const TemporaryFolder folder;
  write_text(folder.path("there"), "before");
  const std::string new_file = folder.path("new"), none = folder.path("no-model");
  expect_refusals({"score", none, "-"},
                  {{{"-o", folder.path("there")}, 1, "--out: " + folder.path("there") + " exists"},
                   {{"--rejects", folder.path("there")}, 1, "--rejects: " + folder.path("there") + " exists"},
                   {{"-o", folder.path("no/where")}, 1, "is not there"},
                   {{"-o", new_file, "--rejects",
                     folder.path("../" + fs::path(folder.path()).filename().string() + "/new")},
                    2,
                    "--out and --rejects: both are to be written to"}});
  EXPECT_EQ(read_text(folder.path("there")), "before");
}

TEST(Score, RefusesWithPlaceAndRemedy) {
  const TemporaryFolder folder;
  write_text(folder.path("t.csv"), "x,y\n1,2\n");
  write_text(folder.path("other.csv"), "x,weight\n1,2\n");
  write_mat_matrix(folder.path("t.mat"), "X", {1, 2}, 1, 2);
  const std::string file = folder.path("t.csv");
  expect_refusals(
      {"score", run_folder()},
      {{{folder.path("other.csv")}, 3, "missing \"y\", unknown \"weight\"; was it renamed?"},
       {{file, "--threshold", "high"}, 2, "--threshold: got \"high\""},
       {{file, "--threshold", "target-fpr:0.01"}, 2, "the model has none"},
       {{file, "--threshold", "best-f1"}, 2, "needs labelled rows"},
       {{file, "--fdr", "5"}, 2, "--fdr: got \"5\""},
       {{file, "--fdr", "0.05"}, 2, "the model has none"},
       {{folder.path("t.mat"), "--rejects", folder.path("r")}, 2, "--rejects: is for text tables"},
       {{folder.path("t.mat"), "--skip-lines", "1"}, 2, "--skip-lines: is for text tables"},
       {{folder.path("none.csv")}, 3, "none.csv"}});
}

}  // namespace
}  // namespace deepsad::test
