#include "nn/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>

#include "deepsad/core/error.h"
#include "kernels/adam/adam.h"
#include "kernels/gather/gather.h"
#include "nn/layer_order.h"
#include "nn/plan_ops.h"
#include "nn/winograd_conv_op.h"

namespace deepsad {
namespace {

using kernels::kLanes;

// Below so many multiply-adds a step is over before sleeping threads have woken (some 20 microseconds).
constexpr std::size_t kSerialProducts = 2'000'000;
constexpr std::size_t kAdamChunk = 4096;  // parameters of one piece of the optimiser's work
// Of what is kept of the rows of a matrix: 190,000 images of 28x28, 22,000 of 32x32 in colour.
constexpr std::size_t kMostKeptBytes = std::size_t{256} << 20;
constexpr double kBeta1 = 0.9;
constexpr double kBeta2 = 0.999;
constexpr double kAdamEpsilon = 1e-8;
// Names in training_state().
constexpr const char* kAdam = "adam.";
constexpr const char* kFirstMoment = "adam.m/";
constexpr const char* kSecondMoment = "adam.v/";
constexpr const char* kAdamStep = "adam.step";

bool is_learnt(const TensorInfo& tensor) {
  return tensor.role == TensorRole::weight || tensor.role == TensorRole::bias;
}

std::size_t round_up(std::size_t n, std::size_t step) {
  return (n + step - 1) / step * step;
}

std::string layer_text(const LayerSpec& layer, std::size_t index) {
  return layer.name.empty()
             ? fmt::format("layer {} ({})", index + 1, to_string(layer.kind))
             : fmt::format("layer {} ({} \"{}\")", index + 1, to_string(layer.kind), layer.name);
}

template <class T>
bool all_finite(const T* values, std::size_t n) {
  return std::all_of(values, values + n, [](T v) { return std::isfinite(v); });
}

/// The rows of a batch, as they lie in a matrix.
template <class T>
class MatrixRows final : public GroupSource<T> {
 public:
  MatrixRows(MatrixView<const T> x, std::span<const std::uint32_t> rows) : x_(x), rows_(rows) {}
  void fill(std::size_t group, std::size_t n_valid, T* values) const noexcept override {
    kernels::gather_rows(x_.data(), x_.stride(), rows_.data() + group * kLanes, n_valid, x_.cols(), values);
  }

 private:
  MatrixView<const T> x_;
  std::span<const std::uint32_t> rows_;
};

}  // namespace

template <class T>
struct Plan<T>::Impl {
  NetworkSpec spec;
  std::vector<Shape> shapes;
  PlanMode mode;
  bool wants_input_gradient;
  ThreadPool* pool;  // never null
  std::size_t max_groups = 0;
  std::size_t n_slots = 0;

  // values[0] is the network's input; gradients[v] belongs to values[v] and may be the same buffer (see
  // link()).
  std::vector<std::unique_ptr<GroupBuffer<T>>> values, own_gradients;
  std::vector<GroupBuffer<T>*> gradients;
  std::vector<std::unique_ptr<PlanOp<T>>> ops;
  std::vector<BatchNormOp<T>*> batch_norm_of_layer;  // by layer, or nullptr
  ParameterArena<T> parameters;
  std::vector<TensorInfo> tensors;
  std::vector<std::size_t> tensor_offset;  // into the arena, by tensor; weights and biases only
  // The optimiser's work on all that PlanOp::make_gradient() does not hand it, in pieces of at most
  // kAdamChunk parameters.
  struct AdamPiece {
    std::size_t begin, size;
  };
  std::vector<AdamPiece> adam_pieces;
  MatrixView<const T> precomputed;  // the matrix whose rows kept_rows are about
  AlignedBuffer<T> kept_rows;
  const std::uint32_t* batch_rows = nullptr;  // during a pass over rows of `precomputed`
  std::vector<double> lane_losses;
  std::vector<AlignedBuffer<T>> scratch;  // by worker
  std::size_t products_per_sample = 0;    // multiply-adds of a forward pass
  std::size_t n_rows = 0;                 // of the last pass in training mode
  bool prepared = false;
  bool backwards = false;       // direction of the last pass over the groups
  std::size_t last_blocks = 0;  // partial gradients that the last backward pass wrote
  bool has_gradient = false;    // the last pass went back
  std::uint64_t step = 0;

  Impl(const NetworkSpec& network, std::size_t max_batch, PlanMode plan_mode, ThreadPool& thread_pool,
       InputGradient input_gradient)
      : spec(network),
        shapes(layer_shapes(network)),
        mode(plan_mode),
        wants_input_gradient(input_gradient == InputGradient::wanted || plan_mode == PlanMode::differentiate),
        pool(&thread_pool) {
    if (mode == PlanMode::train && max_batch == 0)
      throw InvalidArgument("[plan] batch size must be at least 1, got 0");
    max_groups = mode == PlanMode::train ? (max_batch + kLanes - 1) / kLanes : 0;
    n_slots = mode == PlanMode::train ? max_groups : pool->n_threads();
    place_parameters();
    build();
    if (training()) cut_adam();
    lane_losses.resize(max_groups * kLanes);
    std::size_t scratch_size = 0;
    for (const auto& op : ops) scratch_size = std::max(scratch_size, op->scratch_size());
    for (std::size_t worker = 0; worker < pool->n_threads(); ++worker) scratch.emplace_back(scratch_size);
  }

  [[nodiscard]] bool training() const { return mode == PlanMode::train; }
  [[nodiscard]] bool goes_back() const { return mode != PlanMode::infer; }

  void place_parameters() {
    tensors = state_tensors(spec);
    tensor_offset.resize(tensors.size());
    std::size_t offset = 0;
    // Linear layers and convolutions of many channels give one gradient of the whole batch: behind all that
    // leave a partial one for each block.
    for (const bool whole : {false, true}) {
      if (whole) parameters.n_partial = offset;
      for (std::size_t i = 0; i < tensors.size(); ++i) {
        const std::size_t layer = tensors[i].layer;
        const Convolution family = convolution_of(layer);
        const bool spans_batch = spec.layers[layer].kind == LayerKind::linear ||
                                 family == Convolution::winograd2d ||
                                 family == Convolution::upsampled_winograd2d;
        if (!is_learnt(tensors[i]) || spans_batch != whole) continue;
        tensor_offset[i] = offset;
        offset += round_up(arena_size(i), kAlignment / sizeof(float));
      }
    }
    parameters.weights.resize(offset);
    if (training()) parameters.allocate_for_training(n_blocks(max_groups));
  }

  // Weights of linear layers lie in the arena as their kernels want them, all others as in the tensor.
  [[nodiscard]] bool is_packed(std::size_t tensor) const {
    return tensors[tensor].role == TensorRole::weight &&
           spec.layers[tensors[tensor].layer].kind == LayerKind::linear;
  }
  [[nodiscard]] std::size_t arena_size(std::size_t tensor) const {
    const Shape& shape = tensors[tensor].shape;
    return is_packed(tensor) ? kernels::dense_packed_size(shape[1], shape[0]) : n_elements(shape);
  }
  // f(element of the tensor, where it lies in an arena) for all of them.
  template <class F>
  void for_each_element(std::size_t tensor, F f) const {
    const std::size_t offset = tensor_offset[tensor];
    if (!is_packed(tensor)) {
      for (std::size_t k = 0; k < arena_size(tensor); ++k) f(k, offset + k);
      return;
    }
    const std::size_t n_out = tensors[tensor].shape[0], n_in = tensors[tensor].shape[1];
    for (std::size_t o = 0; o < n_out; ++o) {
      for (std::size_t i = 0; i < n_in; ++i)
        f(o * n_in + i, offset + kernels::dense_packed_index(n_in, i, o));
    }
  }
  // A tensor's values into an arena (of weights, or moments of the optimiser), and from there.
  void put(std::size_t tensor, const std::vector<float>& tensor_values, AlignedBuffer<T>& arena) const {
    for_each_element(tensor,
                     [&](std::size_t k, std::size_t at) { arena[at] = static_cast<T>(tensor_values[k]); });
  }
  [[nodiscard]] std::vector<float> take(std::size_t tensor, const AlignedBuffer<T>& arena) const {
    std::vector<float> taken(n_elements(tensors[tensor].shape));
    for_each_element(tensor,
                     [&](std::size_t k, std::size_t at) { taken[k] = static_cast<float>(arena[at]); });
    return taken;
  }

  void cut_adam() {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (!is_learnt(tensors[i]) || spec.layers[tensors[i].layer].kind == LayerKind::linear) continue;
      const std::size_t n = arena_size(i);
      for (std::size_t begin = 0; begin < n; begin += kAdamChunk) {
        adam_pieces.push_back({tensor_offset[i] + begin, std::min(kAdamChunk, n - begin)});
      }
    }
  }

  [[nodiscard]] std::size_t offset_of(std::size_t layer, TensorRole role) const {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].layer == layer && tensors[i].role == role) return tensor_offset[i];
    }
    return DenseOp<T>::kNoBias;
  }

  std::size_t add_value(std::size_t size) {
    values.push_back(std::make_unique<GroupBuffer<T>>());
    values.back()->allocate(size, n_slots);
    own_gradients.push_back(nullptr);
    gradients.push_back(nullptr);
    return values.size() - 1;
  }

  void add_op(std::unique_ptr<PlanOp<T>> op, std::size_t layer, std::size_t out_size) {
    const std::size_t in = values.size() - 1;
    const std::size_t out = add_value(out_size);
    op->layer = layer;
    op->input = values[in].get();
    op->output = values[out].get();
    op->parameters = &parameters;
    op->wants_weight_gradient = training();
    ops.push_back(std::move(op));
  }

  // A convolution as winograd2d.h sees it: conv_transpose2d runs as the convolution whose data gradient it
  // is.
  [[nodiscard]] kernels::WinogradShape winograd_shape(std::size_t i, bool upsampled) const {
    const LayerSpec& layer = spec.layers[i];
    const bool transposed = layer.kind == LayerKind::conv_transpose2d;
    const Shape& in = shapes[i];
    const Shape& out = shapes[i + 1];
    const std::size_t padding = transposed ? layer.kernel - 1 - layer.padding : layer.padding;
    return {.conv = {in[0], in[1], in[2], out[0], out[1], out[2], layer.kernel, padding, layer.stride},
            .upsampled = upsampled};
  }

  // How a convolution runs, and whether with the upsampling in front of it.
  enum class Convolution { none, few_channels, winograd2d, upsampled, upsampled_winograd2d };
  [[nodiscard]] Convolution convolution_of(std::size_t i) const {
    if (i >= spec.layers.size()) return Convolution::none;
    const LayerSpec& layer = spec.layers[i];
    if (layer.kind != LayerKind::conv2d && layer.kind != LayerKind::conv_transpose2d)
      return Convolution::none;
    if (i > 0 && spec.layers[i - 1].kind == LayerKind::upsample2d) {
      if (kernels::winograd2d_pays(winograd_shape(i, true))) return Convolution::upsampled_winograd2d;
      if (layer.stride == 1 && layer.kernel % 2 == 1) return Convolution::upsampled;
    }
    return kernels::winograd2d_pays(winograd_shape(i, false)) ? Convolution::winograd2d
                                                              : Convolution::few_channels;
  }

  void add_winograd(std::size_t i, bool upsampled) {
    const auto form = spec.layers[i].kind == LayerKind::conv_transpose2d
                          ? kernels::ConvWeights::swapped_flipped
                          : kernels::ConvWeights::as_is;
    add_op(std::make_unique<WinogradConvOp<T>>(winograd_shape(i, upsampled), form,
                                               offset_of(i, TensorRole::weight), mode, n_slots),
           i, n_elements(shapes[i + 1]));
    count_products(i);
  }

  void count_products(std::size_t i) {
    const LayerSpec& layer = spec.layers[i];
    products_per_sample += shapes[i][0] * n_elements(shapes[i + 1]) * layer.kernel * layer.kernel;
  }

  void add_convolution(std::size_t i) {
    if (convolution_of(i) == Convolution::winograd2d) {
      add_winograd(i, false);
      return;
    }
    const LayerSpec& layer = spec.layers[i];
    const Shape& in = shapes[i];
    const Shape& out = shapes[i + 1];
    const kernels::ConvShape shape{in[0],  in[1],        in[2],         out[0],      out[1],
                                   out[2], layer.kernel, layer.padding, layer.stride};
    add_op(std::make_unique<ConvOp<T>>(shape, layer.kind == LayerKind::conv_transpose2d,
                                       offset_of(i, TensorRole::weight), goes_back()),
           i, n_elements(out));
    count_products(i);
  }

  void add_linear(std::size_t i) {
    const std::size_t n_in = shapes[i][0], n_out = spec.layers[i].out;
    auto op = std::make_unique<DenseOp<T>>(n_in, n_out, offset_of(i, TensorRole::weight),
                                           offset_of(i, TensorRole::bias), n_slots);
    const std::size_t behind = layer_behind(spec, i), in_front = layer_in_front(spec, i);
    if (is_between_linear(spec, behind)) op->take_leaky_relu(spec.layers[behind].slope);
    if (is_between_linear(spec, in_front)) op->come_behind_leaky_relu(spec.layers[in_front].slope);
    add_op(std::move(op), i, n_out);
    products_per_sample += n_in * n_out;
  }

  // Compiles the layers: a reshape moves nothing in this layout; a batch norm takes the leaky ReLU and the
  // pool behind it, linear layers the leaky ReLU between them, a convolution the upsampling before it.
  void build() {
    batch_norm_of_layer.assign(spec.layers.size(), nullptr);
    add_value(n_elements(spec.input));
    for (std::size_t i = 0; i < spec.layers.size(); ++i) {
      const LayerSpec& layer = spec.layers[i];
      const Shape& in = shapes[i];
      const std::size_t out_size = n_elements(shapes[i + 1]);
      switch (layer.kind) {
        case LayerKind::conv2d:
        case LayerKind::conv_transpose2d:
          add_convolution(i);
          break;
        case LayerKind::linear:
          add_linear(i);
          break;
        case LayerKind::batch_norm:
          i = add_batch_norm(i);
          break;
        case LayerKind::leaky_relu:
          if (!is_between_linear(spec, i)) add_op(std::make_unique<LeakyReluOp<T>>(layer.slope), i, out_size);
          break;
        case LayerKind::sigmoid:
          add_op(std::make_unique<SigmoidOp<T>>(), i, out_size);
          break;
        case LayerKind::max_pool2d:
          add_op(std::make_unique<MaxPoolOp<T>>(in[0], in[1], in[2], n_slots), i, out_size);
          break;
        case LayerKind::upsample2d:
          if (convolution_of(i + 1) == Convolution::upsampled_winograd2d) {
            add_winograd(++i, true);
          } else if (convolution_of(i + 1) == Convolution::upsampled) {
            add_upsample_conv(i++);
          } else {
            add_op(std::make_unique<UpsampleOp<T>>(in[0], in[1], in[2]), i, out_size);
          }
          break;
        case LayerKind::reshape:
          break;
      }
    }
    if (ops.empty()) throw InvalidArgument("[plan] the network has no layer that computes anything");
    if (goes_back()) link();
    const std::size_t workers = is_serial(max_groups * kLanes) ? 1 : pool->n_threads();
    for (std::size_t k = 0; k < ops.size(); ++k) {
      auto* const batch_norm = dynamic_cast<BatchNormOp<T>*>(ops[k].get());
      if (batch_norm == nullptr) continue;
      if (auto* const convolution = neighbour<ConvOp<T>>(k, -1)) convolution->fuse_with(batch_norm, n_slots);
      // Else groups share the work of linear layers among the threads better than channels do.
      if (batch_norm->most_parts() % workers == 0)
        batch_norm->take_over(neighbour<DenseOp<T>>(k, -1), neighbour<DenseOp<T>>(k, 1));
    }
  }
  // The operation `places` behind k (-1: in front), if it is one of this kind.
  template <class Op>
  [[nodiscard]] Op* neighbour(std::size_t k, std::ptrdiff_t places) const {
    const std::size_t other = k + static_cast<std::size_t>(places);  // wraps around in front of the first
    return other < ops.size() ? dynamic_cast<Op*>(ops[other].get()) : nullptr;
  }

  // Layer i, an upsampling, and the convolution behind it.
  void add_upsample_conv(std::size_t i) {
    const LayerSpec& layer = spec.layers[i + 1];
    const Shape& in = shapes[i];
    const Shape& out = shapes[i + 2];
    add_op(std::make_unique<UpsampleConvOp<T>>(
               kernels::UpsampleConvShape{in[0], in[1], in[2], out[0], out[1], out[2], layer.kernel,
                                          layer.padding},
               layer.kind == LayerKind::conv_transpose2d, offset_of(i + 1, TensorRole::weight), goes_back()),
           i + 1, n_elements(out));
    const std::size_t taps = (layer.kernel + 1) / 2;
    products_per_sample += in[0] * n_elements(out) * taps * taps;
  }

  // Returns the index of the last layer it took.
  std::size_t add_batch_norm(std::size_t i) {
    const LayerSpec& layer = spec.layers[i];
    const Shape in = shapes[i];
    const bool is_map = in.size() == 3;
    std::size_t last = i;
    const std::size_t next = layer_behind(spec, i);
    double slope = 1;
    if (is_kind(spec, next, LayerKind::leaky_relu)) {
      slope = spec.layers[next].slope;
      last = next;
    }
    const bool pooled = is_map && last + 1 < spec.layers.size() &&
                        spec.layers[last + 1].kind == LayerKind::max_pool2d && shapes[last + 1] == in;
    if (pooled) ++last;
    auto op = std::make_unique<BatchNormOp<T>>(in[0], is_map ? in[1] : 1, is_map ? in[2] : 1, layer.epsilon,
                                               layer.momentum, slope, pooled, mode, n_slots);
    batch_norm_of_layer[i] = op.get();
    add_op(std::move(op), i, n_elements(shapes[last + 1]));
    return last;
  }

  // Gradient buffers. Most operations, linear layers in training not among them, need their input no more
  // once its gradient is known, so the gradient replaces it there, unless the layer before needs its own
  // output to go backward. A smaller working set is worth more than the memory: a batch of images does not
  // fit into the caches.
  void link() {
    for (std::size_t v = wants_input_gradient ? 0 : 1; v < values.size(); ++v) {
      const bool consumer_allows = v > 0 && v < ops.size() && ops[v]->gradient_may_replace_input();
      const bool producer_needs_output = v > 0 && dynamic_cast<SigmoidOp<T>*>(ops[v - 1].get()) != nullptr;
      if (consumer_allows && !producer_needs_output) {
        gradients[v] = values[v].get();
      } else {
        own_gradients[v] = std::make_unique<GroupBuffer<T>>();
        own_gradients[v]->allocate(values[v]->size(), n_slots);
        gradients[v] = own_gradients[v].get();
      }
    }
    // Nothing before the first layer with weights wants a gradient, unless the input itself does.
    bool wanted = wants_input_gradient;
    for (std::size_t k = 0; k < ops.size(); ++k) {
      ops[k]->d_output = gradients[k + 1];
      ops[k]->d_input = wanted ? gradients[k] : nullptr;
      wanted = wanted || ops[k]->has_weights();
    }
  }

  // Memory of all values between layers and of their gradients, for a whole batch.
  [[nodiscard]] std::size_t edge_bytes() const {
    std::size_t n = 0;
    for (const auto* buffers : {&values, &own_gradients}) {
      for (const auto& buffer : *buffers) n += buffer == nullptr ? 0 : buffer->stride() * n_slots;
    }
    return n * sizeof(T);
  }

  void prepare() {
    if (prepared) return;
    const auto prepare_op = [&](std::size_t k) { ops[k]->prepare(); };
    if (products_per_sample * kLanes < kSerialProducts) {
      for (std::size_t k = 0; k < ops.size(); ++k) prepare_op(k);
    } else {
      pool->parallel_for(ops.size(), prepare_op);
    }
    prepared = true;
  }

  // Whether a step with n samples is too short to wake threads for.
  [[nodiscard]] bool is_serial(std::size_t n) const { return products_per_sample * n * 3 < kSerialProducts; }

  // f(part) for the work on the whole batch between the halves of a pass.
  template <class F>
  void finish(const PlanOp<T>& op, F&& f) {
    BatchPart part{n_groups(), n_rows};
    if (!is_serial(n_rows)) part.parts = std::min(op.most_parts(), pool->n_threads());
    if (part.parts == 1) return f(part);
    pool->parallel_for(part.parts, [&](std::size_t p) {
      BatchPart own = part;
      own.part = p;
      f(own);
    });
  }

  // f(place) for all groups of a batch of n samples, blocks in parallel, the groups of a block in order.
  // Every other pass takes a worker's blocks backwards, so that it begins with what the one before left in
  // the caches.
  template <class F>
  void for_each_group(std::size_t n, F&& f) {
    const std::size_t groups = (n + kLanes - 1) / kLanes;
    const std::size_t blocks = n_blocks(groups);
    const auto run_block = [&](std::size_t block, std::size_t worker) {
      const std::size_t first = groups * block / blocks;
      for (std::size_t g = first; g < groups * (block + 1) / blocks; ++g) {
        f(GroupPlace<T>{.slot = g,
                        .group = g,
                        .block = block,
                        .first = g == first,
                        .n_valid = std::min(kLanes, n - g * kLanes),
                        .scratch = scratch[worker].data(),
                        .rows = batch_rows == nullptr ? nullptr : batch_rows + g * kLanes});
      }
    };
    backwards = !backwards;
    if (is_serial(n)) {
      for (std::size_t i = 0; i < blocks; ++i) run_block(backwards ? blocks - 1 - i : i, 0);
    } else {
      const std::size_t workers = pool->n_threads();
      pool->parallel_for_worker(blocks, [&](std::size_t i, std::size_t worker) {
        const std::size_t share = ((i + 1) * workers - 1) / blocks;  // the pool's, that index i is in
        const std::size_t begin = blocks * share / workers, end = blocks * (share + 1) / workers;
        run_block(backwards ? begin + end - 1 - i : i, worker);
      });
    }
  }

  // Operations that span the batch cut a pass into phases: within one, a group runs through all layers while
  // it is in the cache. The first such operation from k on, or ops.size():
  [[nodiscard]] std::size_t next_cut(std::size_t k) const {
    while (k < ops.size() && !ops[k]->spans_batch()) ++k;
    return k;
  }
  // Where the backward phase that begins with operation k - 1 ends: behind a batch norm, or 0.
  [[nodiscard]] std::size_t previous_cut(std::size_t k) const {
    while (k > 0 && !ops[k - 1]->spans_batch()) --k;
    return k;
  }

  // What the first convolution can keep of the rows of x.
  void precompute(MatrixView<const T> x) {
    precomputed = {};
    kept_rows = {};
    auto* const convolution = dynamic_cast<ConvOp<T>*>(ops.front().get());
    const std::size_t size = convolution == nullptr ? 0 : convolution->row_size();
    if (x.rows() * size == 0 || x.rows() * size > kMostKeptBytes / sizeof(T)) return;
    kept_rows.resize(x.rows() * size);
    std::vector<AlignedBuffer<T>> groups;
    for (std::size_t worker = 0; worker < pool->n_threads(); ++worker) groups.emplace_back(x.cols() * kLanes);
    pool->parallel_for_worker((x.rows() + kLanes - 1) / kLanes, [&](std::size_t group, std::size_t worker) {
      const std::size_t first = group * kLanes, n = std::min(kLanes, x.rows() - first);
      std::array<std::uint32_t, kLanes> rows{};
      for (std::size_t lane = 0; lane < n; ++lane) rows[lane] = static_cast<std::uint32_t>(first + lane);
      T* const group_values = groups[worker].data();
      MatrixRows<T>(x, rows).fill(0, n, group_values);
      convolution->make_rows(group_values, n, kept_rows.data() + first * size, scratch[worker].data());
    });
    convolution->keep_rows(kept_rows.data());
    precomputed = x;
  }

  // The rows of a batch of x, if they are rows that precompute() saw.
  [[nodiscard]] const std::uint32_t* known(MatrixView<const T> x, std::span<const std::uint32_t> rows) const {
    const bool same = precomputed.rows() > 0 && x.data() == precomputed.data() &&
                      x.rows() == precomputed.rows() && x.cols() == precomputed.cols() &&
                      x.stride() == precomputed.stride();
    return same ? rows.data() : nullptr;
  }

  // Forward pass in training mode over n rows that `input` writes; at_output(place) ends its last phase.
  template <class AtOutput>
  void forward_pass(const GroupSource<T>& input, std::size_t n, AtOutput&& at_output) {
    assert(training() && n > 0 && n <= max_groups * kLanes);
    prepare();
    n_rows = n;
    has_gradient = false;
    std::size_t begin = 0;
    std::size_t end = next_cut(0);
    for (bool first = true;; first = false) {
      const bool last = end == ops.size();
      if (first || last || !idle(begin, end + 1, &PlanOp<T>::idle_forward)) {
        for_each_group(n, [&](const GroupPlace<T>& place) {
          if (first) input.fill(place.group, place.n_valid, values[0]->at(place.slot));
          for (std::size_t k = begin; k < end; ++k) ops[k]->forward(place);
          if (last) {
            at_output(place);
          } else {
            ops[end]->statistics(place);
          }
        });
      }
      if (last) return;
      finish(*ops[end], [&](const BatchPart& part) { ops[end]->finish_statistics(part); });
      begin = end;  // the batch norm itself, now that it has its statistics
      end = next_cut(begin + 1);
    }
  }
  // Whether none of the operations begin..end-1 has work to do on single groups.
  [[nodiscard]] bool idle(std::size_t begin, std::size_t end, bool (PlanOp<T>::*is_idle)() const) const {
    return std::all_of(ops.begin() + static_cast<std::ptrdiff_t>(begin),
                       ops.begin() + static_cast<std::ptrdiff_t>(end),
                       [&](const auto& op) { return (op.get()->*is_idle)(); });
  }

  // One group through the backward phase of operations end..back-1, and the sums of the batch norm below.
  void backward_phase(const GroupPlace<T>& place, std::size_t back, std::size_t end) {
    for (std::size_t k = back; k > end; --k) ops[k - 1]->backward(place);
    if (end > 0) ops[end - 1]->sums(place);
  }
  // The phases below the first one, which ended at operation `back`.
  void finish_backward_pass(std::size_t back) {
    while (back > 0) {
      finish(*ops[back - 1], [&](const BatchPart& part) { ops[back - 1]->finish_sums(part); });
      const std::size_t end = previous_cut(back - 1);
      if (!idle(end > 0 ? end - 1 : 0, back, &PlanOp<T>::idle_backward))
        for_each_group(n_rows, [&](const GroupPlace<T>& place) { backward_phase(place, back, end); });
      back = end;
    }
    last_blocks = n_blocks(n_groups());
    has_gradient = true;
    if (std::none_of(ops.begin(), ops.end(), [](const auto& op) { return op->gradient_spans_batch(); }))
      return;
    const std::size_t parts = is_serial(n_rows) ? 1 : pool->n_threads();
    pool->parallel_for(parts, [&](std::size_t part) {
      for (auto& op : ops) {
        if (op->gradient_spans_batch()) op->batch_gradient(n_groups(), part, parts);
      }
    });
  }
  [[nodiscard]] std::size_t n_groups() const { return (n_rows + kLanes - 1) / kLanes; }

  // Whether values[v] of a group of the last pass are finite; an output that nobody stores is made once more.
  [[nodiscard]] bool is_finite(std::size_t v, std::size_t group) {
    if (values[v]->size() > 0) return all_finite(values[v]->at(group), values[v]->size() * kLanes);
    const auto& convolution = dynamic_cast<const ConvOp<T>&>(*ops[v - 1]);
    AlignedBuffer<T> output(convolution.output_size() * kLanes);
    convolution.make_output(values[v - 1]->at(group), output.data(), scratch[0].data());
    return all_finite(output.data(), output.size());
  }

  // Forward pass in evaluation mode over all rows of x; at_output(place, first row) ends it for every group.
  template <class AtOutput>
  void evaluate(MatrixView<const T> x, AtOutput&& at_output) {
    assert(!training() && x.cols() == values[0]->size());
    prepare();
    const std::size_t n = x.rows();
    pool->parallel_for_worker((n + kLanes - 1) / kLanes, [&](std::size_t group, std::size_t worker) {
      const std::size_t first = group * kLanes;
      const GroupPlace<T> place{.slot = worker,
                                .group = 0,
                                .block = 0,
                                .first = true,
                                .n_valid = std::min(kLanes, n - first),
                                .scratch = scratch[worker].data()};
      std::array<std::uint32_t, kLanes> rows{};
      for (std::size_t lane = 0; lane < place.n_valid; ++lane) rows[lane] = static_cast<std::uint32_t>(lane);
      kernels::gather_rows(x.data() + first * x.stride(), x.stride(), rows.data(), place.n_valid, x.cols(),
                           values[0]->at(worker));
      for (auto& op : ops) op->forward(place);
      at_output(place, first);
    });
  }

  double run(const GroupSource<T>& input, const std::uint32_t* rows, std::size_t n, const Loss<T>& loss,
             bool with_backward) {
    const std::size_t n_ops = ops.size();
    const std::size_t first_end = previous_cut(n_ops);
    const T scale = static_cast<T>(1.0 / static_cast<double>(n));
    forward_pass(input, n, [&](const GroupPlace<T>& place) {
      loss.evaluate({.n_valid = place.n_valid,
                     .rows = rows == nullptr ? nullptr : rows + place.group * kLanes,
                     .input = values[0]->at(place.slot),
                     .output = values[n_ops]->at(place.slot),
                     .d_output = gradients[n_ops]->at(place.slot),
                     .lane_loss = lane_losses.data() + place.group * kLanes,
                     .scale = scale,
                     .group = place.group});
      if (with_backward) backward_phase(place, n_ops, first_end);
    });
    if (with_backward) finish_backward_pass(first_end);
    double total = 0;
    for (std::size_t i = 0; i < n; ++i) total += lane_losses[i];
    return total / static_cast<double>(n);
  }

  void backward(const GroupSource<T>& d_output) {
    const std::size_t n_ops = ops.size();
    const std::size_t first_end = previous_cut(n_ops);
    for_each_group(n_rows, [&](const GroupPlace<T>& place) {
      d_output.fill(place.group, place.n_valid, gradients[n_ops]->at(place.slot));
      backward_phase(place, n_ops, first_end);
    });
    finish_backward_pass(first_end);
  }

  void update(T learning_rate, T weight_decay) {
    assert(has_gradient);
    ++step;
    const kernels::AdamStep<T> constants{
        .learning_rate = learning_rate,
        .beta1 = static_cast<T>(kBeta1),
        .beta2 = static_cast<T>(kBeta2),
        .epsilon = static_cast<T>(kAdamEpsilon),
        .weight_decay = weight_decay,
        .bias_correction1 = static_cast<T>(1 - std::pow(kBeta1, static_cast<double>(step))),
        .bias_correction2 = static_cast<T>(1 - std::pow(kBeta2, static_cast<double>(step)))};
    struct Adam final : GradientSink<T> {
      Adam(ParameterArena<T>& arena, const kernels::AdamStep<T>& adam_step, std::size_t blocks)
          : parameters(arena), constants(adam_step), n_blocks(blocks) {}
      void operator()(std::size_t offset, std::size_t n) override {
        kernels::adam(n, constants, parameters.gradient(0, offset),
                      parameters.has_partials(offset) ? n_blocks : 1, parameters.n_partial,
                      parameters.weights.data() + offset, parameters.first_moment.data() + offset,
                      parameters.second_moment.data() + offset);
      }
      ParameterArena<T>& parameters;
      const kernels::AdamStep<T>& constants;
      std::size_t n_blocks;
    } adam(parameters, constants, last_blocks);
    // Of many parameters Adam alone takes long enough to wake threads for.
    const bool is_small = is_serial(n_rows) && parameters.weights.size() < 16 * kAdamChunk;
    const std::size_t parts = is_small ? 1 : pool->n_threads();
    pool->parallel_for(parts, [&](std::size_t part) {
      for (auto& op : ops) op->make_gradient(n_groups(), part, parts, adam);
      const std::size_t pieces = adam_pieces.size();
      for (std::size_t i = pieces * part / parts; i < pieces * (part + 1) / parts; ++i)
        adam(adam_pieces[i].begin, adam_pieces[i].size);
    });
    prepared = false;
  }
};

std::size_t precomputed_bytes(const NetworkSpec& spec, std::size_t n_rows) {
  // Reshapes, a convolution, batch norm, perhaps a leaky ReLU, and a pool: see Plan<T>::Impl::build().
  const auto is = [&](std::size_t i, LayerKind kind) { return is_kind(spec, i, kind); };
  std::size_t first = 0;
  while (is(first, LayerKind::reshape)) ++first;
  const std::size_t pool = is(first + 2, LayerKind::leaky_relu) ? first + 3 : first + 2;
  if (!is(first, LayerKind::conv2d) || !is(first + 1, LayerKind::batch_norm) ||
      !is(pool, LayerKind::max_pool2d))
    return 0;
  const std::vector<Shape> shapes = layer_shapes(spec);
  const Shape &in = shapes[first], &out = shapes[first + 1];
  const LayerSpec& layer = spec.layers[first];
  const kernels::ConvShape shape{in[0],  in[1],        in[2],         out[0],      out[1],
                                 out[2], layer.kernel, layer.padding, layer.stride};
  if (kernels::winograd2d_pays({.conv = shape}) ||
      !ConvolutionGradient<float>(shape).unpools_without_output())
    return 0;
  const std::size_t bytes = n_rows * kernels::patch_moments_size(shape) * sizeof(float);
  return bytes <= kMostKeptBytes ? bytes : 0;
}

template <class T>
Plan<T>::Plan(const NetworkSpec& spec, std::size_t max_batch, PlanMode mode, ThreadPool& pool,
              InputGradient input_gradient)
    : impl_(std::make_unique<Impl>(spec, max_batch, mode, pool, input_gradient)) {}
template <class T>
Plan<T>::~Plan() = default;

template <class T>
std::size_t Plan<T>::n_inputs() const {
  return impl_->values.front()->size();
}
template <class T>
std::size_t Plan<T>::n_outputs() const {
  return impl_->values.back()->size();
}
template <class T>
std::size_t Plan<T>::edge_bytes() const {
  return impl_->edge_bytes();
}

template <class T>
void Plan<T>::load(const StateDict& state) {
  Impl& impl = *impl_;
  if (const std::string problem = mismatch(impl.spec, state); !problem.empty())
    throw InvalidArgument("[plan] " + problem);
  for (const StateTensor& tensor : state) {
    const auto i = static_cast<std::size_t>(
        std::find_if(impl.tensors.begin(), impl.tensors.end(),
                     [&](const TensorInfo& info) { return info.name == tensor.name; }) -
        impl.tensors.begin());
    const TensorInfo& info = impl.tensors[i];
    if (is_learnt(info)) {
      impl.put(i, tensor.values, impl.parameters.weights);
    } else if (info.role == TensorRole::running_mean) {
      std::copy(tensor.values.begin(), tensor.values.end(),
                impl.batch_norm_of_layer[info.layer]->running_mean.begin());
    } else if (info.role == TensorRole::running_var) {
      std::copy(tensor.values.begin(), tensor.values.end(),
                impl.batch_norm_of_layer[info.layer]->running_var.begin());
    } else {
      impl.batch_norm_of_layer[info.layer]->num_batches_tracked = tensor.count;
    }
  }
  for (auto* buffer :
       {&impl.parameters.first_moment, &impl.parameters.second_moment, &impl.parameters.gradients}) {
    std::fill(buffer->begin(), buffer->end(), T{0});
  }
  impl.step = 0;
  impl.prepared = impl.has_gradient = false;
}

template <class T>
StateDict Plan<T>::state() const {
  const Impl& impl = *impl_;
  StateDict state;
  for (std::size_t i = 0; i < impl.tensors.size(); ++i) {
    const TensorInfo& info = impl.tensors[i];
    StateTensor tensor{.name = info.name, .shape = info.shape, .values = {}, .is_count = false, .count = 0};
    const auto values_of = [](const AlignedBuffer<T>& buffer) {
      std::vector<float> values(buffer.size());
      std::transform(buffer.begin(), buffer.end(), values.begin(), [](T v) { return static_cast<float>(v); });
      return values;
    };
    if (is_learnt(info)) {
      tensor.values = impl.take(i, impl.parameters.weights);
    } else if (info.role == TensorRole::running_mean) {
      tensor.values = values_of(impl.batch_norm_of_layer[info.layer]->running_mean);
    } else if (info.role == TensorRole::running_var) {
      tensor.values = values_of(impl.batch_norm_of_layer[info.layer]->running_var);
    } else {
      tensor.is_count = true;
      tensor.count = impl.batch_norm_of_layer[info.layer]->num_batches_tracked;
    }
    state.push_back(std::move(tensor));
  }
  return state;
}

template <class T>
StateDict Plan<T>::training_state() const {
  const Impl& impl = *impl_;
  assert(impl.training());
  StateDict all = state();
  for (const auto& [prefix, arena] : {std::pair{kFirstMoment, &impl.parameters.first_moment},
                                      std::pair{kSecondMoment, &impl.parameters.second_moment}}) {
    for (std::size_t i = 0; i < impl.tensors.size(); ++i) {
      if (!is_learnt(impl.tensors[i])) continue;
      all.push_back({.name = prefix + impl.tensors[i].name,
                     .shape = impl.tensors[i].shape,
                     .values = impl.take(i, *arena),
                     .is_count = false,
                     .count = 0});
    }
  }
  all.push_back(counter(kAdamStep, impl.step));
  return all;
}

template <class T>
void Plan<T>::load_training_state(const StateDict& all) {
  Impl& impl = *impl_;
  assert(impl.training());
  std::vector<TensorInfo> learnt;
  std::copy_if(impl.tensors.begin(), impl.tensors.end(), std::back_inserter(learnt), is_learnt);
  StateDict weights = all;
  std::erase_if(weights, [](const StateTensor& tensor) { return tensor.name.starts_with(kAdam); });
  const StateDict moments[] = {without_prefix(all, kFirstMoment), without_prefix(all, kSecondMoment)};
  for (const StateDict& moment : moments) {
    if (const std::string problem = mismatch(learnt, moment); !problem.empty())
      throw InvalidArgument("[plan] the optimiser's moments: " + problem);
  }
  const std::uint64_t step = counter_of(all, kAdamStep);
  load(weights);
  AlignedBuffer<T>* const arenas[] = {&impl.parameters.first_moment, &impl.parameters.second_moment};
  for (std::size_t m = 0; m < 2; ++m) {
    for (const StateTensor& tensor : moments[m]) {
      const auto i = static_cast<std::size_t>(
          std::find_if(impl.tensors.begin(), impl.tensors.end(),
                       [&](const TensorInfo& info) { return info.name == tensor.name; }) -
          impl.tensors.begin());
      impl.put(i, tensor.values, *arenas[m]);
    }
  }
  impl.step = step;
}

template <class T>
void Plan<T>::precompute(MatrixView<const T> x) {
  assert(impl_->training() && (x.rows() == 0 || x.cols() == n_inputs()));
  impl_->precompute(x);
}
template <class T>
std::size_t Plan<T>::kept_bytes() const {
  return impl_->kept_rows.size() * sizeof(T);
}

template <class T>
double Plan<T>::forward_backward(MatrixView<const T> x, std::span<const std::uint32_t> rows,
                                 const Loss<T>& loss) {
  impl_->batch_rows = impl_->known(x, rows);
  const double mean_loss = impl_->run(MatrixRows<T>(x, rows), rows.data(), rows.size(), loss, true);
  impl_->batch_rows = nullptr;
  return mean_loss;
}

template <class T>
double Plan<T>::forward_backward(const GroupSource<T>& input, std::size_t n, const Loss<T>& loss) {
  return impl_->run(input, nullptr, n, loss, true);
}

template <class T>
void Plan<T>::forward(const GroupSource<T>& input, std::size_t n) {
  impl_->forward_pass(input, n, [](const GroupPlace<T>&) {});
}

template <class T>
void Plan<T>::backward(const GroupSource<T>& d_output) {
  impl_->backward(d_output);
}

template <class T>
const T* Plan<T>::input(std::size_t group) const {
  return impl_->values.front()->at(group);
}
template <class T>
const T* Plan<T>::output(std::size_t group) const {
  return impl_->values.back()->at(group);
}
template <class T>
const T* Plan<T>::d_input(std::size_t group) const {
  assert(impl_->wants_input_gradient);
  return impl_->gradients.front()->at(group);
}

template <class T>
void Plan<T>::update(T learning_rate, T weight_decay) {
  impl_->update(learning_rate, weight_decay);
}

template <class T>
std::string Plan<T>::non_finite_tensor() const {
  for (std::size_t i = 0; i < impl_->tensors.size(); ++i) {
    if (is_learnt(impl_->tensors[i]) &&
        !all_finite(impl_->parameters.weights.data() + impl_->tensor_offset[i], impl_->arena_size(i)))
      return fmt::format("tensor \"{}\"", impl_->tensors[i].name);
  }
  return {};
}

template <class T>
std::string Plan<T>::first_non_finite(MatrixView<const T> x, std::span<const std::uint32_t> rows,
                                      const Loss<T>& loss) {
  if (std::string tensor = non_finite_tensor(); !tensor.empty()) return tensor;
  (void)impl_->run(MatrixRows<T>(x, rows), rows.data(), rows.size(), loss, false);
  return non_finite_value();
}

template <class T>
std::string Plan<T>::non_finite_value() const {
  Impl& impl = *impl_;
  for (std::size_t v = 0; v < impl.values.size(); ++v) {
    for (std::size_t g = 0; g < impl.n_groups(); ++g) {
      if (impl.is_finite(v, g)) continue;
      return v == 0 ? "the input"
                    : layer_text(impl.spec.layers[impl.ops[v - 1]->layer], impl.ops[v - 1]->layer);
    }
  }
  return {};
}

template <class T>
std::unique_ptr<Plan<T>> Plan<T>::for_inference() const {
  auto plan = std::make_unique<Plan>(impl_->spec, 0, PlanMode::infer, *impl_->pool);
  plan->load(state());
  return plan;
}

template <class T>
void Plan<T>::use_pool(ThreadPool& pool) {
  assert(!impl_->training() && pool.n_threads() == impl_->n_slots);
  impl_->pool = &pool;
}
template <class T>
void Plan<T>::infer(MatrixView<const T> x, GroupSink& sink) {
  Impl& impl = *impl_;
  impl.evaluate(x, [&](const GroupPlace<T>& place, std::size_t first) {
    sink(first, place.n_valid, impl.values.front()->at(place.slot), impl.values.back()->at(place.slot));
  });
}

template <class T>
void Plan<T>::score_gradient(MatrixView<const T> x, const ScoreFunction<T>& score, std::span<double> scores,
                             MatrixView<T> gradient) {
  Impl& impl = *impl_;
  assert(impl.mode == PlanMode::differentiate);
  assert(scores.size() == x.rows() && gradient.rows() == x.rows() && gradient.cols() == x.cols());
  impl.evaluate(x, [&](const GroupPlace<T>& place, std::size_t first) {
    const T* input = impl.values.front()->at(place.slot);
    const T* output = impl.values.back()->at(place.slot);
    std::array<double, kLanes> lane_scores;
    score.evaluate({.first_row = first,
                    .n_valid = place.n_valid,
                    .input = input,
                    .output = output,
                    .d_output = impl.gradients.back()->at(place.slot),
                    .score = lane_scores.data()});
    for (std::size_t k = impl.ops.size(); k > 0; --k) impl.ops[k - 1]->backward(place);
    T* d_input = impl.gradients.front()->at(place.slot);
    score.add_direct(place.n_valid, input, output, d_input);
    std::copy_n(lane_scores.begin(), place.n_valid, scores.begin() + static_cast<std::ptrdiff_t>(first));
    kernels::scatter_rows(d_input, place.n_valid, gradient.cols(),
                          gradient.data() + first * gradient.stride(), gradient.stride());
  });
}

template <class T>
void Plan<T>::infer_rows(MatrixView<const T> x, MatrixView<T> dst) {
  struct Rows final : GroupSink {
    explicit Rows(MatrixView<T> view) : dst(view) {}
    void operator()(std::size_t first_row, std::size_t n_valid, const T*, const T* output) override {
      kernels::scatter_rows(output, n_valid, dst.cols(), dst.data() + first_row * dst.stride(), dst.stride());
    }
    MatrixView<T> dst;
  };
  Rows rows(dst);
  infer(x, rows);
}

template <class T>
std::span<T> Plan<T>::weights() {
  impl_->prepared = false;
  return impl_->parameters.weights.span();
}

template <class T>
std::vector<T> Plan<T>::gradient() const {
  struct Keep final : GradientSink<T> {
    void operator()(std::size_t, std::size_t) override {}
  } keep;
  for (auto& op : impl_->ops) op->make_gradient(impl_->n_groups(), 0, 1, keep);
  ParameterArena<T>& parameters = impl_->parameters;
  std::vector<T> sum(parameters.weights.size(), T{0});
  for (std::size_t i = 0; i < sum.size(); ++i) {
    const std::size_t blocks = parameters.has_partials(i) ? impl_->last_blocks : 1;
    for (std::size_t block = 0; block < blocks; ++block) sum[i] += *parameters.gradient(block, i);
  }
  return sum;
}

template <class T>
std::vector<typename Plan<T>::Place> Plan<T>::places() const {
  std::vector<Place> result;
  for (std::size_t i = 0; i < impl_->tensors.size(); ++i) {
    const TensorInfo& info = impl_->tensors[i];
    if (!is_learnt(info)) continue;
    result.push_back({info.name, std::vector<std::size_t>(n_elements(info.shape))});
    impl_->for_each_element(i, [&](std::size_t k, std::size_t at) { result.back().at[k] = at; });
  }
  return result;
}

template class Plan<float>;
template class Plan<double>;

}  // namespace deepsad
