// Time to score one row, and rows per second in bulk, of a trained detector in the library, warm, on one
// thread.
//
//   scoring_bench [--calls N] [NETWORK ...]
//
// Writes a JSON array: p50 and p99 of a call with one row in seconds, and rows per second of a call with
// 2,048.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "deepsad/detectors/deep_sad.h"
#include "deepsad/nn/catalogue.h"

namespace deepsad {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kTrainingRows = 64, kBulkRows = 2048, kWarmUp = 20;

double seconds_of(const auto& work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

nlohmann::json measure(const std::string& network, std::size_t n_calls) {
  ThreadPool pool(1);
  const NetworkDefinition definition = network_by_name(network);
  std::size_t d = 1;
  for (const std::size_t extent : definition.encoder.input) d *= extent;
  RandomStream random(1, "scoring_bench");
  std::vector<float> x(kBulkRows * d);
  for (float& value : x) value = static_cast<float>(random.uniform());
  const std::vector<SemiLabel> semi(kTrainingRows, SemiLabel::unlabelled);
  const auto detector = make_deep_sad(
      definition, {.training = {.n_epochs = 1, .batch_size = kTrainingRows}, .pretrain = false});
  const Observer observer;
  FitContext context{.pool = pool, .seed = 1, .observer = observer};
  detector->fit({.x = {x.data(), kTrainingRows, d}, .semi = semi}, context);

  std::vector<double> times;
  std::vector<float> scores(kBulkRows);
  for (std::size_t call = 0; call < kWarmUp + n_calls; ++call) {
    const float* row = x.data() + call % kBulkRows * d;
    const double seconds = seconds_of([&] {
      detector->score({row, 1, d}, std::span(scores).first(1), pool);
    });
    if (call >= kWarmUp) times.push_back(seconds);
  }
  std::sort(times.begin(), times.end());
  double bulk = 0;
  for (int round = 0; round < 3; ++round) {
    const double seconds = seconds_of([&] { detector->score({x.data(), kBulkRows, d}, scores, pool); });
    bulk = std::max(bulk, static_cast<double>(kBulkRows) / seconds);
  }
  return {{"network", network},
          {"p50", times[times.size() / 2]},
          {"p99", times[times.size() * 99 / 100]},
          {"rows_per_second", bulk}};
}

}  // namespace
}  // namespace deepsad

int main(int argc, char** argv) {
  try {
    std::vector<std::string> words(argv + 1, argv + argc);
    std::size_t n_calls = 2000;
    if (words.size() >= 2 && words[0] == "--calls") {
      n_calls = std::stoul(words[1]);
      words.erase(words.begin(), words.begin() + 2);
    }
    if (words.empty()) words = {"mnist_LeNet", "cardio_mlp", "arrhythmia_mlp"};
    nlohmann::json results = nlohmann::json::array();
    for (const std::string& network : words) results.push_back(deepsad::measure(network, n_calls));
    std::printf("%s\n", results.dump(1).c_str());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "scoring_bench: %s\n", error.what());
    return 1;
  }
}
