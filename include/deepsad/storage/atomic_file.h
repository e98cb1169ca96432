// Files that appear complete or not at all, and never over another file.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace deepsad {

/// Writes a new file of exactly these bytes. They go to a temporary file ".deepsad-<random>.partial" in the
/// same folder, are flushed to the disk, and get their name in one step that fails if the name is taken, so
/// that nobody ever sees half a file and two writers cannot overwrite each other. After a failure nothing is
/// left behind. Permissions are those of any new file (0666 less the umask).
/// @throws IoError if a file, folder or link of that name exists, the folder is missing or not writable, the
/// disk is full or a size limit is reached; the message names the path, the reason and the remedy
void write_file(const std::string& path, std::span<const std::uint8_t> bytes);
/// The same with text, written as it is.
void write_file(const std::string& path, std::string_view text);

/// As write_file, but an existing file of that name is replaced: readers see the old content or the new,
/// never a mixture. A symbolic link is replaced itself, not the file it points to.
void replace_file(const std::string& path, std::span<const std::uint8_t> bytes);
void replace_file(const std::string& path, std::string_view text);

/// A new file that is written portion by portion and gets its name when it is complete, as write_file()
/// does; until then, or if commit() is never called, nothing of it is to be seen.
class NewFile {
 public:
  /// @throws IoError as write_file(): before any work, if the name is taken or nothing can be written there
  explicit NewFile(std::string path);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  /// Short texts are written together, so that a full disk may be noticed by a later call.
  /// @throws IoError if the disk is full or a size limit is reached
  void append(std::string_view text);
  /// Puts everything on the disk and gives the file its name; nothing may be appended after it.
  /// @throws IoError as append(), and if the name has been taken meanwhile
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Gives the finished file `from` the name `to` (same filesystem) in one step, for files that were too large
/// to write in one call. `from` stays untouched if that fails.
/// @throws IoError if `to` exists or the system refuses
void rename_new(const std::string& from, const std::string& to);

/// The whole file. @throws IoError if it cannot be opened or read, or is a folder
[[nodiscard]] std::vector<std::uint8_t> read_file(const std::string& path);

}  // namespace deepsad
