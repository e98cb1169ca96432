#include "deepsad/core/words.h"

#include <algorithm>

namespace deepsad {

std::vector<std::string> comma_words(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::string_view word = text.substr(begin, end - begin);
    word.remove_prefix(std::min(word.find_first_not_of(kBlanks), word.size()));
    word = word.substr(0, word.find_last_not_of(kBlanks) + 1);
    words.emplace_back(word);
    begin = end + 1;
  }
  return words;
}

}  // namespace deepsad
