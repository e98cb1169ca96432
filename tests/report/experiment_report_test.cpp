#include "deepsad/report/experiment_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "deepsad/core/error.h"
#include "report/experiment_tables.h"
#include "support/files.h"

namespace deepsad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using ::testing::Not;

RunRecord run(const std::string& dataset, const std::string& column, double gamma_l, std::size_t k,
              std::uint64_t seed, double auc) {
  RunRecord record;
  record.setup.id = dataset + column + std::to_string(gamma_l) + std::to_string(k) + std::to_string(seed);
  record.setup.experiment = "e";
  record.setup.dataset = dataset;
  record.setup.column = column;
  record.setup.normal_classes = {0};
  record.setup.gamma_l = gamma_l;
  record.setup.n_known_classes = k;
  record.setup.seed = seed;
  record.metrics = {{"test_auc", auc}, {"test_ap", auc}};
  record.seconds = 2;
  record.version = "0.1.0";
  return record;
}

std::vector<RunRecord> classic() {
  std::vector<RunRecord> records;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    records.push_back(run("cardio", "Deep SAD", 0.01, 1, seed, 0.94 + 0.01 * static_cast<double>(seed)));
    records.push_back(run("cardio", "CAE", 0.01, 1, seed, 0.90));
  }
  return records;
}

std::string report_file(const std::vector<RunRecord>& records, const std::string& name) {
  for (const ReportFile& file : experiment_report(records, published_figures(), "title", "Deep SAD"))
    if (file.name == name) return {file.bytes.begin(), file.bytes.end()};
  return "";
}

std::vector<std::string> axis_keys(const std::vector<RunRecord>& records) {
  std::vector<std::string> keys;
  for (const RowAxis& axis : varying_axes(summarize_experiments(records, published_figures(), "Deep SAD")[0]))
    keys.push_back(axis.key);
  return keys;
}

TEST(ExperimentReport, WritesEveryFile) {
  std::vector<std::string> names;
  for (const ReportFile& file : experiment_report(classic(), published_figures(), "t", "Deep SAD"))
    names.push_back(file.name);
  EXPECT_THAT(names, ElementsAre("report.html", "tables.md", "tables.tex", "cells.csv", "comparisons.csv",
                                 "setups.csv"));
}

TEST(ExperimentReport, TablesStandBesideThePaper) {
  const std::string markdown = report_file(classic(), "tables.md");
  EXPECT_THAT(markdown, HasSubstr("| data set | CAE | Deep SAD |"));
  EXPECT_THAT(markdown,
              HasSubstr("| cardio | 90.0 ± 0.0 | 96.0 ± 1.0 |\n| paper | 94.3 ± 2.0 | 95.0 ± 1.6 |"));
  const std::string latex = report_file(classic(), "tables.tex");
  EXPECT_THAT(latex, HasSubstr("cardio & 90.0\\,$\\pm$\\,0.0 & 96.0\\,$\\pm$\\,1.0 \\\\"));
  EXPECT_THAT(latex, HasSubstr("\\textit{paper} & \\textit{94.3\\,$\\pm$\\,2.0}"));
  const std::string page = report_file(classic(), "report.html");
  EXPECT_THAT(page, HasSubstr("paper 95.0 ± 1.6"));
  EXPECT_THAT(page, HasSubstr("+1.0 ± 0.8"));
}

TEST(ExperimentReport, CsvHasFullPrecision) {
  std::istringstream cells(report_file(classic(), "cells.csv"));
  std::string header, line;
  std::getline(cells, header);
  EXPECT_THAT(header,
              HasSubstr("experiment,dataset,gamma_l,gamma_p,k,varied,column,variant,setups,failed,auc_mean"));
  std::getline(cells, line);
  EXPECT_THAT(line, ::testing::StartsWith("e,cardio,0.01,0,1,,CAE,,3,0,0.9,"));
  EXPECT_THAT(line, HasSubstr(",6,0.943,0.02,10,0,"));
  EXPECT_EQ(std::count(header.begin(), header.end(), ','), std::count(line.begin(), line.end(), ','));
  EXPECT_THAT(report_file(classic(), "comparisons.csv"), HasSubstr("e,cardio,0.01,0,1,,Deep SAD,CAE,3,"));
  EXPECT_THAT(report_file(classic(), "comparisons.csv"), HasSubstr(",6,0,0.25,1,0.25,1,1\n"));
  EXPECT_THAT(report_file(classic(), "setups.csv"), HasSubstr("e,cardio,0.01,0,1,,0,,2,0.9,0.96\n"));
}

TEST(ExperimentReport, NamesFromTheStoreBreakNothing) {
  std::vector<RunRecord> records = classic();
  records.push_back(run("a,\"b\"\n<script>|_%\\", "Deep SAD", 0.01, 1, 1, 0.5));
  EXPECT_THAT(report_file(records, "cells.csv"), HasSubstr("e,\"a,\"\"b\"\"\n<script>|_%\\\",0.01"));
  EXPECT_THAT(report_file(records, "tables.tex"), HasSubstr("|\\_\\%\\textbackslash{}"));
  EXPECT_THAT(report_file(records, "tables.md"), HasSubstr("\\<script>\\|\\_%\\\\"));
  const std::string page = report_file(records, "report.html");
  EXPECT_EQ(page.find("<script"), page.rfind("<script"));
}

TEST(ExperimentReport, LeaksFailuresAndFindingsAreShown) {
  std::vector<RunRecord> records = classic();
  records[1].findings = {"test_leak"};
  RunRecord failed = run("cardio", "CAE", 0.01, 1, 4, 0);
  failed.state = RunState::failed;
  failed.error = "out of <memory>";
  failed.metrics.clear();
  records.push_back(failed);
  const std::string page = report_file(records, "report.html");
  EXPECT_THAT(page, HasSubstr("90.0 ± 0.0 ‡"));
  EXPECT_THAT(page, HasSubstr("1 failed"));
  EXPECT_THAT(page, HasSubstr("out of &lt;memory&gt;"));
  EXPECT_THAT(page, HasSubstr("test_leak"));
  EXPECT_THAT(report_file(records, "tables.md"), HasSubstr("90.0 ± 0.0 ‡"));
  EXPECT_THAT(report_file(classic(), "report.html"), HasSubstr("No run failed."));
}

TEST(ExperimentReport, OneRunAloneCanBeReported) {
  const std::vector<RunRecord> one{run("mine", "Deep SAD", 0.0, 0, 1, 0.5)};
  const std::string page = report_file(one, "report.html");
  EXPECT_THAT(page, HasSubstr("50.0"));
  EXPECT_THAT(page, Not(HasSubstr("nan ")));
  EXPECT_THAT(report_file(one, "tables.md"), HasSubstr("| mine | 50.0 |"));
}

TEST(ExperimentReport, TakesAnotherReferenceWhereThereIsNoDeepSad) {
  const std::vector<RunRecord> ablation{run("cardio", "defaults", 0.01, 1, 1, 0.9),
                                        run("cardio", "no pretraining", 0.01, 1, 1, 0.8)};
  std::string comparisons;
  for (const ReportFile& file : experiment_report(ablation, published_figures(), "t", ""))
    if (file.name == "comparisons.csv") comparisons.assign(file.bytes.begin(), file.bytes.end());
  EXPECT_THAT(comparisons, HasSubstr(",defaults,no pretraining,1,"));
}

TEST(ExperimentReport, RefusesWhatItCannotReport) {
  EXPECT_THAT(
      message_of<InvalidArgument>([] { (void)experiment_report({}, published_figures(), "t", "Deep SAD"); }),
      HasSubstr("no run has ended yet"));
  EXPECT_THAT(message_of<InvalidArgument>(
                  [] { (void)experiment_report(classic(), published_figures(), "t", "Deep Sad"); }),
              HasSubstr("no run of \"Deep Sad\" to compare others with; there are: CAE, Deep SAD"));
}

TEST(VaryingAxes, RowsWithoutLabelsBelongToTheAxisThatMakesThemSo) {
  EXPECT_THAT(axis_keys(classic()), ElementsAre());
  // Scenario (i): nothing labelled is gamma_l 0, whatever k says.
  EXPECT_THAT(axis_keys({run("m", "Deep SAD", 0, 0, 1, 0.5), run("m", "Deep SAD", 0.05, 1, 1, 0.5)}),
              ElementsAre("gamma_l"));
  // Scenario (iii): nothing labelled is k 0, whatever gamma_l says.
  const std::vector<RunRecord> third{run("m", "Deep SAD", 0.05, 0, 1, 0.5),
                                     run("m", "Deep SAD", 0.05, 1, 1, 0.5),
                                     run("m", "Deep SAD", 0.05, 2, 1, 0.5)};
  EXPECT_THAT(axis_keys(third), ElementsAre("k"));
  EXPECT_EQ(axis_value({.dataset = "m", .gamma_p = 0, .gamma_l = 0.05, .n_known_classes = 0, .varied = {}},
                       "gamma_l"),
            "0");
  RunRecord eta = run("m", "Deep SAD", 0.05, 1, 1, 0.5), other = eta;
  eta.setup.varied = {{"eta", "1"}};
  other.setup.varied = {{"eta", "10"}};
  EXPECT_THAT(axis_keys({eta, other}), ElementsAre("eta"));
}

TEST(Texts, MeansDifferencesAndProbabilities) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(mean_text(0.9641, 0.0274, 90), "96.4 ± 2.7");
  EXPECT_EQ(mean_text(0.5, nan, 1), "50.0");
  EXPECT_EQ(mean_text(nan, nan, 0), "–");
  EXPECT_EQ(difference_text(0.004, 0.006), "+0.4 ± 0.6");
  EXPECT_EQ(difference_text(-0.0204, nan), "−2.0");
  EXPECT_EQ(difference_text(-0.0001, nan), "+0.0");
  EXPECT_EQ(p_text(0.0004), "< 0.001");
  EXPECT_EQ(p_text(0.0321), "0.032");
}

}  // namespace
}  // namespace deepsad
