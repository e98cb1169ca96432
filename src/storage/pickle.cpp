#include "deepsad/storage/pickle.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <unordered_map>
#include <utility>

#include "deepsad/core/error.h"

namespace deepsad {
namespace {

constexpr int kNewestProtocol = 5;
constexpr std::size_t kMostShown = 80;

// Opcodes that are read.
enum class Op : std::uint8_t {
  mark = '(',
  stop = '.',
  none = 'N',
  newtrue = 0x88,
  newfalse = 0x89,
  binint = 'J',
  binint1 = 'K',
  binint2 = 'M',
  long1 = 0x8a,
  binfloat = 'G',
  binstring = 'T',
  short_binstring = 'U',
  binbytes = 'B',
  short_binbytes = 'C',
  binbytes8 = 0x8e,
  binunicode = 'X',
  short_binunicode = 0x8c,
  binunicode8 = 0x8d,
  empty_tuple = ')',
  tuple = 't',
  tuple1 = 0x85,
  tuple2 = 0x86,
  tuple3 = 0x87,
  empty_list = ']',
  append = 'a',
  appends = 'e',
  empty_dict = '}',
  setitem = 's',
  setitems = 'u',
  global = 'c',
  stack_global = 0x93,
  reduce = 'R',
  build = 'b',
  binpersid = 'Q',
  binput = 'q',
  long_binput = 'r',
  memoize = 0x94,
  binget = 'h',
  long_binget = 'j',
  proto = 0x80,
  frame = 0x95,
};

// Names of those that are not, for messages.
constexpr std::pair<std::uint8_t, const char*> kRefused[] = {
    {'i', "INST"},        {'o', "OBJ"},          {0x81, "NEWOBJ"},
    {0x92, "NEWOBJ_EX"},  {0x82, "EXT1"},        {0x83, "EXT2"},
    {0x84, "EXT4"},       {'P', "PERSID"},       {'0', "POP"},
    {'1', "POP_MARK"},    {'2', "DUP"},          {'F', "FLOAT"},
    {'I', "INT"},         {'L', "LONG"},         {0x8b, "LONG4"},
    {'S', "STRING"},      {'V', "UNICODE"},      {'l', "LIST"},
    {'d', "DICT"},        {'g', "GET"},          {'p', "PUT"},
    {0x8f, "EMPTY_SET"},  {0x90, "ADDITEMS"},    {0x91, "FROZENSET"},
    {0x96, "BYTEARRAY8"}, {0x97, "NEXT_BUFFER"}, {0x98, "READONLY_BUFFER"}};

/// The machine: a stack of values, marks in it, and a memo. It makes values and calls nothing.
class Machine {
 public:
  Machine(std::span<const std::uint8_t> bytes, std::span<const std::string_view> globals,
          const std::string& source)
      : bytes_(bytes), globals_(globals), source_(source) {}

  Pickle run() {
    while (true) {
      op_at_ = at_;
      const std::uint8_t op = byte();
      if (op == static_cast<std::uint8_t>(Op::stop)) break;
      step(op);
    }
    pickle_.root = pop();
    if (!stack_.empty() || !marks_.empty()) fail("values are left over at its end");
    pickle_.n_bytes = at_;
    return std::move(pickle_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw DataError(fmt::format("{}: byte {} of the pickle: {}", source_, op_at_, what));
  }

  std::span<const std::uint8_t> take(std::uint64_t n) {
    if (n > bytes_.size() - at_) {
      fail(fmt::format("truncated: wanted {} more bytes, found {}", n, bytes_.size() - at_));
    }
    at_ += static_cast<std::size_t>(n);
    return bytes_.subspan(at_ - static_cast<std::size_t>(n), static_cast<std::size_t>(n));
  }
  std::uint8_t byte() { return take(1)[0]; }
  std::uint64_t little_endian(std::size_t n) {
    std::uint64_t value = 0;
    const std::span<const std::uint8_t> digits = take(n);
    for (std::size_t i = 0; i < n; ++i) value |= std::uint64_t{digits[i]} << (8 * i);
    return value;
  }
  std::string line() {
    const auto rest = bytes_.subspan(at_);
    const auto end = std::find(rest.begin(), rest.end(), '\n');
    if (end == rest.end()) fail("truncated: a name without its end");
    std::string text(rest.begin(), end);
    at_ += text.size() + 1;
    return text;
  }

  PickleRef make(PickleNode node) {
    if (pickle_.nodes.size() == kMaxPickleNodes) fail(fmt::format("more than {} values", kMaxPickleNodes));
    pickle_.nodes.push_back(std::move(node));
    return static_cast<PickleRef>(pickle_.nodes.size() - 1);
  }
  void push(PickleNode node) { stack_.push_back(make(std::move(node))); }
  void push_integer(std::int64_t value) { push({.kind = PickleKind::integer, .integer = value}); }
  void push_text(PickleKind kind, std::uint64_t n) {
    const std::span<const std::uint8_t> content = take(n);
    push({.kind = kind, .text = {content.begin(), content.end()}});
  }
  // A value above the last mark.
  PickleRef pop() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) fail("a value is missing on the stack");
    const PickleRef top = stack_.back();
    stack_.pop_back();
    return top;
  }
  PickleNode& top() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) fail("a value is missing on the stack");
    return pickle_.nodes[stack_.back()];
  }
  std::vector<PickleRef> pop_to_mark() {
    if (marks_.empty()) fail("a mark is missing on the stack");
    std::vector<PickleRef> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  void push_tuple(std::size_t n) {
    std::vector<PickleRef> items(n);
    for (std::size_t i = n; i-- > 0;) items[i] = pop();
    push({.kind = PickleKind::tuple, .items = std::move(items)});
  }

  void append(const std::vector<PickleRef>& items) {
    PickleNode& list = top();
    if (list.kind != PickleKind::list) fail(fmt::format("items for {}, wanted a list", in_words(list)));
    list.items.insert(list.items.end(), items.begin(), items.end());
  }
  void set_items(const std::vector<PickleRef>& items) {
    PickleNode& dict = top();
    if (dict.kind != PickleKind::dict && dict.kind != PickleKind::call)
      fail(fmt::format("keys and values for {}, wanted a dict", in_words(dict)));
    if (items.size() % 2 != 0) fail("a key without its value");
    dict.items.insert(dict.items.end(), items.begin(), items.end());
  }

  void push_global(const std::string& module, const std::string& name) {
    std::string whole = module + "." + name;
    if (std::find(globals_.begin(), globals_.end(), whole) == globals_.end()) {
      fail(
          fmt::format("refused: the global {}; nothing that a pickle names is ever run, and of names only "
                      "these are known "
                      "here: {}",
                      printable(whole), fmt::join(globals_, ", ")));
    }
    push({.kind = PickleKind::global, .text = std::move(whole)});
  }
  void push_stack_global() {
    const PickleRef name = pop(), module = pop();
    if (pickle_[name].kind != PickleKind::text || pickle_[module].kind != PickleKind::text)
      fail("a global whose name is no text");
    push_global(pickle_[module].text, pickle_[name].text);
  }
  void reduce() {
    const PickleRef arguments = pop(), callee = pop();
    if (pickle_[callee].kind != PickleKind::global)
      fail(fmt::format("a call of {}, wanted a global", in_words(pickle_[callee])));
    if (pickle_[arguments].kind != PickleKind::tuple)
      fail(fmt::format("a call with {} for arguments, wanted a tuple", in_words(pickle_[arguments])));
    push({.kind = PickleKind::call, .text = pickle_[callee].text, .items = {}, .arguments = arguments});
  }
  void build() {
    const PickleRef state = pop();
    PickleNode& object = top();
    if (object.kind != PickleKind::call || object.state)
      fail(fmt::format("a state for {}, wanted an object without one", in_words(object)));
    object.state = state;
  }

  void remember(std::uint64_t key) {
    (void)top();
    memo_[key] = stack_.back();
  }
  void recall(std::uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) fail(fmt::format("value {} of the memo, which was never put there", key));
    stack_.push_back(found->second);
  }

  void step(std::uint8_t op);

  std::span<const std::uint8_t> bytes_;
  std::span<const std::string_view> globals_;
  const std::string& source_;
  std::size_t at_ = 0, op_at_ = 0;
  Pickle pickle_;
  std::vector<PickleRef> stack_;
  std::vector<std::size_t> marks_;  // sizes of the stack when they were set
  std::unordered_map<std::uint64_t, PickleRef> memo_;
};

void Machine::step(std::uint8_t op) {
  switch (static_cast<Op>(op)) {
    case Op::proto:
      if (const std::uint8_t protocol = byte(); protocol < 2 || protocol > kNewestProtocol)
        fail(fmt::format("protocol {}, wanted 2 to {}", protocol, kNewestProtocol));
      return;
    case Op::frame:
      (void)take(8);  // a hint for readers of streams
      return;
    case Op::mark:
      marks_.push_back(stack_.size());
      if (marks_.size() > kMaxPickleNodes) fail(fmt::format("more than {} marks", kMaxPickleNodes));
      return;
    case Op::none:
      return push({});
    case Op::newtrue:
    case Op::newfalse:
      return push(
          {.kind = PickleKind::boolean, .integer = op == static_cast<std::uint8_t>(Op::newtrue) ? 1 : 0});
    case Op::binint:
      return push_integer(static_cast<std::int32_t>(static_cast<std::uint32_t>(little_endian(4))));
    case Op::binint1:
      return push_integer(byte());
    case Op::binint2:
      return push_integer(static_cast<std::int64_t>(little_endian(2)));
    case Op::long1: {
      const std::uint8_t n = byte();
      if (n > 8) return push_text(PickleKind::big_integer, n);
      if (n == 0) return push_integer(0);
      const std::uint64_t value = little_endian(n);
      const unsigned unused = 64 - 8U * n;  // sign bits are filled in from the left
      return push_integer(static_cast<std::int64_t>(value << unused) >> unused);
    }
    case Op::binfloat: {
      std::uint64_t bits = 0;  // big-endian
      for (const std::uint8_t digit : take(8)) bits = (bits << 8) | digit;
      return push({.kind = PickleKind::real, .real = std::bit_cast<double>(bits)});
    }
    case Op::binstring:
    case Op::binbytes:
      return push_text(PickleKind::bytes, little_endian(4));
    case Op::short_binstring:
    case Op::short_binbytes:
      return push_text(PickleKind::bytes, byte());
    case Op::binbytes8:
      return push_text(PickleKind::bytes, little_endian(8));
    case Op::binunicode:
      return push_text(PickleKind::text, little_endian(4));
    case Op::short_binunicode:
      return push_text(PickleKind::text, byte());
    case Op::binunicode8:
      return push_text(PickleKind::text, little_endian(8));
    case Op::empty_tuple:
      return push_tuple(0);
    case Op::tuple1:
      return push_tuple(1);
    case Op::tuple2:
      return push_tuple(2);
    case Op::tuple3:
      return push_tuple(3);
    case Op::tuple:
      return push({.kind = PickleKind::tuple, .items = pop_to_mark()});
    case Op::empty_list:
      return push({.kind = PickleKind::list});
    case Op::append: {
      const PickleRef item = pop();
      return append({item});
    }
    case Op::appends:
      return append(pop_to_mark());
    case Op::empty_dict:
      return push({.kind = PickleKind::dict});
    case Op::setitem: {
      const PickleRef value = pop(), key = pop();
      return set_items({key, value});
    }
    case Op::setitems:
      return set_items(pop_to_mark());
    case Op::global: {
      const std::string module = line();
      return push_global(module, line());
    }
    case Op::stack_global:
      return push_stack_global();
    case Op::reduce:
      return reduce();
    case Op::build:
      return build();
    case Op::binpersid: {
      const PickleRef identity = pop();
      return push({.kind = PickleKind::persistent, .arguments = identity});
    }
    case Op::binput:
      return remember(byte());
    case Op::long_binput:
      return remember(little_endian(4));
    case Op::memoize:
      return remember(memo_.size());
    case Op::binget:
      return recall(byte());
    case Op::long_binget:
      return recall(little_endian(4));
    case Op::stop:
      break;
  }
  const auto* const refused = std::find_if(std::begin(kRefused), std::end(kRefused),
                                           [op](const auto& entry) { return entry.first == op; });
  fail(refused == std::end(kRefused)
           ? fmt::format("no pickle: 0x{:02x} is no opcode", op)
           : fmt::format("refused: the opcode {} (0x{:02x}), which no checkpoint or array needs",
                         refused->second, op));
}

}  // namespace

const PickleNode* Pickle::find(const PickleNode& dict, std::string_view key) const {
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const PickleNode& name = nodes[dict.items[i]];
    if ((name.kind == PickleKind::text || name.kind == PickleKind::bytes) && name.text == key)
      return &nodes[dict.items[i + 1]];
  }
  return nullptr;
}

Pickle read_pickle(std::span<const std::uint8_t> bytes, std::span<const std::string_view> globals,
                   const std::string& source) {
  return Machine(bytes, globals, source).run();
}

std::string printable(std::string_view text) {
  std::string result = "\"";
  for (const char c : text.substr(0, kMostShown)) result += c >= ' ' && c <= '~' ? c : '?';
  return result + (text.size() > kMostShown ? "...\"" : "\"");
}

std::string in_words(const PickleNode& node) {
  switch (node.kind) {
    case PickleKind::none:
      return "None";
    case PickleKind::boolean:
      return node.integer != 0 ? "True" : "False";
    case PickleKind::integer:
      return fmt::format("the integer {}", node.integer);
    case PickleKind::big_integer:
      return fmt::format("an integer of {} bytes", node.text.size());
    case PickleKind::real:
      return fmt::format("the number {}", node.real);
    case PickleKind::text:
      return "the text " + printable(node.text);
    case PickleKind::bytes:
      return fmt::format("{} bytes", node.text.size());
    case PickleKind::tuple:
      return fmt::format("a tuple of {}", node.items.size());
    case PickleKind::list:
      return fmt::format("a list of {}", node.items.size());
    case PickleKind::dict:
      return fmt::format("a dict of {}", node.items.size() / 2);
    case PickleKind::global:
      return "the global " + node.text;
    case PickleKind::call:
      return "a call of " + node.text;
    case PickleKind::persistent:
      return "a persistent identity";
  }
  return "a value";
}

}  // namespace deepsad
