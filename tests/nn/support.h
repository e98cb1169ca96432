// What the tests of this room share: seeded data, states filled by rule, losses that look at a plan's
// outputs.
#pragma once

#include <cstdint>
#include <cstring>
#include <mutex>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "deepsad/core/aligned_buffer.h"
#include "deepsad/core/random.h"
#include "deepsad/nn/catalogue.h"
#include "deepsad/nn/network_spec.h"
#include "deepsad/nn/state_dict.h"
#include "nn/plan.h"
#include "support/golden.h"

namespace deepsad::testing {

/// Rows 0, 1, ..., n - 1.
inline std::vector<std::uint32_t> first_rows(std::size_t n) {
  std::vector<std::uint32_t> rows(n);
  std::iota(rows.begin(), rows.end(), 0U);
  return rows;
}

template <class T>
MatrixView<const T> view(const Matrix<T>& matrix) {
  return {matrix.values.data(), matrix.rows, matrix.cols};
}
template <class T>
MatrixView<T> view(Matrix<T>& matrix) {
  return {matrix.values.data(), matrix.rows, matrix.cols};
}

/// rows x cols values uniform in [low, high), from the stream "test/data".
template <class T>
Matrix<T> random_matrix(std::size_t rows, std::size_t cols, std::uint64_t seed, double low = 0,
                        double high = 1) {
  Matrix<T> matrix(rows, cols);
  RandomStream stream(seed, "test/data");
  for (T& value : matrix.values) value = static_cast<T>(stream.uniform(low, high));
  return matrix;
}

/// The weights and running statistics that the golden values were computed with (specification, appendix
/// B.1).
inline StateDict golden_state(const std::vector<TensorInfo>& tensors) {
  StateDict state;
  std::uint32_t tensor_number = 0;
  for (const TensorInfo& info : tensors) {
    StateTensor tensor{.name = info.name, .shape = info.shape, .values = {}, .is_count = false, .count = 0};
    if (info.role == TensorRole::num_batches_tracked) {
      tensor.is_count = true;
      state.push_back(tensor);
      continue;
    }
    const std::size_t n = n_elements(info.shape);
    const double bound = std::sqrt(6.0 / (static_cast<double>(n) / static_cast<double>(info.shape[0])));
    for (std::size_t k = 0; k < n; ++k) {
      const double value = u(static_cast<std::uint32_t>(k), tensor_number);
      double filled = 0;
      if (info.role == TensorRole::running_var) {
        filled = 0.5 + value;
      } else if (info.shape.size() == 1) {
        filled = 0.2 * value - 0.1;
      } else {
        filled = (2 * value - 1) * bound;
      }
      tensor.values.push_back(static_cast<float>(filled));
    }
    ++tensor_number;
    state.push_back(std::move(tensor));
  }
  return state;
}

inline StateDict golden_state(const NetworkSpec& spec) {
  return golden_state(state_tensors(spec));
}

/// The inputs of the golden values: element k of the batch is u(k, 1000).
template <class T>
Matrix<T> golden_input(std::size_t rows, std::size_t cols) {
  constexpr std::uint32_t kInputTensor = 1000;
  Matrix<T> matrix(rows, cols);
  for (std::size_t k = 0; k < rows * cols; ++k) {
    matrix.values[k] = static_cast<T>(static_cast<float>(u(static_cast<std::uint32_t>(k), kInputTensor)));
  }
  return matrix;
}

/// Evaluates another loss and keeps what it saw: output rows, in the order of the batch, and lane losses.
/// Rows of the batch must be 0, 1, 2, ... of the training matrix.
template <class T>
class RecordingLoss final : public Loss<T> {
 public:
  RecordingLoss(const Loss<T>& loss, std::size_t n_rows, std::size_t n_outputs)
      : outputs(n_rows, n_outputs), losses(n_rows), loss_(loss) {}

  void evaluate(const GroupLoss<T>& group) const noexcept override {
    loss_.evaluate(group);
    for (std::size_t lane = 0; lane < group.n_valid; ++lane) {
      const std::size_t row = group.rows[lane];
      losses[row] = group.lane_loss[lane];
      for (std::size_t j = 0; j < outputs.cols; ++j) {
        outputs.row(row)[j] = group.output[j * kernels::kLanes + lane];
      }
    }
  }

  mutable Matrix<T> outputs;
  mutable std::vector<double> losses;

 private:
  const Loss<T>& loss_;
};

/// The tensor of this name; throws if there is none.
inline const StateTensor& tensor_of(const StateDict& state, const std::string& name) {
  for (const StateTensor& tensor : state) {
    if (tensor.name == name) return tensor;
  }
  throw std::runtime_error("no tensor " + name);
}

/// The gradient of one tensor.
template <class T>
std::vector<T> gradient_of(const Plan<T>& plan, const std::string& name) {
  const std::vector<T> all = plan.gradient();
  for (const auto& place : plan.places()) {
    if (place.name != name) continue;
    std::vector<T> gradient;
    for (const std::size_t at : place.at) gradient.push_back(all[at]);
    return gradient;
  }
  throw std::runtime_error("no tensor " + name);
}

/// Equal to the last bit (NaN included), unlike operator==.
template <class T>
bool same_bits(std::span<const T> a, std::span<const T> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

}  // namespace deepsad::testing
