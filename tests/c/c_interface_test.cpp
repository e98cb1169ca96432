#include "deepsad/c/deepsad.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <limits>
#include <memory>

#include "c/c99_client.h"
#include "c/c_models.h"
#include "deepsad/core/version.h"
#include "support/files.h"

namespace deepsad {
namespace {

using ::testing::AllOf;
using testing::calibrated;
using testing::example_rows;
using ::testing::HasSubstr;
using testing::kFeatures;
using testing::kRows;
using testing::plain_model;
using testing::view_of;

struct Free {
  void operator()(deepsad_model* model) const { deepsad_model_free(model); }
};
using Handle = std::unique_ptr<deepsad_model, Free>;

Handle handle_of(const Model& model) {
  const auto bytes = model.to_bytes();
  deepsad_model* handle = nullptr;
  EXPECT_EQ(deepsad_model_load_memory(bytes.data(), bytes.size(), "model", &handle), DEEPSAD_OK)
      << deepsad_last_error();
  return Handle(handle);
}

TEST(CInterface, AProgramInC99GetsTheLibrarysBitsInSeveralThreadsAtOnce) {
  const testing::TempDir dir;
  const std::vector<double> rows = example_rows();
  for (const char* method : {"deep_sad", "isolation_forest", "kde", "ssad", "vae"}) {
    SCOPED_TRACE(method);
    const Model model = calibrated(plain_model(method));
    const std::string path = dir.at(std::string(method) + ".safetensors");
    model.save(path);
    ThreadPool pool;
    const ScoredRows scored = score_and_decide(model, view_of(rows), {}, pool);
    const c99_expected expected{.rows = rows.data(),
                                .n_rows = kRows,
                                .scores = scored.scores.data(),
                                .threshold = model.decision().threshold->value,
                                .labels = scored.anomalous.data(),
                                .p_values = scored.p_values.data()};
    EXPECT_EQ(c99_client(path.c_str(), &expected), 0) << "the check in this line of c99_client.c failed";
  }
}

TEST(CInterface, TellsWhatTheModelIs) {
  const Handle model = handle_of(plain_model("isolation_forest"));
  EXPECT_STREQ(deepsad_model_method(model.get()), "isolation_forest");
  EXPECT_EQ(deepsad_model_n_features(model.get()), kFeatures);
  EXPECT_STREQ(deepsad_model_feature_name(model.get(), 4), "e");
  EXPECT_EQ(deepsad_model_feature_name(model.get(), 5), nullptr);
  EXPECT_EQ(deepsad_version(), version());
}

TEST(CInterface, BytesAreNumbersLikeOthers) {
  const Model model = plain_model("isolation_forest");
  const Handle handle = handle_of(model);
  const std::vector<unsigned char> bytes{1, 2, 3, 4, 5, 250, 7, 8, 9, 10};
  const std::vector<double> numbers(bytes.begin(), bytes.end());
  float from_bytes[2], from_numbers[2];
  ASSERT_EQ(deepsad_model_score_bytes(handle.get(), bytes.data(), 2, 0, 0, from_bytes), DEEPSAD_OK);
  ASSERT_EQ(deepsad_model_score_double(handle.get(), numbers.data(), 2, 0, 0, from_numbers), DEEPSAD_OK);
  EXPECT_EQ(std::memcmp(from_bytes, from_numbers, sizeof from_bytes), 0);
}

TEST(CInterface, ErrorsHaveACodeAndWords) {
  const testing::TempDir dir;
  deepsad_model* model = nullptr;
  const std::string missing = dir.at("missing.safetensors");
  EXPECT_EQ(deepsad_model_load(missing.c_str(), &model), DEEPSAD_FAILED);
  EXPECT_THAT(deepsad_last_error(), HasSubstr(missing));
  EXPECT_EQ(model, nullptr);
  EXPECT_EQ(deepsad_model_load_memory("no model", 8, "eight bytes", &model), DEEPSAD_BAD_MODEL);
  EXPECT_THAT(deepsad_last_error(), HasSubstr("eight bytes: "));
  EXPECT_EQ(model, nullptr);

  const Handle plain = handle_of(plain_model("isolation_forest"));
  std::vector<double> rows(2 * kFeatures, 1.0);
  float scores[2];
  rows[kFeatures + 3] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(deepsad_model_score_double(plain.get(), rows.data(), 2, 0, 1, scores), DEEPSAD_BAD_DATA);
  EXPECT_THAT(deepsad_last_error(), AllOf(HasSubstr("row 1, feature 3"), HasSubstr("found nan")));
  EXPECT_EQ(deepsad_model_score_double(plain.get(), rows.data(), 2, kFeatures - 1, 1, scores),
            DEEPSAD_INVALID_ARGUMENT);
  EXPECT_STREQ(deepsad_last_error(), "stride is 4, but a row has 5 features; give 0 for rows without gaps");

  double number = 7;
  unsigned char label = 7;
  EXPECT_EQ(deepsad_model_threshold(plain.get(), &number), DEEPSAD_NOT_CALIBRATED);
  EXPECT_THAT(deepsad_last_error(), HasSubstr("no threshold"));
  EXPECT_EQ(deepsad_model_labels(plain.get(), scores, 1, &label), DEEPSAD_NOT_CALIBRATED);
  EXPECT_EQ(deepsad_model_p_values(plain.get(), scores, 1, &number), DEEPSAD_NOT_CALIBRATED);
  EXPECT_THAT(deepsad_last_error(), HasSubstr("no calibration scores"));
  EXPECT_EQ(number, 7);
  EXPECT_EQ(label, 7);

  const Handle with_scores = handle_of(calibrated(plain_model("isolation_forest")));
  const float nan = std::nanf("");
  EXPECT_EQ(deepsad_model_p_values(with_scores.get(), &nan, 1, &number), DEEPSAD_FAILED);
}

std::ptrdiff_t n_threads_of_this_process() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return std::distance(begin(tasks), end(tasks));
}

// A child has none of the threads that its parent's calls left behind for the next ones.
TEST(CInterface, AChildProcessMayUseAndFreeAModelThatItsParentScoredWith) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the thread sanitizer knows no threads in a child of a process that has some";
#endif
  const std::vector<double> rows = example_rows();
  for (const bool scores_first : {true, false}) {
    Handle model = handle_of(plain_model("isolation_forest"));
    const auto score = [&](std::vector<float>& scores) {
      return deepsad_model_score_double(model.get(), rows.data(), kRows, 0, 3, scores.data());
    };
    std::vector<float> in_parent(kRows), in_child(kRows);
    ASSERT_EQ(score(in_parent), DEEPSAD_OK);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      alarm(30);  // ends a child that waits for threads that it does not have
      const bool same = !scores_first || (score(in_child) == DEEPSAD_OK && score(in_child) == DEEPSAD_OK &&
                                          in_child == in_parent && n_threads_of_this_process() == 3);
      model.reset();
      _exit(same ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
  }
}

TEST(CInterface, ALongErrorTextIsCutAndEnded) {
  deepsad_model* model = nullptr;
  const std::string name(100'000, 'x');
  EXPECT_EQ(deepsad_model_load_memory("no model", 8, name.c_str(), &model), DEEPSAD_BAD_MODEL);
  EXPECT_EQ(std::strlen(deepsad_last_error()), 2047U);
}

TEST(CInterface, NullPointersAreRefusedByName) {
  const Handle model = handle_of(plain_model("isolation_forest"));
  deepsad_model* loaded = nullptr;
  const std::vector<double> rows(kFeatures, 1.0);
  float score = 0;
  double number = 0;
  unsigned char label = 0;
  const auto expect_null = [](int code, const char* name) {
    EXPECT_EQ(code, DEEPSAD_INVALID_ARGUMENT);
    EXPECT_EQ(deepsad_last_error(), std::string(name) + " is a null pointer");
  };
  expect_null(deepsad_model_load(nullptr, &loaded), "path");
  expect_null(deepsad_model_load("x", nullptr), "model");
  expect_null(deepsad_model_load_memory(nullptr, 8, nullptr, &loaded), "bytes");
  expect_null(deepsad_model_load_memory("x", 1, nullptr, nullptr), "model");
  expect_null(deepsad_model_score_double(nullptr, rows.data(), 1, 0, 1, &score), "model");
  expect_null(deepsad_model_score_double(model.get(), nullptr, 1, 0, 1, &score), "rows");
  expect_null(deepsad_model_score_double(model.get(), rows.data(), 1, 0, 1, nullptr), "scores");
  expect_null(deepsad_model_threshold(nullptr, &number), "model");
  expect_null(deepsad_model_threshold(model.get(), nullptr), "threshold");
  expect_null(deepsad_model_labels(model.get(), nullptr, 1, &label), "scores");
  expect_null(deepsad_model_labels(model.get(), &score, 1, nullptr), "labels");
  expect_null(deepsad_model_p_values(model.get(), &score, 1, nullptr), "p_values");
  EXPECT_EQ(deepsad_model_score_double(model.get(), nullptr, 0, 0, 1, nullptr), DEEPSAD_OK);
  EXPECT_EQ(deepsad_model_n_features(nullptr), 0U);
  EXPECT_EQ(deepsad_model_method(nullptr), nullptr);
  EXPECT_EQ(deepsad_model_feature_name(nullptr, 0), nullptr);
}

}  // namespace
}  // namespace deepsad
