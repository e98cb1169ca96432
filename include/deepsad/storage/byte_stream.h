// Bytes read front to back, from memory, a file, a compressed file or a member of an archive, under a name
// that error messages show. Readers of data formats take a ByteStream, so that their tests need no files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "deepsad/storage/checksum.h"

namespace deepsad {

/// The most bytes a file may hold after decompression unless the caller knows better (16 GiB): a guard
/// against small files that decompress without end.
inline constexpr std::uint64_t kDefaultMaxBytes = std::uint64_t{16} << 30;

/// Bytes of one file or archive member. Not safe for use by two threads at once.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  /// For messages: "dir/t10k-images.gz" or "dir/cifar-10-binary.tar.gz:data_batch_1.bin".
  [[nodiscard]] const std::string& name() const { return name_; }
  /// Bytes delivered so far; counted after decompression.
  [[nodiscard]] std::uint64_t position() const { return position_; }
  /// The most bytes this stream may deliver.
  [[nodiscard]] std::uint64_t max_bytes() const { return max_bytes_; }
  void set_max_bytes(std::uint64_t max_bytes) { max_bytes_ = max_bytes; }

  /// Fills @p dst from the front and returns how many bytes it got: fewer than asked for only at the end.
  /// @throws DataError if the compression is truncated or corrupt, the file cannot be read, or more than
  /// max_bytes() bytes come
  std::size_t read(std::span<std::uint8_t> dst);
  /// As read(), but returns as soon as there is anything: what a pipe has delivered by now. 0 only at the end
  /// (or for an empty @p dst).
  std::size_t read_available(std::span<std::uint8_t> dst);
  /// Fills all of @p dst. @param what the thing read, for the message: "the pixels of image 17"
  /// @throws DataError as read(), and if the stream ends too early
  void read_exactly(std::span<std::uint8_t> dst, std::string_view what);
  /// @p n bytes appended to @p dst; memory grows with what really arrives, whatever size a damaged header
  /// promised.
  /// @throws DataError as read_exactly()
  void append_exactly(std::vector<std::uint8_t>& dst, std::uint64_t n, std::string_view what);
  /// @throws DataError if the stream does not end here. @param wanted what makes this the end: "10000 labels"
  void expect_end(std::string_view wanted);
  /// The next bytes without taking them: @p n of them, fewer only at the end. Valid until the next call.
  [[nodiscard]] std::span<const std::uint8_t> peek(std::size_t n);
  /// Drops @p n bytes. @throws DataError as read_exactly()
  void skip(std::uint64_t n, std::string_view what);
  /// Reads to the end and drops what comes, so that content_sha256() is that of the whole.
  void skip_to_end();
  /// Everything that is left.
  [[nodiscard]] std::vector<std::uint8_t> read_all();

  /// Asks for content_sha256(); before the first byte is read. Nobody else pays for it.
  void want_content_sha256() { hash_content_ = true; }
  /// SHA-256 of the bytes delivered so far; of the whole content once the end is reached.
  /// @throws InvalidArgument if it was not asked for
  [[nodiscard]] std::string content_sha256() const;
  /// SHA-256 of the file as it lies on disk (the compressed bytes); reads what is left of it, so call it when
  /// done with the stream. For a stream over memory: of that memory; for a member of an archive: of the
  /// member.
  [[nodiscard]] virtual std::string file_sha256() = 0;
  /// Nobody will ask for file_sha256(), which then may be empty: saves computing it beside the reading.
  virtual void forgo_file_sha256() {}
  /// Bytes of the underlying file consumed so far, for messages about damaged compression.
  [[nodiscard]] virtual std::uint64_t file_position() const { return position_; }

 protected:
  explicit ByteStream(std::string name, std::uint64_t max_bytes = kDefaultMaxBytes)
      : name_(std::move(name)), max_bytes_(max_bytes) {}
  /// Up to dst.size() (> 0) bytes; 0 means the end.
  virtual std::size_t read_some(std::span<std::uint8_t> dst) = 0;
  void drop_content_sha256() { hash_content_ = false; }

 private:
  std::size_t pull(std::span<std::uint8_t> dst);
  std::size_t deliver(std::span<std::uint8_t> dst);
  void check_total(std::size_t got) const;
  [[noreturn]] void fail_truncated(std::string_view what, std::uint64_t wanted, std::uint64_t start,
                                   std::uint64_t found) const;

  std::string name_;
  std::uint64_t max_bytes_;
  std::uint64_t position_ = 0;
  std::vector<std::uint8_t> ahead_;  // peeked, not yet delivered
  bool hash_content_ = false;
  Sha256 content_;  // of what was delivered, if wanted
};

/// The stream over @p bytes, which must outlive it; never decompressed.
[[nodiscard]] std::unique_ptr<ByteStream> open_bytes(std::span<const std::uint8_t> bytes, std::string name);

/// The file's bytes as they lie on disk. @throws DataError if it cannot be opened or is a folder
[[nodiscard]] std::unique_ptr<ByteStream> open_raw_file(const std::string& path);

/// The content of @p raw: decompressed if its first bytes are those of gzip, xz or bzip2, else as it is. The
/// checksums inside these are verified; several compressed members in a row are one content.
/// @param max_bytes the most bytes the content may hold
/// @throws DataError on reading, naming the offset in the file, what was found and what was wanted
[[nodiscard]] std::unique_ptr<ByteStream> decompressed(std::unique_ptr<ByteStream> raw,
                                                       std::uint64_t max_bytes = kDefaultMaxBytes);

/// The content of the next @p n bytes of @p source, which must be one zlib stream (RFC 1950; its checksum is
/// verified).
/// @p source must outlive it and must not be read meanwhile. @throws DataError on reading, as decompressed()
[[nodiscard]] std::unique_ptr<ByteStream> open_zlib(ByteStream& source, std::uint64_t n);

/// decompressed(open_raw_file(path), max_bytes).
[[nodiscard]] std::unique_ptr<ByteStream> open_file(const std::string& path,
                                                    std::uint64_t max_bytes = kDefaultMaxBytes);

/// open_file(), or, for "-", standard input, which may be compressed too, is named "standard input" and has
/// no checksum of its file.
[[nodiscard]] std::unique_ptr<ByteStream> open_input(const std::string& path,
                                                     std::uint64_t max_bytes = kDefaultMaxBytes);

/// Calls @p visit for every regular file in a tar (plain or compressed) or zip archive, in the archive's
/// order. The stream is valid during the call and need not be read to its end; it is named "path:member".
/// Return false to stop.
/// @param max_bytes the most bytes one member may hold
/// @throws DataError if @p path is no such archive, or is truncated, corrupt or encrypted
void for_each_member(const std::string& path, std::uint64_t max_bytes,
                     const std::function<bool(const std::string& member, ByteStream& content)>& visit);

/// Whether the file starts as a tar (plain or compressed) or zip archive does. @throws DataError if it cannot
/// be read
[[nodiscard]] bool is_archive(const std::string& path);

}  // namespace deepsad
