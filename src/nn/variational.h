// The training steps of the deep generative models: an encoder and a decoder joined by a random sample, and
// for M2 a classifier beside them. Every formula: docs/methods/deep-generative.md.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "deepsad/core/aligned_buffer.h"
#include "deepsad/core/matrix_view.h"
#include "deepsad/data/dataset.h"
#include "deepsad/nn/generative_network.h"
#include "kernels/gaussian/gaussian.h"
#include "nn/plan.h"
#include "nn/plan_ops.h"
#include "nn/training_loop.h"

namespace deepsad {

/// Noise of one step: the numbers that `key` gives (kernels::gaussian_noise), or zeros for comparisons with
/// another implementation.
using NoiseKey = std::optional<std::uint64_t>;

/// The noise keys of a phase: one for each step, from the stream "noise/NAME".
class NoiseStream {
 public:
  NoiseStream(std::uint64_t seed, std::string name) : seed_(seed), name_("noise/" + std::move(name)) {}
  /// Key of the next step.
  [[nodiscard]] NoiseKey next();
  /// Key of the k-th piece of the validation rows, the same after every epoch: from "noise/NAME/validation".
  [[nodiscard]] NoiseKey of_validation(std::uint64_t k) const;
  /// How many steps have drawn, and to go on after so many.
  [[nodiscard]] std::uint64_t position() const { return step_; }
  void go_to(std::uint64_t position) { step_ = position; }
  // For comparisons: all noise is zero, from now on or in the first n steps, or that of the next step again
  // and again.
  void silence() { silence_first(static_cast<std::uint64_t>(-1)); }
  void silence_first(std::uint64_t n) { silent_steps_ = n; }
  void hold() { held_ = true; }

 private:
  std::uint64_t seed_;
  std::string name_;
  std::uint64_t step_ = 0;
  std::uint64_t silent_steps_ = 0;
  bool held_ = false;
};

/// What a pass through encoder and decoder is made of: n entries, each a sample x with, for M2, a label y.
template <class T>
struct Entries {
  std::size_t n;
  const GroupSource<T>& input;             ///< the encoder's input without the label
  const GroupSource<T>* target = nullptr;  ///< what the decoder shall give; nullptr: the encoder's input
  const std::uint8_t* labels = nullptr;    ///< n values 0 or 1, if the model has labels
  const T* weights;                        ///< n factors of the costs in the objective
  NoiseKey noise;
};

/// Encoder and decoder. The cost of an entry is what the evidence lower bound charges for it,
///     c(x, y) = -sum_j [x_j log r_j + (1 - x_j) log(1 - r_j)] + KL(q(z | x, y) || N(0, I)),
/// r the decoder's output at one z drawn from q(z | x, y).
template <class T>
class VariationalNetwork {
 public:
  /// @param kind says whether there are labels (not with vae) and targets of their own (m1m2 only)
  /// @param max_entries largest number of entries of a pass
  VariationalNetwork(const GenerativeSpecs& specs, GenerativeKind kind, kernels::GaussianForm form,
                     std::size_t max_entries, ThreadPool& pool);
  ~VariationalNetwork();
  VariationalNetwork(const VariationalNetwork&) = delete;
  VariationalNetwork& operator=(const VariationalNetwork&) = delete;

  /// Takes the tensors "encoder. ..." and "decoder. ..." as stored (two heads); others are passed over.
  void load(const StateDict& state);
  [[nodiscard]] StateDict state() const;
  /// Of both plans, with what their optimisers know, prefixed "encoder." and "decoder."; other tensors are
  /// passed over by the second.
  [[nodiscard]] StateDict training_state() const;
  void load_training_state(const StateDict& state);

  /// The cost of every entry; leaves the gradient of sum_e weights[e] costs[e] for update().
  void forward_backward(const Entries<T>& entries, std::span<double> costs);
  /// The KL part of the last pass' costs.
  [[nodiscard]] double divergence(std::size_t entry) const { return divergences_[entry]; }
  void update(T learning_rate, T weight_decay);

  [[nodiscard]] std::string non_finite_tensor() const;
  [[nodiscard]] std::string non_finite_value() const;

  // For tests.
  [[nodiscard]] Plan<T>& encoder() { return encoder_; }
  [[nodiscard]] Plan<T>& decoder() { return decoder_; }

 private:
  class EncoderInput;
  class Sample;
  class SampleGradient;
  class Cost;

  std::size_t n_labels_, n_latent_, n_features_;  // features of the encoder's input without the label
  kernels::GaussianForm form_;
  Plan<T> encoder_, decoder_;
  GroupBuffer<T> noise_, target_, weights_;
  AlignedBuffer<double> divergences_;
};

/// One step of a VAE: the mean cost of the batch.
template <class T>
class VaeStep final : public TrainingStep {
 public:
  /// All references outlive the step.
  VaeStep(VariationalNetwork<T>& network, MatrixView<const T> x, std::size_t max_batch, NoiseStream noise);
  double forward_backward(std::span<const std::uint32_t> rows) override;
  void update(float learning_rate, float weight_decay) override;
  [[nodiscard]] std::string non_finite_tensor() const override { return network_.non_finite_tensor(); }
  [[nodiscard]] std::string first_non_finite(std::span<const std::uint32_t> rows) override;
  [[nodiscard]] double validation_loss(std::span<const std::uint32_t> rows) override;
  [[nodiscard]] StateDict weights() const override { return network_.state(); }
  void load(const StateDict& weights) override { network_.load(weights); }
  [[nodiscard]] StateDict training_state() const override;
  void load_training_state(const StateDict& state) override;
  [[nodiscard]] NoiseStream& noise() { return noise_; }

 private:
  /// Mean cost of the rows, at most max_batch; leaves the gradient.
  double mean_cost(std::span<const std::uint32_t> rows, NoiseKey noise);

  VariationalNetwork<T>& network_;
  MatrixView<const T> x_;
  NoiseStream noise_;
  AlignedBuffer<T> weights_;
  AlignedBuffer<double> costs_;
};

/// -log p(y) of the uniform prior over the label values.
inline constexpr double kLabelCost = 0.69314718055994530942;

/// A row whose label is unknown: U(x) = sum_y q(y|x) [c(x,y) - log p(y) + log q(y|x)], that is minus the
/// bound with y summed out; q from the classifier's logits. Writes q and dU/dlogits.
[[nodiscard]] double unlabelled_cost(const std::array<double, kLabelValues>& costs,
                                     const std::array<double, kLabelValues>& logits,
                                     std::array<double, kLabelValues>& q,
                                     std::array<double, kLabelValues>& d_logits);
/// -log q(y | x), and its derivatives.
[[nodiscard]] double classification_cost(std::size_t label, const std::array<double, kLabelValues>& logits,
                                         std::array<double, kLabelValues>& d_logits);

/// How the rows of a batch are weighed in J = L + U + alpha C.
enum class BatchWeights {
  means,   ///< L, U and C are means over the labelled, the unlabelled and the labelled rows, as in the
           ///< reference
  counts,  ///< every row weighs 1 / batch in L and U, alpha / batch in C, as in Kingma et al.
};

struct SemiSupervisedStepOptions {
  double alpha = 1;  ///< weight of the classification term
  BatchWeights weights = BatchWeights::means;
  bool drop_single_labelled = false;  ///< the reference's defect T17: a batch's only labelled row is not used
};

/// One step of M2 or M1+M2: J = L + U + alpha C.
template <class T>
class SemiSupervisedStep final : public TrainingStep {
 public:
  /// What the models look at, one row a sample. All outlive the step.
  struct Data {
    MatrixView<const T> x;             ///< what is reconstructed
    MatrixView<const T> classified;    ///< what the classifier takes: x, or the VAE's mean codes
    MatrixView<const T> posteriors{};  ///< m1m2: outputs of the VAE's encoder, of which the codes are drawn
    kernels::GaussianForm posterior_form{};
    std::span<const SemiLabel> semi;
  };
  SemiSupervisedStep(VariationalNetwork<T>& generative, Plan<T>& classifier, const Data& data,
                     const SemiSupervisedStepOptions& options, std::size_t max_batch, NoiseStream noise,
                     NoiseStream code_noise);
  ~SemiSupervisedStep() override;

  double forward_backward(std::span<const std::uint32_t> rows) override;
  void update(float learning_rate, float weight_decay) override;
  [[nodiscard]] std::string non_finite_tensor() const override;
  [[nodiscard]] std::string first_non_finite(std::span<const std::uint32_t> rows) override;
  [[nodiscard]] double validation_loss(std::span<const std::uint32_t> rows) override;
  /// Tensors "encoder. ...", "decoder. ..." and "classifier. ...".
  [[nodiscard]] StateDict weights() const override;
  void load(const StateDict& weights) override;
  [[nodiscard]] StateDict training_state() const override;
  void load_training_state(const StateDict& state) override;

  /// The terms of the last batch's J; a term without rows is 0.
  struct Terms {
    double labelled = 0, unlabelled = 0, classification = 0;
    std::size_t n_labelled = 0, n_unlabelled = 0;
  };
  [[nodiscard]] const Terms& terms() const { return terms_; }
  [[nodiscard]] NoiseStream& noise() { return noise_; }
  [[nodiscard]] NoiseStream& code_noise() { return code_noise_; }

 private:
  class CodeSource;
  class LogitGradient;
  using Logits = std::array<double, kLabelValues>;

  /// J of the rows, given the classifier's logits of each; leaves the gradients of the generative networks
  /// and of the logits.
  template <class LogitsOf>
  double objective(std::span<const std::uint32_t> rows, LogitsOf&& logits_of, NoiseKey noise,
                   NoiseKey code_noise);

  VariationalNetwork<T>& generative_;
  Plan<T>& classifier_;
  Data data_;
  SemiSupervisedStepOptions options_;
  NoiseStream noise_, code_noise_;
  Terms terms_;
  // By entry: labelled rows once, unlabelled rows once with each label.
  std::vector<std::uint32_t> entry_rows_;
  std::vector<std::uint8_t> entry_labels_;
  AlignedBuffer<T> entry_weights_;
  AlignedBuffer<double> costs_;
  std::unique_ptr<Plan<T>> inference_;  // the classifier, for validation; made at the first need
  GroupBuffer<T> d_logits_;
  GroupBuffer<T> posterior_, posterior_noise_;
};

extern template class VariationalNetwork<float>;
extern template class VariationalNetwork<double>;
extern template class VaeStep<float>;
extern template class VaeStep<double>;
extern template class SemiSupervisedStep<float>;
extern template class SemiSupervisedStep<double>;

}  // namespace deepsad
