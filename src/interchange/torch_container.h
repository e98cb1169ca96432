// PyTorch's files, up to the values in them: the ZIP container, and the one before PyTorch 1.6.
// Source: PyTorch, torch/serialization.py (_load, _legacy_load, _legacy_save).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "deepsad/nn/state_dict.h"
#include "deepsad/storage/pickle.h"

namespace deepsad {

/// Tensors may share a storage, and texts their bytes, but all that is read is at most so many times what
/// lies in the file: a small file cannot take much memory.
inline constexpr std::uint64_t kMostSharing = 4;

/// What a file holds: the pickled object, and the storages that its tensors lie in.
class TorchFile {
 public:
  /// @throws DataError "PATH: ..." if it is no file of torch.save, or is damaged, or its pickle holds
  /// anything but values, ordered dicts and tensors of float, double or int64
  [[nodiscard]] static TorchFile read(const std::string& path);

  [[nodiscard]] const Pickle& pickle() const { return pickle_; }
  /// The tensor that a value is. float and double become float; int64 is accepted as a scalar only, a count.
  /// @param name for the result and for messages
  /// @throws DataError if the value is no tensor, or reaches outside its storage, or holds NaN or infinity,
  /// or all that was asked for has kMostSharing times the elements of the file's storages
  [[nodiscard]] StateTensor tensor(const PickleNode& node, const std::string& name);
  /// The tensors of a state dict, in its order. @throws DataError as tensor()
  [[nodiscard]] StateDict state_dict(const PickleNode& node, const std::string& name);
  /// The numbers of a list or of a tensor of one dimension. @throws DataError as tensor()
  [[nodiscard]] std::vector<float> numbers(const PickleNode& node, const std::string& name);
  /// A dict of texts. @throws DataError if it is none, or the texts have kMostSharing times the bytes of the
  /// pickle
  [[nodiscard]] std::map<std::string, std::string> texts(const PickleNode& node,
                                                         const std::string& name) const;

 private:
  struct Storage {
    std::string type;     // "torch.FloatStorage"
    std::uint64_t n = 0;  // elements
    std::vector<std::uint8_t> bytes;
  };
  explicit TorchFile(std::string source) : source_(std::move(source)) {}
  void read_zip();
  void read_legacy(const std::vector<std::uint8_t>& bytes);
  void find_storages();
  void fill(const std::string& key, std::vector<std::uint8_t> bytes);
  [[noreturn]] void refuse(const std::string& what) const;
  [[nodiscard]] std::uint64_t whole(const PickleNode& node, const std::string& name, const char* what) const;
  [[nodiscard]] std::vector<std::uint64_t> whole_numbers(const PickleNode& node, const std::string& name,
                                                         const char* what) const;
  [[nodiscard]] double number(const PickleNode& node, const std::string& name) const;

  std::string source_;
  Pickle pickle_;
  std::map<std::string, Storage> storages_;
  std::uint64_t room_ = 0;  // elements that tensors may still have
};

/// Writes such a file, in the container before PyTorch 1.6: a dict of state dicts, lists of numbers and dicts
/// of texts.
class TorchWriter {
 public:
  void numbers(const std::string& key, const std::vector<float>& values);
  void state_dict(const std::string& key, const StateDict& state);
  void texts(const std::string& key, const std::map<std::string, std::string>& values);
  [[nodiscard]] std::vector<std::uint8_t> bytes() const;

 private:
  std::string items_;  // keys and values, pickled
  struct Storage {
    std::string key;
    std::uint64_t n;
    std::string bytes;
  };
  std::vector<Storage> storages_;
};

}  // namespace deepsad
