#include "deepsad/detectors/kde.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/scoring_only.h"
#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "detectors/network_detector.h"
#include "detectors/pairwise.h"
#include "detectors/registry.h"
#include "detectors/support_vector.h"
#include "detectors/training_checks.h"
#include "kernels/radial/radial.h"

namespace deepsad {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kFolds = 5, kBandwidths = 10;
/// Rows whose distances one thread holds at a time.
constexpr std::size_t kBlock = 32;
constexpr const char* kRowsTensor = "rows";

enum class Shape1D { gaussian, tophat, epanechnikov, exponential, linear, cosine };
constexpr std::array kShapeNames{"gaussian", "tophat", "epanechnikov", "exponential", "linear", "cosine"};

Shape1D shape_by_name(const std::string& name) {
  const auto found = std::find(kShapeNames.begin(), kShapeNames.end(), name);
  if (found == kShapeNames.end()) {
    throw InvalidArgument(
        fmt::format("unknown kernel \"{}\" of kde; known: {}", name, fmt::join(kShapeNames, ", ")));
  }
  return static_cast<Shape1D>(found - kShapeNames.begin());
}

double log_ball_volume(double d) {
  return d / 2 * std::log(std::numbers::pi) - std::lgamma(d / 2 + 1);
}
double log_sphere_area(double d) {  // of the unit ball in d dimensions
  return std::log(2 * std::numbers::pi) + log_ball_volume(d - 2);
}

/// log of the integral over u in (0, 1) of u^(d-1) cos(pi u / 2). With v = 1 - u the integrand is
/// exp((d-1) log(1-v)) sin(pi v / 2), all of it within a few 1/d of 0: Simpson's rule there, scaled by
/// nothing that could overflow.
double log_cosine_integral(double d) {
  constexpr int kSteps = 20000;
  const double end = std::min(1.0, 60.0 / d);
  const double step = end / kSteps;
  double sum = 0;
  for (int i = 0; i <= kSteps; ++i) {
    const double v = i * step;
    const double weight = i == 0 || i == kSteps ? 1 : i % 2 == 1 ? 4 : 2;
    const double power = v < 1 ? std::exp((d - 1) * std::log1p(-v)) : (d > 1 ? 0.0 : 1.0);
    sum += weight * power * std::sin(std::numbers::pi * v / 2);
  }
  return std::log(sum * step / 3);
}

/// log Z.
double log_integral(Shape1D shape, double d) {
  switch (shape) {
    case Shape1D::gaussian:
      return d / 2 * std::log(2 * std::numbers::pi);
    case Shape1D::tophat:
      return log_ball_volume(d);
    case Shape1D::epanechnikov:
      return log_ball_volume(d) + std::log(2 / (d + 2));
    case Shape1D::exponential:
      return log_sphere_area(d) + std::lgamma(d);
    case Shape1D::linear:
      return log_ball_volume(d) - std::log(d + 1);
    case Shape1D::cosine:
      return log_sphere_area(d) + log_cosine_integral(d);
  }
  return 0;
}

/// A sum of K(u_i), as exp(-offset) value: so that nothing underflows.
struct ScaledSum {
  double value = 0;
  double offset = 0;
};

/// sum_i K(distance_i / h) over two ranges of squared distances; `nearest` is the smallest of all.
ScaledSum kernel_sum(Shape1D shape, double h, std::span<const float> first, std::span<const float> second,
                     float nearest) {
  const auto over_both = [&](auto&& term) {
    double sum = 0;
    for (const std::span<const float> range : {first, second})
      for (const float squared : range) sum += term(squared);
    return sum;
  };
  const auto inverse = static_cast<float>(1 / h);
  const auto supported = [&](auto&& term) {  // term(u) for u < 1
    return over_both([&](float squared) {
      const float u = std::sqrt(squared) * inverse;
      return u < 1 ? static_cast<double>(term(u)) : 0.0;
    });
  };
  switch (shape) {
    case Shape1D::gaussian: {
      const auto gamma = static_cast<float>(1 / (2 * h * h));
      const float offset = gamma * nearest;
      return {kernels::exp_sum(first.size(), first.data(), gamma, offset) +
                  kernels::exp_sum(second.size(), second.data(), gamma, offset),
              static_cast<double>(offset)};
    }
    case Shape1D::exponential: {
      const double least = std::sqrt(static_cast<double>(nearest)) / h;
      return {over_both([&](float squared) {
                return std::exp(least - static_cast<double>(std::sqrt(squared)) / h);
              }),
              least};
    }
    case Shape1D::tophat:
      return {supported([](float) { return 1.0F; }), 0};
    case Shape1D::epanechnikov:
      return {supported([](float u) { return 1 - u * u; }), 0};
    case Shape1D::linear:
      return {supported([](float u) { return 1 - u; }), 0};
    case Shape1D::cosine:
      return {supported([](float u) { return std::cos(std::numbers::pi_v<float> / 2 * u); }), 0};
  }
  return {};
}

class Kde final : public Detector {
 public:
  explicit Kde(const KdeOptions& options) : options_(options), shape_(shape_by_name(options.kernel)) {
    if (!(options.bandwidth > 0 && std::isfinite(options.bandwidth)))
      throw InvalidArgument(fmt::format("bandwidth must be positive and finite, got {}", options.bandwidth));
  }
  Kde(const KdeOptions& options, double bandwidth, const StateDict& tensors) : Kde(options) {
    const StateTensor& rows = tensor_named(tensors, kRowsTensor);
    if (tensors.size() != 1 || rows.shape.size() != 2 || rows.values.empty())
      throw InvalidArgument(fmt::format("wanted n rows of d values and nothing else, got {} tensors, rows {}",
                                        tensors.size(), to_string(rows.shape)));
    if (!(bandwidth > 0 && std::isfinite(bandwidth)))
      throw InvalidArgument(fmt::format("bandwidth must be positive and finite, got {}", bandwidth));
    rows_ = Matrix<float>(rows.shape[0], rows.shape[1]);
    std::ranges::copy(rows.values, rows_.values.begin());
    bandwidth_ = bandwidth;
    pack();
  }

  [[nodiscard]] std::string method() const override { return "kde"; }
  [[nodiscard]] std::size_t n_features() const override { return rows_.cols; }
  [[nodiscard]] const std::vector<PhaseRecord>& phases() const override { return phases_; }
  [[nodiscard]] const std::vector<Finding>& findings() const override { return findings_; }
  [[nodiscard]] std::string fit_report() const override { return report_.dump(); }

  void fit(const TrainingSet& data, FitContext& context) override;
  void score(MatrixView<const float> x, std::span<float> scores, ThreadPool& pool) const override;
  /// Of the Gaussian kernel: the others' densities end at 0, or have a peak at every row.
  [[nodiscard]] bool has_score_gradient() const override { return shape_ == Shape1D::gaussian; }
  void score_gradient(MatrixView<const float> x, std::span<double> scores, MatrixView<float> gradient,
                      ThreadPool& pool) const override;

  [[nodiscard]] std::string description() const override {
    return Json{{"kernel", options_.kernel},
                {"options",
                 {{"cross_validate", options_.cross_validate},
                  {"bandwidth", options_.bandwidth},
                  {"exclude_labelled_anomalies", options_.exclude_labelled_anomalies}}},
                {"fitted", {{"bandwidth", bandwidth_}}}}
        .dump();
  }
  [[nodiscard]] std::vector<DetectorTensor> tensors() const override {
    return {{.name = kRowsTensor,
             .shape = {rows_.rows, rows_.cols},
             .values = {rows_.values.begin(), rows_.values.end()},
             .is_count = false,
             .count = 0}};
  }

 private:
  void pack() {
    packed_ = PackedRows({rows_.values.data(), rows_.rows, rows_.cols});
    log_constant_ = log_integral(shape_, static_cast<double>(rows_.cols));
  }
  /// log density from the distances of a row to n rows, in two ranges.
  [[nodiscard]] double log_density(double h, std::span<const float> first,
                                   std::span<const float> second) const {
    float nearest = std::numeric_limits<float>::infinity();
    for (const std::span<const float> range : {first, second})
      for (const float squared : range) nearest = std::min(nearest, squared);
    const ScaledSum sum = kernel_sum(shape_, h, first, second, nearest);
    if (!(sum.value > 0)) return -kInfinity;
    return std::log(sum.value / static_cast<double>(first.size() + second.size())) - sum.offset -
           log_constant_ - static_cast<double>(rows_.cols) * std::log(h);
  }
  void choose_bandwidth(FitContext& context);

  KdeOptions options_;
  Shape1D shape_;
  Matrix<float> rows_;
  PackedRows packed_;
  double bandwidth_ = 1, log_constant_ = 0;
  std::vector<PhaseRecord> phases_;
  std::vector<Finding> findings_;
  Json report_ = Json::object();
};

// The rows are in random order, so that folds are ranges of them.
void Kde::choose_bandwidth(FitContext& context) {
  const std::size_t n = rows_.rows;
  std::array<double, kBandwidths> bandwidths{};
  for (std::size_t b = 0; b < kBandwidths; ++b) bandwidths[b] = std::exp2(0.5 * static_cast<double>(b + 1));
  const std::size_t n_blocks = (n + kBlock - 1) / kBlock;
  struct Sum {
    double likelihood = 0;
    std::size_t n_outside = 0;
  };
  std::vector<std::array<Sum, kBandwidths>> sums(n_blocks);
  std::vector<AlignedBuffer<float>> scratch(context.pool.n_threads());
  for (auto& buffer : scratch) buffer.resize(kBlock * packed_.padded());
  context.pool.parallel_for_worker(n_blocks, [&](std::size_t block, std::size_t worker) {
    if (context.stop != nullptr && context.stop->stop_requested()) return;
    const std::size_t begin = block * kBlock, rows = std::min(kBlock, n - begin);
    float* distances = scratch[worker].data();
    packed_.pairs(PairValue::squared_distance, {rows_.row(begin).data(), rows, rows_.cols}, distances);
    for (std::size_t i = 0; i < rows; ++i) {
      const std::span<const float> all(distances + i * packed_.padded(), n);
      std::size_t fold = (begin + i) * kFolds / n;
      while ((begin + i) < fold * n / kFolds) --fold;
      while ((begin + i) >= (fold + 1) * n / kFolds) ++fold;
      const std::size_t from = fold * n / kFolds, to = (fold + 1) * n / kFolds;
      for (std::size_t b = 0; b < kBandwidths; ++b) {
        const double value = log_density(bandwidths[b], all.first(from), all.subspan(to));
        if (value == -kInfinity)
          ++sums[block][b].n_outside;
        else
          sums[block][b].likelihood += value;
      }
    }
  });
  if (context.stop != nullptr && context.stop->stop_requested())
    throw Interrupted("stopped while choosing the bandwidth");
  std::array<Sum, kBandwidths> total{};
  for (const auto& sum : sums) {
    for (std::size_t b = 0; b < kBandwidths; ++b) {
      total[b].likelihood += sum[b].likelihood;
      total[b].n_outside += sum[b].n_outside;
    }
  }
  std::size_t best = 0;
  Json table = Json::array();
  for (std::size_t b = 0; b < kBandwidths; ++b) {
    table.push_back({{"bandwidth", bandwidths[b]},
                     {"log_likelihood", total[b].likelihood},
                     {"rows_of_density_0", total[b].n_outside}});
    if (total[b].n_outside < total[best].n_outside ||
        (total[b].n_outside == total[best].n_outside && total[b].likelihood > total[best].likelihood))
      best = b;
  }
  bandwidth_ = bandwidths[best];
  report_["selection"] = {{"criterion", "cross-validation"}, {"candidates", table}};
  if (best == 0 || best + 1 == kBandwidths) {
    context.observer.info(
        fmt::format("bandwidth {:.6g} is the {} of the grid; a value beyond it may fit better", bandwidth_,
                    best == 0 ? "smallest" : "largest"));
  }
}

void Kde::fit(const TrainingSet& data, FitContext& context) {
  beyond_scoring();
  check_rows("kde", data.x);
  findings_.clear();
  report_ = Json::object();
  std::vector<std::uint32_t> rows = select_rows(data.x.rows(), [&](std::size_t i) {
    return !options_.exclude_labelled_anomalies || data.semi[i] != SemiLabel::anomaly;
  });
  const std::size_t fewest = options_.cross_validate ? kFolds : 2;
  if (rows.size() < fewest)
    throw InvalidArgument(fmt::format("[kde] needs at least {} rows{}, got {}", fewest,
                                      options_.cross_validate ? " to cross-validate the bandwidth" : "",
                                      rows.size()));
  RandomStream(context.seed, "kde/folds").shuffle(rows);
  rows_ = Matrix<float>(rows.size(), data.x.cols());
  for (std::size_t i = 0; i < rows.size(); ++i) std::ranges::copy(data.x.row(rows[i]), rows_.row(i).begin());
  pack();
  bandwidth_ = options_.bandwidth;
  if (options_.cross_validate) choose_bandwidth(context);
  report_["n_rows"] = rows.size();
  report_["kernel"] = options_.kernel;
  report_["bandwidth"] = bandwidth_;
  context.observer.info(
      fmt::format("kde: {} rows, {} kernel, bandwidth {:.8f}", rows.size(), options_.kernel, bandwidth_));
  std::vector<float> scores(data.x.rows());
  score(data.x, scores, context.pool);
  check_scores_vary(scores, findings_);
  if (rows.size() == data.x.rows()) check_labels_wanted(method(), data.semi, findings_);
}

void Kde::score(MatrixView<const float> x, std::span<float> scores, ThreadPool& pool) const {
  check_scorable(rows_.cols, rows_.rows > 0, x, scores.size());
  std::vector<AlignedBuffer<float>> scratch(pool.n_threads());
  for (auto& buffer : scratch) buffer.resize(kBlock * packed_.padded());
  pool.parallel_for_worker((x.rows() + kBlock - 1) / kBlock, [&](std::size_t block, std::size_t worker) {
    const std::size_t first = block * kBlock, n = std::min(kBlock, x.rows() - first);
    float* distances = scratch[worker].data();
    packed_.pairs(PairValue::squared_distance, x.rows_from(first, n), distances);
    for (std::size_t i = 0; i < n; ++i) {
      scores[first + i] = static_cast<float>(
          -log_density(bandwidth_, {distances + i * packed_.padded(), rows_.rows}, std::span<const float>()));
    }
  });
}

// s = -log sum_i exp(-gamma |x - x_i|^2) + constant, gamma = 1 / (2 h^2).
void Kde::score_gradient(MatrixView<const float> x, std::span<double> scores, MatrixView<float> gradient,
                         ThreadPool& pool) const {
  if (!has_score_gradient()) return Detector::score_gradient(x, scores, gradient, pool);
  check_differentiable(rows_.cols, rows_.rows > 0, x, scores.size(), gradient);
  const double gamma = 1 / (2 * bandwidth_ * bandwidth_);
  std::vector<AlignedBuffer<float>> distances(pool.n_threads());
  std::vector<std::vector<double>> factors(pool.n_threads(), std::vector<double>(rows_.rows));
  for (auto& buffer : distances) buffer.resize(packed_.padded());
  pool.parallel_for_worker(x.rows(), [&](std::size_t i, std::size_t worker) {
    const std::span<const float> own(distances[worker].data(), rows_.rows);
    packed_.pairs(PairValue::squared_distance, x.rows_from(i, 1), distances[worker].data());
    scores[i] = -log_density(bandwidth_, own, std::span<const float>());
    const auto nearest = static_cast<double>(*std::min_element(own.begin(), own.end()));
    double sum = 0;
    for (std::size_t k = 0; k < own.size(); ++k)
      sum += factors[worker][k] = std::exp(-gamma * (static_cast<double>(own[k]) - nearest));
    for (double& factor : factors[worker]) factor *= 2 * gamma / sum;
    weighted_differences(x.row(i), {rows_.values.data(), rows_.rows, rows_.cols}, factors[worker],
                         gradient.row(i));
  });
}

}  // namespace

std::unique_ptr<Detector> make_kde(const KdeOptions& options) {
  return std::make_unique<Kde>(options);
}

std::unique_ptr<Detector> restore_kde(const std::string& /*method*/, const Json& description,
                                      StateDict tensors, const std::string& /*source*/) {
  const Json& options = description.at("options");
  return std::make_unique<Kde>(
      KdeOptions{.kernel = description.at("kernel").get<std::string>(),
                 .cross_validate = options.at("cross_validate").get<bool>(),
                 .bandwidth = options.at("bandwidth").get<double>(),
                 .exclude_labelled_anomalies = options.at("exclude_labelled_anomalies").get<bool>()},
      description.at("fitted").at("bandwidth").get<double>(), tensors);
}

}  // namespace deepsad
