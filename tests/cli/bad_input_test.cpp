// Everything a user can get wrong: each case with its exit code and what the message must say.
#include <gtest/gtest.h>
#include <matio.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "cli/program.h"

namespace deepsad::test {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

struct Case {
  const char* name;
  Words arguments;  ///< '@' stands for the folder with the material
  int exit_code;
  const char* message;  ///< part of what standard error must say; '@' as above
  RunSetup setup{};
};

std::string with_folder(std::string text, const std::string& folder) {
  for (std::size_t at = text.find('@'); at != std::string::npos; at = text.find('@', at + folder.size()))
    text.replace(at, 1, folder);
  return text;
}

void expect_refusals(const std::vector<Case>& cases, const std::string& folder) {
  for (const Case& c : cases) {
    Words words;
    for (const std::string& word : c.arguments) words.push_back(with_folder(word, folder));
    const Outcome outcome = run_deepsad(words, c.setup);
    EXPECT_EQ(outcome.exit_code, c.exit_code) << c.name << ": " << outcome.err;
    EXPECT_NE(outcome.err.find(with_folder(c.message, folder)), std::string::npos)
        << c.name << " must say: " << with_folder(c.message, folder) << "\nbut says: " << outcome.err;
    EXPECT_EQ(outcome.err.rfind("deepsad: error: ", 0), 0u) << c.name << ": " << outcome.err;
    EXPECT_EQ(outcome.out, "") << c.name;
  }
}

// A training that would take a blink if it were not refused.
Words train(const std::string& dataset, Words more) {
  more.insert(more.begin(),
              {"train", dataset, "--n-epochs", "1", "--pretrain", "no", "-q", "--out", "@/never"});
  return more;
}

// ---- material

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xFF);
  return bytes;
}

std::string idx_images(std::uint32_t n) {
  return big_endian(2051) + big_endian(n) + big_endian(28) + big_endian(28) +
         std::string(n * 28 * 28, '\x40');
}

std::string idx_labels(std::uint32_t n, char label = 3) {
  return big_endian(2049) + big_endian(n) + std::string(n, label);
}

// A folder with the four files of MNIST, ten images each; the replacements go in their place.
void write_mnist(const std::string& folder, const std::string& train_images,
                 const std::string& train_labels) {
  fs::create_directories(folder + "/mnist");
  write_text(folder + "/mnist/train-images-idx3-ubyte", train_images);
  write_text(folder + "/mnist/train-labels-idx1-ubyte", train_labels);
  write_text(folder + "/mnist/t10k-images-idx3-ubyte", idx_images(10));
  write_text(folder + "/mnist/t10k-labels-idx1-ubyte", idx_labels(10));
}

// A MAT file with X (n x d, value row + column, but `special` at row 2, column 1) and y (ones where i % 5 =
// 0).
void write_mat(const std::string& path, std::size_t n, std::size_t d, double special, bool with_labels = true,
               double label = 1) {
  fs::create_directories(fs::path(path).parent_path());
  mat_t* file = Mat_CreateVer(path.c_str(), nullptr, MAT_FT_MAT5);
  ASSERT_NE(file, nullptr);
  std::vector<double> x(n * d), y(n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < d; ++j)
      x[j * n + i] = i == 1 && j == 0 ? special : static_cast<double>(i + j);
    y[i] = i % 5 == 0 ? label : 0;
  }
  const auto write = [file](const char* name, std::size_t rows, std::size_t columns,
                            std::vector<double>& values) {
    std::size_t extents[] = {rows, columns};
    matvar_t* variable =
        Mat_VarCreate(name, MAT_C_DOUBLE, MAT_T_DOUBLE, 2, extents, values.data(), MAT_F_DONT_COPY_DATA);
    Mat_VarWrite(file, variable, MAT_COMPRESSION_NONE);
    Mat_VarFree(variable);
  };
  write("X", n, d, x);
  if (with_labels) write("y", n, 1, y);
  Mat_Close(file);
}

// A gzip file whose one stored block promises 60000 bytes and has 100.
std::string truncated_gzip() {
  return std::string("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10) + std::string("\x01\x60\xea\x9f\x15", 5) +
         std::string(100, 'x');
}

// ---- the cases

TEST(BadInput, WrongUsage) {
  const TemporaryFolder folder;
  write_text(folder.path("typo.toml"), "lr = 0.1\nratio_polution = 0.1\n");
  write_text(folder.path("range.toml"), "lr = -0.1\n");
  write_text(folder.path("broken.json"), "{\"lr\": 0.1");
  write_text(folder.path("network.toml"), "name = \"x\"\nlayer = 3\n");
  const std::vector<Case> cases{
      {"unknown command", {"trian"}, 2, "unknown command \"trian\"; did you mean \"train\"?"},
      {"far-off command", {"fly"}, 2, "`deepsad --help` lists the commands"},
      {"unknown data command",
       {"data", "lst"},
       2,
       "unknown command \"data lst\"; did you mean \"data list\"?"},
      {"unknown option", train("toy2d", {"--ratio-polution", "0.1"}), 2,
       "unknown option --ratio-polution; did you mean --ratio-pollution?"},
      {"far-off option", {"version", "--bananas"}, 2, "`deepsad version --help` lists the known ones"},
      {"option without value", {"train", "toy2d", "--lr"}, 2, "--lr needs a value (X)"},
      {"option given twice", train("toy2d", {"--lr", "1", "--lr", "2"}), 2,
       "--lr is given 2 times (\"1\", then \"2\"), wanted once"},
      {"resume of several runs",
       {"train", "--resume", "@/none", "--seeds", "1-2"},
       2,
       "--seeds: --resume goes on with one run"},
      {"resume with another option",
       {"train", "--resume", "@/none", "--lr", "0.1"},
       2,
       "--lr: --resume goes on with one run"},
      {"resume with a data set",
       {"train", "toy2d", "--resume", "@/none"},
       2,
       "DATASET: --resume goes on with one run"},
      {"resume of nothing",
       {"train", "--resume", "@/none"},
       2,
       "@/none/config.json: cannot open the config file"},
      {"completion of an unknown shell",
       {"completion", "tcsh"},
       2,
       "SHELL: got \"tcsh\", wanted bash, zsh or fish"},
      {"surplus argument", {"evaluate", "a", "b", "c"}, 2, "unexpected argument \"c\""},
      {"missing argument", {"evaluate"}, 2, "MODEL is missing (a model.safetensors, or the run folder"},
      {"no data set", {"train"}, 2, "nothing to train on is given; `deepsad train FILE`"},
      {"data set twice", train("toy2d", {"--dataset", "glyphs"}), 2,
       "--dataset and the argument DATASET say the same"},
      {"unknown data set", train("glyps", {}), 2,
       "unknown data set \"glyps\", did you mean \"glyphs\"?; known: glyphs, toy2d, mnist"},
      {"unknown set to describe", {"data", "info", "minst"}, 2, "mnist"},
      {"trailing letters", train("toy2d", {"--lr", "0.1x"}), 2, "--lr: got \"0.1x\", wanted a number > 0"},
      {"not a number", train("toy2d", {"--eta", "nan"}), 2, "--eta: got nan, wanted a number > 0"},
      {"infinite", train("toy2d", {"--weight_decay", "inf"}), 2,
       "--weight-decay: got inf, wanted a number >= 0"},
      {"empty value", train("toy2d", {"--batch-size="}), 2,
       "--batch-size: got \"\", wanted a whole number 1 <= x <= 1000000"},
      {"zero batch", train("toy2d", {"--batch-size", "0"}), 2,
       "--batch-size: got 0, wanted a whole number 1 <= x <= 1000000"},
      {"fraction of an epoch", train("toy2d", {"--ae-n-epochs", "1.5"}), 2,
       "--ae-n-epochs: got \"1.5\", wanted a whole number"},
      {"negative seed", train("toy2d", {"--seed", "-7"}), 2,
       "--seed: got -7, wanted a whole number -1 <= x <="},
      {"ratio 1", train("toy2d", {"--ratio-known-outlier", "1"}), 2,
       "--ratio-known-outlier: got 1, wanted a number 0 <= x < 1"},
      {"labels without a class", train("toy2d", {"--ratio-known-outlier", "0.1"}), 2,
       "error: --ratio-known-outlier: got 0.1, but --n-known-outlier-classes is 0, so there is no class to "
       "take labelled anomalies from; give --n-known-outlier-classes 1 (or more)"},
      {"infeasible labels",
       train("toy2d", {"--ratio-known-outlier", "0.5", "--n-known-outlier-classes", "1"}), 2, "at most"},
      {"infeasible pollution", train("toy2d", {"--ratio-pollution", "0.9"}), 2, "at most"},
      {"normal is known anomaly", train("toy2d", {"--normal-class", "1", "--n-known-outlier-classes", "1"}),
       2, "error: --known-outlier-class: class 1 is also a normal class"},
      {"unknown normal class", train("toy2d", {"--normal-class", "17"}), 2,
       "--normal-class 17 is not a class of toy2d; its classes are 0, 1"},
      {"nothing anomalous", train("toy2d", {"--normal-class", "0,1"}), 2,
       "all classes of toy2d (0, 1) are normal"},
      {"more known classes than there are",
       train("glyphs", {"--n-known-outlier-classes", "10", "--ratio-known-outlier", "0.01"}), 2, "10"},
      {"unknown known class",
       train("glyphs", {"--n-known-outlier-classes", "1", "--known-outlier-class", "12",
                        "--ratio-known-outlier", "0.01"}),
       2, "12"},
      {"milestones out of order", train("toy2d", {"--lr-milestone", "5,3"}), 2,
       "--lr-milestone: got [5, 3], wanted epochs in ascending order"},
      {"not a boolean",
       {"train", "toy2d", "--pretrain", "maybe"},
       2,
       "--pretrain: got \"maybe\", wanted true, t, 1, yes, y or false"},
      {"unknown network", train("toy2d", {"--network", "mnist_LeNte"}), 2, "mnist_LeNet"},
      {"network for other data", train("toy2d", {"--network", "mnist_LeNet"}), 2,
       "network mnist_LeNet takes samples of"},
      {"network file missing", train("toy2d", {"--network", "@/none.toml"}), 2,
       "@/none.toml: cannot open the network file"},
      {"network file wrong", train("toy2d", {"--network", "@/network.toml"}), 2, "@/network.toml"},
      {"no CUDA", train("toy2d", {"--device", "cuda"}), 2,
       "--device: got \"cuda\", but this build of deepsad has no CUDA"},
      {"unknown device", train("toy2d", {"--device", "gpu"}), 2,
       "--device: got \"gpu\", wanted one of auto, cpu, cuda, cuda:N"},
      {"unknown method", train("toy2d", {"--method", "deep_sadd"}), 2, "did you mean deep_sad?"},
      {"unknown preset", train("toy2d", {"--preset", "papers"}), 2, "did you mean paper?"},
      {"soft boundary without Deep SVDD", train("toy2d", {"--objective", "soft-boundary"}), 2,
       "belongs to method deep_svdd"},
      {"compat of another method", train("toy2d", {"--method", "deep_svdd", "--compat", "reference"}), 2,
       "stands for the published programs of Deep SAD, of the deep generative models and of the shallow"},
      {"scaling that the decoder cannot reach",
       train("toy2d", {"--method", "vae", "--scaling", "standardise"}), 2,
       "--scaling: got standardise, but the decoder of vae gives values in [0, 1]"},
      {"scaling of images", train("glyphs", {"--scaling", "robust"}), 2,
       "--scaling: got robust, but glyphs holds images"},
      {"unknown scaling", train("toy2d", {"--scaling", "z-score"}), 2,
       "wanted one of auto, min-max, standardise"},
      {"load_model", train("toy2d", {"--load_model", "x"}), 2, "use `deepsad evaluate MODEL`"},
      {"no config file",
       {"train", "--config", "@/none.toml"},
       2,
       "@/none.toml: cannot open the config file: No such file or directory"},
      {"unknown config key",
       {"train", "--config", "@/typo.toml"},
       2,
       "@/typo.toml:2: unknown key \"ratio_polution\"; did you mean \"ratio_pollution\"?"},
      {"config value out of range",
       {"train", "toy2d", "--load_config", "@/range.toml"},
       2,
       "@/range.toml:1: key \"lr\": got -0.1, wanted a number > 0"},
      {"broken config", {"train", "--config", "@/broken.json"}, 2, "@/broken.json: not valid JSON"},
      {"out twice",
       {"train", "toy2d", "mlp", "@/a", "@/b", "--out", "@/c", "--n-epochs", "1"},
       2,
       "--out and the argument OUT say the same"},
      {"a built-in set to fetch",
       {"data", "fetch", "glyphs"},
       2,
       "glyphs is built in: there is nothing to fetch"},
      {"unknown set to fetch", {"data", "fetch", "mnits", "--data-dir", "@"}, 2, "mnist"},
      {"unknown instruction set",
       train("toy2d", {}),
       2,
       "DEEPSAD_FORCE_ISA=sse9",
       {.environment = {"DEEPSAD_FORCE_ISA=sse9"}}},
  };
  expect_refusals(cases, folder.path());
  EXPECT_FALSE(fs::exists(folder.path("never")));
}

TEST(BadInput, BadData) {
  const TemporaryFolder folder;
  const std::string f = folder.path();
  write_mnist(f + "/magic", idx_labels(10), idx_labels(10));
  write_mnist(f + "/short", idx_images(10).substr(0, 5000), idx_labels(10));
  write_mnist(f + "/long", idx_images(10) + "x", idx_labels(10));
  write_mnist(f + "/count", idx_images(10), idx_labels(9));
  write_mnist(f + "/label", idx_images(10), idx_labels(10, 11));
  write_mnist(f + "/few", idx_images(10), idx_labels(10));
  write_mnist(f + "/empty", "", idx_labels(10));
  write_mnist(f + "/none", idx_images(0), idx_labels(0));
  write_mnist(f + "/gz", "", idx_labels(10));
  fs::remove(f + "/gz/mnist/train-images-idx3-ubyte");
  write_text(f + "/gz/mnist/train-images-idx3-ubyte.gz", truncated_gzip());
  write_mat(f + "/nan/odds/thyroid.mat", 20, 6, std::nan(""));
  write_mat(f + "/inf/odds/thyroid.mat", 20, 6, std::numeric_limits<double>::infinity());
  write_mat(f + "/nolabels/odds/thyroid.mat", 20, 6, 0, false);
  write_mat(f + "/labels/odds/thyroid.mat", 20, 6, 0, true, 2);
  write_mat(f + "/row/odds/thyroid.mat", 1, 6, 0);
  write_mat(f + "/features/odds/thyroid.mat", 20, 0, 0);
  write_mat(f + "/one/odds/thyroid.mat", 3772, 6, 0, true, 0);
  write_mat(f + "/cut/odds/thyroid.mat", 20, 6, 0);
  fs::resize_file(f + "/cut/odds/thyroid.mat", 500);
  fs::create_directories(f + "/text/odds");
  write_text(f + "/text/odds/thyroid.mat", "1,2,3\n4,5,6\n");
  fs::create_directories(f + "/cifar/cifar10");
  for (const char* name : {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                           "data_batch_5.bin", "test_batch.bin"})
    write_text(f + "/cifar/cifar10/" + name, std::string(3000, '\x01'));
  const auto from = [](const char* dataset, const std::string& sub) {
    return train(dataset, {"--data-dir", "@/" + sub});
  };
  const std::vector<Case> cases{
      {"no such folder", from("mnist", "nothing"), 3, "deepsad data fetch mnist --data-dir @/nothing"},
      {"no folder given",
       {"train", "thyroid"},
       3,
       "data: is not there; looked for the set thyroid in\n  data/odds: no such folder",
       {.environment = {"DEEPSAD_DATA_DIR="}, .folder = "/"}},
      {"wrong magic number", from("mnist", "magic"), 3,
       "@/magic/mnist/train-images-idx3-ubyte: byte 0: found magic number"},
      {"images cut off", from("mnist", "short"), 3, "@/short/mnist/train-images-idx3-ubyte"},
      {"images too long", from("mnist", "long"), 3, "@/long/mnist/train-images-idx3-ubyte"},
      {"labels do not match images", from("mnist", "count"), 3, "found 9 labels, wanted 10"},
      {"label out of range", from("mnist", "label"), 3, "label of image 0 is 11, wanted 0..9"},
      {"other counts than the set", from("mnist", "few"), 3, "found samples per class"},
      {"empty file", from("mnist", "empty"), 3, "@/empty/mnist/train-images-idx3-ubyte"},
      {"no images", from("mnist", "none"), 3, "wanted at least 1"},
      {"truncated gzip", from("mnist", "gz"), 3, "@/gz/mnist/train-images-idx3-ubyte.gz"},
      {"NaN in a table", from("thyroid", "nan"), 3, "@/nan/odds/thyroid.mat"},
      {"infinity in a table", from("thyroid", "inf"), 3, "inf"},
      {"table without labels", from("thyroid", "nolabels"), 3, "y"},
      {"labels beyond 0 and 1", from("thyroid", "labels"), 3, "@/labels/odds/thyroid.mat"},
      {"one row", from("thyroid", "row"), 3, "@/row/odds/thyroid.mat"},
      {"no features", from("thyroid", "features"), 3, "@/features/odds/thyroid.mat"},
      {"one class only", from("thyroid", "one"), 3, "@/one/odds/thyroid.mat"},
      {"table cut off", from("thyroid", "cut"), 3, "@/cut/odds/thyroid.mat"},
      {"text for a table", from("thyroid", "text"), 3, "@/text/odds/thyroid.mat"},
      {"odd CIFAR batch", from("cifar10", "cifar"), 3, "wanted a multiple of 3073"},
  };
  expect_refusals(cases, f);
  EXPECT_FALSE(fs::exists(folder.path("never")));
}

TEST(BadInput, BadModels) {
  const TemporaryFolder folder;
  const std::string f = folder.path();
  ASSERT_EQ(
      run_deepsad({"train", "toy2d", "--n-epochs", "1", "--ae-n-epochs", "1", "--out", f + "/run"}).exit_code,
      0);
  const std::string model = read_text(f + "/run/model.safetensors");
  ASSERT_GT(model.size(), 1000u);
  write_text(f + "/empty", "");
  write_text(f + "/cut", model.substr(0, model.size() / 2));
  write_text(f + "/cut_header", model.substr(0, 100));
  std::string changed = model;
  changed[changed.size() - 10] = static_cast<char>(changed[changed.size() - 10] ^ 1);
  write_text(f + "/changed", changed);
  write_text(f + "/longer", model + "x");
  write_text(f + "/text", "this is not a model, though it is long enough to be one");
  const std::string foreign = R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  std::string length(8, '\0');
  length[0] = static_cast<char>(foreign.size());
  write_text(f + "/foreign", length + foreign + std::string(4, '\0'));
  std::string newer = model;
  const std::string version = "\"deepsad.format_version\":\"";
  if (const std::size_t at = newer.find("format_version"); at != std::string::npos) {
    const std::size_t digit = newer.find_first_of("0123456789", at);
    newer[digit] = '9';
  }
  write_text(f + "/newer", newer);
  write_mat(f + "/wide.mat", 5, 3, 0, false);
  write_text(f + "/noise", "neither images nor a table");
  const std::string good = "@/run/model.safetensors";
  const std::vector<Case> cases{
      {"empty model", {"inspect", "@/empty"}, 4, "@/empty"},
      {"model cut off", {"inspect", "@/cut"}, 4, "@/cut: "},
      {"header cut off", {"evaluate", "@/cut_header"}, 4, "@/cut_header: "},
      {"altered model", {"evaluate", "@/changed"}, 4, "@/changed: altered: its content has the checksum"},
      {"longer model", {"inspect", "@/longer"}, 4, "@/longer: "},
      {"text for a model", {"inspect", "@/text"}, 4, "@/text: "},
      {"foreign safetensors", {"inspect", "@/foreign"}, 4, "not a deepsad model"},
      {"newer model", {"inspect", "@/newer"}, 4, "@/newer: "},
      {"no model", {"inspect", "@/none"}, 1, "@/none: cannot be read: No such file or directory"},
      {"folder for a model", {"inspect", "@/"}, 1, "@/: is a folder without a model.safetensors"},
      {"model of other data", {"evaluate", good, "glyphs"}, 2, "the model was trained on toy2d"},
      {"samples of another shape",
       {"score", good, "@/wide.mat"},
       3,
       "its samples have 3 features but the model was trained on 2 features"},
      {"samples of no format", {"score", good, "@/noise"}, 3, "@/noise"},
      {"no samples", {"score", good, "@/none"}, 3, "@/none"},
      {"scores over a file", {"evaluate", good, "--scores", "@/text"}, 1, "@/text"},
  };
  expect_refusals(cases, f);
  EXPECT_EQ(read_text(f + "/text"), "this is not a model, though it is long enough to be one");
}

TEST(BadInput, FailuresAtRunTime) {
  const TemporaryFolder folder;
  const std::string f = folder.path();
  ASSERT_EQ(
      run_deepsad({"train", "toy2d", "--n-epochs", "1", "--pretrain", "no", "--out", f + "/run"}).exit_code,
      0);
  write_text(f + "/file", "x");
  fs::create_directory(f + "/notes");
  write_text(f + "/notes/mine.txt", "x");
  const auto into = [](const char* out) {
    return Words{"train", "toy2d", "--n-epochs", "1", "--pretrain", "no", "-q", "--out", out};
  };
  const std::vector<Case> cases{
      {"folder holds a run", into("@/run"), 1, "@/run: holds a run already"},
      {"folder holds something else", into("@/notes"), 1, "@/notes: is not empty (it holds mine.txt)"},
      {"a file for a folder", into("@/file"), 1, "@/file: is a file, not a folder"},
      {"folder that cannot be made", into("/proc/deepsad/run"), 1, "/proc/deepsad"},
      {"no such mirror",
       {"data", "fetch", "thyroid", "-q", "--data-dir", "@/sets", "--mirror", "http://127.0.0.1:9/"},
       1,
       "http://127.0.0.1:9/"},
      {"full disk", into("@/full"), 1, "@/full", {.max_file_bytes = 6000}},
      {"diverging training",
       {"train", "toy2d", "--lr", "1e30", "--n-epochs", "5", "--pretrain", "no", "-q", "--out", "@/nan"},
       1,
       "epoch"},
  };
  expect_refusals(cases, f);
  // What a failed run leaves never looks like a finished one.
  EXPECT_FALSE(fs::exists(f + "/full/results.json"));
  EXPECT_FALSE(fs::exists(f + "/nan/results.json"));
  EXPECT_NE(read_text(f + "/nan/log.txt").find("WARNING"), std::string::npos);
}

}  // namespace
}  // namespace deepsad::test
