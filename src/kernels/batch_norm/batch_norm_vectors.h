// Batch normalisation (as batch_norm.h) of vectors, one point a channel: the whole batch in one call forward
// and one back, since a layer's vectors stay in the caches and sums over samples run over groups first,
// across the lanes once.
#pragma once

#include <cstddef>

#include "kernels/layout.h"

namespace deepsad::kernels {

/// What a call works on: channels first..last-1 of all n_samples >= 1 samples. Different channels may be
/// worked on at once.
struct VectorNorm {
  std::size_t n_samples;
  std::size_t first, last;
};

/// The groups of a batch, [channels][16], `step` elements from one to the next; 64-byte aligned.
template <class T>
struct VectorGroups {
  T* values;
  std::size_t step;
};

/// Moments of a batch, per channel.
template <class T>
struct VectorMoments {
  double *mean, *m2;    ///< m2 = sum (x - mean)^2
  T *center, *inv_std;  ///< mean, and 1 / sqrt(m2 / n_samples + epsilon), as the backward pass takes them
};

/// Takes the moments, then y = leaky((x - mean) inv_std). Unused lanes of x have no part in the moments,
/// those of y become 0. y may be x.
void batch_norm_vectors_forward(const VectorNorm& part, const VectorGroups<const float>& x, double epsilon,
                                float slope, const VectorMoments<float>& moments,
                                const VectorGroups<float>& y) noexcept;
void batch_norm_vectors_forward(const VectorNorm& part, const VectorGroups<const double>& x, double epsilon,
                                double slope, const VectorMoments<double>& moments,
                                const VectorGroups<double>& y) noexcept;

/// Means over a batch, per channel, of g and g xhat (see below).
template <class T>
struct VectorGradients {
  T *mean_g, *mean_gx;
};

/// With xhat = (x - center) inv_std: g = dy (xhat > 0 ? 1 : slope) is written over dy, its means are taken,
/// then dx = inv_std (g - mean_g - xhat mean_gx). Unused lanes of dy and dx become 0. dx may be x or dy.
void batch_norm_vectors_backward(const VectorNorm& part, const VectorGroups<const float>& x,
                                 const VectorMoments<float>& moments, float slope,
                                 const VectorGroups<float>& dy, const VectorGradients<float>& means,
                                 const VectorGroups<float>& dx) noexcept;
void batch_norm_vectors_backward(const VectorNorm& part, const VectorGroups<const double>& x,
                                 const VectorMoments<double>& moments, double slope,
                                 const VectorGroups<double>& dy, const VectorGradients<double>& means,
                                 const VectorGroups<double>& dx) noexcept;

}  // namespace deepsad::kernels
