#include "interchange/protobuf_wire.h"

#include <fmt/format.h>

#include <bit>

#include "deepsad/core/error.h"

namespace deepsad {
namespace {

constexpr std::uint64_t kMaxFieldNumber = (1U << 29) - 1;
constexpr unsigned kTypeBits = 3;

[[noreturn]] void fail_type(const std::string& source, std::uint32_t field, const char* wanted) {
  throw DataError(fmt::format("{}: no ONNX file: field {} of a message is no {}", source, field, wanted));
}

}  // namespace

void ProtobufWriter::varint(std::uint64_t value) {
  while (value >= 0x80) {
    bytes_ += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  bytes_ += static_cast<char>(value);
}

void ProtobufWriter::key(std::uint32_t field, WireType type) {
  varint((std::uint64_t{field} << kTypeBits) | static_cast<std::uint64_t>(type));
}

void ProtobufWriter::integer(std::uint32_t field, std::int64_t value) {
  key(field, WireType::varint);
  varint(static_cast<std::uint64_t>(value));
}

void ProtobufWriter::number(std::uint32_t field, float value) {
  key(field, WireType::fixed32);
  const auto bits = std::bit_cast<std::uint32_t>(value);
  for (unsigned shift = 0; shift < 32; shift += 8) bytes_ += static_cast<char>(bits >> shift);
}

void ProtobufWriter::text(std::uint32_t field, std::string_view value) {
  key(field, WireType::bytes);
  varint(value.size());
  bytes_ += value;
}

std::int64_t ProtobufField::integer(const std::string& source) const {
  if (type != WireType::varint) fail_type(source, number, "integer");
  return static_cast<std::int64_t>(value);
}

float ProtobufField::number32(const std::string& source) const {
  if (type != WireType::fixed32) fail_type(source, number, "32-bit number");
  return std::bit_cast<float>(static_cast<std::uint32_t>(value));
}

std::string ProtobufField::text(const std::string& source) const {
  const std::span<const std::uint8_t> content = message(source);
  return {content.begin(), content.end()};
}

std::span<const std::uint8_t> ProtobufField::message(const std::string& source) const {
  if (type != WireType::bytes) fail_type(source, number, "text or message");
  return bytes;
}

void ProtobufReader::fail(const char* what) const {
  throw DataError(fmt::format("{}: no ONNX file, or damaged: {} at byte {} of a message of {} bytes", source_,
                              what, at_, bytes_.size()));
}

std::uint64_t ProtobufReader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (at_ == bytes_.size()) fail("the end of the data inside a number");
    const std::uint64_t byte = bytes_[at_++];
    if (shift == 63 && byte > 1) break;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  fail("a number of more than 64 bits");
}

std::uint64_t ProtobufReader::fixed(std::size_t n) {
  if (bytes_.size() - at_ < n) fail("the end of the data inside a number");
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < n; ++i) value |= std::uint64_t{bytes_[at_++]} << (8 * i);
  return value;
}

bool ProtobufReader::next_packed(std::int64_t& value) {
  if (at_ == bytes_.size()) return false;
  value = static_cast<std::int64_t>(varint());
  return true;
}

bool ProtobufReader::next(ProtobufField& field) {
  if (at_ == bytes_.size()) return false;
  const std::uint64_t key = varint();
  if ((key >> kTypeBits) == 0 || (key >> kTypeBits) > kMaxFieldNumber) fail("a field number out of range");
  field = {.number = static_cast<std::uint32_t>(key >> kTypeBits),
           .type = static_cast<WireType>(key & ((1U << kTypeBits) - 1))};
  switch (field.type) {
    case WireType::varint:
      field.value = varint();
      return true;
    case WireType::fixed64:
      field.value = fixed(8);
      return true;
    case WireType::fixed32:
      field.value = fixed(4);
      return true;
    case WireType::bytes: {
      const std::uint64_t n = varint();
      if (n > bytes_.size() - at_) fail("a length beyond the end of the data");
      field.bytes = bytes_.subspan(at_, static_cast<std::size_t>(n));
      at_ += static_cast<std::size_t>(n);
      return true;
    }
  }
  fail("an unknown wire type");
}

}  // namespace deepsad
