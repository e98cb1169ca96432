// A network compiled for a batch size: shapes resolved, neighbouring layers fused, every buffer placed before
// the first step. A step allocates nothing. Derivations: docs/training-engine.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "deepsad/core/aligned_buffer.h"
#include "deepsad/core/matrix_view.h"
#include "deepsad/core/parallel.h"
#include "deepsad/nn/network_spec.h"
#include "deepsad/nn/state_dict.h"
#include "kernels/layout.h"

namespace deepsad {

/// What a loss sees of one group (16 samples, layout of kernels/layout.h).
template <class T>
struct GroupLoss {
  std::size_t n_valid;        ///< lanes 0..n_valid-1 hold samples
  const std::uint32_t* rows;  ///< row of the training matrix in each valid lane; nullptr with a GroupSource
  const T* input;             ///< [n_in][16]
  const T* output;            ///< [n_out][16]
  T* d_output;                ///< to be written: gradient of scale * (sum of lane losses); 0 in unused lanes
  double* lane_loss;          ///< to be written: [16], 0 in unused lanes
  T scale;                    ///< 1 / (rows in the batch)
  std::size_t group = 0;      ///< index of the group within the batch
};

/// A loss that is a mean over samples. evaluate() is called from several threads at once, for different
/// groups.
template <class T>
class Loss {
 public:
  virtual ~Loss() = default;
  virtual void evaluate(const GroupLoss<T>& group) const noexcept = 0;
};

/// Where a step takes its input from if not from rows of a matrix: a sample drawn from another network's
/// output, or that network's gradient. Called from several threads at once, for different groups.
template <class T>
class GroupSource {
 public:
  virtual ~GroupSource() = default;
  /// Writes the `group`-th group of the batch, [features][16], with zeros in lanes n_valid and beyond.
  virtual void fill(std::size_t group, std::size_t n_valid, T* values) const noexcept = 0;
};

enum class PlanMode {
  train,  ///< batch statistics, gradients, optimiser state, one buffer for each group of the batch
  infer,  ///< running statistics, one buffer for each worker
  /// As infer, and the way back to the input: no gradient of a weight, so rows never meet
  differentiate,
};

/// Whether a step also computes the gradient with respect to the network's input (train mode), for the
/// network that made it.
enum class InputGradient { unwanted, wanted };

/// What a score sees of one group (16 samples, layout of kernels/layout.h), and what it gives back.
template <class T>
struct GroupScore {
  std::size_t first_row;  ///< of the matrix, in lane 0
  std::size_t n_valid;    ///< lanes 0..n_valid-1 hold samples
  const T* input;         ///< [n_in][16]
  const T* output;        ///< [n_out][16]
  T* d_output;            ///< to be written: each lane's derivative of its score; 0 in unused lanes
  double* score;          ///< to be written: [16], anything in unused lanes
};

/// A score of one sample as a function of the network's output, and of the input itself (a reconstruction
/// error). Called from several threads at once, for different groups.
template <class T>
class ScoreFunction {
 public:
  virtual ~ScoreFunction() = default;
  virtual void evaluate(const GroupScore<T>& group) const noexcept = 0;
  /// Adds to d_input [n_in][16] what the score depends on the input directly, the output held fixed.
  virtual void add_direct(std::size_t /*n_valid*/, const T* /*input*/, const T* /*output*/,
                          T* /*d_input*/) const noexcept {}
};

template <class T>
class PlanOp;

/// Instantiated for float (vector kernels) and double (scalar reference; gradient checks).
/// Same bits at any thread count: groups are computed independently, sums over them run in group order, and
/// gradients are summed within fixed blocks of groups and then in block order, or for each weight and channel
/// over the whole batch by one thread.
template <class T>
class Plan {
 public:
  /// @param max_batch largest number of rows of a step (train mode)
  Plan(const NetworkSpec& spec, std::size_t max_batch, PlanMode mode, ThreadPool& pool,
       InputGradient input_gradient = InputGradient::unwanted);
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  [[nodiscard]] std::size_t n_inputs() const;
  [[nodiscard]] std::size_t n_outputs() const;
  /// Memory of the values between layers and of their gradients.
  [[nodiscard]] std::size_t edge_bytes() const;

  /// Sets weights and running statistics; the optimiser starts anew. @throws InvalidArgument with
  /// mismatch()'s text.
  void load(const StateDict& state);
  [[nodiscard]] StateDict state() const;
  /// state() and what the optimiser knows: tensors "adam.m/NAME", "adam.v/NAME" and the count "adam.step".
  /// load_training_state() goes on from there to the same bits (T = float). Train mode, between two steps.
  [[nodiscard]] StateDict training_state() const;
  /// @throws InvalidArgument if a tensor is missing, extra or of another shape
  void load_training_state(const StateDict& state);

  /// Computes once for all steps what they need of each row of x that does not depend on weights (moments of
  /// the patches under a first convolution; see precomputed_bytes()). Steps on rows of x use it until the
  /// next call. Without it every step computes it anew; results differ by rounding.
  /// An empty view: forgets the last one and frees the memory.
  /// @pre train mode; x.cols() == n_inputs(); x stays as it is, where it is, until the next call
  void precompute(MatrixView<const T> x);
  [[nodiscard]] std::size_t kept_bytes() const;  ///< that precompute() took
  /// Forward and backward pass over the given rows of x, in training mode (running statistics are updated).
  /// Leaves what update() takes the gradient from, in place of what it did not take. Returns the batch's mean
  /// loss. @pre 1 <= rows.size() <= max_batch
  double forward_backward(MatrixView<const T> x, std::span<const std::uint32_t> rows, const Loss<T>& loss);
  /// The same for n rows that `input` writes.
  double forward_backward(const GroupSource<T>& input, std::size_t n, const Loss<T>& loss);
  /// The two halves of a step, for a model of several networks: forward() leaves the outputs, backward() goes
  /// on from their gradient, which `d_output` writes. @pre backward() follows the forward() it belongs to
  void forward(const GroupSource<T>& input, std::size_t n);
  void backward(const GroupSource<T>& d_output);
  // What the last pass left of a group, [features][16]; d_input() needs InputGradient::wanted.
  [[nodiscard]] const T* input(std::size_t group) const;
  [[nodiscard]] const T* output(std::size_t group) const;
  [[nodiscard]] const T* d_input(std::size_t group) const;
  /// One Adam step with the last gradient. @pre the last pass was forward_backward() or backward()
  void update(T learning_rate, T weight_decay);

  /// The first weight or bias that is not finite ("tensor \"conv1.weight\""); "" if all are.
  [[nodiscard]] std::string non_finite_tensor() const;
  /// What is wrong when a loss is not finite: non_finite_tensor(), or "the input", or the first layer whose
  /// output is not finite for these rows ("layer 1 (conv2d \"conv1\")"); "" if all is finite. Runs a forward
  /// pass in training mode.
  [[nodiscard]] std::string first_non_finite(MatrixView<const T> x, std::span<const std::uint32_t> rows,
                                             const Loss<T>& loss);

  /// The first of these in what the last pass left: "the input" or a layer; "" if all is finite.
  [[nodiscard]] std::string non_finite_value() const;

  /// Receives one group of an inference pass: rows first_row .. first_row + n_valid - 1. Called from several
  /// threads at once, for different groups.
  class GroupSink {
   public:
    virtual ~GroupSink() = default;
    virtual void operator()(std::size_t first_row, std::size_t n_valid, const T* input, const T* output) = 0;
  };
  /// The same network for inference on the same pool, with the weights as they are now.
  [[nodiscard]] std::unique_ptr<Plan> for_inference() const;
  /// Lets the following passes run on another pool with as many threads. Not in train mode.
  void use_pool(ThreadPool& pool);
  /// Forward pass in evaluation mode over all rows of x. infer mode only.
  void infer(MatrixView<const T> x, GroupSink& sink);
  /// As infer(), with the outputs as rows of dst (x.rows() x n_outputs()).
  void infer_rows(MatrixView<const T> x, MatrixView<T> dst);

  /// The score s of every row of x and its gradient, gradient_ij = d s_i / d x_ij, in evaluation mode
  /// (running statistics), one forward and one backward pass. At a kink (leaky ReLU at 0, a tie in a max
  /// pool) the derivative is that of one side. A row's result depends on that row alone; same bits at any
  /// thread count; allocates nothing. differentiate mode only.
  /// @param scores x.rows() values   @param gradient x.rows() x n_inputs()
  void score_gradient(MatrixView<const T> x, const ScoreFunction<T>& score, std::span<double> scores,
                      MatrixView<T> gradient);

  // For tests: the arena of weights, the gradient of the last forward_backward() (partials summed in order)
  // in the same places, and where each element of a tensor lies.
  [[nodiscard]] std::span<T> weights();
  [[nodiscard]] std::vector<T> gradient() const;
  struct Place {
    std::string name;
    std::vector<std::size_t> at;
  };
  [[nodiscard]] std::vector<Place> places() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Memory that Plan<float>::precompute() takes for n_rows rows, without a plan: 0 for most networks, and
/// where it would be more than 256 MiB, in which case nothing is kept.
[[nodiscard]] std::size_t precomputed_bytes(const NetworkSpec& spec, std::size_t n_rows);

extern template class Plan<float>;
extern template class Plan<double>;

}  // namespace deepsad
