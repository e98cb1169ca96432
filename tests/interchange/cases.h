// Models of every kind that can be exported, trained for a moment on rows of their shape.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "deepsad/core/random.h"
#include "deepsad/evaluation/threshold.h"
#include "deepsad/model/fit_model.h"
#include "deepsad/nn/network_spec.h"

namespace deepsad::testing {

/// What is trained.
struct ExportCase {
  std::string name;
  std::string method;
  std::string network;
  Shape sample_shape;
  std::string scaling = "auto";
  bool soft_boundary = false;
};

/// Every network of the catalogue with every deep method that it serves, and a few of other widths.
inline std::vector<ExportCase> export_cases() {
  std::vector<ExportCase> cases;
  const auto add = [&](const char* set, const char* ending, const Shape& shape, bool images) {
    const std::string network = std::string(set) + ending;
    for (const char* method : {"deep_sad", "autoencoder", "classifier"})
      cases.push_back({network + "-" + method, method, network, shape});
    cases.push_back({std::string(set) + "-m2", "dgm_m2", std::string(set) + "_DGM_M2", shape});
    cases.push_back({std::string(set) + "-vae", "vae", std::string(set) + "_VAE", shape});
    if (images)
      cases.push_back({std::string(set) + "-m1m2", "dgm_m1m2", std::string(set) + "_DGM_M1M2", shape});
  };
  add("mnist", "_LeNet", {1, 28, 28}, true);
  add("fmnist", "_LeNet", {1, 28, 28}, true);
  add("cifar10", "_LeNet", {3, 32, 32}, true);
  add("arrhythmia", "_mlp", {274}, false);
  add("cardio", "_mlp", {21}, false);
  add("satellite", "_mlp", {36}, false);
  add("satimage-2", "_mlp", {36}, false);
  add("shuttle", "_mlp", {9}, false);
  add("thyroid", "_mlp", {6}, false);
  cases.push_back({"any-table", "deep_sad", "", {5}});
  cases.push_back({"one-feature", "deep_sad", "", {1}});
  cases.push_back({"any-image", "autoencoder", "", {2, 12, 8}});
  for (const char* method : {"deep_sad", "autoencoder"})
    cases.push_back({std::string("odd-maps-") + method,
                     method,
                     DEEPSAD_TESTS_DIR "/interchange/odd_maps.toml",
                     {2, 13, 9}});
  cases.push_back({"standardised", "deep_sad", "", {7}, "standardise"});
  cases.push_back({"robust", "deep_svdd", "", {7}, "robust"});
  cases.push_back({"quantiles", "deep_sad", "", {7}, "quantile"});
  cases.push_back({"quantiles-of-cardio", "autoencoder", "cardio_mlp", {21}, "quantile"});
  cases.push_back({"unscaled", "deep_svdd", "", {3}, "none"});
  cases.push_back({"soft-boundary", "deep_svdd", "cardio_mlp", {21}, "auto", true});
  return cases;
}

/// Raw rows: for images whole numbers 0..255, for tables numbers of different size in every column.
inline std::vector<double> raw_rows(const Shape& shape, std::size_t n, std::uint64_t seed) {
  const std::size_t d = n_elements(shape);
  RandomStream random(seed, "test/rows");
  std::vector<double> values(n * d);
  for (std::size_t k = 0; k < values.size(); ++k) {
    if (shape.size() == 3)
      values[k] = static_cast<double>(random.below(256));
    else
      values[k] = std::pow(10.0, static_cast<double>(k % d % 7) - 2) * (3 + random.normal());
  }
  return values;
}

inline RawRows view_of(const std::vector<double>& values, std::size_t d) {
  return {.values = MatrixView<const double>(values.data(), values.size() / d, d), .feature_names = {}};
}

/// The model, with a threshold at the median of its training scores.
inline Model trained(const ExportCase& wanted, const std::vector<double>& rows, std::size_t n_epochs = 1) {
  const std::size_t d = n_elements(wanted.sample_shape);
  TrainOptions options = starting_options("none", "none", wanted.method);
  options.method = wanted.method;
  options.network = wanted.network;
  options.seed = 3;
  options.n_epochs = options.ae_n_epochs = options.vae_n_epochs = n_epochs;
  options.batch_size = options.ae_batch_size = options.vae_batch_size = 32;
  options.scaling = wanted.scaling;
  options.num_threads = 1;
  if (wanted.soft_boundary) {
    options.objective = "soft-boundary";
    options.warm_up_epochs = 0;
  }
  std::vector<SemiLabel> semi(rows.size() / d, SemiLabel::unlabelled);
  for (std::size_t i = 0; i < semi.size(); i += 10)
    semi[i] = i % 20 == 0 ? SemiLabel::anomaly : SemiLabel::normal;
  const FittedModel fitted = fit_model(
      options, {.rows = view_of(rows, d), .semi = semi, .sample_shape = wanted.sample_shape}, {}, nullptr);
  ThreadPool pool(1);
  std::vector<float> scores = fitted.model->score(view_of(rows, d), pool);
  std::nth_element(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(scores.size() / 2),
                   scores.end());
  Decision decision;
  decision.threshold = manual_threshold(static_cast<double>(scores[scores.size() / 2]));
  return fitted.model->with_decision(std::move(decision));
}

}  // namespace deepsad::testing
