#include "detectors/training_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "deepsad/evaluation/roc_auc.h"

namespace deepsad {
namespace {

// A few units in the last place of float32, relative to the size of the scores.
constexpr double kRelativeRounding = 1e-6;
constexpr double kCollapsedVariance = 1e-6;

double largest_magnitude(std::span<const float> values) {
  double largest = 0;
  for (const float v : values) largest = std::max(largest, std::abs(static_cast<double>(v)));
  return largest;
}

}  // namespace

void check_scores_vary(std::span<const float> scores, std::vector<Finding>& findings) {
  if (scores.size() < 2) return;
  const auto [low, high] = std::minmax_element(scores.begin(), scores.end());
  if (std::isinf(*high) && *low < *high) return;  // rows of density 0, and others
  if (static_cast<double>(*high) - static_cast<double>(*low) > kRelativeRounding * largest_magnitude(scores))
    return;
  findings.push_back(
      {"constant_scores",
       fmt::format(
           "all {} training rows have the same score {:g}: nothing can be ranked. Train longer, lower "
           "the learning rate, or check that the features vary",
           scores.size(), *low)});
}

void check_training_changed(std::span<const float> before, std::span<const float> after,
                            std::vector<Finding>& findings) {
  if (before.empty()) return;
  const double tolerance = kRelativeRounding * largest_magnitude(before);
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (std::abs(static_cast<double>(before[i]) - static_cast<double>(after[i])) > tolerance) return;
  }
  findings.push_back({"untrained",
                      "the scores are those of the network before its training. Give more epochs or a larger "
                      "learning rate"});
}

void check_no_collapse(MatrixView<const float> outputs, std::vector<Finding>& findings) {
  if (outputs.rows() < 2) return;
  double variance = 0;
  double squared_length = 0;
  const double n = static_cast<double>(outputs.rows());
  for (std::size_t j = 0; j < outputs.cols(); ++j) {
    double mean = 0;
    for (std::size_t i = 0; i < outputs.rows(); ++i) mean += static_cast<double>(outputs(i, j)) / n;
    double spread = 0;
    for (std::size_t i = 0; i < outputs.rows(); ++i) {
      const double difference = static_cast<double>(outputs(i, j)) - mean;
      spread += difference * difference / n;
    }
    variance += spread;
    squared_length += mean * mean + spread;
  }
  if (variance > kCollapsedVariance * squared_length) return;
  findings.push_back(
      {"collapse",
       fmt::format(
           "the network maps all training rows to one point (variance {:.3g}, mean squared length "
           "{:.3g}). Use a larger weight for labelled rows, fewer epochs, or a network without biases",
           variance, squared_length)});
}

void check_labels_used(std::span<const float> scores, std::span<const SemiLabel> semi,
                       std::vector<Finding>& findings) {
  std::vector<TrueLabel> labels(semi.size());
  std::size_t n_anomalies = 0;
  for (std::size_t i = 0; i < semi.size(); ++i) {
    const bool anomaly = semi[i] == SemiLabel::anomaly;
    labels[i] = anomaly ? TrueLabel::anomaly : TrueLabel::normal;
    n_anomalies += anomaly ? 1 : 0;
  }
  if (n_anomalies == 0 || n_anomalies == semi.size()) return;
  const double auc = roc_auc(scores, labels);
  if (auc > 0.5) return;
  findings.push_back(
      {"labels_ignored",
       fmt::format(
           "the {} rows labelled anomalous do not score higher than the other training rows (AUC {:.3f}): "
           "their labels had no effect. Train longer or raise eta",
           n_anomalies, auc)});
}

void check_labels_wanted(const std::string& method, std::span<const SemiLabel> semi,
                         std::vector<Finding>& findings) {
  const auto n_ignored =
      std::count_if(semi.begin(), semi.end(), [](SemiLabel label) { return label != SemiLabel::unlabelled; });
  if (n_ignored == 0) return;
  findings.push_back({"labels_ignored",
                      fmt::format("{} does not learn from labels, which {} rows have; deep_sad and ssad do",
                                  method, n_ignored)});
}

void add_pretraining_findings(const Detector& pretrained, std::vector<Finding>& findings) {
  for (const Finding& finding : pretrained.findings())
    findings.push_back({finding.name, "pretraining: " + finding.text});
}

}  // namespace deepsad
