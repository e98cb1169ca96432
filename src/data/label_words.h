// What is said of a word that a label map does not know.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "deepsad/data/labels.h"

namespace deepsad {

/// The two columns of labels, each with a map of its own.
enum class LabelKind { semi, truth };

/// How often each word of a column of labels is there, by CategoryKey.
using LabelWords = std::map<std::string, std::size_t, std::less<>>;

/// @param cell that map.find() does not understand   @param place "FILE:LINE:COLUMN"
/// @param words of its column, for an example of a map; may be empty
/// @throws DataError always
[[noreturn]] void refuse_label(const LabelMap& map, std::string_view cell, std::string_view place,
                               LabelKind kind, const LabelWords& words);

}  // namespace deepsad
