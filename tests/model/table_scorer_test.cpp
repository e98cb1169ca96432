#include "deepsad/model/table_scorer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "deepsad/model/fit_model.h"
#include "deepsad/storage/byte_stream.h"
#include "support/errors.h"

namespace deepsad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::message_of;

std::unique_ptr<ByteStream> stream_of(const std::string& text) {
  return open_bytes({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, "t.csv");
}

std::vector<ColumnSchema> columns() {
  return {{.name = "x", .missing = MissingPolicy::impute, .imputed = 0.5, .categories = {}, .why = {}},
          {.name = "color", .kind = ColumnKind::one_hot, .categories = {"blue", "red"}, .why = {}},
          {.name = "note", .kind = ColumnKind::ignored, .categories = {}, .why = {}},
          {.name = "status", .kind = ColumnKind::label, .categories = {}, .why = {}}};
}

// A forest on x, x=missing, color=blue, color=red, color=other.
std::shared_ptr<const Model> model_of(const std::vector<ColumnSchema>& schema, std::uint64_t seed = 3) {
  const Schema with(schema, {"na"});
  RandomStream random(1, "test");
  std::vector<double> values(300 * with.n_features());
  for (double& value : values) value = random.normal();
  TrainOptions options = starting_options("none", "none", "isolation_forest");
  options.method = "isolation_forest";
  options.n_estimators = 10;
  options.seed = seed;
  const RawRows rows{.values = MatrixView<const double>(values.data(), 300, with.n_features()),
                     .feature_names = {}};
  const Model model =
      *fit_model(options, {.rows = rows, .semi = {}, .sample_shape = {}}, Observer{}, nullptr).model;
  ThreadPool pool(1);
  ConformalCalibration calibration(model.score(rows, pool));
  Threshold threshold = choose_threshold({ThresholdKind::target_fpr, 0.1}, calibration, "300 rows");
  return std::make_shared<const Model>(
      model.with_decision({std::move(calibration), "300 rows", std::move(threshold)})
          .with_schema({.schema = with, .label_map = {}, .truth_map = {}, .source = "train.csv"}));
}

float score_of(const Model& model, std::vector<double> row) {
  ThreadPool pool(1);
  return model.score(
      RawRows{.values = MatrixView<const double>(row.data(), 1, row.size()), .feature_names = {}}, pool)[0];
}

// All rows, in chunks of so many.
ScoredChunk all(TableScorer& scorer, std::size_t chunk_rows) {
  ThreadPool pool(2);
  ScoredChunk result, chunk;
  while (scorer.next(chunk_rows, chunk, pool)) {
    for (std::size_t i = 0; i < chunk.rows.size(); ++i) {
      result.rows.scores.push_back(chunk.rows.scores[i]);
      result.rows.anomalous.push_back(chunk.rows.anomalous[i]);
      result.rows.p_values.push_back(chunk.rows.p_values[i]);
      result.names.push_back(chunk.names[i]);
    }
    result.rejected.insert(result.rejected.end(), chunk.rejected.begin(), chunk.rejected.end());
  }
  return result;
}

TEST(TableScorer, ScoresRowsAsTheSchemaSaysInAnyChunks) {
  const auto model = model_of(columns());
  const std::string text = "color,note,x\nred,a,1\ngreen,b,na\nblue,c,-2\n";  // reordered, without labels
  for (const std::size_t chunk_rows : {1U, 2U, 100U}) {
    TableScorer scorer(model, stream_of(text));
    const ScoredChunk got = all(scorer, chunk_rows);
    EXPECT_THAT(got.rows.scores,
                ElementsAre(score_of(*model, {1, 0, 0, 1, 0}), score_of(*model, {0.5, 1, 0, 0, 1}),
                            score_of(*model, {-2, 0, 1, 0, 0})));
    EXPECT_EQ(got.rows.p_values[0], model->decision().calibration->p_value(got.rows.scores[0]));
    EXPECT_THAT(got.names, ElementsAre("0", "1", "2"));
    EXPECT_THAT(scorer.unseen_messages(),
                ElementsAre(HasSubstr("column \"color\": 1 cells hold a category")));
  }
}

TEST(TableScorer, NamesTheColumnInTheWay) {
  const auto model = model_of(columns());
  const auto refusal = [&](const std::string& text) {
    return message_of<DataError>([&] {
      TableScorer scorer(model, stream_of(text));
      all(scorer, 10);
    });
  };
  EXPECT_THAT(refusal("x,note\n1,a\n"), HasSubstr("missing \"color\""));
  EXPECT_THAT(refusal("x,color,weight\n1,red,2\n"), HasSubstr("unknown \"weight\""));
  EXPECT_THAT(refusal("x,color\n1,red\nheavy,red\n"), HasSubstr("t.csv:3:1: column \"x\": found \"heavy\""));
}

TEST(TableScorer, RowsSetAsideCountInTheNamesOfTheOthers) {
  const auto model = model_of(columns());
  TableRowOptions options;
  options.reject_rows = true;
  for (const std::size_t chunk_rows : {1U, 3U, 100U}) {
    TableScorer scorer(model, stream_of("x,color\nbad,red\n1,red\n2,red,3\n\"a,b\n3,red\n4,blue\n"), {},
                       options);
    const ScoredChunk got = all(scorer, chunk_rows);
    EXPECT_THAT(got.names, ElementsAre("1", "4", "5"));
    ASSERT_EQ(got.rejected.size(), 3u);
    EXPECT_EQ(got.rejected[0].line, 2u);
    EXPECT_EQ(got.rejected[1].line, 4u);
    EXPECT_EQ(got.rejected[2].line, 5u);
    EXPECT_THAT(got.rejected[1].reason, HasSubstr("found 3 cells, wanted 2"));
  }
}

TEST(TableScorer, TakesNamesFromTheIdColumnAndAnotherThreshold) {
  std::vector<ColumnSchema> with_id = columns();
  with_id[2].kind = ColumnKind::id;
  const auto model = model_of(with_id);
  TableScorer scorer(model, stream_of("x,color,note\n1,red,r 7\n2,blue,r 8\n"), manual_threshold(-1));
  const ScoredChunk got = all(scorer, 10);
  EXPECT_THAT(got.names, ElementsAre("r 7", "r 8"));
  EXPECT_THAT(got.rows.anomalous, ElementsAre(1, 1));
}

TEST(TableScorer, AModelWithoutSchemaReadsNumbers) {
  const auto with = model_of(columns());
  RandomStream random(1, "test");
  std::vector<double> values(100);
  for (double& value : values) value = random.normal();
  TrainOptions options = starting_options("none", "none", "isolation_forest");
  options.method = "isolation_forest";
  options.seed = 1;
  const auto model =
      fit_model(options,
                {.rows = {.values = MatrixView<const double>(values.data(), 50, 2), .feature_names = {}},
                 .semi = {},
                 .sample_shape = {}},
                Observer{}, nullptr)
          .model;
  TableScorer scorer(model, stream_of("1 2\n3 4\n"));
  ThreadPool pool(1);
  ScoredChunk chunk;
  ASSERT_TRUE(scorer.next(10, chunk, pool));
  EXPECT_THAT(chunk.rows.scores, ElementsAre(score_of(*model, {1, 2}), score_of(*model, {3, 4})));
  EXPECT_THAT(chunk.rows.p_values, IsEmpty());
  EXPECT_FALSE(scorer.next(10, chunk, pool));
}

TEST(TableScorer, AnotherModelTakesOverIfItReadsTheColumns) {
  const auto first = model_of(columns());
  std::vector<ColumnSchema> more = columns();
  more[1].categories.emplace_back("green");
  const auto second = model_of(more, 5);
  std::vector<ColumnSchema> other = columns();
  other[0].name = "weight";
  TableScorer scorer(first, stream_of("x,color\n1,green\n1,green\n1,green\n"));
  ThreadPool pool(1);
  ScoredChunk chunk;
  scorer.next(1, chunk, pool);
  EXPECT_THAT(chunk.rows.scores, ElementsAre(score_of(*first, {1, 0, 0, 0, 1})));
  EXPECT_THAT(message_of<DataError>([&] { scorer.set_model(model_of(other)); }),
              HasSubstr("missing \"weight\""));
  scorer.next(1, chunk, pool);
  EXPECT_THAT(chunk.rows.scores, ElementsAre(score_of(*first, {1, 0, 0, 0, 1})));
  scorer.set_model(second);
  scorer.next(1, chunk, pool);
  EXPECT_THAT(chunk.rows.scores, ElementsAre(score_of(*second, {1, 0, 0, 0, 1, 0})));
  EXPECT_THAT(chunk.names, ElementsAre("2"));
}

}  // namespace
}  // namespace deepsad
