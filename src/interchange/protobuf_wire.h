// The wire format of protocol buffers, as far as ONNX files need it: fields in order, nested messages as
// bytes. Source: https://protobuf.dev/programming-guides/encoding/. Our own, because the program starts in
// two milliseconds, which loading libprotobuf would double, and because a process that holds another
// libprotobuf (Python with other packages) bears no second one. The tests read every file with the official
// library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace deepsad {

enum class WireType : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

/// Writes the fields of one message.
class ProtobufWriter {
 public:
  void integer(std::uint32_t field, std::int64_t value);
  void number(std::uint32_t field, float value);
  void text(std::uint32_t field, std::string_view value);
  void message(std::uint32_t field, const ProtobufWriter& value) { text(field, value.bytes_); }

  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  void varint(std::uint64_t value);
  void key(std::uint32_t field, WireType type);
  std::string bytes_;
};

/// One field as it stands in a message.
struct ProtobufField {
  std::uint32_t number = 0;
  WireType type{};
  std::uint64_t value = 0;                ///< varint, fixed64, fixed32
  std::span<const std::uint8_t> bytes{};  ///< bytes: text, a message or packed numbers

  // The value as a field of that type. @throws DataError if the field is of another wire type
  [[nodiscard]] std::int64_t integer(const std::string& source) const;
  [[nodiscard]] float number32(const std::string& source) const;
  [[nodiscard]] std::string text(const std::string& source) const;
  [[nodiscard]] std::span<const std::uint8_t> message(const std::string& source) const;
};

/// Reads the fields of a message, whose bytes outlive it, one after the other.
class ProtobufReader {
 public:
  /// @param source the file's name for messages
  ProtobufReader(std::span<const std::uint8_t> bytes, const std::string& source)
      : bytes_(bytes), source_(source) {}
  /// The next field; false at the end.
  /// @throws DataError if the bytes are no message: truncated, a number of more than 64 bits, an unknown wire
  /// type
  bool next(ProtobufField& field);
  /// The next of integers that stand packed one behind the other; false at the end. @throws DataError as
  /// next()
  bool next_packed(std::int64_t& value);

 private:
  std::uint64_t varint();
  std::uint64_t fixed(std::size_t n);
  [[noreturn]] void fail(const char* what) const;
  std::span<const std::uint8_t> bytes_;
  const std::string& source_;
  std::size_t at_ = 0;
};

}  // namespace deepsad
