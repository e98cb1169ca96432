// Which rows a model was trained on. Training makes their scores too low, so that neither a test nor a
// threshold may be made of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "deepsad/core/parallel.h"
#include "deepsad/data/raw_rows.h"
#include "deepsad/data/table_file.h"
#include "deepsad/model/model.h"

namespace deepsad {

struct SeenRows {
  std::vector<std::uint32_t> compared;  ///< of the rows asked for, ascending: those that can be told
  std::vector<std::uint32_t> found;     ///< of these: those that are training rows
  bool all = true;  ///< the model keeps the hashes of all its training rows, and tells all

  /// Share of the compared rows; 0 if there are none.
  [[nodiscard]] double share() const;
};

/// Share of rows that may equal a training row by chance.
inline constexpr double kOverlapShare = 0.01;

/// Rows with the values of a training row, to the bit, whatever their order, labels and file; of a model that
/// goes on from others (option init), of a training row of any of them. Told by the hashes in the model's
/// profile.
/// @param positions of the rows asked for, in `rows`
/// @returns nothing if one of the models has no profile   @throws DataError as Scaler::transform()
[[nodiscard]] std::optional<SeenRows> rows_seen_in_training(const Model& model, const RawRows& rows,
                                                            std::span<const std::uint32_t> positions,
                                                            ThreadPool& pool);

/// Rows that a test or a threshold may be made of.
struct UnseenRows {
  std::vector<std::uint32_t> rows;    ///< positions in the table, ascending
  std::vector<std::string> messages;  ///< what was left out, and what cannot be known, a sentence each
};

/// What the rows are for.
enum class HeldOutPart { test, calibration };

/// Of the very table that the model was trained on, with the same labels: the rows held out for tests, or
/// those held out for calibration. Of any other rows: those without the values of a training row.
/// @param keep_training_rows all rows; a message says how many are training rows
/// @throws DataError if no row is left, or that part of the training table is not there or not known; or if
/// the model keeps hashes of a sample of its training rows only and more than kOverlapShare of the rows
/// compared are training rows, so that others must be, too
[[nodiscard]] UnseenRows unseen_rows(const Model& model, const Table& table, HeldOutPart part,
                                     bool keep_training_rows, ThreadPool& pool);

/// Whether these are the values and labels that the model was trained on; true labels may be new.
[[nodiscard]] bool is_training_table(const Model& model, const Table& table);

}  // namespace deepsad
