#include "deepsad/data/fetch.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "core/shared_library.h"
#include "deepsad/core/error.h"
#include "deepsad/core/version.h"
#include "deepsad/storage/checksum.h"

namespace deepsad {
namespace {

// curl_NAME is the member NAME.
struct Libcurl {
  SharedLibrary library{"libcurl.so.4", "libcurl4"};
  decltype(&::curl_easy_cleanup) easy_cleanup = library.function("curl_easy_cleanup");
  decltype(&::curl_easy_getinfo) easy_getinfo = library.function("curl_easy_getinfo");
  decltype(&::curl_easy_init) easy_init = library.function("curl_easy_init");
  decltype(&::curl_easy_perform) easy_perform = library.function("curl_easy_perform");
  decltype(&::curl_easy_setopt) easy_setopt = library.function("curl_easy_setopt");
  decltype(&::curl_easy_strerror) easy_strerror = library.function("curl_easy_strerror");
  decltype(&::curl_global_init) global_init = library.function("curl_global_init");
};

const Libcurl& libcurl() {
  static const Libcurl loaded;
  return loaded;
}

constexpr long kMaxRedirects = 10;
constexpr long kHttpPartialContent = 206;
constexpr long kHttpRangeNotSatisfiable = 416;

void check_errno(bool ok, const std::string& path, std::string_view what) {
  if (!ok) throw IoError(fmt::format("{}: cannot be {}: {}", path, what, std::strerror(errno)));
}

// "NAME.partial", opened for appending and locked, so that two processes never write one file.
class PartialFile {
 public:
  explicit PartialFile(std::string path)
      : path_(std::move(path)), fd_(::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
    check_errno(fd_ >= 0, path_, "opened for writing");
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      const bool busy = errno == EWOULDBLOCK;
      const std::string reason = std::strerror(errno);
      ::close(fd_);
      throw IoError(
          busy ? fmt::format("{}: another process is downloading this file; wait for it to end", path_)
               : fmt::format("{}: cannot be locked: {}", path_, reason));
    }
  }
  ~PartialFile() {
    // Nothing is left behind but bytes that the next attempt can use.
    if (!published_ && ::lseek(fd_, 0, SEEK_END) == 0) remove();
    ::close(fd_);
  }
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  const std::string& path() const { return path_; }
  std::uint64_t size() const {
    const off_t end = ::lseek(fd_, 0, SEEK_END);
    check_errno(end >= 0, path_, "measured");
    return static_cast<std::uint64_t>(end);
  }
  void clear() { check_errno(::ftruncate(fd_, 0) == 0, path_, "emptied"); }
  void append(const char* bytes, std::size_t n) {
    while (n > 0) {
      const ssize_t written = ::write(fd_, bytes, n);
      if (written < 0 && errno == EINTR) continue;
      check_errno(written > 0, path_, "written");
      bytes += written;
      n -= static_cast<std::size_t>(written);
    }
  }
  /// Gives the complete file its name, which must not exist yet.
  void publish(const std::string& name) {
    check_errno(::fsync(fd_) == 0, path_, "written to the disk");
    // Neither of the two replaces an existing file. Not every file system knows both.
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, name.c_str(), RENAME_NOREPLACE) == 0) {
      published_ = true;
      return;
    }
    if (errno == EINVAL || errno == ENOSYS) {
      check_errno(::link(path_.c_str(), name.c_str()) == 0, name, "created");
      published_ = true;
      remove();
      return;
    }
    check_errno(false, name, "created");
  }
  void remove() { ::unlink(path_.c_str()); }

 private:
  std::string path_;
  int fd_;
  bool published_ = false;
};

// What one transfer's callbacks share. No exception may pass through curl's C code: the first is kept and
// rethrown.
struct Transfer {
  CURL* curl = nullptr;
  PartialFile* partial = nullptr;
  const FetchFile* file = nullptr;
  const FetchOptions* options = nullptr;
  std::uint64_t offset = 0;       // bytes that were there before, if the server continues
  std::uint64_t size = 0;         // bytes in the partial file now
  std::uint64_t range_start = 0;  // of the Content-Range header
  bool began = false;
  bool too_large = false;
  std::chrono::steady_clock::time_point start;
  std::exception_ptr error;

  void begin() {
    began = true;
    long status = 0;
    libcurl().easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != kHttpPartialContent || range_start != offset) {
      // The server sends the whole file (or another part than asked for, which cannot be used).
      if (status == kHttpPartialContent) throw IoError("the server sent another range than it was asked for");
      partial->clear();
      offset = 0;
      size = 0;
    }
  }

  static std::size_t on_header(char* bytes, std::size_t, std::size_t n, void* self) {
    auto& t = *static_cast<Transfer*>(self);
    std::string line(bytes, n);
    for (char& c : line) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    unsigned long long first = 0;
    if (line.rfind("http/", 0) == 0) t.range_start = 0;  // a new answer after a redirection
    if (std::sscanf(line.c_str(), "content-range: bytes %llu-", &first) == 1) t.range_start = first;
    return n;
  }

  static std::size_t on_body(char* bytes, std::size_t, std::size_t n, void* self) {
    auto& t = *static_cast<Transfer*>(self);
    try {
      if (!t.began) t.begin();
      if (t.file->bytes > 0 && t.size + n > t.file->bytes) {
        t.too_large = true;
        return 0;
      }
      t.partial->append(bytes, n);
      t.size += n;
      return n;
    } catch (...) {
      t.error = std::current_exception();
      return 0;
    }
  }

  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    auto& t = *static_cast<Transfer*>(self);
    try {
      const StopToken* stop = t.options->stop;
      if (stop != nullptr && stop->stop_requested()) {
        throw Interrupted(
            fmt::format("download of {} interrupted after {} bytes; the next `deepsad data fetch` goes on "
                        "from {}",
                        t.file->path, t.size, t.partial->path()));
      }
      Progress p;
      p.phase = "download " + t.file->path;
      p.done = t.size;
      p.total = t.file->bytes;
      p.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - t.start).count();
      t.options->observer.progress(p);
      return 0;
    } catch (...) {
      t.error = std::current_exception();
      return 1;
    }
  }
};

struct FreeCurl {
  void operator()(CURL* curl) const noexcept { libcurl().easy_cleanup(curl); }
};

struct AttemptResult {
  bool complete = false;   // the server has no more to send
  bool resumed = false;    // bytes of an earlier attempt were kept
  bool try_again = false;  // the partial file could not be continued and was emptied
  std::string reason;      // if not complete
};

// One request: continues the partial file or begins it anew.
AttemptResult attempt(const std::string& url, const FetchFile& file, PartialFile& partial,
                      const FetchOptions& options) {
  const std::unique_ptr<CURL, FreeCurl> curl(libcurl().easy_init());
  if (!curl) throw std::bad_alloc();
  Transfer t;
  t.curl = curl.get();
  t.partial = &partial;
  t.file = &file;
  t.options = &options;
  t.offset = partial.size();
  t.size = t.offset;
  t.start = std::chrono::steady_clock::now();
  const std::string range = fmt::format("{}-", t.offset);
  const std::string agent = fmt::format("deepsad/{}", version());
  char text[CURL_ERROR_SIZE] = "";
  libcurl().easy_setopt(t.curl, CURLOPT_URL, url.c_str());
  libcurl().easy_setopt(t.curl, CURLOPT_PROTOCOLS_STR, "http,https");
  libcurl().easy_setopt(t.curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  libcurl().easy_setopt(t.curl, CURLOPT_FOLLOWLOCATION, 1L);
  libcurl().easy_setopt(t.curl, CURLOPT_MAXREDIRS, kMaxRedirects);
  libcurl().easy_setopt(t.curl, CURLOPT_FAILONERROR, 1L);
  libcurl().easy_setopt(t.curl, CURLOPT_NOSIGNAL, 1L);
  libcurl().easy_setopt(t.curl, CURLOPT_USERAGENT, agent.c_str());
  libcurl().easy_setopt(t.curl, CURLOPT_CONNECTTIMEOUT, static_cast<long>(options.connect_timeout.count()));
  libcurl().easy_setopt(t.curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  libcurl().easy_setopt(t.curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.stall_timeout.count()));
  libcurl().easy_setopt(t.curl, CURLOPT_ERRORBUFFER, text);
  libcurl().easy_setopt(t.curl, CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  libcurl().easy_setopt(t.curl, CURLOPT_HEADERDATA, &t);
  libcurl().easy_setopt(t.curl, CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  libcurl().easy_setopt(t.curl, CURLOPT_WRITEDATA, &t);
  libcurl().easy_setopt(t.curl, CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
  libcurl().easy_setopt(t.curl, CURLOPT_XFERINFODATA, &t);
  libcurl().easy_setopt(t.curl, CURLOPT_NOPROGRESS, 0L);
  // Not CURLOPT_RESUME_FROM, with which curl gives up on a server that does not know ranges.
  if (t.offset > 0) libcurl().easy_setopt(t.curl, CURLOPT_RANGE, range.c_str());

  const CURLcode code = libcurl().easy_perform(t.curl);
  if (t.error) std::rethrow_exception(t.error);
  AttemptResult result;
  result.resumed = t.offset > 0;
  if (code == CURLE_OK) {
    // An answer without a body never reached begin(): what lies in the partial file is not this file.
    if (!t.began) partial.clear();
    result.complete = true;
    return result;
  }
  long status = 0;
  libcurl().easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &status);
  if (t.too_large) {
    partial.clear();
    result.reason = fmt::format("sends more than the {} bytes that the file has", file.bytes);
  } else if (code == CURLE_HTTP_RETURNED_ERROR) {
    // The partial file is as long as the server's or longer: it cannot be continued.
    if (status == kHttpRangeNotSatisfiable && t.offset > 0) {
      partial.clear();
      result.try_again = true;
    }
    result.reason = fmt::format("answered HTTP {}", status);
  } else {
    result.reason = text[0] != '\0' ? text : libcurl().easy_strerror(code);
  }
  return result;
}

// Downloads from one mirror into the partial file; empty if it now has the right checksum, else the reason
// why not.
std::string fetch_from(const std::string& url, const FetchFile& file, PartialFile& partial,
                       const FetchOptions& options, bool& resumed) {
  std::uint64_t most = partial.size();  // the most that any request so far got to
  bool restarted = false;
  while (true) {
    const AttemptResult result = attempt(url, file, partial, options);
    if (!result.complete) {
      // A transfer that was cut off but got further than all before is worth another request.
      const std::uint64_t now = partial.size();
      if (now <= most && !result.try_again) return result.reason;
      most = now;
      options.observer.info(fmt::format("{}: {}; trying again", url, result.reason));
      continue;
    }
    const std::string found = sha256_of_file(partial.path());
    if (found == file.sha256) {
      resumed = result.resumed;
      return {};
    }
    partial.clear();
    // The part that was there before may be the wrong one: once more from the first byte.
    if (result.resumed && !restarted) {
      restarted = true;
      most = 0;
      continue;
    }
    return fmt::format("sent content with SHA-256 {}, wanted {}", found, file.sha256);
  }
}

// True if the file is there and right.
bool check_existing(const FetchFile& file, const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return false;
  const std::string found = sha256_of_file(path);
  if (found == file.sha256) return true;
  throw DataError(fmt::format(
      "{}: exists with SHA-256 {}, wanted {}; it is not overwritten: move it away, then fetch again", path,
      found, file.sha256));
}

void start_curl() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (libcurl().global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw IoError("libcurl cannot be started");
  });
}

}  // namespace

FetchedFile fetch_file(const FetchFile& file, const std::string& folder, const FetchOptions& options) {
  if (file.urls.empty()) throw InvalidArgument(fmt::format("[fetch_file] {} has no url", file.path));
  if (file.sha256.size() != 64) {
    throw InvalidArgument(fmt::format(
        "[fetch_file] the SHA-256 of {} is \"{}\", wanted 64 hexadecimal digits", file.path, file.sha256));
  }
  start_curl();
  const std::filesystem::path target = std::filesystem::path(folder) / file.path;
  FetchedFile result;
  result.path = target.string();
  if (check_existing(file, result.path)) {
    result.outcome = FetchOutcome::already_there;
    options.observer.info(fmt::format("{} is there and has the right checksum; nothing to do", result.path));
    return result;
  }
  std::error_code error;
  std::filesystem::create_directories(target.parent_path(), error);
  if (error)
    throw IoError(fmt::format("{}: cannot be created: {}", target.parent_path().string(), error.message()));

  PartialFile partial(result.path + ".partial");
  // While this process waited to open the partial file, another may have finished it.
  if (check_existing(file, result.path)) {
    partial.clear();
    result.outcome = FetchOutcome::already_there;
    return result;
  }
  if (file.bytes > 0 && partial.size() > file.bytes) partial.clear();
  if (partial.size() > 0 && partial.size() == file.bytes) {
    if (sha256_of_file(partial.path()) == file.sha256) {
      partial.publish(result.path);
      result.outcome = FetchOutcome::resumed;
      return result;
    }
    partial.clear();
  }

  std::string reasons;
  for (const std::string& url : file.urls) {
    bool resumed = false;
    options.observer.info(fmt::format("downloading {} from {}", file.path, url));
    const std::string reason = fetch_from(url, file, partial, options, resumed);
    if (reason.empty()) {
      partial.publish(result.path);
      result.outcome = resumed ? FetchOutcome::resumed : FetchOutcome::downloaded;
      result.url = url;
      return result;
    }
    options.observer.warn(fmt::format("{}: {}", url, reason));
    reasons += fmt::format("\n  {}: {}", url, reason);
  }
  const bool kept = partial.size() > 0;
  throw IoError(fmt::format(
      "{}: cannot be downloaded; tried{}\n{}get the file by other means (SHA-256 {}) and put it there",
      result.path, reasons,
      kept ? fmt::format("what came is kept in {}; try again later, or ", partial.path()) : "", file.sha256));
}

std::vector<FetchFile> named_set_downloads(const NamedSetInfo& set) {
  std::vector<FetchFile> files;
  for (const NamedSetDownload& download : set.downloads) {
    FetchFile file{std::string(download.path), std::string(download.sha256), download.bytes, {}};
    const std::string name = std::filesystem::path(download.path).filename().string();
    for (const std::string_view mirror : download.mirrors) {
      file.urls.push_back(mirror.ends_with('/') ? std::string(mirror) + name : std::string(mirror));
    }
    files.push_back(std::move(file));
  }
  return files;
}

std::vector<FetchedFile> fetch_named_set(const std::string& name, const std::string& data_dir,
                                         const FetchOptions& options) {
  const NamedSetInfo& set = named_set(name);
  std::vector<FetchedFile> results;
  if (const std::optional<FoundSet> found = find_named_set(set, data_dir)) {
    const std::vector<FileCheck> checks = check_named_set(set, *found);
    const auto unknown =
        std::ranges::find(checks, ChecksumState::unknown, [](const FileCheck& check) { return check.state; });
    if (unknown == checks.end()) {
      for (const FileCheck& check : checks) {
        options.observer.info(fmt::format("{} is there ({}); nothing to do", check.path, check.note));
        results.push_back({check.path, FetchOutcome::already_there, {}});
      }
      return results;
    }
    // In the folder that downloads go to, the foreign file would be read instead of the new one. Elsewhere it
    // may well be another set's (MNIST and Fashion-MNIST have the same file names) and does not matter.
    if (found->folder == (std::filesystem::path(data_dir) / set.folders.front()).string()) {
      throw DataError(fmt::format(
          "{}: exists with content of SHA-256 {}, which is not that of {}; it is not overwritten: "
          "move it away, then fetch again",
          unknown->path, unknown->content_sha256, name));
    }
    options.observer.info(
        fmt::format("{} is not the file of {}; fetching it to {}", unknown->path, name, set.folders.front()));
  }
  for (FetchFile file : named_set_downloads(set)) {
    if (!options.mirrors.empty()) file.urls.clear();
    for (const std::string& mirror : options.mirrors) {
      file.urls.push_back(mirror + (mirror.ends_with('/') ? "" : "/") +
                          std::filesystem::path(file.path).filename().string());
    }
    results.push_back(fetch_file(file, data_dir, options));
  }
  return results;
}

}  // namespace deepsad
