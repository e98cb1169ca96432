#include "deepsad/model/train_options.h"

#include <gtest/gtest.h>

#include <clocale>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "deepsad/core/error.h"
#include "deepsad/model/options_file.h"

namespace deepsad {
namespace {

// The text of the InvalidArgument that f throws, or "" if it throws none.
template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "";
}

OptionLayer given(const std::string& name, const std::string& word) {
  const OptionDeclaration* option = find_train_option(name);
  return {{option, parse_option_value(*option, {word}), "--" + name}};
}

TEST(TrainOptions, BareDefaultsAreTheReferences) {
  const TrainOptions options = merge_options({});
  EXPECT_EQ(options.lr, 0.001);
  EXPECT_EQ(options.n_epochs, 50u);
  EXPECT_TRUE(options.lr_milestone.empty());
  EXPECT_EQ(options.batch_size, 128u);
  EXPECT_EQ(options.weight_decay, 1e-6);
  EXPECT_TRUE(options.pretrain);
  EXPECT_EQ(options.ae_n_epochs, 100u);
  EXPECT_EQ(options.eta, 1.0);
  EXPECT_EQ(options.normal_class, std::vector<int>{0});
  EXPECT_EQ(options.known_outlier_class, 1);
  EXPECT_EQ(options.n_known_outlier_classes, 0u);
  EXPECT_FALSE(options.seed);
}

TEST(TrainOptions, EveryDeclarationIsCompleteAndItsDefaultIsTheStructs) {
  const TrainOptions defaults;
  for (const OptionDeclaration& option : train_option_declarations()) {
    EXPECT_FALSE(option.help.empty()) << option.name;
    EXPECT_FALSE(option.range.empty()) << option.name;
    EXPECT_FALSE(option.default_text.empty()) << option.name;
    EXPECT_EQ(find_train_option(option.name), &option);
    for (const std::string& alias : option.aliases) EXPECT_EQ(find_train_option(alias), &option);
    TrainOptions copy;
    option.set(copy, option.get(defaults));
    EXPECT_EQ(copy, defaults) << option.name;
  }
}

TEST(TrainOptions, EveryOptionOfTheReferencesMainScriptIsKnown) {
  for (const char* name : {"dataset_name",
                           "net_name",
                           "data_path",
                           "eta",
                           "ratio_known_normal",
                           "ratio_known_outlier",
                           "ratio_pollution",
                           "device",
                           "seed",
                           "optimizer_name",
                           "lr",
                           "n_epochs",
                           "lr_milestone",
                           "batch_size",
                           "weight_decay",
                           "pretrain",
                           "vae_optimizer_name",
                           "vae_lr",
                           "vae_n_epochs",
                           "vae_lr_milestone",
                           "vae_batch_size",
                           "vae_weight_decay",
                           "ae_optimizer_name",
                           "ae_lr",
                           "ae_n_epochs",
                           "ae_lr_milestone",
                           "ae_batch_size",
                           "ae_weight_decay",
                           "num_threads",
                           "n_jobs_dataloader",
                           "normal_class",
                           "known_outlier_class",
                           "n_known_outlier_classes"}) {
    EXPECT_NE(find_train_option(name), nullptr) << name;
  }
  EXPECT_EQ(find_train_option("ratio-known-outlier"), find_train_option("ratio_known_outlier"));
  EXPECT_EQ(find_train_option("no_such_option"), nullptr);
}

struct Refused {
  const char* name;
  const char* word;
  const char* message;
};

class RefusedValue : public ::testing::TestWithParam<Refused> {};

TEST_P(RefusedValue, IsNamedWithPlaceAndRange) {
  const auto& [name, word, message] = GetParam();
  EXPECT_EQ(refusal([&] { (void)merge_options({given(name, word)}); }), message);
}

INSTANTIATE_TEST_SUITE_P(
    Range, RefusedValue,
    ::testing::Values(
        Refused{"lr", "0", "--lr: got 0, wanted a number > 0"},
        Refused{"lr", "-1", "--lr: got -1, wanted a number > 0"},
        Refused{"lr", "nan", "--lr: got nan, wanted a number > 0"},
        Refused{"ae_lr", "inf", "--ae_lr: got inf, wanted a number > 0"},
        Refused{"eta", "-0", "--eta: got -0, wanted a number > 0"},
        Refused{"weight_decay", "-1e-9", "--weight_decay: got -1e-09, wanted a number >= 0"},
        Refused{"ratio_known_outlier", "1", "--ratio_known_outlier: got 1, wanted a number 0 <= x < 1"},
        Refused{"ratio_pollution", "1.5", "--ratio_pollution: got 1.5, wanted a number 0 <= x < 1"},
        Refused{"ratio_known_normal", "-0.1", "--ratio_known_normal: got -0.1, wanted a number 0 <= x < 1"},
        Refused{"nu", "0", "--nu: got 0, wanted a number 0 < x < 1"},
        Refused{"leaky_relu_slope", "2", "--leaky_relu_slope: got 2, wanted a number 0 <= x <= 1"},
        Refused{"batch_size", "0", "--batch_size: got 0, wanted a whole number 1 <= x <= 1000000"},
        Refused{"n_epochs", "-5", "--n_epochs: got -5, wanted a whole number 0 <= x <= 1000000"},
        Refused{"num_threads", "100000", "--num_threads: got 100000, wanted a whole number 0 <= x <= 1024"},
        Refused{"seed", "-2",
                "--seed: got -2, wanted a whole number -1 <= x <= 9007199254740991; -1 = draw one"},
        Refused{"lr_milestone", "50,20",
                "--lr_milestone: got [50, 20], wanted epochs in ascending order, each once"},
        Refused{"lr_milestone", "0", "--lr_milestone: got [0], wanted whole numbers 1 <= x <= 1000000"},
        Refused{"normal_class", "3,3", "--normal_class: got [3, 3], wanted every class once"},
        Refused{"normal_class", "", "--normal_class: got [], wanted at least one class"},
        Refused{"normal_class", "-1", "--normal_class: got [-1], wanted whole numbers 0 <= x <= 1000000"},
        Refused{"method", "deep-sad",
                "--method: got \"deep-sad\", wanted one of deep_sad, deep_svdd, autoencoder, vae, "
                "dgm_m2, dgm_m1m2, classifier, oc_svm, ssad, kde, isolation_forest (did you mean deep_sad?)"},
        Refused{"optimizer_name", "sgd", "--optimizer_name: got \"sgd\", wanted one of adam"},
        Refused{"preset", "papr",
                "--preset: got \"papr\", wanted one of none, readme, paper (did you mean paper?)"},
        Refused{"device", "gpu", "--device: got \"gpu\", wanted one of auto, cpu, cuda, cuda:N"},
        Refused{"device", "cuda:", "--device: got \"cuda:\", wanted one of auto, cpu, cuda, cuda:N"},
        Refused{"device", "cuda:1",
                "--device: got \"cuda:1\", but this build of deepsad has no CUDA; use auto or cpu"},
        Refused{"known_outlier_class", "0", ""},  // no labelled anomalies are asked for, so no contradiction
        Refused{"ratio_known_outlier", "0.1",
                "option ratio_known_outlier: got 0.1, but n_known_outlier_classes is 0, so there is no class "
                "to take "
                "labelled anomalies from; give n_known_outlier_classes 1 (or more)"},
        Refused{"objective", "soft-boundary",
                "option objective: soft-boundary belongs to method deep_svdd, but method is deep_sad"}));

class UnreadableWord : public ::testing::TestWithParam<Refused> {};

TEST_P(UnreadableWord, IsRefused) {
  const auto& [name, word, message] = GetParam();
  EXPECT_EQ(refusal([&] { (void)parse_option_value(*find_train_option(name), {word}); }), message);
}

INSTANTIATE_TEST_SUITE_P(
    Parse, UnreadableWord,
    ::testing::Values(
        Refused{"lr", "0.1x", "got \"0.1x\", wanted a number > 0"},
        Refused{"lr", "", "got \"\", wanted a number > 0"},
        Refused{"lr", "0,1", "got \"0,1\", wanted a number > 0"},
        Refused{"lr", " 0.1", "got \" 0.1\", wanted a number > 0"},
        Refused{"lr", "1e999", "got \"1e999\", wanted a number > 0"},
        Refused{"n_epochs", "1.5", "got \"1.5\", wanted a whole number 0 <= x <= 1000000"},
        Refused{"n_epochs", "99999999999999999999",
                "got \"99999999999999999999\", wanted a whole number 0 <= x <= 1000000"},
        Refused{"pretrain", "maybe", "got \"maybe\", wanted true, t, 1, yes, y or false, f, 0, no, n"},
        Refused{"lr_milestone", "50,", "got \"50,\", wanted whole numbers, separated by commas"},
        Refused{"lr_milestone", "a", "got \"a\", wanted whole numbers, separated by commas"}));

TEST(TrainOptions, BooleansTakeTheReferencesWords) {
  const OptionDeclaration& pretrain = *find_train_option("pretrain");
  for (const char* word : {"true", "True", "TRUE", "t", "T", "1", "yes", "Y"})
    EXPECT_EQ(std::get<bool>(parse_option_value(pretrain, {word})), true) << word;
  for (const char* word : {"false", "False", "f", "0", "no", "N"})
    EXPECT_EQ(std::get<bool>(parse_option_value(pretrain, {word})), false) << word;
}

TEST(TrainOptions, ListsAreWordsOrCommas) {
  const OptionDeclaration& option = *find_train_option("lr_milestone");
  const std::vector<std::int64_t> wanted{50, 100, 120};
  EXPECT_EQ(std::get<std::vector<std::int64_t>>(parse_option_value(option, {"50", "100,120"})), wanted);
}

TEST(TrainOptions, NumbersDoNotDependOnTheLocale) {
  for (const char* name : {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8"})
    if (std::setlocale(LC_ALL, name) != nullptr) break;
  EXPECT_EQ(std::get<double>(parse_option_value(*find_train_option("lr"), {"0.5e-6"})), 0.5e-6);
  EXPECT_EQ(option_value_text(0.25), "0.25");
  std::setlocale(LC_ALL, "C");
}

TEST(TrainOptions, PrecedenceIsDefaultPresetFileCommandLine) {
  const OptionLayer file = parse_options_text("preset = \"paper\"\nlr = 0.5\nbatch_size = 64\n", "run.toml");
  const TrainOptions options = merge_options({file, given("lr", "0.25")});
  EXPECT_EQ(options.lr, 0.25);             // command line over file
  EXPECT_EQ(options.batch_size, 64u);      // file over preset
  EXPECT_EQ(options.ae_batch_size, 200u);  // preset over default
  EXPECT_EQ(options.leaky_relu_slope, 0.1);
  EXPECT_EQ(options.ratio_pollution, 0.0);  // default
  EXPECT_EQ(merge_options({file, given("preset", "readme")}).ae_weight_decay, 0.5e-3);
}

TEST(TrainOptions, PresetsHoldTheirRecipes) {
  const TrainOptions readme = starting_options("readme", "none");
  EXPECT_EQ(readme.lr, 1e-4);
  EXPECT_EQ(readme.lr_milestone, std::vector<std::size_t>{50});
  EXPECT_EQ(readme.weight_decay, 0.5e-6);
  EXPECT_TRUE(readme.ae_lr_milestone.empty());
  EXPECT_EQ(readme.leaky_relu_slope, 0.01);
  const TrainOptions paper = starting_options("paper", "none");
  EXPECT_EQ(paper.ae_lr_milestone, std::vector<std::size_t>{50});
  EXPECT_EQ(paper.ae_weight_decay, 1e-6);
  EXPECT_EQ(paper.center_rows, "without-labelled-anomalies");
  EXPECT_EQ(starting_options("paper", "reference").center_rows, "all");
  for (const char* preset : {"none", "readme", "paper"}) validate(starting_options(preset, "none"));
}

TEST(TrainOptions, CompatReferenceTakesTheCenterOverAllRowsUnlessToldOtherwise) {
  EXPECT_EQ(merge_options({given("compat", "reference")}).center_rows, "all");
  EXPECT_EQ(merge_options({given("compat", "reference"), given("center_rows", "without-labelled-anomalies")})
                .center_rows,
            "without-labelled-anomalies");
}

TEST(TrainOptions, ClassesOfTablesWeighTheSameInTheClassifierButNotInThePaper) {
  const TrainOptions options = merge_options({given("method", "classifier")});
  EXPECT_EQ(options.class_weights, "auto");
  EXPECT_EQ(resolved_class_weights(options, false), "balanced");
  EXPECT_EQ(resolved_class_weights(options, true), "none");
  EXPECT_EQ(resolved_class_weights(merge_options({given("class_weights", "balanced")}), true), "balanced");
  EXPECT_EQ(merge_options({given("method", "classifier"), given("preset", "paper")}).class_weights, "none");
  EXPECT_EQ(merge_options({given("preset", "paper"), given("class_weights", "balanced")}).class_weights,
            "balanced");
}

TEST(TrainOptions, CompatReferenceIsForMethodsThatWerePublishedAndTheClassifier) {
  const OptionLayer compat = given("compat", "reference");
  EXPECT_EQ(refusal([&] { (void)merge_options({compat, given("method", "classifier")}); }), "");
  for (const char* method : {"deep_svdd", "autoencoder"}) {
    EXPECT_NE(refusal([&] {
                (void)merge_options({compat, given("method", method)});
              }).find("but method is " + std::string(method)),
              std::string::npos);
  }
}

TEST(TrainOptions, MethodsThatIgnoreLabelsDoNotLearnKnownAnomalies) {
  EXPECT_TRUE(merge_options({given("method", "autoencoder")}).ae_exclude_labelled_anomalies);
  EXPECT_FALSE(merge_options({given("method", "deep_sad")}).ae_exclude_labelled_anomalies);
  EXPECT_TRUE(merge_options({given("method", "vae")}).vae_exclude_labelled_anomalies);
  EXPECT_FALSE(
      merge_options({given("method", "vae"), given("compat", "reference")}).vae_exclude_labelled_anomalies);
  EXPECT_FALSE(
      merge_options({given("method", "autoencoder"), given("ae_exclude_labelled_anomalies", "false")})
          .ae_exclude_labelled_anomalies);
}

TEST(TrainOptions, TablesAreScaledAsThePresetsSourceDoes) {
  TrainOptions options;
  EXPECT_EQ(resolved_scaling(options), "min-max");
  options.preset = "paper";
  EXPECT_EQ(resolved_scaling(options), "standardise");
  options.method = "vae";
  EXPECT_EQ(resolved_scaling(options), "min-max");
  options.method = "kde";
  options.scaling = "robust";
  EXPECT_EQ(resolved_scaling(options), "robust");
}

TEST(TrainOptions, ContradictionsAreRefused) {
  TrainOptions options;
  options.n_known_outlier_classes = 1;
  options.normal_class = {0, 1};
  EXPECT_EQ(refusal([&] { validate(options); }),
            "option known_outlier_class: class 1 is also a normal class; labelled anomalies must come from "
            "another class");
  options = {};
  options.n_known_outlier_classes = 1;
  options.ratio_known_normal = options.ratio_known_outlier = 0.6;
  EXPECT_NE(refusal([&] { validate(options); }).find("0.6 + 0.6 is more than 1"), std::string::npos);
  options = {};
  options.compat = "reference";
  options.seed = std::uint64_t{1} << 32;
  EXPECT_NE(refusal([&] { validate(options); }).find("at most 4294967295"), std::string::npos);
  options = {};
  options.compat = "reference";
  options.normal_class = {0, 3};
  EXPECT_NE(refusal([&] { validate(options); }).find("got 2 classes"), std::string::npos);
  options.compat = "none";
  EXPECT_EQ(refusal([&] { validate(options); }), "");
}

// T24, T10.
TEST(TrainOptions, ImpossibleDeepGenerativeRunsAreRefused) {
  const auto refused = [](const std::vector<OptionLayer>& layers) {
    return refusal([&] { (void)merge_options(layers); });
  };
  const OptionLayer m2 = given("method", "dgm_m2"), stacked = given("method", "dgm_m1m2");
  const OptionLayer labels = given("ratio_known_normal", "0.1");
  EXPECT_EQ(refused({m2, labels}), "");
  EXPECT_EQ(refused({stacked, labels}), "");
  EXPECT_EQ(refused({m2, labels, given("pretrain", "true")}).rfind("option pretrain: got true", 0), 0U);
  EXPECT_EQ(refused({stacked, labels, given("pretrain", "no")}).rfind("option pretrain: got false", 0), 0U);
  EXPECT_NE(refused({m2}).find("both are 0"), std::string::npos);
  EXPECT_NE(refused({stacked}).find("both are 0"), std::string::npos);
  EXPECT_EQ(refused({given("method", "vae")}), "");
  std::vector<OptionLayer> all{m2, given("ratio_known_normal", "0.5"), given("ratio_known_outlier", "0.5"),
                               given("n_known_outlier_classes", "1")};
  EXPECT_NE(refused(all).find("every row would be labelled"), std::string::npos);
  all.push_back(given("dgm_alpha", "1"));
  EXPECT_EQ(refused(all), "");
  EXPECT_NE(refused({m2, labels, given("dgm_alpha", "-0.5")}).find("a number >= 0, or -1"),
            std::string::npos);
}

TEST(TrainOptions, CompatReferenceTakesTheReferencesBound) {
  const TrainOptions options =
      merge_options({given("compat", "reference"), given("method", "vae"), given("kl", "closed-form")});
  EXPECT_EQ(options.log_variance, "softplus");
  EXPECT_EQ(options.kl, "closed-form") << "what is given wins";
  EXPECT_EQ(options.score_samples, 1U);
}

TEST(TrainOptions, ValidateSeesWhatNoParserSaw) {
  TrainOptions options;
  options.lr = std::nan("");
  EXPECT_EQ(refusal([&] { validate(options); }), "option lr: got nan, wanted a number > 0");
  options = {};
  options.seed = ~std::uint64_t{0};
  EXPECT_NE(refusal([&] { validate(options); }).find("got 18446744073709551615"), std::string::npos);
  options = {};
  options.batch_size = 0;
  EXPECT_NE(refusal([&] { validate(options); }).find("option batch_size: got 0"), std::string::npos);
}

TEST(TrainOptions, MinusOneIsTheReferencesWordForADrawnSeed) {
  EXPECT_FALSE(merge_options({given("seed", "7"), given("seed", "-1")}).seed);
  EXPECT_EQ(merge_options({given("seed", "7")}).seed, 7u);
}

TEST(OptionsFile, ResolvedOptionsComeBackUnchanged) {
  TrainOptions options = starting_options("paper", "none");
  options.dataset = "mnist \"quoted\"";
  options.lr = 0.1 + 0.2;
  options.weight_decay = 5e-324;
  options.normal_class = {0, 3};
  options.lr_milestone = {};
  options.seed = kMaxSeed;
  options.strict = true;
  const std::string text = options_to_json(options);
  EXPECT_EQ(merge_options({parse_options_text(text, "config.json")}), options);
  EXPECT_EQ(options_to_json(merge_options({parse_options_text(text, "config.json")})), text);
}

TEST(OptionsFile, TheReferencesConfigFileWorks) {
  const std::string text =
      R"({"dataset_name": "mnist", "net_name": "mnist_LeNet", "xp_path": "../log", "data_path": "../data",)"
      R"( "load_config": null, "load_model": null, "eta": 1.0, "ratio_known_normal": 0.0, "ratio_known_outlier": 0.01,)"
      R"( "ratio_pollution": 0.1, "device": "cpu", "seed": 3, "optimizer_name": "adam", "lr": 0.0001, "n_epochs": 150,)"
      R"( "lr_milestone": [50], "batch_size": 128, "weight_decay": 5e-07, "pretrain": true,)"
      R"( "ae_optimizer_name": "adam", "ae_lr": 0.0001, "ae_n_epochs": 150, "ae_lr_milestone": [],)"
      R"( "ae_batch_size": 128, "ae_weight_decay": 0.0005, "num_threads": 0, "n_jobs_dataloader": 0,)"
      R"( "normal_class": 0, "known_outlier_class": 1, "n_known_outlier_classes": 1})";
  const TrainOptions options = merge_options({parse_options_text(text, "config.json")});
  EXPECT_EQ(options.dataset, "mnist");
  EXPECT_EQ(options.network, "mnist_LeNet");
  EXPECT_EQ(options.data_dir, "../data");
  EXPECT_EQ(options.seed, 3u);
  EXPECT_EQ(options.lr_milestone, std::vector<std::size_t>{50});
  EXPECT_EQ(options.normal_class, std::vector<int>{0});
  EXPECT_EQ(options.ae_weight_decay, 0.5e-3);
}

TEST(OptionsFile, TomlAndJsonSayTheSame) {
  const TrainOptions toml =
      merge_options({parse_options_text("# a comment\ndataset = \"glyphs\"\nlr = 1e-4\nn_epochs = "
                                        "5\nlr_milestone = [2, 4]\npretrain = false\nseed = 1\n"
                                        "eta = 2\nnormal_class = 4\n",
                                        "run.toml")});
  const TrainOptions json = merge_options({parse_options_text(
      R"({"dataset": "glyphs", "lr": 1e-4, "n_epochs": 5.0, "lr_milestone": [2, 4], "pretrain": false, "seed": 1,
          "eta": 2, "normal_class": [4]})",
      "run.json")});
  EXPECT_EQ(toml, json);
  EXPECT_EQ(toml.eta, 2.0);
}

struct BadFile {
  const char* text;
  const char* message;  ///< the beginning of what is expected
};

class RefusedFile : public ::testing::TestWithParam<BadFile> {};

TEST_P(RefusedFile, SaysWhereAndWhy) {
  const std::string message =
      refusal([&] { (void)merge_options({parse_options_text(GetParam().text, "f")}); });
  EXPECT_EQ(message.substr(0, std::string(GetParam().message).size()), GetParam().message) << message;
}

INSTANTIATE_TEST_SUITE_P(
    Files, RefusedFile,
    ::testing::Values(
        BadFile{"lr = 0.1\nlearning_rate = 2\n",
                "f:2: unknown key \"learning_rate\"; `deepsad train --help`"},
        BadFile{"n_epoch = 2\n", "f:1: unknown key \"n_epoch\"; did you mean \"n_epochs\"?"},
        BadFile{"batch-size = 2\n", "f:1: unknown key \"batch-size\"; did you mean \"batch_size\"?"},
        BadFile{R"({"ratio_polution": 0.1})",
                "f: unknown key \"ratio_polution\"; did you mean \"ratio_pollution\"?"},
        BadFile{"\n\nlr = -1\n", "f:3: key \"lr\": got -1, wanted a number > 0"},
        BadFile{"lr = nan\n", "f:1: key \"lr\": got nan, wanted a number > 0"},
        BadFile{"lr = \"0.1\"\n", "f:1: key \"lr\": got \"0.1\", wanted a number"},
        BadFile{"pretrain = \"yes\"\n", "f:1: key \"pretrain\": got \"yes\", wanted true or false"},
        BadFile{"pretrain = 1\n", "f:1: key \"pretrain\": got 1, wanted true or false"},
        BadFile{"n_epochs = 1.5\n", "f:1: key \"n_epochs\": got 1.5, wanted a whole number"},
        BadFile{"lr_milestone = [1.5]\n", "f:1: key \"lr_milestone\": got a list with something else in it"},
        BadFile{R"({"lr_milestone": ["a"]})", "f: key \"lr_milestone\": got a list with \"a\""},
        BadFile{R"({"seed": 18446744073709551615})",
                "f: key \"seed\": got 1.8446744073709552e+19, wanted a whole number"},
        BadFile{"lr = 1979-05-27\n", "f:1: key \"lr\": got a date or time"},
        BadFile{"[training]\nlr = 1\n", "f:1: unknown table [training]; all keys stand at top level"},
        BadFile{R"({"lr": {"value": 1}})", "f: key \"lr\": got an object"},
        BadFile{"lr = 1\nlr = 2\n", "f:2:"}, BadFile{R"({"lr": 1, "lr": 2})", "f: key \"lr\" is given twice"},
        BadFile{R"({"dataset": "a", "dataset_name": "b"})", "f: key \"dataset_name\" is given twice"},
        BadFile{"lr = \n", "f:1:"}, BadFile{R"({"lr": )", "f: not valid JSON: "},
        BadFile{R"({"lr": NaN})", "f: not valid JSON: "},
        BadFile{"out = \"x\"\n", "f:1: key \"out\": where a run is written is said on the command line"},
        BadFile{R"({"load_model": "m.tar"})",
                "f: key \"load_model\": training always starts anew; use `deepsad evaluate"},
        BadFile{"dataset = \"mnist\"\nratio_known_outlier = 0.1\n",
                "option ratio_known_outlier: got 0.1, but"}));

TEST(OptionsFile, FilesThatCannotBeReadAreNamed) {
  EXPECT_EQ(refusal([] { (void)read_options_file("/nonexistent/run.toml"); }),
            "/nonexistent/run.toml: cannot open the config file: No such file or directory");
  EXPECT_NE(refusal([] { (void)read_options_file("/"); }), "");
  EXPECT_NE(refusal([] { (void)read_options_file("/dev/null"); }).find("is empty"), std::string::npos);
}

// docs/options.md holds the table that the declarations give. DEEPSAD_UPDATE_DOCS=1 rewrites it.
TEST(OptionsPage, HoldsTheTableOfTheDeclarations) {
  std::string table, group;
  for (const OptionDeclaration& option : train_option_declarations()) {
    if (option.group != group) {
      group = option.group;
      table += "\n### " + group +
               "\n\n| option | default | range | unit | meaning |\n| --- | --- | --- | --- | --- |\n";
    }
    std::string name = "`" + option.name + "`";
    for (const std::string& alias : option.aliases) name += ", `" + alias + "`";
    table += "| " + name + " | " + option.default_text + " | " + option.range + " | " + option.unit + " | " +
             option.help + " |\n";
  }
  const std::string path = DEEPSAD_SOURCE_DIR "/docs/options.md";
  const std::string begin = "<!-- table: begin -->\n", end = "\n<!-- table: end -->";
  std::stringstream page;
  page << std::ifstream(path).rdbuf();
  std::string text = page.str();
  const std::size_t from = text.find(begin), to = text.find(end);
  ASSERT_NE(from, std::string::npos) << path;
  ASSERT_NE(to, std::string::npos) << path;
  if (std::getenv("DEEPSAD_UPDATE_DOCS") != nullptr) {
    text.replace(from + begin.size(), to - from - begin.size(), table);
    std::ofstream(path) << text;
    return;
  }
  EXPECT_EQ(text.substr(from + begin.size(), to - from - begin.size()), table)
      << "run this test with DEEPSAD_UPDATE_DOCS=1 after a change of the options";
}

}  // namespace
}  // namespace deepsad
