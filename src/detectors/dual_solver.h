// The dual problem of the one-class SVM and of SSAD, and the one solver for both.
//
//   min over alpha  1/2 sum_ij alpha_i alpha_j c_i c_j k(x_i, x_j)
//   subject to      sum_i c_i alpha_i = total,   sum over labelled i of alpha_i >= kappa,   0 <= alpha_i <=
//   C_i
//
// with c_i = -1 for rows labelled anomalous and +1 otherwise. The one-class SVM [1] has no labels; SSAD [2]
// is the whole problem. With f(x) = sum_i c_i alpha_i k(x_i, x) and multipliers rho (equality) and margin >=
// 0 (inequality), optimal means: f(x_i) = rho for free unlabelled rows, rho + margin for free labelled
// normals, rho - margin for free labelled anomalies; on the far side of it at alpha_i = 0, on the near side
// at C_i.
//
// Solver: sequential minimal optimisation. A step moves along a direction that keeps both constraints and has
// the fewest non-zero entries: two rows of one group, two rows of two groups (the inequality's slack takes
// the difference), or three rows of three groups. Every step takes the direction that violates optimality
// most [3], its second row by the largest estimated decrease [4]; it ends when no direction violates it by
// more than the tolerance.
//
// [1] Schoelkopf et al., "Estimating the support of a high-dimensional distribution", Neural Computation 13
//     (2001). [2] Goernitz et al., "Toward supervised anomaly detection", JAIR 46 (2013). [3] Keerthi and
//     Gilbert, "Convergence of a generalized SMO algorithm", Machine Learning 46 (2002). [4] Fan, Chen and
//     Lin, "Working set selection using second order information", JMLR 6 (2005).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "deepsad/core/progress.h"

namespace deepsad {

/// What is known of a row of the problem, in the order in which the rows must stand.
enum class DualGroup : std::uint8_t { unlabelled = 0, normal = 1, anomaly = 2 };
inline constexpr std::size_t kDualGroups = 3;

/// The kernel matrix, row by row.
class KernelRows {
 public:
  virtual ~KernelRows() = default;
  /// k(x_i, x_j) for all j; valid until the third call after this one.
  [[nodiscard]] virtual const float* row(std::size_t i) = 0;
  [[nodiscard]] virtual double diagonal(std::size_t i) const = 0;
};

struct DualProblem {
  std::array<std::size_t, kDualGroups> group_sizes{};  ///< rows: unlabelled first, then normals, anomalies
  std::span<const double> upper;                       ///< C_i >= 0 of every row; 0 leaves the row out
  double total = 1;                                    ///< > 0
  double kappa = 0;                                    ///< >= 0
  /// Largest violation left at the end, relative to the largest k(x, x) times `total` or a tenth of the sum
  /// of all alpha, whichever is more.
  double tolerance = 1e-6;
  std::size_t max_iterations = 0;  ///< 0: 10 million, or 100 a row if that is more
  const StopToken* stop = nullptr;
};

struct DualSolution {
  std::vector<double> alpha;
  std::vector<double> f;  ///< f(x_i) of every row, those with C_i = 0 included
  double rho = 0;         ///< mean of f over free unlabelled rows, else the middle of what optimality allows
  double margin = 0;      ///< multiplier of the inequality
  double objective = 0;
  double gap = 0;  ///< largest violation at the end, relative as `tolerance`
  std::size_t iterations = 0;
  std::size_t n_free = 0, n_bounded = 0;  ///< rows with 0 < alpha < C, and with alpha = C > 0
  bool converged = false;
};

/// @throws InvalidArgument if no alpha satisfies the constraints, naming the largest possible kappa;
///         Interrupted if the stop was asked for.
[[nodiscard]] DualSolution solve_dual(const DualProblem& problem, KernelRows& kernel);

}  // namespace deepsad
