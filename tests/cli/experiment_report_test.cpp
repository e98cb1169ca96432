// deepsad experiment report: what it writes, and what it refuses.
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/program.h"
#include "deepsad/experiment/store.h"

namespace deepsad::test {
namespace {

namespace fs = std::filesystem;

std::string store_with_one_run(const TemporaryFolder& folder) {
  const std::string path = folder.path("mine.sqlite");
  RunRecord record;
  record.setup.id = "0123456789abcdef";
  record.setup.experiment = "mine";
  record.setup.dataset = "cardio";
  record.setup.column = "Deep SAD";
  record.setup.method = "deep_sad";
  record.setup.normal_classes = {0};
  record.setup.options = "{}";
  record.metrics = {{"test_auc", 0.875}};
  Store::open(path).add(record);
  return path;
}

TEST(ExperimentReport, WritesAFolderAndNamesItsPage) {
  const TemporaryFolder folder;
  const std::string store = store_with_one_run(folder), out = folder.path("report");
  const Outcome outcome = run_deepsad({"experiment", "report", store, "--out", out});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "report             " + out + "\npage               " + out + "/report.html\n");
  EXPECT_NE(read_text(out + "/tables.md").find("| cardio | 87.5 |"), std::string::npos);
  EXPECT_NE(read_text(out + "/report.html").find("<title>mine</title>"), std::string::npos);
}

TEST(ExperimentReport, ReplacesAReportOnlyWhenAsked) {
  const TemporaryFolder folder;
  const std::string store = store_with_one_run(folder), out = folder.path("report");
  ASSERT_EQ(run_deepsad({"experiment", "report", store, "--out", out}).exit_code, 0);
  write_text(out + "/cells.csv", "old");
  write_text(out + "/notes.txt", "mine");
  const Outcome refused = run_deepsad({"experiment", "report", store, "--out", out});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("--replace"), std::string::npos) << refused.err;
  EXPECT_EQ(read_text(out + "/cells.csv"), "old");
  ASSERT_EQ(run_deepsad({"experiment", "report", store, "--out", out, "--replace"}).exit_code, 0);
  EXPECT_NE(read_text(out + "/cells.csv"), "old");
  EXPECT_EQ(read_text(out + "/notes.txt"), "mine");
}

TEST(ExperimentReport, RefusesWhatIsNoStoreOrNoColumn) {
  const TemporaryFolder folder;
  const Outcome missing = run_deepsad({"experiment", "report", folder.path("none.sqlite")});
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_NE(missing.err.find("no such store"), std::string::npos) << missing.err;
  EXPECT_FALSE(fs::exists(folder.path("none.sqlite")));  // looking at it does not make it

  write_text(folder.path("text.sqlite"),
             "this is no SQLite file, but long enough to be taken for one at first");
  EXPECT_NE(run_deepsad({"experiment", "report", folder.path("text.sqlite")}).exit_code, 0);

  const std::string store = store_with_one_run(folder);
  const Outcome column = run_deepsad({"experiment", "report", store, "--reference", "CAE"});
  EXPECT_EQ(column.exit_code, 2);
  EXPECT_NE(column.err.find("there are: Deep SAD"), std::string::npos) << column.err;
  EXPECT_FALSE(fs::exists(folder.path("mine-report")));
  write_text(folder.path("figures.json"), "{}");
  const Outcome figures =
      run_deepsad({"experiment", "report", store, "--published", folder.path("figures.json")});
  EXPECT_EQ(figures.exit_code, 3);
}

}  // namespace
}  // namespace deepsad::test
