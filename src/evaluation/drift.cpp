#include "deepsad/evaluation/drift.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "deepsad/core/error.h"
#include "deepsad/evaluation/statistics.h"

namespace deepsad {
namespace {

std::vector<float> sorted_values(std::span<const float> values) {
  if (values.empty()) throw InvalidArgument("[drift] no values");
  std::vector<float> sorted(values.begin(), values.end());
  for (std::size_t i = 0; i < sorted.size(); ++i)
    if (std::isnan(sorted[i])) throw InvalidArgument(fmt::format("[drift] value {} is NaN", i));
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

double share_up_to(const std::vector<float>& sorted, float edge) {
  const auto n = std::upper_bound(sorted.begin(), sorted.end(), edge) - sorted.begin();
  return static_cast<double>(n) / static_cast<double>(sorted.size());
}

// The tail of Kolmogorov's distribution.
double kolmogorov_tail(double lambda) {
  constexpr double kCertain = 0.2;  // the tail is 1 to twelve digits there, and the series converges slowly
  if (lambda < kCertain) return 1;
  double sum = 0, sign = 1;
  for (int k = 1; k <= 100; ++k, sign = -sign) {
    const double term = std::exp(-2.0 * k * k * lambda * lambda);
    sum += sign * term;
    if (term < 1e-16) break;
  }
  return std::clamp(2 * sum, 0.0, 1.0);
}

}  // namespace

double kolmogorov_smirnov_distance(std::span<const double> a, std::span<const double> b) {
  double largest = 0;
  for (std::size_t i = 0, k = 0; i < a.size() && k < b.size();) {
    const double x = std::min(a[i], b[k]);
    while (i < a.size() && a[i] == x) ++i;
    while (k < b.size() && b[k] == x) ++k;
    largest = std::max(largest, std::abs(static_cast<double>(i) / static_cast<double>(a.size()) -
                                         static_cast<double>(k) / static_cast<double>(b.size())));
  }
  return largest;
}

double kolmogorov_smirnov_p_value(double distance, std::size_t n, std::size_t m) {
  const auto a = static_cast<double>(n), b = static_cast<double>(m);
  const double root = std::sqrt(a * b / (a + b));
  return kolmogorov_tail((root + 0.12 + 0.11 / root) * distance);
}

DistributionSketch sketch_of(std::span<const float> values, std::size_t max_edges) {
  if (max_edges == 0) throw InvalidArgument("[drift] wanted at least one edge, got 0");
  const std::vector<float> sorted = sorted_values(values);
  const std::size_t n = sorted.size();
  DistributionSketch sketch{.smallest = sorted.front(), .edges = {}, .shares = {}};
  for (std::size_t k = 1; k <= max_edges; ++k) {
    const float edge = sorted[(n * k + max_edges - 1) / max_edges - 1];
    if (!sketch.edges.empty() && edge == sketch.edges.back()) continue;
    sketch.edges.push_back(edge);
    sketch.shares.push_back(static_cast<float>(share_up_to(sorted, edge)));
  }
  return sketch;
}

float sketch_quantile(const DistributionSketch& sketch, double q) {
  for (std::size_t k = 0; k < sketch.edges.size(); ++k)
    if (static_cast<double>(sketch.shares[k]) >= q) return sketch.edges[k];
  return sketch.edges.empty() ? 0 : sketch.edges.back();
}

DriftTest drift_from(const DistributionSketch& sketch, std::size_t n_then, std::span<const float> values) {
  if (sketch.edges.empty() || n_then == 0) throw InvalidArgument("[drift] no distribution to compare with");
  const std::vector<float> sorted = sorted_values(values);
  const auto n_below = std::lower_bound(sorted.begin(), sorted.end(), sketch.smallest) - sorted.begin();
  DriftTest test{.edge = sketch.smallest,
                 .share_now = static_cast<double>(n_below) / static_cast<double>(sorted.size())};
  test.distance = test.share_now;
  for (std::size_t k = 0; k < sketch.edges.size(); ++k) {
    const double then = static_cast<double>(sketch.shares[k]), now = share_up_to(sorted, sketch.edges[k]);
    if (std::abs(then - now) <= test.distance) continue;
    test.distance = std::abs(then - now);
    test.edge = sketch.edges[k];
    test.share_then = then;
    test.share_now = now;
  }
  test.p_value = kolmogorov_smirnov_p_value(test.distance, n_then, sorted.size());
  return test;
}

std::vector<std::size_t> drifted(std::span<const DriftTest> tests, double level, double min_distance) {
  std::vector<double> p_values;
  for (const DriftTest& test : tests) p_values.push_back(test.p_value);
  const std::vector<double> adjusted = holm_adjusted(p_values);
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < tests.size(); ++i)
    if (adjusted[i] <= level && tests[i].distance >= min_distance) found.push_back(i);
  std::stable_sort(found.begin(), found.end(),
                   [&](std::size_t a, std::size_t b) { return tests[a].distance > tests[b].distance; });
  return found;
}

}  // namespace deepsad
