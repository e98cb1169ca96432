// What the files of this room share below the public interface: descriptors, error texts, names without
// replacing.
#pragma once

#include <string>
#include <utility>

namespace deepsad::posix {

/// An open file descriptor, closed at the end of its scope.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor();

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
  /// Closes now. Returns errno, or 0.
  int close() noexcept;

 private:
  int fd_;
};

/// The folder a path lies in: "a/b" -> "a", "b" -> ".".
[[nodiscard]] std::string parent_of(const std::string& path);

/// Writes all bytes; errno of the first failure, or 0.
[[nodiscard]] int write_all(int fd, const char* bytes, std::size_t n) noexcept;

/// Gives `from` the name `to` unless that exists. Both return 0 or errno (EEXIST if the name is taken); the
/// first asks the kernel for it directly (EINVAL where the filesystem cannot), the second goes by a hard
/// link.
[[nodiscard]] int rename_without_replacing(const char* from, const char* to) noexcept;
[[nodiscard]] int link_without_replacing(const char* from, const char* to) noexcept;

/// "PATH: cannot be written: REASON; REMEDY" for an errno of creating or writing `path`.
[[nodiscard]] std::string write_error(const std::string& path, int error, std::size_t n_bytes = 0);

}  // namespace deepsad::posix
