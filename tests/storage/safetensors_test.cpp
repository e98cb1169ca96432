#include "deepsad/storage/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/storage/atomic_file.h"
#include "support/files.h"

namespace deepsad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::message_of;
using ::testing::StartsWith;
using testing::TempDir;

using Bytes = std::vector<std::uint8_t>;

// A container put together by hand, so that the reader is not tested with its own writer.
Bytes container(const std::string& header, const Bytes& payload = {}) {
  Bytes bytes(8);
  const std::uint64_t length = header.size();
  for (unsigned i = 0; i < 8; ++i) bytes[i] = static_cast<std::uint8_t>(length >> (8 * i));
  bytes.resize(8 + header.size());
  std::copy(header.begin(), header.end(), bytes.begin() + 8);
  bytes.resize(bytes.size() + payload.size());
  std::copy(payload.begin(), payload.end(), bytes.end() - static_cast<std::ptrdiff_t>(payload.size()));
  return bytes;
}

std::string refusal(const Bytes& bytes) {
  const std::string message = message_of<ModelError>([&] { (void)read_safetensors(bytes, "m.safetensors"); });
  EXPECT_THAT(message, StartsWith("m.safetensors: "));
  return message;
}
std::string refusal(const std::string& header, const Bytes& payload = {}) {
  return refusal(container(header, payload));
}

// One of each type, a scalar, an empty tensor, an odd number of bytes before wider elements, texts that need
// escapes.
Safetensors example() {
  Safetensors content;
  content.metadata = {{"deepsad.format_version", "1"},
                      {"note", "quote \" backslash \\ newline \n umlaut \xc3\xbc"},
                      {"\"deepsad.checksum", "looks like the writer's key, but is not"}};
  const float inf = std::numeric_limits<float>::infinity();
  content.tensors.push_back(
      make_tensor("conv1.weight", {2, 1, 3}, std::vector<float>{0, -0.0F, 1.5F, 1e-45F, inf, 3.1F}));
  content.tensors.push_back(make_tensor("mask", {3}, std::vector<std::uint8_t>{0, 7, 255}));
  content.tensors.push_back(
      make_tensor("bn.num_batches_tracked", {}, std::vector<std::int64_t>{-5000000000}));
  content.tensors.push_back(make_tensor("empty", {0, 4}, std::vector<float>{}));
  content.tensors.push_back(make_tensor("scaler.mean", {2}, std::vector<double>{0.1, -1e300}));
  return content;
}

TEST(Safetensors, ReadsWhatItWrote) {
  const Safetensors content = example();
  const Bytes bytes = write_safetensors(content);
  EXPECT_EQ(read_safetensors(bytes, "m"), content);
  EXPECT_EQ(read_deepsad_safetensors(bytes, "m"), content);
  EXPECT_EQ(write_safetensors(content), bytes);
  EXPECT_EQ(read_deepsad_safetensors(write_safetensors({}), "m"), Safetensors{});

  EXPECT_EQ(tensor_values<std::int64_t>(content.tensors[2], "m"), (std::vector<std::int64_t>{-5000000000}));
  EXPECT_EQ(tensor_values<double>(content.tensors[4], "m"), (std::vector<double>{0.1, -1e300}));
  EXPECT_EQ(tensor_values<std::uint8_t>(content.tensors[1], "m"), (std::vector<std::uint8_t>{0, 7, 255}));
  EXPECT_TRUE(std::signbit(tensor_values<float>(content.tensors[0], "m")[1]));
  EXPECT_EQ(message_of<ModelError>([&] { (void)tensor_values<float>(content.tensors[4], "m"); }),
            "m: tensor \"scaler.mean\" holds F64, expected F32");
}

TEST(Safetensors, ReadsAFileMadeByHand) {
  // Written out by the published format: spaces at the end of the header, tensors not in the order of their
  // offsets.
  const Safetensors content = read_safetensors(
      container(R"({"b":{"dtype":"F32","shape":[1,2],"data_offsets":[2,10]},"__metadata__":{"k":"v"},)"
                R"("a":{"shape":[2],"data_offsets":[0,2],"dtype":"U8"}}   )",
                {5, 6, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0}),
      "m");
  EXPECT_EQ(content.metadata, (std::map<std::string, std::string>{{"k", "v"}}));
  ASSERT_EQ(content.tensors.size(), 2U);
  EXPECT_EQ(content.tensors[0], make_tensor("b", {1, 2}, std::vector<float>{1.0F, -2.0F}));
  EXPECT_EQ(content.tensors[1], make_tensor("a", {2}, std::vector<std::uint8_t>{5, 6}));
}

TEST(Safetensors, AnIndependentReaderSeesTheSame) {
  const TempDir dir;
  const std::string path = dir.path() + "/m.safetensors";
  write_file(path, write_safetensors(example()));
  const std::string command = std::string(DEEPSAD_PYTHON " " DEEPSAD_READER " ") + path;
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), &::pclose);
  ASSERT_NE(pipe, nullptr);
  std::string output;
  std::array<char, 4096> part{};
  for (std::size_t n = 0; (n = std::fread(part.data(), 1, part.size(), pipe.get())) > 0;)
    output.append(part.data(), n);
  const auto seen = nlohmann::json::parse(output);

  EXPECT_EQ(seen["checksum_ok"], true);
  EXPECT_EQ(seen["payload_start"].get<int>() % 64, 0);
  EXPECT_EQ(seen["metadata"]["note"], "quote \" backslash \\ newline \n umlaut \xc3\xbc");
  EXPECT_EQ(seen["metadata"]["deepsad.format_version"], "1");
  EXPECT_EQ(seen["metadata"]["\"deepsad.checksum"], "looks like the writer's key, but is not");
  const auto expected = nlohmann::json::parse(R"([
    {"name": "conv1.weight", "dtype": "F32", "shape": [2, 1, 3],
     "values": ["0x0.0p+0", "-0x0.0p+0", "0x1.8000000000000p+0", "0x1.0000000000000p-149", "inf", "0x1.8ccccc0000000p+1"]},
    {"name": "mask", "dtype": "U8", "shape": [3], "values": [0, 7, 255]},
    {"name": "bn.num_batches_tracked", "dtype": "I64", "shape": [], "values": [-5000000000]},
    {"name": "empty", "dtype": "F32", "shape": [0, 4], "values": []},
    {"name": "scaler.mean", "dtype": "F64", "shape": [2], "values": ["0x1.999999999999ap-4", "-0x1.7e43c8800759cp+996"]}
  ])");
  EXPECT_EQ(seen["tensors"], expected);
}

TEST(Safetensors, EveryTruncationIsRefusedAsSuch) {
  const Bytes bytes = write_safetensors(example());
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    // An allocation of its own of exactly n bytes: the address sanitizer sees any read past it.
    const Bytes part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
    EXPECT_THAT(refusal(part), HasSubstr("truncated")) << n;
    EXPECT_THAT(message_of<ModelError>([&] { (void)read_deepsad_safetensors(part, "m"); }),
                HasSubstr("truncated"));
  }
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_THAT(refusal(longer), HasSubstr("1 bytes too many"));
}

TEST(Safetensors, EveryChangedByteIsFound) {
  const Bytes bytes = write_safetensors(example());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (const int change : {0x01, 0x20, 0x80, 0xff}) {
      Bytes changed = bytes;
      changed[i] = static_cast<std::uint8_t>(changed[i] ^ change);
      EXPECT_THROW((void)read_deepsad_safetensors(changed, "m"), ModelError)
          << "byte " << i << " ^ " << change;
      try {
        (void)read_safetensors(changed, "m");  // may or may not be valid; must not crash
      } catch (const ModelError&) {
      }
    }
  }
  // In the payload, where the structure stays valid, it is the checksum that finds it.
  Bytes changed = bytes;
  changed.back() ^= 1;
  EXPECT_THAT(message_of<ModelError>([&] { (void)read_deepsad_safetensors(changed, "m.safetensors"); }),
              AllOf(StartsWith("m.safetensors: altered: "), HasSubstr("checksum")));
}

TEST(Safetensors, FilesOfOtherOriginAreToldApart) {
  const auto refuse = [](const Bytes& bytes) {
    return message_of<ModelError>([&] { (void)read_deepsad_safetensors(bytes, "m"); });
  };
  EXPECT_THAT(refuse(container("{}")), StartsWith("m: not a deepsad model"));
  EXPECT_THAT(refuse(container(
                  R"({"__metadata__":{"format":"pt"},"w":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}})",
                  {0, 0})),
              StartsWith("m: not a deepsad model"));
  EXPECT_THAT(refuse(container(R"({"__metadata__":{"deepsad.method":"deep_sad"}})")),
              AllOf(StartsWith("m: altered"), HasSubstr("deepsad.checksum")));
  // What another tool makes of one of our files when it writes it again.
  EXPECT_THAT(refuse(container(R"({"__metadata__": {"deepsad.checksum": ")" + std::string(64, '0') + "\"}}")),
              StartsWith("m: altered"));

  EXPECT_THAT(refusal(Bytes{'P', 'K', 3, 4, 0, 0, 0, 0, 0, 0}), HasSubstr("PyTorch"));
  EXPECT_THAT(refusal(Bytes{0x80, 2, 0x8a, 10, 'l', 0xfc, 0x9c, 'F', 0xf9}), HasSubstr("PyTorch"));
  EXPECT_THAT(refusal(Bytes{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0}),
              HasSubstr("not a safetensors file"));
  EXPECT_THAT(refusal(Bytes(100, 0)), HasSubstr("not a safetensors file"));
  EXPECT_THAT(refusal(container("[]")), HasSubstr("'{'"));
}

TEST(Safetensors, HeaderLengthIsBounded) {
  for (const std::uint64_t length : {kMaxSafetensorsHeader + 1, std::numeric_limits<std::uint64_t>::max(),
                                     std::numeric_limits<std::uint64_t>::max() - 7}) {
    Bytes bytes = container("{}");
    std::memcpy(bytes.data(), &length, 8);
    EXPECT_THAT(refusal(bytes),
                AllOf(HasSubstr("not a safetensors file"), HasSubstr(std::to_string(length))));
  }
  Bytes bytes = container("{}");
  bytes[0] = 3;
  EXPECT_THAT(refusal(bytes), AllOf(HasSubstr("truncated"), HasSubstr("3 bytes"), HasSubstr("has 10 bytes")));
}

TEST(Safetensors, BrokenHeadersAreRefused) {
  const std::string deep = R"({"w":)" + std::string(200000, '[') + std::string(200000, ']') + "}";
  const std::string entry = R"({"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  EXPECT_THAT(refusal("{"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal("{}x"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal("{\"\xff\":1}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal(deep), HasSubstr("nested too deeply"));
  EXPECT_THAT(refusal(R"({"w":)" + entry + R"(,"w":)" + entry + "}", {1}), HasSubstr("the key \"w\" twice"));
  EXPECT_THAT(refusal(R"({"__metadata__":{"a":"1","a":"2"}})"), HasSubstr("the key \"a\" twice"));
  EXPECT_THAT(refusal(R"({"__metadata__":{"a":1}})"), HasSubstr("key \"a\" should be a text, but is 1"));
  EXPECT_THAT(refusal(R"({"__metadata__":[]})"), HasSubstr("object of texts"));
  EXPECT_THAT(refusal(R"({"w":7})"), HasSubstr("tensor \"w\": its entry"));
  EXPECT_THAT(refusal(R"({"w":{}})"), HasSubstr("lacks \"dtype\""));
  EXPECT_THAT(refusal(R"({"w":{"dtype":"U8"}})"), HasSubstr("lacks \"shape\""));
  EXPECT_THAT(refusal(R"({"w":{"dtype":"U8","shape":[1]}})"), HasSubstr("lacks \"data_offsets\""));
  EXPECT_THAT(refusal(R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}})", {1}),
              HasSubstr("unknown key \"x\""));
  EXPECT_THAT(refusal(R"({"w":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}})", {1, 2}),
              HasSubstr("element type \"F16\" is not supported; known are F32, F64, I64, U8"));
  EXPECT_THAT(refusal(R"({"w":{"dtype":3,"shape":[1],"data_offsets":[0,2]}})", {1, 2}),
              HasSubstr("element type 3"));
}

TEST(Safetensors, ShapesAndOffsetsMustAgree) {
  const auto u8 = [](const std::string& shape, const std::string& offsets) {
    return R"({"w":{"dtype":"U8","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
  };
  const Bytes two = {1, 2};
  EXPECT_NO_THROW((void)read_safetensors(container(u8("[2]", "[0,2]"), two), "m"));
  EXPECT_THAT(refusal(u8("2", "[0,2]"), two), HasSubstr("shape should be an array"));
  EXPECT_THAT(refusal(u8("[-2]", "[0,2]"), two), HasSubstr("is -2"));
  EXPECT_THAT(refusal(u8("[2.0]", "[0,2]"), two), HasSubstr("is 2.0"));
  EXPECT_THAT(refusal(u8("[\"2\"]", "[0,2]"), two), HasSubstr("whole number"));
  EXPECT_THAT(refusal(u8("[18446744073709551616]", "[0,2]"), two), HasSubstr("whole number"));
  EXPECT_THAT(refusal(u8("[4294967296,4294967296]", "[0,0]"), two), HasSubstr("more than 2^64"));
  EXPECT_THAT(refusal(u8("[3]", "[0,2]"), two),
              HasSubstr("offsets 0 to 2 do not fit shape (3) of U8, which takes 3 bytes"));
  EXPECT_THAT(refusal(u8("[2]", "[2,0]"), two), HasSubstr("offsets 2 to 0"));
  EXPECT_THAT(refusal(u8("[2]", "[0]"), two), HasSubstr("array of two numbers"));
  EXPECT_THAT(refusal(u8("[2]", "[0,2,4]"), two), HasSubstr("array of two numbers"));
  EXPECT_THAT(refusal(u8("[2]", "[18446744073709551614,0]"), two), HasSubstr("do not fit"));
  EXPECT_THAT(refusal(u8("[2]", "[18446744073709551613,18446744073709551615]"), two),
              HasSubstr("leave a gap"));
  EXPECT_THAT(refusal(u8("[1]", "[1,2]"), two), HasSubstr("leave a gap"));
  EXPECT_THAT(refusal(u8("[1]", "[0,1]"), two), HasSubstr("1 bytes too many"));
  EXPECT_THAT(refusal(u8("[3]", "[0,3]"), two),
              AllOf(HasSubstr("truncated"), HasSubstr("3 bytes of tensors, the file has 2")));
  const auto pair = [](const std::string& a, const std::string& b) {
    return R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)" + a +
           R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + b + "}}";
  };
  EXPECT_THAT(refusal(pair("[0,2]", "[1,3]"), {1, 2, 3}),
              AllOf(HasSubstr("tensor \"b\""), HasSubstr("overlap")));
  EXPECT_THAT(refusal(pair("[0,2]", "[0,2]"), {1, 2}), HasSubstr("overlap"));
  EXPECT_THAT(refusal(pair("[3,5]", "[0,2]"), {1, 2, 3, 4, 5}),
              AllOf(HasSubstr("tensor \"a\""), HasSubstr("gap")));
}

TEST(Safetensors, MessagesStayShortWhateverTheFileSays) {
  EXPECT_LT(refusal(R"({")" + std::string(100000, 'n') + R"(":7})").size(), 500U);
  EXPECT_LT(refusal(R"({"w":{"dtype":")" + std::string(100000, 'd') + R"("}})").size(), 500U);
  EXPECT_LT(refusal(R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1],")" + std::string(100000, 'k') +
                    R"(":1}})")
                .size(),
            500U);
  EXPECT_LT(refusal("{\"" + std::string(100000, 'x')).size(), 500U);
}

TEST(Safetensors, TheWriterRefusesWhatTheFormatCannotHold) {
  const auto refuse = [](const Safetensors& content) {
    return message_of<InvalidArgument>([&] { (void)write_safetensors(content); });
  };
  const NamedTensor w = make_tensor("w", {1}, std::vector<float>{1});
  EXPECT_THAT(refuse({{}, {w, w}}), HasSubstr("\"w\" is empty, reserved or used twice"));
  EXPECT_THAT(refuse({{}, {{"", TensorType::u8, {0}, {}}}}), HasSubstr("empty"));
  EXPECT_THAT(refuse({{}, {{"__metadata__", TensorType::u8, {0}, {}}}}), HasSubstr("reserved"));
  EXPECT_THAT(refuse({{}, {{"w", TensorType::f32, {2}, {1, 2, 3, 4}}}}),
              HasSubstr("shape (2) of F32 does not fit its 4"));
  EXPECT_THAT(refuse({{{"deepsad.checksum", "x"}}, {}}), HasSubstr("filled in by the writer"));
  EXPECT_THAT(refuse({{{"k", "\xff"}}, {}}), HasSubstr("UTF-8"));
  EXPECT_THAT(message_of<InvalidArgument>([] {
                (void)make_tensor("w", {2, 2}, std::vector<float>(3));
              }),
              HasSubstr("shape (2,2) cannot hold 3 values"));
}

}  // namespace
}  // namespace deepsad
