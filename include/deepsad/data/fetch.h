// Downloads of named sets. A file gets its name only after its SHA-256 was found right; nothing that exists
// is ever overwritten; what was cut off is resumed.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "deepsad/core/progress.h"
#include "deepsad/data/named_sets.h"

namespace deepsad {

/// One file to download.
struct FetchFile {
  std::string path;               ///< under the target folder: "mnist/train-images-idx3-ubyte.gz"
  std::string sha256;             ///< of the file; 64 lower-case hexadecimal digits
  std::uint64_t bytes = 0;        ///< its size; 0 if unknown
  std::vector<std::string> urls;  ///< tried in this order; http or https
};

struct FetchOptions {
  std::chrono::seconds connect_timeout{20};
  std::chrono::seconds stall_timeout{30};  ///< a transfer that brings nothing for so long counts as cut off
  std::vector<std::string> mirrors{};  ///< fetch_named_set: folders to download from instead of the table's
  Observer observer{};                 ///< progress: phase "download PATH", done and total in bytes; messages
  const StopToken* stop = nullptr;     ///< may be null
};

enum class FetchOutcome {
  downloaded,     ///< from its first byte on
  resumed,        ///< an earlier download was continued
  already_there,  ///< the right file existed; nothing was done
};

struct FetchedFile {
  std::string path;
  FetchOutcome outcome = FetchOutcome::downloaded;
  std::string url;  ///< where it came from; empty if already there
};

/// Downloads one file to @p folder / file.path through "NAME.partial" beside it. Folders on the way are made.
/// A partial file of an earlier attempt is continued if the server can (HTTP ranges), else begun anew. A
/// mirror that fails, cuts off without bringing anything new, or sends other content is left for the next
/// one.
/// @throws DataError if a file of that name exists with another checksum; IoError if no mirror gave the right
/// file (listing each mirror with its reason; what came is kept for the next attempt), the folder cannot be
/// written, or another process is downloading the same file; Interrupted if the stop token was set (the
/// partial file is kept); InvalidArgument if the description has no url or no checksum
FetchedFile fetch_file(const FetchFile& file, const std::string& folder, const FetchOptions& options = {});

/// What `deepsad data fetch NAME` downloads, from the table of named sets.
[[nodiscard]] std::vector<FetchFile> named_set_downloads(const NamedSetInfo& set);

/// Makes sure that the set is under @p data_dir. If all its files are found in one of the known layouts and
/// their checksums are known, nothing is downloaded and they are reported as already there; otherwise the
/// set's downloads are fetched.
/// @throws as fetch_file(); DataError if a file that is there has unknown content
std::vector<FetchedFile> fetch_named_set(const std::string& name, const std::string& data_dir,
                                         const FetchOptions& options = {});

}  // namespace deepsad
