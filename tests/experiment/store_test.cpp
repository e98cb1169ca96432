#include "deepsad/experiment/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "deepsad/core/error.h"
#include "support/files.h"

namespace deepsad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TempDir;

RunRecord finished_run(const std::string& id, int known_class) {
  RunRecord record;
  record.setup = {.id = id,
                  .experiment = "scenario1",
                  .dataset = "mnist",
                  .column = "SSAD \"hybrid\"",
                  .variant = "rbf",
                  .method = "ssad",
                  .preset = "paper",
                  .compat = "none",
                  .normal_classes = {0, 3},
                  .known_class = known_class,
                  .n_known_classes = 1,
                  .gamma_l = 0.05,
                  .gamma_p = 0.1,
                  .varied = {{"eta", "0.1"}},
                  .seed = (std::uint64_t{1} << 53) - 1,
                  .options = "{\"eta\": 0.1}"};
  record.metrics = {{"test_auc", 0.1 + 0.2}, {"test_ap", 1e-300}};
  record.findings = {"test_leak"};
  record.started = "2026-01-31T12:00:00Z";
  record.seconds = 12.5;
  record.version = "0.1.0";
  record.folder = "runs/a";
  return record;
}

template <class Expected, class Call>
std::string message_of(Call&& call) {
  try {
    call();
  } catch (const Expected& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(Store, GivesRecordsBackAsTheyWereAdded) {
  const TempDir folder;
  const RunRecord first = finished_run("00000000000000aa", 1);
  RunRecord second = finished_run("00000000000000ab", 2);
  second.state = RunState::failed;
  second.error = "it's broken";
  second.metrics.clear();
  second.setup.known_class.reset();
  {
    Store store = Store::open(folder.at("a.store"));
    store.add(second);
    store.add(first);
  }
  EXPECT_THAT(Store::open(folder.at("a.store")).records(), ElementsAre(second, first));
}

TEST(Store, AFailedRunIsReplacedAndADoneRunIsNot) {
  const TempDir folder;
  Store store = Store::open(folder.at("a.store"));
  RunRecord record = finished_run("00000000000000aa", 1);
  record.state = RunState::failed;
  record.error = "no memory";
  store.add(record);
  record.state = RunState::done;
  record.error.clear();
  store.add(record);
  EXPECT_THAT(store.records(), ElementsAre(record));
  RunRecord other = record;
  other.metrics["test_auc"] = 0.5;
  EXPECT_THAT(message_of<InvalidArgument>([&] { store.add(other); }), HasSubstr("00000000000000aa is done"));
  EXPECT_THAT(store.records(), ElementsAre(record));
}

TEST(Store, RefusesMetricsThatAreNotNumbers) {
  const TempDir folder;
  Store store = Store::open(folder.at("a.store"));
  RunRecord record = finished_run("00000000000000aa", 1);
  record.metrics["test_auc"] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(message_of<InvalidArgument>([&] { store.add(record); }), HasSubstr("test_auc is nan"));
  EXPECT_TRUE(store.records().empty());
}

TEST(Store, RefusesWhatIsNoStore) {
  const TempDir folder;
  testing::write_file(folder.at("text"), testing::Bytes(5000, 'x'));
  EXPECT_THAT(message_of<IoError>([&] { (void)Store::open(folder.at("text")); }), HasSubstr("text"));
  EXPECT_THAT(message_of<IoError>([&] { (void)Store::open(folder.path() + "/none/a.store"); }),
              HasSubstr("cannot open the store"));
}

}  // namespace
}  // namespace deepsad
