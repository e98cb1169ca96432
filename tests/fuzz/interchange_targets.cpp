#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <string_view>

#include "deepsad/interchange/torch_checkpoint.h"
#include "deepsad/storage/pickle.h"
#include "fuzz/support.h"
#include "interchange/onnx_evaluation.h"
#include "interchange/onnx_format.h"

namespace deepsad::fuzz {
namespace {

/// The bytes as a file that has a path but lies in memory.
class MemoryFile {
 public:
  explicit MemoryFile(Input bytes) : descriptor_(memfd_create("input", 0)) {
    require(descriptor_ >= 0 &&
                write(descriptor_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
            "a file in memory can be written");
  }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

}  // namespace

void pickle(Input input) {
  constexpr std::array<std::string_view, 3> kGlobals = {
      "collections.OrderedDict", "torch._utils._rebuild_tensor_v2", "torch.FloatStorage"};
  static_cast<void>(accepted([&] {
    const Pickle pickle = read_pickle(input, kGlobals, "input");
    require(pickle.n_bytes <= input.size(), "a pickle ends in its bytes");
    const auto known = [&](PickleRef ref) { return ref < pickle.nodes.size(); };
    for (const PickleNode& node : pickle.nodes) {
      require(!in_words(node).empty(), "every value has words");
      for (const PickleRef ref : node.items) require(known(ref), "items are values");
      require(!node.arguments || known(*node.arguments), "arguments are values");
      require(!node.state || known(*node.state), "states are values");
    }
  }));
}

void torch(Input input) {
  ThreadPool pool(1);
  for (const bool rows_are_scaled : {true, false}) {
    static_cast<void>(accepted([&] {
      TorchImportOptions options;
      options.rows_are_scaled = rows_are_scaled;
      const Model model = import_torch(MemoryFile(input).path(), options, pool);
      const std::vector<std::uint8_t> exported = torch_checkpoint(model);
      const Model again = import_torch(MemoryFile(exported).path(), {}, pool);
      require(again.to_bytes() == model.to_bytes(), "a model survives its checkpoint");
    }));
  }
}

void onnx(Input input) {
  constexpr std::size_t kMostValues = 1 << 12;
  static_cast<void>(accepted([&] {
    const OnnxFile file = onnx_from_bytes(input, "input");
    const std::string bytes = onnx_bytes(file);
    const std::span<const std::uint8_t> again(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                              bytes.size());
    require(onnx_bytes(onnx_from_bytes(again, "again")) == bytes, "writing keeps the content");
    OnnxArray row{.type = file.inputs[0].type, .shape = {}, .values = {0}};
    for (const std::int64_t extent : file.inputs[0].shape) {
      row.shape.push_back(extent < 1 ? 1 : static_cast<std::size_t>(extent));
      if (row.shape.back() > kMostValues / row.values.size()) throw DataError("too large for this target");
      row.values.resize(row.values.size() * row.shape.back());
    }
    static_cast<void>(evaluate_onnx(file, {{file.inputs[0].name, row}}, "input", kMostValues));
  }));
}

}  // namespace deepsad::fuzz
