#include "deepsad/data/labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/label_words.h"
#include "deepsad/core/error.h"
#include "support/files.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

std::string unknown(const LabelMap& map, const std::string& cell) {
  return message_of<DataError>([&] { static_cast<void>(map.label_of(cell, "x.csv:7:3")); });
}
std::string bad_map(const std::string& text) {
  return message_of<InvalidArgument>([&] { static_cast<void>(LabelMap::parse(text)); });
}

TEST(Labels, WordsAreUnderstoodWithoutAMap) {
  const LabelMap words;
  for (const char* word : {"normal", "Normal", "OK", "good", "benign", "inlier"})
    EXPECT_EQ(words.find(word), SemiLabel::normal) << word;
  for (const char* word : {"anomaly", "ANOMALOUS", "outlier", "fraud", " attack "})
    EXPECT_EQ(words.find(word), SemiLabel::anomaly) << word;
  for (const char* word : {"", "  ", "unlabeled", "unlabelled", "Unknown", "NA", "?"})
    EXPECT_EQ(words.find(word), SemiLabel::unlabelled) << word;
  EXPECT_EQ(words.find("setosa"), std::nullopt);
  EXPECT_EQ(
      unknown(words, "setosa"),
      "x.csv:7:3: found the label \"setosa\", which is none of the words that are understood without a map; "
      "say what it means, for instance --label-map 'setosa=anomaly'");
}

TEST(Labels, NumbersAreRefusedWithoutAMap) {
  const LabelMap words;
  for (const char* number : {"0", "1", "-1", "1.0", " 1"})
    EXPECT_EQ(words.find(number), std::nullopt) << number;
  EXPECT_THAT(unknown(words, "1"), HasSubstr("1 means anomaly in some tools and normal in others"));
  EXPECT_THAT(unknown(words, "1"), HasSubstr("--label-map '1=anomaly'"));
}

TEST(Labels, AnUnknownWordIsAnsweredWithAMapOfTheWordsThatAreThere) {
  const auto example = [](const std::string& cell, const LabelWords& words, LabelKind kind) {
    const std::string text =
        message_of<DataError>([&] { refuse_label(LabelMap(), cell, "x.csv:7:3", kind, words); });
    return text.substr(text.find("for instance ") + 13);
  };
  const auto semi = [&](const std::string& cell, const LabelWords& words) {
    return example(cell, words, LabelKind::semi);
  };
  EXPECT_EQ(semi("1", {{"0", 900}, {"1", 20}}), "--label-map '0=normal,1=anomaly'");
  EXPECT_EQ(semi("1.0", {{"0", 1}, {"1", 2}}), "--label-map '1=normal,0=anomaly'");
  EXPECT_EQ(semi("gut", {{"gut", 90}, {"", 900}, {"betrug", 20}}),
            "--label-map 'gut=normal,betrug=anomaly,=unlabeled'");
  EXPECT_EQ(semi("x", {{"x", 3}, {"", 9}}), "--label-map 'x=anomaly,=unlabeled'");
  // Words that are understood without a map keep their meaning in it.
  EXPECT_EQ(semi("scam", {{"ok", 3}, {"scam", 5}, {"unknown", 2}}),
            "--label-map 'scam=anomaly,ok=normal,unknown=unlabeled'");
  EXPECT_EQ(semi("a,b", {{"a,b", 1}}), "--label-map '\"a,b\"=anomaly'");
  EXPECT_EQ(semi("a", {{"a", 9}, {"b", 8}, {"c", 7}, {"d", 6}, {"e", 5}, {"f", 4}, {"g", 3}}),
            "--label-map 'a=normal,b=anomaly,c=anomaly,d=anomaly,e=anomaly,f=anomaly,...'");
  EXPECT_EQ(example("1", {{"0", 9}, {"1", 2}}, LabelKind::truth), "--truth-map '0=normal,1=anomaly'");
}

TEST(Labels, AMapSaysWhatIsWhatAndNothingElseCounts) {
  const LabelMap map =
      LabelMap::parse("fraud = anomaly, ok=Normal,=unlabeled,\"a,\"\"b\"\"=\"=anomaly,1=anomaly");
  EXPECT_EQ(map.label_of("fraud", ""), SemiLabel::anomaly);
  EXPECT_EQ(map.label_of(" ok ", ""), SemiLabel::normal);
  EXPECT_EQ(map.label_of("", ""), SemiLabel::unlabelled);
  EXPECT_EQ(map.label_of("a,\"b\"=", ""), SemiLabel::anomaly);
  EXPECT_EQ(map.label_of("1.0", ""), SemiLabel::anomaly);
  EXPECT_EQ(map.find("OK"), std::nullopt);
  EXPECT_EQ(map.find("normal"), std::nullopt);
  EXPECT_EQ(LabelMap::parse(map.text()), map);
  EXPECT_EQ(
      unknown(LabelMap::parse("ok=normal"), "fraud"),
      "x.csv:7:3: the label map has no \"fraud\"; add fraud=normal, fraud=anomaly or fraud=unlabeled to it "
      "(it is 'ok=normal')");
}

TEST(Labels, AMapThatIsNoneIsRefusedByPosition) {
  EXPECT_THAT(bad_map("a=b"),
              HasSubstr("label map 'a=b': character 3: found \"b\", wanted normal, anomaly or unlabeled"));
  EXPECT_THAT(bad_map("a"), HasSubstr("character 2: found the end, wanted = after \"a\""));
  EXPECT_THAT(bad_map("a=normal,"), HasSubstr("wanted a further WORD=CLASS after the comma"));
  EXPECT_THAT(bad_map("a=normal,a=anomaly"), HasSubstr("character 10: \"a\" is there twice"));
  EXPECT_THAT(bad_map("1=normal,1.0=anomaly"), HasSubstr("\"1.0\" is there twice"));
  EXPECT_THAT(bad_map("\"a=normal"), HasSubstr("character 1: a quote opens here and is never closed"));
  EXPECT_THAT(bad_map(" "), HasSubstr("the map is empty"));
}

TEST(Labels, TrueLabelsAreNeverUnlabelled) {
  const LabelMap words;
  EXPECT_EQ(words.truth_of("ok", ""), TrueLabel::normal);
  EXPECT_EQ(words.truth_of("fraud", ""), TrueLabel::anomaly);
  EXPECT_THAT(message_of<DataError>([&] { static_cast<void>(words.truth_of("", "x.csv:2:1")); }),
              HasSubstr("x.csv:2:1: \"\" is no true label"));
}

TEST(Labels, AreCounted) {
  const LabelCounts counts =
      count_labels({SemiLabel::normal, SemiLabel::anomaly, SemiLabel::unlabelled, SemiLabel::normal});
  EXPECT_EQ(counts, (LabelCounts{2, 1, 1}));
  EXPECT_EQ(counts.text(), "2 known normal, 1 known anomalous, 1 unlabelled");
}

}  // namespace
}  // namespace deepsad
