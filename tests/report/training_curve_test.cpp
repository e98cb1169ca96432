#include "deepsad/report/training_curve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "deepsad/core/error.h"
#include "report/axis.h"
#include "support/files.h"

namespace deepsad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;

std::vector<std::string> labels_of(const Axis& axis) {
  std::vector<std::string> labels;
  for (const Tick& tick : axis.ticks) labels.push_back(tick.label);
  return labels;
}

TEST(Axis, RoundTicks) {
  EXPECT_THAT(labels_of(value_axis(0.12, 0.35, 6)), ElementsAre("0.15", "0.20", "0.25", "0.30", "0.35"));
  EXPECT_THAT(labels_of(value_axis(39, 102, 6)), ElementsAre("40", "60", "80", "100"));
  EXPECT_THAT(labels_of(value_axis(-1, 1, 4)), ElementsAre("-1", "0", "1"));
  EXPECT_THAT(labels_of(value_axis(0, 0, 4)), ElementsAre("0.0", "0.5", "1.0"));
  EXPECT_THAT(labels_of(value_axis(1.2340e6, 1.2346e6, 4)),
              ElementsAre("1.2340e6", "1.2342e6", "1.2344e6", "1.2346e6"));
  EXPECT_THAT(labels_of(value_axis(0.02, 12, 8)),
              ElementsAre("0.02", "0.05", "0.1", "0.2", "0.5", "1", "2", "5", "10"));
  EXPECT_THAT(labels_of(value_axis(1e-6, 1e6, 8)),
              ElementsAre("1e-6", "0.0001", "0.01", "1", "100", "1e4", "1e6"));
}

TEST(Axis, EpochTicksAreWholeAndReachTheLastEpochIfTheyCan) {
  EXPECT_THAT(labels_of(epoch_axis(1, 8)), ElementsAre("1"));
  EXPECT_THAT(labels_of(epoch_axis(2, 8)), ElementsAre("1", "2"));
  EXPECT_THAT(labels_of(epoch_axis(7, 8)), ElementsAre("1", "2", "3", "4", "5", "6", "7"));
  EXPECT_THAT(labels_of(epoch_axis(10, 8)), ElementsAre("1", "2", "4", "6", "8", "10"));
  EXPECT_THAT(labels_of(epoch_axis(37, 8)), ElementsAre("1", "5", "10", "15", "20", "25", "30", "35"));
  EXPECT_THAT(labels_of(epoch_axis(150, 8)), ElementsAre("1", "25", "50", "75", "100", "125", "150"));
}

TEST(Axis, LogarithmicOnlyWhereLossesDifferMuchAndArePositive) {
  EXPECT_FALSE(value_axis(1, 50, 6).logarithmic);
  EXPECT_TRUE(value_axis(1, 50.1, 6).logarithmic);
  EXPECT_FALSE(value_axis(0, 1000, 6).logarithmic);
  EXPECT_FALSE(value_axis(-1, 1000, 6).logarithmic);
}

TEST(Axis, AnyRangeGetsOrderedTicksInsideItWithDistinctLabels) {
  for (int exponent = -30; exponent <= 30; ++exponent) {
    for (const double ratio : {0.0, 1e-9, 1e-4, 0.03, 0.5, 1.0, 7.0, 49.0, 51.0, 1e4, 1e15}) {
      for (const double sign : {1.0, -1.0}) {
        const double a = sign * std::pow(10.0, exponent) * 1.37;
        const double b = a * (1 + ratio);
        const Axis axis = value_axis(std::min(a, b), std::max(a, b), 6);
        const std::string where = "from " + std::to_string(a) + " 1e" + std::to_string(exponent) + " ratio " +
                                  std::to_string(ratio);
        ASSERT_LE(axis.low, std::min(a, b)) << where;
        ASSERT_GE(axis.high, std::max(a, b)) << where;
        ASSERT_GE(axis.ticks.size(), 2U) << where;
        ASSERT_LE(axis.ticks.size(), 12U) << where;
        std::set<std::string> labels;
        double last = -std::numeric_limits<double>::infinity();
        for (const Tick& tick : axis.ticks) {
          ASSERT_GT(tick.value, last) << where;
          last = tick.value;
          const double position = axis.position(tick.value);
          ASSERT_TRUE(position >= -1e-6 && position <= 1 + 1e-6) << where << " tick " << tick.label;
          ASSERT_TRUE(labels.insert(tick.label).second) << where << " tick " << tick.label;
          ASSERT_LE(tick.label.size(), 14U) << where << " tick " << tick.label;
          const double label_error = std::abs(std::stod(tick.label) - tick.value);
          ASSERT_LE(label_error, 1e-9 * std::abs(tick.value)) << where << " tick " << tick.label;
        }
      }
    }
  }
}

TEST(Axis, NumbersAsPeopleWriteThem) {
  EXPECT_EQ(short_number(0.001), "0.001");
  EXPECT_EQ(short_number(1e-5), "1e-5");
  EXPECT_EQ(short_number(2.5e-12), "2.5e-12");
  EXPECT_EQ(short_number(1e6), "1e6");
  EXPECT_EQ(short_number(12.3456), "12.35");
  EXPECT_EQ(short_number(-0.5), "-0.5");
}

// ---- the picture: the marks that were drawn are found again by their colour
// ------------------------------------------

PhaseRecord phase(const std::string& name, std::size_t n, const std::function<double(std::size_t)>& loss,
                  std::size_t milestone = 0) {
  PhaseRecord record;
  record.name = name;
  for (std::size_t i = 0; i < n; ++i) {
    record.history.epochs.push_back({loss(i), milestone > 0 && i >= milestone ? 1e-5 : 1e-4, 0});
  }
  return record;
}

enum class Mark { line, rate };
bool is(Mark mark, const Picture& p, std::size_t y, std::size_t x) {
  const std::uint8_t* pixel = p.pixels.data() + (y * p.width + x) * 3;
  if (mark == Mark::line) return pixel[2] > pixel[0] + 80;  // blue
  return pixel[0] > pixel[2] + 100;                         // orange
}
// Middle of the mark's pixels in a column; -1 if there are none.
double height_of(Mark mark, const Picture& p, std::size_t x) {
  double sum = 0;
  double n = 0;
  for (std::size_t y = 0; y < p.height; ++y) {
    if (!is(mark, p, y, x)) continue;
    sum += static_cast<double>(y);
    ++n;
  }
  return n == 0 ? -1 : sum / n;
}
std::size_t count(Mark mark, const Picture& p, std::size_t from_x, std::size_t to_x) {
  std::size_t n = 0;
  for (std::size_t y = 0; y < p.height; ++y) {
    for (std::size_t x = from_x; x < to_x; ++x) n += is(mark, p, y, x);
  }
  return n;
}
// First and last column with the curve in [from, to).
std::pair<std::size_t, std::size_t> columns_of_curve(const Picture& p, std::size_t from, std::size_t to) {
  std::size_t first = to;
  std::size_t last = from;
  for (std::size_t x = from; x < to; ++x) {
    if (height_of(Mark::line, p, x) < 0) continue;
    first = std::min(first, x);
    last = x;
  }
  return {first, last};
}

TEST(TrainingCurve, OnePanelAPhaseSideBySide) {
  const auto falling = [](std::size_t i) { return 1.0 / static_cast<double>(i + 1); };
  const PhaseRecord one = phase("pretraining", 40, falling);
  const Picture single = training_curve(std::vector{one}, "");
  const Picture both = training_curve(std::vector{one, phase("training", 60, falling)}, "a title");
  EXPECT_EQ(both.width, 2 * single.width);
  EXPECT_GT(both.height, single.height);
  EXPECT_GT(count(Mark::line, both, 0, single.width), 300U);
  EXPECT_GT(count(Mark::line, both, single.width, both.width), 300U);
  EXPECT_EQ(training_curve(std::vector{one}, ""), single);
}

TEST(TrainingCurve, AFallingLossFallsToTheRight) {
  const Picture p = training_curve(
      std::vector{phase("training", 100, [](std::size_t i) { return 3 - 0.02 * static_cast<double>(i); })},
      "");
  const auto [first, last] = columns_of_curve(p, 0, p.width);
  EXPECT_GT(last - first, p.width / 2);
  const double left = height_of(Mark::line, p, first + 10);
  const double right = height_of(Mark::line, p, last - 15);
  EXPECT_GT(right - left, 200);  // y grows downwards
  // Straight on a linear axis: the middle is half-way, within a pixel.
  EXPECT_NEAR(height_of(Mark::line, p, (first + 10 + last - 15) / 2), (left + right) / 2, 1.5);
}

TEST(TrainingCurve, ExponentialDecayIsStraightOnTheLogarithmicAxis) {
  const Picture p = training_curve(
      std::vector{
          phase("training", 100, [](std::size_t i) { return std::exp(-0.1 * static_cast<double>(i)); })},
      "");
  const auto [first, last] = columns_of_curve(p, 0, p.width);
  const double left = height_of(Mark::line, p, first + 10);
  const double right = height_of(Mark::line, p, last - 15);
  EXPECT_GT(right - left, 200);
  EXPECT_NEAR(height_of(Mark::line, p, (first + 10 + last - 15) / 2), (left + right) / 2, 1.5);
}

TEST(TrainingCurve, AChangeOfRateIsMarkedWhereItHappened) {
  const auto flat = [](std::size_t) { return 1.0; };
  EXPECT_EQ(count(Mark::rate, training_curve(std::vector{phase("training", 101, flat)}, ""), 0, 600), 0U);
  const Picture p = training_curve(std::vector{phase("training", 101, flat, 75)}, "");
  std::size_t marked_x = 0;
  std::size_t most = 0;
  for (std::size_t x = 0; x < p.width; ++x) {
    const std::size_t n = count(Mark::rate, p, x, x + 1);
    if (n > most) {
      most = n;
      marked_x = x;
    }
  }
  EXPECT_GT(most, 100U);  // the dashed line; letters are lower
  const auto [first, last] = columns_of_curve(p, 0, p.width);
  // Epochs 1..101 span the curve; rate 1e-5 from epoch 76 on, so the line stands at 75.5.
  const double wanted = static_cast<double>(first) + 0.745 * static_cast<double>(last - first);
  EXPECT_NEAR(static_cast<double>(marked_x), wanted, 4);
}

TEST(TrainingCurve, LossesThatAreNotFiniteLeaveAGap) {
  const auto loss = [](std::size_t i) {
    if (i >= 40 && i < 60) return i % 2 == 0 ? std::nan("") : std::numeric_limits<double>::infinity();
    return 2.0;
  };
  const Picture p = training_curve(std::vector{phase("training", 101, loss)}, "");
  const auto [first, last] = columns_of_curve(p, 0, p.width);
  const auto at = [&](double share) {
    return first + static_cast<std::size_t>(share * static_cast<double>(last - first));
  };
  EXPECT_GE(height_of(Mark::line, p, at(0.3)), 0);
  EXPECT_LT(height_of(Mark::line, p, at(0.5)), 0);
  EXPECT_GE(height_of(Mark::line, p, at(0.7)), 0);
}

TEST(TrainingCurve, OddRunsGetAPictureToo) {
  const Picture one = training_curve(std::vector{phase("training", 1, [](std::size_t) { return 0.5; })}, "");
  EXPECT_GT(count(Mark::line, one, 0, one.width), 20U);  // its dot
  const Picture none = training_curve(std::vector{phase("training", 0, [](std::size_t) { return 0.5; })}, "");
  EXPECT_EQ(count(Mark::line, none, 0, none.width), 0U);
  const Picture nan =
      training_curve(std::vector{phase("training", 5, [](std::size_t) { return std::nan(""); })}, "");
  EXPECT_EQ(nan.width, one.width);
  // A title that is no UTF-8 or very long spoils nothing.
  const Picture odd_title = training_curve(std::vector{phase("\xff", 1, [](std::size_t) { return 0.5; })},
                                           "file \xff\xfe " + std::string(500, 'x'));
  EXPECT_GT(count(Mark::line, odd_title, 0, odd_title.width), 20U);
  EXPECT_THAT(message_of<InvalidArgument>([] { (void)training_curve({}, ""); }), HasSubstr("no phases"));
}

}  // namespace
}  // namespace deepsad
