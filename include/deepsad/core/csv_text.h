// Writing CSV (RFC 4180).
#pragma once

#include <string>
#include <string_view>

namespace deepsad {

/// The text as a field of a CSV file, quoted where that is needed: if it holds a comma, a quote or a line
/// end.
[[nodiscard]] std::string csv_field(std::string_view text);

}  // namespace deepsad
