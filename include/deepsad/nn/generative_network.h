// The networks of the deep generative models: VAE (M1), M2 and M1+M2 [Kingma, Mohamed, Rezende and Welling,
// "Semi-supervised Learning with Deep Generative Models", NeurIPS 2014], as data. What they compute:
// docs/methods/deep-generative.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "deepsad/nn/network_spec.h"
#include "deepsad/nn/state_dict.h"

namespace deepsad {

enum class GenerativeKind {
  vae,   ///< M1: encoder q(z | x), decoder p(x | z)
  m2,    ///< encoder q(z | x, y), decoder p(x | z, y), classifier q(y | x)
  m1m2,  ///< M2 on the code of a VAE that stays as it is; its decoder gives the sample itself
};

/// Values of the label y: 0 normal, 1 anomalous, given to encoder and decoder one-hot behind the other
/// inputs.
inline constexpr std::size_t kLabelValues = 2;

/// A network by its widths. All layers are linear with bias and ReLU behind the hidden ones.
struct GenerativeNetwork {
  std::string name;
  Shape input;  ///< shape of a sample; all but classifier_body see it as a vector
  std::vector<std::size_t>
      hidden;                ///< widths of the encoder's hidden layers; the decoder has them in reverse
  std::size_t n_latent = 0;  ///< size of the code z
  /// M2 only: what stands before the classifier's last layer; nothing: one hidden layer of hidden[0].
  std::optional<NetworkSpec> classifier_body{};

  bool operator==(const GenerativeNetwork&) const = default;
};

/// @throws InvalidArgument if a width is missing or 0, or the body does not fit.
void validate(const GenerativeNetwork& network);

/// The chains of layers that a model is trained as. The encoder's last layer, "sample", gives 2 n_latent
/// values: the means, then what the log-variances are made from. The decoder gives logits. The classifier
/// gives the two logits of q(y | x); for m1m2 it takes the VAE's mean code.
struct GenerativeSpecs {
  NetworkSpec encoder, decoder;
  std::optional<NetworkSpec> classifier;  ///< not for the VAE
};
[[nodiscard]] GenerativeSpecs generative_specs(const GenerativeNetwork& network, GenerativeKind kind);

/// The tensors as they are stored, with the reference's names: "encoder.hidden.0.weight", ...,
/// "encoder.sample.mu.weight", ..., "encoder.sample.log_var.bias", "decoder.hidden.0.weight", ...,
/// "decoder.reconstruction.bias", "classifier. ..."; m1m2 ends with the VAE's under "features.".
[[nodiscard]] std::vector<TensorInfo> generative_tensors(const GenerativeNetwork& network,
                                                         GenerativeKind kind);
/// Learnable values; `trainable` leaves out those of m1m2's VAE, which its own training does not touch.
[[nodiscard]] std::size_t n_parameters(const GenerativeNetwork& network, GenerativeKind kind,
                                       bool trainable = false);

/// The encoder's state as stored (two heads, "sample.mu" and "sample.log_var"), and as trained ("sample").
[[nodiscard]] StateDict split_heads(const StateDict& encoder);
[[nodiscard]] StateDict join_heads(const StateDict& encoder);

/// Freshly drawn weights of the trainable tensors: Xavier normal and zero biases, but PyTorch's defaults for
/// convolutions and for the last decoder layer of m1m2, as in the reference. Every tensor has a random stream
/// of its own.
[[nodiscard]] StateDict initial_state(const GenerativeNetwork& network, GenerativeKind kind,
                                      std::uint64_t seed);

/// For the nine named data sets: SET_VAE, SET_DGM_M2 and SET_DGM_M1M2, in this order.
[[nodiscard]] const std::vector<std::string>& generative_network_names();
/// What a network of this name is for: by its ending _VAE, _DGM_M2 or _DGM_M1M2 (or the whole name without
/// the underscore); nothing for other names.
[[nodiscard]] std::optional<GenerativeKind> generative_kind_of(std::string_view name);
/// @throws InvalidArgument for an unknown name; the message lists those of the kind and the nearest.
[[nodiscard]] GenerativeNetwork generative_network_by_name(const std::string& name, GenerativeKind kind);
/// The reference's network for a named set; for other samples widths from their size, and for images a LeNet
/// as the body of M2's classifier. @throws InvalidArgument if images are too small for one.
[[nodiscard]] GenerativeNetwork default_generative_network(const std::string& dataset,
                                                           const Shape& sample_shape, GenerativeKind kind);

[[nodiscard]] std::string to_json(const GenerativeNetwork& network);
[[nodiscard]] GenerativeNetwork generative_network_from_json(std::string_view json,
                                                             const std::string& source);
/// Reads a user's network: a file with hidden and rep_dim (docs/networks.md); rep_dim is the size of z. For
/// images the body of M2's classifier is that of default_generative_network().
/// @throws InvalidArgument naming file, line, key, what was found and what was wanted.
[[nodiscard]] GenerativeNetwork generative_network_from_toml(std::string_view toml, const std::string& source,
                                                             const Shape& input, GenerativeKind kind);

}  // namespace deepsad
