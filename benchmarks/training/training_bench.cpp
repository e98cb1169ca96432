// Time of a training step (gather, forward, backward, update) of the paper's networks and their autoencoders.
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
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/nn/catalogue.h"
#include "kernels/isa.h"
#include "nn/losses.h"
#include "nn/support.h"

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

nlohmann::json measure(const std::string& network, bool whole, std::size_t n_threads, std::size_t batch,
                       double seconds) {
  const NetworkDefinition definition = network_by_name(network);
  const NetworkSpec spec = whole ? autoencoder(definition) : definition.encoder;
  ThreadPool pool(n_threads);
  Plan<float> plan(spec, batch, PlanMode::train, pool);
  plan.load(testing::golden_state(spec));
  const Matrix<float> x = testing::golden_input<float>(kRows, plan.n_inputs());
  std::vector<SemiLabel> semi(kRows);
  for (std::size_t i = 0; i < kRows; ++i) {
    semi[i] = i % 20 == 0 ? SemiLabel::anomaly : i % 20 == 1 ? SemiLabel::normal : SemiLabel::unlabelled;
  }
  const std::vector<float> center(plan.n_outputs(), 0.1F);
  const DeepSadLoss<float> deep_sad(center, semi, 1, 1e-6);
  const ReconstructionLoss<float> reconstruction(plan.n_outputs());
  const Loss<float>& loss = whole ? static_cast<const Loss<float>&>(reconstruction) : deep_sad;

  std::vector<std::uint32_t> rows(batch);
  std::vector<double> losses;
  std::vector<double> times;
  double total = 0;
  for (std::size_t step = 0; step < kWarmUp + kFewestSteps || total < seconds; ++step) {
    for (std::size_t i = 0; i < batch; ++i) {
      rows[i] = static_cast<std::uint32_t>((step * batch + i) * kStride % kRows);
    }
    const auto start = Clock::now();
    const double value = plan.forward_backward(testing::view(x), rows, loss);
    plan.update(kLearningRate, kWeightDecay);
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
    std::puts(measure(network, whole, n_threads, batch, seconds).dump().c_str());
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
