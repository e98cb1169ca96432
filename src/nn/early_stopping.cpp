#include "nn/early_stopping.h"

#include <fmt/format.h>

#include <cmath>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"

namespace deepsad {

RowParts split_off_validation(std::vector<std::uint32_t> rows, std::span<const SemiLabel> semi,
                              const TrainingOptions& options, std::uint64_t seed, const std::string& phase) {
  if (options.patience == 0) return {.train = std::move(rows), .validation = {}};
  constexpr struct {
    SemiLabel label;
    const char* stream;
  } kStrata[] = {{SemiLabel::normal, "validation/normal"},
                 {SemiLabel::unlabelled, "validation/unlabelled"},
                 {SemiLabel::anomaly, "validation/anomaly"}};
  std::vector<bool> held_out(rows.size());
  std::size_t n_held_out = 0;
  for (const auto& [label, stream] : kStrata) {
    std::vector<std::uint32_t> positions;
    for (std::uint32_t i = 0; i < rows.size(); ++i)
      if (semi[rows[i]] == label) positions.push_back(i);
    RandomStream(seed, stream).shuffle(positions);
    positions.resize(
        static_cast<std::size_t>(options.validation_share * static_cast<double>(positions.size())));
    for (const std::uint32_t position : positions) held_out[position] = true;
    n_held_out += positions.size();
  }
  if (n_held_out == 0) {
    throw InvalidArgument(fmt::format(
        "{}: early stopping holds out a share of {} of each kind of row, but of these {} rows that "
        "is not a single one; raise validation_share, or leave patience out",
        phase, options.validation_share, rows.size()));
  }
  RowParts parts;
  parts.validation.reserve(n_held_out);
  parts.train.reserve(rows.size() - n_held_out);
  for (std::size_t i = 0; i < rows.size(); ++i)
    (held_out[i] ? parts.validation : parts.train).push_back(rows[i]);
  return parts;
}

bool EarlyStopping::is_best(std::size_t epoch, double loss) {
  if (!(loss < best_loss_)) return false;  // also for NaN
  best_epoch_ = epoch;
  best_loss_ = loss;
  return true;
}

}  // namespace deepsad
