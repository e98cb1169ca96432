// The paper's networks, and sensible ones for other data.
#pragma once

#include <string>
#include <vector>

#include "deepsad/nn/network_spec.h"

namespace deepsad {

/// mnist_LeNet, fmnist_LeNet, cifar10_LeNet, arrhythmia_mlp, cardio_mlp, satellite_mlp, satimage-2_mlp,
/// shuttle_mlp, thyroid_mlp.
[[nodiscard]] const std::vector<std::string>& network_names();
/// @throws InvalidArgument for an unknown name; the message lists the known ones and the nearest.
[[nodiscard]] NetworkDefinition network_by_name(const std::string& name);
/// The network that serves a data set of this name and shape when none is asked for: the paper's for the
/// named sets, a LeNet fitted to the shape for other images (sides of at least 8), an MLP with widths from
/// the number of features for other tables. @throws InvalidArgument if the shape fits none.
[[nodiscard]] NetworkDefinition default_network(const std::string& dataset, const Shape& sample_shape);

/// The same definition with a code of another width: the encoder's last linear layer and the decoder's input;
/// a decoder that begins by reshaping the code to maps takes another number of maps.
/// @throws InvalidArgument if the network cannot have that width
[[nodiscard]] NetworkDefinition with_rep_dim(NetworkDefinition definition, std::size_t rep_dim);

/// The same definition with another slope in every leaky ReLU (the paper prints 0.1, its code has 0.01).
[[nodiscard]] NetworkDefinition with_slope(NetworkDefinition definition, double slope);

}  // namespace deepsad
