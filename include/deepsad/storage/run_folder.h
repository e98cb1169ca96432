// The folder of one run: claimed by exactly one process, filled with files that are never overwritten.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace deepsad {

/// A run folder that this process owns. Claiming it creates its log.txt exclusively: of any number of
/// processes that want the same folder at the same moment, one gets it and the others are refused. Everything
/// in it is new.
class RunFolder {
 public:
  /// Claims `path`: a new folder, or an existing empty one. Of missing folders at most the last two levels
  /// are created
  /// (`runs/first` where neither exists), so that a slip of the pen does not grow a tree.
  /// @throws IoError if the folder holds a run or any other file (naming --new-run, the flag that makes a new
  /// one beside it), is a file, or cannot be created
  [[nodiscard]] static RunFolder create(const std::string& path);

  /// Claims `base` if it is missing or empty, else the first of base-2, base-3, ... that does not exist yet.
  /// @throws IoError if no folder can be created there
  [[nodiscard]] static RunFolder create_beside(const std::string& base);

  /// Takes over the folder of a run that was broken off: it holds config.json and log.txt but no
  /// results.json. From here on write() replaces what the broken-off run may have written already.
  /// @throws IoError if there is no such folder, the run is finished, or a process still works on it
  [[nodiscard]] static RunFolder resume(const std::string& path);

  RunFolder(RunFolder&&) noexcept;
  RunFolder& operator=(RunFolder&&) noexcept;
  ~RunFolder();

  [[nodiscard]] const std::string& path() const;
  /// The path of a file in the folder. @throws InvalidArgument if `name` is not a plain file name
  [[nodiscard]] std::string file(std::string_view name) const;
  /// A new file in the folder, complete or not there at all (write_file); in a resumed run it replaces an old
  /// one.
  /// @throws IoError as write_file does, InvalidArgument if `name` is not a plain file name
  void write(std::string_view name, std::span<const std::uint8_t> bytes) const;
  void write(std::string_view name, std::string_view text) const;

  /// Appends one line to log.txt at once ('\n' is added), so that the log of a run that dies is whole up to
  /// there. Safe from several threads. @throws IoError if it cannot be written
  void log(std::string_view line) const;

  /// Gives the folder back: removes log.txt, and the folders that create() made, if the run has left nothing
  /// else. For runs that ended before they had anything to keep. Afterwards only path() may be called.
  void abandon() noexcept;

 private:
  struct State;
  explicit RunFolder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Name of the model in a run folder.
inline constexpr const char* kModelFileName = "model.safetensors";
/// The file of a model that is named by it or by the run folder that holds it. A path to no folder is
/// returned as it is. @throws IoError for a folder without a model
[[nodiscard]] std::string model_file(const std::string& path);

}  // namespace deepsad
