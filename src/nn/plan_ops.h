// The steps that a plan is made of. Each works on one group at a time; batch normalisation alone needs the
// whole batch between two halves of its work.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <type_traits>
#include <vector>

#include "core/scoring_only.h"
#include "deepsad/core/aligned_buffer.h"
#include "kernels/activation/activation.h"
#include "kernels/batch_norm/batch_norm.h"
#include "kernels/batch_norm/batch_norm_vectors.h"
#include "kernels/conv2d/conv2d.h"
#include "kernels/dense/dense.h"
#include "kernels/layout.h"
#include "kernels/pooling/pooling.h"
#include "kernels/upsample_conv/upsample_conv.h"
#include "nn/convolution.h"
#include "nn/plan.h"

namespace deepsad {

/// Groups are summed in at most so many blocks, each by one thread, so that memory for partial gradients
/// stays bounded at any batch size.
constexpr std::size_t kMaxBlocks = 16;
constexpr std::size_t n_blocks(std::size_t n_groups) {
  return std::min(n_groups, kMaxBlocks);
}

/// One group on its way through the plan.
template <class T>
struct GroupPlace {
  std::size_t slot;     ///< index of its activation buffers: the group in training, the worker in inference
  std::size_t group;    ///< index within the batch
  std::size_t block;    ///< which partial gradient it adds to,
  bool first;           ///< or sets, if it is the first group of its block in this step
  std::size_t n_valid;  ///< samples in it
  T* scratch;           ///< of the worker: any content, PlanOp::scratch_size() values
  /// The rows of its samples in the matrix that Plan::precompute() saw; null if they come from elsewhere.
  const std::uint32_t* rows = nullptr;
};

/// Work on a whole batch, and which part of it.
struct BatchPart {
  std::size_t n_groups, n_samples;
  std::size_t part = 0, parts = 1;
};

/// Activations of one edge between layers, or their gradients: `slots` buffers of `size` x 16 values.
template <class T>
class GroupBuffer {
 public:
  void allocate(std::size_t size, std::size_t slots) {
    // One cache line between the slots keeps their starts off the same cache sets.
    stride_ = size * kernels::kLanes + kernels::kLanes;
    size_ = size;
    values_.resize(stride_ * slots);
  }
  [[nodiscard]] T* at(std::size_t slot) { return values_.data() + slot * stride_; }
  [[nodiscard]] const T* at(std::size_t slot) const { return values_.data() + slot * stride_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t stride() const { return stride_; }  ///< values from slot to slot
  /// For values that nobody stores: at() is null from now on.
  void release() { *this = {}; }

 private:
  AlignedBuffer<T> values_;
  std::size_t stride_ = 0;
  std::size_t size_ = 0;
};

/// The weights of a plan and their gradients. The first n_partial have a partial gradient for each block of
/// groups; the others, of operations that give all of their gradient in batch_gradient() or make_gradient(),
/// have one.
template <class T>
struct ParameterArena {
  AlignedBuffer<T> weights, first_moment, second_moment;
  AlignedBuffer<T> gradients;  // [n_blocks][n_partial], then those of the other weights
  std::size_t n_partial = 0, n_blocks = 0;
  void allocate_for_training(std::size_t blocks) {
    n_blocks = blocks;
    first_moment.resize(weights.size());
    second_moment.resize(weights.size());
    gradients.resize(n_blocks * n_partial + weights.size() - n_partial);
  }
  [[nodiscard]] bool has_partials(std::size_t offset) const { return offset < n_partial; }
  [[nodiscard]] T* gradient(std::size_t block, std::size_t offset) {
    return gradients.data() + (has_partials(offset) ? block : n_blocks - 1) * n_partial + offset;
  }
};

/// Takes the gradient of weights offset .. offset + n - 1 of the arena when it is complete.
template <class T>
class GradientSink {
 public:
  virtual ~GradientSink() = default;
  virtual void operator()(std::size_t offset, std::size_t n) = 0;
};

template <class T>
class PlanOp {
 public:
  virtual ~PlanOp() = default;
  /// Brings derived forms of the weights up to date; called once after every change of them.
  virtual void prepare() {}
  /// Values that it needs in GroupPlace::scratch while it works on a group.
  [[nodiscard]] virtual std::size_t scratch_size() const { return 0; }
  virtual void forward(const GroupPlace<T>& place) = 0;
  virtual void backward(const GroupPlace<T>& place) = 0;
  /// Whether forward() and statistics() have nothing to do, or backward() and sums().
  [[nodiscard]] virtual bool idle_forward() const { return false; }
  [[nodiscard]] virtual bool idle_backward() const { return false; }

  [[nodiscard]] virtual bool has_weights() const { return false; }
  /// Whether d_input may be the same buffer as input: backward() reads input before it writes d_input, and
  /// batch_gradient() and make_gradient() do not read it.
  [[nodiscard]] virtual bool gradient_may_replace_input() const { return false; }

  // Only for operations over the whole batch: forward = statistics (each group), finish_statistics, forward
  // (each group); backward = sums (each group), finish_sums, backward (each group). What is between groups
  // is done in up to most_parts() parts in parallel.
  [[nodiscard]] virtual bool spans_batch() const { return false; }
  [[nodiscard]] virtual std::size_t most_parts() const { return 1; }
  virtual void statistics(const GroupPlace<T>&) {}
  virtual void finish_statistics(const BatchPart& /*part*/) {}
  virtual void sums(const GroupPlace<T>&) {}
  virtual void finish_sums(const BatchPart& /*part*/) {}

  // Weight gradients, or terms of them, over the whole batch, after its backward pass: part `part` of
  // `parts`, in parallel.
  [[nodiscard]] virtual bool gradient_spans_batch() const { return false; }
  virtual void batch_gradient(std::size_t /*n_groups*/, std::size_t /*part*/, std::size_t /*parts*/) {}

  // Weight gradients that are made when they are wanted, so that whoever takes them finds them in his cache:
  // part `part` of `parts`, in parallel.
  virtual void make_gradient(std::size_t /*n_groups*/, std::size_t /*part*/, std::size_t /*parts*/,
                             GradientSink<T>& /*sink*/) {}

  std::size_t layer = 0;  ///< index of the (first) layer in the spec, for messages
  GroupBuffer<T>* input = nullptr;
  GroupBuffer<T>* output = nullptr;
  GroupBuffer<T>* d_input = nullptr;  ///< nullptr: no data gradient wanted (first layer)
  GroupBuffer<T>* d_output = nullptr;
  ParameterArena<T>* parameters = nullptr;
  bool wants_weight_gradient = true;  ///< of backward()

 protected:
  /// The block's partial gradient of n weights, to be added to.
  T* gradient_to_add_to(const GroupPlace<T>& place, std::size_t offset, std::size_t n) {
    T* gradient = parameters->gradient(place.block, offset);
    if (place.first) std::fill_n(gradient, n, T{0});
    return gradient;
  }
};

template <class T>
class BatchNormOp;

template <class T>
class ConvOp final : public PlanOp<T> {
 public:
  /// `transposed`: conv_transpose2d, whose weights are [in][out][k][k].
  ConvOp(const kernels::ConvShape& shape, bool transposed, std::size_t weight_offset, bool backward)
      : transposed_(transposed), weight_offset_(weight_offset) {
    using kernels::ConvShape;
    const std::size_t reach = shape.kernel - 1;
    // A transposed convolution runs forward as the convolution whose data gradient it is, and the other way
    // round.
    const ConvShape same{
        shape.in_channels, shape.height,    shape.width,  shape.out_channels,
        shape.out_height,  shape.out_width, shape.kernel, transposed ? reach - shape.padding : shape.padding,
        shape.stride};
    const ConvShape mirrored{shape.out_channels,
                             shape.out_height,
                             shape.out_width,
                             shape.in_channels,
                             shape.height,
                             shape.width,
                             shape.kernel,
                             transposed ? shape.padding : reach - shape.padding,
                             1};
    forward_shape_ = same;
    forward_ = PackedConvolution<T>(same);
    if (!backward) return;
    if (shape.stride == 1) backward_ = PackedConvolution<T>(mirrored);
    weight_gradient_ = ConvolutionGradient<T>(transposed ? mirrored : same);
  }

  [[nodiscard]] bool has_weights() const override { return true; }
  [[nodiscard]] bool gradient_may_replace_input() const override { return true; }
  [[nodiscard]] std::size_t scratch_size() const override {
    return std::max({forward_.scratch_size(), backward_.scratch_size(), weight_gradient_.scratch_size()});
  }
  void prepare() override {
    using kernels::ConvWeights;
    const T* w = this->parameters->weights.data() + weight_offset_;
    forward_.pack(transposed_ ? ConvWeights::swapped_flipped : ConvWeights::as_is, w);
    if (this->d_input != nullptr && !backward_.empty()) {
      backward_.pack(transposed_ ? ConvWeights::as_is : ConvWeights::swapped_flipped, w);
    }
  }
  void forward(const GroupPlace<T>& place) override;
  void backward(const GroupPlace<T>& place) override;
  /// The output for x, whether it is stored otherwise or not.
  void make_output(const T* x, T* y, T* scratch) const { forward_.run(x, y, scratch); }
  [[nodiscard]] std::size_t output_size() const {
    return forward_shape_.out_channels * forward_shape_.out_height * forward_shape_.out_width;
  }

  /// Takes over what it can of the work of the batch norm and pool behind it: pooling its own output and
  /// taking its moments while they are made, and, in a first layer, making the gradient of that output where
  /// it is used. An output that nobody reads then is not stored. Called when all places of data
  /// are known.
  void fuse_with(BatchNormOp<T>* batch_norm, std::size_t slots);

  // A first layer that does without its output adds to its weights' gradient, once a batch, what follows from
  // the moments of its input's patches. They depend on the data alone and can be kept for every row.
  [[nodiscard]] bool gradient_spans_batch() const override { return !group_moments_.empty(); }
  void batch_gradient(std::size_t n_groups, std::size_t part, std::size_t parts) override;
  /// Values that it can keep of a row; 0: none.
  [[nodiscard]] std::size_t row_size() const { return moments_size_; }
  /// rows[l][row_size()] <- what is to be kept of sample l < n_valid of a group of inputs.
  void make_rows(const T* x, std::size_t n_valid, T* rows, T* scratch) const;
  /// What make_rows() made of all rows that GroupPlace::rows may name.
  void keep_rows(const T* rows) { rows_ = rows; }

 private:
  bool transposed_;
  std::size_t weight_offset_;
  kernels::ConvShape forward_shape_{};
  PackedConvolution<T> forward_, backward_;
  ConvolutionGradient<T> weight_gradient_;
  BatchNormOp<T>* pool_ = nullptr;          // gets its pooled input and moments from forward()
  const BatchNormOp<T>* unpool_ = nullptr;  // describes the output's gradient, which is not stored
  std::size_t moments_size_ = 0;
  AlignedBuffer<double> group_moments_;  // [slot][moments_size_]; empty: the output is stored
  const T* rows_ = nullptr;
};

/// Upsampling by two and the convolution behind it (stride 1, odd kernel).
template <class T>
class UpsampleConvOp final : public PlanOp<T> {
 public:
  /// shape: in_channels and sizes of the map before the upsampling, padding of the layer as it is specified.
  UpsampleConvOp(kernels::UpsampleConvShape shape, bool transposed, std::size_t weight_offset, bool backward)
      : shape_(shape),
        form_(transposed ? kernels::ConvWeights::swapped_flipped : kernels::ConvWeights::as_is),
        backward_(backward),
        weight_offset_(weight_offset) {
    // A transposed convolution runs forward as the convolution whose data gradient it is.
    if (transposed) shape_.padding = shape.kernel - 1 - shape.padding;
    const std::size_t size = kernels::upsample_conv_packed_size(shape_);
    packed_forward_.resize(size);
    if (backward) packed_backward_.resize(size);
  }

  [[nodiscard]] bool has_weights() const override { return true; }
  [[nodiscard]] bool gradient_may_replace_input() const override { return true; }
  [[nodiscard]] std::size_t scratch_size() const override {
    return backward_ ? kernels::upsample_conv_packed_size(shape_) : 0;
  }
  void prepare() override {
    kernels::upsample_conv_pack(shape_, form_, this->parameters->weights.data() + weight_offset_,
                                packed_forward_.data(),
                                this->d_input == nullptr ? nullptr : packed_backward_.data());
  }
  void forward(const GroupPlace<T>& place) override {
    kernels::upsample_conv_forward(shape_, this->input->at(place.slot), packed_forward_.data(),
                                   this->output->at(place.slot));
  }
  void backward(const GroupPlace<T>& place) override {
    beyond_scoring();
    const T* dy = this->d_output->at(place.slot);
    if (this->wants_weight_gradient) {
      const std::size_t n = shape_.in_channels * shape_.out_channels * shape_.kernel * shape_.kernel;
      kernels::upsample_conv_weight_gradient(shape_, form_, this->input->at(place.slot), dy,
                                             this->gradient_to_add_to(place, weight_offset_, n),
                                             place.scratch);
    }
    if (this->d_input == nullptr) return;
    kernels::upsample_conv_data_gradient(shape_, dy, packed_backward_.data(), this->d_input->at(place.slot));
  }

 private:
  kernels::UpsampleConvShape shape_;
  kernels::ConvWeights form_;
  bool backward_;
  std::size_t weight_offset_;
  AlignedBuffer<T> packed_forward_, packed_backward_;
};

/// Its weights lie in the arena as the kernels want them (kernels/dense/dense.h).
template <class T>
class DenseOp final : public PlanOp<T> {
 public:
  static constexpr std::size_t kNoBias = static_cast<std::size_t>(-1);
  DenseOp(std::size_t n_in, std::size_t n_out, std::size_t weight_offset, std::size_t bias_offset,
          std::size_t slots)
      : n_in_(n_in),
        n_out_(n_out),
        weight_offset_(weight_offset),
        bias_offset_(bias_offset),
        across_(kernels::dense_gradient_goes_across(n_in, n_out, slots)) {}
  [[nodiscard]] bool has_weights() const override { return true; }
  [[nodiscard]] bool gradient_may_replace_input() const override { return !this->wants_weight_gradient; }
  [[nodiscard]] bool idle_forward() const override { return norm_behind_; }
  [[nodiscard]] bool idle_backward() const override { return norm_in_front_ || this->d_input == nullptr; }
  void forward(const GroupPlace<T>& place) override {
    if (!norm_behind_) forward_group(place.slot, 0, n_out_);
  }
  void backward(const GroupPlace<T>& place) override {
    beyond_scoring();
    if (!idle_backward()) data_gradient_group(place.slot, 0, n_in_);
  }

  // The leaky ReLU between it and a linear layer behind it, slope >= 0, needs no operation of its own: the
  // layer in front applies it to its output, the one behind to the gradient of that.
  void take_leaky_relu(double slope) { slope_behind_ = static_cast<T>(slope); }
  void come_behind_leaky_relu(double slope) { slope_in_front_ = static_cast<T>(slope); }

  // A batch norm of vectors beside it does its work for the channels that it works on itself, while they are
  // in the cache: for the layer in front of it these are outputs, for the one behind inputs.
  void leave_to_norm_behind() { norm_behind_ = true; }
  void leave_to_norm_in_front() { norm_in_front_ = true; }
  void forward_outputs(std::size_t n_groups, std::size_t first, std::size_t last) {
    for (std::size_t g = 0; g < n_groups; ++g) forward_group(g, first, last);
  }
  void gradient_of_inputs(std::size_t n_groups, std::size_t first, std::size_t last) {
    for (std::size_t g = 0; g < n_groups; ++g) data_gradient_group(g, first, last);
  }

  // A weight's gradient is one sum over the batch: no partial sums to store, load and add up.
  void make_gradient(std::size_t n_groups, std::size_t part, std::size_t parts,
                     GradientSink<T>& sink) override {
    beyond_scoring();
    // By blocks of outputs as far as these divide evenly, as a norm behind cuts the forward pass, so that
    // weights stay with a thread; beyond that by inputs.
    constexpr std::size_t kInputs = 8;
    const std::size_t out_blocks = (n_out_ + kernels::kLanes - 1) / kernels::kLanes;
    const std::size_t in_blocks = (n_in_ + kInputs - 1) / kInputs;
    const std::size_t out_cuts = std::gcd(parts, out_blocks), in_cuts = parts / out_cuts;
    const std::size_t out = part / in_cuts, in = part % in_cuts;
    const kernels::DensePart own{n_in_,
                                 n_out_,
                                 std::min(n_in_, in_blocks * in / in_cuts * kInputs),
                                 std::min(n_in_, in_blocks * (in + 1) / in_cuts * kInputs),
                                 out_blocks * out / out_cuts * kernels::kLanes,
                                 std::min(n_out_, out_blocks * (out + 1) / out_cuts * kernels::kLanes)};
    if (own.first_in == own.last_in) return;
    const kernels::DenseBatch<T> batch{this->input->at(0), this->input->stride(), this->d_output->at(0),
                                       this->d_output->stride(), n_groups};
    T* dw = this->parameters->gradient(0, weight_offset_);
    const bool with_bias = bias_offset_ != kNoBias && own.first_in == 0;
    T* dbias = with_bias ? this->parameters->gradient(0, bias_offset_) : nullptr;
    if (across_) {
      kernels::dense_weight_gradient_across(own, batch, dw, dbias);
    } else {
      kernels::dense_weight_gradient(own, batch, dw, dbias);
    }
    const auto index = [&](std::size_t i, std::size_t o) {
      return weight_offset_ + kernels::dense_packed_index(n_in_, i, o);
    };
    if (in_cuts == 1) {  // all blocks in one stretch
      sink(index(0, own.first_out), kernels::dense_packed_size(n_in_, own.last_out - own.first_out));
    } else {
      for (std::size_t o = own.first_out; o < own.last_out; o += kernels::kLanes)
        sink(index(own.first_in, o), (own.last_in - own.first_in) * kernels::kLanes);
    }
    if (with_bias) sink(bias_offset_ + own.first_out, own.last_out - own.first_out);
  }

 private:
  void forward_group(std::size_t slot, std::size_t first, std::size_t last) {
    const T* w = this->parameters->weights.data();
    kernels::dense_forward({n_in_, n_out_, 0, n_in_, first, last}, this->input->at(slot), w + weight_offset_,
                           bias_offset_ == kNoBias ? nullptr : w + bias_offset_, slope_behind_,
                           this->output->at(slot));
  }
  void data_gradient_group(std::size_t slot, std::size_t first, std::size_t last) {
    kernels::dense_data_gradient({n_in_, n_out_, first, last, 0, n_out_}, this->d_output->at(slot),
                                 this->parameters->weights.data() + weight_offset_,
                                 slope_in_front_ == 1 ? nullptr : this->input->at(slot), slope_in_front_,
                                 this->d_input->at(slot));
  }

  std::size_t n_in_, n_out_, weight_offset_, bias_offset_;
  bool across_;
  bool norm_behind_ = false, norm_in_front_ = false;
  T slope_in_front_{1}, slope_behind_{1};  // of leaky ReLUs; 1: none
};

/// Batch normalisation with what follows it: a leaky ReLU (slope 1: none) and a 2x2 max pool, which runs
/// first.
template <class T>
class BatchNormOp final : public PlanOp<T> {
 public:
  BatchNormOp(std::size_t channels, std::size_t height, std::size_t width, double epsilon, double momentum,
              double slope, bool pooled, PlanMode mode, std::size_t slots)
      : channels_(channels),
        height_(height),
        width_(width),
        epsilon_(epsilon),
        momentum_(momentum),
        slope_(static_cast<T>(slope)),
        pooled_(pooled),
        mode_(mode) {
    for (auto* buffer : {&running_mean, &running_var}) buffer->resize(channels);
    for (auto* buffer : {&mean_, &inv_std_, &mean_g_, &mean_gx_}) buffer->resize(channels);
    std::fill(running_var.begin(), running_var.end(), T{1});
    if (pooled) {
      pooled_x_.allocate(channels * (height / 2) * (width / 2), slots);
      winner_.allocate(channels * (height / 2) * (width / 2), slots);
    }
    if (mode == PlanMode::train ? !whole_batch() : mode == PlanMode::differentiate && pooled) {
      group_mean_.resize(slots * channels);
      group_m2_.resize(slots * channels);
    }
    if (training()) {
      batch_mean_.resize(channels);
      batch_m2_.resize(channels);
    }
  }

  [[nodiscard]] bool spans_batch() const override { return training(); }
  [[nodiscard]] bool gradient_may_replace_input() const override { return true; }
  [[nodiscard]] bool idle_forward() const override { return whole_batch(); }
  [[nodiscard]] bool idle_backward() const override { return whole_batch(); }

  void prepare() override {
    if (training()) return;
    for (std::size_t c = 0; c < channels_; ++c) {
      mean_[c] = running_mean[c];
      inv_std_[c] = static_cast<T>(1.0 / std::sqrt(static_cast<double>(running_var[c]) + epsilon_));
    }
  }

  void statistics(const GroupPlace<T>& place) override {
    beyond_scoring();
    if (producer_pools_ || whole_batch()) return;
    const T* x = this->input->at(place.slot);
    kernels::channel_moments(channels_, height_ * width_, place.n_valid, x,
                             &group_mean_[place.group * channels_], &group_m2_[place.group * channels_]);
    // The pool needs no statistics and finds x still in the cache.
    if (pooled_) pool(place);
  }

  [[nodiscard]] std::size_t most_parts() const override {
    return whole_batch() ? (channels_ + kPartChannels - 1) / kPartChannels : 1;
  }

  /// Of vectors: does the work of linear layers in front of it and behind it, where there are any (nullptr:
  /// none), for the channels that it works on. Called when all places of data are known.
  void take_over(DenseOp<T>* in_front, DenseOp<T>* behind) {
    if (!whole_batch()) return;
    in_front_ = in_front;
    behind_ = this->d_output != nullptr && this->d_input != nullptr ? behind : nullptr;
    if (in_front_ != nullptr) in_front_->leave_to_norm_behind();
    if (behind_ != nullptr) behind_->leave_to_norm_in_front();
  }

  void finish_statistics(const BatchPart& part) override {
    beyond_scoring();
    if (!whole_batch()) merge_moments(part.n_groups, part.n_samples);
    const kernels::VectorNorm range = channels_of(part);
    if (whole_batch()) {
      for_each_block(range, [&](const kernels::VectorNorm& block) {
        if (in_front_ != nullptr) in_front_->forward_outputs(part.n_groups, block.first, block.last);
        kernels::batch_norm_vectors_forward(block, const_groups(this->input), epsilon_, slope_, moments(),
                                            groups(this->output));
      });
    }
    // The running variance takes the unbiased estimate; of a single point there is none, it keeps the biased
    // one.
    const double count = static_cast<double>(height_ * width_ * part.n_samples);
    const double inverse_unbiased = 1 / std::max(count - 1, 1.0);
    for (std::size_t c = range.first; c < range.last; ++c) {
      const double unbiased = batch_m2_[c] * inverse_unbiased;
      running_mean[c] =
          static_cast<T>((1 - momentum_) * static_cast<double>(running_mean[c]) + momentum_ * batch_mean_[c]);
      running_var[c] =
          static_cast<T>((1 - momentum_) * static_cast<double>(running_var[c]) + momentum_ * unbiased);
    }
    if (part.part == 0) ++num_batches_tracked;
  }

  void forward(const GroupPlace<T>& place) override {
    if (whole_batch()) return;
    if (!training() && pooled_ && !producer_pools_) pool(place);
    const T* x = pooled_ ? pooled_x_.at(place.slot) : this->input->at(place.slot);
    kernels::batch_norm_forward(channels_, normalised_plane(), x, mean_.data(), inv_std_.data(), slope_,
                                this->output->at(place.slot));
  }

  void sums(const GroupPlace<T>& place) override {
    beyond_scoring();
    if (whole_batch()) return;
    const T* x = pooled_ ? pooled_x_.at(place.slot) : this->input->at(place.slot);
    kernels::batch_norm_backward_sums(channels_, normalised_plane(), place.n_valid, x, mean_.data(),
                                      inv_std_.data(), slope_, this->d_output->at(place.slot),
                                      &group_mean_[place.slot * channels_],
                                      &group_m2_[place.slot * channels_]);
  }

  void finish_sums(const BatchPart& part) override {
    beyond_scoring();
    if (!whole_batch()) {
      merge_sums(part.n_groups, part.n_samples);
    } else if (this->d_input != nullptr) {
      for_each_block(channels_of(part), [&](const kernels::VectorNorm& block) {
        if (behind_ != nullptr) behind_->gradient_of_inputs(part.n_groups, block.first, block.last);
        kernels::batch_norm_vectors_backward(
            block, const_groups(this->input), moments(), slope_, groups(this->d_output),
            kernels::VectorGradients<T>{mean_g_.data(), mean_gx_.data()}, groups(this->d_input));
      });
    }
  }

  void backward(const GroupPlace<T>& place) override {
    beyond_scoring();
    if (this->d_input == nullptr || producer_unpools_ || whole_batch()) return;
    const T* x = this->input->at(place.slot);
    T* g = this->d_output->at(place.slot);
    T* dx = this->d_input->at(place.slot);
    // Running statistics do not depend on the input.
    if (mode_ == PlanMode::differentiate && !pooled_) {
      kernels::batch_norm_backward_fixed(channels_, height_ * width_, x, g, mean_.data(), inv_std_.data(),
                                         slope_, dx);
      return;
    }
    if (mode_ == PlanMode::differentiate) sums(place);  // for the activation's slope alone: the means stay 0
    if (pooled_) {
      kernels::batch_norm_backward_unpool(channels_, height_, width_, place.n_valid, x, g,
                                          winner_.at(place.slot), mean_.data(), inv_std_.data(),
                                          mean_g_.data(), mean_gx_.data(), dx);
    } else {
      kernels::batch_norm_backward(channels_, height_ * width_, place.n_valid, x, g, mean_.data(),
                                   inv_std_.data(), mean_g_.data(), mean_gx_.data(), dx);
    }
  }

  // For the convolution in front, which does the work of statistics() and backward() where it can.
  [[nodiscard]] bool pooled() const { return pooled_; }
  void leave_pooling() { producer_pools_ = true; }
  void leave_unpooling() { producer_unpools_ = true; }
  [[nodiscard]] kernels::PooledOutput pooled_output(
      const GroupPlace<T>& place) requires std::is_same_v<T, float> {
    return {.y = this->input->at(place.slot),
            .pooled = pooled_x_.at(place.slot),
            .winner = winner_.at(place.slot),
            .n_valid = place.n_valid,
            .mean = training() ? &group_mean_[place.group * channels_] : nullptr,
            .m2 = training() ? &group_m2_[place.group * channels_] : nullptr};
  }
  [[nodiscard]] kernels::PooledGradient pooled_gradient(
      const GroupPlace<T>& place) const requires std::is_same_v<T, float> {
    return {.x = this->input->at(place.slot),
            .g = this->d_output->at(place.slot),
            .winner = winner_.at(place.slot),
            .mean = mean_.data(),
            .inv_std = inv_std_.data(),
            .mean_g = mean_g_.data(),
            .mean_gx = mean_gx_.data(),
            .n_valid = place.n_valid};
  }
  /// Of the gradient at the input x of channel c, the part a + b x.
  struct AffinePart {
    double a, b;
  };
  [[nodiscard]] AffinePart affine_part(std::size_t c) const {
    const auto inv_std = static_cast<double>(inv_std_[c]);
    const double b = -inv_std * inv_std * static_cast<double>(mean_gx_[c]);
    return {-b * static_cast<double>(mean_[c]), b};
  }

  AlignedBuffer<T> running_mean, running_var;
  std::int64_t num_batches_tracked = 0;

 private:
  [[nodiscard]] bool training() const { return mode_ == PlanMode::train; }
  // Vectors are small: both passes over them are made at once for all groups, between the phases.
  [[nodiscard]] bool whole_batch() const { return training() && height_ * width_ == 1; }
  [[nodiscard]] std::size_t normalised_plane() const {
    return pooled_ ? (height_ / 2) * (width_ / 2) : height_ * width_;
  }
  [[nodiscard]] kernels::VectorNorm channels_of(const BatchPart& part) const {
    const std::size_t blocks = (channels_ + kPartChannels - 1) / kPartChannels;
    const auto begin = [&](std::size_t p) {
      return std::min(channels_, blocks * p / part.parts * kPartChannels);
    };
    return {part.n_samples, begin(part.part), begin(part.part + 1)};
  }
  // f(some channels of the range) for all of them: what is done with so many stays in the first cache.
  template <class F>
  static void for_each_block(const kernels::VectorNorm& range, F f) {
    for (std::size_t c = range.first; c < range.last; c += kBlockChannels)
      f(kernels::VectorNorm{range.n_samples, c, std::min(c + kBlockChannels, range.last)});
  }
  static kernels::VectorGroups<T> groups(GroupBuffer<T>* buffer) { return {buffer->at(0), buffer->stride()}; }
  static kernels::VectorGroups<const T> const_groups(const GroupBuffer<T>* buffer) {
    return {buffer->at(0), buffer->stride()};
  }

  kernels::VectorMoments<T> moments() {
    return {batch_mean_.data(), batch_m2_.data(), mean_.data(), inv_std_.data()};
  }

  // Merges the groups' moments in group order: first the mean, then the squares about it.
  void merge_moments(std::size_t n_groups, std::size_t n_samples) {
    const double plane = static_cast<double>(height_ * width_);
    const double count = plane * static_cast<double>(n_samples);
    const auto points = [&](std::size_t g) {
      return plane * static_cast<double>(std::min(kernels::kLanes, n_samples - g * kernels::kLanes));
    };
    std::fill(batch_mean_.begin(), batch_mean_.end(), 0.0);
    std::fill(batch_m2_.begin(), batch_m2_.end(), 0.0);
    for (std::size_t g = 0; g < n_groups; ++g) {
      const double share = points(g) / count;
      const double* mean = &group_mean_[g * channels_];
      for (std::size_t c = 0; c < channels_; ++c) batch_mean_[c] += share * mean[c];
    }
    for (std::size_t g = 0; g < n_groups; ++g) {
      const double n = points(g);
      const double* mean = &group_mean_[g * channels_];
      const double* m2 = &group_m2_[g * channels_];
      for (std::size_t c = 0; c < channels_; ++c) {
        const double delta = mean[c] - batch_mean_[c];
        batch_m2_[c] += m2[c] + n * delta * delta;
      }
    }
    const double inverse_count = 1 / count;
    for (std::size_t c = 0; c < channels_; ++c) {
      mean_[c] = static_cast<T>(batch_mean_[c]);
      inv_std_[c] = static_cast<T>(1.0 / std::sqrt(batch_m2_[c] * inverse_count + epsilon_));
    }
  }

  void merge_sums(std::size_t n_groups, std::size_t n_samples) {
    const double inverse_count = 1 / static_cast<double>(height_ * width_ * n_samples);
    std::fill(batch_mean_.begin(), batch_mean_.end(), 0.0);
    std::fill(batch_m2_.begin(), batch_m2_.end(), 0.0);
    for (std::size_t g = 0; g < n_groups; ++g) {
      for (std::size_t c = 0; c < channels_; ++c) {
        batch_mean_[c] += group_mean_[g * channels_ + c];
        batch_m2_[c] += group_m2_[g * channels_ + c];
      }
    }
    for (std::size_t c = 0; c < channels_; ++c) {
      mean_g_[c] = static_cast<T>(batch_mean_[c] * inverse_count);
      mean_gx_[c] = static_cast<T>(batch_m2_[c] * inverse_count);
    }
  }

  void pool(const GroupPlace<T>& place) {
    kernels::max_pool_forward(channels_, height_, width_, this->input->at(place.slot),
                              pooled_x_.at(place.slot), winner_.at(place.slot));
  }

  static constexpr std::size_t kPartChannels = kernels::kLanes;  // a cache line of floats
  static constexpr std::size_t kBlockChannels = 2 * kernels::kLanes;
  std::size_t channels_, height_, width_;
  double epsilon_, momentum_;
  T slope_;
  bool pooled_;
  PlanMode mode_;
  bool producer_pools_ = false, producer_unpools_ = false;
  DenseOp<T>*in_front_ = nullptr, *behind_ = nullptr;  // whose work it does, too
  AlignedBuffer<T> mean_, inv_std_, mean_g_, mean_gx_;
  std::vector<double> group_mean_,
      group_m2_;  // per slot: moments in the forward pass, sums in the backward pass
  AlignedBuffer<double> batch_mean_, batch_m2_;  // the same, merged
  GroupBuffer<T> pooled_x_;
  GroupBuffer<std::uint8_t> winner_;
};

template <class T>
void ConvOp<T>::fuse_with(BatchNormOp<T>* batch_norm, std::size_t slots) {
  if (!batch_norm->pooled()) return;
  if (forward_.pools()) {
    pool_ = batch_norm;
    batch_norm->leave_pooling();
  }
  if (this->d_output != nullptr && this->d_input == nullptr && !transposed_ && weight_gradient_.unpools()) {
    unpool_ = batch_norm;
    batch_norm->leave_unpooling();
  }
  const bool read = this->d_output != nullptr &&  // not by a scoring plan
                    !(unpool_ != nullptr && weight_gradient_.unpools_without_output());
  if (pool_ == nullptr || read) return;
  this->output->release();
  if (unpool_ == nullptr) return;
  moments_size_ = kernels::patch_moments_size(forward_shape_);
  group_moments_.resize(slots * moments_size_);
}

template <class T>
void ConvOp<T>::make_rows(const T* x, std::size_t n_valid, T* rows, T* scratch) const {
  if constexpr (std::is_same_v<T, float>)
    kernels::patch_moments_of_samples(forward_shape_, x, n_valid, rows, scratch);
}

template <class T>
void ConvOp<T>::batch_gradient(std::size_t n_groups, std::size_t part, std::size_t parts) {
  beyond_scoring();
  // Each part adds up the groups for itself, which costs less than to wait for one that does.
  std::array<double, kernels::kMostPatchMoments> moments;
  std::copy_n(group_moments_.data(), moments_size_, moments.begin());
  for (std::size_t g = 1; g < n_groups; ++g) {
    const double* const of_group = group_moments_.data() + g * moments_size_;
    for (std::size_t k = 0; k < moments_size_; ++k) moments[k] += of_group[k];
  }
  if constexpr (std::is_same_v<T, float>) {
    const std::size_t step = forward_shape_.in_channels * forward_shape_.kernel * forward_shape_.kernel;
    const float* const w = this->parameters->weights.data() + weight_offset_;
    float* const dw = this->parameters->gradient(0, weight_offset_);
    const std::size_t n = forward_shape_.out_channels;
    for (std::size_t o = n * part / parts; o < n * (part + 1) / parts; ++o) {
      const auto [a, b] = unpool_->affine_part(o);
      kernels::add_patch_moments_gradient(forward_shape_, moments.data(), a, b, w + o * step, dw + o * step);
    }
  }
}

template <class T>
void ConvOp<T>::forward(const GroupPlace<T>& place) {
  const T* x = this->input->at(place.slot);
  if constexpr (std::is_same_v<T, float>) {
    if (pool_ != nullptr) {
      forward_.run_pool(x, pool_->pooled_output(place), place.scratch);
      return;
    }
  }
  forward_.run(x, this->output->at(place.slot), place.scratch);
}

template <class T>
void ConvOp<T>::backward(const GroupPlace<T>& place) {
  beyond_scoring();
  const T* x = this->input->at(place.slot);
  if (this->wants_weight_gradient) {
    const kernels::ConvShape& s = forward_shape_;
    T* dw =
        this->gradient_to_add_to(place, weight_offset_, s.in_channels * s.out_channels * s.kernel * s.kernel);
    if constexpr (std::is_same_v<T, float>) {
      if (unpool_ != nullptr) {
        weight_gradient_.run_unpool(x, unpool_->pooled_gradient(place), dw, place.scratch);
        if (group_moments_.empty()) return;
        double* const moments = group_moments_.data() + place.slot * moments_size_;
        if (place.rows != nullptr) {
          kernels::sum_of_rows(moments_size_, rows_, place.rows, place.n_valid, moments);
        } else {
          kernels::patch_moments_of_group(s, x, place.n_valid, moments, place.scratch);
        }
        return;
      }
    }
    // Transposed: roles change, the output's gradient is what the kernel slides over.
    const T* dy = this->d_output->at(place.slot);
    weight_gradient_.run(transposed_ ? dy : x, transposed_ ? x : dy, dw, place.scratch);
  }
  if (this->d_input == nullptr) return;
  const T* dy = this->d_output->at(place.slot);
  if (backward_.empty()) {
    kernels::conv2d_data_gradient(forward_shape_, dy, this->parameters->weights.data() + weight_offset_,
                                  this->d_input->at(place.slot));
  } else {
    backward_.run(dy, this->d_input->at(place.slot), place.scratch);
  }
}

template <class T>
class LeakyReluOp final : public PlanOp<T> {
 public:
  explicit LeakyReluOp(double slope) : slope_(static_cast<T>(slope)) {}
  void forward(const GroupPlace<T>& place) override {
    kernels::leaky_relu_forward(this->input->size() * kernels::kLanes, this->input->at(place.slot), slope_,
                                this->output->at(place.slot));
  }
  void backward(const GroupPlace<T>& place) override {
    beyond_scoring();
    if (this->d_input == nullptr) return;
    kernels::leaky_relu_backward(this->input->size() * kernels::kLanes, this->input->at(place.slot),
                                 this->d_output->at(place.slot), slope_, this->d_input->at(place.slot));
  }

 private:
  T slope_;
};

template <class T>
class SigmoidOp final : public PlanOp<T> {
 public:
  void forward(const GroupPlace<T>& place) override {
    kernels::sigmoid_forward(this->input->size() * kernels::kLanes, this->input->at(place.slot),
                             this->output->at(place.slot));
  }
  void backward(const GroupPlace<T>& place) override {
    beyond_scoring();
    if (this->d_input == nullptr) return;
    kernels::sigmoid_backward(this->input->size() * kernels::kLanes, this->output->at(place.slot),
                              this->d_output->at(place.slot), this->d_input->at(place.slot));
  }
};

template <class T>
class MaxPoolOp final : public PlanOp<T> {
 public:
  MaxPoolOp(std::size_t channels, std::size_t height, std::size_t width, std::size_t slots)
      : channels_(channels), height_(height), width_(width) {
    winner_.allocate(channels * (height / 2) * (width / 2), slots);
  }
  void forward(const GroupPlace<T>& place) override {
    kernels::max_pool_forward(channels_, height_, width_, this->input->at(place.slot),
                              this->output->at(place.slot), winner_.at(place.slot));
  }
  void backward(const GroupPlace<T>& place) override {
    beyond_scoring();
    if (this->d_input == nullptr) return;
    kernels::max_pool_backward(channels_, height_, width_, this->d_output->at(place.slot),
                               winner_.at(place.slot), this->d_input->at(place.slot));
  }

 private:
  std::size_t channels_, height_, width_;
  GroupBuffer<std::uint8_t> winner_;
};

template <class T>
class UpsampleOp final : public PlanOp<T> {
 public:
  UpsampleOp(std::size_t channels, std::size_t height, std::size_t width)
      : channels_(channels), height_(height), width_(width) {}
  void forward(const GroupPlace<T>& place) override {
    kernels::upsample_forward(channels_, height_, width_, this->input->at(place.slot),
                              this->output->at(place.slot));
  }
  void backward(const GroupPlace<T>& place) override {
    beyond_scoring();
    if (this->d_input == nullptr) return;
    kernels::upsample_backward(channels_, height_, width_, this->d_output->at(place.slot),
                               this->d_input->at(place.slot));
  }

 private:
  std::size_t channels_, height_, width_;
};

}  // namespace deepsad
