#include "deepsad/storage/atomic_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "deepsad/core/error.h"
#include "storage/posix_file.h"
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

// Names in a folder, hidden ones too: where a forgotten temporary file would show.
std::set<std::string> names_in(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
  return names;
}

TEST(AtomicFile, WritesExactlyTheseBytesAndNothingElse) {
  const TempDir dir;
  const std::vector<std::uint8_t> bytes = {0, 1, 255, '\n', '\r', 0};
  write_file(dir.path() + "/bytes", bytes);
  write_file(dir.path() + "/text", "two\nlines");
  write_file(dir.path() + "/empty", std::string_view());
  EXPECT_EQ(testing::read_file(dir.path() + "/bytes"), bytes);
  EXPECT_EQ(text_of(dir.path() + "/text"), "two\nlines");
  EXPECT_EQ(text_of(dir.path() + "/empty"), "");
  EXPECT_EQ(names_in(dir.path()), (std::set<std::string>{"bytes", "text", "empty"}));
  EXPECT_EQ(read_file(dir.path() + "/bytes"), bytes);
}

TEST(AtomicFile, PermissionsFollowTheUmask) {
  const TempDir dir;
  const ::mode_t before = ::umask(027);
  write_file(dir.path() + "/f", "x");
  ::umask(before);
  struct stat status {};
  ASSERT_EQ(::stat((dir.path() + "/f").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0640U);
}

TEST(AtomicFile, ARelativeNameGoesToTheCurrentFolder) {
  const TempDir dir;
  const fs::path before = fs::current_path();
  fs::current_path(dir.path());
  write_file("plain", "x");
  fs::current_path(before);
  EXPECT_EQ(names_in(dir.path()), (std::set<std::string>{"plain"}));
}

TEST(AtomicFile, ALongNameLeavesRoomForTheTemporaryOne) {
  const TempDir dir;
  const std::string longest(255, 'n');
  write_file(dir.path() + "/" + longest, "x");
  EXPECT_EQ(names_in(dir.path()), (std::set<std::string>{longest}));
  EXPECT_THAT(message_of<IoError>([&] { write_file(dir.path() + "/" + longest + "n", "x"); }),
              HasSubstr("choose a shorter name"));
}

TEST(AtomicFile, NeverReplacesAnything) {
  const TempDir dir;
  const std::string file = dir.path() + "/file";
  const std::string folder = dir.path() + "/folder";
  const std::string link = dir.path() + "/link";
  write_file(file, "first");
  fs::create_directory(folder);
  fs::create_symlink("nowhere", link);  // dangling, yet the name is taken
  for (const std::string& path : {file, folder, link}) {
    EXPECT_THAT(message_of<IoError>([&] { write_file(path, "second"); }),
                AllOf(StartsWith(path + ": "), HasSubstr("never overwritten"), HasSubstr("another name")));
  }
  EXPECT_EQ(text_of(file), "first");
  EXPECT_EQ(names_in(dir.path()), (std::set<std::string>{"file", "folder", "link"}));
}

TEST(AtomicFile, OfManyWritersOfOneNameExactlyOneWins) {
  const TempDir dir;
  for (int round = 0; round < 20; ++round) {
    const std::string path = dir.path() + "/f" + std::to_string(round);
    constexpr int kWriters = 8;
    std::atomic<int> winner{-1};
    std::atomic<int> n_winners{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kWriters; ++t) {
      threads.emplace_back([&, t] {
        try {
          write_file(path, std::to_string(t));
          ++n_winners;
          winner = t;
        } catch (const IoError&) {
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(n_winners, 1);
    EXPECT_EQ(text_of(path), std::to_string(winner));
  }
  EXPECT_EQ(names_in(dir.path()).size(), 20U);
}

TEST(AtomicFile, ReplaceFileReplacesFilesOnly) {
  const TempDir dir;
  const std::string path = dir.path() + "/f";
  replace_file(path, "new");
  EXPECT_EQ(text_of(path), "new");
  const std::vector<std::uint8_t> newer = {'n', 'e', 'w', 'e', 'r'};
  replace_file(path, newer);
  EXPECT_EQ(text_of(path), "newer");
  fs::create_directory(dir.path() + "/folder");
  EXPECT_THAT(message_of<IoError>([&] { replace_file(dir.path() + "/folder", "x"); }),
              HasSubstr("is a folder"));
  EXPECT_EQ(names_in(dir.path()), (std::set<std::string>{"f", "folder"}));
}

TEST(NewFile, IsThereWhenItIsCompleteAndNotBefore) {
  const TempDir dir;
  {
    NewFile file(dir.at("a.csv"));
    file.append("one\n");
    file.append("two\n");
    EXPECT_FALSE(fs::exists(dir.at("a.csv")));
    file.commit();
  }
  EXPECT_EQ(text_of(dir.at("a.csv")), "one\ntwo\n");
  { NewFile(dir.at("b.csv")).append("given up"); }
  EXPECT_EQ(names_in(dir.path()), std::set<std::string>{"a.csv"});
}

TEST(NewFile, NeverReplacesAnything) {
  const TempDir dir;
  write_file(dir.at("a.csv"), std::string_view("old"));
  EXPECT_THAT(message_of<IoError>([&] { NewFile file(dir.at("a.csv")); }), HasSubstr("exists already"));
  NewFile late(dir.at("b.csv"));
  late.append("new");
  write_file(dir.at("b.csv"), std::string_view("first"));
  EXPECT_THAT(message_of<IoError>([&] { late.commit(); }), HasSubstr("exists already"));
  EXPECT_EQ(text_of(dir.at("b.csv")), "first");
}

TEST(AtomicFile, RenameNewMovesAndNeverReplaces) {
  const TempDir dir;
  write_file(dir.path() + "/a", "a");
  write_file(dir.path() + "/b", "b");
  EXPECT_THAT(message_of<IoError>([&] { rename_new(dir.path() + "/a", dir.path() + "/b"); }),
              HasSubstr("never overwritten"));
  EXPECT_EQ(text_of(dir.path() + "/b"), "b");
  rename_new(dir.path() + "/a", dir.path() + "/c");
  EXPECT_EQ(text_of(dir.path() + "/c"), "a");
  EXPECT_EQ(names_in(dir.path()), (std::set<std::string>{"b", "c"}));
  EXPECT_THAT(message_of<IoError>([&] { rename_new(dir.path() + "/a", dir.path() + "/d"); }),
              StartsWith(dir.path() + "/a: cannot be renamed"));
}

// Filesystems differ in which of the two they know, so both must behave alike.
TEST(AtomicFile, BothWaysToGiveANameRefuseATakenOne) {
  for (const auto give_name : {&posix::rename_without_replacing, &posix::link_without_replacing}) {
    const TempDir dir;
    const std::string from = dir.path() + "/from";
    const std::string to = dir.path() + "/to";
    write_file(from, "from");
    EXPECT_EQ(give_name(from.c_str(), to.c_str()), 0);
    EXPECT_EQ(names_in(dir.path()), (std::set<std::string>{"to"}));
    write_file(from, "again");
    EXPECT_EQ(give_name(from.c_str(), to.c_str()), EEXIST);
    EXPECT_EQ(text_of(to), "from");
    EXPECT_EQ(text_of(from), "again");
  }
}

TEST(AtomicFile, AMissingFolderIsNamed) {
  const TempDir dir;
  const std::string path = dir.path() + "/no/f";
  EXPECT_THAT(message_of<IoError>([&] { write_file(path, "x"); }),
              AllOf(StartsWith(path + ": cannot be written: No such file"),
                    HasSubstr("the folder " + dir.path() + "/no does not exist; create it first")));
  write_file(dir.path() + "/file", "x");
  EXPECT_THAT(message_of<IoError>([&] { write_file(dir.path() + "/file/f", "x"); }),
              HasSubstr("is not a folder"));
  EXPECT_THAT(message_of<IoError>([&] { write_file("", "x"); }), HasSubstr("without a name"));
}

TEST(AtomicFile, AnUnwritableFolderIsNamed) {
  // /proc refuses new files for everybody, root too, to whom permissions mean nothing.
  EXPECT_THAT(message_of<IoError>([&] { write_file("/proc/deepsad-test", "x"); }),
              AllOf(StartsWith("/proc/deepsad-test: cannot be written: "), HasSubstr("/proc")));
  if (::geteuid() == 0) return;
  const TempDir dir;
  fs::permissions(dir.path(), fs::perms::owner_read | fs::perms::owner_exec);
  const std::string message = message_of<IoError>([&] { write_file(dir.path() + "/f", "x"); });
  fs::permissions(dir.path(), fs::perms::owner_all);
  EXPECT_THAT(message, HasSubstr("change the permissions of the folder " + dir.path()));
}

TEST(AtomicFile, ASizeLimitLeavesNothingBehind) {
  const TempDir dir;
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit = before;
  limit.rlim_cur = 1000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  const std::string message =
      message_of<IoError>([&] { write_file(dir.path() + "/f", std::string(1001, 'x')); });
  EXPECT_NO_THROW(write_file(dir.path() + "/g", std::string(1000, 'x')));
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(message, AllOf(StartsWith(dir.path() + "/f: cannot be written: File too large"),
                             HasSubstr("1001 bytes"), HasSubstr("ulimit -f")));
  EXPECT_EQ(names_in(dir.path()), (std::set<std::string>{"g"}));
}

// A small disk of its own, where the system lets us have one.
class SmallDisk {
 public:
  SmallDisk() : mounted_(::mount("none", dir_.path().c_str(), "tmpfs", 0, "size=64k") == 0) {}
  ~SmallDisk() {
    if (mounted_) ::umount(dir_.path().c_str());
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] const std::string& path() const { return dir_.path(); }

 private:
  TempDir dir_;
  bool mounted_;
};

TEST(AtomicFile, AFullDiskLeavesNothingBehindAndTheOldFileAsItWas) {
  const SmallDisk disk;
  if (!disk.mounted()) GTEST_SKIP() << "mounting a small disk needs root";
  write_file(disk.path() + "/old", "old");
  const std::string large(100000, 'x');
  EXPECT_THAT(message_of<IoError>([&] { write_file(disk.path() + "/new", large); }),
              AllOf(StartsWith(disk.path() + "/new: cannot be written: No space left"),
                    HasSubstr("100000 bytes"), HasSubstr("free some space")));
  EXPECT_THAT(message_of<IoError>([&] { replace_file(disk.path() + "/old", large); }),
              HasSubstr("No space left"));
  EXPECT_EQ(text_of(disk.path() + "/old"), "old");
  EXPECT_EQ(names_in(disk.path()), (std::set<std::string>{"old"}));
}

TEST(AtomicFile, ReadFileTellsWhyItCannot) {
  const TempDir dir;
  EXPECT_THAT(message_of<IoError>([&] { (void)read_file(dir.path() + "/no"); }),
              StartsWith(dir.path() + "/no: cannot be read: No such file"));
  EXPECT_THAT(message_of<IoError>([&] { (void)read_file(dir.path()); }), HasSubstr("Is a directory"));
  // No size to go by: the kernel makes the content as it is read.
  EXPECT_GT(read_file("/proc/self/maps").size(), 0U);
  const std::string large(300000, 'y');
  write_file(dir.path() + "/large", large);
  EXPECT_EQ(text_of(dir.path() + "/large"), large);
  EXPECT_EQ(read_file(dir.path() + "/large").size(), large.size());
}

}  // namespace
}  // namespace deepsad
