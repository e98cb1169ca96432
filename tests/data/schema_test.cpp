#include "deepsad/data/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "deepsad/core/error.h"
#include "support/files.h"

namespace deepsad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;

Schema example() {
  return Schema(
      {{.name = "age", .missing = MissingPolicy::impute, .imputed = 41.5, .why = "3 missing"},
       {.name = "col\"or\n", .kind = ColumnKind::one_hot, .categories = {"red", "gr\xc3\xbcn", "1"}},
       {.name = "grade", .kind = ColumnKind::ordinal, .categories = {"low", "high"}},
       {.name = "day", .kind = ColumnKind::date},
       {.name = "id", .kind = ColumnKind::id},
       {.name = "notes", .kind = ColumnKind::ignored, .why = "free text"},
       {.name = "status", .kind = ColumnKind::label}},
      {"na", "?"});
}

std::string refusal(std::vector<ColumnSchema> columns) {
  return message_of<InvalidArgument>([&] { Schema(std::move(columns), {}, "s"); });
}
std::string toml_refusal(const std::string& text) {
  return message_of<InvalidArgument>([&] { static_cast<void>(Schema::from_toml(text, "s.toml")); });
}

TEST(SchemaTest, KnowsItsFeatures) {
  EXPECT_THAT(example().feature_names(),
              ElementsAre("age", "age=missing", "col\"or\n=red", "col\"or\n=gr\xc3\xbcn", "col\"or\n=1",
                          "col\"or\n=other", "grade", "grade=other", "day"));
  EXPECT_EQ(example().features()[6].column, 2U);
  EXPECT_EQ(example().find("notes"), 5U);
  EXPECT_EQ(example().find(ColumnKind::label), 6U);
  EXPECT_EQ(example().find(ColumnKind::truth), std::nullopt);
}

TEST(SchemaTest, IsTheSameAfterTomlAndJson) {
  EXPECT_EQ(Schema::from_toml(example().to_toml(), "s.toml"), example());
  EXPECT_EQ(Schema::from_json(example().to_json(), "model"), example());
  const Schema numbers({{.name = "x", .missing = MissingPolicy::impute, .imputed = 1.0 / 3},
                        {.name = "y", .missing = MissingPolicy::impute, .imputed = -1e300},
                        {.name = "z", .missing = MissingPolicy::impute, .imputed = 12345678901234567890.0}},
                       {});
  EXPECT_EQ(Schema::from_toml(numbers.to_toml(), "s"), numbers);
  EXPECT_EQ(Schema::from_json(numbers.to_json(), "s"), numbers);
}

// An unseen category of an ordinal column becomes it, too; a column that was set to refuse may be set back.
TEST(SchemaTest, KeepsAnImputedValueOfColumnsThatRefuseMissingOnes) {
  const Schema schema(
      {{.name = "grade", .kind = ColumnKind::ordinal, .imputed = 0.5, .categories = {"low", "high"}},
       {.name = "age", .imputed = 41.5},
       {.name = "notes", .kind = ColumnKind::ignored, .imputed = 3}},
      {});
  EXPECT_EQ(Schema::from_toml(schema.to_toml(), "s"), schema);
  EXPECT_EQ(Schema::from_json(schema.to_json(), "s"), schema);
}

TEST(SchemaTest, IsDescribedForAPerson) {
  EXPECT_EQ(Schema({{.name = "age", .missing = MissingPolicy::impute, .imputed = 41.5, .why = "3 missing"},
                    {.name = "color", .kind = ColumnKind::one_hot, .categories = {"blue", "red"}},
                    {.name = "id", .kind = ColumnKind::ignored, .why = "constant: always 1"}},
                   {})
                .describe(),
            "3 columns, 5 features\n"
            "  age    number    missing: 41.5 and a feature of its own; 3 missing\n"
            "  color  one_hot   blue, red\n"
            "  id     ignored   constant: always 1\n");
}

TEST(SchemaTest, RefusesWhatContradictsItself) {
  EXPECT_THAT(refusal({{.name = "a"}, {.name = "a"}}),
              HasSubstr("s: column 2 (\"a\"): another column has this name"));
  EXPECT_THAT(refusal({{.name = ""}}), HasSubstr("has no name"));
  EXPECT_THAT(refusal({{.name = "a", .kind = ColumnKind::one_hot}}),
              HasSubstr("kind one_hot needs categories"));
  EXPECT_THAT(refusal({{.name = "a", .categories = {"x"}}}), HasSubstr("kind number has no categories"));
  EXPECT_THAT(refusal({{.name = "a", .kind = ColumnKind::one_hot, .categories = {"1", "1.0"}}}),
              HasSubstr("\"1.0\" is there twice"));
  EXPECT_THAT(refusal({{.name = "a", .kind = ColumnKind::one_hot, .categories = {""}}}),
              HasSubstr("means a missing value"));
  EXPECT_THAT(refusal({{.name = "a", .imputed = INFINITY}}), HasSubstr("must be a finite number"));
  EXPECT_THAT(refusal({{.name = "a", .kind = ColumnKind::label}, {.name = "b", .kind = ColumnKind::label}}),
              HasSubstr("another column is of kind label"));
  EXPECT_THAT(refusal({{.name = "a", .kind = ColumnKind::ignored}}), HasSubstr("no column gives a feature"));
}

TEST(SchemaTest, ATomlFileWithAMistakeIsRefusedByLine) {
  EXPECT_THAT(toml_refusal("x = 1\n"),
              HasSubstr("s.toml:1: unknown key \"x\"; known: missing_words, column"));
  EXPECT_THAT(toml_refusal("[[column]]\nname = \"a\"\nkind = \"numbr\"\n"),
              HasSubstr("s.toml:3: column 1, kind: unknown kind \"numbr\", did you mean \"number\"?"));
  EXPECT_THAT(toml_refusal("[[column]]\nname = \"a\"\n"), HasSubstr("s.toml:1: column 1: has no kind"));
  EXPECT_THAT(toml_refusal("[[column]]\nname = 3\nkind = \"number\"\n"),
              HasSubstr("s.toml:2: column 1, name: wanted a text"));
  EXPECT_THAT(toml_refusal("[[column]]\nname = \"a\"\nkind = \"number\"\nmissing = \"drop\"\n"),
              HasSubstr("s.toml:4: column 1, missing: found \"drop\", wanted \"refuse\" or \"impute\""));
  EXPECT_THAT(toml_refusal("[[column]\n"), HasSubstr("s.toml:1:"));
  EXPECT_THAT(toml_refusal("missing_words = []\n"), HasSubstr("has no list of columns"));
  EXPECT_THAT(message_of<InvalidArgument>([] { static_cast<void>(Schema::from_json("[1", "m")); }),
              HasSubstr("m: not valid JSON"));
}

}  // namespace
}  // namespace deepsad
