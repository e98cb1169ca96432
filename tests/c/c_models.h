// Small models of several kinds, and rows with what they say of them, for the tests of the C interface.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "deepsad/core/random.h"
#include "deepsad/model/fit_model.h"
#include "deepsad/model/scoring.h"

namespace deepsad::testing {

inline constexpr std::size_t kRows = 150, kFeatures = 5;

/// Numbers that float holds exactly, so that rows of both types carry the same.
inline std::vector<double> example_rows() {
  RandomStream stream(3, "c interface");
  std::vector<double> values(kRows * kFeatures);
  for (double& value : values) value = static_cast<double>(stream.below(200)) / 8;
  return values;
}

inline const std::vector<std::string> kNames{"a", "b", "c", "d", "e"};

inline RawRows view_of(const std::vector<double>& values) {
  return {.values = MatrixView<const double>(values.data(), values.size() / kFeatures, kFeatures),
          .name = "rows",
          .feature_names = kNames};
}

/// A model of the method, without calibration.
inline Model plain_model(const std::string& method) {
  TrainOptions options = starting_options("none", "none", method);
  options.method = method;
  options.seed = 11;
  options.num_threads = 1;
  options.n_epochs = options.ae_n_epochs = options.vae_n_epochs = 2;
  const std::vector<double> values = example_rows();
  std::vector<SemiLabel> semi(kRows, SemiLabel::unlabelled);
  for (std::size_t i = 0; i < 10; ++i) semi[i] = i % 2 == 0 ? SemiLabel::normal : SemiLabel::anomaly;
  return *fit_model(options, {.rows = view_of(values), .semi = semi, .sample_shape = {}}, {}, nullptr).model;
}

/// The same with the scores of all rows for calibration and a threshold.
inline Model calibrated(const Model& model) {
  const std::vector<double> values = example_rows();
  ThreadPool pool;
  ConformalCalibration calibration(model.score(view_of(values), pool));
  Threshold threshold = choose_threshold({ThresholdKind::target_fpr, 0.1}, calibration, "the rows");
  return model.with_decision({std::move(calibration), "the rows", std::move(threshold)});
}

}  // namespace deepsad::testing
