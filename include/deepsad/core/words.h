// Lists of words as people write them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace deepsad {

/// The words between the commas, without the spaces and tabs around them; between two commas in a row, and of
/// an empty text, an empty word.
[[nodiscard]] std::vector<std::string> comma_words(std::string_view text);

}  // namespace deepsad
