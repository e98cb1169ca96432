// Two plans that share a step, each feeding the other by group sources, do what one plan of all their layers
// does.
#include <gtest/gtest.h>

#include <algorithm>

#include "nn/losses.h"
#include "nn/support.h"

namespace deepsad {
namespace {

using kernels::kLanes;
using testing::view;

template <class T>
class RowsOf final : public GroupSource<T> {
 public:
  explicit RowsOf(const Matrix<T>& x) : x_(x) {}
  void fill(std::size_t group, std::size_t n_valid, T* values) const noexcept override {
    for (std::size_t j = 0; j < x_.cols; ++j) {
      for (std::size_t l = 0; l < kLanes; ++l) {
        values[j * kLanes + l] = l < n_valid ? x_.row(group * kLanes + l)[j] : T{0};
      }
    }
  }

 private:
  const Matrix<T>& x_;
};

template <class T>
class OutputOf final : public GroupSource<T> {
 public:
  explicit OutputOf(const Plan<T>& plan) : plan_(plan) {}
  void fill(std::size_t group, std::size_t n_valid, T* values) const noexcept override {
    const T* output = plan_.output(group);
    for (std::size_t i = 0; i < plan_.n_outputs() * kLanes; ++i) {
      values[i] = i % kLanes < n_valid ? output[i] : T{0};
    }
  }

 private:
  const Plan<T>& plan_;
};

template <class T>
class InputGradientOf final : public GroupSource<T> {
 public:
  explicit InputGradientOf(const Plan<T>& plan) : plan_(plan) {}
  void fill(std::size_t group, std::size_t, T* values) const noexcept override {
    std::copy_n(plan_.d_input(group), plan_.n_inputs() * kLanes, values);
  }

 private:
  const Plan<T>& plan_;
};

/// Squared error against the input of another plan.
template <class T>
class ErrorAgainstInputOf final : public Loss<T> {
 public:
  explicit ErrorAgainstInputOf(const Plan<T>& plan) : plan_(plan), error_(plan.n_inputs()) {}
  void evaluate(const GroupLoss<T>& group) const noexcept override {
    GroupLoss<T> own = group;
    own.input = plan_.input(group.group);
    error_.evaluate(own);
  }

 private:
  const Plan<T>& plan_;
  ReconstructionLoss<T> error_;
};

template <class T>
void expect_same_steps(const NetworkDefinition& definition, std::size_t n) {
  const NetworkSpec whole_spec = autoencoder(definition);
  const StateDict state = initial_state(whole_spec, 3, "test");
  const Matrix<T> x = testing::random_matrix<T>(n, n_elements(definition.encoder.input), 5);
  for (const std::size_t threads : {1UL, 3UL}) {
    SCOPED_TRACE(threads);
    ThreadPool pool(threads);
    Plan<T> whole(whole_spec, n, PlanMode::train, pool);
    Plan<T> encoder(definition.encoder, n, PlanMode::train, pool);
    Plan<T> decoder(*definition.decoder, n, PlanMode::train, pool, InputGradient::wanted);
    whole.load(state);
    encoder.load(without_prefix(state, "encoder."));
    decoder.load(without_prefix(state, "decoder."));
    const ReconstructionLoss<T> whole_loss(whole.n_outputs());
    const ErrorAgainstInputOf<T> loss(encoder);
    for (int step = 0; step < 3; ++step) {
      const double wanted = whole.forward_backward(view(x), testing::first_rows(n), whole_loss);
      encoder.forward(RowsOf<T>(x), n);
      EXPECT_EQ(decoder.forward_backward(OutputOf<T>(encoder), n, loss), wanted);
      encoder.backward(InputGradientOf<T>(decoder));
      for (Plan<T>* plan : {&whole, &encoder, &decoder}) plan->update(T(1e-3), T(1e-4));
    }
    StateDict parts = with_prefix(encoder.state(), "encoder.");
    for (StateTensor& tensor : with_prefix(decoder.state(), "decoder.")) parts.push_back(tensor);
    EXPECT_EQ(parts, whole.state());
  }
}

// A gradient through batch norms, through layers without weights in front of the first one with, and a
// network that begins with a batch norm.
TEST(ChainedPlans, DoWhatOnePlanDoes) {
  expect_same_steps<float>(network_by_name("mnist_LeNet"), 37);
  expect_same_steps<double>(network_by_name("cardio_mlp"), 37);
  NetworkDefinition narrow = mlp("narrow", 9, {6}, 4);
  narrow.decoder->layers.insert(narrow.decoder->layers.begin(),
                                {.kind = LayerKind::batch_norm, .name = "first"});
  expect_same_steps<double>(narrow, 33);
}

TEST(ChainedPlans, NameWhatIsNotFinite) {
  const NetworkDefinition definition = network_by_name("cardio_mlp");
  ThreadPool pool(1);
  Plan<float> plan(definition.encoder, 20, PlanMode::train, pool);
  plan.load(initial_state(definition.encoder, 3, "test"));
  Matrix<float> x = testing::random_matrix<float>(20, plan.n_inputs(), 5);
  plan.forward(RowsOf<float>(x), 20);
  EXPECT_EQ(plan.non_finite_value(), "");
  x.row(17)[3] = std::numeric_limits<float>::quiet_NaN();
  plan.forward(RowsOf<float>(x), 20);
  EXPECT_EQ(plan.non_finite_value(), "the input");
}

}  // namespace
}  // namespace deepsad
