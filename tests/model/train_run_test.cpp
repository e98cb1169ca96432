#include "deepsad/model/train_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "deepsad/core/error.h"
#include "deepsad/data/split.h"
#include "support/files.h"

namespace deepsad {
namespace {

using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kData = std::string(DEEPSAD_SHARED_DIR) + "/data";

TrainOptions quick(const std::string& dataset) {
  TrainOptions options;
  options.dataset = dataset;
  options.data_dir = kData;
  options.seed = 3;
  options.n_epochs = 2;
  options.ae_n_epochs = 2;
  options.n_known_outlier_classes = 1;
  options.num_threads = 1;
  return options;
}

TrainRun run(const TrainOptions& options) {
  return train_run(options, Observer{}, nullptr);
}

std::string refusal(const TrainOptions& options) {
  try {
    (void)run(options);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

class OddsSets : public ::testing::TestWithParam<const char*> {};

// T2: one split; no test row is a training row, on the real data, through the whole run.
TEST_P(OddsSets, TestRowsAreNeverTrainingRows) {
  TrainOptions options = quick(GetParam());
  options.n_epochs = options.ae_n_epochs = 1;
  options.ratio_known_outlier = 0.005;
  const TrainRun result = run(options);
  EXPECT_EQ(n_shared_rows(result.training_set.rows, result.test.rows), 0U);
  EXPECT_EQ(result.model->setup().test_rows, result.test.rows);
  EXPECT_GT(result.metrics.n_anomaly, 0U);
  EXPECT_GT(result.training_set.rows.size(), 0U);
  for (const Finding& finding : result.findings) EXPECT_NE(finding.name, "test_rows_in_training");
}
INSTANTIATE_TEST_SUITE_P(All, OddsSets,
                         ::testing::Values("arrhythmia", "cardio", "satellite", "satimage-2", "shuttle",
                                           "thyroid"));

TEST(TrainRun, CompatReferenceLeaksAsTheReferenceDoesAndSaysSo) {
  TrainOptions options = quick("cardio");
  options.compat = "reference";
  const TrainRun result = run(options);
  const double share = static_cast<double>(n_shared_rows(result.training_set.rows, result.test.rows)) /
                       static_cast<double>(result.metrics.n_normal);
  EXPECT_NEAR(share, 0.6,
              0.06);  // 60 % of the test rows are training rows; anomalies are not among those used
  EXPECT_THAT(result.findings, Contains(Field(&Finding::name, "test_rows_in_training")));
  EXPECT_THAT(result.findings, Contains(Field(&Finding::name, "nothing_transferred")));
  const Evaluation again = evaluate_model(*result.model, "", kData, 1, Observer{});
  EXPECT_EQ(again.test.scores, result.test.scores);
}

TEST(TrainRun, ASavedModelGivesTheSameBitsAndEvaluatesToTheSameAuc) {
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "deepsad_train_run_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const std::string path = folder / "model.safetensors";
  TrainOptions options = quick("thyroid");
  options.ratio_known_outlier = 0.01;
  const TrainRun result = run(options);
  result.model->save(path);
  EXPECT_THROW(result.model->save(path), IoError);  // nothing is overwritten

  const Model loaded = Model::load(path);
  EXPECT_EQ(loaded.to_bytes(), result.model->to_bytes());
  EXPECT_EQ(loaded.inspect_json(), result.model->inspect_json());
  for (const std::size_t threads : {1UL, 2UL, 3UL}) {
    const Evaluation evaluation = evaluate_model(loaded, "thyroid", kData, threads, Observer{});
    EXPECT_EQ(evaluation.test.scores, result.test.scores);
    EXPECT_EQ(evaluation.metrics.roc_auc, result.metrics.roc_auc);
    EXPECT_EQ(evaluation.metrics.average_precision, result.metrics.average_precision);
  }
  EXPECT_THROW((void)evaluate_model(loaded, "cardio", kData, 1, Observer{}), InvalidArgument);
  std::filesystem::remove_all(folder);
}

TEST(TrainRun, SameSeedSameModelAtAnyThreadCountAnotherSeedAnother) {
  TrainOptions options = quick("toy2d");
  options.ratio_known_outlier = 0.01;
  const std::vector<std::uint8_t> one = run(options).model->to_bytes();
  for (const std::size_t threads : {2UL, 3UL, 8UL}) {
    options.num_threads = threads;
    EXPECT_EQ(run(options).model->to_bytes(), one) << threads;
  }
  options.seed = 4;
  EXPECT_NE(run(options).model->to_bytes(), one);
}

TEST(TrainRun, SeveralNormalClassesAreAllowed) {
  TrainOptions options = quick("glyphs");
  options.method = "autoencoder";
  options.normal_class = {0, 3};
  options.ae_n_epochs = 1;
  options.ratio_known_outlier = 0;
  options.n_known_outlier_classes = 0;
  const TrainRun result = run(options);
  EXPECT_EQ(result.training_set.counts.unlabelled_normal, 12000U);
  EXPECT_EQ(result.metrics.n_normal, 2000U);
  EXPECT_EQ(result.metrics.n_anomaly, 8000U);
}

TEST(TrainRun, DrawsAndReportsASeedIfNoneIsGiven) {
  TrainOptions options = quick("toy2d");
  options.seed.reset();
  std::optional<std::uint64_t> resolved;
  const TrainRun result =
      train_run(options, Observer{}, nullptr, [&](const TrainOptions& o) { resolved = o.seed; });
  ASSERT_TRUE(result.options.seed.has_value());
  EXPECT_EQ(resolved, result.options.seed);
  EXPECT_EQ(result.model->setup().seed, *result.options.seed);
  options.seed = result.options.seed;
  EXPECT_EQ(run(options).model->to_bytes(), result.model->to_bytes());
}

TEST(TrainRun, TooFewLabelsIsAFinding) {
  TrainOptions options = quick("toy2d");
  options.ratio_known_outlier = 1e-6;
  EXPECT_THAT(run(options).findings, Contains(Field(&Finding::name, "labels_ignored")));
}

TEST(TrainRun, RefusesWhatCannotBeRun) {
  TrainOptions options = quick("toy2d");
  options.dataset = "cardoi";
  EXPECT_THAT(refusal(options), HasSubstr("did you mean \"cardio\"?"));
  options = quick("toy2d");
  options.normal_class = {7};
  EXPECT_THAT(refusal(options), HasSubstr("normal_class 7 is not a class of toy2d; its classes are 0, 1"));
  options = quick("toy2d");
  options.normal_class = {0, 1};
  options.n_known_outlier_classes = 0;
  options.ratio_known_outlier = 0;
  EXPECT_THAT(refusal(options), HasSubstr("there is no anomaly to detect"));
  options = quick("toy2d");
  options.device = "cuda";
  EXPECT_THAT(refusal(options), HasSubstr("this build of deepsad has no CUDA"));
  options.device = "tpu";
  EXPECT_THAT(refusal(options), HasSubstr("got \"tpu\", wanted one of auto, cpu, cuda, cuda:N"));
  options = quick("toy2d");
  options.network = "mnist_LeNet";
  EXPECT_THAT(refusal(options), HasSubstr("takes samples of 1x28x28 but toy2d has 2"));
  options.network = "nowhere.toml";
  EXPECT_THAT(refusal(options), HasSubstr("nowhere.toml: cannot open"));
  options = quick("toy2d");
  options.compat = "reference";
  options.seed = std::uint64_t{1} << 32;
  EXPECT_THAT(refusal(options), HasSubstr("at most 4294967295"));
}

TEST(Model, RefusesDamagedForeignAndNewerFiles) {
  TrainOptions options = quick("toy2d");
  const std::vector<std::uint8_t> bytes = run(options).model->to_bytes();
  const auto message_of = [](const std::vector<std::uint8_t>& file) {
    try {
      (void)Model::from_bytes(file, "m.safetensors");
    } catch (const ModelError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_EQ(message_of(bytes), "no error");
  std::vector<std::uint8_t> truncated(bytes.begin(), bytes.end() - 10);
  EXPECT_THAT(message_of(truncated), HasSubstr("m.safetensors: "));
  std::vector<std::uint8_t> altered = bytes;
  altered[altered.size() - 3] ^= 0x40;
  EXPECT_THAT(message_of(altered), HasSubstr("checksum"));
  std::vector<std::uint8_t> newer = bytes;
  const std::string key = "\"deepsad.format_version\":\"3\"";
  const auto place = std::search(newer.begin(), newer.end(), key.begin(), key.end());
  ASSERT_NE(place, newer.end());
  *(place + static_cast<std::ptrdiff_t>(key.size()) - 2) = '9';
  EXPECT_THAT(message_of(newer), HasSubstr("format version 9"));
  EXPECT_THAT(message_of({1, 2, 3}), HasSubstr("m.safetensors: "));
  EXPECT_THROW((void)Model::load("/nowhere/model.safetensors"), IoError);
}

// A checkpoint is for the same bits; the name of a network file says nothing of what it holds now.
TEST(TrainRun, GoesOnFromACheckpointOnlyWithTheSameNetworkFile) {
  const testing::TempDir folder;
  TrainOptions options = quick("toy2d");
  options.network = folder.path() + "/net.toml";
  const auto write_network = [&](const char* name) {
    std::ofstream(options.network) << "name = \"" << name << "\"\nhidden = [4]\nrep_dim = 2\n";
  };
  const auto train_with_checkpoint = [&] {
    RunCheckpoint checkpoint(1);
    checkpoint.open(folder.path() + "/checkpoint.safetensors");
    return train_run(options, Observer{}, nullptr, {}, &checkpoint);
  };
  write_network("own");
  const TrainRun first = train_with_checkpoint();
  const TrainRun again = train_with_checkpoint();  // everything is done: nothing is left to train
  EXPECT_EQ(again.model->to_bytes(), first.model->to_bytes());
  write_network("other");
  const std::string message = testing::message_of<InvalidArgument>([&] { (void)train_with_checkpoint(); });
  EXPECT_THAT(message, HasSubstr("the run was begun with SHA-256 of " + options.network + " = "));
}

}  // namespace
}  // namespace deepsad
