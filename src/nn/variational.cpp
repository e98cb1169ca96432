#include "nn/variational.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "deepsad/core/random.h"
#include "kernels/gather/gather.h"
#include "kernels/loss/loss.h"

namespace deepsad {
namespace {

using kernels::kLanes;

// Names in training_state().
constexpr const char* kNoisePosition = "noise.position";
constexpr const char* kCodeNoisePosition = "code_noise.position";

std::size_t n_groups(std::size_t n) {
  return (n + kLanes - 1) / kLanes;
}

/// The label one-hot, [kLabelValues][16], zeros in unused lanes.
template <class T>
void write_label(const std::uint8_t* labels, std::size_t group, std::size_t n_valid, T* values) {
  for (std::size_t k = 0; k < kLabelValues; ++k) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      values[k * kLanes + l] = l < n_valid && labels[group * kLanes + l] == k ? T{1} : T{0};
    }
  }
}

template <class T>
void write_noise(const NoiseKey& key, std::size_t group, std::size_t n, T* values) {
  if (key) {
    kernels::gaussian_noise(*key, static_cast<std::uint32_t>(group), n, values);
  } else {
    std::fill_n(values, n * kLanes, T{0});
  }
}

/// The mean over the rows of what piece_mean(piece, its number) gives for pieces of at most `size` rows.
template <class PieceMean>
double mean_of_pieces(std::span<const std::uint32_t> rows, std::size_t size, PieceMean&& piece_mean) {
  double sum = 0;
  std::uint64_t k = 0;
  for (std::size_t first = 0; first < rows.size(); first += size, ++k) {
    const std::span<const std::uint32_t> piece = rows.subspan(first, std::min(size, rows.size() - first));
    sum += static_cast<double>(piece.size()) * piece_mean(piece, k);
  }
  return sum / static_cast<double>(rows.size());
}

/// Rows of a matrix, listed one by one.
template <class T>
class MatrixSource final : public GroupSource<T> {
 public:
  MatrixSource(MatrixView<const T> x, const std::uint32_t* rows) : x_(x), rows_(rows) {}
  void fill(std::size_t group, std::size_t n_valid, T* values) const noexcept override {
    kernels::gather_rows(x_.data(), x_.stride(), rows_ + group * kLanes, n_valid, x_.cols(), values);
  }

 private:
  MatrixView<const T> x_;
  const std::uint32_t* rows_;
};

template <class T>
bool all_finite(MatrixView<const T> x, std::span<const std::uint32_t> rows) {
  return std::all_of(rows.begin(), rows.end(), [&](std::uint32_t row) {
    return std::all_of(x.row(row).begin(), x.row(row).end(), [](T value) { return std::isfinite(value); });
  });
}

std::array<double, kLabelValues> log_softmax(const std::array<double, kLabelValues>& logits) {
  const double largest = std::max(logits[0], logits[1]);
  const double log_sum = largest + std::log1p(std::exp(std::min(logits[0], logits[1]) - largest));
  return {logits[0] - log_sum, logits[1] - log_sum};
}

}  // namespace

NoiseKey NoiseStream::next() {
  const std::uint64_t key = RandomStream(seed_, name_, step_).next_u64();
  const bool silent = step_ < silent_steps_;
  if (!held_) ++step_;
  if (silent) return std::nullopt;
  return key;
}

NoiseKey NoiseStream::of_validation(std::uint64_t k) const {
  return RandomStream(seed_, name_ + "/validation", k).next_u64();
}

// --- Encoder and decoder ---

/// The encoder's input: the sample, then the label.
template <class T>
class VariationalNetwork<T>::EncoderInput final : public GroupSource<T> {
 public:
  EncoderInput(VariationalNetwork& network, const Entries<T>& entries)
      : network_(network), entries_(entries) {}
  void fill(std::size_t group, std::size_t n_valid, T* values) const noexcept override {
    entries_.input.fill(group, n_valid, values);
    if (network_.n_labels_ > 0)
      write_label(entries_.labels, group, n_valid, values + network_.n_features_ * kLanes);
    if (entries_.target != nullptr) entries_.target->fill(group, n_valid, network_.target_.at(group));
    T* weights = network_.weights_.at(group);
    std::fill_n(weights, kLanes, T{0});
    std::copy_n(entries_.weights + group * kLanes, n_valid, weights);
    write_noise(entries_.noise, group, network_.n_latent_, network_.noise_.at(group));
  }

 private:
  VariationalNetwork& network_;
  const Entries<T>& entries_;
};

/// The decoder's input: a sample of the posterior, then the label.
template <class T>
class VariationalNetwork<T>::Sample final : public GroupSource<T> {
 public:
  Sample(VariationalNetwork& network, const Entries<T>& entries) : network_(network), entries_(entries) {}
  void fill(std::size_t group, std::size_t n_valid, T* values) const noexcept override {
    kernels::gaussian_sample(network_.n_latent_, n_valid, network_.form_, network_.encoder_.output(group),
                             network_.noise_.at(group), values,
                             network_.divergences_.data() + group * kLanes);
    if (network_.n_labels_ > 0)
      write_label(entries_.labels, group, n_valid, values + network_.n_latent_ * kLanes);
  }

 private:
  VariationalNetwork& network_;
  const Entries<T>& entries_;
};

/// The gradient with respect to the encoder's output: through the sample, and of the divergence.
template <class T>
class VariationalNetwork<T>::SampleGradient final : public GroupSource<T> {
 public:
  explicit SampleGradient(VariationalNetwork& network) : network_(network) {}
  void fill(std::size_t group, std::size_t /*n_valid*/, T* values) const noexcept override {
    kernels::gaussian_sample_backward(network_.n_latent_, network_.form_, network_.encoder_.output(group),
                                      network_.noise_.at(group), network_.decoder_.d_input(group),
                                      network_.weights_.at(group), values);
  }

 private:
  VariationalNetwork& network_;
};

template <class T>
class VariationalNetwork<T>::Cost final : public Loss<T> {
 public:
  Cost(VariationalNetwork& network, bool own_target, std::span<double> costs)
      : network_(network), own_target_(own_target), costs_(costs) {}
  void evaluate(const GroupLoss<T>& group) const noexcept override {
    const T* target = own_target_ ? network_.target_.at(group.group) : network_.encoder_.input(group.group);
    kernels::bernoulli_loss(network_.decoder_.n_outputs(), group.n_valid, group.output, target,
                            network_.weights_.at(group.group), group.d_output, group.lane_loss);
    const std::size_t first = group.group * kLanes;
    for (std::size_t l = 0; l < group.n_valid; ++l) {
      costs_[first + l] = group.lane_loss[l] + network_.divergences_[first + l];
    }
  }

 private:
  VariationalNetwork& network_;
  bool own_target_;
  std::span<double> costs_;
};

template <class T>
VariationalNetwork<T>::VariationalNetwork(const GenerativeSpecs& specs, GenerativeKind kind,
                                          kernels::GaussianForm form, std::size_t max_entries,
                                          ThreadPool& pool)
    : n_labels_(kind == GenerativeKind::vae ? 0 : kLabelValues),
      n_latent_(n_elements(output_shape(specs.encoder)) / 2),
      n_features_(n_elements(specs.encoder.input) - n_labels_),
      form_(form),
      encoder_(specs.encoder, max_entries, PlanMode::train, pool),
      decoder_(specs.decoder, max_entries, PlanMode::train, pool, InputGradient::wanted) {
  assert(decoder_.n_inputs() == n_latent_ + n_labels_);
  const std::size_t groups = n_groups(max_entries);
  noise_.allocate(n_latent_, groups);
  weights_.allocate(1, groups);
  if (kind == GenerativeKind::m1m2) target_.allocate(decoder_.n_outputs(), groups);
  divergences_.resize(groups * kLanes);
}

template <class T>
VariationalNetwork<T>::~VariationalNetwork() = default;

template <class T>
void VariationalNetwork<T>::load(const StateDict& state) {
  encoder_.load(join_heads(without_prefix(state, "encoder.")));
  decoder_.load(without_prefix(state, "decoder."));
}

template <class T>
StateDict VariationalNetwork<T>::state() const {
  StateDict state = with_prefix(split_heads(encoder_.state()), "encoder.");
  const StateDict decoder = with_prefix(decoder_.state(), "decoder.");
  state.insert(state.end(), decoder.begin(), decoder.end());
  return state;
}

template <class T>
StateDict VariationalNetwork<T>::training_state() const {
  StateDict state = with_prefix(encoder_.training_state(), "encoder.");
  for (StateTensor& tensor : with_prefix(decoder_.training_state(), "decoder."))
    state.push_back(std::move(tensor));
  return state;
}

template <class T>
void VariationalNetwork<T>::load_training_state(const StateDict& state) {
  encoder_.load_training_state(without_prefix(state, "encoder."));
  decoder_.load_training_state(without_prefix(state, "decoder."));
}

template <class T>
void VariationalNetwork<T>::forward_backward(const Entries<T>& entries, std::span<double> costs) {
  assert(costs.size() >= entries.n);
  const bool own_target = entries.target != nullptr;
  encoder_.forward(EncoderInput(*this, entries), entries.n);
  (void)decoder_.forward_backward(Sample(*this, entries), entries.n, Cost(*this, own_target, costs));
  encoder_.backward(SampleGradient(*this));
}

template <class T>
void VariationalNetwork<T>::update(T learning_rate, T weight_decay) {
  encoder_.update(learning_rate, weight_decay);
  decoder_.update(learning_rate, weight_decay);
}

template <class T>
std::string VariationalNetwork<T>::non_finite_tensor() const {
  std::string tensor = encoder_.non_finite_tensor();
  if (!tensor.empty()) return "the encoder's " + tensor;
  tensor = decoder_.non_finite_tensor();
  return tensor.empty() ? tensor : "the decoder's " + tensor;
}

template <class T>
std::string VariationalNetwork<T>::non_finite_value() const {
  std::string value = encoder_.non_finite_value();
  if (!value.empty()) return "the encoder's " + value;
  value = decoder_.non_finite_value();
  return value.empty() ? value : "the decoder's " + value;
}

// --- VAE ---

template <class T>
VaeStep<T>::VaeStep(VariationalNetwork<T>& network, MatrixView<const T> x, std::size_t max_batch,
                    NoiseStream noise)
    : network_(network), x_(x), noise_(std::move(noise)), weights_(max_batch), costs_(max_batch) {}

template <class T>
double VaeStep<T>::forward_backward(std::span<const std::uint32_t> rows) {
  return mean_cost(rows, noise_.next());
}

// Encoder and decoder have no running statistics, so a step without update() is an evaluation.
template <class T>
double VaeStep<T>::validation_loss(std::span<const std::uint32_t> rows) {
  return mean_of_pieces(rows, weights_.size(), [this](std::span<const std::uint32_t> piece, std::uint64_t k) {
    return mean_cost(piece, noise_.of_validation(k));
  });
}

template <class T>
double VaeStep<T>::mean_cost(std::span<const std::uint32_t> rows, NoiseKey noise) {
  const std::size_t n = rows.size();
  std::fill_n(weights_.data(), n, static_cast<T>(1.0 / static_cast<double>(n)));
  const MatrixSource<T> source(x_, rows.data());
  network_.forward_backward({.n = n, .input = source, .weights = weights_.data(), .noise = noise},
                            costs_.span());
  double total = 0;
  for (std::size_t i = 0; i < n; ++i) total += costs_[i];
  return total / static_cast<double>(n);
}

template <class T>
void VaeStep<T>::update(float learning_rate, float weight_decay) {
  network_.update(static_cast<T>(learning_rate), static_cast<T>(weight_decay));
}

template <class T>
StateDict VaeStep<T>::training_state() const {
  StateDict state = network_.training_state();
  state.push_back(counter(kNoisePosition, noise_.position()));
  return state;
}

template <class T>
void VaeStep<T>::load_training_state(const StateDict& state) {
  network_.load_training_state(state);
  noise_.go_to(counter_of(state, kNoisePosition));
}

template <class T>
std::string VaeStep<T>::first_non_finite(std::span<const std::uint32_t> rows) {
  if (std::string tensor = non_finite_tensor(); !tensor.empty()) return tensor;
  if (!all_finite(x_, rows)) return "the input";
  return network_.non_finite_value();
}

// --- M2 and M1+M2 ---

double unlabelled_cost(const std::array<double, kLabelValues>& costs,
                       const std::array<double, kLabelValues>& logits, std::array<double, kLabelValues>& q,
                       std::array<double, kLabelValues>& d_logits) {
  const std::array<double, kLabelValues> log_q = log_softmax(logits);
  double total = 0;
  for (std::size_t k = 0; k < kLabelValues; ++k) {
    q[k] = std::exp(log_q[k]);
    total += q[k] * (costs[k] + kLabelCost + log_q[k]);
  }
  // d/dq_k of sum q (a + log q) is a_k + log q_k + 1; through the softmax the mean over q goes off.
  for (std::size_t k = 0; k < kLabelValues; ++k) {
    d_logits[k] = q[k] * (costs[k] + kLabelCost + log_q[k] - total);
  }
  return total;
}

double classification_cost(std::size_t label, const std::array<double, kLabelValues>& logits,
                           std::array<double, kLabelValues>& d_logits) {
  const std::array<double, kLabelValues> log_q = log_softmax(logits);
  for (std::size_t k = 0; k < kLabelValues; ++k) d_logits[k] = std::exp(log_q[k]) - (k == label ? 1 : 0);
  return -log_q[label];
}

/// Codes drawn from the posteriors that the frozen VAE gives the listed rows.
template <class T>
class SemiSupervisedStep<T>::CodeSource final : public GroupSource<T> {
 public:
  CodeSource(SemiSupervisedStep& step, NoiseKey noise) : step_(step), noise_(noise) {}
  void fill(std::size_t group, std::size_t n_valid, T* values) const noexcept override {
    const MatrixView<const T>& posteriors = step_.data_.posteriors;
    const std::size_t n_latent = posteriors.cols() / 2;
    T* heads = step_.posterior_.at(group);
    T* noise = step_.posterior_noise_.at(group);
    kernels::gather_rows(posteriors.data(), posteriors.stride(), step_.entry_rows_.data() + group * kLanes,
                         n_valid, posteriors.cols(), heads);
    write_noise(noise_, group, n_latent, noise);
    alignas(kAlignment) std::array<double, kLanes> divergence;
    kernels::gaussian_sample(n_latent, n_valid, step_.data_.posterior_form, heads, noise, values,
                             divergence.data());
  }

 private:
  SemiSupervisedStep& step_;
  NoiseKey noise_;
};

template <class T>
class SemiSupervisedStep<T>::LogitGradient final : public GroupSource<T> {
 public:
  explicit LogitGradient(SemiSupervisedStep& step) : step_(step) {}
  void fill(std::size_t group, std::size_t /*n_valid*/, T* values) const noexcept override {
    std::copy_n(step_.d_logits_.at(group), kLabelValues * kLanes, values);
  }

 private:
  SemiSupervisedStep& step_;
};

template <class T>
SemiSupervisedStep<T>::SemiSupervisedStep(VariationalNetwork<T>& generative, Plan<T>& classifier,
                                          const Data& data, const SemiSupervisedStepOptions& options,
                                          std::size_t max_batch, NoiseStream noise, NoiseStream code_noise)
    : generative_(generative),
      classifier_(classifier),
      data_(data),
      options_(options),
      noise_(std::move(noise)),
      code_noise_(std::move(code_noise)),
      entry_rows_(kLabelValues * max_batch),
      entry_labels_(kLabelValues * max_batch),
      entry_weights_(kLabelValues * max_batch),
      costs_(kLabelValues * max_batch) {
  d_logits_.allocate(kLabelValues, n_groups(max_batch));
  if (data.posteriors.empty()) return;
  posterior_.allocate(data.posteriors.cols(), n_groups(kLabelValues * max_batch));
  posterior_noise_.allocate(data.posteriors.cols() / 2, n_groups(kLabelValues * max_batch));
}

template <class T>
SemiSupervisedStep<T>::~SemiSupervisedStep() = default;

template <class T>
double SemiSupervisedStep<T>::forward_backward(std::span<const std::uint32_t> rows) {
  // The whole batch in one pass, so that a batch norm in the classifier sees labelled and unlabelled rows
  // together.
  classifier_.forward(MatrixSource<T>(data_.classified, rows.data()), rows.size());
  const auto logits_of = [&](std::size_t i) -> Logits {
    const T* logits = classifier_.output(i / kLanes);
    return {static_cast<double>(logits[i % kLanes]), static_cast<double>(logits[kLanes + i % kLanes])};
  };
  const NoiseKey noise = noise_.next();
  const double loss =
      objective(rows, logits_of, noise, data_.posteriors.empty() ? NoiseKey() : code_noise_.next());
  classifier_.backward(LogitGradient(*this));
  return loss;
}

template <class T>
double SemiSupervisedStep<T>::validation_loss(std::span<const std::uint32_t> rows) {
  if (inference_)
    inference_->load(classifier_.state());
  else
    inference_ = classifier_.for_inference();
  const std::size_t max_batch = entry_rows_.size() / kLabelValues;
  Matrix<T> x(max_batch, data_.classified.cols()), logits(max_batch, kLabelValues);
  return mean_of_pieces(rows, max_batch, [&](std::span<const std::uint32_t> piece, std::uint64_t k) {
    for (std::size_t i = 0; i < piece.size(); ++i)
      std::copy_n(data_.classified.row(piece[i]).data(), x.cols, x.row(i).data());
    inference_->infer_rows({x.values.data(), piece.size(), x.cols},
                           {logits.values.data(), piece.size(), kLabelValues});
    const auto logits_of = [&](std::size_t i) -> Logits {
      return {static_cast<double>(logits.row(i)[0]), static_cast<double>(logits.row(i)[1])};
    };
    return objective(piece, logits_of, noise_.of_validation(k), code_noise_.of_validation(k));
  });
}

template <class T>
template <class LogitsOf>
double SemiSupervisedStep<T>::objective(std::span<const std::uint32_t> rows, LogitsOf&& logits_of,
                                        NoiseKey noise, NoiseKey code_noise) {
  const std::size_t n = rows.size();
  terms_ = {};
  for (const std::uint32_t row : rows) {
    ++(data_.semi[row] == SemiLabel::unlabelled ? terms_.n_unlabelled : terms_.n_labelled);
  }
  const bool use_labelled = terms_.n_labelled > (options_.drop_single_labelled ? 1U : 0U);
  const auto share = [&](std::size_t count) {
    const std::size_t among = options_.weights == BatchWeights::counts ? n : count;
    return among == 0 ? 0.0 : 1.0 / static_cast<double>(among);
  };
  const double labelled_weight = use_labelled ? share(terms_.n_labelled) : 0;
  const double unlabelled_weight = share(terms_.n_unlabelled);

  std::size_t n_entries = 0;
  const auto add_entry = [&](std::uint32_t row, std::size_t label, double weight) {
    entry_rows_[n_entries] = row;
    entry_labels_[n_entries] = static_cast<std::uint8_t>(label);
    entry_weights_[n_entries] = static_cast<T>(weight);
    ++n_entries;
  };
  Logits q{};
  Logits d{};
  for (std::size_t i = 0; i < n; ++i) {
    const SemiLabel label = data_.semi[rows[i]];
    if (label == SemiLabel::unlabelled) {
      (void)unlabelled_cost({}, logits_of(i), q, d);
      for (std::size_t k = 0; k < kLabelValues; ++k) add_entry(rows[i], k, unlabelled_weight * q[k]);
    } else {
      add_entry(rows[i], label == SemiLabel::anomaly ? 1 : 0, labelled_weight);
    }
  }

  if (data_.posteriors.empty()) {
    const MatrixSource<T> source(data_.x, entry_rows_.data());
    generative_.forward_backward({.n = n_entries,
                                  .input = source,
                                  .labels = entry_labels_.data(),
                                  .weights = entry_weights_.data(),
                                  .noise = noise},
                                 costs_.span());
  } else {
    const CodeSource source(*this, code_noise);
    const MatrixSource<T> target(data_.x, entry_rows_.data());
    generative_.forward_backward({.n = n_entries,
                                  .input = source,
                                  .target = &target,
                                  .labels = entry_labels_.data(),
                                  .weights = entry_weights_.data(),
                                  .noise = noise},
                                 costs_.span());
  }

  std::size_t entry = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const SemiLabel label = data_.semi[rows[i]];
    double factor = 0;  // of d in the gradient
    if (label == SemiLabel::unlabelled) {
      terms_.unlabelled +=
          unlabelled_weight * unlabelled_cost({costs_[entry], costs_[entry + 1]}, logits_of(i), q, d);
      entry += kLabelValues;
      factor = unlabelled_weight;
    } else {
      const double cost = classification_cost(label == SemiLabel::anomaly ? 1 : 0, logits_of(i), d);
      terms_.labelled += labelled_weight * (costs_[entry] + kLabelCost);
      terms_.classification += labelled_weight * cost;
      entry += 1;
      factor = options_.alpha * labelled_weight;
    }
    T* d_logits = d_logits_.at(i / kLanes);
    for (std::size_t k = 0; k < kLabelValues; ++k) {
      d_logits[k * kLanes + i % kLanes] = static_cast<T>(factor * d[k]);
    }
  }
  for (std::size_t i = n; i < n_groups(n) * kLanes; ++i) {
    for (std::size_t k = 0; k < kLabelValues; ++k) d_logits_.at(i / kLanes)[k * kLanes + i % kLanes] = 0;
  }
  return terms_.labelled + terms_.unlabelled + options_.alpha * terms_.classification;
}

template <class T>
StateDict SemiSupervisedStep<T>::weights() const {
  StateDict all = generative_.state();
  for (StateTensor& tensor : with_prefix(classifier_.state(), "classifier."))
    all.push_back(std::move(tensor));
  return all;
}

template <class T>
void SemiSupervisedStep<T>::load(const StateDict& weights) {
  generative_.load(weights);
  classifier_.load(without_prefix(weights, "classifier."));
}

template <class T>
StateDict SemiSupervisedStep<T>::training_state() const {
  StateDict state = generative_.training_state();
  for (StateTensor& tensor : with_prefix(classifier_.training_state(), "classifier."))
    state.push_back(std::move(tensor));
  state.push_back(counter(kNoisePosition, noise_.position()));
  state.push_back(counter(kCodeNoisePosition, code_noise_.position()));
  return state;
}

template <class T>
void SemiSupervisedStep<T>::load_training_state(const StateDict& state) {
  generative_.load_training_state(state);
  classifier_.load_training_state(without_prefix(state, "classifier."));
  noise_.go_to(counter_of(state, kNoisePosition));
  code_noise_.go_to(counter_of(state, kCodeNoisePosition));
}

template <class T>
void SemiSupervisedStep<T>::update(float learning_rate, float weight_decay) {
  generative_.update(static_cast<T>(learning_rate), static_cast<T>(weight_decay));
  classifier_.update(static_cast<T>(learning_rate), static_cast<T>(weight_decay));
}

template <class T>
std::string SemiSupervisedStep<T>::non_finite_tensor() const {
  if (std::string tensor = generative_.non_finite_tensor(); !tensor.empty()) return tensor;
  const std::string tensor = classifier_.non_finite_tensor();
  return tensor.empty() ? tensor : "the classifier's " + tensor;
}

template <class T>
std::string SemiSupervisedStep<T>::first_non_finite(std::span<const std::uint32_t> rows) {
  if (std::string tensor = non_finite_tensor(); !tensor.empty()) return tensor;
  if (!all_finite(data_.x, rows)) return "the input";
  const std::string value = classifier_.non_finite_value();
  return value.empty() ? generative_.non_finite_value() : "the classifier's " + value;
}

template class VariationalNetwork<float>;
template class VariationalNetwork<double>;
template class VaeStep<float>;
template class VaeStep<double>;
template class SemiSupervisedStep<float>;
template class SemiSupervisedStep<double>;

}  // namespace deepsad
