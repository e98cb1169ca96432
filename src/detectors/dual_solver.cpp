#include "detectors/dual_solver.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "deepsad/core/error.h"
#include "kernels/dual_step/dual_step.h"

namespace deepsad {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kNone = static_cast<std::size_t>(-1);
constexpr std::size_t kMinIterations = 10'000'000;
constexpr std::size_t kIterationsPerRow = 100;
constexpr std::size_t kStopCheck = 256;
/// What the tolerance is relative to: the total, or this share of the sum of all weights.
constexpr double kWeightShare = 0.1;
/// Curvature below which a direction counts as flat (twin rows), relative to the largest k(x, x).
constexpr double kFlat = 1e-12;

/// Rows that tell whether the rows of a group interact, and the mean correction, as a share of the weights,
/// up to which they hardly do.
constexpr std::size_t kProbes = 64;
/// Weights this close to a bound, relative to the upper one, are at it: they got there but for rounding, and
/// would count as free otherwise.
constexpr double kAtBound = 1e-13;
constexpr double kSmallCorrection = 0.5;

constexpr std::size_t kU = 0, kP = 1, kA = 2;
constexpr std::array<double, kDualGroups> kSign{1, 1, -1};     // c
constexpr std::array<double, kDualGroups> kLabelled{0, 1, 1};  // l

/// The row of a group with the smallest gradient among those that may grow, or the largest among those that
/// may shrink.
struct Extreme {
  double gradient = 0;  // of a group without such a row: infinity, -infinity
  std::size_t row = kNone;
};

/// A direction of descent: the change of each group's row per unit of step.
struct Direction {
  std::array<double, kDualGroups> change{};  // of one row a group; the pair of one group is marked by `pair`
  bool pair = false;                         // two rows of group `group`: one grows, one shrinks
  std::size_t group = 0;
  double violation = -kInfinity;
};

class Solver {
 public:
  Solver(const DualProblem& problem, KernelRows& kernel) : problem_(problem), kernel_(kernel) {
    begin_[0] = 0;
    for (std::size_t g = 0; g < kDualGroups; ++g) begin_[g + 1] = begin_[g] + problem.group_sizes[g];
    n_ = begin_[kDualGroups];
    up_.fill({kInfinity, kNone});
    down_.fill({-kInfinity, kNone});
    alpha_.assign(n_, 0);
    f_.assign(n_, 0);
    diagonal_.resize(n_);
    float_diagonal_.resize(n_);
    for (std::size_t i = 0; i < n_; ++i) {
      diagonal_[i] = kernel.diagonal(i);
      float_diagonal_[i] = static_cast<float>(diagonal_[i]);
      scale_ = std::max(scale_, diagonal_[i]);
    }
    scale_ = std::max(scale_, std::numeric_limits<double>::min());
  }

  DualSolution solve() {
    start();
    const std::size_t limit = problem_.max_iterations > 0 ? problem_.max_iterations
                                                          : std::max(kMinIterations, kIterationsPerRow * n_);
    DualSolution solution;
    for (;; ++solution.iterations) {
      if (problem_.stop != nullptr && solution.iterations % kStopCheck == 0 &&
          problem_.stop->stop_requested())
        throw Interrupted(fmt::format("stopped after {} steps of the solver", solution.iterations));
      const Direction direction = most_violating();
      solution.gap = std::max(0.0, direction.violation) / size();
      solution.converged = solution.gap <= problem_.tolerance;
      if (solution.converged || solution.iterations == limit) break;
      move(direction);
    }
    finish(solution);
    return solution;
  }

 private:
  [[nodiscard]] std::size_t group_of(std::size_t i) const {
    return i < begin_[1] ? kU : i < begin_[2] ? kP : kA;
  }
  /// What violations are relative to. f is a sum of alpha times kernel values, each off by the rounding of a
  /// float: with large weights of both signs, as on rows that no hyperplane parts, there is nothing to find
  /// below some 1e-7 of their sum, where the second term ends the search at the default tolerance.
  [[nodiscard]] double size() const { return scale_ * std::max(problem_.total, kWeightShare * mass_); }
  [[nodiscard]] double gradient(std::size_t i) const { return kSign[group_of(i)] * f_[i]; }

  /// Whether the rows of a group hardly see each other: narrow kernels, whose solution gives nearly all rows
  /// about the same weight. With equal weights a row's optimal correction is about the deviation of its
  /// kernel sum from the mean, over k(x, x); if most corrections are small, equal weights are the nearer
  /// start.
  [[nodiscard]] bool hardly_interacts(std::size_t group) {
    const std::size_t begin = begin_[group], n = problem_.group_sizes[group];
    const std::size_t n_probes = std::min(kProbes, n);
    std::vector<double> sums(n_probes, 0);
    double mean = 0, own = 0, deviation = 0;
    for (std::size_t p = 0; p < n_probes; ++p) {
      const std::size_t i = begin + p * n / n_probes;
      const float* k = kernel_.row(i);
      for (std::size_t j = begin; j < begin + n; ++j) sums[p] += static_cast<double>(k[j]);
      mean += sums[p] / static_cast<double>(n_probes);
      own += diagonal_[i] / static_cast<double>(n_probes);
    }
    for (const double sum : sums) deviation += std::abs(sum - mean) / static_cast<double>(n_probes);
    return deviation < kSmallCorrection * own;
  }

  /// alpha, or the bound that it differs from by rounding alone.
  static double near_bound(double alpha, double upper) {
    if (alpha <= kAtBound * upper) return 0;
    return alpha >= upper - kAtBound * upper ? upper : alpha;
  }

  /// Gives `mass` to the rows of a group: equal weights, or the first rows up to their bounds, whichever is
  /// likely to be nearer to the solution.
  void fill(std::size_t group, double mass) {
    if (mass <= 0) return;
    const std::size_t begin = begin_[group], end = begin_[group + 1];
    std::size_t n = 0;
    double smallest = kInfinity;
    for (std::size_t i = begin; i < end; ++i) {
      if (problem_.upper[i] <= 0) continue;
      ++n;
      smallest = std::min(smallest, problem_.upper[i]);
    }
    const double weight = mass / static_cast<double>(n);
    if (weight < smallest && hardly_interacts(group)) {
      for (std::size_t i = begin; i < end; ++i)
        if (problem_.upper[i] > 0) alpha_[i] = weight;
      return;
    }
    for (std::size_t i = begin_[group]; i < begin_[group + 1] && mass > 0; ++i) {
      alpha_[i] = near_bound(std::min(mass, problem_.upper[i]), problem_.upper[i]);
      mass -= alpha_[i];
    }
  }

  /// A feasible point: of all sums (u, p, a) of the groups with u + p - a = total and p + a >= kappa the one
  /// with the smallest a, then the smallest p.
  void start() {
    std::array<double, kDualGroups> capacity{};
    for (std::size_t g = 0; g < kDualGroups; ++g)
      for (std::size_t i = begin_[g]; i < begin_[g + 1]; ++i) capacity[g] += problem_.upper[i];
    const double total = problem_.total, kappa = problem_.kappa;
    // Sums that differ from a bound by rounding alone do not break it.
    const double slack = 1e-12 * std::max({total, kappa, 1.0});
    const double largest_a = std::min(capacity[kA], capacity[kU] + capacity[kP] - total);
    if (largest_a < -slack) {
      throw InvalidArgument(fmt::format(
          "[dual] the upper bounds of all rows that are not labelled anomalies sum to {}, but their weights "
          "must reach {}; there are too few such rows, or their C is too small",
          capacity[kU] + capacity[kP], total));
    }
    const double a = std::max({0.0, kappa - capacity[kP], (kappa - total) / 2});
    if (a > largest_a + slack) {
      throw InvalidArgument(fmt::format(
          "[dual] kappa {} is more than these labels and bounds can carry; the largest possible is {:.6g}",
          kappa, largest_a + std::min(capacity[kP], total + largest_a)));
    }
    const double p = std::min(capacity[kP], std::max({0.0, kappa - a, total + a - capacity[kU]}));
    fill(kA, a);
    fill(kP, p);
    fill(kU, total + a - p);
    slack_ = std::max(0.0, a + p - kappa);
    mass_ = std::accumulate(alpha_.begin(), alpha_.end(), 0.0);
    for (std::size_t i = 0; i < n_; ++i)
      if (alpha_[i] > 0) add_row(kernel_.row(i), kSign[group_of(i)] * alpha_[i]);
    const float* any = kernel_.row(0);
    update(any, 0, any, 0);
  }

  /// f += weight k
  void add_row(const float* k, double weight) {
    for (std::size_t j = 0; j < n_; ++j) f_[j] += weight * static_cast<double>(k[j]);
  }

  /// f += w0 k(x_i0, .) + w1 k(x_i1, .), then the extremes of every group.
  void update(const float* k0, double w0, const float* k1, double w1) {
    for (std::size_t g = 0; g < kDualGroups; ++g) {
      const std::size_t begin = begin_[g], n = problem_.group_sizes[g];
      if (n == 0) continue;
      const kernels::Extremes found =
          kernels::update_and_find(n, f_.data() + begin, k0 + begin, w0, k1 + begin, w1,
                                   alpha_.data() + begin, problem_.upper.data() + begin, kSign[g]);
      up_[g] = {found.low, found.low_index < n ? begin + found.low_index : kNone};
      down_[g] = {found.high, found.high_index < n ? begin + found.high_index : kNone};
    }
  }

  [[nodiscard]] Direction most_violating() const {
    Direction best;
    for (std::size_t g = 0; g < kDualGroups; ++g) {
      const double violation = down_[g].gradient - up_[g].gradient;
      if (violation > best.violation) best = {.change = {}, .pair = true, .group = g, .violation = violation};
    }
    // The other directions with fewest entries, as changes (u, p, a) that keep u + p - a; against the
    // inequality a direction may only go while there is slack.
    constexpr std::array<std::array<double, kDualGroups>, 4> kAcross{
        {{-1, 1, 0}, {1, 0, 1}, {0, 1, 1}, {-2, 1, -1}}};
    for (const auto& across : kAcross) {
      for (const double orientation : {1.0, -1.0}) {
        Direction direction;
        double slope = 0, slack_change = 0, size = 0;
        for (std::size_t g = 0; g < kDualGroups; ++g) {
          const double change = direction.change[g] = orientation * across[g];
          if (change == 0) continue;
          slope += change * (change > 0 ? up_[g] : down_[g]).gradient;
          slack_change += kLabelled[g] * change;
          size += std::abs(change);
        }
        if (slack_change < 0 && slack_ <= 0) continue;
        direction.violation = -2 * slope / size;  // comparable with a pair, whose size is 2
        if (direction.violation > best.violation) best = direction;
      }
    }
    return best;
  }

  struct Entry {
    std::size_t row;
    double change;
  };

  /// The row of `group` that goes with row i (change change_i) and lowers the objective most.
  [[nodiscard]] std::size_t best_partner(std::size_t i, double change_i, std::size_t group,
                                         double change) const {
    const std::size_t begin = begin_[group], n = problem_.group_sizes[group];
    const std::size_t found =
        kernels::best_partner(n,
                              {.slope = -change_i * gradient(i),
                               .factor = -change * kSign[group],
                               .diagonal_i = diagonal_[i],
                               .cross = 2 * change_i * change * kSign[group_of(i)] * kSign[group],
                               .floor = kFlat * scale_,
                               .grows = change > 0},
                              f_.data() + begin, kernel_row_ + begin, alpha_.data() + begin,
                              problem_.upper.data() + begin, float_diagonal_.data() + begin);
    return found < n ? begin + found : kNone;
  }

  void move(const Direction& direction) {
    std::array<Entry, kDualGroups> entries{};
    std::size_t n_entries = 0;
    if (direction.pair) {
      entries[n_entries++] = {up_[direction.group].row, 1};
      entries[n_entries++] = {down_[direction.group].row, -1};
    } else {
      for (std::size_t g = 0; g < kDualGroups; ++g) {
        const double change = direction.change[g];
        if (change != 0) entries[n_entries++] = {(change > 0 ? up_[g] : down_[g]).row, change};
      }
    }
    if (n_entries == 2) {
      kernel_row_ = kernel_.row(entries[0].row);
      const std::size_t partner =
          best_partner(entries[0].row, entries[0].change, group_of(entries[1].row), entries[1].change);
      if (partner != kNone) entries[1].row = partner;
    }

    std::array<const float*, kDualGroups> rows{};
    double slope = 0, curvature = 0, slack_change = 0, longest = kInfinity;
    for (std::size_t e = 0; e < n_entries; ++e) {
      const auto [i, change] = entries[e];
      rows[e] = kernel_.row(i);
      slope += change * gradient(i);
      slack_change += change * kLabelled[group_of(i)];
      longest =
          std::min(longest, (change > 0 ? problem_.upper[i] - alpha_[i] : alpha_[i]) / std::abs(change));
      for (std::size_t b = 0; b < e; ++b) {
        curvature += 2 * change * entries[b].change * kSign[group_of(i)] * kSign[group_of(entries[b].row)] *
                     static_cast<double>(rows[b][i]);
      }
      curvature += change * change * diagonal_[i];
    }
    if (slack_change < 0) longest = std::min(longest, slack_ / -slack_change);
    const double step = std::min(-slope / std::max(curvature, kFlat * scale_), longest);
    std::array<double, kDualGroups> weights{};
    for (std::size_t e = 0; e < n_entries; ++e) {
      const auto [i, change] = entries[e];
      const double before = alpha_[i];
      const double room = (change > 0 ? problem_.upper[i] - before : before) / std::abs(change);
      // Bounds are met exactly, so that a row at its bound is one.
      alpha_[i] = step >= room ? (change > 0 ? problem_.upper[i] : 0.0)
                               : near_bound(before + step * change, problem_.upper[i]);
      weights[e] = kSign[group_of(i)] * (alpha_[i] - before);
      mass_ += alpha_[i] - before;
    }
    if (n_entries == 3) add_row(rows[2], weights[2]);
    update(rows[0], weights[0], rows[1], weights[1]);
    slack_ = slack_change < 0 && step >= slack_ / -slack_change ? 0.0 : slack_ + step * slack_change;
  }

  /// The middle of an interval, or its end if it is bounded on one side only.
  static double inside(double lowest, double highest) {
    if (std::isinf(highest)) return std::isinf(lowest) ? 0 : lowest;
    return std::isinf(lowest) ? highest : (lowest + highest) / 2;
  }

  void finish(DualSolution& solution) {
    std::array<double, kDualGroups> sum{};
    std::array<std::size_t, kDualGroups> n_free{};
    for (std::size_t i = 0; i < n_; ++i) {
      solution.objective += alpha_[i] * gradient(i) / 2;
      if (alpha_[i] <= 0) continue;
      if (alpha_[i] >= problem_.upper[i]) {
        ++solution.n_bounded;
        continue;
      }
      ++solution.n_free;
      sum[group_of(i)] += gradient(i);
      ++n_free[group_of(i)];
    }
    // What the rows of a group allow their level (rho, rho + margin, margin - rho) to be: the mean of the
    // free ones, else an interval.
    std::array<double, kDualGroups> least{}, most{};
    for (std::size_t g = 0; g < kDualGroups; ++g) {
      least[g] = n_free[g] > 0 ? sum[g] / static_cast<double>(n_free[g]) : down_[g].gradient;
      most[g] = n_free[g] > 0 ? least[g] : up_[g].gradient;
    }
    double lowest = -most[kA], highest = most[kP];  // for margin >= 0
    if (slack_ > 0 || problem_.kappa <= 0) {        // margin = 0
      lowest = std::max(lowest, least[kP]);
      highest = std::min(highest, -least[kA]);
    }
    lowest = std::max({lowest, least[kU], (least[kP] - most[kA]) / 2});
    highest = std::min({highest, most[kU], (most[kP] - least[kA]) / 2});
    solution.rho = n_free[kU] > 0 ? least[kU] : inside(lowest, highest);
    if (slack_ <= 0 && problem_.kappa > 0) {
      solution.margin = inside(std::max({0.0, least[kP] - solution.rho, least[kA] + solution.rho}),
                               std::min(most[kP] - solution.rho, most[kA] + solution.rho));
    }
    solution.alpha = std::move(alpha_);
    solution.f = std::move(f_);
  }

  const DualProblem& problem_;
  KernelRows& kernel_;
  std::size_t n_ = 0;
  std::array<std::size_t, kDualGroups + 1> begin_{};
  std::vector<double> alpha_, f_, diagonal_;
  std::vector<float> float_diagonal_;
  double scale_ = 0, slack_ = 0;
  double mass_ = 0;  // sum of all alpha
  std::array<Extreme, kDualGroups> up_, down_;
  const float* kernel_row_ = nullptr;
};

}  // namespace

DualSolution solve_dual(const DualProblem& problem, KernelRows& kernel) {
  return Solver(problem, kernel).solve();
}

}  // namespace deepsad
