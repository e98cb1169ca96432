// A convolution of many channels as a step of the plan, with the upsampling in front of it folded in.
#pragma once

#include <cstddef>
#include <type_traits>

#include "core/scoring_only.h"
#include "deepsad/core/aligned_buffer.h"
#include "kernels/winograd2d/winograd2d.h"
#include "nn/plan_ops.h"

namespace deepsad {

/// conv2d or conv_transpose2d with stride 1 and kernel 3 or 5 (winograd2d_serves), after a 2x upsampling if
/// `upsampled`.
template <class T>
class WinogradConvOp final : public PlanOp<T> {
 public:
  /// shape, form: the layer as a convolution, see Plan<T>::Impl::winograd_shape().
  WinogradConvOp(const kernels::WinogradShape& shape, kernels::ConvWeights form, std::size_t weight_offset,
                 PlanMode mode, std::size_t slots)
      : shape_(shape), form_(form), weight_offset_(weight_offset) {
    packed_forward_.resize(kernels::winograd2d_forward_size(shape));
    if (mode != PlanMode::infer) packed_backward_.resize(kernels::winograd2d_backward_size(shape));
    if (mode != PlanMode::train) return;
    partial_step_ = kernels::winograd2d_partial_size(shape);
    partials_.resize(n_blocks(slots) * partial_step_);
  }

  [[nodiscard]] bool has_weights() const override { return true; }
  [[nodiscard]] bool gradient_may_replace_input() const override { return true; }
  [[nodiscard]] std::size_t scratch_size() const override {
    // The reference, which alone serves double, wants none.
    return std::is_same_v<T, float> ? kernels::winograd2d_scratch_size(shape_, !packed_backward_.empty()) : 0;
  }

  void prepare() override {
    const T* w = this->parameters->weights.data() + weight_offset_;
    kernels::winograd2d_pack_forward(shape_, form_, w, packed_forward_.data());
    if (this->d_input != nullptr) {
      kernels::winograd2d_pack_backward(shape_, form_, w, packed_backward_.data());
    }
  }
  void forward(const GroupPlace<T>& place) override {
    kernels::winograd2d_forward(shape_, this->input->at(place.slot), packed_forward_.data(),
                                this->output->at(place.slot), place.scratch);
  }
  void backward(const GroupPlace<T>& place) override {
    beyond_scoring();
    const T* dy = this->d_output->at(place.slot);
    if (this->wants_weight_gradient) {
      kernels::winograd2d_weight_gradient(shape_, this->input->at(place.slot), dy,
                                          partials_.data() + place.block * partial_step_, !place.first,
                                          place.scratch);
    }
    if (this->d_input == nullptr) return;
    kernels::winograd2d_data_gradient(shape_, dy, packed_backward_.data(), this->d_input->at(place.slot),
                                      place.scratch);
  }

  // Partial gradients stay in the order in which a group leaves them: sixteen rows of weights at a time,
  // which is far apart in memory, are written once a batch.
  [[nodiscard]] bool gradient_spans_batch() const override { return true; }
  void batch_gradient(std::size_t n_groups, std::size_t part, std::size_t parts) override {
    beyond_scoring();
    const std::size_t channels = shape_.conv.in_channels;
    kernels::winograd2d_sum_gradients(
        shape_, form_, kernels::WinogradPartials<T>{partials_.data(), partial_step_, n_blocks(n_groups)},
        channels * part / parts, channels * (part + 1) / parts,
        this->parameters->gradient(0, weight_offset_));
  }

 private:
  kernels::WinogradShape shape_;
  kernels::ConvWeights form_;
  std::size_t weight_offset_;
  AlignedBuffer<T> packed_forward_, packed_backward_;
  std::size_t partial_step_ = 0;
  AlignedBuffer<T> partials_;  // by block of groups
};

}  // namespace deepsad
