// Charts as inline SVG. Colours, line widths and letters come from the page's style (html.cpp), so that one
// drawing serves light, dark and print.
#pragma once

#include <string>
#include <vector>

#include "deepsad/data/dataset.h"
#include "deepsad/evaluation/curves.h"
#include "report/axis.h"
#include "report/html.h"

namespace deepsad {

/// What every figure has. `id` is unique on its page.
struct FigureText {
  std::string id;
  std::string caption;
  std::string note;         ///< smaller, below the caption; may be empty
  std::string description;  ///< what a screen reader says instead of showing it
};

struct ChartLine {
  std::string name;                 ///< in the legend
  std::vector<CurvePoint> points;   ///< points that are not finite leave a gap
  std::vector<double> half_band{};  ///< of a band around each point, or empty
  std::size_t style = 0;  ///< which colour, sign and dash; the same for the same thing in all charts
  bool strong = false;
  bool dots = false;  ///< a sign on every point
};

/// A dashed vertical line.
struct ChartMark {
  double x;
  std::string label;
};

struct LineChart {
  FigureText text;
  std::string x_label, y_label;
  Axis x, y;
  std::vector<ChartLine> lines;
  std::vector<ChartMark> marks{};
  std::vector<CurvePoint> guide{};  ///< a dotted line for comparison, such as the diagonal of chance
};
/// A legend stands below if there is more than one line.
[[nodiscard]] Html line_chart(const LineChart& chart);

/// Share of each class per bin of scores, both classes in one picture.
struct ScoreHistogram {
  Axis x;                       ///< of the scores; bins have equal widths on it
  std::vector<double> normals;  ///< share of the normal samples in each bin
  std::vector<double> anomalies;
  std::size_t n_outside = 0;  ///< samples beyond the axis, counted in the outermost bins
};
/// Where a few scores lie far out, the axis ends before them. Infinite scores lie outside.
/// @throws NumericError if a score is NaN
[[nodiscard]] ScoreHistogram score_histogram(std::span<const float> scores, std::span<const TrueLabel> labels,
                                             std::size_t n_bins = 40);
/// @param marks such as the threshold   @param names of the two classes, for the legend
[[nodiscard]] Html histogram_chart(const FigureText& text, const ScoreHistogram& histogram,
                                   const std::vector<ChartMark>& marks,
                                   const std::array<const char*, 2>& names = {"normal", "anomalous"});

/// Average ranks on a line, best on the left, with bars that join what cannot be told apart [1 of
/// evaluation/statistics.h].
[[nodiscard]] Html critical_difference_diagram(const FigureText& text, const std::vector<std::string>& names,
                                               const std::vector<double>& average_ranks,
                                               double critical_difference);

}  // namespace deepsad
