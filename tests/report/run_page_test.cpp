#include "deepsad/report/run_page.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "deepsad/model/train_options.h"

namespace deepsad {
namespace {

// The words of a command line as a POSIX shell splits it.
std::vector<std::string> shell_words(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  bool inside = false, quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted) {
      if (c == '\'')
        quoted = false;
      else
        word += c;
    } else if (c == '\'') {
      quoted = inside = true;
    } else if (c == '\\') {
      word += line[++i];
      inside = true;
    } else if (c == ' ') {
      if (inside) words.push_back(word);
      word.clear();
      inside = false;
    } else {
      word += c;
      inside = true;
    }
  }
  if (inside) words.push_back(word);
  return words;
}

TrainOptions options_of(const std::string& command) {
  const std::vector<std::string> words = shell_words(command);
  EXPECT_EQ(words.at(0), "deepsad");
  EXPECT_EQ(words.at(1), "train");
  OptionLayer layer{{find_train_option("dataset"), words.at(2), "DATASET"}};
  for (std::size_t i = 3; i + 1 < words.size(); i += 2) {
    const OptionDeclaration* option = find_train_option(words[i].substr(2));
    if (option == nullptr) {
      ADD_FAILURE() << words[i] << " in " << command;
      continue;
    }
    layer.push_back({option, parse_option_value(*option, {words[i + 1]}), words[i]});
  }
  return merge_options({layer});
}

TEST(ReplayCommand, GivesTheSameOptionsBack) {
  TrainOptions plain;
  plain.dataset = "glyphs";
  plain.seed = 7;
  TrainOptions preset = starting_options("readme", "none");
  preset.dataset = "mnist";
  preset.lr_milestone = {};  // not what the preset has
  preset.lr = TrainOptions{}.lr;
  preset.pretrain = false;
  preset.normal_class = {3, 5};
  TrainOptions compat = starting_options("none", "reference");
  compat.dataset = "cardio";
  compat.center_rows = "without-labelled-anomalies";  // not what the mode has
  TrainOptions odd = plain;
  odd.data_dir = "a folder/it's $HOME; rm \"x\" \\ *";
  odd.eta = 1.0 / 3;
  for (const TrainOptions& options : {plain, preset, compat, odd})
    EXPECT_TRUE(options_of(replay_command(options)) == options) << replay_command(options);
}

// What is given against a default that the method has of its own must not get lost.
TEST(ReplayCommand, KnowsTheDefaultsOfTheMethod) {
  const auto given = [](const char* name, const char* value) {
    return OptionAssignment{find_train_option(name), parse_option_value(*find_train_option(name), {value}),
                            "test"};
  };
  const std::vector<OptionLayer> runs{
      {given("method", "autoencoder")},
      {given("method", "autoencoder"), given("ae_exclude_labelled_anomalies", "false")},
      {given("method", "vae"), given("vae_exclude_labelled_anomalies", "false")},
      {given("method", "oc_svm"), given("compat", "reference"), given("selection", "training")},
      {given("method", "dgm_m2"), given("ratio_known_normal", "0.1")}};
  for (const OptionLayer& run : runs) {
    OptionLayer all = run;
    all.push_back(given("dataset", "toy2d"));
    const TrainOptions options = merge_options({all});
    EXPECT_TRUE(options_of(replay_command(options)) == options) << replay_command(options);
  }
}

TEST(ReplayCommand, NamesOnlyWhatDiffers) {
  TrainOptions options;
  options.dataset = "glyphs";
  options.ratio_known_outlier = 0.01;
  options.seed = 1;
  EXPECT_EQ(replay_command(options), "deepsad train glyphs --ratio-known-outlier 0.01 --seed 1");
}

}  // namespace
}  // namespace deepsad
