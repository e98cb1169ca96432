// What the deep detectors share: running a network over rows, checking that a training set can be trained on,
// and their options as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "deepsad/core/aligned_buffer.h"
#include "deepsad/core/error.h"
#include "deepsad/core/matrix_view.h"
#include "deepsad/core/parallel.h"
#include "deepsad/detectors/detector.h"
#include "deepsad/nn/network_spec.h"
#include "deepsad/nn/state_dict.h"
#include "deepsad/nn/training.h"
#include "nn/early_stopping.h"
#include "nn/plan.h"

namespace deepsad {

using Json = nlohmann::ordered_json;

/// Outputs of the network in evaluation mode, one row each.
[[nodiscard]] Matrix<float> network_outputs(const NetworkSpec& spec, const StateDict& state,
                                            MatrixView<const float> x, ThreadPool& pool);

/// score_i = |output_i - center|^2 for every row; `plan` is for inference.
void score_distances(Plan<float>& plan, std::span<const float> center, MatrixView<const float> x,
                     std::span<float> scores);

/// score_i = (1/d) sum_j (reconstruction_ij - x_ij)^2.
void score_reconstruction(Plan<float>& autoencoder, MatrixView<const float> x, std::span<float> scores);

/// @throws InvalidArgument if the data's features are not the network's inputs, there are no rows, or a batch
/// of one row would meet a batch normalisation over vectors (its variance would be 0).
void check_trainable(const NetworkSpec& spec, std::size_t n_features, std::size_t n_rows,
                     const TrainingOptions& options, const std::string& phase);

/// The last of these, for a part of a model.
void check_batch_norm(const NetworkSpec& spec, std::size_t n_rows, const TrainingOptions& options,
                      const std::string& phase);

/// @throws InvalidArgument naming both numbers, if a detector of n_features features cannot score x into
/// n_scores places, or is not fitted. For every detector.
void check_scorable(std::size_t n_features, bool fitted, MatrixView<const float> x, std::size_t n_scores);

/// The same for score_gradient().
void check_differentiable(std::size_t n_features, bool fitted, MatrixView<const float> x,
                          std::size_t n_scores, MatrixView<float> gradient);

[[nodiscard]] Json to_json(const TrainingOptions& options);
[[nodiscard]] TrainingOptions training_options_from_json(const Json& json);

/// The tensors that training begins with: those of context.start, or fresh().
/// @param wanted the network or tensors that these must be   @throws InvalidArgument if they are not
template <class Wanted, class Fresh>
StateDict first_state(const FitContext& context, const Wanted& wanted, Fresh&& fresh) {
  if (context.start == nullptr) return fresh();
  if (const std::string problem = mismatch(wanted, *context.start); !problem.empty())
    throw InvalidArgument("[init] the model to go on from does not fit: " + problem);
  return *context.start;
}

/// Row numbers 0..n-1 for which keep(i) holds.
template <class F>
std::vector<std::uint32_t> select_rows(std::size_t n, F&& keep) {
  std::vector<std::uint32_t> rows;
  rows.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    if (keep(i)) rows.push_back(static_cast<std::uint32_t>(i));
  }
  return rows;
}

/// The rows that a phase trains on and those it is watched on (split_off_validation): of all rows, or of
/// those that are not labelled anomalous.
[[nodiscard]] RowParts phase_rows(std::span<const SemiLabel> semi, bool exclude_labelled_anomalies,
                                  const TrainingOptions& options, std::uint64_t seed,
                                  const std::string& phase);

}  // namespace deepsad
