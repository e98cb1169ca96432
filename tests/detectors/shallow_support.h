// What the tests of the shallow detectors share: the peers' values, problems, runs.
#pragma once

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "deepsad/core/aligned_buffer.h"
#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "deepsad/detectors/detector.h"
#include "support/golden.h"

namespace deepsad::testing {

/// A block of tests/golden/shallow_values.json.
inline const nlohmann::json& peer_values(const std::string& block) {
  static const nlohmann::json all = [] {
    const std::string path = std::string(DEEPSAD_TESTS_DIR) + "/golden/shallow_values.json";
    std::ifstream in(path);
    if (!in) throw std::runtime_error("cannot open " + path);
    return nlohmann::json::parse(in);
  }();
  return all.at(block);
}

/// The rows that shallow_values.py fills.
inline Matrix<float> filled_rows(std::size_t n, std::size_t d, std::size_t tensor) {
  Matrix<float> x(n, d);
  for (std::size_t k = 0; k < n * d; ++k)
    x.values[k] = static_cast<float>(u(static_cast<std::uint32_t>(k), static_cast<std::uint32_t>(tensor)));
  return x;
}

inline Matrix<float> matrix_from_json(const nlohmann::json& json, float shift = 0) {
  Matrix<float> x(json.size(), json[0].size());
  for (std::size_t i = 0; i < x.rows; ++i)
    for (std::size_t j = 0; j < x.cols; ++j) x.row(i)[j] = json[i][j].get<float>() + shift;
  return x;
}

inline MatrixView<const float> view(const Matrix<float>& x) {
  return {x.values.data(), x.rows, x.cols};
}

/// Normal rows around 0.3 with labelled anomalies around 0.7 at the front.
struct Problem {
  Matrix<float> x;
  std::vector<SemiLabel> semi;
  Problem(std::size_t n, std::size_t d, std::size_t n_anomalies, std::uint64_t seed = 5)
      : x(n, d), semi(n, SemiLabel::unlabelled) {
    RandomStream random(seed, "problem");
    for (std::size_t i = 0; i < n; ++i) {
      if (i < n_anomalies) semi[i] = SemiLabel::anomaly;
      for (float& v : x.row(i)) v = static_cast<float>((i < n_anomalies ? 0.7 : 0.3) + 0.1 * random.normal());
    }
  }
  explicit Problem(Matrix<float> rows) : x(std::move(rows)), semi(x.rows, SemiLabel::unlabelled) {}
  [[nodiscard]] TrainingSet set() const { return {view(x), semi}; }
};

struct FitSetup {
  std::size_t threads = 1;
  std::uint64_t seed = 1;
  const LabelledRows* leaked = nullptr;
  std::size_t memory_budget = 0;
};

inline void fit(Detector& detector, const Problem& problem, const FitSetup& setup = {}) {
  ThreadPool pool(setup.threads);
  const Observer silent;
  FitContext context{.pool = pool,
                     .seed = setup.seed,
                     .observer = silent,
                     .stop = nullptr,
                     .leaked = setup.leaked,
                     .memory_budget = setup.memory_budget};
  detector.fit(problem.set(), context);
}

inline std::vector<float> scores_of(const Detector& detector, const Matrix<float>& x,
                                    std::size_t threads = 1) {
  ThreadPool pool(threads);
  std::vector<float> scores(x.rows);
  detector.score(view(x), scores, pool);
  return scores;
}

inline std::unique_ptr<Detector> reloaded(const Detector& detector) {
  return restore_detector(detector.method(), detector.description(), detector.tensors(), "memory");
}

/// The message of the InvalidArgument that f throws, or "no error".
template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace deepsad::testing
