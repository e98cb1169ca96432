// SHA-256 (FIPS 180-4), the checksum of every file the project names, fetches or writes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

struct evp_md_ctx_st;

namespace deepsad {

/// A running SHA-256: update() with the bytes in any portions, then hex().
class Sha256 {
 public:
  Sha256();
  void update(std::span<const std::uint8_t> bytes);
  /// The digest of all bytes so far, 64 lower-case hexadecimal digits. More bytes may follow.
  [[nodiscard]] std::string hex() const;

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const noexcept;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

/// SHA-256 of @p bytes, 64 lower-case hexadecimal digits.
[[nodiscard]] std::string sha256_hex(std::span<const std::uint8_t> bytes);

/// SHA-256 of the file at @p path as it lies on disk, read in portions.
/// @throws DataError if it cannot be opened or read
[[nodiscard]] std::string sha256_of_file(const std::string& path);

}  // namespace deepsad
