#include "report/html.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/report/png.h"
#include "report/chart.h"
#include "support/files.h"

namespace deepsad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using ::testing::Not;
using enum TrueLabel;

TEST(Html, PlainTextIsNeverMarkup) {
  const std::string attack = "</title><script>alert(\"1\")</script>&'";
  EXPECT_EQ(Html(attack).text(), "&lt;/title&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;");
  HtmlTable table{.caption = attack, .columns = {attack}, .rows = {{text_cell(attack)}}};
  table.rows[0][0].sort_key = attack;
  table.rows[0][0].style = attack;
  const Html everything =
      html_table(table) + section(attack, Html(attack)) + fact_list({{attack, attack}}) +
      folded(attack, Html(attack)) + command_box(attack) +
      critical_difference_diagram({attack, attack, attack, attack}, {attack, "b"}, {1, 2}, 1);
  const std::string page = html_document(attack, attack, everything);
  EXPECT_THAT(everything.text(), Not(HasSubstr("<script")));
  EXPECT_EQ(page.find("<script"), page.rfind("<script"));  // the page's own
  EXPECT_THAT(page, Not(HasSubstr("alert(\"")));
}

TEST(Html, BytesThatAreNoTextAreReplaced) {
  const std::string replacement = "\xEF\xBF\xBD";
  EXPECT_EQ(Html("\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80").text(), "\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80");
  for (const char* bad : {"\xFF", "\xC3", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\x01", "\x7F"})
    EXPECT_THAT(Html(std::string("a") + bad + "b").text(), ::testing::StartsWith("a" + replacement)) << bad;
  EXPECT_EQ(Html(std::string("a\0b", 3)).text(), "a" + replacement + "b");
}

TEST(Html, TablesNameThemselvesAndTheirHeadings) {
  const std::string text =
      html_table(
          {.caption = "Times", .columns = {"name", "s"}, .rows = {{text_cell("x"), number_cell("1.5", 1.5)}}})
          .text();
  EXPECT_THAT(text, HasSubstr("<caption>Times</caption>"));
  EXPECT_THAT(text, HasSubstr("<th scope=\"row\">x</th>"));
  EXPECT_THAT(text, HasSubstr("<th scope=\"col\" class=\"n\" aria-sort=\"none\">"));
  EXPECT_THAT(text, HasSubstr("<td class=\"n\" data-sort=\"1.5\">1.5</td>"));
}

TEST(Html, ThePageLoadsNothing) {
  const std::string page = html_document("t", "", Html("x"));
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  for (const char* forbidden : {"http://", "https://", "src=\"/", "@import", "url("})
    EXPECT_THAT(page, Not(HasSubstr(forbidden)));
}

TEST(Html, PicturesBringTheirSize) {
  const auto png = encode_png({2, 3, 1, {0, 1, 2, 3, 4, 5}});
  const std::string text = png_image(png, "six \"grey\" pixels").text();
  EXPECT_THAT(text, HasSubstr("src=\"data:image/png;base64,iVBORw0KGgo"));
  EXPECT_THAT(text, HasSubstr("alt=\"six &quot;grey&quot; pixels\" width=\"3\" height=\"2\""));
  EXPECT_THAT(message_of<InvalidArgument>([] { (void)png_image(std::vector<std::uint8_t>(30, 0), ""); }),
              HasSubstr("no PNG file"));
}

TEST(Html, Durations) {
  EXPECT_EQ(duration_text(0.000361), "0.36 ms");
  EXPECT_EQ(duration_text(0.1234), "123 ms");
  EXPECT_EQ(duration_text(1.234), "1.23 s");
  EXPECT_EQ(duration_text(59.94), "59.9 s");
  EXPECT_EQ(duration_text(185), "3 min 05 s");
  EXPECT_EQ(duration_text(3599.9), "1 h 00 min");
  EXPECT_EQ(duration_text(7620), "2 h 07 min");
}

TEST(Chart, LinesBreakAtGapsAndStayInsideTheFrame) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::string text =
      line_chart({.text = {"id", "caption", "", "description"},
                  .x_label = "x",
                  .y_label = "y",
                  .x = exact_axis(0, 4, 4),
                  .y = exact_axis(0, 1, 5),
                  .lines = {{.name = "a", .points = {{0, 0}, {1, 1}, {2, nan}, {3, 0}, {4, 99}}}}})
          .text();
  const std::size_t at = text.find("class=\"l s0\"");
  ASSERT_NE(at, std::string::npos);
  const std::string d = text.substr(text.rfind(" d=\"", at) + 4, at - text.rfind(" d=\"", at) - 6);
  EXPECT_EQ(std::count(d.begin(), d.end(), 'M'), 2) << d;
  EXPECT_EQ(std::count(d.begin(), d.end(), 'L'), 2) << d;
  EXPECT_THAT(d, ::testing::EndsWith(" 14")) << d;  // 99 is drawn on the upper border
  EXPECT_THAT(text, Not(HasSubstr("nan")));
}

TEST(Chart, CurvesOfManyPointsStaySmall) {
  std::vector<CurvePoint> points;
  for (int i = 0; i <= 100000; ++i) points.push_back({i / 1e5, i / 1e5});
  const std::string text = line_chart({.text = {"id", "c", "", "d"},
                                       .x_label = "x",
                                       .y_label = "y",
                                       .x = exact_axis(0, 1, 5),
                                       .y = exact_axis(0, 1, 5),
                                       .lines = {{.name = "a", .points = points}}})
                               .text();
  EXPECT_LT(text.size(), 40000U);
}

TEST(ScoreHistogram, CountsSharesOfEachClass) {
  const std::vector<float> scores{0, 1, 2, 3, 4, 4};
  const std::vector<TrueLabel> labels{normal, normal, normal, normal, anomaly, anomaly};
  const ScoreHistogram h = score_histogram(scores, labels, 4);
  EXPECT_EQ(h.n_outside, 0U);
  EXPECT_THAT(h.anomalies, ElementsAre(0, 0, 0, 1));
  double sum = 0;
  for (const double share : h.normals) sum += share;
  EXPECT_EQ(sum, 1);
}

TEST(ScoreHistogram, FarOutAndInfiniteScoresDoNotSqueezeTheRest) {
  std::vector<float> scores;
  for (int i = 0; i < 1000; ++i) scores.push_back(static_cast<float>(i - 500));
  scores.push_back(1e9F);
  scores.push_back(std::numeric_limits<float>::infinity());
  std::vector<TrueLabel> labels(1000, normal);
  labels.resize(1002, anomaly);
  const ScoreHistogram h = score_histogram(scores, labels);
  EXPECT_LT(h.x.high, 2000);
  EXPECT_EQ(h.n_outside, 2U);
  EXPECT_EQ(h.anomalies.back(), 1);
  // All infinite, and none at all: something that can be drawn.
  EXPECT_EQ(score_histogram(std::vector<float>(3, std::numeric_limits<float>::infinity()),
                            std::vector<TrueLabel>(3, anomaly))
                .n_outside,
            3U);
  EXPECT_EQ(score_histogram({}, {}).n_outside, 0U);
  EXPECT_THROW((void)score_histogram(std::vector<float>{std::numeric_limits<float>::quiet_NaN()},
                                     std::vector<TrueLabel>{normal}),
               NumericError);
}

TEST(CriticalDifference, NamesEveryMethodAndJoinsTheEqual) {
  const std::string text = critical_difference_diagram({"cd", "Ranks", "", "ranks"}, {"A", "B", "C", "D"},
                                                       {1.2, 1.5, 3.5, 3.8}, 1.0)
                               .text();
  for (const char* label : {"A  1.20", "B  1.50", "3.50  C", "3.80  D", "critical difference 1.00"})
    EXPECT_THAT(text, HasSubstr(label));
  std::size_t bars = 0;
  for (std::size_t at = text.find("class=\"bar\""); at != std::string::npos;
       at = text.find("class=\"bar\"", at + 1))
    ++bars;
  EXPECT_EQ(bars, 2U);
  EXPECT_THROW((void)critical_difference_diagram({"cd", "", "", ""}, {"A"}, {1}, 1), InvalidArgument);
}

}  // namespace
}  // namespace deepsad
