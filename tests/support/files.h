// What tests of readers and writers need: a folder that vanishes, compressed bytes, archives, and the text of
// an error.
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/errors.h"

namespace deepsad::testing {

using Bytes = std::vector<std::uint8_t>;

/// A fresh folder, removed with everything in it at the end of its life.
class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "deepsad-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed for " + pattern);
    path_ = pattern;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  /// The path of @p name in it; folders on the way are made.
  [[nodiscard]] std::string at(const std::string& name) const {
    const std::filesystem::path p = std::filesystem::path(path_) / name;
    std::filesystem::create_directories(p.parent_path());
    return p.string();
  }

 private:
  std::string path_;
};

inline void write_file(const std::string& path, std::span<const std::uint8_t> bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) throw std::runtime_error("cannot write " + path);
}

inline Bytes read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot open " + path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline Bytes bytes_of(const std::string& text) {
  return {text.begin(), text.end()};
}

/// An archive in memory. @param format "tar", "zip" or "raw" (one member)  @param filter "none", "gzip",
/// "xz", "bzip2"
inline Bytes make_archive(const std::string& format, const std::string& filter,
                          const std::vector<std::pair<std::string, Bytes>>& members) {
  archive* a = archive_write_new();
  if (format == "tar") archive_write_set_format_pax_restricted(a);
  if (format == "zip") archive_write_set_format_zip(a);
  if (format == "raw") archive_write_set_format_raw(a);
  if (filter != "none") archive_write_add_filter_by_name(a, filter.c_str());
  archive_write_set_bytes_in_last_block(a, 1);
  std::size_t size = 1 << 16;
  for (const auto& member : members) size += member.second.size() * 5 / 4 + 4096;
  Bytes out(size);
  std::size_t used = 0;
  bool ok = archive_write_open_memory(a, out.data(), out.size(), &used) == ARCHIVE_OK;
  for (const auto& [name, content] : members) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    ok = ok && archive_write_header(a, entry) == ARCHIVE_OK &&
         archive_write_data(a, content.data(), content.size()) == static_cast<la_ssize_t>(content.size());
    archive_entry_free(entry);
  }
  ok = archive_write_close(a) == ARCHIVE_OK && ok;
  archive_write_free(a);
  if (!ok) throw std::runtime_error("cannot make a " + format + " archive with filter " + filter);
  out.resize(used);
  return out;
}

inline Bytes compress(const std::string& filter, const Bytes& content) {
  return make_archive("raw", filter, {{"data", content}});
}

}  // namespace deepsad::testing
