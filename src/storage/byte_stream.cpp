#include "deepsad/storage/byte_stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <isa-l/igzip_lib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <future>
#include <limits>
#include <utility>

#include "deepsad/core/error.h"
#include "storage/archive_library.h"

namespace deepsad {
namespace {

// Portion in which files are read and handed to the decoders: large enough that calls cost nothing, small
// enough for L2.
constexpr std::size_t kPortion = std::size_t{128} << 10;
// Most memory reserved on the word of a header alone; beyond it vectors grow with what arrives.
constexpr std::uint64_t kMaxTrustedReserve = std::uint64_t{256} << 20;

bool starts_with(std::span<const std::uint8_t> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

using namespace std::string_view_literals;
constexpr std::string_view kGzip = "\x1f\x8b"sv;
constexpr std::string_view kXz =
    "\xfd"
    "7zXZ\0"sv;
constexpr std::string_view kBzip2 = "BZh"sv;
constexpr std::string_view kZip = "PK\x03\x04"sv;
constexpr std::string_view kTar = "ustar"sv;  // at byte 257 of the first header
constexpr std::size_t kTarMagicOffset = 257;
constexpr std::size_t kMagicBytes = kTarMagicOffset + kTar.size();

class MemoryStream final : public ByteStream {
 public:
  MemoryStream(std::span<const std::uint8_t> bytes, std::string name)
      : ByteStream(std::move(name), std::numeric_limits<std::uint64_t>::max()), all_(bytes), rest_(bytes) {}
  std::string file_sha256() override { return sha256_hex(all_); }

 private:
  std::size_t read_some(std::span<std::uint8_t> dst) override {
    const std::size_t n = std::min(dst.size(), rest_.size());
    std::copy_n(rest_.begin(), n, dst.begin());
    rest_ = rest_.subspan(n);
    return n;
  }
  std::span<const std::uint8_t> all_;
  std::span<const std::uint8_t> rest_;
};

class FileStream final : public ByteStream {
 public:
  explicit FileStream(const std::string& path)
      : ByteStream(path, std::numeric_limits<std::uint64_t>::max()),
        fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)),
        owned_(true) {
    if (fd_ < 0) throw DataError(fmt::format("{}: cannot be opened: {}", path, std::strerror(errno)));
    struct stat status {};
    if (::fstat(fd_, &status) == 0 && S_ISDIR(status.st_mode)) {
      ::close(fd_);
      throw DataError(fmt::format("{}: is a folder, wanted a file", path));
    }
    want_content_sha256();
  }
  // A file that is open already and stays so: standard input.
  FileStream(int fd, std::string name)
      : ByteStream(std::move(name), std::numeric_limits<std::uint64_t>::max()), fd_(fd), owned_(false) {}
  ~FileStream() override {
    if (owned_) ::close(fd_);
  }
  // What lies on disk is what this stream delivers.
  std::string file_sha256() override {
    if (!owned_ || forgone_) return "";
    skip_to_end();
    return content_sha256();
  }
  void forgo_file_sha256() override {
    forgone_ = true;
    drop_content_sha256();
  }

 private:
  std::size_t read_some(std::span<std::uint8_t> dst) override {
    while (true) {
      const ssize_t n = ::read(fd_, dst.data(), dst.size());
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno != EINTR) {
        throw DataError(
            fmt::format("{}: cannot be read at byte {}: {}", name(), position(), std::strerror(errno)));
      }
    }
  }
  int fd_;
  bool owned_;
  bool forgone_ = false;
};

[[noreturn]] void throw_damaged(const ByteStream& stream, std::string_view format, bool cut,
                                std::string_view found) {
  throw DataError(
      fmt::format("{}: {} {} data: {} byte {} of the file, found {}, wanted a complete {} stream; copy or "
                  "download the file again",
                  stream.name(), cut ? "truncated" : "corrupt", format, cut ? "ends at" : "near",
                  stream.file_position(), found, format));
}

// gzip and zlib streams, by ISA-L, which takes half of zlib's time. gzip does not go through libarchive,
// whose gzip filter checks neither CRC nor length (libarchive 3.6).
class InflateStream final : public ByteStream {
 public:
  enum class Format { gzip, zlib };

  InflateStream(std::unique_ptr<ByteStream> source, std::uint64_t max_bytes)
      : InflateStream(*source, Format::gzip, std::numeric_limits<std::uint64_t>::max(), max_bytes) {
    owned_ = std::move(source);
  }
  // The next n bytes of the source are one zlib stream.
  InflateStream(ByteStream& source, std::uint64_t n)
      : InflateStream(source, Format::zlib, n, source.max_bytes()) {}
  std::string file_sha256() override { return source_.file_sha256(); }
  void forgo_file_sha256() override { source_.forgo_file_sha256(); }
  std::uint64_t file_position() const override { return source_.position() - z_.avail_in; }

 private:
  InflateStream(ByteStream& source, Format format, std::uint64_t n, std::uint64_t max_bytes)
      : ByteStream(source.name(), max_bytes), source_(source), format_(format), unread_(n), input_(kPortion) {
    isal_inflate_init(&z_);
    start_member();
  }

  void start_member() { z_.crc_flag = format_ == Format::gzip ? ISAL_GZIP : ISAL_ZLIB; }

  [[noreturn]] void fail(bool cut, std::string_view found) const {
    throw_damaged(*this, format_ == Format::gzip ? "gzip" : "zlib", cut, found);
  }
  [[noreturn]] void fail(int status) const {
    switch (status) {
      case ISAL_INVALID_BLOCK:
        fail(false, "an invalid block");
      case ISAL_INVALID_SYMBOL:
        fail(false, "an invalid code");
      case ISAL_INVALID_LOOKBACK:
        fail(false, "a distance too far back");
      case ISAL_INCORRECT_CHECKSUM:
        fail(false, "an incorrect checksum or length of the content");
      case ISAL_NEED_DICT:
        fail(false, "a preset dictionary");
      default:
        fail(false, "an invalid header");
    }
  }

  // Makes sure that at least one unread input byte is there; false at the end.
  bool refill() {
    if (z_.avail_in > 0) return true;
    const std::size_t portion = static_cast<std::size_t>(std::min<std::uint64_t>(input_.size(), unread_));
    z_.avail_in = static_cast<std::uint32_t>(source_.read(std::span(input_).first(portion)));
    z_.next_in = input_.data();
    unread_ -= z_.avail_in;
    return z_.avail_in > 0;
  }

  std::size_t read_some(std::span<std::uint8_t> dst) override {
    if (ended_) return 0;
    const auto wanted = static_cast<std::uint32_t>(
        std::min<std::size_t>(dst.size(), std::numeric_limits<std::uint32_t>::max() / 2));
    z_.next_out = dst.data();
    z_.avail_out = wanted;
    while (z_.avail_out == wanted) {
      // The decoder may hold output back, so the end of the input is the end only if nothing more comes.
      const bool at_end = !refill();
      const std::uint32_t input_before = z_.avail_in;
      const int status = isal_inflate(&z_);
      if (status < 0 || status == ISAL_NEED_DICT) fail(status);
      if (z_.block_state == ISAL_BLOCK_FINISH) {
        if (next_member()) continue;
        ended_ = true;
        break;
      }
      if (z_.avail_out < wanted || z_.avail_in < input_before) continue;
      if (at_end) fail(true, "the end of the data");
      fail(false, "a code that leads nowhere");
    }
    return wanted - z_.avail_out;
  }

  // After the compressed data: another gzip member may follow, or nothing, or padding with zeros (tapes,
  // block devices).
  bool next_member() {
    while (refill()) {
      if (*z_.next_in != 0) {
        if (format_ != Format::gzip || *z_.next_in != static_cast<std::uint8_t>(kGzip[0])) {
          fail(false, "foreign bytes after the end of the compressed data");
        }
        isal_inflate_reset(&z_);
        start_member();
        return true;
      }
      ++z_.next_in;
      --z_.avail_in;
    }
    return false;
  }

  std::unique_ptr<ByteStream> owned_;
  ByteStream& source_;
  Format format_;
  std::uint64_t unread_;  // bytes of the source that still belong to this stream
  std::vector<std::uint8_t> input_;
  inflate_state z_{};
  bool ended_ = false;
};

struct FreeArchive {
  void operator()(archive* a) const noexcept { libarchive().read_free(a); }
};

// A libarchive reader over a ByteStream. No exception may pass through libarchive's C code: the first is kept
// here.
struct ArchiveReader {
  explicit ArchiveReader(std::unique_ptr<ByteStream> from)
      : source(std::move(from)), input(kPortion), a(libarchive().read_new()) {
    if (!a) throw std::bad_alloc();
  }
  int open() { return libarchive().read_open(a.get(), this, nullptr, &ArchiveReader::read, nullptr); }
  void rethrow() const {
    if (error) std::rethrow_exception(error);
  }
  [[nodiscard]] std::string message() const {
    const char* text = libarchive().error_string(a.get());
    return text == nullptr ? "an unknown error" : text;
  }

  static la_ssize_t read(archive* /*a*/, void* self, const void** bytes) {
    auto& reader = *static_cast<ArchiveReader*>(self);
    try {
      const std::size_t n = reader.source->read(reader.input);
      reader.at_end = n == 0;
      *bytes = reader.input.data();
      return static_cast<la_ssize_t>(n);
    } catch (...) {
      reader.error = std::current_exception();
      return ARCHIVE_FATAL;
    }
  }

  std::unique_ptr<ByteStream> source;
  std::vector<std::uint8_t> input;
  std::exception_ptr error;
  bool at_end = false;
  std::unique_ptr<archive, FreeArchive> a;
};

// xz and bzip2: libarchive's filters with its "raw" format, which is one member without a name.
class FilterStream final : public ByteStream {
 public:
  FilterStream(std::unique_ptr<ByteStream> source, std::string_view format, std::uint64_t max_bytes)
      : ByteStream(source->name(), max_bytes), format_(format), reader_(std::move(source)) {
    archive* a = reader_.a.get();
    libarchive().read_support_filter_xz(a);
    libarchive().read_support_filter_bzip2(a);
    libarchive().read_support_format_raw(a);
    libarchive().read_support_format_empty(a);
  }
  std::string file_sha256() override { return reader_.source->file_sha256(); }
  void forgo_file_sha256() override { reader_.source->forgo_file_sha256(); }
  std::uint64_t file_position() const override { return reader_.source->position(); }

 private:
  std::size_t read_some(std::span<std::uint8_t> dst) override {
    if (!opened_) {
      opened_ = true;
      if (reader_.open() < ARCHIVE_WARN) fail();
      archive_entry* entry = nullptr;
      const int status = libarchive().read_next_header(reader_.a.get(), &entry);
      ended_ = status == ARCHIVE_EOF;
      if (!ended_ && status != ARCHIVE_OK) fail();
    }
    if (ended_) return 0;
    const la_ssize_t n = libarchive().read_data(reader_.a.get(), dst.data(), dst.size());
    if (n < 0) fail();
    ended_ = n == 0;
    return static_cast<std::size_t>(n);
  }
  [[noreturn]] void fail() const {
    reader_.rethrow();
    throw_damaged(*this, format_, reader_.at_end, reader_.at_end ? "the end of the data" : reader_.message());
  }

  std::string_view format_;
  ArchiveReader reader_;
  bool opened_ = false;
  bool ended_ = false;
};

// The data of the archive member whose header was read last.
class MemberStream final : public ByteStream {
 public:
  MemberStream(ArchiveReader& reader, const std::string& path, const std::string& member,
               std::uint64_t max_bytes)
      : ByteStream(path + ":" + member, max_bytes), reader_(reader), path_(path) {
    want_content_sha256();
  }
  // An archive's own checksum says nothing about which member was read, the member's does.
  std::string file_sha256() override {
    skip_to_end();
    return content_sha256();
  }

 private:
  std::size_t read_some(std::span<std::uint8_t> dst) override {
    if (ended_) return 0;
    const la_ssize_t n = libarchive().read_data(reader_.a.get(), dst.data(), dst.size());
    if (n < 0) {
      reader_.rethrow();
      throw DataError(
          fmt::format("{}: damaged archive after byte {} of this member: {}; copy or download {} again",
                      name(), position(), reader_.message(), path_));
    }
    ended_ = n == 0;
    return static_cast<std::size_t>(n);
  }
  ArchiveReader& reader_;
  std::string path_;
  bool ended_ = false;
};

}  // namespace

void ByteStream::check_total(std::size_t got) const {
  if (position_ + ahead_.size() + got > max_bytes_) {
    throw DataError(
        fmt::format("{}: holds more than {} bytes, the most that is plausible here", name_, max_bytes_));
  }
}

std::size_t ByteStream::pull(std::span<std::uint8_t> dst) {
  std::size_t got = 0;
  while (got < dst.size()) {
    const std::size_t n = read_some(dst.subspan(got));
    if (n == 0) break;
    got += n;
    check_total(got);
  }
  return got;
}

std::string ByteStream::content_sha256() const {
  if (!hash_content_) {
    throw InvalidArgument(
        fmt::format("[content_sha256] {}: the checksum was not asked for before reading", name_));
  }
  return content_.hex();
}

std::size_t ByteStream::read(std::span<std::uint8_t> dst) {
  const std::size_t got = deliver(dst);
  if (hash_content_) content_.update(dst.first(got));
  return got;
}

std::size_t ByteStream::read_available(std::span<std::uint8_t> dst) {
  if (dst.empty()) return 0;
  if (!ahead_.empty()) return read(dst.first(std::min(dst.size(), ahead_.size())));
  const std::size_t got = read_some(dst);
  check_total(got);
  position_ += got;
  if (hash_content_) content_.update(dst.first(got));
  return got;
}

std::size_t ByteStream::deliver(std::span<std::uint8_t> dst) {
  const std::size_t from_ahead = std::min(dst.size(), ahead_.size());
  std::copy_n(ahead_.begin(), from_ahead, dst.begin());
  std::size_t got = from_ahead;
  // What was peeked stays counted in ahead_ until all of it is delivered, so that pull() sees the true total.
  if (from_ahead == ahead_.size()) got += pull(dst.subspan(from_ahead));
  ahead_.erase(ahead_.begin(), ahead_.begin() + static_cast<std::ptrdiff_t>(from_ahead));
  position_ += got;
  return got;
}

void ByteStream::fail_truncated(std::string_view what, std::uint64_t wanted, std::uint64_t start,
                                std::uint64_t found) const {
  throw DataError(fmt::format("{}: truncated: {}: wanted {} bytes from byte {}, found {}", name_, what,
                              wanted, start, found));
}

void ByteStream::read_exactly(std::span<std::uint8_t> dst, std::string_view what) {
  const std::uint64_t start = position_;
  const std::size_t got = read(dst);
  if (got < dst.size()) fail_truncated(what, dst.size(), start, got);
}

void ByteStream::append_exactly(std::vector<std::uint8_t>& dst, std::uint64_t n, std::string_view what) {
  constexpr std::uint64_t kStep = std::uint64_t{2} << 20;
  const std::uint64_t start = position_;
  dst.reserve(dst.size() + std::min(n, kMaxTrustedReserve));
  std::future<void> hashing;  // of a step, while the next one is decoded
  for (std::uint64_t done = 0; done < n;) {
    const std::size_t old_size = dst.size();
    const auto step = static_cast<std::size_t>(std::min(kStep, n - done));
    if (hashing.valid() && dst.capacity() < old_size + step) hashing.get();  // before the bytes move
    dst.resize(old_size + step);
    const std::span<std::uint8_t> bytes = std::span(dst).subspan(old_size);
    const std::size_t got = deliver(bytes);
    done += got;
    if (hashing.valid()) hashing.get();
    if (got < step) fail_truncated(what, n, start, done);
    // On a thread of its own where there is one, else when it is asked for.
    if (hash_content_) {
      hashing = std::async(n <= kStep ? std::launch::deferred : std::launch::async | std::launch::deferred,
                           [this, bytes] { content_.update(bytes); });
    }
  }
  if (hashing.valid()) hashing.get();
}

void ByteStream::expect_end(std::string_view wanted) {
  if (!peek(1).empty()) {
    throw DataError(fmt::format("{}: oversized: found more bytes at byte {}, wanted the end after {}", name_,
                                position_, wanted));
  }
}

std::span<const std::uint8_t> ByteStream::peek(std::size_t n) {
  if (ahead_.size() < n) {
    std::vector<std::uint8_t> more(n - ahead_.size());
    more.resize(pull(more));
    ahead_.insert(ahead_.end(), more.begin(), more.end());
  }
  return std::span<const std::uint8_t>(ahead_).first(std::min(n, ahead_.size()));
}

void ByteStream::skip(std::uint64_t n, std::string_view what) {
  const std::uint64_t start = position_;
  std::vector<std::uint8_t> portion(static_cast<std::size_t>(std::min<std::uint64_t>(n, kPortion)));
  for (std::uint64_t done = 0; done < n;) {
    const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(portion.size(), n - done));
    const std::size_t got = read(std::span(portion).first(step));
    done += got;
    if (got < step) fail_truncated(what, n, start, done);
  }
}

void ByteStream::skip_to_end() {
  std::vector<std::uint8_t> portion(kPortion);
  while (read(portion) == portion.size()) {
  }
}

std::vector<std::uint8_t> ByteStream::read_all() {
  std::vector<std::uint8_t> all;
  std::size_t filled = 0;
  do {
    all.resize(std::max(kPortion, 2 * filled));
    filled += read(std::span(all).subspan(filled));
  } while (filled == all.size());
  all.resize(filled);
  return all;
}

std::unique_ptr<ByteStream> open_bytes(std::span<const std::uint8_t> bytes, std::string name) {
  return std::make_unique<MemoryStream>(bytes, std::move(name));
}

std::unique_ptr<ByteStream> open_raw_file(const std::string& path) {
  return std::make_unique<FileStream>(path);
}

std::unique_ptr<ByteStream> decompressed(std::unique_ptr<ByteStream> raw, std::uint64_t max_bytes) {
  const std::span<const std::uint8_t> magic = raw->peek(kXz.size());
  if (starts_with(magic, kGzip)) return std::make_unique<InflateStream>(std::move(raw), max_bytes);
  for (const auto& [bytes, format] : {std::pair{kXz, "xz"sv}, std::pair{kBzip2, "bzip2"sv}}) {
    if (starts_with(magic, bytes)) return std::make_unique<FilterStream>(std::move(raw), format, max_bytes);
  }
  raw->set_max_bytes(max_bytes);
  return raw;
}

std::unique_ptr<ByteStream> open_zlib(ByteStream& source, std::uint64_t n) {
  return std::make_unique<InflateStream>(source, n);
}

std::unique_ptr<ByteStream> open_file(const std::string& path, std::uint64_t max_bytes) {
  return decompressed(open_raw_file(path), max_bytes);
}

std::unique_ptr<ByteStream> open_input(const std::string& path, std::uint64_t max_bytes) {
  if (path != "-") return open_file(path, max_bytes);
  return decompressed(std::make_unique<FileStream>(STDIN_FILENO, "standard input"), max_bytes);
}

void for_each_member(const std::string& path, std::uint64_t max_bytes,
                     const std::function<bool(const std::string& member, ByteStream& content)>& visit) {
  std::unique_ptr<ByteStream> source = open_raw_file(path);
  const bool gzip = starts_with(source->peek(kGzip.size()), kGzip);
  if (gzip) source = decompressed(std::move(source), std::numeric_limits<std::uint64_t>::max());
  ArchiveReader reader(std::move(source));
  archive* a = reader.a.get();
  libarchive().read_support_filter_xz(a);
  libarchive().read_support_filter_bzip2(a);
  libarchive().read_support_format_tar(a);
  libarchive().read_support_format_zip(a);
  // A zip archive's directory lies at its end: libarchive needs to seek, which it does in a file that it
  // opens itself.
  int status = gzip ? reader.open() : libarchive().read_open_filename(a, path.c_str(), kPortion);
  const auto fail = [&] {
    reader.rethrow();
    throw DataError(fmt::format("{}: is not a readable tar or zip archive: {}", path, reader.message()));
  };
  if (status < ARCHIVE_WARN) fail();
  while (true) {
    archive_entry* entry = nullptr;
    status = libarchive().read_next_header(a, &entry);
    if (status == ARCHIVE_EOF) return;
    if (status < ARCHIVE_WARN) fail();
    if (libarchive().entry_filetype(entry) != AE_IFREG) continue;
    const char* raw_name = libarchive().entry_pathname(entry);
    if (raw_name == nullptr) raw_name = libarchive().entry_pathname_utf8(entry);
    const std::string member = raw_name == nullptr ? "(unreadable name)" : raw_name;
    MemberStream content(reader, path, member, max_bytes);
    if (!visit(member, content)) return;
  }
}

bool is_archive(const std::string& path) {
  const std::unique_ptr<ByteStream> content = open_file(path);
  const std::span<const std::uint8_t> start = content->peek(kMagicBytes);
  return starts_with(start, kZip) ||
         (start.size() == kMagicBytes && starts_with(start.subspan(kTarMagicOffset), kTar));
}

}  // namespace deepsad
