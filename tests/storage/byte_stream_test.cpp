#include "deepsad/storage/byte_stream.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "deepsad/core/error.h"
#include "support/files.h"

namespace deepsad {
namespace {

using ::testing::AllOf;
using testing::Bytes;
using testing::bytes_of;
using testing::compress;
using ::testing::HasSubstr;
using testing::make_archive;
using testing::message_of;
using ::testing::StartsWith;
using testing::TempDir;
using testing::write_file;

// Bytes that compress somewhat, but not to nothing; larger than every buffer of the implementation.
Bytes mixed_content(std::size_t n = 500000) {
  Bytes bytes(n);
  std::uint32_t state = 12345;
  for (std::size_t i = 0; i < n; ++i) {
    state = state * 1664525U + 1013904223U;
    bytes[i] = static_cast<std::uint8_t>(i % 3 == 0 ? state >> 24 : i / 1000);
  }
  return bytes;
}

std::unique_ptr<ByteStream> unpack(const Bytes& packed, std::uint64_t max_bytes = kDefaultMaxBytes) {
  return decompressed(open_bytes(packed, "dir/x"), max_bytes);
}

class Compressions : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Filters, Compressions, ::testing::Values("none", "gzip", "xz", "bzip2"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(Compressions, ContentAndBothDigestsAreExact) {
  const Bytes content = mixed_content();
  const Bytes packed = compress(GetParam(), content);
  const auto in = unpack(packed);
  in->want_content_sha256();
  EXPECT_EQ(in->name(), "dir/x");
  // Reads of odd sizes, with peeks in between, give the same bytes as one read.
  Bytes got;
  for (std::size_t step = 1; got.size() < content.size(); step = step * 3 + 1) {
    Bytes portion(std::min(step, content.size() - got.size()));
    const auto ahead = in->peek(7);
    const Bytes seen(ahead.begin(), ahead.end());
    in->read_exactly(portion, "a portion");
    got.insert(got.end(), portion.begin(), portion.end());
    for (std::size_t i = 0; i < std::min(seen.size(), portion.size()); ++i) ASSERT_EQ(seen[i], portion[i]);
    ASSERT_EQ(in->position(), got.size());
  }
  in->expect_end("everything");
  EXPECT_EQ(got, content);
  EXPECT_EQ(in->content_sha256(), sha256_hex(content));
  EXPECT_EQ(in->file_sha256(), sha256_hex(packed));
}

// Long appends are hashed beside the decoding, step by step.
TEST_P(Compressions, DigestOfALongAppendIsExact) {
  const Bytes content = mixed_content((2 << 20) + 17);
  const Bytes packed = compress(GetParam(), content);
  const auto in = unpack(packed);
  in->want_content_sha256();
  Bytes got(3);
  in->read_exactly(got, "the start");
  in->append_exactly(got, content.size() - 3, "the rest");
  EXPECT_EQ(got, content);
  EXPECT_EQ(in->content_sha256(), sha256_hex(content));
}

TEST(ByteStream, ContentDigestMustBeAskedForBeforehand) {
  const Bytes content = bytes_of("abc");
  const auto in = open_bytes(content, "dir/x");
  in->skip_to_end();
  EXPECT_THAT(message_of<InvalidArgument>([&] { (void)in->content_sha256(); }),
              HasSubstr("dir/x: the checksum"));
}

TEST_P(Compressions, EveryTruncationIsRefused) {
  const Bytes content = mixed_content(20000);
  const Bytes packed = compress(GetParam(), content);
  const bool plain = std::string(GetParam()) == "none";
  const std::size_t step = std::string(GetParam()) == "bzip2" ? 997 : 97;
  for (std::size_t n = 0; n < packed.size(); n += step) {
    const Bytes cut(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(n));
    const auto in = unpack(cut);
    Bytes got(content.size());
    const std::string message = message_of<DataError>([&] { in->read_exactly(got, "the content"); });
    ASSERT_THAT(message, AllOf(StartsWith("dir/x: truncated"))) << n;
    if (plain || n < 6) {
      ASSERT_THAT(message,
                  HasSubstr(fmt::format("the content: wanted 20000 bytes from byte 0, found {}", n)));
    } else {
      ASSERT_THAT(message,
                  AllOf(HasSubstr(fmt::format("{} data: ends at byte {} of the file", GetParam(), n)),
                        HasSubstr("found the end of the data, wanted a complete")))
          << n;
    }
  }
}

// Plain bytes carry no checksum.
class Checksummed : public Compressions {};
INSTANTIATE_TEST_SUITE_P(Filters, Checksummed, ::testing::Values("gzip", "xz", "bzip2"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(Checksummed, EveryChangedByteIsRefusedOrHarmless) {
  const Bytes content = mixed_content(20000);
  const Bytes packed = compress(GetParam(), content);
  std::size_t refused = 0;
  std::size_t tried = 0;
  for (std::size_t n = 10; n < packed.size(); n += 61, ++tried) {
    Bytes changed = packed;
    changed[n] ^= 0x10;
    const auto in = unpack(changed);
    try {
      // Either the damage is seen, or it hit a byte without meaning (a time stamp) and the content is whole.
      EXPECT_EQ(in->read_all(), content) << n;
    } catch (const DataError& e) {
      ++refused;
      EXPECT_THAT(e.what(), StartsWith("dir/x: "));
    }
  }
  EXPECT_GE(refused + 1, tried);
}

TEST_P(Compressions, ReadingStopsAtTheMostThatIsPlausible) {
  const Bytes zeros(1 << 20);
  const Bytes packed = compress(GetParam(), zeros);
  EXPECT_EQ(unpack(packed, zeros.size())->read_all().size(), zeros.size());
  EXPECT_THAT(message_of<DataError>([&] { static_cast<void>(unpack(packed, zeros.size() - 1)->read_all()); }),
              HasSubstr("dir/x: holds more than 1048575 bytes, the most that is plausible here"));
}

TEST(Gzip, MembersInARowAreOneContentAndZeroPaddingIsIgnored) {
  Bytes packed = compress("gzip", bytes_of("first "));
  const Bytes second = compress("gzip", bytes_of("second"));
  packed.insert(packed.end(), second.begin(), second.end());
  packed.resize(packed.size() + 1000);
  EXPECT_EQ(unpack(packed)->read_all(), bytes_of("first second"));
  packed.push_back(0x41);
  EXPECT_THAT(message_of<DataError>([&] { static_cast<void>(unpack(packed)->read_all()); }),
              AllOf(HasSubstr("corrupt gzip data"), HasSubstr("found foreign bytes after the end")));
}

TEST(Gzip, ChecksumAndLengthAtTheEndAreVerified) {
  const Bytes packed = compress("gzip", mixed_content(5000));
  Bytes wrong_crc = packed;
  wrong_crc[packed.size() - 8] ^= 1;
  EXPECT_THAT(message_of<DataError>([&] { static_cast<void>(unpack(wrong_crc)->read_all()); }),
              AllOf(HasSubstr("dir/x: corrupt gzip data: near byte"),
                    HasSubstr("incorrect checksum or length"), HasSubstr("copy or download the file again")));
  Bytes wrong_length = packed;
  wrong_length[packed.size() - 1] ^= 1;
  EXPECT_THAT(message_of<DataError>([&] { static_cast<void>(unpack(wrong_length)->read_all()); }),
              HasSubstr("incorrect checksum or length"));
}

TEST(ByteStream, SaysWhatIsMissingOrTooMuch) {
  const Bytes four = bytes_of("four");
  const auto in = open_bytes(four, "mem");
  Bytes two(2);
  in->read_exactly(two, "the first half");
  Bytes three(3);
  EXPECT_EQ(message_of<DataError>([&] { in->read_exactly(three, "the second half"); }),
            "mem: truncated: the second half: wanted 3 bytes from byte 2, found 2");
  const auto again = open_bytes(four, "mem");
  Bytes all;
  // A header that promises 2^60 bytes must not make the reader allocate them.
  EXPECT_EQ(message_of<DataError>([&] { again->append_exactly(all, std::uint64_t{1} << 60, "a lie"); }),
            "mem: truncated: a lie: wanted 1152921504606846976 bytes from byte 0, found 4");
  const auto third = open_bytes(four, "mem");
  third->read_exactly(two, "x");
  EXPECT_EQ(message_of<DataError>([&] { third->expect_end("two letters"); }),
            "mem: oversized: found more bytes at byte 2, wanted the end after two letters");
}

TEST(ByteStream, AFolderIsNotAFile) {
  const TempDir dir;
  EXPECT_EQ(message_of<DataError>([&] { static_cast<void>(open_file(dir.path())); }),
            dir.path() + ": is a folder, wanted a file");
}

struct ArchiveKind {
  const char* format;
  const char* filter;
};
class Archives : public ::testing::TestWithParam<ArchiveKind> {};
INSTANTIATE_TEST_SUITE_P(Kinds, Archives,
                         ::testing::Values(ArchiveKind{"tar", "none"}, ArchiveKind{"tar", "gzip"},
                                           ArchiveKind{"tar", "xz"}, ArchiveKind{"zip", "none"}),
                         [](const auto& test) {
                           return std::string(test.param.format) + "_" + test.param.filter;
                         });

TEST_P(Archives, MembersComeWithNameContentAndDigest) {
  const TempDir dir;
  const std::string path = dir.at("a.archive");
  const Bytes large = mixed_content();
  write_file(path,
             make_archive(GetParam().format, GetParam().filter, {{"d/one", large}, {"two", bytes_of("2")}}));
  EXPECT_TRUE(is_archive(path));
  std::map<std::string, Bytes> seen;
  for_each_member(path, kDefaultMaxBytes, [&](const std::string& member, ByteStream& content) {
    EXPECT_EQ(content.name(), path + ":" + member);
    seen[member] = content.read_all();
    EXPECT_EQ(content.file_sha256(), sha256_hex(seen[member]));
    return true;
  });
  EXPECT_EQ(seen, (std::map<std::string, Bytes>{{"d/one", large}, {"two", bytes_of("2")}}));
  // A member need not be read, and the walk may end early.
  std::size_t visits = 0;
  for_each_member(path, kDefaultMaxBytes, [&](const std::string&, ByteStream&) { return ++visits < 1; });
  EXPECT_EQ(visits, 1U);
  EXPECT_THAT(message_of<DataError>([&] {
                for_each_member(path, 1000, [](const std::string&, ByteStream& content) {
                  content.skip_to_end();
                  return true;
                });
              }),
              StartsWith(path + ":d/one: holds more than 1000 bytes"));
}

TEST_P(Archives, TruncationIsRefused) {
  const TempDir dir;
  const std::string path = dir.at("a.archive");
  Bytes packed = make_archive(GetParam().format, GetParam().filter, {{"one", mixed_content(100000)}});
  packed.resize(packed.size() / 2);
  write_file(path, packed);
  EXPECT_THAT(message_of<DataError>([&] {
                for_each_member(path, kDefaultMaxBytes, [](const std::string&, ByteStream& content) {
                  content.skip_to_end();
                  return true;
                });
              }),
              StartsWith(path));
}

TEST(Archives, OtherFilesAreNone) {
  const TempDir dir;
  write_file(dir.at("x.gz"), compress("gzip", mixed_content(3000)));
  EXPECT_FALSE(is_archive(dir.at("x.gz")));
  EXPECT_THAT(message_of<DataError>([&] {
                for_each_member(dir.at("x.gz"), kDefaultMaxBytes,
                                [](const std::string&, ByteStream&) { return true; });
              }),
              HasSubstr("x.gz: is not a readable tar or zip archive: "));
}

}  // namespace
}  // namespace deepsad
