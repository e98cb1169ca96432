// Python pickles read as data. A pickle is a program for a small machine that can call any function of
// Python; here nothing is ever called. A closed subset of the machine's instructions is read, as far as it
// describes values; a call stays what it is, a name with its arguments, and only names on the caller's list
// are let in. Source: CPython, Lib/pickletools.py, which documents every opcode; protocols 2 to 5.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace deepsad {

enum class PickleKind {
  none,
  boolean,      ///< integer is 0 or 1
  integer,      ///< of at most 64 bits
  big_integer,  ///< text: its bytes, little-endian, two's complement
  real,
  text,        ///< UTF-8, not checked
  bytes,       ///< of protocol 3 on, and Python 2's strings
  tuple,       ///< items
  list,        ///< items
  dict,        ///< items: keys and values in turn
  global,      ///< text: "module.name"
  call,        ///< text: "module.name"; arguments, perhaps state; items: keys and values that were set
  persistent,  ///< arguments: the identity of something that lies outside the pickle
};

/// A value by its place in Pickle::nodes. Values may be shared, and may hold themselves.
using PickleRef = std::uint32_t;

struct PickleNode {
  PickleKind kind = PickleKind::none;
  std::int64_t integer = 0;
  double real = 0;
  std::string text{};
  std::vector<PickleRef> items{};
  std::optional<PickleRef> arguments{};
  std::optional<PickleRef> state{};
};

struct Pickle {
  std::vector<PickleNode> nodes;
  PickleRef root = 0;
  std::size_t n_bytes = 0;  ///< of the pickle itself; more may follow it

  [[nodiscard]] const PickleNode& operator[](PickleRef ref) const { return nodes[ref]; }
  [[nodiscard]] const PickleNode& top() const { return nodes[root]; }
  /// The value under a text key of a dict or call, or nullptr. Python 2's strings count as text.
  [[nodiscard]] const PickleNode* find(const PickleNode& dict, std::string_view key) const;
};

/// The first byte of a pickle of protocol 2 or later.
inline constexpr std::uint8_t kPickleStart = 0x80;

/// Most values of a pickle.
inline constexpr std::size_t kMaxPickleNodes = std::size_t{1} << 20;

/// Reads the pickle at the front of these bytes. Memory and time are linear in their number.
/// @param globals names that may stand in it: "collections.OrderedDict", ...   @param source the file's name
/// for messages
/// @throws DataError "SOURCE: byte 17 of the pickle: ..." naming the opcode or global that is refused, what
/// is missing on the stack, or where the data ends too early; or if there are more than kMaxPickleNodes
/// values
[[nodiscard]] Pickle read_pickle(std::span<const std::uint8_t> bytes,
                                 std::span<const std::string_view> globals, const std::string& source);

/// The value in words, for messages: "a list of 3", "the text \"abc\"", "a call of
/// torch._utils._rebuild_tensor_v2".
[[nodiscard]] std::string in_words(const PickleNode& node);
/// The text with everything that is not printable ASCII as '?', at most 80 characters, in quotes.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace deepsad
