#include "deepsad/data/labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>

#include "data/cell_text.h"
#include "data/label_words.h"
#include "data/schema_kinds.h"
#include "deepsad/core/error.h"

namespace deepsad {
namespace {

struct BuiltInWord {
  std::string_view word;
  SemiLabel label;
};
constexpr std::array<BuiltInWord, 25> kBuiltInWords = {
    {{"normal", SemiLabel::normal},        {"ok", SemiLabel::normal},
     {"good", SemiLabel::normal},          {"benign", SemiLabel::normal},
     {"inlier", SemiLabel::normal},        {"nominal", SemiLabel::normal},
     {"legitimate", SemiLabel::normal},    {"anomaly", SemiLabel::anomaly},
     {"anomalous", SemiLabel::anomaly},    {"abnormal", SemiLabel::anomaly},
     {"outlier", SemiLabel::anomaly},      {"fraud", SemiLabel::anomaly},
     {"attack", SemiLabel::anomaly},       {"malicious", SemiLabel::anomaly},
     {"bad", SemiLabel::anomaly},          {"malignant", SemiLabel::anomaly},
     {"unlabeled", SemiLabel::unlabelled}, {"unlabelled", SemiLabel::unlabelled},
     {"unknown", SemiLabel::unlabelled},   {"none", SemiLabel::unlabelled},
     {"na", SemiLabel::unlabelled},        {"n/a", SemiLabel::unlabelled},
     {"nan", SemiLabel::unlabelled},       {"null", SemiLabel::unlabelled},
     {"?", SemiLabel::unlabelled}}};

std::optional<SemiLabel> class_of(std::string_view word) {
  if (same_word(word, "normal")) return SemiLabel::normal;
  if (same_word(word, "anomaly")) return SemiLabel::anomaly;
  if (same_word(word, "unlabeled") || same_word(word, "unlabelled")) return SemiLabel::unlabelled;
  return {};
}

// A word as parse() reads it.
std::string map_word(const std::string& word) {
  if (word.find_first_of(",=\"") == std::string::npos) return word;
  std::string quoted = "\"";
  for (const char c : word) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

const char* class_word(SemiLabel label) {
  return label == SemiLabel::unlabelled ? "unlabeled" : label_name(label);
}

constexpr const char* kLongWord = "WORD";
bool is_short(const std::string& word) {
  constexpr std::size_t kLongest = 40;
  return word.size() <= kLongest;
}

// A map for these words, the commonest first. Those that are understood without a map keep their meaning; of
// several others the commonest is taken for normal if no word is.
std::string example_map(const LabelWords& words) {
  constexpr std::size_t kMostShown = 6;
  struct Entry {
    std::string_view word;
    std::size_t n;
    std::optional<SemiLabel> label;
  };
  std::vector<Entry> entries;
  for (const auto& [word, n] : words)
    if (!word.empty()) entries.push_back({word, n, LabelMap().find(word)});
  std::ranges::stable_sort(entries, std::greater<>(), &Entry::n);
  const auto n_unknown = std::ranges::count_if(entries, [](const Entry& e) { return !e.label; });
  const auto is_normal = [](const Entry& e) { return e.label == SemiLabel::normal; };
  bool wants_normal = n_unknown > 1 && std::ranges::none_of(entries, is_normal);
  std::string text;
  for (std::size_t i = 0; i < std::min(kMostShown, entries.size()); ++i) {
    Entry& entry = entries[i];
    if (!entry.label) {
      entry.label = wants_normal ? SemiLabel::normal : SemiLabel::anomaly;
      wants_normal = false;
    }
    const std::string word(entry.word);
    text += fmt::format("{}{}={}", i == 0 ? "" : ",", is_short(word) ? map_word(word) : kLongWord,
                        class_word(*entry.label));
  }
  if (entries.size() > kMostShown) text += ",...";
  if (words.contains("")) text += ",=unlabeled";
  return text;
}

// Reads WORD=CLASS,WORD=CLASS.
class MapParser {
 public:
  explicit MapParser(std::string_view text) : text_(text) {}

  [[nodiscard]] bool at_end() const { return at_ == text_.size(); }

  std::string word() {
    skip_spaces();
    std::string word;
    if (!at_end() && text_[at_] == '"') {
      const std::size_t open = at_++;
      while (true) {
        if (at_end()) refuse(open, "a quote opens here and is never closed");
        const char c = text_[at_++];
        if (c != '"') {
          word += c;
        } else if (!at_end() && text_[at_] == '"') {
          word += text_[at_++];
        } else {
          break;
        }
      }
      skip_spaces();
    } else {
      const std::size_t start = at_;
      while (!at_end() && text_[at_] != '=' && text_[at_] != ',') ++at_;
      word = trimmed(text_.substr(start, at_ - start));
    }
    if (at_end() || text_[at_] != '=') {
      refuse(at_, fmt::format("found {}, wanted = after {}",
                              at_end() ? "the end" : shown(text_.substr(at_, 1)), shown(word)));
    }
    ++at_;
    return word;
  }

  SemiLabel label() {
    const std::size_t start = at_;
    while (!at_end() && text_[at_] != ',') ++at_;
    const std::string_view name = trimmed(text_.substr(start, at_ - start));
    const std::optional<SemiLabel> label = class_of(name);
    if (!label) {
      refuse(start, fmt::format("found {}, wanted normal, anomaly or unlabeled", shown(name)));
    }
    if (!at_end()) {
      ++at_;
      if (at_end()) refuse(at_, "found the end, wanted a further WORD=CLASS after the comma");
    }
    return *label;
  }

  [[noreturn]] void refuse(std::size_t at, const std::string& why) const {
    throw InvalidArgument(
        fmt::format("label map '{}': character {}: {}; write it as 'fraud=anomaly,ok=normal,=unlabeled'",
                    text_, at + 1, why));
  }

  [[nodiscard]] std::size_t position() const { return at_; }

 private:
  void skip_spaces() {
    while (!at_end() && text_[at_] == ' ') ++at_;
  }
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

void refuse_label(const LabelMap& map, std::string_view cell, std::string_view place, LabelKind kind,
                  const LabelWords& words) {
  const std::string word(trimmed(cell));
  if (!map.is_built_in()) {
    const std::string in_map = is_short(word) ? map_word(word) : kLongWord;
    throw DataError(
        fmt::format("{}: the label map has no {}; add {}=normal, {}=anomaly or {}=unlabeled to it "
                    "(it is '{}')",
                    place, shown(word), in_map, in_map, in_map, map.text()));
  }
  LabelWords all = words;
  all.try_emplace(CategoryKey(word).text(), 1);
  const std::string example = fmt::format(
      "for instance {} '{}'", kind == LabelKind::semi ? "--label-map" : "--truth-map", example_map(all));
  if (parse_number(word)) {
    throw DataError(
        fmt::format("{}: found the label {}; numbers are understood only with a map, because 1 means anomaly "
                    "in some tools and normal in others; say what they mean, {}",
                    place, shown(word), example));
  }
  throw DataError(
      fmt::format("{}: found the label {}, which is none of the words that are understood without a map; say "
                  "what it means, {}",
                  place, shown(word), example));
}

const char* label_name(SemiLabel label) {
  switch (label) {
    case SemiLabel::normal:
      return "normal";
    case SemiLabel::anomaly:
      return "anomaly";
    case SemiLabel::unlabelled:
      return "unlabelled";
  }
  return "unknown";
}

LabelMap LabelMap::parse(std::string_view text) {
  MapParser parser(text);
  if (trimmed(text).empty()) parser.refuse(0, "the map is empty");
  LabelMap map;
  map.given_ = true;
  while (!parser.at_end()) {
    const std::size_t start = parser.position();
    const std::string word = parser.word();
    const SemiLabel label = parser.label();
    if (!map.words_.emplace(CategoryKey(word).text(), label).second)
      parser.refuse(start, fmt::format("{} is there twice", shown(word)));
  }
  return map;
}

std::optional<SemiLabel> LabelMap::find(std::string_view cell) const {
  if (given_) {
    const auto found = words_.find(CategoryKey(cell).text());
    return found == words_.end() ? std::nullopt : std::optional(found->second);
  }
  cell = trimmed(cell);
  if (cell.empty()) return SemiLabel::unlabelled;
  for (const BuiltInWord& entry : kBuiltInWords)
    if (same_word(cell, entry.word)) return entry.label;
  return {};
}

SemiLabel LabelMap::label_of(std::string_view cell, std::string_view place) const {
  if (const std::optional<SemiLabel> label = find(cell)) return *label;
  refuse_label(*this, cell, place, LabelKind::semi, {});
}

TrueLabel LabelMap::truth_of(std::string_view cell, std::string_view place) const {
  const std::optional<SemiLabel> label = find(cell);
  if (!label) refuse_label(*this, cell, place, LabelKind::truth, {});
  if (*label == SemiLabel::unlabelled) {
    throw DataError(
        fmt::format("{}: {} is no true label (it means unlabelled); wanted normal or anomaly in "
                    "every row",
                    place, shown(trimmed(cell))));
  }
  return *label == SemiLabel::normal ? TrueLabel::normal : TrueLabel::anomaly;
}

std::string LabelMap::text() const {
  std::string result;
  for (const auto& [word, label] : words_) {
    result += fmt::format("{}{}={}", result.empty() ? "" : ",", map_word(word), class_word(label));
  }
  return result;
}

LabelCounts count_labels(const std::vector<SemiLabel>& labels) {
  LabelCounts counts;
  for (const SemiLabel label : labels) {
    if (label == SemiLabel::normal) ++counts.normal;
    if (label == SemiLabel::anomaly) ++counts.anomaly;
    if (label == SemiLabel::unlabelled) ++counts.unlabelled;
  }
  return counts;
}

std::string LabelCounts::text() const {
  return fmt::format("{} known normal, {} known anomalous, {} unlabelled", normal, anomaly, unlabelled);
}

}  // namespace deepsad
