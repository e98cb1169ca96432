#include "deepsad/evaluation/data_check.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "evaluation/row_sketch.h"
#include "support/files.h"

namespace deepsad {
namespace {

using testing::bytes_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::message_of;
using testing::TempDir;

// A table without a defect: two measurements, a category, every tenth row an anomaly that lies a little
// apart.
struct Rows {
  std::vector<std::string> header{"x", "y", "color", "status"};
  std::vector<std::vector<std::string>> rows;

  explicit Rows(std::size_t n = 600, std::uint64_t seed = 1) {
    RandomStream random(seed, "data_check_test");
    for (std::size_t i = 0; i < n; ++i) {
      const bool anomaly = i % 10 == 3;
      const double shift = anomaly ? 1.5 : 0;
      rows.push_back({fmt::format("{:.5f}", random.normal() + shift),
                      fmt::format("{:.5f}", 10 * random.normal() - shift),
                      random.uniform() < 0.3 ? "red" : "blue", anomaly ? "fraud" : "ok"});
    }
  }
  // A further column before the status.
  Rows& with(const std::string& name, const std::function<std::string(std::size_t)>& cell) {
    header.insert(header.end() - 1, name);
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i].insert(rows[i].end() - 1, cell(i));
    return *this;
  }
  [[nodiscard]] bool anomaly(std::size_t i) const { return rows[i].back() == "fraud"; }
  [[nodiscard]] std::string text() const {
    std::string result;
    const auto add = [&](const std::vector<std::string>& cells) {
      for (std::size_t j = 0; j < cells.size(); ++j) result += (j == 0 ? "" : ",") + cells[j];
      result += "\n";
    };
    add(header);
    for (const auto& row : rows) add(row);
    return result;
  }
};

class DataCheckTest : public ::testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& text) {
    testing::write_file(folder_.at(name), bytes_of(text));
    return folder_.at(name);
  }
  DataCheck check(const Rows& rows, bool labelled = true) {
    DataCheckOptions options = options_;
    if (labelled)
      options.table.label_column = "status";
    else
      options.table.ignore_columns = {"status"};
    return check_data(file("t.csv", rows.text()), options);
  }
  static std::vector<std::string> names(const DataCheck& check) {
    std::vector<std::string> result;
    for (const DataFinding& finding : check.findings) result.push_back(finding.name);
    return result;
  }
  // The one finding there should be.
  DataFinding only(const DataCheck& check, const std::string& name) {
    EXPECT_THAT(names(check), ElementsAre(name)) << data_check_text(check);
    for (const DataFinding& finding : check.findings)
      if (finding.name == name) return finding;
    return {};
  }
  DataFinding only(const Rows& rows, const std::string& name) { return only(check(rows), name); }

  TempDir folder_;
  DataCheckOptions options_;
};

TEST_F(DataCheckTest, CleanDataHaveNoFindings) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const DataCheck with = check(Rows(600, seed)), without = check(Rows(600, seed), false);
    EXPECT_THAT(with.findings, IsEmpty()) << data_check_text(with);
    EXPECT_THAT(without.findings, IsEmpty()) << data_check_text(without);
    EXPECT_FALSE(with.worst());
  }
}

TEST_F(DataCheckTest, FewRowsAreNoReasonForFindings) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const DataCheck result = check(Rows(24, seed));
    EXPECT_EQ(names(result), std::vector<std::string>{"few_labelled_anomalies"}) << data_check_text(result);
  }
}

TEST_F(DataCheckTest, SummariesAreExact) {
  const DataCheck result =
      check_data(file("t.csv", "a,b,when\n1,x,2024-01-01\n3,,2024-01-02\n2,x,2024-01-03\n"));
  ASSERT_EQ(result.columns.size(), 3u);
  EXPECT_EQ(result.n_rows, 3u);
  EXPECT_EQ(result.n_sampled, 3u);
  EXPECT_EQ(result.columns[0].kind, "number");
  EXPECT_EQ(result.columns[0].min, 1);
  EXPECT_EQ(result.columns[0].median, 2);
  EXPECT_EQ(result.columns[0].max, 3);
  EXPECT_EQ(result.columns[1].kind, "text");
  EXPECT_EQ(result.columns[1].n_missing, 1u);
  EXPECT_EQ(result.columns[1].n_distinct, 1u);
  EXPECT_EQ(result.columns[2].kind, "date");
}

TEST_F(DataCheckTest, FindsANumberThatGivesTheLabelAway) {
  Rows rows;
  RandomStream random(7, "leak");
  rows.with("loss",
            [&](std::size_t i) { return fmt::format("{}", (rows.anomaly(i) ? 5 : 0) + random.uniform()); });
  const DataFinding finding = only(rows, "label_leak");
  EXPECT_THAT(finding.columns, ElementsAre("loss"));
  EXPECT_THAT(finding.seen, HasSubstr("ranks 60 anomalies above 540 normal rows with an AUC of 1.0000"));
  EXPECT_EQ(finding.severity, Severity::warning);
}

TEST_F(DataCheckTest, FindsACategoryThatGivesTheLabelAway) {
  Rows rows;
  rows.with("queue", [&](std::size_t i) { return rows.anomaly(i) ? "review" : i % 2 == 0 ? "a" : "b"; });
  const DataFinding finding = only(rows, "label_leak");
  EXPECT_THAT(finding.columns, ElementsAre("queue"));
  EXPECT_THAT(finding.seen, HasSubstr("\"review\" in 60 anomalies and 0 others"));
}

TEST_F(DataCheckTest, FindsANumberBetweenOthersThatGivesTheLabelAway) {
  Rows rows;
  rows.with("code", [&](std::size_t i) { return rows.anomaly(i) ? "2" : i % 2 == 0 ? "1" : "3"; });
  EXPECT_THAT(only(rows, "label_leak").columns, ElementsAre("code"));
}

TEST_F(DataCheckTest, FindsGapsThatTellTheLabel) {
  Rows rows;
  RandomStream random(7, "gap");
  rows.with("closed", [&](std::size_t i) {
    return rows.anomaly(i) == (i % 20 == 3) ? fmt::format("{}", random.normal()) : "";
  });
  const DataFinding finding = only(rows, "missing_tells_label");
  EXPECT_THAT(finding.seen, HasSubstr("missing in 50.0 % of 60 anomalies and 0.0 % of 540 normal rows"));
}

TEST_F(DataCheckTest, FindsTwoNumbersThatTogetherGiveTheLabelAway) {
  Rows rows;
  RandomStream random(7, "pair");
  std::vector<double> before;
  rows.with("before", [&](std::size_t) {
    before.push_back(100 * random.normal());
    return fmt::format("{:.4f}", before.back());
  });
  rows.with("after", [&](std::size_t i) {
    return fmt::format("{:.4f}", before[i] + (rows.anomaly(i) ? 1 : -1) * random.uniform(0.5, 1));
  });
  const DataFinding finding = only(rows, "pair_leak");
  EXPECT_THAT(finding.columns, ElementsAre("before", "after"));
}

TEST_F(DataCheckTest, FindsTwoCategoriesThatTogetherGiveTheLabelAway) {
  Rows rows;
  RandomStream random(7, "pair");
  std::vector<bool> first;
  rows.with("payer", [&](std::size_t) {
    first.push_back(random.uniform() < 0.5);
    return first.back() ? "bank" : "card";
  });
  rows.with("payee", [&](std::size_t i) { return first[i] != rows.anomaly(i) ? "north" : "south"; });
  const DataFinding finding = only(rows, "pair_leak");
  EXPECT_THAT(finding.columns, ElementsAre("payer", "payee"));
}

TEST_F(DataCheckTest, FindsCopiesOfRows) {
  Rows rows;
  for (std::size_t i = 0; i < 30; ++i) rows.rows.push_back(rows.rows[2 * i]);
  const DataCheck result = check(rows);
  EXPECT_EQ(result.n_duplicates, 30u);
  const DataFinding finding = only(result, "duplicate_rows");
  EXPECT_THAT(finding.seen, HasSubstr("30 of 630 rows"));
  EXPECT_THAT(finding.seen, HasSubstr("lines 2 and 602"));
}

TEST_F(DataCheckTest, CopiesAreFoundBehindRowNumbers) {
  Rows rows;
  for (std::size_t i = 0; i < 30; ++i) rows.rows.push_back(rows.rows[2 * i]);
  rows.with("nr", [](std::size_t i) { return std::to_string(i); });
  const DataCheck result = check(rows);
  EXPECT_THAT(names(result), ElementsAre("duplicate_rows", "id_like_column")) << data_check_text(result);
  EXPECT_EQ(result.n_duplicates, 30u);
}

TEST_F(DataCheckTest, FindsClashingLabels) {
  Rows rows;
  rows.rows.push_back(rows.rows[3]);
  rows.rows.back().back() = "ok";
  const DataFinding finding = only(rows, "label_clash");
  EXPECT_THAT(finding.seen, HasSubstr("2 rows"));
  EXPECT_THAT(finding.seen, HasSubstr("lines 5 and 602"));
}

TEST_F(DataCheckTest, FindsRowsAndColumnsThatTwoFilesShareOrNot) {
  const Rows train(600, 1);
  Rows test(300, 2);
  for (std::size_t i = 0; i < 40; ++i) test.rows[i] = train.rows[100 + i];
  options_.table.label_column = "status";
  const std::string a = file("a.csv", train.text());
  const DataCheck shared = check_data(a, options_, file("b.csv", test.text()));
  EXPECT_EQ(shared.n_in_other, 40u);
  EXPECT_THAT(only(shared, "rows_in_both").seen, HasSubstr("40 of 300 rows"));

  const DataCheck apart = check_data(a, options_, file("c.csv", Rows(300, 3).text()));
  EXPECT_EQ(apart.n_in_other, 0u);
  EXPECT_THAT(apart.findings, IsEmpty()) << data_check_text(apart);

  Rows other(300, 3);
  other.header = {"x", "z", "color", "status"};
  for (auto& row : other.rows) row[0] = row[0] + "0 kg";
  const DataCheck columns = check_data(a, options_, file("d.csv", other.text()));
  EXPECT_THAT(names(columns), ElementsAre("retyped_column", "missing_column", "missing_column"));

  Rows drifted(300, 3);
  for (auto& row : drifted.rows) row[1] = fmt::format("{}", std::stod(row[1]) + 8);
  EXPECT_THAT(only(check_data(a, options_, file("e.csv", drifted.text())), "drift").columns,
              ElementsAre("y"));
}

TEST_F(DataCheckTest, ColumnsOfTheOtherFileMayStandInAnotherOrder) {
  const Rows train(600, 1);
  std::string text = "status,y,x,color\n";
  for (std::size_t i = 0; i < 200; ++i)
    text +=
        fmt::format("{},{},{},{}\n", train.rows[i][3], train.rows[i][1], train.rows[i][0], train.rows[i][2]);
  options_.table.label_column = "status";
  const DataCheck result = check_data(file("a.csv", train.text()), options_, file("b.csv", text));
  EXPECT_EQ(result.n_in_other, 200u);
}

TEST_F(DataCheckTest, FindsColumnsThatSayNothing) {
  Rows rows;
  RandomStream random(7, "columns");
  EXPECT_THAT(only(Rows(rows).with("unit", [](std::size_t) { return "EUR"; }), "constant_column").columns,
              ElementsAre("unit"));
  EXPECT_THAT(only(Rows(rows).with("lost", [](std::size_t) { return "NA"; }), "empty_column").columns,
              ElementsAre("lost"));
  EXPECT_THAT(
      only(Rows(rows).with("flag", [](std::size_t i) { return i == 77 ? "1" : "0"; }), "near_constant_column")
          .seen,
      HasSubstr("599 of 600 rows hold 0"));
  EXPECT_THAT(
      only(Rows(rows).with(
               "gone", [&](std::size_t i) { return i % 3 == 0 ? fmt::format("{}", random.normal()) : ""; }),
           "mostly_missing")
          .seen,
      HasSubstr("400 of 600"));
  EXPECT_THAT(
      only(Rows(rows).with("x again", [&](std::size_t i) { return rows.rows[i][0]; }), "duplicate_column")
          .columns,
      ElementsAre("x", "x again"));
  EXPECT_THAT(only(Rows(rows).with("grams",
                                   [&](std::size_t i) {
                                     return fmt::format("{:.6f}", -1000 * std::stod(rows.rows[i][0]));
                                   }),
                   "scaled_copy")
                  .columns,
              ElementsAre("x", "grams"));
}

TEST_F(DataCheckTest, NotesOnManyColumnsAreOne) {
  Rows rows;
  for (int j = 0; j < 8; ++j) rows.with(fmt::format("c{}", j), [](std::size_t) { return "1"; });
  const DataFinding finding = only(check(rows), "constant_column");
  EXPECT_EQ(finding.columns.size(), 8u);
  EXPECT_EQ(finding.seen,
            "8 columns: c0: every row holds 1; c1: every row holds 1; c2: every row holds 1; ...");
}

TEST_F(DataCheckTest, FindsNumbersThatAreWild) {
  RandomStream random(7, "wild");
  const auto number = [&](std::size_t) { return fmt::format("{:.4f}", random.normal()); };
  const DataFinding wild = only(
      Rows().with("price", [&](std::size_t i) { return i == 100 ? "100000" : number(i); }), "wild_feature");
  EXPECT_THAT(wild.seen, HasSubstr("100000 (the extreme in line 102)"));
  const DataFinding sentinel = only(
      Rows().with("temp", [&](std::size_t i) { return i % 50 == 0 ? "-999" : number(i); }), "sentinel_value");
  EXPECT_THAT(sentinel.seen, HasSubstr("12 of 600 values are -999"));
  EXPECT_THAT(sentinel.advice, HasSubstr("--missing-words -999"));
}

TEST_F(DataCheckTest, FindsNumbersThatAreNames) {
  EXPECT_THAT(
      only(Rows().with("nr", [](std::size_t i) { return std::to_string(5000 + i); }), "id_like_column").seen,
      HasSubstr("rising by one"));
  const std::vector<std::size_t> order = RandomStream(7, "ids").permutation(600);
  EXPECT_THAT(
      only(Rows().with("case", [&](std::size_t i) { return std::to_string(order[i]); }), "id_like_column")
          .columns,
      ElementsAre("case"));
  EXPECT_THAT(
      only(Rows().with("customer_id", [&](std::size_t i) { return std::to_string(order[i] * order[i] * 7); }),
           "id_like_column")
          .columns,
      ElementsAre("customer_id"));
}

TEST_F(DataCheckTest, FindsAHeaderInTheWrongPlace) {
  // As scikit-learn ships its tables: a line of sizes above the names, or in their place.
  std::string rows;
  for (int i = 0; i < 200; ++i) rows += fmt::format("{}.5,{}.25,{}\n", i * 37 % 83, i * 53 % 71, i * 7 % 3);
  const DataCheck inside = check_data(file("t.csv", "200,3,\nCRIM,ZN,CLASS\n" + rows));
  ASSERT_EQ(names(inside), std::vector<std::string>{"header_inside"});
  EXPECT_EQ(inside.findings[0].severity, Severity::problem);
  EXPECT_EQ(inside.findings[0].seen,
            "line 2 holds texts in 3 columns of numbers: \"CRIM\", \"ZN\", \"CLASS\"");
  EXPECT_THAT(inside.findings[0].advice, HasSubstr("--skip-lines 1"));
  const DataCheck sizes = check_data(file("t.csv", "200,3,setosa\n" + rows));
  ASSERT_EQ(names(sizes), std::vector<std::string>{"number_as_name"});
  EXPECT_THAT(sizes.findings[0].columns, ElementsAre("200", "3"));
  EXPECT_THAT(names(check_data(file("pandas.csv", "0,1,2\n" + rows))), IsEmpty());
}

TEST_F(DataCheckTest, FindsCellsOfTheWrongType) {
  RandomStream random(7, "types");
  const auto number = [&](std::size_t) { return fmt::format("{:.3f}", random.normal()); };
  const DataFinding mixed =
      only(Rows().with("age", [&](std::size_t i) { return i == 50 ? "unknown" : number(i); }), "mixed_types");
  EXPECT_EQ(mixed.severity, Severity::problem);
  EXPECT_THAT(mixed.seen, HasSubstr("599 numbers and 1 texts, such as \"unknown\" in line 52"));
  EXPECT_EQ(
      only(Rows().with("code", [&](std::size_t i) { return i % 3 == 0   ? "7"
                                                           : i % 3 == 1 ? "A"
                                                                        : "B"; }),
           "mixed_types")
          .severity,
      Severity::note);
  EXPECT_THAT(
      names(check(Rows().with("kg", [&](std::size_t i) { return "\"" + std::to_string(i % 9) + ",5\""; }))),
      ElementsAre("decimal_comma"));
  EXPECT_THAT(names(check(Rows().with("kg", [&](std::size_t i) { return std::to_string(i % 9) + " kg"; }))),
              ElementsAre("numbers_with_units"));
  EXPECT_THAT(names(check(Rows().with(
                  "city", [&](std::size_t i) { return i % 3 == 0   ? "Bonn"
                                                      : i % 3 == 1 ? "bonn"
                                                                   : "Ulm"; }))),
              ElementsAre("category_variants"));
  EXPECT_THAT(names(check(Rows().with("remark", [&](std::size_t i) { return fmt::format("remark {}", i); }))),
              ElementsAre("text_left_out"));
}

TEST_F(DataCheckTest, FindsSuspiciousDates) {
  options_.today = 20'000;  // 2024-10-04
  const auto day = [](std::size_t i) { return fmt::format("2024-0{}-1{}", 1 + i % 9, i % 8); };
  EXPECT_THAT(check(Rows().with("on", day)).findings, IsEmpty());
  EXPECT_THAT(only(Rows().with("on", [&](std::size_t i) { return i % 40 == 0 ? "1970-01-01" : day(i); }),
                   "suspicious_dates")
                  .seen,
              HasSubstr("15 of 600 dates are 1970-01-01"));
  EXPECT_THAT(only(Rows().with("on", [&](std::size_t i) { return i == 9 ? "2042-01-01" : day(i); }),
                   "suspicious_dates")
                  .seen,
              HasSubstr("1 of 600 dates lie in the future, such as \"2042-01-01\" in line 11"));
  EXPECT_THAT(only(Rows().with("on", [](std::size_t i) { return i % 2 == 0 ? "31/01/2024" : "01/31/2024"; }),
                   "mixed_date_formats")
                  .seen,
              HasSubstr("300 dates have the day first, 300 the month first"));
  EXPECT_EQ(only(Rows().with("at", [](std::size_t i) { return i % 2 == 0 ? "1/1/2024" : "2/2/2024"; }),
                 "local_dates")
                .severity,
            Severity::note);
}

TEST_F(DataCheckTest, FindsWhatIsWrongWithLabels) {
  Rows flipped;
  for (auto& row : flipped.rows) row.back() = row.back() == "ok" ? "fraud" : "ok";
  EXPECT_THAT(names(check(flipped)), ElementsAre("anomalies_in_majority"));

  options_.table.truth_column = "status";
  Rows normal;
  for (auto& row : normal.rows) row.back() = "ok";
  EXPECT_THAT(names(check_data(file("n.csv", normal.text()), options_)), ElementsAre("one_class_truth"));

  const DataCheck unnamed = check_data(file("u.csv", Rows().text()));
  EXPECT_THAT(only(unnamed, "unnamed_label").columns, ElementsAre("status"));
}

TEST_F(DataCheckTest, FindsRowsThatCannotBeRead) {
  const std::string text = Rows(50).text() + "1,2\n,,,\n3,4,red,ok\n";
  options_.table.ignore_columns = {"status"};
  const DataCheck result = check_data(file("t.csv", text), options_);
  EXPECT_THAT(names(result), ElementsAre("bad_rows", "empty_rows"));
  EXPECT_EQ(result.n_bad_rows, 1u);
  EXPECT_EQ(result.n_rows, 52u);
  EXPECT_THAT(result.findings[0].seen, HasSubstr("t.csv:52"));
  EXPECT_EQ(result.worst(), Severity::problem);
}

TEST_F(DataCheckTest, RefusesWhatItCannotCheck) {
  options_.table.label_column = "statuss";
  const std::string path = file("t.csv", Rows(50).text());
  EXPECT_THAT(message_of<InvalidArgument>([&] { (void)check_data(path, options_); }),
              HasSubstr("did you mean \"status\""));
  options_.table.label_column = "color";
  EXPECT_THAT(message_of<DataError>([&] { (void)check_data(path, options_); }), HasSubstr("t.csv:2:"));
  EXPECT_THAT(message_of<DataError>([&] { (void)check_data(file("e.csv", "a,b\n"), {}); }),
              HasSubstr("no rows"));
}

TEST_F(DataCheckTest, SaysWhatTheLabelsAllow) {
  const DataCheck result = check(Rows());
  ASSERT_EQ(result.allowances.size(), 3u);
  EXPECT_THAT(result.allowances[0], HasSubstr("a fifth of the 540 normal rows is 108 for calibration"));
  EXPECT_THAT(result.allowances[0], HasSubstr("10 %, 5 %, 1 %"));
  EXPECT_THAT(result.allowances[1],
              HasSubstr("60 labelled anomalies are 10 % of the rows, 13 in a batch of 128"));
}

TEST_F(DataCheckTest, ASampleFindsWhatAllRowsWould) {
  Rows rows(3000);
  rows.with("queue", [&](std::size_t i) { return rows.anomaly(i) ? "review" : i % 2 == 0 ? "a" : "b"; });
  for (std::size_t i = 0; i < 300; ++i) rows.rows.push_back(rows.rows[2 * i]);
  options_.max_sample_cells = 2000;  // 400 rows
  options_.max_distinct_rows = 500;
  const DataCheck result = check(rows);
  EXPECT_EQ(result.n_sampled, 400u);
  EXPECT_THAT(names(result), ElementsAre("duplicate_rows", "label_leak")) << data_check_text(result);
  EXPECT_NEAR(static_cast<double>(result.n_duplicates), 300, 200);
  EXPECT_EQ(data_check_json(result), data_check_json(check(rows)));
}

TEST_F(DataCheckTest, TextAndJsonSayTheSame) {
  const DataCheck result = check(Rows().with("nr", [](std::size_t i) { return std::to_string(i); }));
  const auto json = nlohmann::json::parse(data_check_json(result));
  EXPECT_EQ(json.at("rows"), 600);
  EXPECT_EQ(json.at("labels").at("anomaly"), 60);
  EXPECT_EQ(json.at("findings").at(0).at("name"), "id_like_column");
  EXPECT_EQ(json.at("findings").at(0).at("severity"), "warning");
  EXPECT_EQ(json.at("columns").at(3).at("name"), "nr");
  const std::string text = data_check_text(result);
  EXPECT_THAT(text, HasSubstr("warning: id_like_column: nr\n"));
  EXPECT_THAT(text, HasSubstr("0 problems, 1 warnings, 0 notes\n"));
}

TEST(RowSketch, EstimatesWithoutBias) {
  double sum = 0;
  constexpr int kTries = 400;
  for (std::uint64_t seed = 0; seed < kTries; ++seed) {
    RowSketch sketch(100);
    RandomStream random(seed, "sketch_test");
    for (std::uint64_t i = 0; i < 1000; ++i) {
      const std::uint64_t hash = random.next_u64();
      sketch.add(hash, SemiLabel::unlabelled, i + 1);
      if (i % 5 == 0) sketch.add(hash, SemiLabel::unlabelled, i + 5000);
    }
    sum += static_cast<double>(sketch.copies().n_copies);
  }
  // Of 200 copies about one in 16 is seen: the mean's standard deviation is sqrt(200 * 16 / kTries), 3.
  EXPECT_NEAR(sum / kTries, 200, 12);
}

TEST(RowSketch, KeepsAllCopiesOfARowOrNone) {
  RowSketch exact(1000), small(64), other(64);
  for (std::uint64_t i = 0; i < 900; ++i) {
    for (RowSketch* sketch : {&exact, &small}) {
      sketch->add(scrambled(i), SemiLabel::normal, i + 1);
      sketch->add(scrambled(i), i % 2 == 0 ? SemiLabel::anomaly : SemiLabel::normal, i + 1000);
    }
    if (i < 450) other.add(scrambled(i), SemiLabel::unlabelled, i + 1);
  }
  EXPECT_EQ(exact.copies().n_copies, 900u);
  EXPECT_EQ(exact.copies().n_clashing, 900u);
  EXPECT_EQ(exact.copies().first_line, 1u);
  EXPECT_EQ(exact.copies().second_line, 1000u);
  EXPECT_GT(small.scale(), 1u);
  EXPECT_NEAR(static_cast<double>(small.copies().n_copies), 900, 400);
  EXPECT_EQ(exact.common_rows(exact).n_rows, 1800u);
  EXPECT_NEAR(static_cast<double>(exact.common_rows(other).n_rows), 450, 200);
}

}  // namespace
}  // namespace deepsad
