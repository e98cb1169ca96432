#include "deepsad/model/training_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "deepsad/detectors/isolation_forest.h"
#include "deepsad/model/model.h"
#include "deepsad/storage/safetensors.h"
#include "support/errors.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;
using testing::message_of;
using Json = nlohmann::json;

constexpr std::size_t kRows = 400, kFeatures = 3;

class TrainingRowsTest : public ::testing::Test {
 protected:
  TrainingRowsTest() : x_(kRows, kFeatures), semi_(kRows, SemiLabel::unlabelled) {
    RandomStream random(3, "test");
    for (std::size_t i = 0; i < kRows; ++i) {
      if (i < 20) semi_[i] = SemiLabel::anomaly;
      if (i >= 20 && i < 50) semi_[i] = SemiLabel::normal;
      for (float& value : x_.row(i)) value = static_cast<float>(random.normal() + (i < 20 ? 4 : 0));
    }
    detector_ = make_isolation_forest({.n_estimators = 20});
    const Observer silent;
    FitContext context{.pool = pool_, .seed = 1, .observer = silent};
    detector_->fit(set(), context);
  }
  [[nodiscard]] TrainingSet set() const { return {view(), semi_}; }
  [[nodiscard]] MatrixView<const float> view() const { return {x_.values.data(), kRows, kFeatures}; }
  [[nodiscard]] TrainingRows remember(const TrainingRowsOptions& options = {}) {
    return remember_training_rows(*detector_, set(), {}, options, pool_);
  }
  [[nodiscard]] Model model(TrainingRows rows) {
    auto forest =
        restore_detector("isolation_forest", detector_->description(), detector_->tensors(), "test");
    return Model(std::move(forest),
                 Scaler::table_from_parts({0, 0, 0}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}, Scaling::none),
                 {kFeatures}, {}, {}, "{}")
        .with_training_rows(std::move(rows));
  }
  ThreadPool pool_{2};
  Matrix<float> x_;
  std::vector<SemiLabel> semi_;
  std::unique_ptr<Detector> detector_;
};

TEST_F(TrainingRowsTest, TypicalExamplesAreNotLabelledAnomalousAndScoreAtMostTheMedian) {
  const TrainingRows rows = remember();
  const ExampleRows& examples = *rows.examples;
  std::vector<float> scores(kRows);
  detector_->score(view(), scores, pool_);
  std::vector<float> others;
  for (std::size_t i = 0; i < kRows; ++i)
    if (semi_[i] != SemiLabel::anomaly) others.push_back(scores[i]);
  std::sort(others.begin(), others.end());
  ASSERT_EQ(examples.n_typical, 32U);
  ASSERT_EQ(examples.size(), 64U);
  std::set<std::uint32_t> seen;
  for (std::size_t k = 0; k < examples.size(); ++k) {
    const std::uint32_t row = examples.rows[k];
    EXPECT_TRUE(seen.insert(row).second) << "twice";
    EXPECT_EQ(examples.labels[k], semi_[row]);
    EXPECT_EQ(examples.scores[k], scores[row]);
    EXPECT_TRUE(std::ranges::equal(examples.x.row(k), x_.row(row)));
    if (k < examples.n_typical) {
      EXPECT_NE(semi_[row], SemiLabel::anomaly);
      EXPECT_LE(scores[row], others[(others.size() - 1) / 2]);
    } else {
      EXPECT_NE(semi_[row], SemiLabel::unlabelled);
    }
  }
  const auto n_anomalous = std::count(examples.labels.begin(), examples.labels.end(), SemiLabel::anomaly);
  EXPECT_EQ(n_anomalous, 16);
}

TEST_F(TrainingRowsTest, LabelledExamplesAreWhatThereIs) {
  std::fill(semi_.begin() + 3, semi_.end(), SemiLabel::unlabelled);
  const TrainingRows some = remember({.n_examples = 10});
  const ExampleRows& few = *some.examples;
  EXPECT_EQ(few.n_typical, 10U);
  EXPECT_EQ(few.size(), 13U);
  std::fill(semi_.begin(), semi_.end(), SemiLabel::anomaly);
  const TrainingRows all = remember({.n_examples = 10});
  const ExampleRows& all_anomalous = *all.examples;
  EXPECT_EQ(all_anomalous.n_typical, 0U);
  EXPECT_EQ(all_anomalous.size(), 10U);
}

TEST_F(TrainingRowsTest, NothingIsKeptThatIsNotWanted) {
  const TrainingRows none = remember({.n_examples = 0, .profile = false});
  EXPECT_EQ(none.examples, nullptr);
  EXPECT_EQ(none.profile, nullptr);
  EXPECT_EQ(Json::parse(model(none).inspect_json())["format_version"], 1);
  EXPECT_EQ(Json::parse(model(remember()).inspect_json())["format_version"], 3);
}

TEST_F(TrainingRowsTest, AreTheSameAtAnyThreadCountAndThroughTheFile) {
  ThreadPool three(3);
  const Model here = model(remember());
  const Model there = model(remember_training_rows(*detector_, set(), {}, {}, three));
  const std::vector<std::uint8_t> bytes = here.to_bytes();
  EXPECT_EQ(there.to_bytes(), bytes);
  const Model again = Model::from_bytes(bytes, "again");
  EXPECT_EQ(again.to_bytes(), bytes);
  const TrainingProfile &a = *here.training_rows().profile, &b = *again.training_rows().profile;
  EXPECT_EQ(a.features, b.features);
  EXPECT_EQ(a.scores, b.scores);
  EXPECT_EQ(a.hashes.smallest, b.hashes.smallest);
  EXPECT_EQ(again.score(RawRows{.values = view(), .feature_names = {}}, pool_),
            here.score(RawRows{.values = view(), .feature_names = {}}, pool_));
}

TEST_F(TrainingRowsTest, HashesFindTheRowsThemselvesAndNoOthers) {
  const RowHashes hashes = hash_rows(view());
  EXPECT_TRUE(hashes.all);
  Matrix<float> mixed(4, kFeatures);
  std::ranges::copy(x_.row(7), mixed.row(0).begin());
  std::ranges::copy(x_.row(7), mixed.row(1).begin());
  mixed.row(1)[0] = std::nextafter(mixed.row(1)[0], 10.0F);
  std::ranges::copy(x_.row(9), mixed.row(2).begin());
  std::swap(mixed.row(2)[0], mixed.row(2)[1]);
  std::ranges::copy(x_.row(11), mixed.row(3).begin());
  const RowHashes::Overlap overlap = hashes.overlap({mixed.values.data(), 4, kFeatures});
  EXPECT_EQ(overlap.compared.size(), 4U);
  EXPECT_EQ(overlap.found, (std::vector<std::uint32_t>{0, 3}));
}

TEST_F(TrainingRowsTest, OfManyRowsAShareIsKeptThatEstimatesTheOverlap) {
  constexpr std::size_t kMany = 50000;
  Matrix<float> many(kMany, 1);
  for (std::size_t i = 0; i < kMany; ++i) many.row(i)[0] = static_cast<float>(i);
  const RowHashes hashes = hash_rows({many.values.data(), kMany, 1});
  EXPECT_FALSE(hashes.all);
  EXPECT_EQ(hashes.smallest.size(), kMaxRowHashes);
  Matrix<float> half(kMany, 1);  // every other one is new
  for (std::size_t i = 0; i < kMany; ++i) half.row(i)[0] = static_cast<float>(i) + (i % 2 == 0 ? 0 : 0.5F);
  const RowHashes::Overlap overlap = hashes.overlap({half.values.data(), kMany, 1});
  // About kMaxRowHashes rows can be told; of the binomial share 1/2 five deviations are 0.04.
  EXPECT_GT(overlap.compared.size(), 3500U);
  EXPECT_NEAR(static_cast<double>(overlap.found.size()) / static_cast<double>(overlap.compared.size()), 0.5,
              0.04);
}

TEST(RowHashesTest, MergedAreThoseOfTheRowsTogether) {
  constexpr std::size_t kMany = 9000;
  Matrix<float> x(kMany, 1);
  for (std::size_t i = 0; i < kMany; ++i) x.row(i)[0] = static_cast<float>(i);
  const auto part = [&](std::size_t first, std::size_t n) {
    return MatrixView<const float>(x.values.data() + first, n, 1);
  };
  const auto expect_together = [&](std::size_t first, std::size_t middle, std::size_t end) {
    SCOPED_TRACE(std::to_string(first) + " " + std::to_string(middle) + " " + std::to_string(end));
    const RowHashes a = hash_rows(part(first, middle - first)), b = hash_rows(part(middle, end - middle)),
                    whole = hash_rows(part(first, end - first));
    for (const RowHashes& both : {merged(a, b), merged(b, a)}) {
      EXPECT_EQ(both.all, whole.all);
      EXPECT_EQ(both.smallest, whole.smallest);
    }
  };
  expect_together(0, 100, 300);
  expect_together(0, 3000, 6000);
  expect_together(0, 50, 9000);
  expect_together(0, 4500, 9000);
  const RowHashes all = hash_rows(part(0, 100)), unknown{.smallest = {}, .all = false};
  EXPECT_EQ(merged(all, all).smallest, all.smallest);
  for (const RowHashes& both : {merged(all, unknown), merged(unknown, all)}) {
    EXPECT_FALSE(both.can_tell());
    EXPECT_TRUE(both.overlap(part(0, 100)).compared.empty());
  }
  EXPECT_TRUE(all.can_tell());
}

// Every part of the sections, damaged with a right checksum.
TEST_F(TrainingRowsTest, ADamagedSectionIsNamed) {
  const Safetensors good = read_safetensors(model(remember()).to_bytes(), "good");
  const auto message = [&](const auto& damage) {
    Safetensors file = good;
    damage(file);
    const std::vector<std::uint8_t> bytes = write_safetensors(file);
    return message_of<ModelError>([&] { (void)Model::from_bytes(bytes, "bad"); });
  };
  const auto tensor = [](Safetensors& file, const std::string& name) -> NamedTensor& {
    return *std::find_if(file.tensors.begin(), file.tensors.end(),
                         [&](const NamedTensor& t) { return t.name == name; });
  };
  for (const char* name : {"examples.rows", "examples.scores", "profile.sizes", "profile.smallest",
                           "profile.edges", "profile.shares", "profile.hashes"}) {
    EXPECT_EQ(message([&](Safetensors& file) {
                std::erase_if(file.tensors, [&](const NamedTensor& t) { return t.name == name; });
              }),
              std::string("bad: damaged: the tensor \"") + name + "\" is missing");
  }
  EXPECT_THAT(
      message([](Safetensors& file) { file.metadata.erase("deepsad.examples"); }),
      HasSubstr("the tensor \"examples.rows\" and the metadata \"deepsad.examples\" belong together"));
  EXPECT_THAT(message([](Safetensors& file) { file.metadata.erase("deepsad.profile"); }),
              HasSubstr("belong together"));
  EXPECT_THAT(message([](Safetensors& file) { file.metadata["deepsad.profile"] = "{"; }),
              HasSubstr("damaged metadata"));
  EXPECT_THAT(message([&](Safetensors& file) {
                NamedTensor& rows = tensor(file, "examples.rows");
                rows.shape = {rows.shape[1], rows.shape[0]};
              }),
              HasSubstr("the examples are no rows of the model"));
  EXPECT_THAT(message([&](Safetensors& file) {
                const std::vector<float> values(64 * kFeatures, std::numeric_limits<float>::infinity());
                tensor(file, "examples.rows") =
                    make_tensor("examples.rows", {64, kFeatures}, std::span<const float>(values));
              }),
              HasSubstr("a value of an example is not finite"));
  EXPECT_THAT(message([&](Safetensors& file) {
                Json json = Json::parse(file.metadata["deepsad.examples"]);
                json["typical"] = 65;
                file.metadata["deepsad.examples"] = json.dump();
              }),
              HasSubstr("the examples have other numbers of labels, rows and scores"));
  EXPECT_THAT(message([&](Safetensors& file) {
                Json json = Json::parse(file.metadata["deepsad.examples"]);
                json["labels"][0] = 2;
                file.metadata["deepsad.examples"] = json.dump();
              }),
              HasSubstr("a label of an example is none of -1, 0 and 1"));
  EXPECT_THAT(message([&](Safetensors& file) {
                NamedTensor& edges = tensor(file, "profile.edges");
                std::swap_ranges(edges.bytes.begin(), edges.bytes.begin() + 4, edges.bytes.begin() + 4);
              }),
              HasSubstr("a distribution of the profile does not ascend from 0 to 1"));
  EXPECT_THAT(message([&](Safetensors& file) { ++tensor(file, "profile.sizes").bytes[0]; }),
              HasSubstr("the profile's sizes disagree"));
  EXPECT_THAT(message([&](Safetensors& file) {
                NamedTensor& hashes = tensor(file, "profile.hashes");
                std::swap_ranges(hashes.bytes.begin(), hashes.bytes.begin() + 8, hashes.bytes.end() - 8);
              }),
              HasSubstr("the hashes of the profile do not ascend"));
}

}  // namespace
}  // namespace deepsad
