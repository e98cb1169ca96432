// Functions of many squared distances at once: what turns distances into kernel values and densities.
#pragma once

#include <cstddef>

namespace deepsad::kernels {

/// dst[i] = exp(-gamma distances[i]), i < n, within 3 units in the last place; results below the smallest
/// normal number become 0. distances may be dst; no alignment is needed.
void exp_of_distances(std::size_t n, const float* distances, float gamma, float* dst) noexcept;

/// sum_i weights[i] exp(-gamma distances[i]) in double; the order of the sum depends on n alone.
double weighted_exp_sum(std::size_t n, const float* distances, const float* weights, float gamma) noexcept;

/// sum_i exp(offset - gamma distances[i]) in double, offset >= 0 chosen by the caller so that the largest
/// term is about 1; the order of the sum depends on n alone.
double exp_sum(std::size_t n, const float* distances, float gamma, float offset) noexcept;

/// sum_i values[i] weights[i] in double; the order of the sum depends on n alone.
double weighted_sum(std::size_t n, const float* values, const float* weights) noexcept;

}  // namespace deepsad::kernels
