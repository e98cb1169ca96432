// Options that a run never looks at, and whether it really does not.
#include "deepsad/model/unused_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "deepsad/core/error.h"
#include "deepsad/detectors/detector.h"
#include "deepsad/model/train_run.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;

OptionLayer layer_of(const std::vector<std::pair<std::string, std::string>>& options) {
  OptionLayer layer;
  for (const auto& [name, value] : options) {
    const OptionDeclaration* option = find_train_option(name);
    layer.push_back({option, parse_option_value(*option, {value}), "--" + name});
  }
  return layer;
}

using Given = std::vector<std::pair<std::string, std::string>>;

// A short run on labelled rows of the built-in set of two features.
TrainOptions toy(const Given& more) {
  Given options{{"dataset", "toy2d"},
                {"seed", "3"},
                {"n_known_outlier_classes", "1"},
                {"ratio_known_outlier", "0.05"},
                {"ratio_known_normal", "0.05"},
                {"n_epochs", "2"},
                {"ae_n_epochs", "2"},
                {"vae_n_epochs", "2"},
                {"n_estimators", "10"},
                {"gamma", "scale"},
                {"num_threads", "1"}};
  return merge_options({layer_of(options), layer_of(more)});
}

std::string refusal(const Given& given) {
  try {
    refuse_unused(layer_of(given), {toy(given)});
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "";
}

struct Result {
  std::vector<float> scores;
  std::vector<double> beside;  // of what is trained beside the model: autoencoder or VAE, linear kernel
  std::string description;
};

Result trained(const TrainOptions& options) {
  const TrainRun run = train_run(options, {}, nullptr);
  std::vector<double> beside;
  if (run.autoencoder) beside.push_back(run.autoencoder->metrics.roc_auc);
  if (run.linear) beside.push_back(run.linear->metrics.roc_auc);
  return {run.test.scores, beside, run.model->detector().description()};
}

// Another value of each option that may be without effect.
const std::map<std::string, std::string>& other_values() {
  static const std::map<std::string, std::string> values{
      {"leaky_relu_slope", "0.3"},
      {"eta", "5"},
      {"nu", "0.3"},
      {"warm_up_epochs", "1"},
      {"center_rows", "all"},
      {"clamp_center", "false"},
      {"class_weights", "none"},
      {"gamma", "0.7"},
      {"nu_grid", "true"},
      {"selection", "test-leak"},
      {"solver_tolerance", "0.01"},
      {"kappa", "3"},
      {"c_normal", "0.4"},
      {"c_unlabelled", "0.4"},
      {"c_anomaly", "0.4"},
      {"grid_search_cv", "false"},
      {"bandwidth", "0.3"},
      {"n_estimators", "7"},
      {"max_samples", "100"},
      {"contamination", "0.2"},
      {"exclude_labelled_anomalies", "false"},
      {"lr", "0.004"},
      {"n_epochs", "3"},
      {"lr_milestone", "1"},
      {"batch_size", "50"},
      {"weight_decay", "0.3"},
      {"patience", "1"},
      {"validation_share", "0.3"},
      {"pretrain", "false"},
      {"transfer", "false"},
      {"ae_lr", "0.004"},
      {"ae_n_epochs", "3"},
      {"ae_lr_milestone", "1"},
      {"ae_batch_size", "50"},
      {"ae_weight_decay", "0.3"},
      {"ae_exclude_labelled_anomalies", "true"},
      {"vae_lr", "0.004"},
      {"vae_n_epochs", "3"},
      {"vae_lr_milestone", "1"},
      {"vae_batch_size", "50"},
      {"vae_weight_decay", "0.3"},
      {"vae_exclude_labelled_anomalies", "false"},
      {"log_variance", "softplus"},
      {"kl", "single-sample"},
      {"score_samples", "3"},
      {"dgm_alpha", "3"},
      {"dgm_weights", "counts"},
  };
  return values;
}

// Options that no run shows to be without effect: what they mean is checked elsewhere.
const std::set<std::string> kJudgedElsewhere{
    "method", "network", "init",           "rep_dim",           "objective",         "kernel",
    "hybrid", "load_ae", "optimizer_name", "ae_optimizer_name", "vae_optimizer_name"};

TEST(UnusedOptions, EveryOptionOfMethodsAndTrainingIsTried) {
  const std::set<std::string> others{"Data", find_train_option("label_column")->group, "Run"};
  for (const OptionDeclaration& option : train_option_declarations()) {
    if (others.contains(option.group) || option.of_the_machine || kJudgedElsewhere.contains(option.name))
      continue;
    EXPECT_TRUE(other_values().contains(option.name)) << option.name;
  }
}

class UnusedOptionsOf : public ::testing::TestWithParam<Given> {};

TEST_P(UnusedOptionsOf, AreThoseThatChangeNothing) {
  const TrainOptions base = toy(GetParam());
  const Result before = trained(base);
  for (const auto& [name, value] : other_values()) {
    SCOPED_TRACE(name);
    TrainOptions changed;
    Given given = GetParam();
    given.emplace_back(name, name == "ae_exclude_labelled_anomalies" && base.ae_exclude_labelled_anomalies
                                 ? "false"
                                 : value);
    try {
      changed = toy(given);
    } catch (const InvalidArgument&) {
      continue;  // refused as a contradiction
    }
    if (changed == base) continue;
    if (name == "leaky_relu_slope" && base.method == "dgm_m2") continue;           // used on images alone
    if (name == "selection" && (base.gamma != "grid" && !base.nu_grid)) continue;  // marks the reports alone
    const std::string why = why_unused(name, changed);
    const Result after = trained(changed);
    if (!why.empty()) {
      EXPECT_EQ(before.scores, after.scores) << why;
      EXPECT_EQ(before.beside, after.beside) << why;
    } else {
      EXPECT_TRUE(before.scores != after.scores || before.description != after.description);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Methods, UnusedOptionsOf,
    ::testing::Values(Given{{"method", "deep_sad"}}, Given{{"method", "deep_sad"}, {"pretrain", "false"}},
                      Given{{"method", "deep_sad"}, {"compat", "reference"}},
                      Given{{"method", "deep_sad"}, {"patience", "1"}}, Given{{"method", "deep_svdd"}},
                      Given{{"method", "deep_svdd"}, {"objective", "soft-boundary"}, {"warm_up_epochs", "0"}},
                      Given{{"method", "autoencoder"}}, Given{{"method", "classifier"}},
                      Given{{"method", "vae"}}, Given{{"method", "dgm_m2"}}, Given{{"method", "dgm_m1m2"}},
                      Given{{"method", "oc_svm"}}, Given{{"method", "oc_svm"}, {"kernel", "linear"}},
                      Given{{"method", "oc_svm"}, {"nu_grid", "true"}},
                      Given{{"method", "oc_svm"}, {"nu_grid", "true"}, {"ratio_known_outlier", "0"}},
                      Given{{"method", "oc_svm"}, {"hybrid", "true"}},
                      Given{{"method", "oc_svm"}, {"hybrid", "true"}, {"nu_grid", "true"}},
                      Given{{"method", "ssad"}}, Given{{"method", "ssad"}, {"gamma", "grid"}},
                      Given{{"method", "kde"}}, Given{{"method", "kde"}, {"grid_search_cv", "false"}},
                      Given{{"method", "isolation_forest"}}),
    [](const ::testing::TestParamInfo<Given>& run) {
      std::string name;
      for (const auto& [option, value] : run.param) {
        if (option != "method") name += "_" + option + "_";
        for (const char c : value) name += c == '-' || c == '.' ? '_' : c;
      }
      return name;
    });

TEST(UnusedOptions, TheRefusalSaysWhoUsesThem) {
  EXPECT_EQ(refusal({{"method", "deep_sad"}, {"kappa", "2"}}),
            "--kappa: has no effect: method deep_sad does not use it; ssad does");
  EXPECT_THAT(refusal({{"method", "kde"}, {"n_epochs", "5"}}),
              HasSubstr("deep_sad, deep_svdd, classifier, dgm_m2 and dgm_m1m2 do"));
  EXPECT_EQ(refusal({{"method", "autoencoder"}, {"n_epochs", "5"}}),
            "--n_epochs: has no effect: method autoencoder does not use it, but ae_n_epochs");
  EXPECT_THAT(refusal({{"method", "vae"}, {"lr", "0.1"}}), HasSubstr("but vae_lr"));
  EXPECT_THAT(refusal({{"method", "oc_svm"}, {"hybrid", "true"}, {"lr", "0.1"}}), HasSubstr("but ae_lr"));
  EXPECT_THAT(refusal({{"method", "oc_svm"}, {"ae_lr", "0.1"}}), HasSubstr("only as a hybrid"));
}

TEST(UnusedOptions, TheRefusalSaysWhatTakesTheirEffect) {
  EXPECT_THAT(refusal({{"method", "kde"}, {"bandwidth", "0.5"}}), HasSubstr("grid_search_cv is true"));
  EXPECT_THAT(refusal({{"method", "oc_svm"}, {"kernel", "linear"}, {"gamma", "0.5"}}), HasSubstr("no width"));
  EXPECT_THAT(refusal({{"method", "deep_svdd"}, {"nu", "0.5"}}), HasSubstr("soft-boundary"));
  EXPECT_THAT(refusal({{"pretrain", "false"}, {"ae_n_epochs", "5"}}), HasSubstr("pretrain is false"));
  EXPECT_THAT(refusal({{"validation_share", "0.3"}}), HasSubstr("patience is 0"));
  EXPECT_THAT(refusal({{"ratio_known_outlier", "0"}, {"ratio_known_normal", "0"}, {"eta", "3"}}),
              HasSubstr("there are none"));
  EXPECT_THAT(refusal({{"dataset", "some.csv"},
                       {"n_known_outlier_classes", "0"},
                       {"ratio_known_outlier", "0"},
                       {"ratio_known_normal", "0"},
                       {"eta", "3"}}),
              "");
}

TEST(UnusedOptions, GoingOnFromAModelTakesThoseOfPretrainingAndOfTheCenter) {
  for (const char* name : {"ae_n_epochs", "ae_lr"})
    EXPECT_THAT(refusal({{"init", "model"}, {name, "1"}}), HasSubstr("(init)")) << name;
  for (const auto& [name, value] :
       Given{{"clamp_center", "false"}, {"center_rows", "all"}, {"transfer", "true"}, {"pretrain", "true"}})
    EXPECT_THAT(refusal({{"init", "model"}, {name, value}}), HasSubstr("(init)")) << name;
  EXPECT_EQ(refusal({{"init", "model"}, {"n_epochs", "1"}}), "");
  EXPECT_THAT(refusal({{"method", "dgm_m1m2"}, {"init", "model"}, {"vae_lr", "1"}}),
              HasSubstr("stays as it is"));
  EXPECT_EQ(refusal({{"method", "vae"}, {"init", "model"}, {"vae_lr", "1"}}), "");
}

TEST(UnusedOptions, NoPretrainingAndNoTransferMayAlwaysBeSaid) {
  EXPECT_EQ(refusal({{"method", "oc_svm"}, {"pretrain", "false"}}), "");
  EXPECT_EQ(refusal({{"pretrain", "false"}, {"transfer", "false"}}), "");
  EXPECT_NE(refusal({{"pretrain", "false"}, {"transfer", "true"}}), "");
  EXPECT_NE(refusal({{"method", "oc_svm"}, {"pretrain", "true"}}), "");
}

TEST(UnusedOptions, OneOfSeveralRunsThatUsesThemIsEnough) {
  const OptionLayer given = layer_of({{"kappa", "2"}});
  const TrainOptions ssad = toy({{"method", "ssad"}}), deep_sad = toy({}), kde = toy({{"method", "kde"}});
  EXPECT_NO_THROW(refuse_unused(given, {deep_sad, ssad}));
  EXPECT_THROW(refuse_unused(given, {deep_sad, kde}), InvalidArgument);
}

TEST(UnusedOptions, OfSeveralRunsEveryReasonIsSaid) {
  try {
    refuse_unused(layer_of({{"bandwidth", "1"}}), {toy({}), toy({{"method", "kde"}})});
    ADD_FAILURE() << "not refused";
  } catch (const InvalidArgument& error) {
    EXPECT_EQ(
        std::string(error.what()),
        "--bandwidth: has no effect in any of the runs: method deep_sad does not use it; kde does; other "
        "runs: grid_search_cv is true and chooses it; give grid_search_cv false");
  }
}

TEST(UnusedOptions, WhereToComputeIsNeverOne) {
  for (const OptionDeclaration& option : train_option_declarations()) {
    if (!option.of_the_machine) continue;
    for (const char* method : {"deep_sad", "kde"})
      EXPECT_EQ(why_unused(option.name, toy({{"method", method}})), "");
  }
  EXPECT_EQ(why_unused("n-epochs", toy({})), "");
  EXPECT_THROW((void)why_unused("kapa", toy({})), InvalidArgument);
}

}  // namespace
}  // namespace deepsad
