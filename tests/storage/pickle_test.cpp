#include "deepsad/storage/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "deepsad/core/error.h"

namespace deepsad {
namespace {

using namespace std::string_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr std::array<std::string_view, 2> kKnown{"collections.OrderedDict", "torch.FloatStorage"};

Pickle read(const std::string& opcodes) {
  const std::vector<std::uint8_t> bytes(opcodes.begin(), opcodes.end());
  return read_pickle(bytes, kKnown, "file.pkl");
}

void expect_refused(const std::string& opcodes, const std::string& why) {
  EXPECT_THAT([&] { (void)read(opcodes); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("file.pkl: byte "), HasSubstr(why))))
      << why;
}

std::vector<std::string> items_of(const Pickle& pickle, const PickleNode& node) {
  std::vector<std::string> words;
  for (const PickleRef ref : node.items) words.push_back(in_words(pickle[ref]));
  return words;
}

// What Python 3 writes for [None, True, False, 1, 300, -2, 2**40, -2**40, 1.5, "ab", (1,), {"k": 2}] in
// protocol 2.
TEST(Pickle, ReadsWhatPythonWrites) {
  const Pickle pickle = read(
      "\x80\x02]q\x00(N\x88\x89K\x01M,\x01J\xfe\xff\xff\xff\x8a\x06\x00\x00\x00\x00\x00\x01"
      "\x8a\x06\x00\x00\x00\x00\x00\xffG?\xf8\x00\x00\x00\x00\x00\x00X\x02\x00\x00\x00"
      "abq\x01K\x01\x85q\x02}q\x03X\x01\x00\x00\x00kq\x04K\x02se."s);
  EXPECT_THAT(
      items_of(pickle, pickle.top()),
      ::testing::ElementsAre("None", "True", "False", "the integer 1", "the integer 300", "the integer -2",
                             "the integer 1099511627776", "the integer -1099511627776", "the number 1.5",
                             "the text \"ab\"", "a tuple of 1", "a dict of 1"));
  const PickleNode& dict = pickle[pickle.top().items.back()];
  ASSERT_NE(pickle.find(dict, "k"), nullptr);
  EXPECT_EQ(pickle.find(dict, "k")->integer, 2);
  EXPECT_EQ(pickle.find(dict, "l"), nullptr);
}

// The same objects in protocol 4: a frame, short texts, a memo that counts, names from the stack.
TEST(Pickle, ReadsProtocolFour) {
  const Pickle pickle = read(
      "\x80\x04\x95\x30\x00\x00\x00\x00\x00\x00\x00\x8c\x0b"
      "collections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94\x8c\x01k\x94h\x04s."s);
  EXPECT_EQ(in_words(pickle.top()), "a call of collections.OrderedDict");
  EXPECT_EQ(in_words(*pickle.find(pickle.top(), "k")), "the text \"k\"");
}

TEST(Pickle, CallsAndIdentitiesStayData) {
  const Pickle pickle = read(
      "\x80\x02"
      "ccollections\nOrderedDict\n)R}X\x01\x00\x00\x00sK\x07sbX\x01\x00\x00\x00iQ\x86."s);
  const PickleNode& call = pickle[pickle.top().items[0]];
  EXPECT_EQ(call.kind, PickleKind::call);
  EXPECT_EQ(call.text, "collections.OrderedDict");
  EXPECT_EQ(pickle.find(pickle[*call.state], "s")->integer, 7);
  EXPECT_EQ(pickle[pickle.top().items[1]].kind, PickleKind::persistent);
}

TEST(Pickle, StopsAtItsEnd) {
  EXPECT_EQ(read("\x80\x02N.rest"s).n_bytes, 4U);
}

TEST(Pickle, NamesThatAreNotOnTheListAreRefusedWithTheirPlace) {
  expect_refused(
      "\x80\x02"
      "cposix\nsystem\n(X\x02\x00\x00\x00lstR."s,
      "byte 2 of the pickle: refused: the global \"posix.system\"");
  expect_refused(
      "\x80\x02"
      "c__builtin__\neval\n."s,
      "\"__builtin__.eval\"");
  expect_refused("\x80\x04\x8c\x05posix\x8c\x06system\x93."s, "\"posix.system\"");
  // A name of two parts is one name: no attribute of something known.
  expect_refused(
      "\x80\x02"
      "ctorch\nFloatStorage.__class__\n."s,
      "\"torch.FloatStorage.__class__\"");
  expect_refused(
      "\x80\x02"
      "c\n\n."s,
      "the global \".\"");
}

TEST(Pickle, OpcodesThatNoCheckpointNeedsAreRefusedByName) {
  expect_refused("(iposix\nsystem\n."s, "the opcode INST (0x69)");
  expect_refused("\x80\x02((o."s, "the opcode OBJ");
  expect_refused("\x80\x02N\x81."s, "the opcode NEWOBJ");
  expect_refused("\x80\x02N\x92."s, "the opcode NEWOBJ_EX");
  expect_refused("\x80\x02\x82\x01."s, "the opcode EXT1");
  expect_refused("\x80\x02Pid\n."s, "the opcode PERSID");
  expect_refused("\x80\x02N2."s, "the opcode DUP");
  expect_refused("\x80\x02\x8b\x04\x00\x00\x00...."s, "the opcode LONG4");
  expect_refused("\xff."s, "0xff is no opcode");
  expect_refused("\x80\x01N."s, "protocol 1, wanted 2 to 5");
}

TEST(Pickle, BrokenOnesAreRefused) {
  expect_refused(""s, "truncated");
  expect_refused("\x80\x02"s, "truncated");
  expect_refused(
      "\x80\x02X\xff\xff\xff\xff"
      "a."s,
      "wanted 4294967295 more bytes, found 2");
  expect_refused(
      "\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
      "a."s,
      "truncated");
  expect_refused(
      "\x80\x02"
      "ccollections"s,
      "a name without its end");
  expect_refused("\x80\x02."s, "a value is missing");
  expect_refused("\x80\x02NN."s, "left over");
  expect_refused("\x80\x02N(."s, "a value is missing");       // the mark hides what lies below it
  expect_refused("\x80\x02N(N\x86."s, "a value is missing");  // a tuple of two reaches over the mark
  expect_refused("\x80\x02Nt."s, "a mark is missing");
  expect_refused("\x80\x02h\x05."s, "value 5 of the memo");
  expect_refused("\x80\x02q\x05."s, "a value is missing");
  expect_refused("\x80\x02NNa."s, "items for None, wanted a list");
  expect_refused("\x80\x02](NNu."s, "keys and values for a list of 0, wanted a dict");
  expect_refused("\x80\x02}(Nu."s, "a key without its value");
  expect_refused("\x80\x02N)R."s, "a call of None, wanted a global");
  expect_refused(
      "\x80\x02"
      "ctorch\nFloatStorage\nNR."s,
      "None for arguments, wanted a tuple");
  expect_refused("\x80\x02]}b."s, "a state for a list of 0");
  expect_refused(
      "\x80\x02"
      "ctorch\nFloatStorage\n)R}b}b."s,
      "a state for a call");
}

// A list in a list in a list, and lists that hold each other ever more often: neither stack nor memory grows
// with what they would be in full.
TEST(Pickle, NestingAndSharingCostNothing) {
  const std::size_t depth = 200000;
  const Pickle nested = read("\x80\x02" + std::string(depth, ']') + std::string(depth - 1, 'a') + "."s);
  EXPECT_EQ(nested.nodes.size(), depth);
  // x0 = []; x(n+1) = [xn, xn, ...]: 10^40 elements if it were written out.
  std::string bomb = "\x80\x02]q\x00"s;
  for (char level = 1; level <= 40; ++level) {
    bomb += "]("s;
    for (int i = 0; i < 10; ++i) bomb += "h"s + static_cast<char>(level - 1);
    bomb += "eq"s + level + "\x86"s;  // and the one before into a tuple with it
  }
  const Pickle shared = read(bomb + "."s);
  EXPECT_LT(shared.nodes.size(), 100U);
  // A list that holds itself.
  const Pickle own = read(
      "\x80\x02]q\x00h\x00"
      "a."s);
  EXPECT_EQ(own.top().items[0], own.root);
}

TEST(Pickle, TooManyValuesAreRefused) {
  expect_refused("\x80\x02(" + std::string(kMaxPickleNodes + 1, 'N') + "t."s, "more than 1048576 values");
  expect_refused("\x80\x02" + std::string(kMaxPickleNodes + 1, '(') + "."s, "more than 1048576 marks");
}

TEST(Pickle, MessagesShowNothingThatATerminalWouldObey) {
  expect_refused(
      "\x80\x02"
      "ca\x1b[2J\nb\n."s,
      "\"a?[2J.b\"");
  EXPECT_EQ(printable(std::string(100, 'a')), "\"" + std::string(80, 'a') + "...\"");
}

}  // namespace
}  // namespace deepsad
