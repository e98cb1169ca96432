// Checkpoints: a broken-off phase goes on to the bits of one that was not broken off.
#include "deepsad/nn/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <stdexcept>

#include "deepsad/core/error.h"
#include "deepsad/core/version.h"
#include "deepsad/storage/atomic_file.h"
#include "deepsad/storage/safetensors.h"
#include "nn/every_step.h"
#include "support/errors.h"
#include "support/files.h"

namespace deepsad {
namespace {

using testing::first_rows;
using testing::message_of;
using testing::TempDir;
using testing::Trained;

class Checkpoint : public testing::EveryStep {
 protected:
  std::unique_ptr<RunCheckpoint> checkpoint(std::size_t every) {
    auto made = std::make_unique<RunCheckpoint>(every);
    made->open(path_);
    made->bind({{"seed", "2"}});
    return made;
  }
  /// Trains until the end of the given epoch (1-based), where the process "dies".
  void break_off_in(std::size_t epoch, const TrainingOptions& options, const RowParts& rows,
                    std::size_t every) {
    observer_.on_progress = [epoch](const Progress& progress) {
      if (progress.done == epoch) throw std::runtime_error("killed");
    };
    EXPECT_THROW((void)run(options, rows, checkpoint(every).get()), std::runtime_error);
    observer_.on_progress = nullptr;
  }

  TempDir folder_;
  std::string path_ = folder_.path() + "/checkpoint.safetensors";
};

TEST_P(Checkpoint, GoesOnToTheSameBits) {
  const TrainingOptions options{.learning_rate = 0.01, .n_epochs = 11, .milestones = {7}, .batch_size = 16};
  const RowParts rows{.train = first_rows(kRows), .validation = {}};
  const Trained straight = run(options, rows);
  break_off_in(6, options, rows, 2);  // epochs 1 to 4 are saved
  break_off_in(10, options, rows, 3);
  const Trained resumed = run(options, rows, checkpoint(2).get());
  EXPECT_EQ(messages_.front(), "training: goes on after epoch 9 of 11");
  EXPECT_EQ(resumed.weights, straight.weights);
  ASSERT_EQ(resumed.history.epochs.size(), 11U);
  for (std::size_t i = 0; i < 11; ++i) {
    EXPECT_EQ(resumed.history.epochs[i].loss, straight.history.epochs[i].loss);
    EXPECT_EQ(resumed.history.epochs[i].learning_rate, straight.history.epochs[i].learning_rate);
  }
  // A finished phase is not trained again.
  observer_.on_progress = [](const Progress&) { FAIL() << "an epoch was trained"; };
  EXPECT_EQ(run(options, rows, checkpoint(2).get()).weights, straight.weights);
}

TEST_P(Checkpoint, GoesOnWithEarlyStopping) {
  const TrainingOptions options{
      .learning_rate = 0.004, .n_epochs = 200, .batch_size = 16, .patience = 4, .validation_share = 0.3};
  const RowParts rows = split_off_validation(first_rows(kRows), semi_, options, 2, "training");
  const Trained straight = run(options, rows);
  ASSERT_LT(straight.history.epochs.size(), 200U);
  // Between the best epoch and the end, when the best weights are no longer those of the networks.
  break_off_in(straight.history.best_epoch + 3, options, rows, 1);
  const Trained resumed = run(options, rows, checkpoint(1).get());
  EXPECT_EQ(resumed.weights, straight.weights);
  EXPECT_EQ(resumed.history.best_epoch, straight.history.best_epoch);
  EXPECT_EQ(resumed.history.epochs.size(), straight.history.epochs.size());
  EXPECT_EQ(resumed.history.epochs[0].validation_loss, straight.history.epochs[0].validation_loss);
}

INSTANTIATE_TEST_SUITE_P(EveryKindOfStep, Checkpoint, ::testing::ValuesIn(testing::kStepKinds),
                         testing::step_kind_name);

class CheckpointFile : public ::testing::Test {
 protected:
  void save(const std::map<std::string, std::string>& identity) {
    RunCheckpoint checkpoint(1);
    checkpoint.open(path_);
    checkpoint.bind(identity);
    checkpoint.save("training", {.history = {}, .carried = {0.5F}, .best_loss = 2});
  }
  TempDir folder_;
  std::string path_ = folder_.path() + "/checkpoint.safetensors";
};

TEST_F(CheckpointFile, RefusesAnotherRun) {
  save({{"seed", "1"}, {"instruction set", "avx2"}});
  RunCheckpoint checkpoint(1);
  checkpoint.open(path_);
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              checkpoint.bind({{"seed", "2"}, {"instruction set", "avx2"}});
            }),
            path_ + ": the run was begun with seed = 1, but now it is 2; the same bits need the same seed");
  EXPECT_NO_THROW(checkpoint.bind({{"seed", "1"}, {"instruction set", "avx2"}}));
  ASSERT_NE(checkpoint.find("training"), nullptr);
  EXPECT_EQ(checkpoint.find("training")->carried, std::vector<float>{0.5F});
  EXPECT_EQ(checkpoint.find("pretraining"), nullptr);
}

TEST_F(CheckpointFile, RefusesDamageAndOtherVersions) {
  save({{"seed", "1"}});
  std::vector<std::uint8_t> bytes = read_file(path_);
  bytes[bytes.size() / 2] ^= 1U;
  replace_file(path_, bytes);
  RunCheckpoint damaged(1);
  EXPECT_THAT(message_of<ModelError>([&] { damaged.open(path_); }),
              ::testing::AllOf(::testing::StartsWith(path_ + ": "), ::testing::HasSubstr("checksum"),
                               ::testing::EndsWith("; delete it to begin the training anew")));

  replace_file(path_, write_safetensors({.metadata = {{"deepsad.checkpoint_version", "0.0.1"},
                                                      {"deepsad.checkpoint_identity", "{}"},
                                                      {"deepsad.checkpoint_phases", "{}"}},
                                         .tensors = {}}));
  RunCheckpoint old(1);
  EXPECT_EQ(
      message_of<ModelError>([&] { old.open(path_); }),
      path_ +
          ": the checkpoint was written by deepsad 0.0.1, and only that version can go on from it; this is " +
          std::string(version()) + ". Train anew, or use that version");
}

TEST_F(CheckpointFile, StartsFromNothingWithoutAFile) {
  RunCheckpoint checkpoint(5);
  EXPECT_NO_THROW(checkpoint.open(path_));
  EXPECT_NO_THROW(checkpoint.bind({{"seed", "1"}}));
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_TRUE(checkpoint.due(10));
  EXPECT_FALSE(checkpoint.due(11));
}

}  // namespace
}  // namespace deepsad
