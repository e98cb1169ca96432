// The library's version.
#pragma once

#include <string_view>

namespace deepsad {

/// "major.minor.patch" of the library that is linked (not of the headers).
[[nodiscard]] std::string_view version();

}  // namespace deepsad
