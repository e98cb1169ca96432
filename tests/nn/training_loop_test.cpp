// The training loop: options, schedule, batches, records, and how it ends early.
#include "nn/training_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "deepsad/core/error.h"
#include "nn/losses.h"
#include "nn/support.h"
#include "support/errors.h"

namespace deepsad {
namespace {

using testing::first_rows;
using testing::message_of;
using testing::random_matrix;
using testing::view;
using Sizes = std::vector<std::size_t>;

TEST(TrainingOptions, AreChecked) {
  EXPECT_NO_THROW(validate(TrainingOptions{}));
  const auto refusal = [](const TrainingOptions& options) {
    return message_of<InvalidArgument>([&] { validate(options); });
  };
  EXPECT_EQ(refusal({.learning_rate = 0}), "learning rate must be positive and finite, got 0");
  EXPECT_EQ(refusal({.learning_rate = -1}), "learning rate must be positive and finite, got -1");
  EXPECT_EQ(refusal({.learning_rate = std::nan("")}), "learning rate must be positive and finite, got nan");
  EXPECT_EQ(refusal({.learning_rate = std::numeric_limits<double>::infinity()}),
            "learning rate must be positive and finite, got inf");
  EXPECT_EQ(refusal({.weight_decay = -1e-9}), "weight decay must be at least 0 and finite, got -1e-09");
  EXPECT_EQ(refusal({.weight_decay = std::nan("")}), "weight decay must be at least 0 and finite, got nan");
  EXPECT_EQ(refusal({.batch_size = 0}), "batch size must be at least 1, got 0");
  EXPECT_EQ(refusal({.milestones = {5, 3}}), "learning-rate milestones must be in ascending order");
  EXPECT_NO_THROW(validate(TrainingOptions{.n_epochs = 0, .milestones = {0, 5}, .weight_decay = 0}));
}

TEST(LearningRate, IsFullUntilTheMilestone) {
  const TrainingOptions options{.learning_rate = 0.5, .n_epochs = 8, .milestones = {2, 5}};
  const std::vector<double> factors{1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01};
  for (std::size_t epoch = 0; epoch < factors.size(); ++epoch) {
    EXPECT_NEAR(learning_rate_at(options, epoch), 0.5 * factors[epoch], 1e-15) << epoch;
  }
  EXPECT_EQ(learning_rate_at({.learning_rate = 0.5}, 1000), 0.5);
  EXPECT_NEAR(learning_rate_at({.learning_rate = 0.5, .milestones = {0}}, 0), 0.05, 1e-15);
  EXPECT_NEAR(learning_rate_at({.learning_rate = 0.5, .milestones = {3, 3}}, 3), 0.005, 1e-15);
}

TEST(LearningRate, WithTheReferencesQuirkFallsOneEpochEarly) {
  const TrainingOptions options{
      .learning_rate = 0.5, .n_epochs = 8, .milestones = {1, 4}, .reference_quirks = true};
  const std::vector<double> factors{0.1, 0.1, 0.1, 0.01, 0.01};
  for (std::size_t epoch = 0; epoch < factors.size(); ++epoch) {
    EXPECT_NEAR(learning_rate_at(options, epoch), 0.5 * factors[epoch], 1e-15) << epoch;
  }
}

TEST(BatchEnds, UseEveryRow) {
  const TrainingOptions options{.batch_size = 128};
  EXPECT_EQ(batch_ends(0, options), Sizes{});
  EXPECT_EQ(batch_ends(1, options), Sizes{1});
  EXPECT_EQ(batch_ends(127, options), Sizes{127});
  EXPECT_EQ(batch_ends(128, options), Sizes{128});
  EXPECT_EQ(batch_ends(129, options), Sizes{129});  // a batch of one row has no variance
  EXPECT_EQ(batch_ends(130, options), (Sizes{128, 130}));
  EXPECT_EQ(batch_ends(256, options), (Sizes{128, 256}));
  EXPECT_EQ(batch_ends(257, options), (Sizes{128, 257}));
  EXPECT_EQ(batch_ends(258, options), (Sizes{128, 256, 258}));
  EXPECT_EQ(largest_batch(257, options), 129U);
  EXPECT_EQ(largest_batch(258, options), 128U);
  EXPECT_EQ(largest_batch(5, options), 5U);
  EXPECT_EQ(batch_ends(3, {.batch_size = 1}), (Sizes{1, 2, 3}));
  EXPECT_EQ(batch_ends(3, {.batch_size = 2}), Sizes{3});
}

TEST(BatchEnds, WithTheReferencesQuirkDropTheRest) {
  const TrainingOptions options{.batch_size = 128, .reference_quirks = true};
  EXPECT_EQ(batch_ends(128, options), Sizes{128});
  EXPECT_EQ(batch_ends(129, options), Sizes{128});
  EXPECT_EQ(batch_ends(255, options), Sizes{128});
  EXPECT_EQ(batch_ends(256, options), (Sizes{128, 256}));
  EXPECT_EQ(largest_batch(129, options), 128U);
  EXPECT_EQ(
      message_of<InvalidArgument>([&] { (void)batch_ends(127, options); }),
      "the reference drops incomplete batches, so it cannot train on 127 rows with batch size 128; take a "
      "batch size of at most 127, or leave --compat reference out");
}

// thyroid_mlp on 40 of 60 rows, in batches of 16, 16 and 8.
class Train : public ::testing::Test {
 protected:
  static constexpr std::size_t kAll = 60;
  Train() : x_(random_matrix<float>(kAll, 6, 2)), center_(4, 0.1F), semi_(kAll, SemiLabel::unlabelled) {
    for (std::uint32_t i = 0; i < 40; ++i) rows_.push_back(i + 10);
    plan_.load(state_);
    observer_.on_message = [this](LogLevel, const std::string& text) { messages_.push_back(text); };
    observer_.on_progress = [this](const Progress& progress) { progress_.push_back(progress); };
  }
  TrainingHistory run(const TrainingOptions& options, const StopToken* stop = nullptr,
                      std::function<void(std::size_t, std::span<const std::uint32_t>)> after_step = {}) {
    return train(plan_, loss_, view(x_), {.train = rows_, .validation = validation_},
                 {.name = "training",
                  .shuffle_stream = "test",
                  .options = options,
                  .seed = 11,
                  .observer = observer_,
                  .stop = stop,
                  .after_step = std::move(after_step)});
  }

  NetworkSpec spec_ = network_by_name("thyroid_mlp").encoder;
  StateDict state_ = initial_state(spec_, 3, "test");
  ThreadPool pool_{1};
  Plan<float> plan_{spec_, 17, PlanMode::train, pool_};
  Matrix<float> x_;
  std::vector<float> center_;
  std::vector<SemiLabel> semi_;
  DeepSadLoss<float> loss_{center_, semi_, 1, 1e-6};
  std::vector<std::uint32_t> rows_, validation_;
  Observer observer_;
  std::vector<std::string> messages_;
  std::vector<Progress> progress_;
};

TEST_F(Train, TakesTheStepsThatItsDescriptionSays) {
  const TrainingOptions options{
      .learning_rate = 0.01, .n_epochs = 3, .milestones = {2}, .batch_size = 16, .weight_decay = 1e-3};
  const TrainingHistory history = run(options);
  const StateDict trained = plan_.state();

  // The same by hand. Each epoch's order is drawn from that epoch's own stream.
  plan_.load(state_);
  ASSERT_EQ(history.epochs.size(), 3U);
  for (std::size_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<std::uint32_t> order = rows_;
    RandomStream(11, "shuffle/test", epoch).shuffle(order);
    const double rate = epoch < 2 ? 0.01 : 0.01 * 0.1;
    double sum = 0;
    for (const auto& [begin, size] : {std::pair{0, 16}, std::pair{16, 16}, std::pair{32, 8}}) {
      sum += plan_.forward_backward(
          view(x_), std::span(order).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(size)),
          loss_);
      plan_.update(static_cast<float>(rate), 1e-3F);
    }
    EXPECT_DOUBLE_EQ(history.epochs[epoch].loss, sum / 3);
    EXPECT_DOUBLE_EQ(history.epochs[epoch].learning_rate, rate);
    EXPECT_GE(history.epochs[epoch].seconds, 0);
  }
  EXPECT_EQ(plan_.state(), trained);
  EXPECT_NE(trained, state_);
  EXPECT_LT(history.epochs[2].loss, history.epochs[0].loss);
  EXPECT_GE(history.seconds, history.epochs[0].seconds + history.epochs[1].seconds);
}

TEST_F(Train, ReportsProgressAndTheChangeOfTheLearningRate) {
  (void)run({.learning_rate = 0.01, .n_epochs = 3, .milestones = {2}, .batch_size = 16});
  EXPECT_EQ(messages_, std::vector<std::string>{"training: learning rate is 0.001 from epoch 3 on"});
  ASSERT_EQ(progress_.size(), 3U);
  for (std::size_t epoch = 0; epoch < 3; ++epoch) {
    EXPECT_EQ(progress_[epoch].phase, "training");
    EXPECT_EQ(progress_[epoch].done, epoch + 1);
    EXPECT_EQ(progress_[epoch].total, 3U);
    EXPECT_EQ(progress_[epoch].rows, 40 * (epoch + 1));
    EXPECT_TRUE(std::isfinite(progress_[epoch].loss));
  }
}

TEST_F(Train, ShowsEveryRowOncePerEpochInAnOrderOfItsOwn) {
  std::vector<std::vector<std::uint32_t>> seen(2);
  std::vector<std::size_t> sizes;
  (void)run({.n_epochs = 2, .batch_size = 13}, nullptr,
            [&](std::size_t epoch, std::span<const std::uint32_t> batch) {
              seen.at(epoch).insert(seen[epoch].end(), batch.begin(), batch.end());
              sizes.push_back(batch.size());
            });
  EXPECT_EQ(sizes, (Sizes{13, 13, 14, 13, 13, 14}));  // 40 = 3 * 13 + 1
  EXPECT_NE(seen[0], seen[1]);
  EXPECT_NE(seen[0], rows_);
  for (auto& rows : seen) {
    std::sort(rows.begin(), rows.end());
    EXPECT_EQ(rows, rows_);
  }
}

TEST_F(Train, OfNoEpochsChangesNothing) {
  const TrainingHistory history = run({.n_epochs = 0, .batch_size = 16});
  EXPECT_TRUE(history.epochs.empty());
  EXPECT_EQ(plan_.state(), state_);
}

TEST_F(Train, RefusesBadOptionsAndNoRows) {
  EXPECT_EQ(message_of<InvalidArgument>([&] { (void)run({.learning_rate = -1}); }),
            "learning rate must be positive and finite, got -1");
  rows_.clear();
  EXPECT_EQ(message_of<InvalidArgument>([&] { (void)run({.batch_size = 16}); }),
            "training: there are no rows to train on");
}

TEST_F(Train, StopsAfterTheStepInWhichItWasAsked) {
  StopToken stop;
  std::size_t steps = 0;
  const std::string message = message_of<Interrupted>([&] {
    (void)run({.n_epochs = 5, .batch_size = 16}, &stop, [&](std::size_t, std::span<const std::uint32_t>) {
      if (++steps == 5) stop.request_stop();
    });
  });
  EXPECT_EQ(message, "training stopped on request in epoch 2 of 5, after batch 2 of 3");
  EXPECT_EQ(steps, 5U);
  EXPECT_EQ(testing::tensor_of(plan_.state(), "hidden.0.bn.num_batches_tracked").count, 5);
}

TEST_F(Train, NamesEpochBatchAndInputOfALossThatIsNotFinite) {
  rows_.resize(32);
  x_.row(rows_[7])[2] = std::numeric_limits<float>::infinity();
  std::vector<std::uint32_t> order = rows_;
  RandomStream(11, "shuffle/test", 0).shuffle(order);
  const auto place = std::find(order.begin(), order.end(), rows_[7]) - order.begin();
  EXPECT_EQ(
      message_of<NumericError>([&] { (void)run({.n_epochs = 5, .batch_size = 16}); }),
      "training: the loss is not a number in epoch 1, batch " + std::to_string(place / 16 + 1) +
          "; first not finite: the input. Try a smaller learning rate (now 0.001) or look for extreme values "
          "in the data");
}

TEST_F(Train, NamesTheLayerOfALossThatIsNotFinite) {
  // Finite weights so large that the first layer's products are not.
  StateDict state = state_;
  for (float& w : state[0].values) w = 3e38F;
  plan_.load(state);
  EXPECT_THAT(message_of<NumericError>([&] { (void)run({.n_epochs = 5, .batch_size = 16}); }),
              ::testing::AllOf(::testing::HasSubstr("in epoch 1, batch 1; first not finite: layer 1 (linear "
                                                    "\"hidden.0.linear\")"),
                               ::testing::StartsWith("training: the loss is ")));
}

TEST_F(Train, NoticesAHugeLearningRate) {
  const std::string message =
      message_of<NumericError>([&] { (void)run({.learning_rate = 1e38, .n_epochs = 5, .batch_size = 16}); });
  EXPECT_THAT(message, ::testing::HasSubstr("in epoch 1, batch 2; first not finite: "));
  EXPECT_THAT(message, ::testing::HasSubstr("Try a smaller learning rate (now 1e+38)"));
}

// The last update has no loss after it that would show what it did.
TEST_F(Train, NoticesWeightsThatTheLastStepSpoilt) {
  rows_.resize(16);
  const std::string message =
      message_of<NumericError>([&] { (void)run({.learning_rate = 3e38, .n_epochs = 1, .batch_size = 16}); });
  EXPECT_EQ(
      message,
      "training: tensor \"hidden.0.linear.weight\" is not finite after epoch 1. Try a smaller learning rate "
      "(now 3e+38) or look for extreme values in the data");
}

}  // namespace
}  // namespace deepsad
