// The passes over all rows that a step of the dual solver (detectors/dual_solver.h) makes: they are its whole
// cost.
#pragma once

#include <cstddef>

namespace deepsad::kernels {

/// The row with the smallest s f among those with alpha < upper, and the one with the largest among those
/// with alpha > 0; of equals the first. Without such a row the value is +infinity, -infinity, and the index
/// n.
struct Extremes {
  double low = 0, high = 0;
  std::size_t low_index = 0, high_index = 0;
};

/// f[i] += w0 k0[i] + w1 k1[i] for i < n, then the extremes of s f.
Extremes update_and_find(std::size_t n, double* f, const float* k0, double w0, const float* k1, double w1,
                         const double* alpha, const double* upper, double s) noexcept;

/// What best_partner() looks for: row i is fixed, row j < n moves by `change` (its sign tells which of alpha
/// < upper, alpha > 0 must hold). Moving both by a unit lowers the objective by descent_j = slope + factor
/// f[j], against the curvature max(diagonal_i + diagonal[j] + cross k[j], floor).
struct PartnerSearch {
  double slope = 0, factor = 0, diagonal_i = 0, cross = 0, floor = 0;
  bool grows = false;
};

/// The j that maximises descent_j^2 / curvature_j (in float) among those that can move and have descent_j >
/// 0; of equals the first; n if there is none.
std::size_t best_partner(std::size_t n, const PartnerSearch& search, const double* f, const float* k,
                         const double* alpha, const double* upper, const float* diagonal) noexcept;

}  // namespace deepsad::kernels
