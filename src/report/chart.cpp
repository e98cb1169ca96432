#include "report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "deepsad/core/error.h"
#include "deepsad/evaluation/statistics.h"

namespace deepsad {
namespace {

// Sizes in the units of the viewBox, which a figure of full width shows at about one pixel each.
constexpr double kWidth = 440;
constexpr double kHeight = 304;
constexpr double kTop = 14;
constexpr double kRight = 16;
constexpr double kBottom = 52;
constexpr double kLetterWidth = 8.9;  // of a digit of 14 pixels, as on phones, in the widest usual font
constexpr double kTickLength = 4;
constexpr std::size_t kColors = 8;  // classes s0 ... s7 of the style
constexpr std::size_t kSigns = 4;

std::string number(double v) {
  std::string text = fmt::format("{:.1f}", v);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}

std::string point(double x, double y) {
  return number(x) + " " + number(y);
}

Html svg_text(double x, double y, const char* anchor, const char* css, std::string_view plain) {
  return element("text", {{"x", number(x)}, {"y", number(y)}, {"text-anchor", anchor}, {"class", css}},
                 plain);
}

Html line(double x1, double y1, double x2, double y2, const char* css) {
  return empty_element(
      "line",
      {{"x1", number(x1)}, {"y1", number(y1)}, {"x2", number(x2)}, {"y2", number(y2)}, {"class", css}});
}

Html path(const std::string& d, const std::string& css) {
  return empty_element("path", {{"d", d}, {"class", css}});
}

double text_width(const std::string& label) {
  return kLetterWidth * static_cast<double>(label.size());
}

Html figure(const FigureText& text, double width, double height, const Html& drawing, const Html& below,
            bool wide = false) {
  Html caption(text.caption);
  if (!text.note.empty()) caption += element("span", {{"class", "note"}}, text.note);
  const Html content = element("title", {{"id", text.id + "-title"}}, text.caption) +
                       element("desc", {{"id", text.id + "-desc"}}, text.description) + drawing;
  const Html svg = element("svg",
                           {{"viewBox", fmt::format("0 0 {} {}", number(width), number(height))},
                            {"role", "img"},
                            {"aria-labelledby", fmt::format("{0}-title {0}-desc", text.id)}},
                           content);
  Attributes attributes{{"id", text.id}};
  if (wide) {
    attributes.emplace_back("class", "wide");
    attributes.emplace_back("tabindex", "0");
  }
  return element("figure", attributes, element("figcaption", {}, caption) + svg + below) +
         Html::trusted("\n");
}

std::string color_class(char kind, std::size_t style) {
  return fmt::format("{}{}", kind, style % kColors);
}

std::string line_class(std::size_t style, bool strong) {
  return "l " + color_class('s', style) + (strong ? " strong" : "") +
         (style / kColors % 2 == 1 ? " dash" : "");
}

// A filled sign around (x, y); lines are told apart by it where there is no colour.
Html sign(double x, double y, std::size_t style) {
  constexpr double r = 3.6;
  const std::string css = color_class('f', style);
  switch (style % kSigns) {
    case 0:
      return empty_element("circle",
                           {{"cx", number(x)}, {"cy", number(y)}, {"r", number(r)}, {"class", css}});
    case 1:
      return path("M" + point(x - 3.3, y - 3.3) + "h6.6v6.6h-6.6z", css);
    case 2:
      return path("M" + point(x, y - 4.4) + "l4.2 7.4h-8.4z", css);
    default:
      return path("M" + point(x, y - 4.8) + "l4.4 4.8l-4.4 4.8l-4.4 -4.8z", css);
  }
}

// Where the plot lies, and the axes around it.
class Frame {
 public:
  Frame(const Axis& x, const Axis& y) : x_(x), y_(y) {
    double widest = 0;
    for (const Tick& tick : y.ticks) widest = std::max(widest, text_width(tick.label));
    left_ = 30 + widest;
  }

  [[nodiscard]] double x_of(double value) const {
    return left_ + (kWidth - kRight - left_) * std::clamp(x_.position(value), 0.0, 1.0);
  }
  [[nodiscard]] double y_of(double value) const {
    return bottom() + (kTop - bottom()) * std::clamp(y_.position(value), 0.0, 1.0);
  }
  [[nodiscard]] double left() const { return left_; }
  [[nodiscard]] static double right() { return kWidth - kRight; }
  [[nodiscard]] static double bottom() { return kHeight - kBottom; }

  [[nodiscard]] Html axes(const std::string& x_label, const std::string& y_label) const {
    Html drawing;
    for (const Tick& tick : y_.ticks) {
      const double y = y_of(tick.value);
      drawing += line(left_, y, right(), y, "grid");
      drawing += svg_text(left_ - 7, y + 4, "end", "tick", tick.label);
    }
    drawing += line(left_, bottom(), right(), bottom(), "axis");
    double free_from = 0;
    for (const Tick& tick : x_.ticks) {
      const double x = x_of(tick.value);
      drawing += line(x, bottom(), x, bottom() + kTickLength, "axis");
      const double half = text_width(tick.label) / 2;
      if (x - half < free_from || x + half > kWidth) continue;  // no room for its label
      drawing += svg_text(x, bottom() + 21, "middle", "tick", tick.label);
      free_from = x + half + 4;
    }
    drawing += svg_text((left_ + right()) / 2, kHeight - 8, "middle", "", x_label);
    const double middle = (kTop + bottom()) / 2;
    drawing += element("text",
                       {{"transform", fmt::format("translate(14 {}) rotate(-90)", number(middle))},
                        {"text-anchor", "middle"}},
                       y_label);
    return drawing;
  }

  [[nodiscard]] Html marks(const std::vector<ChartMark>& marks) const {
    constexpr double kGap = 5, kRowHeight = 15;
    Html drawing;
    for (const ChartMark& mark : marks) drawing += line(x_of(mark.x), kTop, x_of(mark.x), bottom(), "mark");
    double free_from = left_;
    int row = 0;
    for (const ChartMark& mark : marks) {
      const double x = x_of(mark.x), width = text_width(mark.label);
      const bool to_the_right = x + kGap + width <= right();
      const double start = to_the_right ? x + kGap : x - kGap - width;
      row = start < free_from ? row + 1 : 0;
      drawing += svg_text(to_the_right ? x + kGap : x - kGap, kTop + 10 + row * kRowHeight,
                          to_the_right ? "start" : "end", "marktext halo", mark.label);
      free_from = std::max(free_from, start + width + kGap);
    }
    return drawing;
  }

 private:
  const Axis& x_;
  const Axis& y_;
  double left_;
};

// The path through points in drawing units; a step too small to be seen is left out, so that a curve over ten
// thousand scores stays small.
class Pen {
 public:
  void to(double x, double y) {
    constexpr double kVisible = 0.4;
    if (!down_) {
      d_ += "M" + point(x, y);
    } else if (std::abs(x - x_) + std::abs(y - y_) < kVisible) {
      pending_ = true;
      pending_x_ = x;
      pending_y_ = y;
      return;
    } else {
      d_ += "L" + point(x, y);
    }
    x_ = x;
    y_ = y;
    down_ = true;
    pending_ = false;
  }
  void lift() {
    if (pending_) d_ += "L" + point(pending_x_, pending_y_);
    pending_ = down_ = false;
  }
  [[nodiscard]] std::string path() {
    lift();
    return d_;
  }

 private:
  std::string d_;
  bool down_ = false, pending_ = false;
  double x_ = 0, y_ = 0, pending_x_ = 0, pending_y_ = 0;
};

bool finite(const CurvePoint& p) {
  return std::isfinite(p.x) && std::isfinite(p.y);
}

Html band(const Frame& frame, const ChartLine& chart_line) {
  std::string forth, back;
  for (std::size_t i = 0; i < chart_line.points.size(); ++i) {
    const CurvePoint& p = chart_line.points[i];
    const double half = chart_line.half_band[i];
    if (!finite(p) || !std::isfinite(half)) continue;
    forth += (forth.empty() ? "M" : "L") + point(frame.x_of(p.x), frame.y_of(p.y + half));
    back = "L" + point(frame.x_of(p.x), frame.y_of(p.y - half)) + back;
  }
  if (forth.empty()) return {};
  return path(forth + back + "Z", "area " + color_class('f', chart_line.style));
}

Html legend_entry(const std::string& name, const Html& swatch) {
  return element("li", {},
                 element("svg", {{"viewBox", "0 0 28 12"}, {"aria-hidden", "true"}}, swatch) +
                     element("span", {}, name));
}

Html line_legend(const std::vector<ChartLine>& lines) {
  if (lines.size() < 2) return {};
  Html entries;
  for (const ChartLine& l : lines) {
    Html swatch = path("M1 6H27", line_class(l.style, l.strong));
    if (l.dots) swatch += sign(14, 6, l.style);
    entries += legend_entry(l.name, swatch);
  }
  return element("ul", {{"class", "legend"}}, entries);
}

std::string steps(const Frame& frame, const std::vector<double>& shares) {
  const double width = (Frame::right() - frame.left()) / static_cast<double>(shares.size());
  std::string d = "M" + point(frame.left(), Frame::bottom());
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const double left = frame.left() + width * static_cast<double>(i), y = frame.y_of(100 * shares[i]);
    d += "L" + point(left, y) + "L" + point(left + width, y);
  }
  return d + "L" + point(Frame::right(), Frame::bottom()) + "Z";
}

}  // namespace

Html line_chart(const LineChart& chart) {
  const Frame frame(chart.x, chart.y);
  Html drawing = frame.axes(chart.x_label, chart.y_label);
  if (!chart.guide.empty()) {
    Pen pen;
    for (const CurvePoint& p : chart.guide) pen.to(frame.x_of(p.x), frame.y_of(p.y));
    drawing += path(pen.path(), "guide");
  }
  for (const ChartLine& l : chart.lines)
    if (!l.half_band.empty()) drawing += band(frame, l);
  for (const ChartLine& l : chart.lines) {
    Pen pen;
    Html signs;
    for (const CurvePoint& p : l.points) {
      if (!finite(p)) {
        pen.lift();
        continue;
      }
      pen.to(frame.x_of(p.x), frame.y_of(p.y));
      if (l.dots) signs += sign(frame.x_of(p.x), frame.y_of(p.y), l.style);
    }
    drawing += path(pen.path(), line_class(l.style, l.strong)) + signs;
  }
  drawing += frame.marks(chart.marks);
  return figure(chart.text, kWidth, kHeight, drawing, line_legend(chart.lines));
}

ScoreHistogram score_histogram(std::span<const float> scores, std::span<const TrueLabel> labels,
                               std::size_t n_bins) {
  if (scores.size() != labels.size())
    throw InvalidArgument(
        fmt::format("[score_histogram] {} scores but {} labels", scores.size(), labels.size()));
  std::vector<double> sorted;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (std::isnan(scores[i])) throw NumericError(fmt::format("[score_histogram] score {} is NaN", i));
    if (std::isfinite(scores[i])) sorted.push_back(static_cast<double>(scores[i]));
  }
  std::sort(sorted.begin(), sorted.end());
  ScoreHistogram histogram{.x = value_axis(0, 1, 6),
                           .normals = std::vector<double>(n_bins, 0),
                           .anomalies = std::vector<double>(n_bins, 0)};
  if (!sorted.empty()) {
    // The axis leaves out at most 1 in 200 on either side, and only those that would squeeze the rest.
    constexpr double kTail = 0.005, kSqueezing = 2.0, kRoom = 0.25;
    const auto last = static_cast<double>(sorted.size() - 1);
    const double inner_low = sorted[static_cast<std::size_t>(std::ceil(kTail * last))];
    const double inner_high = sorted[static_cast<std::size_t>(std::floor((1 - kTail) * last))];
    const double span = inner_high - inner_low;
    double low = sorted.front(), high = sorted.back();
    if (span > 0 && low <= 0) {  // an axis of positive scores may be logarithmic and needs no such cut
      if (high > inner_high + kSqueezing * span) high = inner_high + kRoom * span;
      if (low < inner_low - kSqueezing * span) low = inner_low - kRoom * span;
    }
    histogram.x = value_axis(low, high, 7);
  }
  double n_normal = 0, n_anomaly = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto score = static_cast<double>(scores[i]);
    double position = std::isinf(score) || (histogram.x.logarithmic && score <= 0)
                          ? (score > 0 ? 2.0 : -1.0)
                          : histogram.x.position(score);
    if (position < 0 || position > 1) ++histogram.n_outside;
    position = std::clamp(position, 0.0, 1.0);
    const std::size_t bin =
        std::min(n_bins - 1, static_cast<std::size_t>(position * static_cast<double>(n_bins)));
    const bool anomaly = labels[i] == TrueLabel::anomaly;
    ++(anomaly ? histogram.anomalies : histogram.normals)[bin];
    ++(anomaly ? n_anomaly : n_normal);
  }
  for (double& share : histogram.normals) share /= std::max(1.0, n_normal);
  for (double& share : histogram.anomalies) share /= std::max(1.0, n_anomaly);
  return histogram;
}

Html histogram_chart(const FigureText& text, const ScoreHistogram& histogram,
                     const std::vector<ChartMark>& marks, const std::array<const char*, 2>& names) {
  double largest = 0;
  for (const auto* shares : {&histogram.normals, &histogram.anomalies})
    for (const double share : *shares) largest = std::max(largest, share);
  const Axis y = exact_axis(0, largest > 0 ? 105 * largest : 1, 5);
  const Frame frame(histogram.x, y);
  Html drawing = frame.axes(histogram.x.logarithmic ? "score (log scale)" : "score", "% of the class");
  drawing += path(steps(frame, histogram.normals), "bars f0 s0");
  drawing += path(steps(frame, histogram.anomalies), "bars f1 s1");
  drawing += frame.marks(marks);
  const Html legend = element("ul", {{"class", "legend"}},
                              legend_entry(names[0], path("M1 1H27V11H1Z", "bars f0 s0")) +
                                  legend_entry(names[1], path("M1 1H27V11H1Z", "bars f1 s1")));
  return figure(text, kWidth, kHeight, drawing, legend);
}

Html critical_difference_diagram(const FigureText& text, const std::vector<std::string>& names,
                                 const std::vector<double>& average_ranks, double critical_difference) {
  if (names.size() != average_ranks.size() || names.size() < 2)
    throw InvalidArgument(
        fmt::format("[critical_difference_diagram] {} names and {} ranks, wanted two or more of each",
                    names.size(), average_ranks.size()));
  const std::size_t k = names.size();
  std::vector<std::size_t> order(k);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return average_ranks[a] < average_ranks[b]; });
  const auto runs = indistinguishable_runs(average_ranks, critical_difference);
  std::size_t longest = 0;
  for (const std::string& name : names) longest = std::max(longest, name.size());

  constexpr double kDiagramWidth = 720, kAxisY = 62, kRowHeight = 22, kRunHeight = 9;
  const double margin = std::min(240.0, kLetterWidth * (static_cast<double>(longest) + 6) + 10);
  const double axis_width = kDiagramWidth - 2 * margin;
  const double unit = axis_width / static_cast<double>(k - 1);
  const auto x_of = [&](double rank) { return margin + (rank - 1) * unit; };

  Html drawing = line(x_of(1), kAxisY, x_of(static_cast<double>(k)), kAxisY, "axis");
  constexpr double kRoomOfARank = 22;
  const auto step = static_cast<std::size_t>(std::max(1.0, std::ceil(kRoomOfARank / unit)));
  for (std::size_t rank = 1; rank <= k; ++rank) {
    const double x = x_of(static_cast<double>(rank));
    drawing += line(x, kAxisY - kTickLength, x, kAxisY, "axis");
    if ((rank - 1) % step != 0) continue;
    drawing += svg_text(x, kAxisY - 9, "middle", "tick", std::to_string(rank));
  }
  const double cd_width = std::min(axis_width, critical_difference * unit);
  drawing += line(margin, 26, margin + cd_width, 26, "axis");
  for (const double x : {margin, margin + cd_width}) drawing += line(x, 22, x, 30, "axis");
  drawing += svg_text(margin, 16, "start", "",
                      fmt::format("critical difference {:.2f}{}", critical_difference,
                                  critical_difference * unit > axis_width ? ", longer than the axis" : ""));

  const double runs_top = kAxisY + 12;
  const double rows_top = runs_top + kRunHeight * static_cast<double>(runs.size()) + 12;
  const std::size_t n_left = (k + 1) / 2;
  for (std::size_t i = 0; i < k; ++i) {
    const bool on_left = i < n_left;
    const std::size_t row = on_left ? i : k - 1 - i;
    const double x = x_of(average_ranks[order[i]]);
    const double y = rows_top + kRowHeight * static_cast<double>(row);
    const double end = on_left ? margin - 6 : kDiagramWidth - margin + 6;
    drawing += path("M" + point(x, kAxisY) + "V" + number(y) + "H" + number(end), "lead");
    const std::string rank = fmt::format("{:.2f}", average_ranks[order[i]]);
    drawing += svg_text(on_left ? end - 4 : end + 4, y + 4, on_left ? "end" : "start", "",
                        on_left ? names[order[i]] + "  " + rank : rank + "  " + names[order[i]]);
  }
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const double y = runs_top + kRunHeight * static_cast<double>(r);
    drawing += line(x_of(average_ranks[order[runs[r].first]]) - 3, y,
                    x_of(average_ranks[order[runs[r].second]]) + 3, y, "bar");
  }
  const double height = rows_top + kRowHeight * static_cast<double>(n_left);
  return figure(text, kDiagramWidth, height, drawing, {}, true);
}

}  // namespace deepsad
