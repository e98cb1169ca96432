#include "deepsad/model/explanation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "deepsad/model/fit_model.h"
#include "support/errors.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::message_of;
using Json = nlohmann::json;

constexpr std::size_t kFeatures = 8;

/// Rows near one pattern of zeros and ones, of unequal scales; an anomaly is a normal row with n_planted
/// features near the other one: every method can see that.
struct Planted {
  std::vector<double> values;
  std::vector<SemiLabel> semi;
  std::vector<std::set<std::uint32_t>> features;  // of each row; empty: normal
  [[nodiscard]] RawRows raw() const {
    return {.values = MatrixView<const double>(values.data(), semi.size(), kFeatures), .feature_names = {}};
  }
};

Planted plant(std::uint64_t seed, std::size_t n_normal, std::size_t n_anomalies, std::size_t n_planted = 1) {
  Planted data;
  RandomStream random(seed, "test/planted");
  for (std::size_t i = 0; i < n_normal + n_anomalies; ++i) {
    std::set<std::uint32_t> chosen;
    while (i >= n_normal && chosen.size() < n_planted)
      chosen.insert(static_cast<std::uint32_t>(random.below(kFeatures)));
    for (std::uint32_t j = 0; j < kFeatures; ++j) {
      const bool high = (j % 2 == 0) != chosen.contains(j);
      data.values.push_back(10.0 * j + (1 + j) * ((high ? 0.8 : 0.2) + 0.05 * random.normal()));
    }
    data.semi.push_back(chosen.empty() ? SemiLabel::unlabelled : SemiLabel::anomaly);
    data.features.push_back(std::move(chosen));
  }
  return data;
}

TrainOptions quick(const std::string& method) {
  TrainOptions options = starting_options("none", "none", method);
  options.method = method;
  options.seed = 7;
  options.n_epochs = 40;
  if (method == "deep_sad" || method == "deep_svdd") options.rep_dim = 8;
  options.n_estimators = 500;
  options.ae_n_epochs = options.vae_n_epochs = 60;
  options.batch_size = options.ae_batch_size = options.vae_batch_size = 64;
  // Beyond all rows that it was grown on, a forest cannot tell far from near: let it see some anomalies.
  if (method == "isolation_forest") options.exclude_labelled_anomalies = false;
  options.num_threads = 1;
  return options;
}

Model fit(const TrainOptions& options, const Planted& data) {
  return *fit_model(options, {.rows = data.raw(), .semi = data.semi, .sample_shape = {}}, {}, nullptr).model;
}

std::vector<std::uint32_t> anomalies_of(const Planted& data) {
  std::vector<std::uint32_t> rows;
  for (std::uint32_t i = 0; i < data.features.size(); ++i)
    if (!data.features[i].empty()) rows.push_back(i);
  return rows;
}

/// Share of the anomalies whose planted features are those of the largest positive contributions.
double recovered(const Model& model, const Planted& test, std::optional<AttributionMethod> method) {
  ThreadPool pool(1);
  const std::vector<std::uint32_t> rows = anomalies_of(test);
  const Explanations all = explain(model, test.raw(), rows, {.method = method}, pool);
  std::size_t n_found = 0;
  for (const Explanation& row : all.rows) {
    std::vector<std::uint32_t> order(kFeatures);
    std::iota(order.begin(), order.end(), 0U);
    std::sort(order.begin(), order.end(),
              [&](std::uint32_t a, std::uint32_t b) { return row.contributions[a] > row.contributions[b]; });
    const std::set<std::uint32_t>& planted = test.features[row.row];
    const auto end = order.begin() + static_cast<std::ptrdiff_t>(planted.size());
    if (std::set<std::uint32_t>(order.begin(), end) == planted) ++n_found;
  }
  return static_cast<double>(n_found) / static_cast<double>(rows.size());
}

TEST(Explain, FindsAPlantedFeatureWithEveryMethod) {
  const Planted training = plant(1, 500, 60), test = plant(2, 0, 100);
  for (const std::string& method : detector_methods()) {
    if (method == "dgm_m1m2")
      continue;  // its classifier sees no feature, only what a VAE's code keeps of them
    const Model model = fit(quick(method), training);
    EXPECT_GE(recovered(model, test, {}), 0.95) << method;
    EXPECT_GE(recovered(model, test, AttributionMethod::leave_one_out), 0.95) << method << ", leave-one-out";
  }
}

TEST(Explain, FindsTwoPlantedFeatures) {
  const Planted training = plant(1, 500, 60, 2), test = plant(2, 0, 100, 2);
  for (const std::string& method : detector_methods()) {
    // A network that never heard of anomalies need not mind all directions alike: the larger of two features
    // is found, the other one only where the network looks.
    if (method == "deep_svdd" || method == "dgm_m1m2") continue;
    EXPECT_GE(recovered(fit(quick(method), training), test, {}), 0.95) << method;
  }
}

TEST(Explain, FindsPlantedFeaturesThroughAnAutoencodersCode) {
  const Planted training = plant(1, 500, 60), test = plant(2, 0, 100);
  TrainOptions options = quick("ssad");
  options.hybrid = true;
  EXPECT_GE(recovered(fit(options, training), test, {}), 0.95);
}

class ExplainOneModel : public ::testing::Test {
 protected:
  static const Model& model() {
    static const Model model = fit(quick("deep_sad"), plant(1, 300, 30));
    return model;
  }
  ThreadPool pool_{2};
  Planted test_ = plant(2, 20, 10);
};

TEST_F(ExplainOneModel, ContributionsSumToTheDifferenceOfTheScores) {
  std::vector<std::uint32_t> rows(30);
  std::iota(rows.begin(), rows.end(), 0U);
  const Explanations all = explain(model(), test_.raw(), rows, {}, pool_);
  const std::vector<float> scores = model().score(test_.raw(), pool_);
  ASSERT_EQ(all.rows.size(), 30U);
  EXPECT_EQ(all.method, AttributionMethod::integrated_gradients);
  EXPECT_EQ(all.baseline, BaselineKind::typical_rows);
  EXPECT_EQ(all.n_typical, 32U);
  for (const Explanation& row : all.rows) {
    EXPECT_EQ(row.score, static_cast<double>(scores[row.row]));
    const double sum = std::accumulate(row.contributions.begin(), row.contributions.end(), 0.0);
    EXPECT_TRUE(row.complete);
    EXPECT_LE(row.completeness_error, 0.01);
    EXPECT_NEAR(sum, row.score - row.baseline_score,
                0.0101 * std::abs(row.score - row.baseline_score) + 1e-5);
    double share = 0;
    for (std::size_t k = 0; k < row.columns.size(); ++k) {
      share += row.columns[k].share;
      EXPECT_EQ(row.columns[k].contribution, row.contributions[row.columns[k].column]);
      if (k > 0) {
        EXPECT_GE(row.columns[k - 1].share, row.columns[k].share);
      }
    }
    EXPECT_NEAR(share, 1, 1e-9);
    ASSERT_EQ(row.neighbours.size(), 3U);
    EXPECT_LE(row.neighbours[0].distance, row.neighbours[2].distance);
    for (std::size_t j = 0; j < kFeatures; ++j)
      EXPECT_NEAR(row.values[j], test_.values[row.row * kFeatures + j], 1e-4 * (1 + std::abs(row.values[j])));
  }
}

TEST_F(ExplainOneModel, ARowsExplanationIsItsOwnAtAnyThreadCount) {
  const std::vector<std::uint32_t> rows{25, 3, 29}, alone{3};
  ThreadPool one(1), three(3);
  const std::string together = explanations_json(explain(model(), test_.raw(), rows, {}, one));
  EXPECT_EQ(explanations_json(explain(model(), test_.raw(), rows, {}, three)), together);
  EXPECT_EQ(Json::parse(explanations_json(explain(model(), test_.raw(), alone, {}, three)))["rows"][0],
            Json::parse(together)["rows"][1]);
}

TEST_F(ExplainOneModel, SurvivesTheModelFile) {
  const std::vector<std::uint32_t> rows{25, 3};
  const Model again = Model::from_bytes(model().to_bytes(), "again");
  EXPECT_EQ(explanations_json(explain(again, test_.raw(), rows, {}, pool_)),
            explanations_json(explain(model(), test_.raw(), rows, {}, pool_)));
}

TEST_F(ExplainOneModel, TakesWhatThereIsToCompareWith) {
  const std::vector<std::uint32_t> rows{25};
  const Model with_profile = model().with_training_rows({nullptr, model().training_rows().profile});
  const Explanations by_medians = explain(with_profile, test_.raw(), rows, {}, pool_);
  EXPECT_EQ(by_medians.baseline, BaselineKind::medians);
  EXPECT_THAT(by_medians.rows[0].neighbours, IsEmpty());
  const auto middle = [](unsigned j) { return 10.0 * j + (1 + j) * (j % 2 == 0 ? 0.8 : 0.2); };
  for (unsigned j = 0; j < kFeatures; ++j)
    EXPECT_NEAR(by_medians.rows[0].baseline[j], middle(j), 0.05 * (1 + j));
  const Model with_nothing = model().with_training_rows({});
  const Explanations by_means = explain(with_nothing, test_.raw(), rows, {}, pool_);
  EXPECT_EQ(by_means.baseline, BaselineKind::means);
  for (unsigned j = 0; j < kFeatures; ++j)
    EXPECT_NEAR(by_means.rows[0].baseline[j], middle(j), 0.1 * (1 + j));
  EXPECT_THAT(explanations_text(by_means, 3), HasSubstr("the means of the training rows"));
}

TEST_F(ExplainOneModel, WritesTextJsonAndCsv) {
  const std::vector<std::uint32_t> rows{25};
  const Explanations all = explain(model(), test_.raw(), rows, {}, pool_);
  const std::string text = explanations_text(all, 2);
  EXPECT_THAT(text, HasSubstr("Contributions to the score by integrated gradients, compared with the nearest "
                              "of the model's 32 typical training rows.\n\nrow 25: score "));
  EXPECT_THAT(text, HasSubstr("  the other 6"));
  EXPECT_THAT(text, HasSubstr("  completeness error "));
  EXPECT_THAT(text, HasSubstr("  nearest labelled training rows:\n    row "));
  const Json json = Json::parse(explanations_json(all));
  EXPECT_EQ(json["method"], "integrated-gradients");
  EXPECT_EQ(json["rows"][0]["columns"].size(), kFeatures);
  EXPECT_EQ(json["rows"][0]["anomaly"], nullptr);
  const std::string csv = explanations_csv(all);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + static_cast<std::ptrdiff_t>(kFeatures));
  EXPECT_THAT(csv, HasSubstr("row,column,value,baseline,contribution,share\n25,feature "));
}

TEST(RawValue, UndoesEveryScaling) {
  std::vector<double> values;
  RandomStream random(1, "test");
  for (int i = 0; i < 100; ++i) {
    values.push_back(50 + 20 * random.normal());
    values.push_back(3);  // constant
    values.push_back(static_cast<double>(random.below(4)));
  }
  const RawRows rows{.values = MatrixView<const double>(values.data(), 100, 3), .feature_names = {}};
  const std::vector<double> odd{500, 4, -2};
  const RawRows beyond{.values = MatrixView<const double>(odd.data(), 1, 3), .feature_names = {}};
  for (const Scaling scaling :
       {Scaling::min_max, Scaling::standardise, Scaling::robust, Scaling::quantile, Scaling::none}) {
    SCOPED_TRACE(scaling_name(scaling));
    const Scaler scaler = Scaler::fit_table(rows, scaling);
    Matrix<float> x(100, 3), y(1, 3);
    scaler.transform(rows, 0, {x.values.data(), 100, 3});
    scaler.transform(beyond, 0, {y.values.data(), 1, 3});
    for (std::size_t j = 0; j < 3; ++j) {
      for (std::size_t i = 0; i < 100; ++i)
        EXPECT_NEAR(scaler.raw_value(j, static_cast<double>(x.row(i)[j])), values[3 * i + j], 1e-3);
      EXPECT_NEAR(scaler.raw_value(j, static_cast<double>(y.row(0)[j])), odd[j], 1e-2);
    }
    EXPECT_NEAR(scaler.raw_value(1, scaler.scaled_mean(1)), scaling == Scaling::none ? 0 : 3, 0.6);
  }
}

// One-hot categories, an ordinal one, a date, and numbers that may be missing: a line a column, in its words.
TEST(ExplainTable, SumsTheFeaturesOfAColumn) {
  const Schema schema({{.name = "age", .missing = MissingPolicy::impute},
                       {.name = "color", .kind = ColumnKind::one_hot, .categories = {"red", "blue"}},
                       {.name = "size", .kind = ColumnKind::ordinal, .categories = {"S", "M", "L"}},
                       {.name = "day", .kind = ColumnKind::date},
                       {.name = "note", .kind = ColumnKind::ignored}},
                      {});
  // age, age=missing, red, blue, other, size, size=other, day
  const std::size_t d = schema.n_features();
  ASSERT_EQ(d, 8U);
  std::vector<double> values;
  RandomStream random(1, "test");
  for (int i = 0; i < 200; ++i) {
    const double blue = i % 4 == 0 ? 1 : 0;
    for (const double v : {40 + 5 * random.normal(), i % 10 == 0 ? 1.0 : 0.0, 1 - blue, blue, 0.0,
                           static_cast<double>(random.below(2)), 0.0, 19000.0 + static_cast<double>(i)})
      values.push_back(v);
  }
  const std::vector<std::string> feature_names = schema.feature_names();
  const RawRows rows{.values = MatrixView<const double>(values.data(), 200, d),
                     .feature_names = feature_names};
  const Model model =
      fit_model(quick("deep_sad"), {.rows = rows, .semi = {}, .sample_shape = {}}, {}, nullptr)
          .model->with_schema({.schema = schema, .label_map = {}, .truth_map = {}, .source = "t.csv"});
  const std::vector<double> odd{40, 1, 0, 0, 1, 0, 1, 19782, 40, 0, 0, 1, 0, 2, 0, 19000.4};
  ThreadPool pool(1);
  const std::vector<std::uint32_t> both{0, 1};
  const Explanations all = explain(
      model, {.values = MatrixView<const double>(odd.data(), 2, d), .feature_names = schema.feature_names()},
      both, {}, pool);
  std::vector<std::string> names;
  for (const ExplainedColumn& column : all.columns) names.push_back(column.name);
  EXPECT_EQ(names, (std::vector<std::string>{"age", "color", "size", "day"}));
  EXPECT_EQ(all.columns[1].features, (std::vector<std::uint32_t>{2, 3, 4}));
  std::map<std::string, std::vector<std::string>> shown;
  for (const Explanation& row : all.rows) {
    EXPECT_LE(row.completeness_error, 0.01);
    ASSERT_EQ(row.columns.size(), 4U);
    for (const ColumnContribution& column : row.columns) {
      shown[names[column.column]].push_back(column.value);
      if (column.column == 1) {
        EXPECT_TRUE(column.baseline == "red" || column.baseline == "blue") << column.baseline;
      }
    }
  }
  EXPECT_EQ(shown["age"], (std::vector<std::string>{"missing", "40"}));
  EXPECT_EQ(shown["color"], (std::vector<std::string>{"other", "blue"}));
  EXPECT_EQ(shown["size"], (std::vector<std::string>{"other", "L"}));
  EXPECT_EQ(shown["day"], (std::vector<std::string>{"2024-02-29", "2022-01-08"}));
}

TEST_F(ExplainOneModel, SaysWhenTheStepsDoNotSuffice) {
  const std::vector<std::uint32_t> rows{25};
  const Explanations all = explain(model(), test_.raw(), rows, {.tolerance = 1e-12, .max_steps = 64}, pool_);
  EXPECT_FALSE(all.rows[0].complete);
  EXPECT_LE(all.rows[0].steps, 64U);
  EXPECT_GT(all.rows[0].completeness_error, 1e-12);
  EXPECT_THAT(explanations_text(all, 3), HasSubstr("the contributions are approximate"));
}

TEST_F(ExplainOneModel, Refuses) {
  const std::vector<std::uint32_t> outside{30};
  EXPECT_EQ(message_of<InvalidArgument>([&] { (void)explain(model(), test_.raw(), outside, {}, pool_); }),
            "row 30 is outside rows, which has 30 rows (counted from 0)");
  const std::vector<std::uint32_t> rows{1};
  EXPECT_THAT(message_of<DataError>([&] {
                (void)explain(model(),
                              {.values = MatrixView<const double>(test_.values.data(), 30, kFeatures - 1),
                               .feature_names = {}},
                              rows, {}, pool_);
              }),
              HasSubstr("have 7 features"));
  const Model forest = fit(quick("isolation_forest"), plant(1, 60, 0));
  EXPECT_THAT(message_of<InvalidArgument>([&] {
                (void)explain(forest, test_.raw(), rows, {.method = AttributionMethod::integrated_gradients},
                              pool_);
              }),
              HasSubstr("isolation_forest has no derivative that is known"));
}

}  // namespace
}  // namespace deepsad
