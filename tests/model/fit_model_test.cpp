#include "deepsad/model/fit_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "support/files.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr std::size_t kRows = 90, kFeatures = 3;

// Values that float holds exactly, so that all types carry the same numbers.
std::vector<double> numbers(std::size_t n, std::uint64_t seed) {
  RandomStream stream(seed, "test");
  std::vector<double> values(n);
  for (double& value : values) value = static_cast<double>(stream.below(256));
  return values;
}

template <class T>
RawRows raw(const std::vector<T>& values, std::size_t d) {
  return {.values = MatrixView<const T>(values.data(), values.size() / d, d), .feature_names = {}};
}

template <class T>
std::vector<T> converted(const std::vector<double>& values) {
  return std::vector<T>(values.begin(), values.end());
}

Dataset dataset(std::vector<double> values, std::size_t d) {
  Dataset data;
  data.name = "rows";
  data.sample_shape = {d};
  data.values = std::move(values);
  return data;
}

TrainOptions quick(const std::string& method) {
  TrainOptions options = starting_options("none", "none", method);
  options.method = method;
  options.seed = 7;
  options.n_epochs = options.ae_n_epochs = options.vae_n_epochs = 2;
  options.num_threads = 1;
  return options;
}

std::vector<SemiLabel> some_labels() {
  std::vector<SemiLabel> semi(kRows, SemiLabel::unlabelled);
  for (std::size_t i = 0; i < 8; ++i) semi[i] = i % 2 == 0 ? SemiLabel::normal : SemiLabel::anomaly;
  return semi;
}

FittedModel fit(const TrainOptions& options, const RawRows& rows, const std::vector<SemiLabel>& semi) {
  return fit_model(options, {.rows = rows, .semi = semi, .sample_shape = {}}, {}, nullptr);
}

TEST(FitModel, EveryMethodGivesTheSameBitsFromNumbersOfEveryTypeAndThroughItsFile) {
  const std::vector<double> values = numbers(kRows * kFeatures, 1);
  const auto floats = converted<float>(values);
  const auto bytes = converted<std::uint8_t>(values);
  ThreadPool pool(2);
  for (const std::string& method : detector_methods()) {
    SCOPED_TRACE(method);
    const FittedModel from_doubles = fit(quick(method), raw(values, kFeatures), some_labels());
    const FittedModel from_bytes = fit(quick(method), raw(bytes, kFeatures), some_labels());
    EXPECT_EQ(from_doubles.model->to_bytes(), from_bytes.model->to_bytes());
    const std::vector<float> scores = from_doubles.model->score(dataset(values, kFeatures), pool);
    EXPECT_EQ(from_doubles.model->score(raw(floats, kFeatures), pool), scores);
    EXPECT_EQ(from_doubles.model->score(raw(bytes, kFeatures), pool), scores);
    const Model again = Model::from_bytes(from_doubles.model->to_bytes(), "again");
    EXPECT_EQ(again.score(raw(values, kFeatures), pool), scores);
  }
}

TEST(FitModel, HybridsTrainTheirAutoencoder) {
  TrainOptions options = quick("kde");
  options.hybrid = true;
  const std::vector<double> values = numbers(kRows * kFeatures, 2);
  const FittedModel fitted = fit(options, raw(values, kFeatures), {});
  ASSERT_EQ(fitted.phases.size(), 1U);
  EXPECT_EQ(fitted.phases.front().name, "pretraining");
  ThreadPool pool(1);
  EXPECT_EQ(fitted.model->score(raw(values, kFeatures), pool).size(), kRows);
}

TEST(FitModel, ImagesAreWholeNumbersUpTo255) {
  constexpr std::size_t kSide = 8;
  std::vector<double> values = numbers(40 * kSide * kSide, 3);
  const RowsToFit data{.rows = raw(values, kSide * kSide), .semi = {}, .sample_shape = {1, kSide, kSide}};
  const FittedModel fitted = fit_model(quick("deep_svdd"), data, {}, nullptr);
  EXPECT_EQ(fitted.model->scaler().kind(), Scaler::Kind::pixels);
  values[2 * kSide * kSide + 5] = 0.5;
  ThreadPool pool(1);
  EXPECT_THAT([&] { (void)fitted.model->score(raw(values, kSide * kSide), pool); },
              ThrowsMessage<DataError>(
                  HasSubstr("rows: row 2, pixel 5 (both counted from 0): found 0.5, wanted a whole number")));
}

TEST(FitModel, SaysHowTheClassifierWeighsItsClasses) {
  constexpr std::size_t kSide = 12;
  const std::vector<double> values = numbers(kRows * kSide * kSide, 4);
  const auto weights_of = [&](const std::vector<std::size_t>& shape) {
    const std::vector<SemiLabel> semi = some_labels();
    return fit_model(quick("classifier"),
                     {.rows = raw(values, kSide * kSide), .semi = semi, .sample_shape = shape}, {}, nullptr)
        .options.class_weights;
  };
  EXPECT_EQ(weights_of({}), "balanced");
  EXPECT_EQ(weights_of({1, kSide, kSide}), "none");
}

TEST(FitModel, AllRowsMayBeLabelled) {
  const std::vector<double> values = numbers(kRows * kFeatures, 6);
  const std::vector<SemiLabel> normal(kRows, SemiLabel::normal);
  const FittedModel fitted = fit(quick("ssad"), raw(values, kFeatures), normal);
  EXPECT_EQ(fitted.options.ratio_known_normal, 1);
  EXPECT_THAT([&] { (void)fit(quick("classifier"), raw(values, kFeatures), normal); },
              ThrowsMessage<InvalidArgument>(HasSubstr("no row is labelled anomalous, but the classifier")));
}

TEST(FitModel, RefusesWhatItCannotDo) {
  std::vector<double> values = numbers(kRows * kFeatures, 4);
  const RawRows rows = raw(values, kFeatures);
  EXPECT_THAT([&] { (void)fit(quick("kde"), rows, {SemiLabel::normal}); },
              ThrowsMessage<InvalidArgument>(HasSubstr("1 labels for 90 rows")));
  EXPECT_THAT([&] { (void)fit(quick("dgm_m2"), rows, {}); },
              ThrowsMessage<InvalidArgument>(HasSubstr("no row is labelled, but dgm_m2 learns from labels")));
  TrainOptions init = quick("deep_sad");
  init.init = "model.safetensors";
  EXPECT_THAT([&] { (void)fit(init, rows, {}); }, ThrowsMessage<InvalidArgument>(HasSubstr("option init")));
  TrainOptions leak = quick("oc_svm");
  leak.selection = "test-leak";
  EXPECT_THAT([&] { (void)fit(leak, rows, {}); }, ThrowsMessage<InvalidArgument>(HasSubstr("test part")));
  EXPECT_THAT(
      [&] {
        (void)fit_model(quick("kde"), {.rows = rows, .semi = {}, .sample_shape = {1, 8, 8}}, {}, nullptr);
      },
      ThrowsMessage<InvalidArgument>(HasSubstr("samples of 1x8x8 have 64 values, but rows have 3")));
  values[4] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT([&] { (void)fit(quick("kde"), rows, {}); },
              ThrowsMessage<DataError>(HasSubstr("rows: row 1, feature 1 (both counted from 0): found nan")));
}

TEST(FitModel, StopsWhenAsked) {
  const std::vector<double> values = numbers(kRows * kFeatures, 5);
  StopToken stop;
  stop.request_stop();
  EXPECT_THROW((void)fit_model(quick("deep_sad"),
                               {.rows = raw(values, kFeatures), .semi = {}, .sample_shape = {}}, {}, &stop),
               Interrupted);
}

}  // namespace
}  // namespace deepsad
