#include "detectors/training_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "deepsad/evaluation/rank_correlation.h"
#include "deepsad/evaluation/roc_auc.h"
#include "detectors/network_detector.h"
#include "detectors/vae.h"

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

void check_ranking_changed(std::span<const float> before, std::span<const float> after,
                           std::vector<Finding>& findings) {
  const double correlation = rank_correlation(before, after);
  if (!(correlation > kSameRanking)) return;
  findings.push_back(
      {"ranking_unchanged",
       fmt::format(
           "training changed the scores but hardly the ranking of the rows (rank correlation {:.5f} with "
           "the scores before it): an untrained network would do. Give more epochs, a larger learning "
           "rate, or more labels",
           correlation)});
}

// Units, each a run of columns of `values`, whose values are the same in all rows.
std::size_t dead_units(const Matrix<float>& values, std::size_t n_units) {
  const std::size_t size = values.cols / n_units;
  std::vector<double> spread(n_units);  // the largest among its places
  for (std::size_t j = 0; j < values.cols; ++j) {
    float low = values.row(0)[j], high = low;
    for (std::size_t i = 1; i < values.rows; ++i) {
      low = std::min(low, values.row(i)[j]);
      high = std::max(high, values.row(i)[j]);
    }
    spread[j / size] = std::max(spread[j / size], static_cast<double>(high) - static_cast<double>(low));
  }
  const double largest = *std::max_element(spread.begin(), spread.end());
  return static_cast<std::size_t>(
      std::count_if(spread.begin(), spread.end(), [&](double s) { return s <= kDeadSpread * largest; }));
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
    if (std::abs(static_cast<double>(before[i]) - static_cast<double>(after[i])) > tolerance) {
      check_ranking_changed(before, after, findings);
      return;
    }
  }
  findings.push_back({"untrained",
                      "the scores are those of the network before its training. Give more epochs or a larger "
                      "learning rate"});
}

void check_units(const NetworkSpec& spec, const StateDict& state, bool outputs, MatrixView<const float> x,
                 ThreadPool& pool, std::vector<Finding>& findings) {
  if (x.rows() < kLeastRowsForUnits) return;
  const std::size_t n = std::min(x.rows(), kRowsForUnits);
  Matrix<float> values(n, x.cols());
  for (std::size_t i = 0; i < n; ++i) std::ranges::copy(x.row(i * x.rows() / n), values.row(i).begin());
  NetworkSpec part{.input = spec.input, .layers = {}};  // from the layer looked at last on
  for (std::size_t k = 0; k < spec.layers.size(); ++k) {
    part.layers.push_back(spec.layers[k]);
    const LayerKind kind = spec.layers[k].kind;
    const bool hidden = kind == LayerKind::leaky_relu || kind == LayerKind::sigmoid;
    const bool last = k + 1 == spec.layers.size();
    if (last ? !outputs : !hidden) continue;
    values = network_outputs(part, tensors_for(part, state), {values.values.data(), n, values.cols}, pool);
    const Shape shape = output_shape(part);
    const std::size_t n_units = shape[0];
    part = {.input = shape, .layers = {}};
    const std::size_t n_dead = dead_units(values, n_units);
    if (2 * n_dead <= n_units) continue;
    findings.push_back(
        {"dead_units",
         fmt::format(
             "{} of {} units of {} give the same output for all of {} rows: the network uses a part of "
             "itself. Lower the learning rate, train fewer epochs, or take a smaller network",
             n_dead, n_units,
             last ? std::string("the last layer") : fmt::format("layer {} ({})", k + 1, to_string(kind)),
             n)});
    return;
  }
}

void check_anomaly_term(std::span<const float> distances, std::span<const SemiLabel> semi, double eta,
                        double epsilon, std::size_t batch_size, const char* when,
                        std::vector<Finding>& findings) {
  double largest = 0, others = 0, distance = 0;
  std::size_t row = 0;
  for (std::size_t i = 0; i < distances.size(); ++i) {
    const auto d = static_cast<double>(distances[i]);
    if (semi[i] != SemiLabel::anomaly) {
      others += semi[i] == SemiLabel::normal ? eta * (d + epsilon) : d;
      continue;
    }
    const double term = eta / (d + epsilon);
    others += std::min(term, largest);
    if (term > largest) {
      largest = term;
      distance = d;
      row = i;
    }
  }
  if (distances.size() < 2) return;
  const double batch = others / static_cast<double>(distances.size() - 1) * static_cast<double>(batch_size);
  if (!(largest > kExplosion * batch)) return;
  findings.push_back(
      {"anomaly_term_explodes",
       fmt::format(
           "{} training, row {} of the training set, labelled anomalous, lies at the centre (squared "
           "distance {:.2g}): its term of the loss, {:.3g}, is {:.0f} times that of a whole batch of the "
           "other rows, and drowns them. Check its label, lower eta or the learning rate, or pretrain",
           when, row, distance, largest, largest / batch)});
}

void check_auc(double auc, std::size_t n_normal, std::size_t n_anomaly, const std::string& rows,
               std::vector<Finding>& findings) {
  if (!(auc < kLowAuc) || n_normal == 0 || n_anomaly == 0) return;
  const auto n = static_cast<double>(n_normal), m = static_cast<double>(n_anomaly);
  const double deviation = std::sqrt((n + m + 1) / (12 * n * m));
  if (auc > 0.5 - kDeviations * deviation) return;
  findings.push_back(
      {"auc_below_half",
       fmt::format(
           "anomalies score lower than normal rows: AUC {:.3f} on {} normal and {} anomalous {}, {:.0f} "
           "standard deviations below chance. Are labels or classes swapped? Else the anomalies are "
           "more alike than the normal rows: label some, or take another method",
           auc, n_normal, n_anomaly, rows, (0.5 - auc) / deviation)});
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
