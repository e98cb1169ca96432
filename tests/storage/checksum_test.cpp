#include "deepsad/storage/checksum.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "deepsad/core/error.h"
#include "support/files.h"

namespace deepsad {
namespace {

using testing::Bytes;
using testing::bytes_of;
using ::testing::HasSubstr;
using testing::message_of;
using testing::TempDir;

// The examples of FIPS 180-4 (NIST, "SHA256.pdf") and the empty message.
constexpr const char* kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr const char* kTwoBlocks = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";
constexpr const char* kEmpty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(Sha256, GivesTheDigestsOfTheStandard) {
  EXPECT_EQ(sha256_hex(bytes_of("abc")), kAbc);
  EXPECT_EQ(sha256_hex(bytes_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")), kTwoBlocks);
  EXPECT_EQ(sha256_hex({}), kEmpty);
}

TEST(Sha256, PortionsDoNotMatterAndHexMayBeAskedOnTheWay) {
  Sha256 sha;
  EXPECT_EQ(sha.hex(), kEmpty);
  sha.update(bytes_of("a"));
  static_cast<void>(sha.hex());
  sha.update(bytes_of("bc"));
  EXPECT_EQ(sha.hex(), kAbc);
}

TEST(Sha256, OfAFileIsThatOfItsBytesOnDisk) {
  const TempDir dir;
  Bytes content(300000);
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
  const Bytes packed = testing::compress("gzip", content);
  testing::write_file(dir.at("x.gz"), packed);
  EXPECT_EQ(sha256_of_file(dir.at("x.gz")), sha256_hex(packed));
  EXPECT_THAT(message_of<DataError>([&] { static_cast<void>(sha256_of_file(dir.at("nothing"))); }),
              HasSubstr("nothing: cannot be opened: No such file or directory"));
}

}  // namespace
}  // namespace deepsad
