#include "deepsad/storage/run_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "deepsad/core/error.h"
#include "support/files.h"

namespace deepsad {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::message_of;
using ::testing::StartsWith;
using testing::TempDir;

std::string text_of(const std::string& path) {
  const auto bytes = testing::read_file(path);
  return {bytes.begin(), bytes.end()};
}

std::set<std::string> names_in(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
  return names;
}

TEST(RunFolder, MakesAtMostTwoLevels) {
  const TempDir dir;
  EXPECT_EQ(RunFolder::create(dir.path() + "/runs/first").path(), dir.path() + "/runs/first");
  EXPECT_EQ(RunFolder::create(dir.path() + "/runs/second/").path(), dir.path() + "/runs/second");
  EXPECT_THAT(message_of<IoError>([&] { (void)RunFolder::create(dir.path() + "/a/b/c"); }),
              HasSubstr(dir.path() + "/a does not exist; create it first"));
  EXPECT_EQ(names_in(dir.path()), (std::set<std::string>{"runs"}));
  EXPECT_EQ(names_in(dir.path() + "/runs/first"), (std::set<std::string>{"log.txt"}));
}

TEST(RunFolder, AcceptsAnEmptyFolder) {
  const TempDir dir;
  const RunFolder run = RunFolder::create(dir.path());
  EXPECT_EQ(run.path(), dir.path());
  EXPECT_EQ(names_in(dir.path()), (std::set<std::string>{"log.txt"}));
}

TEST(RunFolder, RefusesARunAndNamesTheFlag) {
  const TempDir dir;
  const std::string path = dir.path() + "/run";
  (void)RunFolder::create(path);
  EXPECT_THAT(message_of<IoError>([&] { (void)RunFolder::create(path); }),
              AllOf(StartsWith(path + ": holds a run already (log.txt)"), HasSubstr("--new-run"),
                    HasSubstr(path + "-2")));
}

TEST(RunFolder, RefusesAnyOtherFileHiddenOnesToo) {
  const TempDir dir;
  for (const std::string name : {"notes.md", ".hidden"}) {
    const std::string path = dir.path() + "/with-" + name;
    fs::create_directory(path);
    std::ofstream(path + "/" + name) << "mine";
    EXPECT_THAT(message_of<IoError>([&] { (void)RunFolder::create(path); }),
                AllOf(StartsWith(path + ": is not empty (it holds " + name + ")"), HasSubstr("--new-run")));
    EXPECT_EQ(names_in(path), (std::set<std::string>{name}));
  }
  std::ofstream(dir.path() + "/file") << "mine";
  EXPECT_THAT(message_of<IoError>([&] { (void)RunFolder::create(dir.path() + "/file"); }),
              HasSubstr("is a file, not a folder"));
  EXPECT_THAT(message_of<IoError>([&] { (void)RunFolder::create(""); }), HasSubstr("needs a name"));
}

TEST(RunFolder, AFailedClaimLeavesNoFolders) {
  const TempDir dir;
  const std::string too_long(300, 'x');
  EXPECT_THAT(message_of<IoError>([&] { (void)RunFolder::create(dir.path() + "/runs/" + too_long); }),
              HasSubstr("choose a shorter name"));
  EXPECT_TRUE(names_in(dir.path()).empty());
}

TEST(RunFolder, BesideCountsUpFromTwo) {
  const TempDir dir;
  const std::string base = dir.path() + "/run";
  EXPECT_EQ(RunFolder::create_beside(base).path(), base);
  EXPECT_EQ(RunFolder::create_beside(base).path(), base + "-2");
  EXPECT_EQ(RunFolder::create_beside(base + "/").path(), base + "-3");
  // An empty base is taken; an empty numbered one may be about to be claimed by its maker and is left alone.
  fs::create_directory(dir.path() + "/empty");
  EXPECT_EQ(RunFolder::create_beside(dir.path() + "/empty").path(), dir.path() + "/empty");
  fs::create_directory(base + "-4");
  EXPECT_EQ(RunFolder::create_beside(base).path(), base + "-5");
  EXPECT_THAT(message_of<IoError>([&] { (void)RunFolder::create_beside(dir.path() + "/a/b/c"); }),
              HasSubstr("does not exist"));
}

TEST(RunFolder, BesideTheCurrentFolderIsOutsideIt) {
  const TempDir dir;
  const std::string current = dir.at("current/x");
  const fs::path before = fs::current_path();
  fs::current_path(dir.path() + "/current");
  std::ofstream("busy") << "x";
  const std::string made = RunFolder::create_beside(".").path();
  fs::current_path(before);
  EXPECT_EQ(fs::weakly_canonical(made), fs::weakly_canonical(dir.path() + "/current-2"));
}

TEST(RunFolder, ManyThreadsNeverShareAFolder) {
  const TempDir dir;
  const std::string base = dir.path() + "/run";
  fs::create_directory(base);  // empty and accepted: the case in which mkdir alone would not decide
  constexpr int kRuns = 32;
  std::vector<std::string> paths(kRuns);
  std::vector<std::thread> threads;
  for (int t = 0; t < kRuns; ++t) {
    threads.emplace_back(
        [&, t] { paths[static_cast<std::size_t>(t)] = RunFolder::create_beside(base).path(); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::string>(paths.begin(), paths.end()).size(), static_cast<std::size_t>(kRuns));
  EXPECT_EQ(names_in(dir.path()).size(), static_cast<std::size_t>(kRuns));
}

TEST(RunFolder, OfManyProcessesOneGetsTheEmptyFolder) {
  const TempDir dir;
  constexpr int kProcesses = 8;
  for (int round = 0; round < 10; ++round) {
    const std::string path = dir.path() + "/run" + std::to_string(round);
    fs::create_directory(path);
    std::vector<::pid_t> children;
    for (int i = 0; i < kProcesses; ++i) {
      const ::pid_t child = ::fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        int result = 1;
        try {
          (void)RunFolder::create(path);
          result = 0;
        } catch (const IoError&) {
        }
        ::_exit(result);
      }
      children.push_back(child);
    }
    int n_claimed = 0;
    for (const ::pid_t child : children) {
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      ASSERT_TRUE(WIFEXITED(status));
      n_claimed += WEXITSTATUS(status) == 0;
    }
    EXPECT_EQ(n_claimed, 1);
  }
}

TEST(RunFolder, WritesFilesOnceAndOnlyIntoItself) {
  const TempDir dir;
  const RunFolder run = RunFolder::create(dir.path() + "/run");
  run.write("results.json", "{}");
  run.write("bytes", std::vector<std::uint8_t>{1, 2});
  EXPECT_EQ(run.file("results.json"), dir.path() + "/run/results.json");
  EXPECT_EQ(text_of(run.file("results.json")), "{}");
  EXPECT_THAT(message_of<IoError>([&] { run.write("results.json", "again"); }),
              HasSubstr("never overwritten"));
  EXPECT_EQ(text_of(run.file("results.json")), "{}");
  for (const std::string name : {"", ".", "..", "../out", "a/b", "/etc/x"}) {
    EXPECT_THAT(message_of<InvalidArgument>([&] { run.write(name, "x"); }),
                HasSubstr("not a plain file name"));
  }
  EXPECT_EQ(names_in(run.path()), (std::set<std::string>{"log.txt", "results.json", "bytes"}));
}

TEST(RunFolder, TheLogKeepsWholeLinesOfAllThreads) {
  const TempDir dir;
  RunFolder first = RunFolder::create(dir.path() + "/run");
  first.log("line 0");
  EXPECT_EQ(text_of(first.file("log.txt")), "line 0\n");  // at once, not when the run ends
  const RunFolder run = std::move(first);
  constexpr int kThreads = 4;
  constexpr int kLines = 50;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&run, t] {
      for (int i = 0; i < kLines; ++i) run.log(std::string(100, static_cast<char>('a' + t)));
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::ifstream in(run.file("log.txt"));
  std::string line;
  int n = 0;
  while (std::getline(in, line)) {
    if (n++ == 0) continue;
    EXPECT_EQ(line, std::string(100, line[0]));
  }
  EXPECT_EQ(n, 1 + kThreads * kLines);
}

TEST(RunFolder, AbandonTakesBackWhatWasMadeAndNoMore) {
  const TempDir dir;
  RunFolder unused = RunFolder::create(dir.path() + "/runs/unused");
  unused.log("no such data set");
  unused.abandon();
  EXPECT_TRUE(names_in(dir.path()).empty());

  fs::create_directory(dir.path() + "/mine");
  RunFolder accepted = RunFolder::create(dir.path() + "/mine");
  accepted.abandon();
  EXPECT_EQ(names_in(dir.path()), (std::set<std::string>{"mine"}));
  EXPECT_TRUE(names_in(dir.path() + "/mine").empty());

  RunFolder used = RunFolder::create(dir.path() + "/runs/used");
  used.write("config.json", "{}");
  used.abandon();
  EXPECT_EQ(names_in(dir.path() + "/runs/used"), (std::set<std::string>{"log.txt", "config.json"}));
}

// A run as a kill leaves it: begun, not finished, with the rest of an atomic write.
class ResumedFolder : public ::testing::Test {
 protected:
  ResumedFolder() {
    const RunFolder begun = RunFolder::create(path_);
    begun.write("config.json", "{}");
    begun.write("scores.csv", "old");
    begun.log("first");
    std::ofstream(path_ + "/.deepsad-0123.partial") << "half";
  }
  TempDir dir_;
  std::string path_ = dir_.path() + "/run";
};

TEST_F(ResumedFolder, GoesOnWithItsLogAndReplacesWhatWasWritten) {
  const RunFolder run = RunFolder::resume(path_);
  run.log("second");
  run.write("scores.csv", "new");
  EXPECT_EQ(text_of(path_ + "/log.txt"), "first\nsecond\n");
  EXPECT_EQ(text_of(path_ + "/scores.csv"), "new");
  EXPECT_EQ(names_in(path_), (std::set<std::string>{"config.json", "log.txt", "scores.csv"}));
}

TEST_F(ResumedFolder, BelongsToOneProcessAtATime) {
  {
    const RunFolder first = RunFolder::resume(path_);
    EXPECT_EQ(message_of<IoError>([&] { (void)RunFolder::resume(path_); }),
              path_ + ": another process is still working on this run; wait for it, or stop it");
  }
  EXPECT_NO_THROW((void)RunFolder::resume(path_));
  const RunFolder other = RunFolder::create(dir_.path() + "/other");
  other.write("config.json", "{}");
  EXPECT_THROW((void)RunFolder::resume(dir_.path() + "/other"), IoError);  // still at work
}

TEST_F(ResumedFolder, IsRefusedIfThereIsNothingToGoOnWith) {
  EXPECT_EQ(message_of<IoError>([&] { (void)RunFolder::resume(dir_.path() + "/none"); }),
            dir_.path() + "/none: holds no run that could be resumed: config.json or log.txt is missing");
  RunFolder::resume(path_).write("results.json", "{}");
  EXPECT_EQ(message_of<IoError>([&] { (void)RunFolder::resume(path_); }),
            path_ + ": the run is finished (it has its results.json)");
}

TEST(ModelFile, IsThatOfARunFolderOrThePathItself) {
  const TempDir dir;
  EXPECT_THAT(message_of<IoError>([&] { (void)model_file(dir.path()); }),
              StartsWith(dir.path() + ": is a folder without a model.safetensors"));
  testing::write_file(dir.at("model.safetensors"), testing::bytes_of("m"));
  EXPECT_EQ(model_file(dir.path()), dir.at("model.safetensors"));
  EXPECT_EQ(model_file(dir.path() + "/"), dir.at("model.safetensors"));
  EXPECT_EQ(model_file(dir.at("model.safetensors")), dir.at("model.safetensors"));
  EXPECT_EQ(model_file(dir.at("none")), dir.at("none"));
}

}  // namespace
}  // namespace deepsad
