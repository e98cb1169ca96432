// Named tensors and text in a safetensors container (docs/model-file.md): a published, data-only format;
// reading it executes nothing. Format: https://github.com/huggingface/safetensors, "Format".
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace deepsad {

/// Element types of stored tensors; in the file "F32", "F64", "I64", "U8".
enum class TensorType : std::uint8_t { f32, f64, i64, u8 };

/// Bytes per element: 4, 8, 8, 1.
[[nodiscard]] std::size_t element_size(TensorType type);
/// "F32", "F64", "I64", "U8".
[[nodiscard]] std::string_view type_name(TensorType type);

/// A tensor by name; row-major, little-endian. No dimension at all means a scalar; a dimension may be 0.
struct NamedTensor {
  std::string name;
  TensorType type = TensorType::f32;
  std::vector<std::size_t> shape;
  std::vector<std::uint8_t> bytes;

  bool operator==(const NamedTensor&) const = default;
};

/// The tensor with these values. @throws InvalidArgument if the shape does not hold exactly values.size()
/// elements
[[nodiscard]] NamedTensor make_tensor(std::string name, std::vector<std::size_t> shape,
                                      std::span<const float> values);
[[nodiscard]] NamedTensor make_tensor(std::string name, std::vector<std::size_t> shape,
                                      std::span<const double> values);
[[nodiscard]] NamedTensor make_tensor(std::string name, std::vector<std::size_t> shape,
                                      std::span<const std::int64_t> values);
[[nodiscard]] NamedTensor make_tensor(std::string name, std::vector<std::size_t> shape,
                                      std::span<const std::uint8_t> values);

/// The values of a tensor, T one of float, double, std::int64_t, std::uint8_t.
/// @param source the file's name for the message
/// @throws ModelError if the tensor is of another type
template <class T>
[[nodiscard]] std::vector<T> tensor_values(const NamedTensor& tensor, const std::string& source);

/// What a container holds. Metadata are free text by key; keys of this project start with "deepsad.".
struct Safetensors {
  std::map<std::string, std::string> metadata;
  std::vector<NamedTensor> tensors;

  bool operator==(const Safetensors&) const = default;
};

/// The text under a key. @throws ModelError "WHAT: its metadata lacks "KEY"" if there is none
/// @param what file and kind for the message: "FILE: not a deepsad model"
[[nodiscard]] const std::string& metadata_text(const Safetensors& file, const std::string& key,
                                               const std::string& what);

/// The most bytes a header may have; the limit of the published format.
inline constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;

/// The metadata key under which a file carries the checksum of its own content; kept by the functions below
/// and never part of Safetensors::metadata.
inline constexpr std::string_view kChecksumKey = "deepsad.checksum";

/// The bytes of a container with a checksum. The same content gives the same bytes. The header lists the
/// tensors in their order here; the payload starts at a multiple of 64 bytes and every tensor at a multiple
/// of its element size.
/// @throws InvalidArgument if a name is empty, repeated or reserved ("__metadata__"), a shape does not fit
/// its bytes, a text is not UTF-8, or the header grows past kMaxSafetensorsHeader
[[nodiscard]] std::vector<std::uint8_t> write_safetensors(const Safetensors& content);

/// Reads a container that anybody may have written; a checksum is neither needed nor checked. Tensors come in
/// the order of the header.
/// @param source the file's name for messages
/// @throws ModelError "SOURCE: ..." if the bytes are not a safetensors container, are truncated, go on after
/// the last tensor, repeat a key, hold an unknown element type, or if offsets, shapes and sizes disagree
[[nodiscard]] Safetensors read_safetensors(std::span<const std::uint8_t> bytes, const std::string& source);

/// As read_safetensors, for files that write_safetensors made: any change of any byte since then is refused.
/// @throws ModelError also if the file is no deepsad model (no key starts with "deepsad."), or the checksum
/// is missing or is not that of the content
[[nodiscard]] Safetensors read_deepsad_safetensors(std::span<const std::uint8_t> bytes,
                                                   const std::string& source);

}  // namespace deepsad
