// Options of the shallow detectors, and whole runs with them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "deepsad/core/error.h"
#include "deepsad/data/split.h"
#include "deepsad/model/train_run.h"
#include "support/files.h"

namespace deepsad {
namespace {

using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Not;

TrainOptions toy(const std::string& method) {
  TrainOptions options;
  options.dataset = "toy2d";
  options.method = method;
  options.seed = 3;
  options.n_known_outlier_classes = 1;
  options.ratio_known_outlier = 0.05;
  options.n_epochs = options.ae_n_epochs = 2;
  options.num_threads = 1;
  return options;
}

template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "no error";
}

std::string invalid(const TrainOptions& options) {
  return refusal([&] { validate(options); });
}

TEST(ShallowOptions, EveryOptionOfTheReferencesBaselineScriptsIsKnown) {
  for (const char* name : {"dataset_name",
                           "data_path",
                           "load_config",
                           "load_model",
                           "ratio_known_normal",
                           "ratio_known_outlier",
                           "ratio_pollution",
                           "seed",
                           "kernel",
                           "nu",
                           "n_estimators",
                           "max_samples",
                           "contamination",
                           "grid_search_cv",
                           "kappa",
                           "n_jobs_model",
                           "hybrid",
                           "load_ae",
                           "n_jobs_dataloader",
                           "normal_class",
                           "known_outlier_class",
                           "n_known_outlier_classes"}) {
    if (std::string(name).starts_with("load_config") || std::string(name).starts_with("load_model"))
      continue;  // of the command, not of the run
    EXPECT_NE(find_train_option(name), nullptr) << name;
  }
  for (const char* alias : {"c_p", "c_u", "c_n"}) EXPECT_NE(find_train_option(alias), nullptr) << alias;
}

TEST(ShallowOptions, DefaultsAreTheReferences) {
  const TrainOptions options;
  EXPECT_EQ(options.nu, 0.1);
  EXPECT_EQ(options.kappa, 1);
  EXPECT_EQ(options.n_estimators, 100U);
  EXPECT_EQ(options.max_samples, 256U);
  EXPECT_EQ(options.contamination, 0.1);
  EXPECT_TRUE(options.grid_search_cv);
  EXPECT_FALSE(options.hybrid);
  EXPECT_EQ(resolved_kernel(toy("oc_svm")), "rbf");
  EXPECT_EQ(resolved_kernel(toy("ssad")), "rbf");
  EXPECT_EQ(resolved_kernel(toy("kde")), "gaussian");
  EXPECT_EQ(options.selection, "training");  // T4: nothing leaks unless asked for
  EXPECT_TRUE(options.exclude_labelled_anomalies);
}

TEST(ShallowOptions, WhatDoesNotGoTogetherIsRefused) {
  TrainOptions options = toy("kde");
  options.kernel = "rbf";
  EXPECT_THAT(invalid(options), HasSubstr("\"rbf\", but kde has the kernels gaussian"));
  options = toy("isolation_forest");
  options.kernel = "linear";
  EXPECT_THAT(invalid(options), HasSubstr("method isolation_forest has no kernel"));
  options = toy("deep_sad");
  options.selection = "test-leak";
  EXPECT_THAT(invalid(options), HasSubstr("test-leak is for the methods oc_svm and ssad"));
  options = toy("oc_svm");
  options.load_ae = "model.safetensors";
  EXPECT_THAT(invalid(options), HasSubstr("give hybrid true"));
  options.hybrid = true;
  options.network = "mnist_LeNet";
  EXPECT_THAT(invalid(options), HasSubstr("a hybrid with load_ae has the network of that model"));
  options.network.clear();
  options.rep_dim = 16;
  EXPECT_THAT(invalid(options), HasSubstr("option rep_dim: got 16"));
  options = toy("deep_sad");
  options.hybrid = true;
  EXPECT_THAT(invalid(options), HasSubstr("only shallow methods have hybrids"));
  options = toy("ssad");
  options.network = "mnist_LeNet";
  EXPECT_THAT(invalid(options), HasSubstr("has no network of its own"));
  for (const char* gamma : {"-1", "0", "nan", "1x", "automatic"}) {
    options = toy("oc_svm");
    options.gamma = gamma;
    EXPECT_THAT(invalid(options), HasSubstr("wanted grid, scale, median, or a number > 0")) << gamma;
  }
  options.gamma = "0.5";
  EXPECT_EQ(invalid(options), "no error");
}

TEST(ShallowRun, EveryMethodTrainsScoresAndComesBackFromItsFile) {
  for (const char* method : {"oc_svm", "ssad", "kde", "isolation_forest", "classifier"}) {
    const TrainRun run = train_run(toy(method), Observer{}, nullptr);
    EXPECT_GT(run.metrics.roc_auc, std::string(method) == "classifier" ? 0.5 : 0.8) << method;
    const Model again = Model::from_bytes(run.model->to_bytes(), "memory");
    EXPECT_EQ(evaluate_model(again, "", "", 2, Observer{}).test.scores, run.test.scores) << method;
    EXPECT_GT(run.train_seconds, 0) << method;
    EXPECT_THAT(run.findings, Not(Contains(Field(&Finding::name, "test_leak")))) << method;
  }
}

TEST(ShallowRun, SelectionOnTheTestPartMarksTheRun) {
  TrainOptions options = toy("ssad");
  options.selection = "test-leak";
  const TrainRun run = train_run(options, Observer{}, nullptr);
  EXPECT_THAT(run.findings, Contains(Field(&Finding::name, "test_leak")));
  EXPECT_THAT(run.model->detector().description(), HasSubstr("test-leak"));
  EXPECT_THAT(run.model->summary(), HasSubstr("test-leak"));
}

TrainOptions of_cardio(const char* method) {
  TrainOptions options = toy(method);
  options.dataset = "cardio";
  options.data_dir = std::string(DEEPSAD_SHARED_DIR) + "/data";
  options.seed = 4;
  return options;
}

// The published programs: chosen on test rows, of which some are training rows.
TEST(ShallowRun, CompatReferenceTestsTrainingRowsAndSaysSo) {
  TrainOptions options = merge_options({{{find_train_option("compat"), std::string("reference"), "here"},
                                         {find_train_option("method"), std::string("oc_svm"), "here"}}});
  EXPECT_EQ(options.selection, "test-leak");
  EXPECT_FALSE(options.exclude_labelled_anomalies);
  EXPECT_EQ(merge_options({{{find_train_option("compat"), std::string("reference"), "here"},
                            {find_train_option("method"), std::string("kde"), "here"}}})
                .selection,
            "training");
  options = of_cardio("oc_svm");
  options.compat = "reference";
  options.selection = "test-leak";
  const TrainRun run = train_run(options, Observer{}, nullptr);
  EXPECT_THAT(run.findings, Contains(Field(&Finding::name, "test_leak")));
  EXPECT_THAT(run.findings, Contains(Field(&Finding::name, "test_rows_in_training")));
  const Evaluation again = evaluate_model(*run.model, "", options.data_dir, 1, Observer{});
  EXPECT_EQ(again.test.scores, run.test.scores);
}

TEST(ShallowRun, ScalingReachesTheModelAndItsEvaluation) {
  TrainOptions options = of_cardio("oc_svm");
  const TrainRun plain = train_run(options, Observer{}, nullptr);
  for (const char* compat : {"none", "reference"}) {
    options.scaling = "standardise";
    options.compat = compat;
    const TrainRun run = train_run(options, Observer{}, nullptr);
    EXPECT_NE(run.metrics.roc_auc, plain.metrics.roc_auc) << compat;
    const Model loaded = Model::from_bytes(run.model->to_bytes(), "memory");
    EXPECT_EQ(loaded.scaler().scaling(), Scaling::standardise);
    EXPECT_EQ(evaluate_model(loaded, "", options.data_dir, 1, Observer{}).test.scores, run.test.scores)
        << compat;
  }
}

class Hybrids : public ::testing::Test {
 protected:
  void train_autoencoder(const TrainOptions& options) {
    train_run(options, Observer{}, nullptr).model->save(autoencoder_);
  }
  testing::TempDir folder_;
  std::string autoencoder_ = folder_.at("ae.safetensors");
};

TEST_F(Hybrids, StandOnAModelsAutoencoderAndNeedOneFile) {
  train_autoencoder(toy("deep_sad"));
  for (const char* method : {"oc_svm", "ssad", "kde", "isolation_forest"}) {
    TrainOptions options = toy(method);
    options.hybrid = true;
    options.load_ae = autoencoder_;
    const TrainRun run = train_run(options, Observer{}, nullptr);
    EXPECT_EQ(run.linear.has_value(), std::string(method) == "oc_svm" || std::string(method) == "ssad")
        << method;
    const Model again = Model::from_bytes(run.model->to_bytes(), "memory");
    EXPECT_EQ(evaluate_model(again, "", "", 1, Observer{}).test.scores, run.test.scores) << method;
  }
}

TEST_F(Hybrids, TrainAnAutoencoderOfTheirOwnIfNoneIsGiven) {
  TrainOptions autoencoder = toy("autoencoder");
  autoencoder.leaky_relu_slope = 0.1;
  train_autoencoder(autoencoder);
  TrainOptions options = toy("oc_svm");
  options.hybrid = true;
  options.load_ae = autoencoder_;
  const TrainRun given = train_run(options, Observer{}, nullptr);
  options.load_ae.clear();
  options.leaky_relu_slope = 0.1;
  const TrainRun own = train_run(options, Observer{}, nullptr);
  EXPECT_EQ(own.test.scores, given.test.scores);
  EXPECT_EQ(own.linear->metrics.roc_auc, given.linear->metrics.roc_auc);
  EXPECT_EQ(own.autoencoder->metrics.roc_auc, train_run(autoencoder, Observer{}, nullptr).metrics.roc_auc);
  ASSERT_EQ(own.phases.size(), 1U);
  EXPECT_EQ(own.phases[0].name, "pretraining");
}

// T1's sibling: an autoencoder from another split has seen rows that would be tested.
TEST_F(Hybrids, RefuseAnAutoencoderOfAnotherSplit) {
  TrainOptions options = of_cardio("autoencoder");
  train_autoencoder(options);
  options.method = "oc_svm";
  options.hybrid = true;
  options.load_ae = autoencoder_;
  EXPECT_EQ(refusal([&] { (void)train_run(options, Observer{}, nullptr); }), "no error");
  options.seed = 5;
  EXPECT_THAT(refusal([&] { (void)train_run(options, Observer{}, nullptr); }), HasSubstr("give --seed 4"));
  options.seed = 4;
  options.scaling = "robust";
  EXPECT_THAT(refusal([&] { (void)train_run(options, Observer{}, nullptr); }),
              HasSubstr("scaled as min-max, but scaling is robust; give --scaling min-max"));
  options.scaling = "min-max";
  options.compat = "reference";
  EXPECT_THAT(refusal([&] { (void)train_run(options, Observer{}, nullptr); }),
              HasSubstr("give --seed 4 --compat none"));
}

TEST_F(Hybrids, RefuseAModelWithoutAnAutoencoder) {
  TrainOptions options = toy("deep_sad");
  options.pretrain = false;
  train_autoencoder(options);
  TrainOptions hybrid = toy("kde");
  hybrid.hybrid = true;
  hybrid.load_ae = autoencoder_;
  EXPECT_THAT(refusal([&] { (void)train_run(hybrid, Observer{}, nullptr); }),
              HasSubstr("without an autoencoder"));
}

}  // namespace
}  // namespace deepsad
