// Checkpoints of PyTorch, as the reference implementation of Deep SAD writes and reads them
// (docs/pytorch.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "deepsad/core/parallel.h"
#include "deepsad/model/model.h"

namespace deepsad {

/// What a checkpoint does not say and an import needs.
struct TorchImportOptions {
  /// Name in the catalogue; "" = recognised by the names and shapes of the tensors. For a network of other
  /// widths:
  /// "" too.
  std::string network;
  /// The set that the reference was trained on; "" = unknown, then the model scores files but cannot be
  /// evaluated.
  std::string dataset;
  std::string data_dir;
  std::vector<int> normal_class{0};
  /// Tables: seed of the reference's run, from which its splits and with them its scaling follow.
  std::optional<std::uint64_t> seed;
  /// Tables without a set: rows will come scaled to [0, 1] as the network wants them.
  bool rows_are_scaled = false;
};

/// Reads a checkpoint of the reference: of Deep SAD (c, net_dict, perhaps ae_net_dict) or of its deep
/// generative models (net_dict), in PyTorch's ZIP container or the one before; or one that torch_checkpoint()
/// wrote, which needs no options. Images are scaled as the reference does, x / 255. Nothing in the file is
/// executed (deepsad/storage/pickle.h).
/// @throws ModelError "PATH: ..." if the file is no such checkpoint, is damaged, or holds opcodes, names,
/// keys, tensors or values that such a checkpoint does not have
/// @throws InvalidArgument if options are missing, contradict each other or do not fit the tensors
/// @throws DataError if the set cannot be read
[[nodiscard]] Model import_torch(const std::string& path, const TorchImportOptions& options,
                                 ThreadPool& pool);

/// The bytes of a checkpoint with the keys and tensor names of the reference: c, net_dict, ae_net_dict. A
/// further key "deepsad" holds what the reference has no place for (scaling, threshold, calibration scores,
/// ...), so that import_torch() gives the whole model back, to the bit. The container is the one before
/// PyTorch 1.6, which every version reads.
/// @throws InvalidArgument for methods without a network of their own, and hybrids
[[nodiscard]] std::vector<std::uint8_t> torch_checkpoint(const Model& model);

}  // namespace deepsad
