#include "deepsad/data/table_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>
#include <variant>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/storage/byte_stream.h"
#include "support/files.h"

namespace deepsad {
namespace {

using testing::bytes_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::message_of;
using testing::TempDir;
using testing::write_file;

std::unique_ptr<ByteStream> stream_of(const std::string& text) {
  return open_bytes({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, "t.csv");
}
Table read(const std::string& text, const TableOptions& options = {}) {
  return read_table(stream_of(text), options);
}
template <class E = DataError>
std::string refusal(const std::string& text, const TableOptions& options = {}) {
  return message_of<E>([&] { static_cast<void>(read(text, options)); });
}
const std::vector<double>& values(const Table& table) {
  return std::get<std::vector<double>>(table.data.values);
}
const ColumnSchema& column(const Table& table, const std::string& name) {
  return table.schema.columns().at(table.schema.find(name).value());
}

const std::string kPeople =
    "name,age,color,size,status\n"
    "p1,30,red,1.5,ok\n"
    "p2,,blue,2.5,fraud\n"
    "p3,50,red,3.5,\n"
    "p4,40,red,4.5,ok\n"
    "p5,20,blue,5.5,\n";

TEST(TableFile, BecomesRowsSchemaAndLabels) {
  const Table table = read(kPeople, {.label_column = "status", .id_column = "1"});
  EXPECT_THAT(table.data.feature_names,
              ElementsAre("age", "age=missing", "color=blue", "color=red", "color=other", "size"));
  EXPECT_THAT(values(table), ElementsAre(30, 0, 0, 1, 0, 1.5,  //
                                         35, 1, 1, 0, 0, 2.5,  //
                                         50, 0, 0, 1, 0, 3.5,  //
                                         40, 0, 0, 1, 0, 4.5,  //
                                         20, 0, 1, 0, 0, 5.5));
  EXPECT_EQ(table.data.size(), 5U);
  EXPECT_THAT(table.semi, ElementsAre(SemiLabel::normal, SemiLabel::anomaly, SemiLabel::unlabelled,
                                      SemiLabel::normal, SemiLabel::unlabelled));
  EXPECT_THAT(table.ids, ElementsAre("p1", "p2", "p3", "p4", "p5"));
  EXPECT_THAT(table.lines, ElementsAre(2, 3, 4, 5, 6));
  EXPECT_TRUE(table.truth.empty());
  EXPECT_EQ(column(table, "status").kind, ColumnKind::label);
  EXPECT_THAT(table.messages, ::testing::Contains("labels: 2 known normal, 1 known anomalous, 2 unlabelled"));
}

TEST(TableFile, AnUnknownLabelIsAnsweredWithTheWordsOfItsColumn) {
  const std::string text = "x,what,also\n1,ok,0\n2,scam,0\n3,gut,1\n4,gut,0\n5,,0\n";
  EXPECT_EQ(
      refusal(text, {.label_column = "what"}),
      "t.csv:3:3: found the label \"scam\", which is none of the words that are understood without a "
      "map; say what it means, for instance --label-map 'gut=anomaly,scam=anomaly,ok=normal,=unlabeled'");
  EXPECT_THAT(refusal(text, {.truth_column = "also"}), HasSubstr("--truth-map '0=normal,1=anomaly'"));
  // A record that cannot be read, further down, does not hide it.
  EXPECT_THAT(refusal(text + "6,7,8,9\n", {.label_column = "what"}), HasSubstr("t.csv:3:3: found the label"));
}

TEST(TableFile, TheSchemaItFindsEncodesTheSameRows) {
  for (const bool with_header : {true, false}) {
    const std::string text = with_header ? kPeople : kPeople.substr(kPeople.find('\n') + 1);
    TableOptions options{.label_column = "5", .id_column = "1"};
    const Table first = read(text, options);
    const Table again = read(text, {.schema = first.schema});
    EXPECT_EQ(values(again), values(first));
    EXPECT_EQ(again.semi, first.semi);
    EXPECT_EQ(again.ids, first.ids);
    TableRowReader rows(stream_of(text), first.schema);
    std::vector<double> streamed;
    TableChunk chunk;
    while (rows.next_chunk(2, chunk)) {
      EXPECT_LE(chunk.size(), 2U);
      streamed.insert(streamed.end(), chunk.values.begin(), chunk.values.end());
    }
    EXPECT_EQ(streamed, values(first));
  }
}

TEST(TableFile, ColumnsThatSayNothingAreIgnoredWithAReason) {
  std::string text = "x,const,copy,id,date,empty,text\n";
  for (int i = 0; i < 200; ++i)
    text += std::to_string(i % 7) + ",5," + std::to_string(i % 7) + ".0,id" + std::to_string(i) +
            ",2024-01-" + (i % 9 == 0 ? "11" : "12") + ",NA,t" + std::to_string(i % 70) + "\n";
  const Table table = read(text);
  EXPECT_THAT(table.data.feature_names, ElementsAre("x"));
  EXPECT_EQ(column(table, "const").why, "constant: always 5");
  EXPECT_EQ(column(table, "copy").why, "the same as column \"x\" in every row");
  EXPECT_THAT(column(table, "id").why, HasSubstr("more than 64 different texts"));
  EXPECT_EQ(column(table, "date").why, "dates, which become numbers only on request");
  EXPECT_EQ(column(table, "empty").why, "empty: no row has a value");
  const Table dated = read(text, {.category_columns = {"text"}, .dates = true});
  EXPECT_EQ(column(dated, "date").kind, ColumnKind::date);
  EXPECT_EQ(column(dated, "text").categories.size(), 70U);
  EXPECT_EQ(values(dated)[1], 19733.0);  // 2024-01-11, by Python's date.toordinal() - 719163
  EXPECT_EQ(values(read(text, {.schema = dated.schema})), values(dated));
}

TEST(TableFile, CategoriesThatAreNumbersAreComparedByValue) {
  std::string text = "grade,x\n";
  for (const char* grade : {"A", "1", "B", "01", "A", "1.0", "B", "B"})
    text += std::string(grade) + ",0\n" + grade + ",1\n";
  const Table table = read(text);
  EXPECT_THAT(column(table, "grade").categories, ElementsAre("1", "A", "B"));
  EXPECT_EQ(values(read(text, {.schema = table.schema})), values(table));
  const Table codes = read("code,x\n1,5\n2,6\n1,7\n", {.category_columns = {"code"}});
  EXPECT_THAT(values(codes), ElementsAre(1, 0, 0, 5, 0, 1, 0, 6, 1, 0, 0, 7));
}

TEST(TableFile, TextInAColumnOfNumbersIsNeverANumber) {
  EXPECT_EQ(refusal("a,b\n1,2\n3,x7\n5,6\n"),
            "t.csv:3:3: column \"b\": found \"x7\" in a column of numbers (2 numbers, 1 texts); declare it "
            "as a word "
            "for missing values, the column as categories, or ignore the column");
  EXPECT_THAT(refusal("a,b\n1,2\n3,inf\n5,6\n"), HasSubstr("t.csv:3:3: column \"b\": found \"inf\""));
  EXPECT_THAT(refusal("a,b\n1,2\n3,1e999\n5,6\n"), HasSubstr("found \"1e999\""));
  EXPECT_THAT(values(read("a,b\n1,2\n3,x7\n5,6\n", {.missing_words = {"X7"}})),
              ElementsAre(1, 2, 0, 3, 4, 1, 5, 6, 0));
  // A number among the words stands for itself however it is written.
  const Table table = read("a,b\n1,2\n3,-999.00\n5,6\n-999,7\n", {.missing_words = {"-999"}});
  EXPECT_THAT(values(table), ElementsAre(1, 0, 2, 0, 3, 0, 6, 1, 5, 0, 6, 0, 3, 1, 7, 0));
  EXPECT_THAT(
      refusal("a,b\n1,-999\n2,3\n", {.schema = read("a,b\n1,2\n3,4\n", {.missing_words = {"-999"}}).schema}),
      HasSubstr("t.csv:2:3: column \"b\": a missing value (\"-999\")"));
  EXPECT_THAT(values(read("a,b\n1,2\n3,x7\n5,6\n", {.ignore_columns = {"b"}})), ElementsAre(1, 3, 5));
}

TEST(TableFile, NumbersWithADecimalCommaAreNoCategories) {
  const std::string text = "a;b\n1,5;2\n2,5;4\n1,5;6\n2,5;9\n";
  EXPECT_THAT(
      refusal(text),
      HasSubstr("t.csv:2:1: column \"a\": found \"1,5\"; numbers with a decimal comma are read as texts"));
  EXPECT_EQ(read(text, {.category_columns = {"a"}}).data.n_features(), 4U);
  EXPECT_EQ(read(text, {.ignore_columns = {"a"}}).data.n_features(), 1U);
}

TEST(TableFile, AScoredTableMustHaveTheColumnsOfTheSchema) {
  const Schema schema = read(kPeople, {.label_column = "status", .id_column = "name"}).schema;
  const TableOptions options{.schema = schema};
  // Reordered by name, without labels and ids, with a category never seen.
  const Table table = read("size,color,age\n7,green,33\n", options);
  EXPECT_THAT(values(table), ElementsAre(33, 0, 0, 0, 1, 7));
  EXPECT_EQ(table.n_unseen[2], 1U);
  EXPECT_THAT(table.messages,
              ::testing::Contains(HasSubstr("column \"color\": 1 of 1 rows hold a category")));
  EXPECT_TRUE(table.ids.empty());
  EXPECT_EQ(
      refusal("size,colour,age,weight\n7,green,33,1\n", options),
      "t.csv: the columns are not those of the schema: missing \"color\", unknown \"colour\", \"weight\"");
  EXPECT_THAT(refusal("size,colour,age\n7,green,33\n", options), HasSubstr("was it renamed?"));
  EXPECT_EQ(refusal("size,color,age\n7,red,33\nbig,red,33\n", options),
            "t.csv:3:1: column \"size\": found \"big\", wanted a finite number");
  EXPECT_THAT(refusal("size,color,age\n,red,33\n", options),
              HasSubstr("t.csv:2:1: column \"size\": a missing value (\"\"), which the schema refuses"));
  EXPECT_EQ(values(read("33,green,7\n", options)), values(table));
  EXPECT_EQ(refusal("1,2\n", options),
            "t.csv: found 2 columns without a header, wanted the 5 of the schema, in its order, with or "
            "without labels "
            "and ids; with a header they are found by name");
}

TEST(TableFile, TrueLabelsAreAnotherColumn) {
  const std::string text = "x,known,real\n1,ok,ok\n2,,fraud\n";
  const Table table = read(text, {.label_column = "known", .truth_column = "real"});
  EXPECT_THAT(table.truth, ElementsAre(TrueLabel::normal, TrueLabel::anomaly));
  EXPECT_THAT(refusal<InvalidArgument>(text, {.label_column = "known", .truth_column = "known"}),
              HasSubstr("column \"known\" is to hold both the semi labels and the true labels"));
  EXPECT_THAT(refusal(text, {.truth_column = "known"}), HasSubstr("t.csv:3:3: \"\" is no true label"));
  // The column that trained as labels tells the truth when evaluating.
  EXPECT_THAT(
      read("x,known,real\n1,ok,ok\n2,fraud,\n", {.truth_column = "known", .schema = table.schema}).truth,
      ElementsAre(TrueLabel::normal, TrueLabel::anomaly));
  EXPECT_THAT(read("x,verdict\n1,ok\n2,fraud\n", {.truth_column = "verdict", .schema = table.schema}).truth,
              ElementsAre(TrueLabel::normal, TrueLabel::anomaly));
  EXPECT_THAT(refusal<InvalidArgument>(text, {.truth_column = "x", .schema = table.schema}),
              HasSubstr("column \"x\" is a feature in the schema"));
}

TEST(TableFile, ColumnsAreNamedOrCounted) {
  EXPECT_EQ(refusal<InvalidArgument>("age,b\n1,ok\n", {.label_column = "agee"}),
            "t.csv: the label column: there is no column \"agee\", did you mean \"age\"?; wanted a name or a "
            "position "
            "from 1 to 2");
  EXPECT_THAT(refusal<InvalidArgument>("age,b\n1,ok\n", {.label_column = "3"}),
              HasSubstr("there is no column \"3\""));
  EXPECT_THAT(refusal<InvalidArgument>("age,b\n1,ok\n", {.label_column = "0"}),
              HasSubstr("there is no column \"0\""));
  EXPECT_THAT(refusal("x,status\n1,weird\n", {.label_column = "status"}),
              HasSubstr("t.csv:2:3: found the label \"weird\""));
}

TEST(TableFile, LabelsMayLieInAFileOfTheirOwn) {
  const TempDir dir;
  const std::string path = dir.at("labels.csv");
  const auto with = [&](const std::string& labels, TableOptions options) {
    write_file(path, bytes_of(labels));
    options.labels_path = path;
    return options;
  };
  const std::string text = "id,x\na,1\nb,2\nc,3\n";
  EXPECT_THAT(read(text, with("ok\nfraud\n\"\"\n", {})).semi,
              ElementsAre(SemiLabel::normal, SemiLabel::anomaly, SemiLabel::unlabelled));
  EXPECT_THAT(read(text, with("verdict\nok\nfraud\n?\n", {})).semi,
              ElementsAre(SemiLabel::normal, SemiLabel::anomaly, SemiLabel::unlabelled));
  EXPECT_THAT(read(text, with("id,status\nc,fraud\na,ok\n", {.id_column = "id"})).semi,
              ElementsAre(SemiLabel::normal, SemiLabel::unlabelled, SemiLabel::anomaly));
  EXPECT_THAT(refusal(text, with("ok\nfraud\n", {})), HasSubstr("found 2 labels for the 3 rows of t.csv"));
  EXPECT_THAT(refusal(text, with("id,status\nz,fraud\n", {.id_column = "id"})),
              HasSubstr("t.csv has no row with the id \"z\""));
  EXPECT_THAT(refusal(text, with("id,status\na,ok\na,ok\n", {.id_column = "id"})),
              HasSubstr("the id \"a\" is there twice"));
}

TEST(TableFile, BadRowsCanBeSetAsideAndTheRestGoesOn) {
  const Schema schema = read("x,y\n1,2\n3,4\n").schema;
  TableRowOptions options;
  options.reject_rows = true;
  TableRowReader rows(stream_of("y,x\n1,2\n3\n4,bad\n\"5\n6,7\n"), schema, options);
  TableChunk chunk;
  ASSERT_TRUE(rows.next_chunk(100, chunk));
  EXPECT_THAT(chunk.values, ElementsAre(2, 1, 7, 6));
  EXPECT_THAT(chunk.lines, ElementsAre(2, 6));
  ASSERT_EQ(chunk.rejected.size(), 3U);
  EXPECT_EQ(chunk.rejected[0].line, 3U);
  EXPECT_EQ(chunk.rejected[1].reason, "t.csv:4:3: column \"x\": found \"bad\", wanted a finite number");
  EXPECT_THAT(chunk.rejected[2].reason, HasSubstr("t.csv:5:1: a quote opens here"));
  EXPECT_FALSE(rows.next_chunk(100, chunk));
}

TEST(TableFile, RowsBeforeABadOneComeBeforeItsError) {
  const Schema schema = read("x,y\n1,2\n3,4\n").schema;
  TableRowReader rows(stream_of("x,y\n1,2\n3,4\n5,bad\n6,7\n\"8\n"), schema);
  TableChunk chunk;
  ASSERT_TRUE(rows.next_chunk(100, chunk));
  EXPECT_THAT(chunk.values, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(chunk.lines, ElementsAre(2, 3));
  EXPECT_THAT(message_of<DataError>([&] { rows.next_chunk(100, chunk); }), HasSubstr("t.csv:4:3: "));
  EXPECT_EQ(chunk.size(), 2U);
  ASSERT_TRUE(rows.next_chunk(100, chunk));  // whoever wants goes on behind it
  EXPECT_THAT(chunk.values, ElementsAre(6, 7));
  EXPECT_THAT(message_of<DataError>([&] { rows.next_chunk(100, chunk); }), HasSubstr("t.csv:6:1: "));
  EXPECT_FALSE(rows.next_chunk(100, chunk));
}

TEST(TableFile, TextsOfAColumnAreClasses) {
  const std::string text = "x,kind,status\n1, a ,ok\n2,b,fraud\n3,,ok\n4,a,ok\n";
  const Table named = read(text, {.class_column = "kind"});
  EXPECT_THAT(named.classes, ElementsAre(0, 1, 2, 0));
  EXPECT_THAT(named.class_names, ElementsAre("a", "b", "(empty)"));
  EXPECT_EQ(named.schema, read(text, {}).schema);  // it stays a feature
  const Table labels = read(text, {.label_column = "status", .classes_of_labels = true});
  EXPECT_THAT(labels.class_names, ElementsAre("ok", "fraud"));
  EXPECT_THAT(read(text, {.label_column = "status"}).classes, IsEmpty());
  // One that the schema does not know is for this alone.
  const Schema schema = read("x\n1\n2\n", {}).schema;
  const Table beside = read("x,kind\n1,a\n2,b\n", {.class_column = "kind", .schema = schema});
  EXPECT_THAT(beside.classes, ElementsAre(0, 1));
  EXPECT_EQ(beside.data.n_features(), 1U);
  std::string many = "x,kind\n";
  for (std::size_t i = 0; i <= kMaxClasses; ++i)
    many += std::to_string(i % 7) + ",k" + std::to_string(i) + "\n";
  EXPECT_THAT(read(many, {.class_column = "kind"}).classes, IsEmpty());
  EXPECT_THAT(message_of<InvalidArgument>([&] { (void)read(text, {.class_column = "kin"}); }),
              HasSubstr("the class column: there is no column \"kin\", did you mean \"kind\"?"));
}

TEST(TableFile, AFollowedStreamGivesEachRowAsItComes) {
  // What a pipe holds at each read.
  class Pipe final : public ByteStream {
   public:
    Pipe() : ByteStream("pipe") {}
    std::string file_sha256() override { return ""; }

   private:
    std::size_t read_some(std::span<std::uint8_t> dst) override {
      constexpr std::array<std::string_view, 4> kPortions = {"x,y\n", "1,2\n3,", "4\n", "5,6\r\n7,8\n"};
      if (at_ == kPortions.size()) return 0;
      const std::string_view portion = kPortions[at_++];
      std::copy(portion.begin(), portion.end(), dst.begin());
      return portion.size();
    }
    std::size_t at_ = 0;
  };
  const Schema schema = read("x,y\n1,2\n3,4\n").schema;
  TableRowOptions options;
  options.text.eager = true;
  TableRowReader rows(std::make_unique<Pipe>(), schema, options);
  std::vector<std::size_t> sizes;
  TableChunk chunk;
  while (rows.next_chunk(100, chunk)) sizes.push_back(chunk.size());
  EXPECT_THAT(sizes, ElementsAre(1, 1, 2));
}

TEST(TableFile, StandardInputIsAFile) {
  const TempDir dir;
  for (const char* filter : {"none", "gzip"}) {
    const auto bytes = bytes_of("x,y\n1,2\n3,4\n");
    write_file(dir.at("in"), std::string(filter) == "none" ? bytes : testing::compress(filter, bytes));
    const int saved = ::dup(STDIN_FILENO);
    std::FILE* const in = std::fopen(dir.at("in").c_str(), "rb");
    ::dup2(::fileno(in), STDIN_FILENO);
    std::fclose(in);
    const Table table = read_table("-");
    ::dup2(saved, STDIN_FILENO);
    ::close(saved);
    EXPECT_EQ(table.data.name, "standard input");
    EXPECT_THAT(values(table), ElementsAre(1, 2, 3, 4));
  }
}

TEST(TableFile, RowsBeyondTheMostAreNotRead) {
  const Table table = read("x\n1\n2\n3\n", {.max_rows = 2});
  EXPECT_EQ(table.lines.size(), 2U);
  EXPECT_THAT(table.messages, ::testing::Contains("2 rows; those beyond were not asked for"));
}

TEST(TableFile, ATableNeedsRowsAndFeatures) {
  EXPECT_EQ(refusal("a,b\n"), "t.csv: holds no rows, wanted at least one");
  EXPECT_THAT(refusal("a,b\n1,1\n1,1\n"), HasSubstr("t.csv: no column gives a feature"));
}

// Rows that are held out change nothing: neither schema nor features of the others.
TEST(TableFile, ASchemaOfSomeRowsKnowsNothingOfTheOthers) {
  const auto read_some = [](const std::string& text, const std::vector<bool>& chosen) {
    return read_table([&] { return stream_of(text); }, {.label_column = "status"},
                      [&](const Table& labels) {
                        EXPECT_EQ(labels.semi.size(), chosen.size());
                        EXPECT_TRUE(labels.data.feature_names.empty());
                        return chosen;
                      });
  };
  const std::string head = "age,color,size,status\n";
  const std::string known = "30,red,1,ok\n,blue,2,fraud\n50,red,3,\n20,blue,4,ok\n";
  const std::vector<bool> chosen{true, true, true, true, false, false};
  const Table table = read_some(head + known + "90,green,5,ok\n1,red,6,\n", chosen);
  const Table alone = read(head + known, {.label_column = "status"});
  EXPECT_EQ(table.schema, alone.schema);
  EXPECT_THAT(table.refused, ::testing::IsEmpty());
  EXPECT_EQ(column(table, "age").imputed, 30);
  ASSERT_EQ(values(table).size(), 6 * table.schema.n_features());
  EXPECT_TRUE(std::equal(values(alone).begin(), values(alone).end(), values(table).begin()));
  EXPECT_THAT(std::vector<double>(values(table).end() - 12, values(table).end()),
              ElementsAre(90, 0, 0, 0, 1, 5,  // green is "other"
                          1, 0, 0, 1, 0, 6));
  EXPECT_THAT(table.n_unseen, ElementsAre(0, 1, 0, 0));

  // A missing value and a text where no chosen row has one: the schema stays, the rows are named.
  const Table odd = read_some(head + known + "1,red,,ok\n1,red,big,\n", chosen);
  EXPECT_EQ(odd.schema, alone.schema);
  ASSERT_EQ(odd.refused.size(), 2U);
  EXPECT_EQ(odd.refused[0].row, 4U);
  EXPECT_THAT(odd.refused[0].reason, HasSubstr("t.csv:6:7: column \"size\": a missing value"));
  EXPECT_THAT(odd.refused[1].reason, HasSubstr("t.csv:7:7: column \"size\": found \"big\""));
  // Chosen rows are held to what read_table() wants.
  EXPECT_THAT(
      message_of<DataError>([&] {
        (void)read_some(head + known + "1,red,7,ok\n1,red,big,\n", {true, true, true, true, true, true});
      }),
      HasSubstr("found \"big\" in a column of numbers"));
}

}  // namespace
}  // namespace deepsad
