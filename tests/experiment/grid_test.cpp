#include "deepsad/experiment/grid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

#include "deepsad/core/error.h"
#include "deepsad/model/options_file.h"

namespace deepsad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kGrid = R"(name = "mine"
datasets = ["glyphs", "cardio"]
normal_classes = [0, 3]
known_classes = "each"
n_known_classes = [1]
gamma_l = [0, 0.05]
gamma_p = [0, 0.1]
seeds = "1-2"

[options]
preset = "paper"

[[method]]
column = "Deep SAD"

[[method]]
column = "IF raw"
method = "isolation_forest"

[[method]]
column = "Supervised"
method = "classifier"

[subset.small]
datasets = ["glyphs"]
known_classes = [3, 4]
seeds = [2]
columns = ["IF raw", "Deep SAD"]
)";

std::string refusal(const std::string& text, const std::string& subset = "") {
  try {
    (void)parse_grid(text, "my.toml", subset);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "nothing was refused";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

TEST(Grid, ExpandsToEverySetup) {
  const Grid grid = parse_grid(kGrid, "my.toml");
  EXPECT_EQ(grid.name, "mine");
  std::map<std::string, std::size_t> setups;
  std::map<std::string, std::set<std::string>> trainings;
  for (const GridRun& run : grid.runs) {
    ++setups[run.setup.dataset + " " + run.setup.column];
    trainings[run.setup.dataset + " " + run.setup.column].insert(run.setup.id);
  }
  // Two seeds, two normal classes with nine known ones each, two ratios of labels, two of pollution.
  EXPECT_EQ(setups["glyphs Deep SAD"], 2U * 2 * 9 * 2 * 2);
  EXPECT_EQ(setups["glyphs IF raw"], 2U * 2 * 9 * 2 * 2);
  EXPECT_EQ(setups["glyphs Supervised"], 2U * 2 * 9 * 2);  // not without labels
  // A table has one normal and one known class.
  EXPECT_EQ(setups["cardio Deep SAD"], 2U * 2 * 2);
  // One training answers all setups that differ in labels which it does not see.
  EXPECT_EQ(trainings["glyphs IF raw"].size(), 2U * 2 * 2);
  EXPECT_EQ(trainings["glyphs Deep SAD"].size(), 2U * 2 * 2 * (9 + 1));
}

TEST(Grid, GivesEveryRunItsOptions) {
  const Grid grid = parse_grid(kGrid, "my.toml", "small");
  ASSERT_EQ(grid.runs.size(), (1U + 2U) * 2 * 2 * 2);  // class 3 is normal in half of them
  for (const GridRun& run : grid.runs) {
    EXPECT_EQ(run.options.dataset, "glyphs");
    EXPECT_EQ(run.options.seed, 2U);
    EXPECT_EQ(run.options.batch_size, 200U);
    EXPECT_EQ(run.options.normal_class, run.setup.normal_classes);
    EXPECT_EQ(run.options.ratio_pollution, run.setup.gamma_p);
    const bool labelled = run.setup.gamma_l > 0 && run.setup.column == "Deep SAD";
    EXPECT_EQ(run.options.ratio_known_outlier, labelled ? 0.05 : 0);
    EXPECT_EQ(run.options.n_known_outlier_classes, labelled ? 1U : 0U);
    EXPECT_EQ(run.options.known_outlier_class, labelled ? run.setup.known_class : 1);
    // The stored options repeat the run.
    EXPECT_EQ(merge_options({parse_options_text(run.setup.options, "x")}), run.options);
  }
}

TEST(Grid, DrawsKnownClassesAndVariesOptions) {
  const Grid grid = parse_grid(R"(name = "drawn"
datasets = ["glyphs"]
normal_classes = "each"
known_classes = "drawn"
n_known_classes = [0, 1, 3]
gamma_l = [0.05]
seeds = "1-4"
vary = { eta = [0.1, 10], rep_dim = [16] }
[[method]]
column = "Deep SAD"
)",
                               "my.toml");
  EXPECT_EQ(grid.runs.size(), 4U * 10 * 3 * 2);
  std::set<int> drawn;
  for (const GridRun& run : grid.runs) {
    EXPECT_EQ(run.setup.varied.at("rep_dim"), "16");
    EXPECT_EQ(run.options.rep_dim, 16U);
    EXPECT_EQ(option_value_text(run.options.eta), run.setup.varied.at("eta"));
    EXPECT_EQ(run.setup.known_class.has_value(), run.setup.n_known_classes == 1);
    EXPECT_EQ(run.options.n_known_outlier_classes, run.setup.n_known_classes);
    if (run.setup.known_class) {
      EXPECT_NE(*run.setup.known_class, run.setup.normal_classes[0]);
      drawn.insert(*run.setup.known_class);
    }
  }
  EXPECT_GT(drawn.size(), 1U);
}

TEST(Grid, GroupsTheRunsThatTrainOneAutoencoder) {
  const Grid grid = parse_grid(R"(name = "groups"
datasets = ["cardio"]
seeds = [1]
gamma_l = [0.05]
[[method]]
column = "Deep SAD"
[[method]]
column = "eta"
options = { eta = 5 }
[[method]]
column = "SSAD hybrid"
method = "ssad"
options = { hybrid = true }
[[method]]
column = "other autoencoder"
options = { ae_n_epochs = 7 }
[[method]]
column = "SSAD raw"
method = "ssad"
)",
                               "my.toml");
  ASSERT_EQ(grid.runs.size(), 5U);
  EXPECT_EQ(grid.runs[1].group, grid.runs[0].group);
  EXPECT_EQ(grid.runs[2].group, grid.runs[0].group);
  EXPECT_NE(grid.runs[3].group, grid.runs[0].group);
  EXPECT_NE(grid.runs[4].group, grid.runs[0].group);
}

// Identities are written to stores: they must never change.
TEST(RunIdentity, IsStable) {
  TrainOptions options;
  options.dataset = "mnist";
  options.seed = 1;
  const std::string id = run_identity(options);
  EXPECT_EQ(id, "043e134e2918a192");
  TrainOptions same = options;
  same.num_threads = 3;
  same.data_dir = "elsewhere";
  same.memory_budget = 2;
  same.strict = true;
  same.scaling = "min-max";
  EXPECT_EQ(run_identity(same), id);
  TrainOptions other = options;
  other.seed = 0;
  EXPECT_NE(run_identity(other), id);
  other = options;
  other.eta = 2;
  EXPECT_NE(run_identity(other), id);
  other = options;
  other.preset = "paper";  // standardises tables
  EXPECT_NE(run_identity(other), id);
  const auto id_of = [](const std::string& preset, const std::string& method) {
    TrainOptions started = starting_options(preset, "none", method);
    started.dataset = "mnist";
    started.seed = 1;
    return run_identity(started);
  };
  EXPECT_EQ(id_of("none", "deep_sad"), id);
  EXPECT_EQ(id_of("paper", "deep_sad"), "899ec37249fd4ca1");
  EXPECT_EQ(id_of("paper", "classifier"), "a4a034d2ef8203ea");
}

TEST(Grid, NamesFileLineKeyAndWhatIsWanted) {
  const struct {
    const char *from, *to, *message;
  } cases[] = {
      {"seeds = \"1-2\"", "seed = 1", "my.toml:8: unknown key \"seed\"; did you mean \"seeds\"?"},
      {"seeds = \"1-2\"", "seeds = \"1-\"", "my.toml:8: key \"seeds\": got \"1-\" in \"1-\", wanted whole"},
      {"gamma_l = [0, 0.05]", "gamma_l = [0, 1.5]", "my.toml:6: key \"gamma_l\": got 1.5, wanted a list of"},
      {"gamma_l = [0, 0.05]", "gamma_l = [0, 0]",
       "my.toml:6: key \"gamma_l\": got 0, wanted every value once"},
      {"gamma_l = [0, 0.05]", "gamma_l = 0", "my.toml:6: key \"gamma_l\": got 0, wanted a list"},
      {"\"each\"", "\"all\"", "my.toml:4: key \"known_classes\": got 'all', wanted \"each\", \"drawn\" or"},
      {"\"cardio\"", "\"cardia\"", "my.toml:2: key \"datasets\": unknown set \"cardia\"; did you mean"},
      {"preset = \"paper\"", "presets = \"paper\"", "my.toml:11: unknown key \"presets\""},
      {"preset = \"paper\"", "eta = \"x\"", "my.toml:11: key \"options.eta\": got \"x\", wanted a number"},
      {"preset = \"paper\"", "seed = 3", "my.toml:11: key \"options.seed\": the grid gives this option"},
      {"preset = \"paper\"", "num_threads = 3", "\"options.num_threads\": an option of the machine"},
      {"\"isolation_forest\"", "\"forest\"",
       "my.toml:18: key \"method.method\": got 'forest', wanted one of"},
      {"column = \"IF raw\"", "column = \"Deep SAD\"", "my.toml:16: column \"Deep SAD\" is there already"},
      {"name = \"mine\"", "", "my.toml: key \"name\" is missing"},
      {"name = \"mine\"", "name = mine", "my.toml:1:8: not valid TOML"},
  };
  for (const auto& bad : cases)
    EXPECT_THAT(refusal(replaced(kGrid, bad.from, bad.to)), HasSubstr(bad.message)) << bad.to;
  EXPECT_THAT(refusal(kGrid, "big"), HasSubstr("my.toml: no subset \"big\"; there are small"));
  EXPECT_THAT(refusal(replaced(kGrid, "columns = [\"IF raw\"", "columns = [\"KDE\""), "small"),
              HasSubstr("it has no \"KDE\""));
}

TEST(Grid, RunsOfASubsetAreRunsOfTheWhole) {
  std::set<std::string> ids;
  for (const GridRun& run : parse_grid(kGrid, "my.toml").runs) ids.insert(run.setup.id);
  for (const GridRun& run : parse_grid(kGrid, "my.toml", "small").runs)
    EXPECT_EQ(ids.count(run.setup.id), 1U);
}

TEST(Grid, TheShippedGridsAreSound) {
  std::size_t n_files = 0;
  for (const auto& file : std::filesystem::directory_iterator(DEEPSAD_SOURCE_DIR "/experiments/paper")) {
    if (file.path().extension() != ".toml") continue;
    ++n_files;
    const Grid laptop = read_grid(file.path().string(), "laptop");
    EXPECT_EQ(laptop.name, file.path().stem().string());
    EXPECT_FALSE(laptop.runs.empty());
    EXPECT_LE(laptop.runs.size(), 200U) << file.path();
  }
  EXPECT_EQ(n_files, 8U);
}

}  // namespace
}  // namespace deepsad
