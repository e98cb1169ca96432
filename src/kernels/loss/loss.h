// Losses over one group; each gives every lane's loss and writes the gradient of scale * (sum of lane
// losses).
#pragma once

#include <cstddef>

#include "kernels/layout.h"

namespace deepsad::kernels {

/// loss[l] = (1/n) sum_j (y[j] - t[j])^2 for lanes l < n_valid (0 beyond), dy[j] = scale (2/n) (y[j] - t[j])
/// (0 in unused lanes). y, t [n][16]; loss [16] in double. dy may be y, or nullptr when only the loss is
/// wanted.
void squared_error(std::size_t n, std::size_t n_valid, const float* y, const float* t, float scale, float* dy,
                   double* loss) noexcept;
void squared_error(std::size_t n, std::size_t n_valid, const double* y, const double* t, double scale,
                   double* dy, double* loss) noexcept;

/// squared_error of y = 1 / (1 + exp(-z)), and dz for it, in one pass: the same bits as sigmoid_forward
/// (activation.h), squared_error and sigmoid_backward. dz may be z, or nullptr.
void sigmoid_squared_error(std::size_t n, std::size_t n_valid, const float* z, const float* t, float scale,
                           float* dz, double* loss) noexcept;
void sigmoid_squared_error(std::size_t n, std::size_t n_valid, const double* z, const double* t, double scale,
                           double* dz, double* loss) noexcept;

/// distance[l] = sum_j (z[j] - c[j])^2 for all 16 lanes; z [n][16], c [n].
void squared_distance(std::size_t n, const float* z, const float* c, float* distance) noexcept;
void squared_distance(std::size_t n, const double* z, const double* c, double* distance) noexcept;

/// dz[j][l] = 2 (z[j][l] - c[j]) factor[l]: the gradient of any function of the squared distance, factor its
/// derivative (0 in unused lanes). dz may be z.
void squared_distance_backward(std::size_t n, const float* z, const float* c, const float* factor,
                               float* dz) noexcept;
void squared_distance_backward(std::size_t n, const double* z, const double* c, const double* factor,
                               double* dz) noexcept;

/// What Deep SAD makes of a squared distance d [Ruff et al. 2020, eq. 7]: d where the label is 0
/// (unlabelled), eta (d + epsilon) where it is 1 (normal), eta / (d + epsilon) where it is -1 (anomaly).
template <class T>
struct DeepSadTerms {
  const T* center;  ///< [n]
  const T* label;   ///< [16], any number in unused lanes
  T eta, epsilon;
};
/// loss[l] = the term of d[l] = sum_j (z[j][l] - center[j])^2 for lanes l < n_valid (0 beyond), in double; dz
/// = its gradient times scale (0 in unused lanes). z [n][16], loss [16]. dz may be z. The same bits as with
/// squared_distance() and squared_distance_backward().
void deep_sad_loss(std::size_t n, std::size_t n_valid, const float* z, const DeepSadTerms<float>& terms,
                   float scale, float* dz, double* loss) noexcept;
void deep_sad_loss(std::size_t n, std::size_t n_valid, const double* z, const DeepSadTerms<double>& terms,
                   double scale, double* dz, double* loss) noexcept;

/// Negative log-likelihood of x under Bernoulli variables with logits a: loss[l] = sum_j softplus(a[j]) -
/// x[j] a[j], which is -sum_j x[j] log r[j] + (1 - x[j]) log(1 - r[j]) with r = sigmoid(a) without its
/// overflow; lanes l < n_valid (0 beyond). da[j] = weight[l] (r[j] - x[j]) (0 in unused lanes). a, x [n][16],
/// weight [16]. da may be nullptr when only the loss is wanted; then weight may be too.
void bernoulli_loss(std::size_t n, std::size_t n_valid, const float* a, const float* x, const float* weight,
                    float* da, double* loss) noexcept;
void bernoulli_loss(std::size_t n, std::size_t n_valid, const double* a, const double* x,
                    const double* weight, double* da, double* loss) noexcept;

}  // namespace deepsad::kernels
