#include "model/warm_start.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "deepsad/data/row_file.h"
#include "deepsad/model/seen_rows.h"
#include "deepsad/model/train_run.h"
#include "support/files.h"

namespace deepsad {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::ThrowsMessage;

TrainOptions quick(const std::string& method) {
  TrainOptions options = starting_options("none", "none", method);
  options.method = method;
  options.dataset = "toy2d";
  options.seed = 3;
  options.n_epochs = options.ae_n_epochs = options.vae_n_epochs = 2;
  options.n_known_outlier_classes = 1;
  options.ratio_known_outlier = 0.02;
  options.ratio_known_normal = 0.02;
  options.num_threads = 1;
  return options;
}

TrainOptions no_epochs(TrainOptions options) {
  options.n_epochs = options.ae_n_epochs = options.vae_n_epochs = 0;
  return options;
}

TrainRun run(const TrainOptions& options) {
  return train_run(options, Observer{}, nullptr);
}

class WarmStartTest : public ::testing::Test {
 protected:
  std::string saved(const TrainRun& trained) {
    const std::string path = dir_.at("model-" + std::to_string(n_++) + ".safetensors");
    trained.model->save(path);
    return path;
  }
  testing::TempDir dir_;
  int n_ = 0;
};

TEST_F(WarmStartTest, EveryDeepMethodBeginsWithTheWeightsThatTheModelHas) {
  for (const char* method :
       {"deep_sad", "deep_svdd", "autoencoder", "vae", "dgm_m2", "dgm_m1m2", "classifier"}) {
    SCOPED_TRACE(method);
    const TrainRun old = run(quick(method));
    TrainOptions options = no_epochs(quick(method));
    options.init = saved(old);
    const TrainRun same = run(options);
    EXPECT_EQ(same.test.scores, old.test.scores);
    ASSERT_TRUE(same.warm_start);
    EXPECT_EQ(same.warm_start->before.roc_auc, old.metrics.roc_auc);
    ASSERT_TRUE(same.warm_start->anomalies && same.warm_start->normals);
    EXPECT_EQ(same.warm_start->anomalies->n_rows, old.training_set.counts.known_anomaly);
    EXPECT_EQ(same.warm_start->normals->n_rows, old.training_set.counts.known_normal);
    EXPECT_EQ(same.warm_start->anomalies->rank_before, same.warm_start->anomalies->rank_after);
    EXPECT_THAT(same.findings, Each(Field(&Finding::name, Not("labels_forgotten"))));

    options = quick(method);
    options.init = saved(old);
    options.ratio_known_outlier = 0.05;
    const TrainRun on = run(options);
    EXPECT_NE(on.test.scores, old.test.scores);
    EXPECT_EQ(on.phases.size(), 1U) << "no pretraining";
    EXPECT_EQ(on.warm_start->before.roc_auc, old.metrics.roc_auc);
    EXPECT_EQ(on.test.rows, old.test.rows);
    EXPECT_EQ(on.model->scaler().mean(), old.model->scaler().mean());
    EXPECT_EQ(run(options).test.scores, on.test.scores) << "the same bits again";
  }
}

TEST_F(WarmStartTest, DeepSadKeepsItsCentreAndTheSoftBoundaryItsRadius) {
  const auto center_of = [](const TrainRun& trained) {
    for (const DetectorTensor& tensor : trained.model->detector().tensors())
      if (tensor.name == "c") return tensor.values;
    return std::vector<float>();
  };
  TrainOptions options = quick("deep_svdd");
  options.objective = "soft-boundary";
  const TrainRun old = run(options);
  options.init = saved(old);
  options.warm_up_epochs = 1000;
  const TrainRun on = run(options);
  EXPECT_EQ(center_of(on), center_of(old));
  EXPECT_NE(on.test.scores, old.test.scores);
}

TEST_F(WarmStartTest, ImagesToo) {
  TrainOptions options = quick("deep_sad");
  options.dataset = "glyphs";
  options.n_epochs = options.ae_n_epochs = 1;
  const TrainRun old = run(options);
  options = no_epochs(options);
  options.init = saved(old);
  const TrainRun same = run(options);
  EXPECT_EQ(same.test.scores, old.test.scores);
  EXPECT_EQ(same.warm_start->anomalies->n_rows, old.training_set.counts.known_anomaly);
}

TEST_F(WarmStartTest, TheOldModelStaysAsItIs) {
  const std::string path = saved(run(quick("deep_sad")));
  const auto before = testing::read_file(path);
  TrainOptions options = quick("deep_sad");
  options.init = path;
  (void)run(options);
  EXPECT_EQ(testing::read_file(path), before);
}

TEST_F(WarmStartTest, FewEpochsUnlessOthersAreGiven) {
  const OptionAssignment init{find_train_option("init"), std::string("m"), "--init"};
  const OptionAssignment epochs{find_train_option("n_epochs"), std::int64_t{30}, "--n-epochs"};
  const TrainOptions few = merge_options({{init}});
  EXPECT_THAT((std::vector{few.n_epochs, few.ae_n_epochs, few.vae_n_epochs}), ElementsAre(10, 10, 10));
  EXPECT_EQ(merge_options({{init, epochs}}).n_epochs, 30U);
}

TEST_F(WarmStartTest, RefusesATableOfWhichTheModelSawRowsThatWouldBeTested) {
  TrainOptions options = quick("deep_sad");
  options.dataset = "cardio";
  options.data_dir = std::string(DEEPSAD_SHARED_DIR) + "/data";
  options.init = saved(run(options));
  (void)run(options);
  options.seed = 4;
  EXPECT_THAT([&] { (void)run(options); },
              ThrowsMessage<InvalidArgument>(HasSubstr("another split of cardio (seed 3)")));
}

TEST_F(WarmStartTest, RefusesWhatDoesNotFit) {
  const TrainRun old = run(quick("deep_sad"));
  const std::string path = saved(old);
  const auto refused = [&](auto&& change, const char* text) {
    TrainOptions options = quick("deep_sad");
    options.init = path;
    change(options);
    EXPECT_THAT([&] { (void)run(options); },
                ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("option init: "), HasSubstr(text))));
  };
  refused([](TrainOptions& o) { o.method = "deep_svdd"; }, "is a model of method deep_sad");
  refused([](TrainOptions& o) { o.method = "kde"; }, "has no weights to go on from");
  refused([](TrainOptions& o) { o.compat = "reference"; }, "always begin anew");
  refused([](TrainOptions& o) { o.rep_dim = 3; }, "has the network");
  refused([](TrainOptions& o) { o.scaling = "standardise"; }, "scaling is standardise; leave it out");
  refused([](TrainOptions& o) { o.dataset = "glyphs"; }, "takes samples of 2, but glyphs has 1x28x28");
  TrainOptions options = quick("deep_sad");
  options.init = dir_.at("missing");
  EXPECT_THROW((void)run(options), IoError);
}

// Models of other data, too, may have seen rows that would be tested: here all of the very set, in a file.
TEST_F(WarmStartTest, RefusesAModelOfOtherDataThatSawTestRows) {
  TrainOptions options = quick("deep_sad");
  options.dataset = "cardio";
  options.data_dir = std::string(DEEPSAD_SHARED_DIR) + "/data";
  options.scaling = "standardise";
  const TrainRun named = run(options);
  std::string text;
  for (std::size_t i = 0; i < named.test_data->size(); ++i) {
    const auto& values = std::get<std::vector<double>>(named.test_data->values);
    for (std::size_t j = 0; j < 21; ++j) text += fmt::format("{}{}", j == 0 ? "" : ",", values[i * 21 + j]);
    text += "\n";
  }
  testing::write_file(dir_.at("all.csv"), testing::bytes_of(text));
  TrainOptions own = quick("deep_sad");
  own.n_known_outlier_classes = 0;
  own.ratio_known_outlier = own.ratio_known_normal = 0;
  own.dataset = dir_.at("all.csv");
  own.header = "false";
  own.network = "cardio_mlp";
  own.calibration_share = 0;
  options.scaling = "auto";
  options.init = saved(run(own));
  EXPECT_THAT([&] { (void)run(options); }, ThrowsMessage<InvalidArgument>(AllOf(
                                               HasSubstr("was trained on other data than cardio, but with"),
                                               HasSubstr("test rows compared"))));
  own.training_profile = false;
  options.init = saved(run(own));
  EXPECT_THAT([&] { (void)run(options); },
              ThrowsMessage<InvalidArgument>(HasSubstr("keeps no profile of its training rows")));
}

/// Files of one's own: rows of two numbers and a category, anomalies far out; what is known of them and what
/// is true.
class OwnFileStart : public WarmStartTest {
 protected:
  struct Row {
    double a, b;
    std::string kind, label, truth;
  };
  static std::vector<Row> rows(std::size_t n, std::uint64_t seed) {
    RandomStream random(seed, "test/own");
    std::vector<Row> result;
    for (std::size_t i = 0; i < n; ++i) {
      const bool anomaly = i % 10 == 0;
      result.push_back({.a = random.normal() + (anomaly ? 4 : 0),
                        .b = random.normal(),
                        .kind = random.below(2) == 0 ? "red" : "blue",
                        .label = i % 30 == 0   ? "anomaly"
                                 : i % 30 == 1 ? "normal"
                                               : "",
                        .truth = anomaly ? "anomaly" : "normal"});
    }
    return result;
  }
  std::string file(const std::string& name, const std::vector<Row>& rows) {
    std::string text = "a,b,kind,label,truth\n";
    for (const Row& row : rows)
      text += fmt::format("{},{},{},{},{}\n", row.a, row.b, row.kind, row.label, row.truth);
    testing::write_file(dir_.at(name), testing::bytes_of(text));
    return dir_.at(name);
  }
  static TrainOptions own(const std::string& path) {
    TrainOptions options = starting_options("none", "none", "deep_sad");
    options.dataset = path;
    options.label_column = "label";
    options.truth_column = "truth";
    options.seed = 5;
    options.n_epochs = options.ae_n_epochs = 3;
    options.batch_size = options.ae_batch_size = 32;
    options.num_threads = 1;
    return options;
  }
  /// Of the rows that are held out, those with the values of a row that the first run trained on.
  static std::size_t n_seen(const TrainRun& old, const std::vector<Row>& old_rows, const TrainRun& on,
                            const std::vector<Row>& new_rows) {
    std::set<std::tuple<double, double, std::string>> trained;
    for (const std::uint32_t row : old.own->rows->parts.training)
      trained.emplace(old_rows[row].a, old_rows[row].b, old_rows[row].kind);
    std::size_t n = 0;
    for (const auto* part : {&on.own->rows->parts.calibration, &on.own->rows->parts.test})
      for (const std::uint32_t row : *part)
        n += trained.count({new_rows[row].a, new_rows[row].b, new_rows[row].kind});
    return n;
  }
};

TEST_F(OwnFileStart, RowsThatTheOldModelSawAreNotHeldOut) {
  const std::vector<Row> old_rows = rows(300, 1);
  const TrainRun old = run(own(file("old.csv", old_rows)));
  std::vector<Row> all = rows(200, 2);  // new ones first
  all.insert(all.end(), old_rows.begin(), old_rows.end());
  TrainOptions options = no_epochs(own(file("all.csv", all)));
  EXPECT_GT(n_seen(old, old_rows, run(options), all), 0U) << "nothing would be shown";
  options.init = saved(old);
  const TrainRun on = run(options);
  EXPECT_EQ(n_seen(old, old_rows, on, all), 0U);
  const HoldOut& parts = on.own->rows->parts;
  EXPECT_GT(parts.test.size(), 20U);
  EXPECT_GT(parts.calibration.size(), 20U);
  EXPECT_EQ(parts.test.size() + parts.calibration.size() + parts.training.size(), all.size());
  EXPECT_TRUE(std::ranges::is_sorted(parts.training));
  EXPECT_THAT(on.own->rows->messages, Contains(AllOf(HasSubstr("held-out rows are training rows of"),
                                                     HasSubstr("left to calibrate on"))));
  EXPECT_EQ(on.model->schema()->schema, old.model->schema()->schema);
  // No epochs: the old model again, on rows that neither saw.
  ASSERT_TRUE(on.warm_start && on.warm_start->anomalies && on.warm_start->normals);
  EXPECT_EQ(on.warm_start->before.roc_auc, on.metrics.roc_auc);
  EXPECT_EQ(on.warm_start->anomalies->rank_before, on.warm_start->anomalies->rank_after);
  EXPECT_GT(on.warm_start->anomalies->n_rows, 3U);
}

// The old model keeps hashes of 4096 of its 4900 different training rows.
TEST_F(OwnFileStart, OfALargeTrainingSetRowsThatCannotBeToldAreNotHeldOut) {
  const std::vector<Row> old_rows = rows(7000, 1);
  const TrainRun old = run(no_epochs(own(file("old.csv", old_rows))));
  ASSERT_FALSE(old.model->training_rows().profile->hashes.all);
  std::vector<Row> all = rows(3000, 2);
  all.insert(all.end(), old_rows.begin(), old_rows.end());
  TrainOptions options = no_epochs(own(file("all.csv", all)));
  options.init = saved(old);
  const TrainRun on = run(options);
  EXPECT_EQ(n_seen(old, old_rows, on, all), 0U);
  EXPECT_GT(on.own->rows->parts.test.size(), 100U);
  EXPECT_THAT(on.own->rows->messages, Contains(HasSubstr("are, or may be, training rows of")));
  // New rows alone: none is found, and all stay held out.
  const std::vector<Row> fresh = rows(2000, 3);
  options.dataset = file("new.csv", fresh);
  const TrainRun later = run(options);
  EXPECT_EQ(later.own->rows->parts.training.size(),
            2000 - later.own->rows->parts.test.size() - later.own->rows->parts.calibration.size());
  EXPECT_GT(later.own->rows->parts.test.size() + later.own->rows->parts.calibration.size(), 500U);
  EXPECT_THAT(later.own->rows->messages, Contains(HasSubstr("that could be compared is a training row")));
}

TEST_F(OwnFileStart, ColumnsMeanWhatTheyMeantToTheOldModel) {
  const TrainRun old = run(own(file("old.csv", rows(300, 1))));
  std::vector<Row> others = rows(100, 2);
  others[3].kind = "green";
  others[4].a = 1000;
  TrainOptions options = own(file("new.csv", others));
  options.init = saved(old);
  const TrainRun on = run(options);
  EXPECT_EQ(on.model->schema()->schema, old.model->schema()->schema);
  EXPECT_EQ(on.model->scaler().mean(), old.model->scaler().mean());
  EXPECT_THAT(on.own->rows->messages,
              Contains(HasSubstr("1 of 100 rows hold a category that the schema does")));

  testing::write_file(dir_.at("bare.csv"), testing::bytes_of("a,b,kind\n1,2,red\n2,3,blue\n3,1,red\n"));
  TrainOptions bare = options;
  bare.dataset = dir_.at("bare.csv");
  bare.label_column = bare.truth_column = "";
  bare.calibration_share = 0;
  EXPECT_THAT(run(bare).own->rows->messages,
              AllOf(Contains(HasSubstr("there is no column \"label\"")),
                    Contains(HasSubstr("there is no column \"truth\", which held the true labels"))));

  testing::write_file(dir_.at("less.csv"), testing::bytes_of("a,kind,label,truth\n1,red,,normal\n"));
  options.dataset = dir_.at("less.csv");
  EXPECT_THAT([&] { (void)run(options); }, ThrowsMessage<DataError>(HasSubstr("b")));
  options.schema = "some.toml";
  EXPECT_THAT([&] { validate(options); }, ThrowsMessage<InvalidArgument>(HasSubstr(
                                              "option schema: got \"some.toml\", but the columns are "
                                              "read by the schema of the model to go on from")));
}

TEST_F(OwnFileStart, AModelThatForgotItsTrainingRowsIsRefused) {
  TrainOptions options = own(file("old.csv", rows(300, 1)));
  options.training_profile = false;
  const TrainRun old = run(options);
  options = own(file("new.csv", rows(100, 2)));
  options.init = saved(old);
  EXPECT_THAT([&] { (void)run(options); },
              ThrowsMessage<InvalidArgument>(HasSubstr("keeps no profile of its training rows")));
  options.test_share = options.calibration_share = 0;  // nothing is held out, so nothing need be told
  (void)run(options);
}

TEST_F(OwnFileStart, AModelTellsTheRowsOfAllModelsBeforeIt) {
  const TrainRun first = run(own(file("first.csv", rows(300, 1))));
  TrainOptions options = own(file("second.csv", rows(200, 2)));
  options.init = saved(first);
  const TrainRun second = run(options);
  options = own(file("third.csv", rows(100, 3)));
  options.init = saved(second);
  const TrainRun third = run(options);
  const auto model = std::make_shared<const Model>(Model::load(saved(third)));
  ThreadPool pool(1);
  for (const TrainRun* before : {&first, &second, &third}) {
    const std::vector<std::uint32_t>& training = before->own->rows->parts.training;
    const auto seen = rows_seen_in_training(*model, raw_rows(*before->test_data), training, pool);
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->found, training);
    const std::vector<std::uint32_t>& tested = before->own->rows->parts.test;
    EXPECT_THAT(rows_seen_in_training(*model, raw_rows(*before->test_data), tested, pool)->found, IsEmpty());
  }
}

TEST_F(OwnFileStart, AModelThatGoesOnFromOneThatForgotItsRowsCannotTell) {
  TrainOptions options = own(file("first.csv", rows(300, 1)));
  options.training_profile = false;
  const std::string first = saved(run(options));
  options = own(file("second.csv", rows(200, 2)));
  options.test_share = options.calibration_share = 0;
  options.init = first;
  const TrainRun second = run(options);
  const Model again = Model::load(saved(second));
  ThreadPool pool(1);
  const std::vector<std::uint32_t> some{0, 1};
  EXPECT_FALSE(rows_seen_in_training(again, raw_rows(*second.test_data), some, pool));
  options = own(file("third.csv", rows(100, 3)));
  options.init = saved(second);
  EXPECT_THAT([&] { (void)run(options); },
              ThrowsMessage<InvalidArgument>(HasSubstr("it, or a model that it goes on from")));
}

TEST_F(OwnFileStart, LabelsThatTheNewDataUndoesAreForgottenUnlessItChangesThem) {
  std::vector<Row> old_rows = rows(300, 1);
  TrainOptions options = own(file("old.csv", old_rows));
  options.n_epochs = options.ae_n_epochs = 30;
  const TrainRun old = run(options);
  const auto go_on = [&](const std::string& name) {
    for (Row& row : old_rows)
      if (row.label == "anomaly") row.label = name;
    TrainOptions later = own(file(name + "-again.csv", old_rows));
    later.n_epochs = 60;
    later.lr = 0.01;
    later.init = saved(old);
    return run(later);
  };
  const TrainRun forgetful = go_on("");
  EXPECT_THAT(forgetful.findings, Contains(Field(&Finding::name, "labels_forgotten")));
  for (Row& row : old_rows)
    if (row.truth == "anomaly" && row.label.empty()) row.label = "normal";
  const TrainRun mended = go_on("normal");
  EXPECT_FALSE(mended.warm_start->anomalies) << "no example is labelled anomalous any more";
}

TEST(KeptLabels, RanksAmongTheUnlabelledRows) {
  const std::vector<float> others{1, 2, 3, 4};
  const KeptLabels anomalies =
      kept_labels(std::vector<float>{5, 4}, others, std::vector<float>{0, 4}, others, true);
  EXPECT_EQ(anomalies.n_rows, 2U);
  EXPECT_DOUBLE_EQ(anomalies.rank_before, (1 + 0.875) / 2);
  EXPECT_DOUBLE_EQ(anomalies.rank_after, (0 + 0.875) / 2);
  EXPECT_EQ(anomalies.n_worse, 1U);
  const KeptLabels normals =
      kept_labels(std::vector<float>{5, 4}, others, std::vector<float>{0, 4}, others, false);
  EXPECT_EQ(normals.n_worse, 0U);

  std::vector<Finding> findings;
  check_labels_kept({.before = {}, .anomalies = anomalies, .normals = normals}, findings);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings.front().name, "labels_forgotten");
  EXPECT_THAT(findings.front().text, AllOf(HasSubstr("the 2 rows"), HasSubstr("anomalous rank lower"),
                                           HasSubstr("0.438, was 0.938 (1 of them much worse)")));
  findings.clear();
  const KeptLabels risen{.n_rows = 3, .rank_before = 0.3, .rank_after = 0.6, .n_worse = 2};
  check_labels_kept({.before = {}, .anomalies = risen, .normals = risen}, findings);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_THAT(findings.front().text, HasSubstr("normal rank higher"));
  findings.clear();
  check_labels_kept({.before = {}, .anomalies = risen, .normals = {}}, findings);
  EXPECT_THAT(findings, IsEmpty());
}

}  // namespace
}  // namespace deepsad
