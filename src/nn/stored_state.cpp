#include "nn/stored_state.h"

#include <span>

namespace deepsad {

NamedTensor to_stored(const StateTensor& tensor) {
  if (tensor.is_count) return make_tensor(tensor.name, {}, std::span<const std::int64_t>(&tensor.count, 1));
  return make_tensor(tensor.name, tensor.shape, std::span<const float>(tensor.values));
}

StateTensor from_stored(const NamedTensor& stored, const std::string& source) {
  StateTensor tensor{.name = stored.name, .shape = stored.shape, .values = {}, .is_count = false, .count = 0};
  if (stored.type == TensorType::i64 && stored.shape.empty()) {
    tensor.is_count = true;
    tensor.count = tensor_values<std::int64_t>(stored, source).front();
  } else {
    tensor.values = tensor_values<float>(stored, source);
  }
  return tensor;
}

}  // namespace deepsad
