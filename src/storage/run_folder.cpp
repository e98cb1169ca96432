#include "deepsad/storage/run_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/storage/atomic_file.h"
#include "storage/posix_file.h"

namespace deepsad {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kLogName = "log.txt";
// Files by which a folder is known to hold a run; any other file makes it a folder in use all the same.
constexpr std::string_view kRunFiles[] = {kLogName, "config.json", "results.json", kModelFileName};

// "out/" and "./out" -> "out"; "." -> the full name, so that something can be put beside it.
std::string tidy(const std::string& path) {
  if (path.empty()) throw IoError("a run folder needs a name; give a path");
  fs::path p = fs::path(path).lexically_normal();
  if (p.filename().empty()) p = p.parent_path();
  if (p.empty() || p.filename() == "." || p.filename() == "..") {
    std::error_code error;
    p = fs::absolute(p.empty() ? "." : p, error).lexically_normal();
    if (p.filename().empty() || p.filename() == ".") p = p.parent_path();
  }
  return p.string();
}

// Names in the folder, sorted; the folder must exist.
std::vector<std::string> entries_of(const std::string& path) {
  std::error_code error;
  std::vector<std::string> names;
  fs::directory_iterator it(path, error);
  while (!error && it != fs::directory_iterator()) {
    names.push_back(it->path().filename().string());
    it.increment(error);
  }
  if (error)
    throw IoError(fmt::format("{}: cannot be listed: {}; choose another folder", path, error.message()));
  std::sort(names.begin(), names.end());
  return names;
}

std::string in_use(const std::string& path, const std::vector<std::string>& entries) {
  const auto run_file =
      std::find_first_of(entries.begin(), entries.end(), std::begin(kRunFiles), std::end(kRunFiles));
  std::string found = "was taken by another run just now";  // and given back since
  if (run_file != entries.end()) {
    found = fmt::format("holds a run already ({})", *run_file);
  } else if (!entries.empty()) {
    found = fmt::format("is not empty (it holds {})", entries.front());
  }
  return fmt::format(
      "{}: {}; a run needs a folder of its own: choose a new or empty one, or add --new-run to make one "
      "beside it "
      "({}-2)",
      path, found, path);
}

}  // namespace

struct RunFolder::State {
  std::string path;
  posix::Descriptor log;
  std::vector<std::string> made;  // folders created for this run, outermost first
  bool resumed = false;
};

namespace {

enum class MakeResult { made, existed };

// mkdir of one level. Being the one for whom it succeeds is what makes a folder ours among competing
// processes.
MakeResult make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0777) == 0) return MakeResult::made;
  const int error = errno;
  if (error != EEXIST) throw IoError(posix::write_error(path, error));
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    throw IoError(
        fmt::format("{}: cannot be used as a run folder: {}", path, std::system_category().message(errno)));
  }
  if (!S_ISDIR(status.st_mode)) {
    throw IoError(fmt::format("{}: is a file, not a folder; choose another name for the run folder", path));
  }
  return MakeResult::existed;
}

void remove_folders(const std::vector<std::string>& made) noexcept {
  // rmdir refuses folders that have become useful to somebody else.
  for (auto it = made.rbegin(); it != made.rend(); ++it) ::rmdir(it->c_str());
}

// Takes the lock that says that somebody works on the run; the system gives it back when the process ends,
// however it ends. False if another process has it; file systems without locks say yes.
bool try_lock(const posix::Descriptor& log) {
  return ::flock(log.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

// Takes the existing folder, or nothing if another run has it or other files lie in it.
std::optional<posix::Descriptor> claim(const std::string& path) {
  if (!entries_of(path).empty()) return std::nullopt;
  const std::string log_path = fmt::format("{}/{}", path, kLogName);
  posix::Descriptor log(::open(log_path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666));
  if (!log.is_open()) {
    if (errno == EEXIST) return std::nullopt;
    throw IoError(posix::write_error(log_path, errno));
  }
  (void)try_lock(log);                 // the file is new: nobody else asks for it
  if (entries_of(path).size() != 1) {  // something else came in between looking and claiming
    ::unlink(log_path.c_str());
    return std::nullopt;
  }
  return log;
}

}  // namespace

RunFolder::RunFolder(std::unique_ptr<State> state) : state_(std::move(state)) {}
RunFolder::RunFolder(RunFolder&&) noexcept = default;
RunFolder& RunFolder::operator=(RunFolder&&) noexcept = default;
RunFolder::~RunFolder() = default;

RunFolder RunFolder::create(const std::string& path) {
  auto state = std::make_unique<State>();
  state->path = tidy(path);
  try {
    const std::string parent = posix::parent_of(state->path);
    struct stat status {};
    if (::stat(parent.c_str(), &status) != 0 && errno == ENOENT && make_folder(parent) == MakeResult::made) {
      state->made.push_back(parent);
    }
    if (make_folder(state->path) == MakeResult::made) state->made.push_back(state->path);
    std::optional<posix::Descriptor> log = claim(state->path);
    if (!log) throw IoError(in_use(state->path, entries_of(state->path)));
    state->log = std::move(*log);
  } catch (...) {
    remove_folders(state->made);
    throw;
  }
  return RunFolder(std::move(state));
}

RunFolder RunFolder::create_beside(const std::string& base) {
  const std::string first = tidy(base);
  struct stat status {};
  if (::stat(first.c_str(), &status) != 0 || (S_ISDIR(status.st_mode) && entries_of(first).empty())) {
    try {
      return create(first);
    } catch (const IoError&) {
      // Another process may have taken it just now; any other reason will come again below, with its name.
      if (::stat(first.c_str(), &status) != 0) throw;
    }
  }
  constexpr int kMaxFolders = 1000000;
  for (int k = 2; k <= kMaxFolders; ++k) {
    auto state = std::make_unique<State>();
    state->path = fmt::format("{}-{}", first, k);
    // Only what we made ourselves: an empty folder may be one that its maker is about to claim.
    if (::mkdir(state->path.c_str(), 0777) != 0) {
      if (errno == EEXIST) continue;
      throw IoError(posix::write_error(state->path, errno));
    }
    state->made.push_back(state->path);
    std::optional<posix::Descriptor> log;
    try {
      log = claim(state->path);
    } catch (...) {
      remove_folders(state->made);
      throw;
    }
    if (!log) continue;
    state->log = std::move(*log);
    return RunFolder(std::move(state));
  }
  throw IoError(
      fmt::format("{}: {} folders of that name exist already; choose another name", first, kMaxFolders));
}

RunFolder RunFolder::resume(const std::string& path) {
  auto state = std::make_unique<State>();
  state->path = tidy(path);
  state->resumed = true;
  const auto holds = [&](std::string_view name) {
    std::error_code error;
    return fs::exists(fmt::format("{}/{}", state->path, name), error);
  };
  if (!holds("config.json") || !holds(kLogName))
    throw IoError(fmt::format("{}: holds no run that could be resumed: config.json or {} is missing",
                              state->path, kLogName));
  if (holds("results.json"))
    throw IoError(fmt::format("{}: the run is finished (it has its results.json)", state->path));
  const std::string log_path = fmt::format("{}/{}", state->path, kLogName);
  state->log = posix::Descriptor(::open(log_path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  if (!state->log.is_open()) throw IoError(posix::write_error(log_path, errno));
  if (!try_lock(state->log))
    throw IoError(fmt::format("{}: another process is still working on this run; wait for it, or stop it",
                              state->path));
  for (const std::string& name : entries_of(state->path))  // what a kill left of atomic writes
    if (name.starts_with(".deepsad-") && name.ends_with(".partial"))
      ::unlink(fmt::format("{}/{}", state->path, name).c_str());
  return RunFolder(std::move(state));
}

const std::string& RunFolder::path() const {
  return state_->path;
}

std::string RunFolder::file(std::string_view name) const {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string_view::npos) {
    throw InvalidArgument(fmt::format("[run folder] \"{}\" is not a plain file name", name));
  }
  return fmt::format("{}/{}", state_->path, name);
}

void RunFolder::write(std::string_view name, std::span<const std::uint8_t> bytes) const {
  if (state_->resumed)
    replace_file(file(name), bytes);
  else
    write_file(file(name), bytes);
}
void RunFolder::write(std::string_view name, std::string_view text) const {
  write(name, std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

void RunFolder::log(std::string_view line) const {
  // One write of the whole line to a file opened for appending, so that lines of several threads do not mix.
  const std::string text = fmt::format("{}\n", line);
  const int error = posix::write_all(state_->log.get(), text.data(), text.size());
  if (error != 0) throw IoError(posix::write_error(file(kLogName), error));
}

void RunFolder::abandon() noexcept {
  state_->log.close();
  try {
    if (entries_of(state_->path).size() == 1) ::unlink(file(kLogName).c_str());
    remove_folders(state_->made);
  } catch (const std::exception&) {
    // A folder that cannot be listed any more is left as it is; nothing of value is lost.
  }
}

std::string model_file(const std::string& path) {
  std::error_code not_there;
  if (!fs::is_directory(path, not_there)) return path;
  const fs::path inside = fs::path(path) / kModelFileName;
  if (!fs::exists(inside, not_there))
    throw IoError(
        fmt::format("{}: is a folder without a {}; give a model file, or the folder of a finished run", path,
                    kModelFileName));
  return inside.string();
}

}  // namespace deepsad
