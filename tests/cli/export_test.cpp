// deepsad export: a model for other programs, and the check of such a file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/program.h"
#include "cli/refusals.h"

namespace deepsad::test {
namespace {

using ::testing::HasSubstr;

namespace fs = std::filesystem;

// A trained model in the folder. @return its path
std::string train(const TemporaryFolder& folder, const std::string& name, const std::string& seed = "1",
                  const std::string& method = "deep_sad") {
  std::vector<std::string> words{"train", "toy2d",    "--out", folder.path(name), "--quiet", "--seed",
                                 seed,    "--method", method};
  if (method != "isolation_forest") words.insert(words.end(), {"--n-epochs", "2", "--ae-n-epochs", "1"});
  const Outcome outcome = run_deepsad(words);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return folder.path(name + "/model.safetensors");
}

TEST(Export, WritesAnOnnxFileThatItFindsRight) {
  const TemporaryFolder folder;
  const std::string model = train(folder, "run"), file = folder.path("model.onnx");
  const Outcome written = run_deepsad({"export", model, "--to", "onnx", "-o", file});
  EXPECT_EQ(written.exit_code, 0) << written.err;
  EXPECT_EQ(written.out + written.err, "");
  const Outcome checked = run_deepsad({"export", model, "--verify", file});
  EXPECT_EQ(checked.exit_code, 0) << checked.err;
  EXPECT_THAT(checked.out, HasSubstr("probe rows                      32\n"));
  EXPECT_THAT(checked.out, HasSubstr("of the tolerance"));
}

TEST(Export, TakesARunFolderAndTheKindFromTheName) {
  const TemporaryFolder folder;
  const std::string model = train(folder, "run"), run = folder.path("run");
  for (const char* name : {"a.onnx", "a.tar", "a.pt", "a.pth"})
    ASSERT_EQ(run_deepsad({"export", run, "-o", folder.path(name)}).exit_code, 0) << name;
  ASSERT_EQ(run_deepsad({"export", model, "--to", "onnx", "-o", folder.path("b")}).exit_code, 0);
  ASSERT_EQ(run_deepsad({"export", model, "--to", "torch", "-o", folder.path("c")}).exit_code, 0);
  EXPECT_EQ(read_text(folder.path("a.onnx")), read_text(folder.path("b")));
  for (const char* name : {"a.tar", "a.pt", "a.pth"})
    EXPECT_EQ(read_text(folder.path(name)), read_text(folder.path("c"))) << name;
  EXPECT_EQ(run_deepsad({"export", run, "--verify", folder.path("b")}).exit_code, 0);
}

TEST(Export, AnotherModelsFileIsABadModelFile) {
  const TemporaryFolder folder;
  const std::string model = train(folder, "run"), other = train(folder, "other", "2");
  ASSERT_EQ(run_deepsad({"export", model, "--to", "onnx", "--out", folder.path("model.onnx")}).exit_code, 0);
  const Outcome checked = run_deepsad({"export", other, "--verify", folder.path("model.onnx")});
  EXPECT_EQ(checked.exit_code, 4);
  EXPECT_THAT(checked.err,
              HasSubstr("deepsad: error: " + folder.path("model.onnx") + ": probe row 0: the model gives"));
}

TEST(Export, RefusesWithTheReasonAndWritesNothing) {
  const TemporaryFolder folder;
  const std::string model = train(folder, "run");
  const std::string forest = train(folder, "forest", "1", "isolation_forest");
  const std::string file = folder.path("model.onnx");
  write_text(folder.path("text.onnx"), "no model");
  expect_refusals(
      {"export"},
      {
          {{model}, 2, "give the file to write, --out FILE"},
          {{model, "--out", folder.path("model.bin")}, 2, "model.bin: the ending of its name does not say"},
          {{model, "--to", "onx", "--out", file}, 2, "--to: got onx, wanted onnx or torch"},
          {{model, "--verify", file, "--out", file}, 2, "--out and --verify exclude each other"},
          {{model, "--verify", file, "--to", "onnx"}, 2, "leave --to out"},
          {{forest, "--to", "onnx", "--out", file}, 2, "isolation_forest cannot be exported to ONNX"},
          {{model, "--verify", folder.path("text.onnx")}, 3, "text.onnx: no ONNX file"},
          {{model, "--verify", file}, 1, "model.onnx"},
          {{file, "--to", "onnx", "--out", folder.path("a.onnx")}, 1, "model.onnx"},
          {{model, "--to", "onnx", "--out", folder.path("text.onnx")}, 1, "text.onnx exists"},
          {{folder.path("no-model"), "--out", folder.path("text.onnx")}, 1, "text.onnx exists"},
      });
  EXPECT_FALSE(fs::exists(file));
  EXPECT_EQ(read_text(folder.path("text.onnx")), "no model");
}

}  // namespace
}  // namespace deepsad::test
