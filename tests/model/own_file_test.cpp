// Training on a file of one's own.
#include "deepsad/model/own_file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "support/files.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;
using testing::message_of;
using testing::TempDir;

constexpr std::size_t kRows = 240;

struct Row {
  double a, b;
  const char* color;
  bool anomaly;
  const char* status;
};

// Two numbers and a colour; every twelfth row is anomalous, and half of these are known to be.
std::vector<Row> rows() {
  RandomStream random(3, "own rows");
  std::vector<Row> table;
  for (std::size_t i = 0; i < kRows; ++i) {
    const bool anomaly = i % 12 == 5;
    const double shift = anomaly ? 6 : 0;
    table.push_back({shift + random.normal(), random.normal() - shift, i % 3 == 0 ? "red" : "blue", anomaly,
                     anomaly && i % 24 == 5 ? "fraud"
                     : i % 10 == 0          ? "ok"
                                            : ""});
  }
  return table;
}

std::string csv(const std::vector<Row>& table) {
  std::string text = "a,b,color,really,status\n";
  for (const Row& row : table)
    text += fmt::format("{},{},{},{},{}\n", row.a, row.b, row.color, row.anomaly ? "anomaly" : "normal",
                        row.status);
  return text;
}

TrainOptions options_for(const std::string& path, const std::string& method = "deep_sad") {
  TrainOptions options = starting_options("none", "none", method);
  options.dataset = path;
  options.label_column = "status";
  options.truth_column = "really";
  options.n_epochs = options.ae_n_epochs = options.vae_n_epochs = 5;
  options.batch_size = options.ae_batch_size = options.vae_batch_size = 32;
  options.seed = 11;
  options.num_threads = 1;
  return options;
}

class OwnFileRun : public ::testing::Test {
 protected:
  std::string write(const std::string& text, const std::string& name = "rows.csv") const {
    testing::write_file(dir_.at(name), testing::bytes_of(text));
    return dir_.at(name);
  }
  static TrainRun train(const TrainOptions& options) { return train_run(options, Observer{}, nullptr); }
  template <class E>
  static std::string refusal(const TrainOptions& options) {
    return message_of<E>([&] { static_cast<void>(train(options)); });
  }
  TempDir dir_;
};

TEST_F(OwnFileRun, GivesAModelWithSchemaThresholdAndHonestTest) {
  const TrainRun run = train(options_for(write(csv(rows()))));
  const Model& model = *run.model;
  ASSERT_TRUE(model.schema().has_value());
  EXPECT_EQ(model.schema()->source, "rows.csv");
  EXPECT_EQ(model.feature_names(),
            (std::vector<std::string>{"a", "b", "color=blue", "color=red", "color=other"}));
  EXPECT_EQ(model.setup().dataset, "rows.csv");
  ASSERT_TRUE(model.decision().threshold.has_value());
  ASSERT_TRUE(run.own.has_value());
  const OwnRows& own = *run.own->rows;
  EXPECT_EQ(own.parts.test.size(), 48U);
  EXPECT_EQ(run.test.rows, own.parts.test);
  EXPECT_EQ(run.own->calibration_scores.size(), own.parts.calibration.size());
  EXPECT_EQ(run.training_set.rows, own.parts.training);
  EXPECT_EQ(run.training_set.counts.total(), own.parts.training.size());
  EXPECT_GT(run.metrics.roc_auc, 0.95);
  ASSERT_TRUE(run.own->at_threshold.has_value());
  EXPECT_EQ(run.own->at_threshold->true_alarms + run.own->at_threshold->missed, 4U);
  // Calibration scores are those of the rows, as anyone scores them.
  ThreadPool pool(1);
  const Table table = read_table(dir_.at("rows.csv"), {.schema = model.schema()->schema});
  EXPECT_EQ(model.score(table.data, own.parts.calibration, pool), run.own->calibration_scores);
}

// What is held out leaves no trace: schema, scaling and weights are those of other held-out rows.
TEST_F(OwnFileRun, HeldOutRowsChangeNothing) {
  std::vector<Row> table = rows();
  const TrainOptions options = options_for(write(csv(table)));
  const OwnFile file = read_own_file(options);
  const TrainRun run = train(options);
  for (const auto* part : {&file.rows->parts.calibration, &file.rows->parts.test}) {
    for (const std::uint32_t row : *part) {
      table[row].a = 1e6 + row;
      table[row].b *= -3;
      table[row].color = "never seen";
    }
  }
  const TrainRun other = train(options_for(write(csv(table), "other.csv")));
  EXPECT_EQ(other.training_set.rows, run.training_set.rows);
  EXPECT_EQ(other.model->schema()->schema, run.model->schema()->schema);
  EXPECT_EQ(other.model->scaler().mean(), run.model->scaler().mean());
  EXPECT_EQ(other.model->scaler().std(), run.model->scaler().std());
  const std::vector<DetectorTensor> a = run.model->detector().tensors(),
                                    b = other.model->detector().tensors();
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].values, b[i].values) << a[i].name;
  EXPECT_NE(other.own->calibration_scores, run.own->calibration_scores);
}

TEST_F(OwnFileRun, SameBitsAtAnyNumberOfThreads) {
  TrainOptions options = options_for(write(csv(rows())));
  options.scaling = "quantile";
  const TrainRun one = train(options);
  EXPECT_EQ(one.model->scaler().scaling(), Scaling::quantile);
  options.num_threads = 3;
  EXPECT_EQ(train(options).model->to_bytes(), one.model->to_bytes());
  const Model again = Model::from_bytes(one.model->to_bytes(), "m");
  EXPECT_EQ(again.scaler().quantiles(), one.model->scaler().quantiles());
  EXPECT_EQ(again.to_bytes(), one.model->to_bytes());
}

// What the labels of the calibration rows say has a say in the threshold.
TEST_F(OwnFileRun, ABestF1IsThatOfTheLabelledCalibrationRows) {
  TrainOptions options = options_for(write(csv(rows())));
  options.threshold = "best-f1";
  const TrainRun run = train(options);
  ASSERT_TRUE(run.model->decision().threshold.has_value());
  EXPECT_EQ(run.model->decision().threshold->request.kind, ThresholdKind::best_f1);
  const OwnRows& own = *run.own->rows;
  std::vector<float> scores;
  std::vector<TrueLabel> labels;
  for (std::size_t i = 0; i < own.parts.calibration.size(); ++i) {
    const SemiLabel label = own.semi[own.parts.calibration[i]];
    if (label == SemiLabel::unlabelled) continue;
    scores.push_back(run.own->calibration_scores[i]);
    labels.push_back(label == SemiLabel::normal ? TrueLabel::normal : TrueLabel::anomaly);
  }
  EXPECT_GT(std::count(labels.begin(), labels.end(), TrueLabel::anomaly), 0);
  EXPECT_EQ(run.model->decision().threshold->value, best_f1_threshold(scores, labels, "").value);
}

TEST_F(OwnFileRun, AFileThatWasDividedWithAnotherSeedIsRefused) {
  TrainOptions options = options_for(write(csv(rows())));
  const OwnFile file = read_own_file(options);
  options.seed = *options.seed + 1;
  EXPECT_THAT(
      message_of<InvalidArgument>([&] { static_cast<void>(train_run(options, file, Observer{}, nullptr)); }),
      HasSubstr("the file was divided with seed 11, not the options' 12"));
}

class OwnFileMethods : public OwnFileRun, public ::testing::WithParamInterface<std::string> {};

TEST_P(OwnFileMethods, EveryMethodTrains) {
  const TrainRun run = train(options_for(write(csv(rows())), GetParam()));
  EXPECT_GT(run.metrics.roc_auc, 0.6) << GetParam();
  const Model again = Model::from_bytes(run.model->to_bytes(), "m");
  EXPECT_EQ(again.decision().threshold, run.model->decision().threshold);
  EXPECT_EQ(again.schema(), run.model->schema());
}

INSTANTIATE_TEST_SUITE_P(All, OwnFileMethods,
                         ::testing::Values("deep_sad", "deep_svdd", "autoencoder", "vae", "dgm_m2",
                                           "dgm_m1m2", "classifier", "oc_svm", "ssad", "kde",
                                           "isolation_forest"));

TEST_F(OwnFileRun, NoLabelsAtAllIsARun) {
  TrainOptions options = options_for(write(csv(rows())), "deep_svdd");
  options.label_column = options.truth_column = "";
  options.ignore_columns = "really,status";
  const TrainRun run = train(options);
  EXPECT_TRUE(run.test.rows.empty());
  EXPECT_TRUE(std::isnan(run.metrics.roc_auc));
  EXPECT_FALSE(run.own->at_threshold.has_value());
  EXPECT_EQ(run.own->rows->parts.calibration.size(), kRows / 5);
  EXPECT_TRUE(run.findings.empty());
  options.method = "dgm_m2";
  options.pretrain = false;
  EXPECT_THAT(refusal<InvalidArgument>(options), HasSubstr("no training row of"));
}

TEST_F(OwnFileRun, RowsThatTheSchemaRefusesAreLeftOutIfTheyAreHeldOut) {
  const std::vector<Row> table = rows();
  TrainOptions options = options_for(write(csv(table)));
  const std::uint32_t row = read_own_file(options).rows->parts.calibration.front();
  std::string text = csv(table);
  std::size_t line = 0;
  for (std::uint32_t i = 0; i <= row; ++i) line = text.find('\n', line) + 1;
  text.replace(line, text.find(',', line) - line, "n/a");
  options.dataset = write(text, "hole.csv");
  const OwnFile file = read_own_file(options);
  ASSERT_EQ(file.rows->left_out.size(), 1U);
  EXPECT_EQ(file.rows->left_out[0].row, row);
  EXPECT_FALSE(std::ranges::binary_search(file.rows->parts.calibration, row));
  EXPECT_THAT(file.rows->messages, ::testing::Contains(HasSubstr("1 held-out row is left out")));
}

TEST_F(OwnFileRun, EpochsAndBatchesFollowTheNumberOfRows) {
  const TrainOptions options = options_for(write(csv(rows())));
  const OwnFile file = read_own_file(options);
  OptionLayer layer;
  for (const SuggestedOption& suggestion : suggested_options(options, file))
    layer.push_back(suggestion.assignment);
  layer.push_back({find_train_option("n_epochs"), std::int64_t{7}, "--n-epochs"});  // what is given wins
  const TrainOptions merged = merge_options({layer});
  EXPECT_EQ(merged.batch_size, 16U);
  EXPECT_EQ(merged.ae_n_epochs, 100U);  // 10 steps an epoch
  EXPECT_EQ(merged.n_epochs, 7U);
  TrainOptions paper = options;
  paper.preset = "paper";
  EXPECT_TRUE(suggested_options(paper, file).empty());
}

// 320 grey images of 28x28 as an NPY file.
std::string images() {
  constexpr std::size_t kPixels = 28 * 28, kHeader = 118;
  std::string header = "{'descr': '|u1', 'fortran_order': False, 'shape': (320, 28, 28), }";
  header.resize(kHeader - 1, ' ');
  std::string file = std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(kHeader) + '\0' + header + '\n';
  for (std::size_t i = 0; i < 320 * kPixels; ++i) file += static_cast<char>(i * 7 % 101);
  return file;
}

TEST_F(OwnFileRun, ImagesAreTrainedOnLongerAtALowerRate) {
  TrainOptions options;
  options.dataset = write(images(), "images.npy");
  options.seed = 11;
  options.calibration_share = 0;
  const OwnFile file = read_own_file(options);
  const auto merged = [&](const std::string& method) {
    options.method = method;
    OptionLayer layer;
    for (const SuggestedOption& suggestion : suggested_options(options, file))
      layer.push_back(suggestion.assignment);
    return merge_options({layer});
  };
  for (const char* method : {"deep_sad", "deep_svdd"}) {
    const TrainOptions chosen = merged(method);
    EXPECT_EQ(chosen.batch_size, 16U);
    EXPECT_EQ(chosen.n_epochs, 100U) << method;  // 20 steps an epoch
    EXPECT_EQ(chosen.ae_n_epochs, 100U) << method;
    EXPECT_EQ(chosen.lr, 1e-4) << method;
    EXPECT_EQ(chosen.ae_lr, 1e-4) << method;
  }
  EXPECT_EQ(merged("autoencoder").ae_lr, TrainOptions().ae_lr);
  EXPECT_EQ(merged("classifier").lr, TrainOptions().lr);
}

TEST_F(OwnFileRun, WhatMakesNoSenseIsRefused) {
  const std::string path = write(csv(rows()));
  const auto with = [&](auto&& change) {
    TrainOptions options = options_for(path);
    change(options);
    return refusal<InvalidArgument>(options);
  };
  EXPECT_THAT(with([](auto& o) {
                o.ratio_known_outlier = 0.1;
                o.n_known_outlier_classes = 1;
              }),
              HasSubstr("option n_known_outlier_classes: got 1, but the rows of"));
  EXPECT_THAT(with([](auto& o) { o.compat = "reference"; }), HasSubstr("option compat"));
  EXPECT_THAT(with([](auto& o) {
                o.load_ae = "m";
                o.method = "oc_svm";
                o.hybrid = true;
              }),
              HasSubstr("option load_ae"));
  EXPECT_THAT(with([](auto& o) {
                o.threshold = "target-fpr:0.5";
                o.calibration_share = 0;
              }),
              HasSubstr("no rows are there to choose it on"));
  EXPECT_THAT(with([](auto& o) { o.threshold = "target:0.5"; }),
              HasSubstr("option threshold: got \"target:0.5\""));
  EXPECT_THAT(with([](auto& o) { o.calibration_contamination = "0.6"; }), HasSubstr("0 <= x < 0.5"));
  EXPECT_THAT(with([](auto& o) { o.label_map = "fraud"; }), HasSubstr("option label_map: label map 'fraud'"));
  EXPECT_THAT(with([](auto& o) { o.truth_column = "status"; }),
              HasSubstr("both the semi labels and the true labels"));
  EXPECT_THAT(with([](auto& o) { o.label_column = "statis"; }), HasSubstr("did you mean \"status\"?"));
  TrainOptions named = options_for("toy2d");
  EXPECT_THAT(refusal<InvalidArgument>(named),
              HasSubstr("option label_column: got \"status\", but toy2d is no file"));
}

}  // namespace
}  // namespace deepsad
