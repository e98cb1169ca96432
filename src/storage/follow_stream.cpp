#include "deepsad/storage/follow_stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "deepsad/core/error.h"
#include "storage/posix_file.h"

namespace deepsad {
namespace {

// A signal that comes just before poll() begins is noticed after this long.
constexpr int kWaitMilliseconds = 200;

class FollowStream final : public ByteStream {
 public:
  FollowStream(const std::string& path, std::function<void()> while_waiting)
      : ByteStream(path == "-" ? "standard input" : path, std::numeric_limits<std::uint64_t>::max()),
        while_waiting_(std::move(while_waiting)) {
    if (path != "-") {
      file_ = posix::Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!file_.is_open()) fail("cannot be opened", errno);
      fd_ = file_.get();
    }
    struct stat status {};
    if (::fstat(fd_, &status) != 0) fail("cannot be read", errno);
    if (S_ISDIR(status.st_mode)) throw DataError(fmt::format("{}: is a folder, wanted a file", name()));
    grows_ = S_ISREG(status.st_mode);
  }
  std::string file_sha256() override { return ""; }

 private:
  [[noreturn]] void fail(const char* what, int error) const {
    throw DataError(fmt::format("{}: {}: {}", name(), what, std::strerror(error)));
  }

  std::size_t read_some(std::span<std::uint8_t> dst) override {
    while (true) {
      pollfd waited{.fd = fd_, .events = POLLIN, .revents = 0};
      // A file is always ready, so that its end is what there is to wait at.
      if (!grows_ && ::poll(&waited, 1, kWaitMilliseconds) <= 0) {
        while_waiting_();
        continue;
      }
      const ssize_t n = ::read(fd_, dst.data(), dst.size());
      if (n > 0 || (n == 0 && !grows_)) return static_cast<std::size_t>(n);
      if (n < 0 && errno != EINTR && errno != EAGAIN) fail("cannot be read", errno);
      if (n == 0) wait_for_growth();
      while_waiting_();
    }
  }

  void wait_for_growth() const {
    struct stat status {};
    const off_t at = ::lseek(fd_, 0, SEEK_CUR);
    if (::fstat(fd_, &status) == 0 && at >= 0 && status.st_size < at) {
      throw DataError(fmt::format(
          "{}: became shorter while it was followed: {} bytes, of which {} were read; start again", name(),
          status.st_size, at));
    }
    ::poll(nullptr, 0, kWaitMilliseconds);
  }

  std::function<void()> while_waiting_;
  posix::Descriptor file_;
  int fd_ = STDIN_FILENO;
  bool grows_ = false;
};

}  // namespace

std::unique_ptr<ByteStream> open_followed(const std::string& path, std::function<void()> while_waiting) {
  return std::make_unique<FollowStream>(path, std::move(while_waiting));
}

}  // namespace deepsad
