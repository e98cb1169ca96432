#include "detectors/dual_solver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "shallow_support.h"

namespace deepsad {
namespace {

using testing::filled_rows;
using testing::golden;
using ::testing::HasSubstr;
using testing::peer_values;
using testing::refusal;

/// A kernel matrix, all of it.
class DenseKernel : public KernelRows {
 public:
  template <class Value>  // value(row, row)
  DenseKernel(const Matrix<float>& x, Value value) : n_(x.rows), values_(x.rows * x.rows) {
    for (std::size_t i = 0; i < n_; ++i)
      for (std::size_t j = 0; j < n_; ++j)
        values_[i * n_ + j] = static_cast<float>(value(x.row(i), x.row(j)));
  }
  [[nodiscard]] const float* row(std::size_t i) override { return values_.data() + i * n_; }
  [[nodiscard]] double diagonal(std::size_t i) const override { return at(i, i); }
  [[nodiscard]] double at(std::size_t i, std::size_t j) const {
    return static_cast<double>(values_[i * n_ + j]);
  }

 private:
  std::size_t n_;
  std::vector<float> values_;
};

/// exp(-gamma |x - y|^2)
class DenseRbf final : public DenseKernel {
 public:
  DenseRbf(const Matrix<float>& x, double gamma)
      : DenseKernel(x, [gamma](std::span<const float> a, std::span<const float> b) {
          double squared = 0;
          for (std::size_t k = 0; k < a.size(); ++k) {
            const double difference = static_cast<double>(a[k]) - static_cast<double>(b[k]);
            squared += difference * difference;
          }
          return std::exp(-gamma * squared);
        }) {}
};

double dot_product(std::span<const float> a, std::span<const float> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// A problem whose rows come in any order; `order[k]` is the row that stands at place k of the solver.
struct Ssad {
  std::vector<std::size_t> order;
  std::vector<double> upper;
  DualProblem problem;
  Matrix<float> x;

  Ssad(const Matrix<float>& rows, const std::vector<int>& y, double kappa, double c_p, double c_u, double c_n)
      : x(rows.rows, rows.cols) {
    for (const int label : {0, 1, -1}) {
      for (std::size_t i = 0; i < y.size(); ++i) {
        if (y[i] != label) continue;
        std::ranges::copy(rows.row(i), x.row(order.size()).begin());
        order.push_back(i);
        upper.push_back(label == 0 ? c_u : label == 1 ? c_p : c_n);
        ++problem.group_sizes[label == 0 ? 0 : label == 1 ? 1 : 2];
      }
    }
    problem.upper = upper;
    problem.kappa = problem.group_sizes[0] == y.size() ? 0 : kappa;
    problem.tolerance = 1e-9;
  }
  [[nodiscard]] std::size_t group(std::size_t place) const {
    return place < problem.group_sizes[0]                            ? 0
           : place < problem.group_sizes[0] + problem.group_sizes[1] ? 1
                                                                     : 2;
  }
  [[nodiscard]] double sign(std::size_t place) const { return group(place) == 2 ? -1 : 1; }
};

/// Feasibility and optimality, from the definition alone.
void expect_optimal(const Ssad& ssad, const DenseRbf& kernel, const DualSolution& s, double tolerance) {
  EXPECT_TRUE(s.converged);
  double sum = 0, labelled = 0;
  const std::size_t n = ssad.order.size();
  for (std::size_t i = 0; i < n; ++i) {
    EXPECT_GE(s.alpha[i], 0);
    EXPECT_LE(s.alpha[i], ssad.upper[i]);
    sum += ssad.sign(i) * s.alpha[i];
    if (ssad.group(i) != 0) labelled += s.alpha[i];
  }
  EXPECT_NEAR(sum, ssad.problem.total, 1e-12);
  EXPECT_GE(labelled, ssad.problem.kappa - 1e-12);
  EXPECT_GE(s.margin, 0);
  if (labelled > ssad.problem.kappa + 1e-9) {
    EXPECT_NEAR(s.margin, 0, tolerance);
  }
  for (std::size_t i = 0; i < n; ++i) {
    double f = 0;
    for (std::size_t j = 0; j < n; ++j) f += ssad.sign(j) * s.alpha[j] * kernel.at(i, j);
    EXPECT_NEAR(f, s.f[i], 1e-12);
    // Derivative of the Lagrangian: 0 where alpha is free, >= 0 at 0, <= 0 at the upper bound.
    const double slope = ssad.sign(i) * (f - s.rho) - (ssad.group(i) == 0 ? 0 : s.margin);
    if (s.alpha[i] > 0) {
      EXPECT_LE(slope, tolerance) << i;
    }
    if (s.alpha[i] < ssad.upper[i]) {
      EXPECT_GE(slope, -tolerance) << i;
    }
  }
}

TEST(DualSolver, GoldenSsad) {
  const auto& block = golden("ssad");
  const Matrix<float> x = testing::matrix_from_json(block["X"]), t = testing::matrix_from_json(block["T"]);
  std::size_t n_cases = 0;
  for (const auto& [name, c] : block["cases"].items()) {
    const auto bounds = c["Cp_Cu_Cn"].get<std::vector<double>>();
    const Ssad ssad(x, c["y"].get<std::vector<int>>(), c["kappa"].get<double>(), bounds[0], bounds[1],
                    bounds[2]);
    const double gamma = c["gamma"].get<double>();
    DenseRbf kernel(ssad.x, gamma);
    const DualSolution s = solve_dual(ssad.problem, kernel);
    // The block's last case stopped at CVXOPT's default tolerances; its alphas are exact to 1e-6.
    const double tolerance = name == "neg_labels_default_tolerances" ? 2e-6 : 1e-6;
    for (std::size_t p = 0; p < ssad.order.size(); ++p)
      EXPECT_NEAR(s.alpha[p], c["alphas"][ssad.order[p]].get<double>(), tolerance) << name << " " << p;
    EXPECT_NEAR(s.objective, c["objective_half_aKa"].get<double>(), 1e-7) << name;
    for (std::size_t i = 0; i < t.rows; ++i) {
      double f = 0;
      for (std::size_t p = 0; p < ssad.order.size(); ++p) {
        double squared = 0;
        for (std::size_t k = 0; k < 2; ++k)
          squared += std::pow(static_cast<double>(t.row(i)[k]) - static_cast<double>(ssad.x.row(p)[k]), 2);
        f += ssad.sign(p) * s.alpha[p] * std::exp(-gamma * squared);
      }
      EXPECT_NEAR(f, c["f_no_threshold_on_T"][i].get<double>(), 1e-6) << name;
    }
    // Where the reference's threshold is the value of free unlabelled rows it is rho.
    if (name == "unlabelled_only" || name == "neg_labels") {
      EXPECT_NEAR(s.rho, c["threshold_reference_rule"].get<double>(), 1e-6) << name;
    }
    expect_optimal(ssad, kernel, s, 1e-7);
    ++n_cases;
  }
  EXPECT_EQ(n_cases, 8U);
}

TEST(DualSolver, EqualsCvxopt) {
  for (const auto& c : peer_values("ssad")) {
    const auto n = c["n"].get<std::size_t>();
    std::vector<int> y(n, 0);
    const auto n_normal = c["n_normal"].get<std::size_t>(), n_anomaly = c["n_anomaly"].get<std::size_t>();
    for (std::size_t i = 0; i < n_normal + n_anomaly; ++i) y[i] = i < n_normal ? 1 : -1;
    const auto id = c["case"].get<std::size_t>(), d = c["d"].get<std::size_t>();
    const Ssad ssad(filled_rows(n, d, 2000 + id), y, c["kappa"].get<double>(), c["c_normal"].get<double>(),
                    c["c_unlabelled"].get<double>(), c["c_anomaly"].get<double>());
    DenseRbf kernel(ssad.x, c["gamma"].get<double>());
    const DualSolution s = solve_dual(ssad.problem, kernel);
    expect_optimal(ssad, kernel, s, 1e-7);
    EXPECT_NEAR(s.objective, c["objective"].get<double>(), 1e-7) << id;
    for (std::size_t p = 0; p < c["alpha"].size(); ++p)
      EXPECT_NEAR(s.alpha[p], c["alpha"][ssad.order[p]].get<double>(), 2e-5) << id << " " << p;
    EXPECT_EQ(s.n_free + s.n_bounded, static_cast<std::size_t>(std::count_if(
                                          s.alpha.begin(), s.alpha.end(), [](double a) { return a > 0; })));
  }
}

TEST(DualSolver, IsOptimalOnRandomProblems) {
  RandomStream random(7, "dual problems");
  for (int round = 0; round < 60; ++round) {
    const std::size_t n = 4 + random.below(80), d = 1 + random.below(5);
    Matrix<float> x(n, d);
    for (float& v : x.values) v = static_cast<float>(random.uniform());
    if (round % 3 == 0) std::ranges::copy(x.row(0), x.row(1).begin());  // twins: flat directions
    std::vector<int> y(n, 0);
    for (int& label : y) {
      const double r = random.uniform();
      label = r < 0.15 ? 1 : r < 0.3 ? -1 : 0;
    }
    y[0] = 0;
    const Ssad ssad(x, y, random.uniform(0, 1.5), 1, random.uniform(0.2, 1.2), 1);
    DenseRbf kernel(ssad.x, std::exp2(random.uniform(-4, 6)));
    try {
      const DualSolution s = solve_dual(ssad.problem, kernel);
      expect_optimal(ssad, kernel, s, 1e-7);
    } catch (const InvalidArgument& error) {
      EXPECT_THAT(error.what(), HasSubstr("[dual]"));  // labels too few for kappa
    }
  }
}

// A linear kernel cannot part anomalies from rows that they lie among: weights of both signs grow to their
// bounds, and a violation of 1e-6 of `total` would take 1.7 million steps.
TEST(DualSolver, ToleranceGrowsWithTheSumOfTheWeights) {
  constexpr std::size_t kN = 2000, kD = 32, kAnomalies = 200;
  constexpr double kDecay = 0.7;
  RandomStream random(3, "dual rounding");
  Matrix<float> x(kN, kD);
  for (std::size_t i = 0; i < kN; ++i) {
    for (std::size_t j = 0; j < kD; ++j)
      x.row(i)[j] = static_cast<float>(1 + 3 * std::pow(kDecay, static_cast<double>(j)) * random.normal());
  }
  std::vector<int> y(kN, 0);
  std::fill_n(y.begin(), kAnomalies, -1);
  Ssad ssad(x, y, 1, 1, 1, 1);
  ssad.problem.tolerance = 1e-6;
  DenseKernel kernel(ssad.x, dot_product);
  const DualSolution s = solve_dual(ssad.problem, kernel);
  EXPECT_TRUE(s.converged);
  EXPECT_LE(s.gap, 1e-6);
  EXPECT_GT(std::accumulate(s.alpha.begin(), s.alpha.end(), 0.0), 100);
  EXPECT_LT(s.iterations, 600'000U);
}

TEST(DualSolver, SaysWhatIsInfeasibleAndHowFarItGoes) {
  const Matrix<float> x = filled_rows(6, 2, 1);
  const auto solve = [&](const Ssad& ssad) {
    DenseRbf kernel(ssad.x, 1);
    (void)solve_dual(ssad.problem, kernel);
  };
  EXPECT_THAT(refusal([&] {
                solve(Ssad(x, {0, 0, 0, 0, 0, -1}, 3, 1, 1, 1));
              }),
              HasSubstr("kappa 3 is more than these labels and bounds can carry; the largest possible is 1"));
  EXPECT_THAT(refusal([&] {
                solve(Ssad(x, {-1, -1, -1, -1, -1, -1}, 1, 1, 1, 1));
              }),
              HasSubstr("must reach 1"));
  EXPECT_THAT(refusal([&] {
                solve(Ssad(x, {0, 0, 0, 0, 0, 0}, 1, 1, 0.1, 1));
              }),
              HasSubstr("their C is too small"));
}

TEST(DualSolver, TellsWhenItDidNotConverge) {
  const Ssad ssad(filled_rows(50, 3, 2), std::vector<int>(50, 0), 0, 1, 0.1, 1);
  DenseRbf kernel(ssad.x, 1);
  DualProblem problem = ssad.problem;
  problem.max_iterations = 2;
  const DualSolution s = solve_dual(problem, kernel);
  EXPECT_FALSE(s.converged);
  EXPECT_EQ(s.iterations, 2U);
  EXPECT_GT(s.gap, problem.tolerance);
}

}  // namespace
}  // namespace deepsad
