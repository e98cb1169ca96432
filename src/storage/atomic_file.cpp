#include "deepsad/storage/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <optional>
#include <random>
#include <system_error>

#include "deepsad/core/error.h"
#include "storage/posix_file.h"

namespace deepsad {
namespace posix {

Descriptor::~Descriptor() {
  close();
}

int Descriptor::close() noexcept {
  if (fd_ < 0) return 0;
  // Never repeated after EINTR: Linux has released the descriptor by then, and another thread may own the
  // number.
  return ::close(std::exchange(fd_, -1)) == 0 || errno == EINTR ? 0 : errno;
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

int write_all(int fd, const char* bytes, std::size_t n) noexcept {
  while (n > 0) {
    const ssize_t written = ::write(fd, bytes, std::min<std::size_t>(n, SSIZE_MAX));
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    bytes += written;
    n -= static_cast<std::size_t>(written);
  }
  return 0;
}

int rename_without_replacing(const char* from, const char* to) noexcept {
  return ::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0 ? 0 : errno;
}

int link_without_replacing(const char* from, const char* to) noexcept {
  if (::link(from, to) != 0) return errno;
  ::unlink(from);
  return 0;
}

std::string write_error(const std::string& path, int error, std::size_t n_bytes) {
  const std::string folder = parent_of(path);
  std::string remedy;
  switch (error) {
    case EEXIST:
      return fmt::format("{}: exists already and is never overwritten; move it away or choose another name",
                         path);
    case ENOENT:
      remedy = fmt::format("the folder {} does not exist; create it first", folder);
      break;
    case ENOTDIR:
      remedy = fmt::format("{} is not a folder; choose another place", folder);
      break;
    case EACCES:
    case EPERM:
      remedy = fmt::format("change the permissions of the folder {} or choose another one", folder);
      break;
    case EROFS:
      remedy = "choose a folder on a disk that is not mounted read-only";
      break;
    case ENOSPC:
    case EDQUOT: {
      struct statvfs fs {};
      remedy = n_bytes > 0 ? fmt::format("it needs {} bytes", n_bytes) : "free some space";
      if (n_bytes > 0 && error == ENOSPC && ::statvfs(folder.c_str(), &fs) == 0) {
        remedy += fmt::format(" and the disk has {} left", std::uintmax_t{fs.f_bavail} * fs.f_frsize);
      }
      remedy += "; free some space or choose a folder on another disk";
      break;
    }
    case EFBIG:
      remedy = fmt::format(
          "its {} bytes are more than the process or the disk allows in one file; see ulimit -f", n_bytes);
      break;
    case ENAMETOOLONG:
      remedy = "choose a shorter name";
      break;
    default:
      remedy = fmt::format("check the disk, or choose another folder than {}", folder);
  }
  return fmt::format("{}: cannot be written: {}; {}", path, std::system_category().message(error), remedy);
}

}  // namespace posix

namespace {

// A file with a name of its own beside `path`, removed unless it was given its final name.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& path) {
    // Independent of the final name, so that a long name stays within the limit of the filesystem.
    std::random_device entropy;
    for (int attempt = 0;; ++attempt) {
      name_ = fmt::format("{}/.deepsad-{:08x}{:08x}.partial", posix::parent_of(path), entropy(), entropy());
      const int fd = ::open(name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (fd >= 0) {
        file_ = posix::Descriptor(fd);
        return;
      }
      constexpr int kMaxAttempts = 100;  // EEXIST means that two draws of 64 random bits were equal
      if (errno != EEXIST || attempt == kMaxAttempts) throw IoError(posix::write_error(path, errno));
    }
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (!kept_) ::unlink(name_.c_str());
  }

  // errno or 0.
  int append(std::string_view content) {
    return posix::write_all(file_.get(), content.data(), content.size());
  }
  // Content on the disk and the file closed, or errno.
  int finish() {
    int error = 0;
    // Without this a crash soon after the rename may leave the name with an empty file.
    if (::fsync(file_.get()) != 0) error = errno;
    const int close_error = file_.close();
    return error != 0 ? error : close_error;
  }
  [[nodiscard]] const char* name() const { return name_.c_str(); }
  void keep() { kept_ = true; }

 private:
  std::string name_;
  posix::Descriptor file_;
  bool kept_ = false;
};

int publish(const char* from, const char* to) {
  const int error = posix::rename_without_replacing(from, to);
  // Network filesystems often know plain renames only; a hard link refuses an existing name as well.
  if (error == EINVAL || error == ENOSYS || error == ENOTSUP) return posix::link_without_replacing(from, to);
  return error;
}

// The name itself reaches the disk with its folder. The content is safe already, so a filesystem that cannot
// flush folders is no reason to call the file unwritten.
void flush_folder_of(const std::string& path) {
  const posix::Descriptor folder(::open(posix::parent_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.is_open()) ::fsync(folder.get());
}

enum class Existing { refuse, replace };

// Told before any work; the step that gives the name checks again, then without a gap.
void require_writable(const std::string& path, Existing existing) {
  if (path.empty()) throw IoError("cannot write a file without a name; give a path");
  struct stat status {};
  const bool exists = ::lstat(path.c_str(), &status) == 0;
  if (exists && existing == Existing::refuse) throw IoError(posix::write_error(path, EEXIST));
  if (exists && S_ISDIR(status.st_mode))
    throw IoError(fmt::format("{}: is a folder; choose another name", path));
}

void write(const std::string& path, std::string_view content, Existing existing) {
  require_writable(path, existing);
  TemporaryFile temporary(path);
  int error = temporary.append(content);
  if (error == 0) error = temporary.finish();
  if (error == 0) {
    if (existing == Existing::refuse) {
      error = publish(temporary.name(), path.c_str());
    } else if (::rename(temporary.name(), path.c_str()) != 0) {
      error = errno;
    }
  }
  if (error != 0) throw IoError(posix::write_error(path, error, content.size()));
  temporary.keep();
  flush_folder_of(path);
}

std::string_view as_text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

void write_file(const std::string& path, std::span<const std::uint8_t> bytes) {
  write(path, as_text(bytes), Existing::refuse);
}
void write_file(const std::string& path, std::string_view text) {
  write(path, text, Existing::refuse);
}

void replace_file(const std::string& path, std::span<const std::uint8_t> bytes) {
  write(path, as_text(bytes), Existing::replace);
}
void replace_file(const std::string& path, std::string_view text) {
  write(path, text, Existing::replace);
}

struct NewFile::State {
  explicit State(std::string name) : path(std::move(name)), temporary(path) {}
  // @param error errno, or 0
  void require(int error) const {
    if (error != 0) throw IoError(posix::write_error(path, error, n_bytes));
  }
  void flush() {
    require(temporary.append(waiting));
    waiting.clear();
  }
  std::string path;
  TemporaryFile temporary;
  std::size_t n_bytes = 0;
  std::string waiting;  // appended, but not written yet
};

NewFile::NewFile(std::string path) {
  require_writable(path, Existing::refuse);
  state_ = std::make_unique<State>(std::move(path));
}
NewFile::~NewFile() = default;

void NewFile::append(std::string_view text) {
  constexpr std::size_t kPortion = std::size_t{1} << 16;
  state_->n_bytes += text.size();
  state_->waiting += text;
  if (state_->waiting.size() >= kPortion) state_->flush();
}

void NewFile::commit() {
  state_->flush();
  state_->require(state_->temporary.finish());
  state_->require(publish(state_->temporary.name(), state_->path.c_str()));
  state_->temporary.keep();
  flush_folder_of(state_->path);
}

void rename_new(const std::string& from, const std::string& to) {
  struct stat status {};
  if (::lstat(from.c_str(), &status) != 0) {
    throw IoError(
        fmt::format("{}: cannot be renamed to {}: {}", from, to, std::system_category().message(errno)));
  }
  const int error = publish(from.c_str(), to.c_str());
  if (error == EXDEV) {
    throw IoError(fmt::format(
        "{}: cannot be renamed to {}: they lie on different disks; choose a name on the same", from, to));
  }
  if (error != 0) throw IoError(posix::write_error(to, error));
  flush_folder_of(to);
}

std::vector<std::uint8_t> read_file(const std::string& path) {
  const auto fail = [&](int error) {
    throw IoError(fmt::format("{}: cannot be read: {}", path, std::system_category().message(error)));
  };
  const posix::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) fail(errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail(errno);
  if (S_ISDIR(status.st_mode)) fail(EISDIR);
  // The size is a hint only: pipes and files that grow have none. One byte more, so that the end is seen at
  // once.
  constexpr std::size_t kMinPortion = std::size_t{1} << 16;
  std::vector<std::uint8_t> bytes(std::max(kMinPortion, static_cast<std::size_t>(status.st_size) + 1));
  std::size_t n = 0;
  for (;;) {
    if (n == bytes.size()) bytes.resize(2 * n);
    const ssize_t got = ::read(file.get(), bytes.data() + n, bytes.size() - n);
    if (got < 0) {
      if (errno == EINTR) continue;
      fail(errno);
    }
    if (got == 0) break;
    n += static_cast<std::size_t>(got);
  }
  bytes.resize(n);
  return bytes;
}

}  // namespace deepsad
