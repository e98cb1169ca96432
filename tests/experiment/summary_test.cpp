#include "deepsad/experiment/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "deepsad/core/error.h"

namespace deepsad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

RunRecord run(const std::string& column, std::uint64_t seed, double auc,
              const std::string& dataset = "cardio") {
  RunRecord record;
  record.setup.experiment = "classic";
  record.setup.dataset = dataset;
  record.setup.column = column;
  record.setup.normal_classes = {0};
  record.setup.n_known_classes = 1;
  record.setup.gamma_l = 0.01;
  record.setup.seed = seed;
  record.metrics = {{"test_auc", auc}, {"test_ap", auc / 2}};
  return record;
}

const ExperimentCell& cell_of(const Experiment& experiment, const std::string& column, std::size_t row = 0) {
  for (std::size_t c = 0; c < experiment.columns.size(); ++c)
    if (experiment.columns[c] == column) return experiment.rows.at(row).cells[c].value();
  throw InvalidArgument("no column " + column);
}

TEST(Published, HoldsEveryFigureOfTheTables) {
  const PublishedFigures& figures = published_figures();
  EXPECT_EQ(figures.figures.size(), 435U);
  EXPECT_EQ(figures.columns.size(), 13U);
  const PublishedFigure* cardio = figures.find("cardio", 0.01, 0, 1, "Deep SAD");
  ASSERT_NE(cardio, nullptr);
  EXPECT_DOUBLE_EQ(cardio->mean, 0.95);
  EXPECT_DOUBLE_EQ(cardio->standard_deviation, 0.016);
  EXPECT_EQ(cardio->n, 10U);
  EXPECT_DOUBLE_EQ(figures.find("cifar10", 0.2, 0, 1, "Deep SAD")->mean, 0.819);
  EXPECT_DOUBLE_EQ(figures.find("fmnist", 0.05, 0.1, 5, "SSAD hybrid")->mean, 0.868);
}

TEST(Published, MethodsWithoutLabelsHaveOneFigureForAll) {
  const PublishedFigures& figures = published_figures();
  for (const double gamma_l : {0.0, 0.01, 0.2})
    EXPECT_DOUBLE_EQ(figures.find("mnist", gamma_l, 0, 1, "OC-SVM raw")->mean, 0.96);
  // Nothing labelled is the same thing, whichever of the two is 0.
  EXPECT_DOUBLE_EQ(figures.find("mnist", 0.0, 0, 1, "Deep SAD")->mean, 0.928);
  EXPECT_DOUBLE_EQ(figures.find("mnist", 0.05, 0, 0, "Deep SAD")->mean, 0.928);
  EXPECT_DOUBLE_EQ(figures.find("mnist", 0.05, 0.1, 0, "Deep SAD")->mean, 0.865);
}

TEST(Published, PrefersTheTableThatIsNotDoubtful) {
  const PublishedFigures& figures = published_figures();
  EXPECT_DOUBLE_EQ(figures.find("mnist", 0.05, 0, 1, "SSAD raw")->mean, 0.979);
  EXPECT_TRUE(figures.find("mnist", 0.2, 0, 1, "SSAD raw")->doubtful);
  EXPECT_EQ(figures.find("mnist", 0.07, 0, 1, "Deep SAD"), nullptr);
  EXPECT_EQ(figures.find("glyphs", 0.01, 0, 1, "Deep SAD"), nullptr);
}

TEST(Published, NamesABadFile) {
  EXPECT_THAT([] { (void)parse_published_figures("{\"source\": 1}", "mine.json"); },
              ThrowsMessage<DataError>(HasSubstr("mine.json: not a file of published figures")));
}

TEST(Summary, ACellIsMeanDeviationAndDifferenceFromThePaper) {
  std::vector<RunRecord> records;
  const std::vector<double> values{0.93, 0.95, 0.94};
  for (std::size_t i = 0; i < values.size(); ++i) records.push_back(run("Deep SAD", i, values[i]));
  const auto experiments = summarize_experiments(records, published_figures(), "Deep SAD");
  ASSERT_EQ(experiments.size(), 1U);
  const ExperimentCell& cell = cell_of(experiments[0], "Deep SAD");
  EXPECT_EQ(cell.auc.n, 3U);
  EXPECT_DOUBLE_EQ(cell.auc.mean, 0.94);
  EXPECT_NEAR(cell.auc.standard_deviation, 0.01, 1e-12);
  EXPECT_DOUBLE_EQ(cell.average_precision.mean, 0.47);
  EXPECT_NEAR(cell.difference, -0.01, 1e-12);
  EXPECT_NEAR(cell.difference_error, std::sqrt(0.01 * 0.01 / 3 + 0.016 * 0.016 / 10), 1e-12);
  EXPECT_FALSE(cell.outside_noise());
}

TEST(Summary, OneSetupHasNoNoiseToJudgeBy) {
  const auto experiments =
      summarize_experiments(std::vector{run("Deep SAD", 1, 0.2)}, published_figures(), "Deep SAD");
  EXPECT_TRUE(std::isnan(cell_of(experiments[0], "Deep SAD").difference_error));
  EXPECT_FALSE(cell_of(experiments[0], "Deep SAD").outside_noise());
}

TEST(Summary, FarFromThePaperIsOutsideTheNoise) {
  std::vector<RunRecord> records;
  for (std::size_t i = 0; i < 10; ++i)
    records.push_back(run("Deep SAD", i, 0.80 + 0.001 * static_cast<double>(i)));
  EXPECT_TRUE(cell_of(summarize_experiments(records, published_figures(), "Deep SAD")[0], "Deep SAD")
                  .outside_noise());
}

TEST(Summary, TakesTheBetterVariantAndSaysSo) {
  std::vector<RunRecord> records;
  for (std::size_t seed = 0; seed < 3; ++seed) {
    records.push_back(run("Deep SVDD", seed, 0.7));
    records.back().setup.variant = "one-class";
    records.push_back(run("Deep SVDD", seed, 0.8));
    records.back().setup.variant = "soft-boundary";
  }
  const auto experiments = summarize_experiments(records, published_figures(), "Deep SAD");
  const ExperimentCell& cell = cell_of(experiments[0], "Deep SVDD");
  EXPECT_EQ(cell.variant, "soft-boundary");
  EXPECT_EQ(cell.n_variants, 2U);
  EXPECT_DOUBLE_EQ(cell.auc.mean, 0.8);
}

TEST(Summary, CountsFailuresAndMarksLeaks) {
  std::vector<RunRecord> records{run("OC-SVM raw", 1, 0.9), run("OC-SVM raw", 2, 0.0)};
  records[0].findings = {"test_leak"};
  records[1].state = RunState::failed;
  records[1].metrics.clear();
  const auto experiments = summarize_experiments(records, published_figures(), "Deep SAD");
  const ExperimentCell& cell = cell_of(experiments[0], "OC-SVM raw");
  EXPECT_EQ(cell.auc.n, 1U);
  EXPECT_EQ(cell.n_failed, 1U);
  EXPECT_TRUE(cell.leaky);
}

TEST(Summary, ColumnsStandInThePapersOrderTheUntrainedNetworkLast) {
  std::vector<RunRecord> records;
  for (const char* column : {"Mine", "Deep SAD", "CAE", "OC-SVM raw"}) records.push_back(run(column, 1, 0.9));
  records[1].metrics["untrained_auc"] = 0.6;
  const auto experiments = summarize_experiments(records, published_figures(), "Deep SAD");
  EXPECT_THAT(experiments[0].columns,
              ElementsAre("OC-SVM raw", "CAE", "Deep SAD", "Mine", "Deep SAD, untrained"));
  EXPECT_DOUBLE_EQ(cell_of(experiments[0], "Deep SAD, untrained").auc.mean, 0.6);
}

TEST(Summary, ComparesMethodsSetupBySetup) {
  std::vector<RunRecord> records;
  for (std::size_t seed = 0; seed < 5; ++seed) {
    const double d = 0.01 * static_cast<double>(seed + 1);
    records.push_back(run("Deep SAD", seed, 0.8 + d));
    records.push_back(run("CAE", seed, 0.8));           // always worse
    records.push_back(run("KDE raw", seed + 3, 0.5));   // two setups in common
    records.push_back(run("Supervised", seed + 9, 1));  // none
  }
  const auto experiments = summarize_experiments(records, published_figures(), "Deep SAD");
  const std::vector<Comparison>& comparisons = experiments[0].rows[0].comparisons;
  ASSERT_EQ(comparisons.size(), 2U);
  EXPECT_EQ(comparisons[0].column, "KDE raw");
  EXPECT_EQ(comparisons[0].n, 2U);
  EXPECT_EQ(comparisons[1].column, "CAE");
  EXPECT_EQ(comparisons[1].n, 5U);
  EXPECT_NEAR(comparisons[1].mean_difference, 0.03, 1e-15);
  EXPECT_EQ(comparisons[1].wilcoxon.p_value, 2.0 / 32);
  EXPECT_EQ(comparisons[1].holm_p, 4.0 / 32);  // the smaller of two
  EXPECT_EQ(comparisons[1].cliffs_delta, 1);
}

TEST(Summary, AnExperimentWithoutTheReferenceComparesWithItsFirstColumn) {
  std::vector<RunRecord> records{run("defaults", 1, 0.9), run("batch 200", 1, 0.8), run("Deep SAD", 1, 0.7)};
  records[2].setup.experiment = "other";
  records[0].metrics["untrained_auc"] = 0.6;
  const auto experiments = summarize_experiments(records, published_figures(), "Deep SAD");
  ASSERT_EQ(experiments.size(), 2U);
  EXPECT_EQ(experiments[0].reference, "defaults");
  EXPECT_THAT(experiments[0].columns, ElementsAre("defaults", "batch 200", "defaults, untrained"));
  EXPECT_EQ(experiments[0].rows[0].comparisons.size(), 2U);
  EXPECT_EQ(experiments[1].reference, "Deep SAD");
}

TEST(Summary, RanksTheMethodsOverNormalClasses) {
  std::vector<RunRecord> records;
  for (int normal = 0; normal < 6; ++normal) {
    for (std::uint64_t seed = 0; seed < 2; ++seed) {
      for (const auto& [column, auc] :
           {std::pair("Deep SAD", 0.9), std::pair("CAE", 0.8), std::pair("KDE raw", 0.7)}) {
        records.push_back(run(column, seed, auc + 0.01 * normal, "mnist"));
        records.back().setup.normal_classes = {normal};
      }
    }
  }
  records.push_back(run("SS-DGM", 0, 0.5, "mnist"));  // hardly begun
  const auto ranks = summarize_experiments(records, published_figures(), "Deep SAD")[0].ranks;
  ASSERT_TRUE(ranks.has_value());
  EXPECT_THAT(ranks->columns, ElementsAre("KDE raw", "CAE", "Deep SAD"));
  EXPECT_THAT(ranks->left_out, ElementsAre("SS-DGM"));
  EXPECT_TRUE(ranks->averaged_blocks);
  EXPECT_EQ(ranks->friedman.n_blocks, 6U);
  EXPECT_EQ(ranks->n_setups, 12U);
  EXPECT_THAT(ranks->friedman.average_ranks, ElementsAre(3, 2, 1));
  EXPECT_DOUBLE_EQ(ranks->critical_difference, nemenyi_critical_difference(3, 6, kRankAlpha));
}

TEST(Summary, FewDataSetsAreRankedSetupBySetup) {
  std::vector<RunRecord> records;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    records.push_back(run("Deep SAD", seed, 0.9));
    records.push_back(run("CAE", seed, 0.8));
  }
  const auto ranks = summarize_experiments(records, published_figures(), "Deep SAD")[0].ranks;
  ASSERT_TRUE(ranks.has_value());
  EXPECT_FALSE(ranks->averaged_blocks);
  EXPECT_EQ(ranks->friedman.n_blocks, 10U);
}

TEST(Summary, RowsAreInOrderOfTheirNumbers) {
  std::vector<RunRecord> records;
  for (const char* eta : {"10", "0.1", "1"}) {
    records.push_back(run("Deep SAD", 1, 0.9));
    records.back().setup.varied = {{"eta", eta}};
  }
  const Experiment experiment = summarize_experiments(records, published_figures(), "Deep SAD")[0];
  std::vector<std::string> etas;
  for (const ExperimentRow& row : experiment.rows) etas.push_back(row.key.varied.at("eta"));
  EXPECT_THAT(etas, ElementsAre("0.1", "1", "10"));
  EXPECT_FALSE(experiment.rows[0].cells[0]->published.has_value());
  EXPECT_FALSE(experiment.ranks.has_value());
  EXPECT_TRUE(summarize_experiments({}, published_figures(), "Deep SAD").empty());
}

}  // namespace
}  // namespace deepsad
