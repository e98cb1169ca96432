#include "deepsad/experiment/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <limits>

#include "deepsad/core/error.h"
#include "support/errors.h"
#include "support/files.h"

namespace deepsad {
namespace {

using deepsad::testing::message_of;
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

std::vector<RunSetup> three_setups() {
  std::vector<RunSetup> setups;
  for (const char* id : {"00000000000000aa", "00000000000000ab", "00000000000000ac"})
    setups.push_back(finished_run(id, static_cast<int>(setups.size())).setup);
  return setups;
}

TEST(Store, EnrolsEachRunOnceAndMovesCellsToNewRuns) {
  const TempDir folder;
  Store store = Store::open(folder.at("a.store"));
  std::vector<RunSetup> setups = three_setups();
  EXPECT_EQ(store.enrol(setups), 3U);
  EXPECT_EQ(store.enrol(setups), 0U);
  EXPECT_TRUE(store.records().empty());
  RunRecord old = finished_run(setups[0].id, 0);
  EXPECT_TRUE(store.finish(old));
  EXPECT_FALSE(store.finish(old));
  setups[0].id = "00000000000000ad";  // the cell of the first run is now another training
  setups[0].options = "{\"eta\": 0.2}";
  EXPECT_EQ(store.enrol(setups), 1U);
  EXPECT_TRUE(store.records().empty());
  EXPECT_EQ(store.states().at(old.setup.id), RunState::done);  // and the old one is not lost
}

TEST(Store, RefusesRunsThatWereMadeWithOtherDefaults) {
  const TempDir folder;
  Store store = Store::open(folder.at("a.store"));
  std::vector<RunSetup> setups = three_setups();
  store.enrol(setups);
  setups[0].options = "{\"eta\": 0.1, \"new_option\": 1, \"data_dir\": \"d\"}";
  store.enrol(setups);
  setups[0].options = "{\"eta\": 0.2}";
  EXPECT_THAT(message_of<DataError>([&] { store.enrol(setups); }),
              HasSubstr("made with eta = 0.1, which is 0.2 now"));
}

TEST(Store, HandsOutEveryRunOnceByGroup) {
  const TempDir folder;
  Store store = Store::open(folder.at("a.store"));
  store.enrol(three_setups());
  const std::vector<ClaimCandidate> candidates{
      {"00000000000000aa", "x"}, {"00000000000000ab", "x"}, {"00000000000000ac", "y"}};
  EXPECT_EQ(store.claim(candidates, "").position, 0U);
  EXPECT_EQ(store.claim(candidates, "").position, 2U);  // of a group that nobody works on
  EXPECT_EQ(store.claim(candidates, "x").position, 1U);
  const Store::Claimed none = store.claim(candidates, "");
  EXPECT_FALSE(none.position);
  EXPECT_TRUE(none.others_at_work);
  EXPECT_TRUE(store.finish(finished_run("00000000000000ab", 1)));
  store.release_claims();
  EXPECT_EQ(store.claim(candidates, "x").position, 0U);
  EXPECT_EQ(store.claim(candidates, "y").position, 2U);
}

// A process that is gone cannot give its claims back; they are free as soon as it is.
TEST(Store, ClaimsOfAnEndedProcessAreFreeAtOnce) {
  const TempDir folder;
  const std::vector<ClaimCandidate> candidates{{"00000000000000aa", "x"}};
  const std::string path = folder.at("a.store");
  {
    Store store = Store::open(path);
    store.enrol(three_setups());
  }
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const char claimed = Store::open(path).claim(candidates, "").position ? 'y' : 'n';
    if (write(ready[1], &claimed, 1) == 1) pause();
    _exit(1);
  }
  char claimed = '?';
  ASSERT_EQ(read(ready[0], &claimed, 1), 1);
  EXPECT_EQ(claimed, 'y');
  Store store = Store::open(path);
  EXPECT_FALSE(store.claim(candidates, "x").position);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(store.claim(candidates, "x").position, 0U);
}

}  // namespace
}  // namespace deepsad
