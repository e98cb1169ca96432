#include "deepsad/detectors/attribution.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "deepsad/core/error.h"

namespace deepsad {
namespace {

// Points of paths that go through the detector at a time.
constexpr std::size_t kPoints = 1024;
// Scores are float32 sums: differences below this part of their size are rounding; of a single step,
constexpr double kScoreRounding = 1e-5;
// this part.
constexpr double kNodeRounding = 5e-7;
// Where contributions cancel so far that less than this part of their sum is left, an error is relative to
// it.
constexpr double kCancelled = 0.01;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::size_t check(const Detector& detector, MatrixView<const float> x,
                  std::span<const Matrix<float>> baselines, std::span<const std::uint32_t> groups,
                  const AttributionOptions& options) {
  if (options.method == AttributionMethod::integrated_gradients && !detector.has_score_gradient()) {
    throw InvalidArgument(
        fmt::format("[attribution] the score of {} has no derivative that is known, so integrated gradients "
                    "cannot be computed; take leave-one-out",
                    detector.method()));
  }
  if (!(options.tolerance > 0) || options.min_steps == 0 || options.max_steps < options.min_steps) {
    throw InvalidArgument(
        fmt::format("[attribution] wanted a positive tolerance and 1 <= min_steps <= max_steps, got {}, {} "
                    "and {}",
                    options.tolerance, options.min_steps, options.max_steps));
  }
  if (baselines.size() != x.rows())
    throw InvalidArgument(
        fmt::format("[attribution] baselines of {} rows for {} rows", baselines.size(), x.rows()));
  for (const Matrix<float>& matrix : baselines) {
    if (matrix.rows == 0 || matrix.cols != x.cols()) {
      throw InvalidArgument(fmt::format("[attribution] baselines of {} x {} values for rows of {}",
                                        matrix.rows, matrix.cols, x.cols()));
    }
  }
  if (groups.empty()) return x.cols();
  if (groups.size() != x.cols())
    throw InvalidArgument(
        fmt::format("[attribution] groups of {} features for rows of {}", groups.size(), x.cols()));
  return std::size_t{*std::max_element(groups.begin(), groups.end())} + 1;
}

void check_stop(const StopToken* stop) {
  if (stop != nullptr && stop->stop_requested()) throw Interrupted("[attribution] interrupted");
}

// What errors are relative to.
double size_of(const Attribution& attribution) {
  double sum = 0;
  for (const double contribution : attribution.contributions)
    if (std::isfinite(contribution)) sum += std::abs(contribution);
  return std::max({std::abs(attribution.score - attribution.baseline_score), kCancelled * sum,
                   kScoreRounding * std::abs(attribution.score),
                   kScoreRounding * std::abs(attribution.baseline_score),
                   std::numeric_limits<double>::min()});
}

double relative_error(const Attribution& attribution) {
  double sum = 0;
  for (const double contribution : attribution.contributions) sum += contribution;
  return std::abs(sum - (attribution.score - attribution.baseline_score)) / size_of(attribution);
}

/// A point of a path at which the score and its derivative along the path are known.
struct Node {
  double t = 0;
  double score = 0, slope = 0;
};

/// One straight line from a baseline to a row.
struct Path {
  std::span<const float> from, to;
  std::vector<Node> nodes;  // ascending in t, from 0 to 1

  [[nodiscard]] std::size_t n_steps() const { return nodes.size() - 1; }
  /// What the trapezoidal rule misses between nodes k and k + 1; 0 where that is rounding.
  [[nodiscard]] double error(std::size_t k) const {
    const Node &a = nodes[k], &b = nodes[k + 1];
    const double missed = b.score - a.score - (b.t - a.t) * (a.slope + b.slope) / 2;
    const double rounding = kNodeRounding * std::max(std::abs(a.score), std::abs(b.score));
    return std::abs(missed) <= rounding ? 0 : missed;
  }
};

/// Passes points of paths through the detector, kPoints at a time.
class PointBatch {
 public:
  PointBatch(const Detector& detector, std::size_t n_features, const StopToken* stop, ThreadPool& pool)
      : detector_(detector),
        stop_(stop),
        pool_(pool),
        rows_(kPoints, n_features),
        gradient_(kPoints, n_features),
        scores_(kPoints) {}

  /// use(i, score, gradient) for the points at t(i) of path(i), i < n, in order.
  template <class PathOf, class T, class Use>
  void evaluate(std::size_t n, const PathOf& path, const T& t, const Use& use) {
    const std::size_t d = rows_.cols;
    for (std::size_t first = 0; first < n; first += kPoints) {
      check_stop(stop_);
      const std::size_t count = std::min(kPoints, n - first);
      for (std::size_t i = 0; i < count; ++i) {
        const Path& on = path(first + i);
        const double at = t(first + i);
        const std::span<float> row = rows_.row(i);
        for (std::size_t j = 0; j < d; ++j)
          row[j] = at == 1 ? on.to[j] : on.from[j] + static_cast<float>(at) * (on.to[j] - on.from[j]);
      }
      detector_.score_gradient({rows_.values.data(), count, d}, std::span<double>(scores_).first(count),
                               {gradient_.values.data(), count, d}, pool_);
      for (std::size_t i = 0; i < count; ++i)
        use(first + i, scores_[i], std::span<const float>(gradient_.row(i)));
    }
  }

 private:
  const Detector& detector_;
  const StopToken* stop_;
  ThreadPool& pool_;
  Matrix<float> rows_, gradient_;
  std::vector<double> scores_;
};

/// Contributions of one row. First the nodes are found, by score and slope alone; then, with weights that are
/// final, the gradients are summed: to keep those of all nodes would take far more memory than to compute
/// them again takes time.
class RowIntegral {
 public:
  RowIntegral(std::span<const float> row, const Matrix<float>& baselines, const AttributionOptions& options)
      : options_(options) {
    for (std::size_t b = 0; b < baselines.rows; ++b)
      paths_.push_back({.from = baselines.row(b), .to = row, .nodes = {}});
  }

  /// A point at which a node is to be.
  struct Place {
    std::size_t path;
    double t;
  };

  [[nodiscard]] const std::vector<Path>& paths() const { return paths_; }

  /// Where the next nodes are to be: at first evenly spread; none if those that are there are enough.
  [[nodiscard]] std::vector<Place> next_places() {
    if (!paths_.front().nodes.empty()) {
      for (Path& path : paths_)
        std::sort(path.nodes.begin(), path.nodes.end(),
                  [](const Node& a, const Node& b) { return a.t < b.t; });
      return to_split();
    }
    std::vector<Place> places;
    for (std::size_t p = 0; p < paths_.size(); ++p)
      for (std::size_t k = 0; k <= options_.min_steps; ++k)
        places.push_back({p, static_cast<double>(k) / static_cast<double>(options_.min_steps)});
    return places;
  }

  void add_node(const Place& place, double score, std::span<const float> gradient) {
    Path& path = paths_[place.path];
    double slope = 0;
    for (std::size_t j = 0; j < gradient.size(); ++j)
      slope += static_cast<double>(gradient[j]) *
               (static_cast<double>(path.to[j]) - static_cast<double>(path.from[j]));
    path.nodes.push_back({place.t, score, slope});
  }

  /// Once no more nodes are wanted: all but the contributions, which are 0.
  [[nodiscard]] Attribution start_sum(std::size_t n_groups) const {
    Attribution attribution;
    attribution.score = paths_.front().nodes.back().score;
    attribution.contributions.assign(n_groups, 0);
    for (const Path& path : paths_) {
      attribution.baseline_score += path.nodes.front().score / static_cast<double>(paths_.size());
      attribution.steps = std::max(attribution.steps, path.n_steps());
    }
    return attribution;
  }

  /// Adds what the gradient at node k of path p contributes.
  void add_gradient(std::size_t p, std::size_t k, std::span<const float> gradient,
                    std::span<const std::uint32_t> groups, Attribution& attribution) const {
    const Path& path = paths_[p];
    const double before = k == 0 ? 0 : path.nodes[k].t - path.nodes[k - 1].t;
    const double after = k == path.n_steps() ? 0 : path.nodes[k + 1].t - path.nodes[k].t;
    const double weight = (before + after) / 2 / static_cast<double>(paths_.size());
    for (std::size_t j = 0; j < gradient.size(); ++j) {
      const double way = static_cast<double>(path.to[j]) - static_cast<double>(path.from[j]);
      attribution.contributions[groups.empty() ? j : groups[j]] +=
          weight * way * static_cast<double>(gradient[j]);
    }
  }

 private:
  // The middles of the steps that miss most; none if all together miss little enough: what they miss has
  // either sign and adds up like noise, so both its sum and its root of squares count.
  std::vector<Place> to_split() const {
    double missed = 0, squares = 0, difference = 0, lengths = 0;  // lengths: ups and downs of the score
    std::size_t n_steps = 0;
    for (const Path& path : paths_) {
      difference += path.nodes.back().score - path.nodes.front().score;
      n_steps += path.n_steps();
      for (std::size_t k = 0; k < path.n_steps(); ++k) {
        missed += path.error(k);
        squares += path.error(k) * path.error(k);
        lengths += std::abs(path.nodes[k + 1].score - path.nodes[k].score);
      }
    }
    const double allowed = options_.tolerance / 2 * std::max(std::abs(difference), kCancelled * lengths);
    std::vector<Place> places;
    if (std::abs(missed) <= allowed && std::sqrt(squares) <= allowed) return places;
    const double typical = std::sqrt(squares / static_cast<double>(n_steps));
    for (std::size_t p = 0; p < paths_.size(); ++p) {
      const Path& path = paths_[p];
      std::size_t room = options_.max_steps - std::min(options_.max_steps, path.n_steps());
      for (std::size_t k = 0; k < path.n_steps() && room > 0; ++k) {
        if (std::abs(path.error(k)) < typical / 2) continue;
        places.push_back({p, (path.nodes[k].t + path.nodes[k + 1].t) / 2});
        --room;
      }
    }
    return places;
  }

  const AttributionOptions& options_;
  std::vector<Path> paths_;
};

// Rows whose paths go through the detector together, so that batches are full: a row alone has few points.
constexpr std::size_t kRowsTogether = 64;

// Attributions of rows [first, first + n).
void integrate_some(PointBatch& points, MatrixView<const float> x, std::span<const Matrix<float>> baselines,
                    std::span<const std::uint32_t> groups, std::size_t n_groups,
                    const AttributionOptions& options, std::vector<Attribution>& attributions) {
  std::vector<RowIntegral> rows;
  for (std::size_t i = 0; i < x.rows(); ++i) rows.emplace_back(x.row(i), baselines[i], options);
  struct RowPlace {
    std::size_t row;
    RowIntegral::Place place;
  };
  std::vector<RowPlace> places;
  const auto add_places = [&](std::size_t row) {
    const std::vector<RowIntegral::Place> next = rows[row].next_places();
    for (const RowIntegral::Place& place : next) places.push_back({row, place});
    return !next.empty();
  };
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < rows.size(); ++i) open.push_back(i);
  for (;;) {
    places.clear();
    std::erase_if(open, [&](std::size_t row) { return !add_places(row); });
    if (places.empty()) break;
    points.evaluate(
        places.size(),
        [&](std::size_t i) -> const Path& { return rows[places[i].row].paths()[places[i].place.path]; },
        [&](std::size_t i) { return places[i].place.t; },
        [&](std::size_t i, double score, std::span<const float> gradient) {
          rows[places[i].row].add_node(places[i].place, score, gradient);
        });
  }
  struct RowNode {
    std::size_t row, path, node;
  };
  std::vector<RowNode> order;
  const std::size_t first = attributions.size();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    attributions.push_back(rows[i].start_sum(n_groups));
    for (std::size_t p = 0; p < rows[i].paths().size(); ++p)
      for (std::size_t k = 0; k < rows[i].paths()[p].nodes.size(); ++k) order.push_back({i, p, k});
  }
  points.evaluate(
      order.size(), [&](std::size_t i) -> const Path& { return rows[order[i].row].paths()[order[i].path]; },
      [&](std::size_t i) { return rows[order[i].row].paths()[order[i].path].nodes[order[i].node].t; },
      [&](std::size_t i, double, std::span<const float> gradient) {
        const auto [row, path, node] = order[i];
        rows[row].add_gradient(path, node, gradient, groups, attributions[first + row]);
      });
  for (std::size_t i = first; i < attributions.size(); ++i) {
    attributions[i].completeness_error = relative_error(attributions[i]);
    attributions[i].complete = attributions[i].completeness_error <= options.tolerance;
  }
}

std::vector<Attribution> integrate(const Detector& detector, MatrixView<const float> x,
                                   std::span<const Matrix<float>> baselines,
                                   std::span<const std::uint32_t> groups, std::size_t n_groups,
                                   const AttributionOptions& options, ThreadPool& pool) {
  std::vector<Attribution> attributions;
  PointBatch points(detector, x.cols(), options.stop, pool);
  for (std::size_t first = 0; first < x.rows(); first += kRowsTogether) {
    const std::size_t n = std::min(kRowsTogether, x.rows() - first);
    integrate_some(points, x.rows_from(first, n), baselines.subspan(first, n), groups, n_groups, options,
                   attributions);
  }
  return attributions;
}

std::vector<Attribution> leave_out(const Detector& detector, MatrixView<const float> x,
                                   std::span<const Matrix<float>> baselines,
                                   std::span<const std::uint32_t> groups, std::size_t n_groups,
                                   const AttributionOptions& options, ThreadPool& pool) {
  const std::size_t d = x.cols();
  std::vector<std::vector<std::uint32_t>> members(n_groups);
  for (std::uint32_t j = 0; j < d; ++j) members[groups.empty() ? j : groups[j]].push_back(j);
  std::vector<Attribution> attributions(x.rows());
  Matrix<float> rows(kPoints, d);
  std::vector<float> scores(kPoints);
  std::vector<float> own(x.rows());
  detector.score(x, own, pool);
  for (std::size_t i = 0; i < x.rows(); ++i) {
    Attribution& attribution = attributions[i];
    const Matrix<float>& references = baselines[i];
    std::vector<float> baseline_scores(references.rows);
    detector.score({references.values.data(), references.rows, d}, baseline_scores, pool);
    const auto n_baselines = static_cast<double>(references.rows);
    attribution.score = static_cast<double>(own[i]);
    for (const float score : baseline_scores)
      attribution.baseline_score += static_cast<double>(score) / n_baselines;
    attribution.contributions.assign(n_groups, 0);
    const std::size_t n_points = n_groups * references.rows;
    for (std::size_t begin = 0; begin < n_points; begin += kPoints) {
      check_stop(options.stop);
      const std::size_t n = std::min(kPoints, n_points - begin);
      for (std::size_t k = 0; k < n; ++k) {
        const std::span<float> row = rows.row(k);
        std::ranges::copy(x.row(i), row.begin());
        const std::span<const float> reference = references.row((begin + k) / n_groups);
        for (const std::uint32_t j : members[(begin + k) % n_groups]) row[j] = reference[j];
      }
      detector.score({rows.values.data(), n, d}, std::span<float>(scores).first(n), pool);
      for (std::size_t k = 0; k < n; ++k)
        attribution.contributions[(begin + k) % n_groups] +=
            (attribution.score - static_cast<double>(scores[k])) / n_baselines;
    }
    for (double& contribution : attribution.contributions)
      if (!std::isfinite(contribution)) contribution = kNaN;
    attribution.completeness_error = relative_error(attribution);
  }
  return attributions;
}

}  // namespace

const char* attribution_method_name(AttributionMethod method) {
  return method == AttributionMethod::integrated_gradients ? "integrated-gradients" : "leave-one-out";
}

std::vector<Attribution> attribute(const Detector& detector, MatrixView<const float> x,
                                   std::span<const Matrix<float>> baselines,
                                   std::span<const std::uint32_t> groups, const AttributionOptions& options,
                                   ThreadPool& pool) {
  const std::size_t n_groups = check(detector, x, baselines, groups, options);
  return options.method == AttributionMethod::integrated_gradients
             ? integrate(detector, x, baselines, groups, n_groups, options, pool)
             : leave_out(detector, x, baselines, groups, n_groups, options, pool);
}

}  // namespace deepsad
