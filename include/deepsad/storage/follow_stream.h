// Bytes that are still being written: a pipe that trickles, or a file that grows.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "deepsad/storage/byte_stream.h"

namespace deepsad {

/// The bytes of a pipe, "-" for standard input, up to its end; or of a file, which is followed as it grows
/// and has no end. Not decompressed, and without a limit on its length.
/// @param while_waiting called about five times a second, and at once after a signal, as long as there is
/// nothing to read. What it throws comes out of the read, after which reading may go on where it was.
/// @throws DataError if it cannot be opened, and on reading if it cannot be read or a file became shorter
[[nodiscard]] std::unique_ptr<ByteStream> open_followed(const std::string& path,
                                                        std::function<void()> while_waiting);

}  // namespace deepsad
