// A training step allocates nothing. A program of its own, because it counts every allocation of the process:
// operator new is replaced here, and the C functions are wrapped by the linker (--wrap, see CMakeLists.txt).
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>

#include "nn/losses.h"
#include "nn/score_functions.h"
#include "nn/support.h"
#include "nn/variational.h"

namespace {
std::atomic<std::size_t> n_allocations{0};
}  // namespace

extern "C" {
// The linker gives these names to the functions that it wraps.
// NOLINTBEGIN(bugprone-reserved-identifier)
void* __real_malloc(std::size_t size);
void* __real_calloc(std::size_t n, std::size_t size);
void* __real_realloc(void* memory, std::size_t size);
void* __real_aligned_alloc(std::size_t alignment, std::size_t size);
void* __wrap_malloc(std::size_t size);
void* __wrap_calloc(std::size_t n, std::size_t size);
void* __wrap_realloc(void* memory, std::size_t size);
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t size);

void* __wrap_malloc(std::size_t size) {
  ++n_allocations;
  return __real_malloc(size);
}
void* __wrap_calloc(std::size_t n, std::size_t size) {
  ++n_allocations;
  return __real_calloc(n, size);
}
void* __wrap_realloc(void* memory, std::size_t size) {
  ++n_allocations;
  return __real_realloc(memory, size);
}
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t size) {
  ++n_allocations;
  return __real_aligned_alloc(alignment, size);
}
// NOLINTEND(bugprone-reserved-identifier)
}

// Not inlined: g++ would take the pair for mismatched where it sees through one of the two.
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto step = static_cast<std::size_t>(alignment);
  if (void* memory = std::aligned_alloc(step, (size + step - 1) / step * step)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace deepsad {
namespace {

using testing::view;

TEST(Allocations, AreCounted) {
  const std::size_t before = n_allocations;
  const std::vector<int> vector(100);
  EXPECT_GT(n_allocations, before);
  const std::size_t between = n_allocations;
  const AlignedBuffer<float> buffer(100);
  EXPECT_GT(n_allocations, between);
}

void expect_no_allocation(const NetworkSpec& spec, std::size_t n_threads, bool partial_batches,
                          OutputUnit unit = OutputUnit::identity) {
  constexpr std::size_t kBatch = 128;
  ThreadPool pool(n_threads);
  Plan<float> plan(spec, kBatch, PlanMode::train, pool);
  plan.load(initial_state(spec, 1, "test"));
  const Matrix<float> x = testing::random_matrix<float>(kBatch, plan.n_inputs(), 1);
  const std::vector<float> center(plan.n_outputs());
  const std::vector<SemiLabel> semi(kBatch, SemiLabel::normal);
  const DeepSadLoss<float> deep_sad(center, semi, 1, 1e-6);
  const ReconstructionLoss<float> reconstruction(plan.n_outputs(), unit);
  const bool reconstruct = plan.n_outputs() == plan.n_inputs();
  const Loss<float>& loss = reconstruct ? static_cast<const Loss<float>&>(reconstruction) : deep_sad;
  const std::vector<std::uint32_t> rows = testing::first_rows(kBatch);
  const auto step = [&](std::size_t n) {
    (void)plan.forward_backward(view(x), {rows.data(), n}, loss);
    plan.update(1e-4F, 1e-6F);
  };
  step(kBatch);  // the first use chooses the kernels
  const std::size_t before = n_allocations;
  for (std::size_t k = 0; k < 3; ++k) step(partial_batches ? kBatch - 3 * k - 1 : kBatch);
  EXPECT_EQ(n_allocations - before, 0U);
}

TEST(TrainingStep, AllocatesNothing) {
  for (const char* name : {"mnist_LeNet", "fmnist_LeNet", "arrhythmia_mlp", "cardio_mlp"}) {
    const NetworkDefinition definition = network_by_name(name);
    for (const std::size_t threads : {1UL, 2UL, 3UL}) {
      SCOPED_TRACE(std::string(name) + ", " + std::to_string(threads) + " threads");
      expect_no_allocation(definition.encoder, threads, false);
      expect_no_allocation(definition.encoder, threads, true);
      const ReconstructionTraining training(autoencoder(definition));
      expect_no_allocation(training.network, threads, true, training.unit);
    }
  }
}

// VAE, M2 with batch norms in its classifier, M1+M2, batches of changing mixtures of labels.
TEST(TrainingStep, OfDeepGenerativeModelsAllocatesNothing) {
  constexpr std::size_t kBatch = 64;
  for (const char* name : {"mnist_VAE", "mnist_DGM_M2", "cardio_DGM_M1M2"}) {
    SCOPED_TRACE(name);
    const GenerativeKind kind = *generative_kind_of(name);
    const GenerativeNetwork network = generative_network_by_name(name, kind);
    const GenerativeSpecs specs = generative_specs(network, kind);
    const StateDict state = initial_state(network, kind, 1);
    ThreadPool pool(2);
    VariationalNetwork<float> generative(specs, kind, {}, 2 * kBatch, pool);
    generative.load(state);
    const Matrix<float> x = testing::random_matrix<float>(2 * kBatch, n_elements(network.input), 1);
    const Matrix<float> posteriors = testing::random_matrix<float>(2 * kBatch, 2 * network.n_latent, 2);
    std::vector<SemiLabel> semi(2 * kBatch, SemiLabel::unlabelled);
    for (std::size_t i = 0; i < semi.size(); i += 5) semi[i] = SemiLabel::anomaly;
    std::unique_ptr<Plan<float>> classifier;
    std::unique_ptr<TrainingStep> step;
    if (kind == GenerativeKind::vae) {
      step = std::make_unique<VaeStep<float>>(generative, view(x), kBatch, NoiseStream(1, "test"));
    } else {
      const bool stacked = kind == GenerativeKind::m1m2;
      classifier = std::make_unique<Plan<float>>(*specs.classifier, kBatch, PlanMode::train, pool);
      classifier->load(without_prefix(state, "classifier."));
      const MatrixView<const float> codes(posteriors.values.data(), posteriors.rows, network.n_latent,
                                          posteriors.cols);
      const SemiSupervisedStep<float>::Data data{
          .x = view(x),
          .classified = stacked ? codes : view(x),
          .posteriors = stacked ? view(posteriors) : MatrixView<const float>(),
          .semi = semi};
      step = std::make_unique<SemiSupervisedStep<float>>(generative, *classifier, data,
                                                         SemiSupervisedStepOptions{}, kBatch,
                                                         NoiseStream(1, "test"), NoiseStream(1, "code"));
    }
    const std::vector<std::uint32_t> rows = testing::first_rows(2 * kBatch);
    const auto take = [&](std::size_t first, std::size_t n) {
      (void)step->forward_backward({rows.data() + first, n});
      step->update(1e-4F, 1e-6F);
    };
    take(0, kBatch);  // the first use chooses the kernels
    const std::size_t before = n_allocations;
    take(3, kBatch);
    take(60, 37);
    take(1, 4);
    EXPECT_EQ(n_allocations - before, 0U);
  }
}

TEST(Inference, AllocatesNothing) {
  const NetworkSpec spec = network_by_name("mnist_LeNet").encoder;
  ThreadPool pool(2);
  Plan<float> plan(spec, 0, PlanMode::infer, pool);
  plan.load(initial_state(spec, 1, "test"));
  const Matrix<float> x = testing::random_matrix<float>(50, plan.n_inputs(), 1);
  Matrix<float> outputs(50, plan.n_outputs());
  plan.infer_rows(view(x), view(outputs));
  const std::size_t before = n_allocations;
  for (const std::size_t n : {50UL, 7UL, 1UL})
    plan.infer_rows(view(x).rows_from(0, n), view(outputs).rows_from(0, n));
  EXPECT_EQ(n_allocations - before, 0U);
}

TEST(ScoreGradient, AllocatesNothing) {
  for (const char* name : {"mnist_LeNet", "cardio_mlp"}) {
    const NetworkSpec spec = autoencoder(network_by_name(name));
    ThreadPool pool(2);
    Plan<float> plan(spec, 0, PlanMode::differentiate, pool);
    plan.load(initial_state(spec, 1, "test"));
    const Matrix<float> x = testing::random_matrix<float>(50, plan.n_inputs(), 1);
    Matrix<float> gradient(50, plan.n_inputs());
    std::vector<double> scores(50);
    const ReconstructionScore<float> score(plan.n_inputs());
    plan.score_gradient(view(x), score, scores, view(gradient));
    const std::size_t before = n_allocations;
    for (const std::size_t n : {50UL, 7UL, 1UL}) {
      plan.score_gradient(view(x).rows_from(0, n), score, std::span<double>(scores).first(n),
                          view(gradient).rows_from(0, n));
    }
    EXPECT_EQ(n_allocations - before, 0U) << name;
  }
}

}  // namespace
}  // namespace deepsad
