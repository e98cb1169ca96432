#include "nn/early_stopping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "deepsad/core/error.h"
#include "nn/every_step.h"
#include "nn/losses.h"
#include "nn/support.h"
#include "nn/training_loop.h"
#include "support/errors.h"

namespace deepsad {
namespace {

using testing::first_rows;
using testing::message_of;
using testing::mixed_labels;
using testing::random_matrix;
using testing::view;

TEST(SplitOffValidation, HoldsOutItsShareOfEveryLabel) {
  const std::vector<SemiLabel> semi = mixed_labels();
  const TrainingOptions options{.patience = 1, .validation_share = 0.25};
  const RowParts parts = split_off_validation(first_rows(69), semi, options, 5, "training");
  const auto count = [&](const std::vector<std::uint32_t>& rows, SemiLabel label) {
    return std::count_if(rows.begin(), rows.end(), [&](std::uint32_t row) { return semi[row] == label; });
  };
  EXPECT_EQ(count(parts.validation, SemiLabel::unlabelled), 10);
  EXPECT_EQ(count(parts.validation, SemiLabel::normal), 5);
  EXPECT_EQ(count(parts.validation, SemiLabel::anomaly), 2);  // 2.25
  EXPECT_TRUE(std::is_sorted(parts.train.begin(), parts.train.end()));
  EXPECT_TRUE(std::is_sorted(parts.validation.begin(), parts.validation.end()));
  std::set<std::uint32_t> all(parts.train.begin(), parts.train.end());
  all.insert(parts.validation.begin(), parts.validation.end());
  EXPECT_EQ(all.size(), 69U);
  EXPECT_EQ(parts.train.size() + parts.validation.size(), 69U);
}

// Pretraining without the labelled anomalies and training with them watch the same other rows.
TEST(SplitOffValidation, HoldsOutTheSameRowsWhateverOtherRowsAreThere) {
  const std::vector<SemiLabel> semi = mixed_labels();
  const TrainingOptions options{.patience = 1, .validation_share = 0.25};
  std::vector<std::uint32_t> fewer = first_rows(69);
  std::erase_if(fewer, [&](std::uint32_t row) { return semi[row] == SemiLabel::anomaly; });
  std::vector<std::uint32_t> expected =
      split_off_validation(first_rows(69), semi, options, 5, "training").validation;
  std::erase_if(expected, [&](std::uint32_t row) { return semi[row] == SemiLabel::anomaly; });
  EXPECT_EQ(split_off_validation(fewer, semi, options, 5, "pretraining").validation, expected);
  EXPECT_NE(split_off_validation(fewer, semi, options, 6, "pretraining").validation, expected);
}

TEST(SplitOffValidation, TakesNothingWithoutPatience) {
  const std::vector<SemiLabel> semi = mixed_labels();
  const RowParts parts = split_off_validation(first_rows(69), semi, {}, 5, "training");
  EXPECT_EQ(parts.train, first_rows(69));
  EXPECT_TRUE(parts.validation.empty());
}

TEST(SplitOffValidation, RefusesAShareThatGivesNoRow) {
  const std::vector<SemiLabel> semi(9, SemiLabel::unlabelled);
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              (void)split_off_validation(first_rows(9), semi, {.patience = 1, .validation_share = 0.1}, 5,
                                         "training");
            }),
            "training: early stopping holds out a share of 0.1 of each kind of row, but of these 9 rows that "
            "is not a single one; raise validation_share, or leave patience out");
}

TEST(EarlyStopping, WaitsAsManyEpochsAsItsPatience) {
  EarlyStopping stopping(2);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> losses{3, 2, 2, 1, nan, 1};
  const std::vector<bool> best{true, true, false, true, false, false};
  const std::vector<bool> ends{false, false, false, false, false, true};
  for (std::size_t i = 0; i < losses.size(); ++i) {
    SCOPED_TRACE(i + 1);
    EXPECT_EQ(stopping.is_best(i + 1, losses[i]), best[i]);
    EXPECT_EQ(stopping.exhausted(i + 1), ends[i]);
  }
  EXPECT_EQ(stopping.best_epoch(), 4U);
  EXPECT_EQ(stopping.best_loss(), 1);
}

class TrainWithPatience : public testing::EveryStep {};

// What early stopping leaves is what training for just as many epochs on the same rows leaves, to the last
// bit: looking at held-out rows changes nothing.
TEST_P(TrainWithPatience, EndsWithTheWeightsOfTheBestEpoch) {
  TrainingOptions options{
      .learning_rate = 0.004, .n_epochs = 200, .batch_size = 16, .patience = 3, .validation_share = 0.3};
  const RowParts rows = split_off_validation(first_rows(kRows), semi_, options, 2, "training");
  const testing::Trained stopped = run(options, rows);
  const TrainingHistory& history = stopped.history;
  ASSERT_LT(history.epochs.size(), 200U) << "the case is to stop early";
  ASSERT_GT(history.best_epoch, 1U) << "and to learn something first";
  EXPECT_EQ(history.epochs.size(), history.best_epoch + 3);
  const double best = *history.epochs[history.best_epoch - 1].validation_loss;
  for (std::size_t i = 0; i < history.epochs.size(); ++i) {
    if (i + 1 < history.best_epoch) {
      EXPECT_GT(*history.epochs[i].validation_loss, best);
    } else {
      EXPECT_GE(*history.epochs[i].validation_loss, best);
    }
  }
  ASSERT_EQ(messages_.size(), 1U);
  EXPECT_THAT(messages_[0],
              ::testing::StartsWith("training: stopped after epoch " + std::to_string(history.epochs.size()) +
                                    " of at most 200; kept epoch " + std::to_string(history.best_epoch)));

  options.n_epochs = history.best_epoch;
  options.patience = 0;
  const testing::Trained straight = run(options, {.train = rows.train, .validation = {}});
  EXPECT_EQ(straight.weights, stopped.weights);
  EXPECT_FALSE(straight.history.epochs[0].validation_loss.has_value());
  for (std::size_t i = 0; i < straight.history.epochs.size(); ++i)
    EXPECT_EQ(straight.history.epochs[i].loss, history.epochs[i].loss);
}

INSTANTIATE_TEST_SUITE_P(EveryKindOfStep, TrainWithPatience, ::testing::ValuesIn(testing::kStepKinds),
                         testing::step_kind_name);

// The loss of held-out rows is that of the network with running statistics: recomputed here from its outputs.
TEST(ValidationLoss, IsTheLossInEvaluationMode) {
  const NetworkSpec spec = network_by_name("thyroid_mlp").encoder;
  const Matrix<float> x = random_matrix<float>(69, 6, 1);
  const std::vector<SemiLabel> semi = mixed_labels();
  const TrainingOptions options{
      .learning_rate = 0.01, .n_epochs = 2, .batch_size = 16, .patience = 5, .validation_share = 0.3};
  const RowParts rows = split_off_validation(first_rows(69), semi, options, 2, "training");
  ThreadPool pool(1);
  Plan<float> plan(spec, 17, PlanMode::train, pool);
  plan.load(initial_state(spec, 3, "test"));
  const std::vector<float> center{0.1F, -0.2F, 0.3F, 0.4F};
  const DeepSadLoss<float> loss(center, semi, 2, 1e-6);
  const Observer observer;
  const TrainingHistory history = train(
      plan, loss, view(x), rows,
      {.name = "training", .shuffle_stream = "test", .options = options, .seed = 2, .observer = observer});
  ASSERT_EQ(history.best_epoch, 2U);

  Plan<float> inference(spec, 0, PlanMode::infer, pool);
  inference.load(plan.state());
  Matrix<float> z(69, 4);
  inference.infer_rows(view(x), view(z));
  double sum = 0;
  for (const std::uint32_t row : rows.validation) {
    double distance = 0;
    for (std::size_t j = 0; j < 4; ++j)
      distance += std::pow(static_cast<double>(z.row(row)[j] - center[j]), 2);
    sum += semi[row] == SemiLabel::unlabelled ? distance
           : semi[row] == SemiLabel::normal   ? 2 * (distance + 1e-6)
                                              : 2 / (distance + 1e-6);
  }
  EXPECT_NEAR(*history.epochs[1].validation_loss, sum / static_cast<double>(rows.validation.size()),
              1e-5 * sum);
}

}  // namespace
}  // namespace deepsad
