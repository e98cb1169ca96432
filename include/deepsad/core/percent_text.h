// Shares as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace deepsad {

/// "91.87 %"; "undefined" for NaN.
[[nodiscard]] std::string percent_text(double share, int decimals = 2);
/// Three significant digits: "0.125 %", "12.5 %".
[[nodiscard]] std::string short_percent_text(double share);
/// Of a part; "0 %" of nothing.
[[nodiscard]] std::string short_percent_text(std::uint64_t part, std::uint64_t whole);

}  // namespace deepsad
