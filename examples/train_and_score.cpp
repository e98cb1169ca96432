// Trains Deep SAD on rows of your own, saves nothing, prints the scores of new rows. Build it against an
// installed deepsad:
//   find_package(deepsad REQUIRED)
//   target_link_libraries(your_program PRIVATE deepsad::deepsad)
#include <cstdio>
#include <vector>

#include <deepsad/core/random.h>
#include <deepsad/detectors/deep_sad.h>

int main() {
  constexpr std::size_t kRows = 500;
  constexpr std::size_t kFeatures = 4;

  // Normal rows lie around 0.3; the first ten rows are anomalies around 0.8 that an expert has marked.
  deepsad::RandomStream random(/*seed=*/1, "example");
  std::vector<float> rows(kRows * kFeatures);
  std::vector<deepsad::SemiLabel> labels(kRows, deepsad::SemiLabel::unlabelled);
  for (std::size_t i = 0; i < kRows; ++i) {
    const bool anomaly = i < 10;
    if (anomaly) labels[i] = deepsad::SemiLabel::anomaly;
    for (std::size_t j = 0; j < kFeatures; ++j) {
      rows[i * kFeatures + j] = static_cast<float>((anomaly ? 0.8 : 0.3) + 0.05 * random.normal());
    }
  }

  deepsad::ThreadPool pool;  // one thread; ThreadPool(0) takes all processors
  const deepsad::Observer silent;
  deepsad::FitContext context{.pool = pool, .seed = 1, .observer = silent};

  const auto network = deepsad::mlp("example", kFeatures, {16, 8}, 4);
  deepsad::DeepSadOptions options;
  options.training.n_epochs = 20;
  options.pretraining.training.n_epochs = 20;
  const auto detector = deepsad::make_deep_sad(network, options);
  detector->fit({.x = {rows.data(), kRows, kFeatures}, .semi = labels}, context);
  for (const auto& finding : detector->findings())
    std::printf("warning: %s: %s\n", finding.name.c_str(), finding.text.c_str());

  const std::vector<float> fresh{0.3F, 0.3F, 0.3F, 0.3F,   // normal
                                 0.8F, 0.8F, 0.8F, 0.8F};  // like the marked anomalies
  std::vector<float> scores(2);
  detector->score({fresh.data(), 2, kFeatures}, scores, pool);
  std::printf("normal %.4f, anomaly %.4f\n", static_cast<double>(scores[0]), static_cast<double>(scores[1]));
  return scores[1] > scores[0] ? 0 : 1;
}
