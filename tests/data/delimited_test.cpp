#include "deepsad/data/delimited.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <charconv>
#include <clocale>
#include <cmath>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/data/schema.h"
#include "deepsad/storage/byte_stream.h"
#include "support/files.h"

namespace deepsad {
namespace {

using testing::bytes_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;

using Rows = std::vector<std::vector<std::string>>;

// A stream that hands out a few bytes at a time, as a pipe does.
class Trickle final : public ByteStream {
 public:
  Trickle(std::string text, std::size_t portion)
      : ByteStream("t.csv"), text_(std::move(text)), portion_(portion) {}
  std::string file_sha256() override { return ""; }

 private:
  std::size_t read_some(std::span<std::uint8_t> dst) override {
    const std::size_t n = std::min({dst.size(), portion_, text_.size() - at_});
    std::copy_n(text_.begin() + static_cast<std::ptrdiff_t>(at_), n, dst.begin());
    at_ += n;
    return n;
  }
  std::string text_;
  std::size_t portion_;
  std::size_t at_ = 0;
};

struct Read {
  Dialect dialect;
  std::vector<std::string> names;
  Rows rows;
  std::vector<std::uint64_t> lines;
  std::vector<std::string> messages;
};

Read read_portions(const std::string& text, std::size_t portion, const DelimitedOptions& options) {
  DelimitedReader reader(std::make_unique<Trickle>(text, portion), options);
  Read read{reader.dialect(), reader.column_names(), {}, {}, reader.messages()};
  while (reader.next()) {
    auto& row = read.rows.emplace_back();
    for (const Cell& cell : reader.cells()) row.emplace_back(cell.text);
    read.lines.push_back(reader.line());
  }
  return read;
}

// The same whatever the portions that the text comes in.
Read read_text(const std::string& text, const DelimitedOptions& options = {}) {
  Read whole = read_portions(text, text.size() + 1, options);
  for (const std::size_t portion : {1UL, 2UL, 3UL, 7UL}) {
    const Read again = read_portions(text, portion, options);
    EXPECT_EQ(again.rows, whole.rows) << portion;
    EXPECT_EQ(again.lines, whole.lines) << portion;
    EXPECT_EQ(again.names, whole.names) << portion;
  }
  return whole;
}

std::string refusal(const std::string& text, const DelimitedOptions& options = {}) {
  return message_of<DataError>([&] { static_cast<void>(read_portions(text, text.size() + 1, options)); });
}

TEST(Delimited, ReadsQuotesLineEndsAndEmbeddedNewlinesAsRfc4180Says) {
  const Read read = read_text("a,b,c\r\n1,\"x, \"\"y\"\"\",3\r\n\"line\r\nbreak\",,\"\"\r\n4,5,6");
  EXPECT_THAT(read.names, ElementsAre("a", "b", "c"));
  EXPECT_EQ(read.rows, (Rows{{"1", "x, \"y\"", "3"}, {"line\r\nbreak", "", ""}, {"4", "5", "6"}}));
  EXPECT_THAT(read.lines, ElementsAre(2, 3, 5));
}

TEST(Delimited, AcceptsMarksBlankLinesOldLineEndsAndSpacesBeforeQuotes) {
  EXPECT_EQ(read_text("\xef\xbb\xbf"
                      "a,b\n1,2\n")
                .names,
            (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(read_text("a,b\n\n1,2\n  \n3,4\n\n").rows, (Rows{{"1", "2"}, {"3", "4"}}));
  EXPECT_THAT(read_text("a,b\n\n1,2\n  \n3,4\n\n").lines, ElementsAre(3, 5));
  EXPECT_EQ(read_text("a,b\r1,2\r3,4\r").rows, (Rows{{"1", "2"}, {"3", "4"}}));
  EXPECT_EQ(read_text("a,b\n1, \"x,y\" \n").rows, (Rows{{"1", "x,y"}}));
  EXPECT_EQ(read_text("a,b\n1,5\" disk\n").rows, (Rows{{"1", "5\" disk"}}));
  const Read excel = read_text("sep=;\na;b\n1,5;2\n");
  EXPECT_EQ(excel.dialect.separator, ';');
  EXPECT_EQ(excel.rows, (Rows{{"1,5", "2"}}));
  EXPECT_THAT(excel.lines, ElementsAre(3));
  EXPECT_EQ(read_text("a preamble, with commas, and more\na,b\n1,2\n", {.skip_lines = 1}).rows,
            (Rows{{"1", "2"}}));
}

TEST(Delimited, FindsTheSeparator) {
  EXPECT_EQ(read_text("a\tb\n1,5\t2\n").dialect.separator, '\t');
  EXPECT_EQ(read_text("a;b\n1,5;2,5\n2,5;3,5\n").dialect.separator, ';');
  EXPECT_EQ(read_text("a|b\n1|2\n").dialect.separator, '|');
  EXPECT_EQ(read_text("time,x\n2020-01-01 10:00,1\n2020-01-01 11:00,2\n").dialect.separator, ',');
  const Read spaces = read_text("  1.0   2\n 10.0  20\n");
  EXPECT_EQ(spaces.dialect.separator, ' ');
  EXPECT_EQ(spaces.rows, (Rows{{"1.0", "2"}, {"10.0", "20"}}));
  EXPECT_EQ(read_text("x\n1\n2\n").rows, (Rows{{"1"}, {"2"}}));
  // Forced, it is not looked for.
  EXPECT_EQ(read_text("a;b\n1;2\n", {.separator = ','}).rows, (Rows{{"1;2"}}));
  EXPECT_EQ(message_of<InvalidArgument>([] { static_cast<void>(read_text("a:b\n", {.separator = ':'})); }),
            "\":\" is no separator; known: comma (,), semicolon (;), tab, bar (|), space");
  EXPECT_EQ(separator_from_name("tab"), '\t');
  EXPECT_EQ(separator_from_name(";"), ';');
}

TEST(Delimited, FindsTheHeader) {
  const auto header = [](const std::string& text, const DelimitedOptions& options = {}) {
    return read_text(text, options).dialect.header;
  };
  EXPECT_TRUE(header("age,size\n1,2\n3,4\n"));
  EXPECT_FALSE(header("5,6\n1,2\n3,4\n"));
  EXPECT_TRUE(header("2019,name\n1,x\n2,y\n", {.expected_names = {"2019"}}));
  EXPECT_TRUE(header("1,setosa\n1,0\n2,1\n"));
  EXPECT_FALSE(header("NA,2\n1,2\n3,4\n", {.missing_words = {"na"}}));
  EXPECT_TRUE(header("color,size\nred,small\nblue,small\n"));
  EXPECT_FALSE(header("red,small\nred,big\nblue,small\n"));
  EXPECT_FALSE(header("a,b\n1,2\n", {.header = false}));
  // As pandas writes an array, with or without the numbers of its rows.
  EXPECT_TRUE(header("0,1,2\n5.5,6.5,7.5\n1.5,2.5,3.5\n"));
  EXPECT_TRUE(header(",0,1\n0,6.5,7.5\n1,2.5,3.5\n"));
  EXPECT_FALSE(header("0,1,3\n5.5,6.5,7.5\n1.5,2.5,3.5\n"));
  EXPECT_FALSE(header("1,2,3\n4,5,6\n7,8,9\n"));
  EXPECT_FALSE(header("0,1\n5.5,6.5\n1.5,2.5\n"));
  // As R's write.csv2() and many spreadsheets write it; the cells are texts all the same.
  EXPECT_TRUE(header("\"length\";\"name\"\n5,1;x\n4,9;y\n"));
  EXPECT_FALSE(header("5,1;x\n4,9;y\n"));
  EXPECT_THAT(read_text("5,6\n7,8\n").names, ElementsAre("column1", "column2"));
  EXPECT_THAT(read_text("age,size\n1,2\n").messages,
              ElementsAre("separator: comma (detected)",
                          "header: yes (detected: the first record holds the text \"age\" in a column of "
                          "numbers)"));
}

TEST(Delimited, RepairsNamesAndSaysSo) {
  const Read read = read_text("x,,x,x_2\n1,2,3,4\n");
  EXPECT_THAT(read.names, ElementsAre("x", "column2", "x_3", "x_2"));
  EXPECT_THAT(read.messages, ::testing::Contains("column 2 has no name; it is called \"column2\""));
  EXPECT_THAT(read.messages, ::testing::Contains("column 3 has the name of another; it is called \"x_3\""));
  // As R's write.table leaves it; and with a separator at each row's end.
  EXPECT_THAT(read_text("a b\n\"r1\" 1 2\n\"r2\" 3 4\n", {.separator = ' '}).names,
              ElementsAre("row_names", "a", "b"));
  EXPECT_THAT(read_text("a,b\n1,2,\n3,4,\n").names, ElementsAre("a", "b", "column3"));
  EXPECT_THAT(read_text("gr\xf6\xdf"
                        "e,b\n1,2\n")
                  .names,
              ElementsAre("gr\xc3\xb6\xc3\x9f"
                          "e",
                          "b"));
}

TEST(Delimited, RefusesWhatIsBrokenByFileLineAndColumn) {
  EXPECT_EQ(refusal("a,b\n1,2\n3\n"),
            "t.csv:3:1: found 1 cells, wanted 2, as in the header at line 1; a cell that holds a comma needs "
            "quotes");
  EXPECT_EQ(refusal("a,b\n1,2\n3,4,5\n"),
            "t.csv:3:5: found 3 cells, wanted 2, as in the header at line 1; a cell that holds a comma needs "
            "quotes");
  EXPECT_THAT(refusal("a,b\n1,2,3,4\n"), HasSubstr("leave out the lines above it"));
  EXPECT_EQ(
      refusal("a,b\n1,\"x\n2,y\n"),
      "t.csv:2:3: a quote opens here and is never closed; close it, or double it if it is meant as text");
  EXPECT_EQ(
      refusal("a,b\n\"p\nq\",\"x\"y\n"),
      "t.csv:3:7: found \"y\" after a closing quote, wanted comma or the end of the line; a quote within "
      "quotes is written twice");
  EXPECT_THAT(refusal(std::string("a,b\n1,\0002\n", 9)), HasSubstr("t.csv:2:3: a NUL byte"));
  EXPECT_THAT(refusal("\xff\xfe"
                      "a"),
              HasSubstr("found UTF-16 text, wanted UTF-8"));
  EXPECT_EQ(refusal(""), "t.csv: is empty, wanted a table");
  EXPECT_EQ(refusal("\n \n"), "t.csv: is empty, wanted a table");
  DelimitedOptions small;
  small.max_record_bytes = 600000;
  EXPECT_THAT(refusal("a,b\n1,\"" + std::string(1 << 20, 'x'), small),
              HasSubstr("t.csv:2:3: a quote opens here and is not closed within 600000 bytes"));
}

TEST(Delimited, GoesOnBehindABrokenRecord) {
  DelimitedReader reader(std::make_unique<Trickle>("a,b\n1,2\n3\n4,\"5\"x\n6,7\n8,\"9\n10,11\n", 1000));
  std::vector<std::string> seen;
  while (true) {
    try {
      if (!reader.next()) break;
      seen.emplace_back(reader.cells()[0].text);
    } catch (const DataError&) {
      seen.push_back("refused");
    }
  }
  EXPECT_THAT(seen, ElementsAre("1", "refused", "refused", "6", "refused", "10"));
  EXPECT_EQ(reader.line(), 7U);
}

TEST(Delimited, KnowsWhetherARecordIsThereWithoutWaiting) {
  DelimitedOptions eager;
  eager.eager = true;
  DelimitedReader reader(std::make_unique<Trickle>("a,b\n1,2\n3,4\n", 8), eager);
  EXPECT_TRUE(reader.has_buffered_record());
  ASSERT_TRUE(reader.next());
  EXPECT_FALSE(reader.has_buffered_record());
  ASSERT_TRUE(reader.next());
  EXPECT_EQ(reader.cells()[1].text, "4");
  EXPECT_FALSE(reader.next());
}

TEST(Number, IsTheNearestDoubleWhateverTheNotation) {
  for (const char* text : {"0",
                           "-0",
                           "1",
                           "+1",
                           "-17.25",
                           ".5",
                           "5.",
                           "1e5",
                           "1E-5",
                           "1e00005",
                           "0e99999999999999999999",
                           "1e-99999999999999999999",
                           "123456789012345678",
                           "0.1",
                           "9007199254740993",
                           "1e22",
                           "1e23",
                           "2.2250738585072011e-308",
                           "4.9e-324",
                           "179769313486231570000000000000000000000e270",
                           "0.000000000000000000000000000001",
                           "1234567890123456789012345678901234567890"}) {
    const std::optional<double> value = parse_number(text);
    ASSERT_TRUE(value) << text;
    EXPECT_EQ(*value, std::strtod(text, nullptr)) << text;
    EXPECT_EQ(std::signbit(*value), text[0] == '-') << text;
  }
  EXPECT_EQ(parse_number(" 1.5\t"), 1.5);
  EXPECT_EQ(parse_number("1e-400"), 0.0);
  // Beyond every floating-point type there is.
  const std::string many(6000, '9'), zeros(6000, '0');
  EXPECT_EQ(parse_number("1e-9999"), 0.0);
  EXPECT_EQ(parse_number("0." + zeros + "9"), 0.0);
  EXPECT_EQ(parse_number("0e9999"), 0.0);
  for (const std::string& text : {std::string("1e9999"), many, many + ".5", many + "e-1", "0" + many + ".5"})
    EXPECT_FALSE(parse_number(text)) << text.substr(0, 10);
  for (const char* text :
       {"",    " ",   "-",    "+",        ".",     "e5",  "1e",  "1e+", "1,5",   "0x10", "1_000",
        "nan", "inf", "-inf", "infinity", "1e400", "1 2", "--1", "+-1", "1.2.3", "five", "1f"}) {
    EXPECT_FALSE(parse_number(text)) << text;
  }
}

TEST(Number, RoundTripsEveryDouble) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20000; ++i) {
    const double value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    std::array<char, 64> text{};
    for (const auto format : {std::chars_format::general, std::chars_format::scientific}) {
      const char* const end = std::to_chars(text.data(), text.data() + text.size(), value, format).ptr;
      EXPECT_EQ(parse_number({text.data(), static_cast<std::size_t>(end - text.data())}), value);
    }
    const double small = static_cast<double>(static_cast<std::int64_t>(random() % 2000000)) / 1000;
    const char* const end =
        std::to_chars(text.data(), text.data() + text.size(), small, std::chars_format::fixed).ptr;
    EXPECT_EQ(parse_number({text.data(), static_cast<std::size_t>(end - text.data())}), small);
  }
}

// Texts of every length around those that are read as one word, with bytes that are nearly digits.
TEST(Number, IsReadAlikeAtEveryLength) {
  std::mt19937_64 random(11);
  const auto below = [&](std::uint64_t n) { return random() % n; };
  int n_numbers = 0, n_others = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string text(1 + below(20), '0');
    for (char& c : text) c = static_cast<char>('0' + below(10));
    if (below(4) != 0) text[below(text.size())] = '.';
    if (below(4) == 0) text[below(text.size())] = "./:,\xb0\x01\x7f"[below(7)];
    const std::size_t n_points = static_cast<std::size_t>(std::ranges::count(text, '.'));
    const std::size_t n_digits =
        static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return c >= '0' && c <= '9'; }));
    const std::optional<double> value = parse_number(text);
    if (n_points <= 1 && n_digits > 0 && n_points + n_digits == text.size()) {
      ASSERT_TRUE(value) << text;
      EXPECT_EQ(*value, std::strtod(text.c_str(), nullptr)) << text;
      ++n_numbers;
    } else {
      EXPECT_FALSE(value) << text;
      ++n_others;
    }
  }
  EXPECT_GT(n_numbers, 100'000);
  EXPECT_GT(n_others, 10'000);
}

TEST(Number, TheLocaleHasNoSay) {
  const char* german = std::setlocale(LC_ALL, "de_DE.UTF-8");
  EXPECT_EQ(parse_number("1.5"), 1.5);
  EXPECT_EQ(parse_number("1.0000000000000000000001"), 1.0);
  if (german != nullptr) std::setlocale(LC_ALL, "C");
}

TEST(Date, IsDaysSince1970) {
  // Values: python3 -c "from datetime import *;
  // print((datetime(2024,2,29,13,45)-datetime(1970,1,1)).total_seconds()/86400)"
  EXPECT_EQ(parse_date("1970-01-01"), 0.0);
  EXPECT_EQ(parse_date("1969-12-31"), -1.0);
  EXPECT_EQ(parse_date("2024/02/29"), 19782.0);
  EXPECT_EQ(parse_date("0001-01-01"), -719162.0);
  EXPECT_DOUBLE_EQ(*parse_date("2024-02-29T13:45"), 19782.572916666668);
  EXPECT_DOUBLE_EQ(*parse_date("2024-02-29 13:45:30.5Z"), 19782.573269675925);
  EXPECT_DOUBLE_EQ(*parse_date("2024-02-29T13:45+01:00"), 19782.53125);
  for (const char* text :
       {"", "2023-02-29", "2024-13-01", "2024-1-1", "24-01-01", "2024-01/01", "2024-01-01T", "01.02.2024",
        "2024-01-01T24:00", "2024-01-01 10:00 x", "2024-01-01T10:00:00."}) {
    EXPECT_FALSE(parse_date(text)) << text;
  }
}

}  // namespace
}  // namespace deepsad
