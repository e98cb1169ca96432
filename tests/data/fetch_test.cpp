#include "deepsad/data/fetch.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/storage/checksum.h"
#include "support/files.h"

namespace deepsad {
namespace {

using ::testing::AllOf;
using testing::Bytes;
using testing::bytes_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using testing::read_file;
using ::testing::StartsWith;
using testing::TempDir;
using testing::write_file;

struct Request {
  std::string path;    // "/a/b"
  std::size_t offset;  // of "Range: bytes=offset-"
  bool has_range;
};

// What the server does with a request: the head to send, the body, and after how many bytes of it to hang up.
struct Answer {
  std::string status = "200 OK";
  std::string headers{};
  Bytes body{};
  std::size_t cut_after = SIZE_MAX;
};

// An HTTP/1.1 server on 127.0.0.1, one connection at a time, that answers as the test says and remembers what
// was asked.
class HttpServer {
 public:
  explicit HttpServer(std::function<Answer(const Request&)> handler)
      : handler_(std::move(handler)), socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    if (::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(socket_, 16) != 0 ||
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("the test server cannot listen");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~HttpServer() {
    stop_ = true;
    ::shutdown(socket_, SHUT_RDWR);  // wakes accept()
    thread_.join();
    ::close(socket_);
  }
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::string url(const std::string& path) const { return fmt::format("http://127.0.0.1:{}{}", port_, path); }
  // "/path" or "/path@offset" for each request so far.
  std::vector<std::string> asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  void serve() {
    while (!stop_) {
      const int connection = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) continue;
      answer(connection);
      ::close(connection);
    }
  }
  void answer(int connection) {
    std::string head;
    char c = 0;
    while (head.find("\r\n\r\n") == std::string::npos && ::recv(connection, &c, 1, 0) == 1) head += c;
    Request request{head.substr(4, head.find(' ', 4) - 4), 0, false};
    const std::size_t range = head.find("Range: bytes=");
    if (range != std::string::npos) {
      request.has_range = true;
      request.offset = std::stoul(head.substr(range + std::strlen("Range: bytes=")));
    }
    {
      const std::lock_guard lock(mutex_);
      asked_.push_back(request.path + (request.has_range ? fmt::format("@{}", request.offset) : ""));
    }
    const Answer a = handler_(request);
    const std::string text = fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n",
                                         a.status, a.body.size(), a.headers);
    ::send(connection, text.data(), text.size(), MSG_NOSIGNAL);
    const std::size_t n = std::min(a.body.size(), a.cut_after);
    for (std::size_t sent = 0; sent < n;) {
      const ssize_t more = ::send(connection, a.body.data() + sent, n - sent, MSG_NOSIGNAL);
      if (more <= 0) break;
      sent += static_cast<std::size_t>(more);
    }
  }

  std::function<Answer(const Request&)> handler_;
  int socket_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::vector<std::string> asked_;
  std::thread thread_;
};

// An answer as servers that know ranges give it.
Answer with_ranges(const Request& request, const Bytes& content) {
  if (!request.has_range) return {.body = content};
  if (request.offset >= content.size()) return {.status = "416 Range Not Satisfiable"};
  return {.status = "206 Partial Content",
          .headers = fmt::format("Content-Range: bytes {}-{}/{}\r\n", request.offset, content.size() - 1,
                                 content.size()),
          .body = Bytes(content.begin() + static_cast<std::ptrdiff_t>(request.offset), content.end())};
}

class Fetch : public ::testing::Test {
 protected:
  Fetch() {
    for (std::size_t i = 0; i < content_.size(); ++i) content_[i] = static_cast<std::uint8_t>(i * i / 7 + i);
    options_.observer.on_message = [this](LogLevel level, const std::string& text) {
      if (level == LogLevel::warning) warnings_.push_back(text);
    };
  }
  FetchFile file(std::vector<std::string> urls) const {
    return {"set/data.bin", sha256_hex(content_), content_.size(), std::move(urls)};
  }
  FetchedFile fetch(const FetchFile& f) const { return fetch_file(f, dir_.path(), options_); }
  std::string error(const FetchFile& f) const {
    return message_of<IoError>([&] { static_cast<void>(fetch(f)); });
  }
  Bytes first_half() const { return {content_.begin(), content_.begin() + 100000}; }
  bool partial_exists() const { return std::filesystem::exists(partial_); }
  void expect_whole_file() const {
    EXPECT_EQ(read_file(target_), content_);
    EXPECT_FALSE(partial_exists());
  }

  Bytes content_ = Bytes(200000);
  TempDir dir_;
  std::string target_ = dir_.at("set/data.bin");
  std::string partial_ = target_ + ".partial";
  FetchOptions options_;
  std::vector<std::string> warnings_;
};

TEST_F(Fetch, DownloadsMakesFoldersAndReportsProgress) {
  HttpServer server([&](const Request& r) { return with_ranges(r, content_); });
  std::filesystem::remove_all(dir_.path() + "/set");
  std::size_t last = 0;
  options_.observer.on_progress = [&](const Progress& p) {
    EXPECT_EQ(p.phase, "download set/data.bin");
    EXPECT_EQ(p.total, content_.size());
    EXPECT_GE(p.done, last);
    last = p.done;
  };
  const FetchedFile got = fetch(file({server.url("/x/data.bin")}));
  EXPECT_EQ(got.outcome, FetchOutcome::downloaded);
  EXPECT_EQ(got.path, target_);
  EXPECT_EQ(got.url, server.url("/x/data.bin"));
  EXPECT_EQ(last, content_.size());
  EXPECT_THAT(server.asked(), ElementsAre("/x/data.bin"));
  expect_whole_file();
}

TEST_F(Fetch, GoesOnAfterACut) {
  int requests = 0;
  HttpServer server([&](const Request& r) {
    Answer a = with_ranges(r, content_);
    if (++requests <= 2) a.cut_after = 60000;
    return a;
  });
  EXPECT_EQ(fetch(file({server.url("/data.bin")})).outcome, FetchOutcome::resumed);
  EXPECT_THAT(server.asked(), ElementsAre("/data.bin", "/data.bin@60000", "/data.bin@120000"));
  expect_whole_file();
}

TEST_F(Fetch, GoesOnFromAnEarlierAttemptAtAnotherMirror) {
  write_file(partial_, first_half());
  HttpServer server([&](const Request& r) {
    return r.path == "/gone" ? Answer{.status = "404 Not Found", .body = bytes_of("no")}
                             : with_ranges(r, content_);
  });
  EXPECT_EQ(fetch(file({server.url("/gone"), server.url("/data.bin")})).outcome, FetchOutcome::resumed);
  EXPECT_THAT(server.asked(), ElementsAre("/gone@100000", "/data.bin@100000"));
  EXPECT_THAT(warnings_, ElementsAre(server.url("/gone") + ": answered HTTP 404"));
  expect_whole_file();
}

TEST_F(Fetch, BeginsAnewIfTheServerKnowsNoRanges) {
  write_file(partial_, first_half());
  HttpServer server([&](const Request&) { return Answer{.body = content_}; });
  EXPECT_EQ(fetch(file({server.url("/data.bin")})).outcome, FetchOutcome::downloaded);
  EXPECT_THAT(server.asked(), ElementsAre("/data.bin@100000"));
  expect_whole_file();
}

TEST_F(Fetch, BeginsAnewIfTheEarlierPartWasWrong) {
  for (const std::size_t size : {100000UL, 200000UL, 300000UL}) {  // a part, a whole, more than the whole
    write_file(partial_, Bytes(size, 0x55));
    HttpServer server([&](const Request& r) { return with_ranges(r, content_); });
    EXPECT_EQ(fetch(file({server.url("/data.bin")})).outcome, FetchOutcome::downloaded);
    expect_whole_file();
    std::filesystem::remove(target_);
  }
}

TEST_F(Fetch, ACompletePartialFileNeedsNoServer) {
  write_file(partial_, content_);
  EXPECT_EQ(fetch(file({"http://127.0.0.1:1/none"})).outcome, FetchOutcome::resumed);
  expect_whole_file();
}

TEST_F(Fetch, WithoutAKnownSizeARangeBeyondTheEndIsBegunAnew) {
  write_file(partial_, Bytes(300000, 1));
  HttpServer server([&](const Request& r) { return with_ranges(r, content_); });
  FetchFile f = file({server.url("/data.bin")});
  f.bytes = 0;
  EXPECT_EQ(fetch(f).outcome, FetchOutcome::downloaded);
  EXPECT_THAT(server.asked(), ElementsAre("/data.bin@300000", "/data.bin"));
  expect_whole_file();
}

TEST_F(Fetch, FollowsRedirectionsButNotToLocalFiles) {
  HttpServer server([&](const Request& r) {
    if (r.path == "/old")
      return Answer{.status = "302 Found", .headers = "Location: /new\r\n", .body = bytes_of("moved")};
    if (r.path == "/evil")
      return Answer{.status = "302 Found", .headers = "Location: file:///etc/hostname\r\n", .body = {}};
    return with_ranges(r, content_);
  });
  EXPECT_THAT(error(file({server.url("/evil")})), HasSubstr("Protocol \"file\" not supported"));
  EXPECT_EQ(fetch(file({server.url("/old")})).outcome, FetchOutcome::downloaded);
  EXPECT_THAT(server.asked(), ElementsAre("/evil", "/old", "/new"));
  expect_whole_file();
}

TEST_F(Fetch, AWrongChecksumGetsNoNameAndLeavesNothing) {
  Bytes other = content_;
  other[17] ^= 1;
  HttpServer server([&](const Request& r) { return with_ranges(r, r.path == "/other" ? other : content_); });
  EXPECT_EQ(
      error(file({server.url("/other")})),
      fmt::format(
          "{}: cannot be downloaded; tried\n  {}: sent content with SHA-256 {}, wanted {}\nget the file by "
          "other means (SHA-256 {}) and put it there",
          target_, server.url("/other"), sha256_hex(other), sha256_hex(content_), sha256_hex(content_)));
  EXPECT_FALSE(std::filesystem::exists(target_));
  EXPECT_FALSE(partial_exists());
  // The next mirror has the right one.
  EXPECT_EQ(fetch(file({server.url("/other"), server.url("/right")})).url, server.url("/right"));
  expect_whole_file();
}

TEST_F(Fetch, MoreThanTheFileHasIsCutOff) {
  Bytes larger = content_;
  larger.resize(5000000);
  HttpServer server([&](const Request&) { return Answer{.body = larger}; });
  EXPECT_THAT(error(file({server.url("/data.bin")})),
              HasSubstr("data.bin: sends more than the 200000 bytes that the file has"));
  EXPECT_FALSE(partial_exists());
}

TEST_F(Fetch, AServerThatAlwaysCutsIsGivenUp) {
  for (const bool ranges : {false, true}) {
    HttpServer server([&](const Request& r) {
      Answer a =
          ranges && r.has_range ? Answer{.status = "500 Internal Server Error"} : Answer{.body = content_};
      a.cut_after = 50000;
      return a;
    });
    const std::string message = error(file({server.url("/data.bin")}));
    EXPECT_THAT(message, HasSubstr("what came is kept in " + partial_));
    EXPECT_LE(server.asked().size(), 3U);
    EXPECT_EQ(read_file(partial_).size(), 50000U);
    std::filesystem::remove(partial_);
  }
}

TEST_F(Fetch, AnExistingFileIsNeverTouched) {
  HttpServer server([&](const Request& r) { return with_ranges(r, content_); });
  write_file(target_, content_);
  EXPECT_EQ(fetch(file({server.url("/data.bin")})).outcome, FetchOutcome::already_there);
  write_file(target_, bytes_of("my own work"));
  EXPECT_EQ(
      message_of<DataError>([&] { static_cast<void>(fetch(file({server.url("/data.bin")}))); }),
      fmt::format(
          "{}: exists with SHA-256 {}, wanted {}; it is not overwritten: move it away, then fetch again",
          target_, sha256_hex(bytes_of("my own work")), sha256_hex(content_)));
  EXPECT_EQ(read_file(target_), bytes_of("my own work"));
  EXPECT_TRUE(server.asked().empty());
  EXPECT_FALSE(partial_exists());
}

TEST_F(Fetch, AFileThatAppearsMeanwhileIsNotReplaced) {
  HttpServer server([&](const Request& r) {
    write_file(target_, bytes_of("somebody else's"));
    return with_ranges(r, content_);
  });
  EXPECT_EQ(error(file({server.url("/data.bin")})), target_ + ": cannot be created: File exists");
  EXPECT_EQ(read_file(target_), bytes_of("somebody else's"));
}

TEST_F(Fetch, StopsWhenAskedAndGoesOnLater) {
  HttpServer server([&](const Request& r) { return with_ranges(r, content_); });
  StopToken stop;
  options_.stop = &stop;
  options_.observer.on_progress = [&](const Progress& p) {
    if (p.done > 0) stop.request_stop();
  };
  const std::string message =
      message_of<Interrupted>([&] { static_cast<void>(fetch(file({server.url("/data.bin")}))); });
  EXPECT_THAT(message, AllOf(StartsWith("download of set/data.bin interrupted after "), HasSubstr(partial_)));
  EXPECT_FALSE(std::filesystem::exists(target_));
  EXPECT_TRUE(partial_exists());
  options_.stop = nullptr;
  EXPECT_EQ(fetch(file({server.url("/data.bin")})).outcome, FetchOutcome::resumed);
  expect_whole_file();
}

TEST_F(Fetch, OneProcessAtATime) {
  const int other = ::open(partial_.c_str(), O_RDWR | O_CREAT, 0644);
  ASSERT_EQ(::flock(other, LOCK_EX), 0);
  EXPECT_EQ(error(file({"http://127.0.0.1:1/none"})),
            partial_ + ": another process is downloading this file; wait for it to end");
  ::close(other);
}

TEST_F(Fetch, NobodyListensOrNothingCanBeWritten) {
  EXPECT_THAT(error(file({"http://127.0.0.1:1/none"})),
              AllOf(StartsWith(target_ +
                               ": cannot be downloaded; tried\n  http://127.0.0.1:1/none: Failed to connect"),
                    HasSubstr("get the file by other means (SHA-256 " + sha256_hex(content_) + ")")));
  EXPECT_FALSE(partial_exists());
  write_file(dir_.at("plain"), bytes_of("x"));
  const FetchFile below_a_file{"plain/data.bin", sha256_hex(content_), 0, {"http://127.0.0.1:1/none"}};
  EXPECT_THAT(error(below_a_file), StartsWith(dir_.path() + "/plain: cannot be created: "));
}

TEST_F(Fetch, RefusesDescriptionsThatCannotBeChecked) {
  EXPECT_EQ(message_of<InvalidArgument>([&] { static_cast<void>(fetch(file({}))); }),
            "[fetch_file] set/data.bin has no url");
  EXPECT_THAT(message_of<InvalidArgument>([&] {
                static_cast<void>(fetch({"a", "123", 0, {"http://x"}}));
              }),
              HasSubstr("the SHA-256 of a is \"123\", wanted 64 hexadecimal digits"));
}

TEST_F(Fetch, ExceptionsOfTheObserverArrive) {
  HttpServer server([&](const Request& r) { return with_ranges(r, content_); });
  options_.observer.on_progress = [](const Progress&) { throw std::runtime_error("injected"); };
  EXPECT_THAT(
      message_of<std::runtime_error>([&] { static_cast<void>(fetch(file({server.url("/data.bin")}))); }),
      "injected");
}

TEST_F(Fetch, NamedSetsGoToOurLayoutAndAreFoundThere) {
  const std::string source = std::string(DEEPSAD_SHARED_DIR) + "/data/odds/thyroid.mat";
  HttpServer server([&](const Request& r) { return with_ranges(r, read_file(source)); });
  options_.mirrors = {server.url("/mirror")};
  const auto first = fetch_named_set("thyroid", dir_.path(), options_);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].path, dir_.path() + "/odds/thyroid.mat");
  EXPECT_THAT(server.asked(), ElementsAre("/mirror/thyroid.mat"));
  EXPECT_EQ(load_named_set("thyroid", dir_.path(), {.verify_checksums = true}).train.size(), 3772U);
  // Again: nothing is asked for.
  EXPECT_EQ(fetch_named_set("thyroid", dir_.path(), options_).at(0).outcome, FetchOutcome::already_there);
  EXPECT_EQ(server.asked().size(), 1U);
  // A foreign file in the way is named and kept.
  write_file(first[0].path, bytes_of("foreign"));
  EXPECT_THAT(
      message_of<DataError>([&] { static_cast<void>(fetch_named_set("thyroid", dir_.path(), options_)); }),
      AllOf(StartsWith(first[0].path + ": exists with content of SHA-256 "),
            HasSubstr("it is not overwritten")));
  EXPECT_EQ(read_file(first[0].path), bytes_of("foreign"));
}

// MNIST and Fashion-MNIST have the same file names: the one lying flat in the data folder is not in the
// other's way.
TEST_F(Fetch, AnotherSetsFilesInTheDataFolderAreNoObstacle) {
  const std::string data = std::string(DEEPSAD_SHARED_DIR) + "/data";
  for (const NamedSetFile& f : named_set("fmnist").files) {
    const std::string name = std::string(f.name) + ".gz";
    std::filesystem::create_symlink(data + "/fmnist/" + name, dir_.at(name));
  }
  HttpServer server([&](const Request& r) { return with_ranges(r, read_file(data + "/mnist" + r.path)); });
  options_.mirrors = {server.url("/")};
  const auto got = fetch_named_set("mnist", dir_.path(), options_);
  ASSERT_EQ(got.size(), 4U);
  for (const FetchedFile& f : got) EXPECT_EQ(f.outcome, FetchOutcome::downloaded);
  const LoadOptions options{.part = SetPart::test, .verify_checksums = true};
  EXPECT_EQ(load_named_set("mnist", dir_.path(), options).test->size(), 10000U);
  EXPECT_EQ(load_named_set("fmnist", dir_.path(), options).test->size(), 10000U);
  // fmnist is right where it lies: nothing is fetched for it.
  EXPECT_EQ(fetch_named_set("fmnist", dir_.path(), options_).at(0).outcome, FetchOutcome::already_there);
}

TEST(NamedSetDownloads, HaveChecksumSizeAndWebAddresses) {
  for (const NamedSetInfo& set : named_sets()) {
    const std::vector<FetchFile> files = named_set_downloads(set);
    ASSERT_FALSE(files.empty()) << set.name;
    for (const FetchFile& file : files) {
      EXPECT_EQ(file.sha256.find_first_not_of("0123456789abcdef"), std::string::npos) << file.path;
      EXPECT_EQ(file.sha256.size(), 64U) << file.path;
      EXPECT_GT(file.bytes, 1000U) << file.path;
      EXPECT_THAT(file.path, StartsWith(std::string(set.folders.front()) + "/"));
      ASSERT_FALSE(file.urls.empty());
      const std::string name = std::filesystem::path(file.path).filename();
      for (const std::string& url : file.urls)
        EXPECT_THAT(url, AllOf(StartsWith("http"), HasSubstr("/" + name))) << url;
    }
  }
  // The files beside the project are the ones that would be downloaded.
  for (const std::string set :
       {"mnist", "fmnist", "arrhythmia", "cardio", "satellite", "satimage-2", "shuttle", "thyroid"}) {
    for (const FetchFile& file : named_set_downloads(named_set(set))) {
      const std::string path = std::string(DEEPSAD_SHARED_DIR) + "/data/" + file.path;
      EXPECT_EQ(sha256_of_file(path), file.sha256) << path;
      EXPECT_EQ(std::filesystem::file_size(path), file.bytes) << path;
    }
  }
}

}  // namespace
}  // namespace deepsad
