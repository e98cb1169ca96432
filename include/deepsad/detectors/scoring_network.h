// The score of a deep detector as data: a chain of layers and how its outputs become a score.
#pragma once

#include <string_view>
#include <vector>

#include "deepsad/nn/network_spec.h"
#include "deepsad/nn/state_dict.h"

namespace deepsad {

/// How the outputs o of a network become the score of the scaled row x (d values).
enum class ScoreForm {
  squared_distance,    ///< sum_j (o_j - center_j)^2 - offset
  mean_squared_error,  ///< (1/d) sum_j (o_j - x_j)^2
  cross_entropy,       ///< sum_j softplus(o_j) - x_j o_j, the outputs being logits
  logit,               ///< o_0
  softmax,             ///< 1 / (1 + exp(o_0 - o_1)), the outputs being two logits
};

/// "squared_distance", "mean_squared_error", ...
[[nodiscard]] std::string_view to_string(ScoreForm form);

/// Everything that a score comes from; the layers as in evaluation, batch normalisation with its running
/// statistics.
struct ScoringNetwork {
  NetworkSpec network;
  StateDict state;  ///< of exactly this network
  ScoreForm form{};
  std::vector<float> center{};  ///< squared_distance only
  double offset = 0;            ///< squared_distance only: the squared radius of a soft boundary
};

}  // namespace deepsad
