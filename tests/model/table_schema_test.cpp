// The schema in the model file.
#include "deepsad/model/table_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/model/fit_model.h"
#include "support/errors.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

TableSchema people() {
  return {.schema = Schema(
              {{.name = "customer", .kind = ColumnKind::id, .categories = {}, .why = {}},
               {.name = "age",
                .missing = MissingPolicy::impute,
                .imputed = 41.5,
                .categories = {},
                .why = "2 missing"},
               {.name = "color", .kind = ColumnKind::one_hot, .categories = {"blue", "re\"d"}, .why = {}},
               {.name = "status", .kind = ColumnKind::label, .categories = {}, .why = {}}},
              {"na", "-"}),
          .label_map = LabelMap::parse("fraud=anomaly,\"o,k\"=normal,=unlabeled"),
          .truth_map = {},
          .source = "people.csv"};
}

// An isolation forest over as many features as `d`.
Model forest(std::size_t d, std::vector<std::string> names) {
  std::vector<double> values;
  for (std::size_t i = 0; i < 20 * d; ++i) values.push_back(static_cast<double>(i * i % 17));
  TrainOptions options = starting_options("none", "none", "isolation_forest");
  options.method = "isolation_forest";
  options.n_estimators = 3;
  options.seed = 3;
  options.example_rows = 0;
  options.training_profile = false;
  const RawRows rows{.values = MatrixView<const double>(values.data(), 20, d), .feature_names = names};
  return *fit_model(options, {.rows = rows, .semi = {}, .sample_shape = {}}, Observer{}, nullptr).model;
}

TEST(TableSchema, TravelsInTheModelFile) {
  const Model plain = forest(5, people().schema.feature_names());
  EXPECT_FALSE(plain.schema().has_value());
  const Model model = plain.with_schema(people());
  const Model again = Model::from_bytes(model.to_bytes(), "m");
  ASSERT_TRUE(again.schema().has_value());
  EXPECT_EQ(*again.schema(), people());
  EXPECT_TRUE(again.schema()->truth_map.is_built_in());
  EXPECT_EQ(again.to_bytes(), model.to_bytes());
  EXPECT_EQ(again.with_decision({{}, "", manual_threshold(1)}).schema(), again.schema());
}

TEST(TableSchema, NeedsVersionThreeAndIsShownByInspect) {
  const Model plain = forest(5, people().schema.feature_names());
  EXPECT_THAT(plain.inspect_json(), HasSubstr("\"format_version\": 1"));
  EXPECT_THAT(plain.inspect_json(), HasSubstr("\"table\": null"));
  const std::string shown = plain.with_schema(people()).inspect_json();
  for (const char* part :
       {"\"format_version\": 3", "people.csv", "fraud=anomaly", "41.5", "blue", "2 missing"})
    EXPECT_THAT(shown, HasSubstr(part));
}

TEST(TableSchema, MustHaveTheModelsFeatures) {
  EXPECT_THAT(message_of<InvalidArgument>([] { (void)forest(4, {}).with_schema(people()); }),
              HasSubstr("a schema of 5 features and samples of 4 do not fit"));
  EXPECT_THAT(message_of<InvalidArgument>([] {
                (void)forest(5, {"a", "b", "c", "d", "e"}).with_schema(people());
              }),
              HasSubstr("other names"));
}

}  // namespace
}  // namespace deepsad
