#include "model/warm_start.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "deepsad/core/error.h"
#include "deepsad/model/train_run.h"
#include "support/files.h"

namespace deepsad {
namespace {

using ::testing::AllOf;
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
  TrainOptions own = starting_options("none", "none");
  own.dataset = dir_.at("rows.csv");
  own.init = path;
  EXPECT_THAT([&] { validate(own); },
              ThrowsMessage<InvalidArgument>(HasSubstr("whether the old model saw the held-out rows")));
  TrainOptions options = quick("deep_sad");
  options.init = dir_.at("missing");
  EXPECT_THROW((void)run(options), IoError);
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
