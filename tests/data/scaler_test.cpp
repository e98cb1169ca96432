#include "deepsad/data/scaler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "support/golden.h"

namespace deepsad {
namespace {

using ::testing::AllOf;
using testing::golden;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Dataset table(const std::vector<std::vector<double>>& rows) {
  Dataset data;
  data.name = "small";
  data.sample_shape = {rows.front().size()};
  std::vector<double> values;
  for (const auto& row : rows) values.insert(values.end(), row.begin(), row.end());
  data.values = std::move(values);
  return data;
}

std::vector<std::uint32_t> all_rows(const Dataset& data) {
  std::vector<std::uint32_t> rows(data.size());
  std::iota(rows.begin(), rows.end(), 0U);
  return rows;
}

Dataset images(std::vector<std::uint8_t> bytes, std::vector<std::size_t> shape) {
  Dataset data;
  data.sample_shape = std::move(shape);
  data.values = std::move(bytes);
  return data;
}

void expect_equal(const Matrix<float>& scaled, const std::vector<std::vector<double>>& wanted) {
  ASSERT_EQ(scaled.rows, wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    for (std::size_t j = 0; j < wanted[i].size(); ++j) {
      EXPECT_NEAR(scaled.row(i)[j], wanted[i][j], 1e-7 * (1 + std::abs(wanted[i][j]))) << i << ' ' << j;
    }
  }
}

TEST(Scaler, TablesEqualTheReference) {
  const auto& block = golden("scaling");
  const Dataset train = table(block["train"]);
  const Dataset test = table(block["test"]);
  const Scaler scaler = Scaler::fit(train, all_rows(train));
  expect_equal(scaler.transform(train), block["train_scaled"]);
  expect_equal(scaler.transform(test), block["test_scaled"]);
}

TEST(Scaler, EqualsPlainMinMaxOfTheFittedRowsAndIgnoresAllOthers) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    RandomStream random(seed, "scaler test");
    constexpr std::size_t kRows = 40, kFeatures = 5;
    std::vector<std::vector<double>> rows(kRows, std::vector<double>(kFeatures));
    for (auto& row : rows) {
      for (std::size_t j = 0; j < kFeatures; ++j) row[j] = 1000.0 * static_cast<double>(j) + random.normal();
    }
    const std::vector<std::uint32_t> fitted = {3, 8, 30, 5, 17, 22};
    const Dataset data = table(rows);
    const Scaler scaler = Scaler::fit_table(data, fitted);
    const Matrix<float> scaled = scaler.transform(data);
    for (std::size_t j = 0; j < kFeatures; ++j) {
      double min = rows[3][j], max = rows[3][j];
      for (const auto i : fitted) min = std::min(min, rows[i][j]), max = std::max(max, rows[i][j]);
      for (std::size_t i = 0; i < kRows; ++i) {
        EXPECT_NEAR(scaled.row(i)[j], (rows[i][j] - min) / (max - min), 1e-6);
      }
    }
  }
}

TEST(Scaler, ShowsItsConstants) {
  const Dataset data = table({{1, 5}, {2, 5}, {4, 5}, {7, 5}});
  const Scaler scaler = Scaler::fit_table(data, all_rows(data));
  EXPECT_EQ(scaler.kind(), Scaler::Kind::table);
  EXPECT_EQ(scaler.n_features(), 2U);
  EXPECT_EQ(scaler.mean(), (std::vector{3.5, 5.0}));
  const double deviation = std::sqrt(5.25);  // divisor 4, not 3
  EXPECT_DOUBLE_EQ(scaler.std()[0], deviation);
  EXPECT_DOUBLE_EQ(scaler.min()[0], -2.5 / deviation);
  EXPECT_DOUBLE_EQ(scaler.max()[0], 3.5 / deviation);
}

TEST(Scaler, ConstantColumnsAreSafeEvenWhereTheMeanRounds) {
  // 0.1 added up seven times and divided by 7 is not 0.1: a deviation of one rounding would scale 0.2 to
  // 1e16.
  const Dataset train = table(std::vector<std::vector<double>>(7, {0.1, 5.0}));
  const Scaler scaler = Scaler::fit_table(train, all_rows(train));
  EXPECT_EQ(scaler.mean(), (std::vector{0.1, 5.0}));
  EXPECT_EQ(scaler.std(), (std::vector{1.0, 1.0}));
  expect_equal(scaler.transform(train), std::vector<std::vector<double>>(7, {0, 0}));
  expect_equal(scaler.transform(table({{0.2, 7.0}})), {{0.1, 2.0}});
}

TEST(Scaler, TinyAndHugeColumns) {
  const Dataset tiny = table({{1e-200}, {2e-200}, {3e-200}});  // the variance underflows to 0
  expect_equal(Scaler::fit_table(tiny, all_rows(tiny)).transform(tiny), {{0}, {0.5}, {1}});
  const Dataset huge = table({{-1e308}, {1e308}});  // the variance overflows
  EXPECT_THAT([&] { (void)Scaler::fit_table(huge, all_rows(huge)); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("small: feature 0 spans -1e+308 to 1e+308"))));
}

TEST(Scaler, OneRowIsScaledToZero) {
  const Dataset data = table({{3, -4}});
  expect_equal(Scaler::fit_table(data, all_rows(data)).transform(data), {{0, 0}});
}

TEST(Scaler, PixelsAreDividedBy255) {
  const Dataset data = images({0, 1, 51, 254, 255, 128}, {1, 1, 3});
  const Scaler scaler = Scaler::fit(data, {});
  EXPECT_EQ(scaler.kind(), Scaler::Kind::pixels);
  const Matrix<float> scaled = scaler.transform(data, std::vector<std::uint32_t>{1, 0});
  const std::vector<float> wanted = {254.0F / 255, 1.0F, 128.0F / 255, 0.0F, 1.0F / 255, 51.0F / 255};
  EXPECT_EQ(std::vector<float>(scaled.values.begin(), scaled.values.end()), wanted);
}

TEST(Scaler, StreamsIntoTheCallersBufferAndTouchesNothingElse) {
  const Dataset data = table({{0}, {1}, {2}, {4}});
  const Scaler scaler = Scaler::fit_table(data, all_rows(data));
  std::vector<float> buffer(6, -1.0F);
  scaler.transform(data, std::vector<std::uint32_t>{3, 1}, MatrixView<float>(buffer.data() + 1, 2, 1, 2));
  EXPECT_EQ(buffer, (std::vector<float>{-1.0F, 1.0F, -1.0F, 0.25F, -1.0F, -1.0F}));
}

TEST(Scaler, ComesBackFromItsParts) {
  const Dataset data = table({{0.3, 1}, {1.7, 1}, {2.1, 1}});
  const Scaler fitted = Scaler::fit_table(data, all_rows(data));
  const Scaler loaded = Scaler::table_from_parts(fitted.mean(), fitted.std(), fitted.min(), fitted.max());
  const Matrix<float> a = fitted.transform(data);
  const Matrix<float> b = loaded.transform(data);
  EXPECT_TRUE(std::equal(a.values.begin(), a.values.end(), b.values.begin(), b.values.end()));
}

// Values of NumPy: mean, std, percentile(25, 50, 75).
TEST(Scaler, StandardisesAndScalesRobustly) {
  const Dataset data = table({{1, 5, 2}, {2, 5, 2}, {4, 5, 2}, {7, 5, 9}, {100, 5, 2}});
  const Dataset other = table({{3, 6, 2}});
  const Scaler standard = Scaler::fit_table(data, all_rows(data), Scaling::standardise);
  EXPECT_DOUBLE_EQ(standard.mean()[0], 22.8);
  EXPECT_DOUBLE_EQ(standard.std()[0], 38.654365859498974);
  expect_equal(standard.transform(other), {{(3 - 22.8) / 38.654365859498974, 1, -0.5}});
  const Scaler robust = Scaler::fit_table(data, all_rows(data), Scaling::robust);
  // The last column's quartiles are equal: its deviation divides.
  expect_equal(robust.transform(other), {{(3 - 4) / 5.0, 1, 0}});
  EXPECT_DOUBLE_EQ(robust.std()[2], 2.8);
  const Dataset even = table({{1}, {10}, {2}, {6}});  // quartiles 1.75 and 7, median 4
  expect_equal(Scaler::fit_table(even, all_rows(even), Scaling::robust).transform(table({{9.25}})), {{1}});
  const Scaler none = Scaler::fit_table(data, all_rows(data), Scaling::none);
  expect_equal(none.transform(other), {{3, 6, 2}});
}

TEST(Scaler, EveryScalingHasItsNameAndKeepsItInTheParts) {
  const Dataset data = table({{0.3, 1}, {1.7, 1}, {2.1, 1}});
  for (const Scaling scaling : {Scaling::min_max, Scaling::standardise, Scaling::robust, Scaling::none}) {
    EXPECT_EQ(scaling_from_name(scaling_name(scaling)), scaling);
    const Scaler fitted = Scaler::fit(data, all_rows(data), scaling);
    EXPECT_EQ(fitted.scaling(), scaling);
    const Scaler loaded =
        Scaler::table_from_parts(fitted.mean(), fitted.std(), fitted.min(), fitted.max(), scaling);
    EXPECT_EQ(loaded.scaling(), scaling);
    const Matrix<float> a = fitted.transform(data);
    const Matrix<float> b = loaded.transform(data);
    EXPECT_TRUE(std::equal(a.values.begin(), a.values.end(), b.values.begin(), b.values.end()));
  }
  EXPECT_THAT([] { (void)scaling_from_name("z-score"); },
              ThrowsMessage<InvalidArgument>(HasSubstr("\"z-score\"; wanted one of min-max")));
}

TEST(Scaler, RefusesPartsThatAreNoScaler) {
  EXPECT_THAT(
      [] {
        (void)Scaler::table_from_parts({0, 0}, {1}, {0, 0}, {1, 1});
      },
      ThrowsMessage<InvalidArgument>(HasSubstr("2, 1, 2, 2 entries")));
  EXPECT_THROW((void)Scaler::table_from_parts({}, {}, {}, {}), InvalidArgument);
  EXPECT_THAT(
      [] {
        (void)Scaler::table_from_parts({0, 0}, {1, 0}, {0, 0}, {1, 1});
      },
      ThrowsMessage<InvalidArgument>(HasSubstr("feature 1: mean 0, std 0, min 0, max 1")));
  EXPECT_THROW((void)Scaler::table_from_parts({kNan}, {1}, {0}, {1}), InvalidArgument);
  EXPECT_THROW((void)Scaler::table_from_parts({0}, {1}, {2}, {1}), InvalidArgument);
}

TEST(Scaler, NamesFileRowAndFeatureOfAValueThatIsNoNumber) {
  Dataset data = table({{1, 2}, {3, 4}, {5, kNan}});
  data.feature_names = {"T3", "TSH"};
  data.sources = {{"data/thyroid.mat", ""}};
  EXPECT_THAT([&] { (void)Scaler::fit_table(data, all_rows(data)); },
              ThrowsMessage<DataError>(HasSubstr("data/thyroid.mat: row 2, feature 1 (\"TSH\")")));
  const Scaler scaler = Scaler::fit_table(data, std::vector<std::uint32_t>{0, 1});
  EXPECT_THAT([&] { (void)scaler.transform(data); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("row 2, feature 1"), HasSubstr("found nan"))));
  std::get<std::vector<double>>(data.values)[1] = -std::numeric_limits<double>::infinity();
  EXPECT_THAT(
      [&] {
        (void)Scaler::fit_table(data, std::vector<std::uint32_t>{0, 1});
      },
      ThrowsMessage<DataError>(HasSubstr("found -inf")));
}

TEST(Scaler, NamesAValueThatLeavesFloatWhenScaled) {
  const Dataset train = table({{0}, {1}});
  const Scaler scaler = Scaler::fit_table(train, all_rows(train));
  EXPECT_THAT(
      [&] {
        (void)scaler.transform(table({{0.5}, {1e300}}));
      },
      ThrowsMessage<DataError>(HasSubstr("row 1, feature 0 (both counted from 0): 1e+300 lies so far")));
}

TEST(Scaler, RefusesDataOfAnotherShapeOrKind) {
  const Dataset two = table({{0, 1}, {1, 3}});
  const Dataset three = table({{0, 1, 2}});
  const Scaler scaler = Scaler::fit_table(two, all_rows(two));
  EXPECT_THAT(
      [&] { (void)scaler.transform(three); },
      ThrowsMessage<DataError>(HasSubstr("small: samples have 3 features; the model was fitted on 2")));
  EXPECT_THROW((void)scaler.transform(images({1, 2}, {1, 1, 2})), DataError);
  EXPECT_THROW((void)Scaler::pixels(2).transform(two), DataError);
  EXPECT_THROW((void)Scaler::fit_table(images({1, 2}, {1, 1, 2}), std::vector<std::uint32_t>{0}),
               InvalidArgument);
  EXPECT_THROW((void)Scaler::pixels(0), InvalidArgument);
  Dataset no_features;
  no_features.sample_shape = {0};
  no_features.values = std::vector<double>{};
  EXPECT_THROW((void)Scaler::fit_table(no_features, std::vector<std::uint32_t>{0}), DataError);
}

TEST(Scaler, RefusesRowsAndDestinationsThatAreNotThere) {
  const Dataset data = table({{0, 1}, {1, 3}});
  EXPECT_THROW((void)Scaler::fit_table(data, {}), InvalidArgument);
  EXPECT_THAT(
      [&] {
        (void)Scaler::fit_table(data, std::vector<std::uint32_t>{0, 2});
      },
      ThrowsMessage<InvalidArgument>(HasSubstr("row 2 of a Dataset with 2 rows")));
  const Scaler scaler = Scaler::fit_table(data, all_rows(data));
  EXPECT_THROW((void)scaler.transform(data, std::vector<std::uint32_t>{7}), InvalidArgument);
  std::vector<float> buffer(4);
  EXPECT_THAT([&] { scaler.transform(data, all_rows(data), MatrixView<float>(buffer.data(), 1, 2)); },
              ThrowsMessage<InvalidArgument>(HasSubstr("destination is 1 x 2; wanted 2 x 2")));
}

// The fitted rows of any distribution become uniform in [0, 1]; ties share the mean of their shares.
TEST(Scaler, QuantilesMakeAnyDistributionUniform) {
  RandomStream random(5, "quantiles");
  std::vector<std::vector<double>> rows;
  for (std::size_t i = 0; i < 5000; ++i) rows.push_back({std::exp(4 * random.normal()), random.uniform()});
  const Dataset data = table(rows);
  const Scaler scaler = Scaler::fit_table(data, all_rows(data), Scaling::quantile);
  EXPECT_EQ(scaler.quantiles().size(), 2 * 1000U);
  const Matrix<float> scaled = scaler.transform(data);
  for (std::size_t j = 0; j < 2; ++j) {
    std::vector<double> column;
    for (std::size_t i = 0; i < scaled.rows; ++i) column.push_back(scaled.row(i)[j]);
    std::sort(column.begin(), column.end());
    for (std::size_t i = 0; i < column.size(); ++i)
      EXPECT_NEAR(column[i], static_cast<double>(i) / 4999, 2e-3);  // a quantile holds five rows
    EXPECT_EQ(column.front(), 0);
    EXPECT_EQ(column.back(), 1);
  }
}

TEST(Scaler, QuantilesOfFewRowsByHand) {
  const Dataset data = table({{1, 7, 0}, {2, 7, 0}, {2, 7, 1}, {2, 7, 0}, {10, 7, 0}});
  const Scaler scaler = Scaler::fit_table(data, all_rows(data), Scaling::quantile);
  const Dataset probe =
      table({{1, 7, 0}, {1.5, 7, 1}, {2, 8, 0.5}, {6, 7, 0}, {10, 7, 0}, {19, 7, 0}, {-8, 4, 2}});
  expect_equal(scaler.transform(probe), {{0, 0, 0},
                                         {0.125, 0, 1},
                                         {0.5, 1, 0.875},  // the middle of the second to the fourth fifth
                                         {0.875, 0, 0},
                                         {1, 0, 0},
                                         {2, 0, 0},
                                         {-1, -3, 2}});
  const Scaler again = Scaler::quantile_from_parts(scaler.quantiles(), 3);
  const Matrix<float> first = scaler.transform(probe), second = again.transform(probe);
  EXPECT_TRUE(
      std::equal(first.values.begin(), first.values.end(), second.values.begin(), second.values.end()));
  EXPECT_EQ(again.scaling(), Scaling::quantile);
  EXPECT_EQ(scaling_from_name("quantile"), Scaling::quantile);
}

TEST(Scaler, BadQuantilesAreRefused) {
  EXPECT_THROW((void)Scaler::quantile_from_parts({}, 1), InvalidArgument);
  EXPECT_THROW((void)Scaler::quantile_from_parts({1, 2, 3}, 2), InvalidArgument);
  EXPECT_THROW((void)Scaler::quantile_from_parts({2, 1}, 1), InvalidArgument);
  EXPECT_THROW((void)Scaler::quantile_from_parts({1, kNan}, 1), InvalidArgument);
  const Dataset wide = table({{-1e308}, {1e308}});
  EXPECT_THAT([&] { (void)Scaler::fit_table(wide, all_rows(wide), Scaling::quantile); },
              ThrowsMessage<DataError>(HasSubstr("its range leaves that of double")));
}

}  // namespace
}  // namespace deepsad
