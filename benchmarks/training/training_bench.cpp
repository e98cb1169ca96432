// Time of a training step (gather, forward, backward, update) of the paper's networks, their autoencoders and
// the deep generative models.
//
//   training_bench [--threads N] [--seconds S] [--batch B] all|NETWORK[:ae] ...
//
// Writes one line of JSON per workload: median and quartiles of the step in seconds, and the losses of the
// first three steps on rule-made weights and data, by which another implementation shows that it does the
// same work (compare.py).
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/nn/catalogue.h"
#include "kernels/isa.h"
#include "nn/losses.h"
#include "nn/support.h"
#include "nn/variational.h"

namespace deepsad {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kRows =
    1024;  // training matrix: larger than the caches for images, as in real training
constexpr std::size_t kStride = 397;  // rows of a batch lie apart, as after a shuffle; coprime to kRows
constexpr std::size_t kWarmUp = 3;    // steps; their losses are reported
constexpr std::size_t kFewestSteps = 5;
constexpr float kLearningRate = 1e-4F;
constexpr float kWeightDecay = 1e-6F;

/// Times step(rows), which returns the loss.
template <class Step>
nlohmann::json measure_steps(const std::string& network, bool whole, std::size_t n_threads, std::size_t batch,
                             double seconds, Step&& step_of) {
  std::vector<std::uint32_t> rows(batch);
  std::vector<double> losses;
  std::vector<double> times;
  double total = 0;
  for (std::size_t step = 0; step < kWarmUp + kFewestSteps || total < seconds; ++step) {
    for (std::size_t i = 0; i < batch; ++i) {
      rows[i] = static_cast<std::uint32_t>((step * batch + i) * kStride % kRows);
    }
    const auto start = Clock::now();
    const double value = step_of(rows);
    const double time = std::chrono::duration<double>(Clock::now() - start).count();
    if (step < kWarmUp) {
      losses.push_back(value);
      continue;
    }
    times.push_back(time);
    total += time;
  }
  std::sort(times.begin(), times.end());
  return {{"network", network},
          {"autoencoder", whole},
          {"threads", n_threads},
          {"batch", batch},
          {"isa", kernels::isa_name(kernels::active_isa())},
          {"losses", losses},
          {"steps", times.size()},
          {"median", times[times.size() / 2]},
          {"quartiles", {times[times.size() / 4], times[times.size() * 3 / 4]}}};
}

nlohmann::json measure(const std::string& network, bool whole, std::size_t n_threads, std::size_t batch,
                       double seconds) {
  const NetworkDefinition definition = network_by_name(network);
  const ReconstructionTraining training(autoencoder(definition));
  const NetworkSpec& spec = whole ? training.network : definition.encoder;
  ThreadPool pool(n_threads);
  Plan<float> plan(spec, batch, PlanMode::train, pool);
  plan.load(testing::golden_state(spec));
  const Matrix<float> x = testing::golden_input<float>(kRows, plan.n_inputs());
  plan.precompute(testing::view(x));
  std::vector<SemiLabel> semi(kRows);
  for (std::size_t i = 0; i < kRows; ++i) {
    semi[i] = i % 20 == 0 ? SemiLabel::anomaly : i % 20 == 1 ? SemiLabel::normal : SemiLabel::unlabelled;
  }
  const std::vector<float> center(plan.n_outputs(), 0.1F);
  const DeepSadLoss<float> deep_sad(center, semi, 1, 1e-6);
  const ReconstructionLoss<float> reconstruction(plan.n_outputs(), training.unit);
  const Loss<float>& loss = whole ? static_cast<const Loss<float>&>(reconstruction) : deep_sad;

  return measure_steps(network, whole, n_threads, batch, seconds, [&](std::span<const std::uint32_t> rows) {
    const double value = plan.forward_backward(testing::view(x), rows, loss);
    plan.update(kLearningRate, kWeightDecay);
    return value;
  });
}

/// One of the deep generative models, in the form of the published code; the first steps have no noise, so
/// that their losses can be compared.
nlohmann::json measure_generative(const std::string& name, std::size_t n_threads, std::size_t batch,
                                  double seconds) {
  constexpr kernels::GaussianForm kForm{kernels::LogVariance::softplus, kernels::KlEstimate::single_sample};
  constexpr double kAlpha = 1.9;
  const GenerativeKind kind = *generative_kind_of(name);
  const GenerativeNetwork network = generative_network_by_name(name, kind);
  const GenerativeSpecs specs = generative_specs(network, kind);
  const StateDict state = testing::golden_state(generative_tensors(network, kind));
  ThreadPool pool(n_threads);
  const Matrix<float> x = testing::golden_input<float>(kRows, n_elements(network.input));
  VariationalNetwork<float> generative(specs, kind, kForm, (kind == GenerativeKind::vae ? 1 : 2) * batch,
                                       pool);
  generative.load(state);
  NoiseStream noise(1, "bench"), code_noise(1, "bench/code");
  noise.silence_first(kWarmUp);
  code_noise.silence_first(kWarmUp);

  std::unique_ptr<Plan<float>> classifier;
  std::unique_ptr<TrainingStep> step;
  Matrix<float> posteriors;
  std::vector<SemiLabel> semi(kRows);
  for (std::size_t i = 0; i < kRows; ++i) {
    semi[i] = i % 20 == 0 ? SemiLabel::anomaly : i % 20 == 1 ? SemiLabel::normal : SemiLabel::unlabelled;
  }
  if (kind == GenerativeKind::vae) {
    step = std::make_unique<VaeStep<float>>(generative, testing::view(x), batch, noise);
  } else {
    classifier = std::make_unique<Plan<float>>(*specs.classifier, batch, PlanMode::train, pool);
    classifier->load(without_prefix(state, "classifier."));
    MatrixView<const float> classified = testing::view(x);
    if (kind == GenerativeKind::m1m2) {  // as in training, once for all steps
      const NetworkSpec encoder = generative_specs(network, GenerativeKind::vae).encoder;
      Plan<float> features(encoder, 0, PlanMode::infer, pool);
      features.load(join_heads(without_prefix(state, "features.encoder.")));
      posteriors = Matrix<float>(kRows, features.n_outputs());
      features.infer_rows(testing::view(x), testing::view(posteriors));
      classified = {posteriors.values.data(), kRows, network.n_latent, posteriors.cols};
    }
    step = std::make_unique<SemiSupervisedStep<float>>(
        generative, *classifier,
        SemiSupervisedStep<float>::Data{
            .x = testing::view(x),
            .classified = classified,
            .posteriors = {posteriors.values.data(), posteriors.rows, posteriors.cols},
            .posterior_form = kForm,
            .semi = semi},
        SemiSupervisedStepOptions{.alpha = kAlpha}, batch, noise, code_noise);
  }
  return measure_steps(name, false, n_threads, batch, seconds, [&](std::span<const std::uint32_t> rows) {
    const double value = step->forward_backward(rows);
    step->update(kLearningRate, kWeightDecay);
    return value;
  });
}

int run(int argc, char** argv) {
  std::size_t n_threads = 1;
  std::size_t batch = 128;
  double seconds = 1;
  std::vector<std::string> workloads;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const bool has_value = argument.starts_with("--");
    if (has_value && i + 1 == argc) throw InvalidArgument(argument + " wants a value");
    if (argument == "--threads") {
      n_threads = std::stoul(argv[++i]);
    } else if (argument == "--batch") {
      batch = std::stoul(argv[++i]);
    } else if (argument == "--seconds") {
      seconds = std::stod(argv[++i]);
    } else if (argument == "all") {
      for (const std::string& name : network_names()) {
        workloads.push_back(name);
        workloads.push_back(name + ":ae");
      }
      for (const char* name : {"mnist_VAE", "mnist_DGM_M2", "mnist_DGM_M1M2"}) workloads.emplace_back(name);
    } else if (has_value) {
      throw InvalidArgument("unknown option " + argument + "; known: --threads, --batch, --seconds");
    } else {
      workloads.push_back(argument);
    }
  }
  if (workloads.empty()) {
    throw InvalidArgument(
        "usage: training_bench [--threads N] [--seconds S] [--batch B] all|NETWORK[:ae] ...");
  }
  for (const std::string& workload : workloads) {
    const bool whole = workload.ends_with(":ae");
    const std::string network = whole ? workload.substr(0, workload.size() - 3) : workload;
    const bool generative = generative_kind_of(network).has_value();
    std::puts((generative ? measure_generative(network, n_threads, batch, seconds)
                          : measure(network, whole, n_threads, batch, seconds))
                  .dump()
                  .c_str());
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace deepsad

int main(int argc, char** argv) {
  try {
    return deepsad::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "training_bench: error: %s\n", error.what());
    return 2;
  }
}
