// Which rows a model was trained on.
#include "deepsad/model/seen_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "deepsad/data/row_file.h"
#include "deepsad/model/calibrate.h"
#include "deepsad/model/fit_model.h"
#include "support/errors.h"

namespace deepsad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::message_of;

constexpr std::size_t kFeatures = 3;

// Rows [first, first + n) of an endless table.
Table table_of(std::size_t first, std::size_t n) {
  Table table;
  std::vector<double> values;
  for (std::size_t row = first; row < first + n; ++row) {
    RandomStream random(row, "test/seen_rows");
    for (std::size_t j = 0; j < kFeatures; ++j) values.push_back(random.normal());
  }
  table.data.name = "rows.csv";
  table.data.sample_shape = {kFeatures};
  table.data.values = std::move(values);
  return table;
}

void append(Table& table, const Table& more) {
  auto& values = std::get<std::vector<double>>(table.data.values);
  const auto& others = std::get<std::vector<double>>(more.data.values);
  values.insert(values.end(), others.begin(), others.end());
}

Model model_of(std::size_t n_rows, bool profile = true) {
  TrainOptions options = starting_options("none", "none", "isolation_forest");
  options.method = "isolation_forest";
  options.seed = 1;
  options.num_threads = 1;
  options.training_profile = profile;
  const Table table = table_of(0, n_rows);
  return *fit_model(options, {.rows = raw_rows(table.data), .semi = {}, .sample_shape = {}}, {}, nullptr)
              .model;
}

class SeenRowsTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kTrain = 300, kMany = 20000;
  static const Model& model() {
    static const Model trained = model_of(kTrain);
    return trained;
  }
  // Keeps the hashes of a sample only.
  static const Model& large() {
    static const Model trained = model_of(kMany);
    return trained;
  }
  UnseenRows unseen(const Model& of, const Table& table, bool keep = false) {
    return unseen_rows(of, table, HeldOutPart::test, keep, pool_);
  }
  ThreadPool pool_{3};
};

TEST_F(SeenRowsTest, TrainingRowsAreFoundInAnyOrderWithAnyLabels) {
  Table mixed = table_of(5000, 1500);  // new ones: more than a chunk
  append(mixed, table_of(7, 1));
  append(mixed, table_of(8000, 1));
  append(mixed, table_of(3, 1));
  mixed.semi.assign(mixed.data.size(), SemiLabel::anomaly);
  std::vector<std::uint32_t> all(mixed.data.size());
  std::iota(all.begin(), all.end(), 0U);
  const auto seen = rows_seen_in_training(model(), raw_rows(mixed.data), all, pool_);
  ASSERT_TRUE(seen.has_value());
  EXPECT_TRUE(seen->all);
  EXPECT_EQ(seen->compared.size(), 1503U);
  EXPECT_THAT(seen->found, ElementsAre(1500U, 1502U));
  const std::vector<std::uint32_t> some{1, 1502};
  EXPECT_THAT(rows_seen_in_training(model(), raw_rows(mixed.data), some, pool_)->found, ElementsAre(1502U));
  const UnseenRows left = unseen(model(), mixed);
  EXPECT_EQ(left.rows.size(), 1501U);
  EXPECT_EQ(left.rows.back(), 1501U);
  EXPECT_THAT(left.messages,
              ElementsAre(HasSubstr("2 of 1503 rows are training rows and left out (--keep-training-rows")));
  EXPECT_EQ(unseen(model(), mixed, true).rows, all);
  EXPECT_THAT(unseen(model(), mixed, true).messages, ElementsAre(HasSubstr("2 of 1503 rows are training")));
}

TEST_F(SeenRowsTest, NewRowsAreAllTakenWithoutAWord) {
  EXPECT_EQ(unseen(model(), table_of(5000, 40)).rows.size(), 40U);
  EXPECT_THAT(unseen(model(), table_of(5000, 40)).messages, IsEmpty());
}

TEST_F(SeenRowsTest, NothingButTrainingRowsIsRefused) {
  const std::string message = message_of<DataError>([&] { (void)unseen(model(), table_of(20, 50)); });
  EXPECT_THAT(message, HasSubstr("rows.csv: all 50 rows are rows that the model was trained on"));
  EXPECT_THAT(message, HasSubstr("--keep-training-rows"));
}

// A sample of hashes tells that there are training rows, but not which they are.
TEST_F(SeenRowsTest, OfALargeTrainingSetMoreThanAFewAreRefused) {
  Table mixed = table_of(kMany, 2000);
  EXPECT_EQ(unseen(large(), mixed).rows.size(), 2000U);
  EXPECT_THAT(unseen(large(), mixed).messages, ElementsAre(HasSubstr("sample of its training rows")));
  append(mixed, table_of(100, 500));
  EXPECT_THAT(message_of<DataError>([&] { (void)unseen(large(), mixed); }),
              HasSubstr("and the model cannot tell of the other "));
  EXPECT_EQ(unseen(large(), mixed, true).rows.size(), 2500U);
}

TEST_F(SeenRowsTest, ImagesAreToldLikeRows) {
  RandomStream random(1, "test/seen_rows/images");
  Table images;
  images.data.name = "images.idx";
  images.data.sample_shape = {1, 4, 4};
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < 80 * 16; ++i) bytes.push_back(static_cast<std::uint8_t>(random.below(256)));
  images.data.values = std::vector<std::uint8_t>(bytes.begin(), bytes.begin() + 60 * 16);
  TrainOptions options = starting_options("none", "none", "isolation_forest");
  options.method = "isolation_forest";
  options.seed = 1;
  const FittedModel fitted =
      fit_model(options, {.rows = raw_rows(images.data), .semi = {}, .sample_shape = {1, 4, 4}}, {}, nullptr);
  images.data.values = std::vector<std::uint8_t>(bytes.begin() + 50 * 16, bytes.end());
  const UnseenRows left = unseen(*fitted.model, images);
  EXPECT_EQ(left.rows.size(), 20U);
  EXPECT_EQ(left.rows.front(), 10U);
}

TEST_F(SeenRowsTest, WithoutAProfileTheModelCannotTell) {
  const UnseenRows left = unseen(model_of(50, false), table_of(0, 10));
  EXPECT_EQ(left.rows.size(), 10U);
  EXPECT_THAT(left.messages, ElementsAre(HasSubstr("the model cannot tell")));
}

TEST_F(SeenRowsTest, AThresholdIsChosenOnTheOthers) {
  Table mixed = table_of(0, 100);
  append(mixed, table_of(6000, 60));
  mixed.semi.assign(160, SemiLabel::unlabelled);
  mixed.semi[120] = SemiLabel::normal;
  const CalibrationSet set = calibration_set(model(), mixed, false, pool_);
  EXPECT_EQ(set.scores, model().score(table_of(6000, 60).data, pool_));
  EXPECT_EQ(set.labels.size(), 60U);
  EXPECT_EQ(set.labels[20], SemiLabel::normal);
  EXPECT_EQ(set.name, "60 rows of rows.csv");
  EXPECT_THAT(set.messages, ElementsAre(HasSubstr("100 of 160 rows are training rows")));
  EXPECT_EQ(calibration_set(model(), mixed, true, pool_).scores.size(), 160U);
}

}  // namespace
}  // namespace deepsad
