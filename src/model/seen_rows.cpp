#include "deepsad/model/seen_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "data/row_positions.h"
#include "deepsad/core/error.h"
#include "deepsad/data/row_file.h"
#include "model/data_source.h"

namespace deepsad {
namespace {

constexpr std::size_t kChunkRows = 1024;
constexpr const char* kKeep = "--keep-training-rows keeps them";

std::string count_of(std::size_t n, std::size_t of) {
  return fmt::format("{} of {} rows {}", n, of, n == 1 ? "is a training row" : "are training rows");
}

std::vector<std::uint32_t> without(const std::vector<std::uint32_t>& rows,
                                   const std::vector<std::uint32_t>& left_out) {
  std::vector<std::uint32_t> kept;
  std::set_difference(rows.begin(), rows.end(), left_out.begin(), left_out.end(), std::back_inserter(kept));
  return kept;
}

UnseenRows test_part(const Model& model, const Table& table) {
  const std::vector<std::uint32_t>& rows = model.setup().test_rows;
  if (rows.empty()) {
    throw DataError(fmt::format(
        "{}: is the table that the model was trained on, and no row was held out for a test; wanted other "
        "rows, or a training with a column of true labels, which holds some out",
        table.data.name));
  }
  return {rows,
          {fmt::format("the table that the model was trained on: only the {} rows held out for tests count",
                       rows.size())}};
}

// What is neither a test row nor a training row.
UnseenRows calibration_part(const Model& model, const Table& table, ThreadPool& pool) {
  const std::vector<std::uint32_t> untested = all_rows_but(model.setup().test_rows, table.data.size());
  const std::optional<SeenRows> seen = rows_seen_in_training(model, raw_rows(table.data), untested, pool);
  if (!seen || !seen->all) {
    throw DataError(fmt::format(
        "{}: is the table that the model was trained on, and the model cannot tell which rows were held out "
        "for calibration, as it keeps {} of its training rows; their scores are in the model (leave the rows "
        "out), or give others",
        table.data.name, seen ? "hashes of a sample" : "no hashes"));
  }
  UnseenRows unseen{without(untested, seen->found), {}};
  if (unseen.rows.empty())
    throw DataError(
        fmt::format("{}: is the table that the model was trained on, and no row was held out for "
                    "calibration; wanted other rows",
                    table.data.name));
  unseen.messages.push_back(
      fmt::format("the table that the model was trained on: only the {} rows held out for calibration count",
                  unseen.rows.size()));
  return unseen;
}

// What can be said of rows that no hash tells.
std::string sample_text(const SeenRows& seen) {
  return fmt::format(
      "the model keeps hashes of a sample of its training rows, which tell of {} of these rows; "
      "`deepsad data check TRAIN --against FILE` compares all",
      seen.compared.size());
}

}  // namespace

double SeenRows::share() const {
  return compared.empty() ? 0 : static_cast<double>(found.size()) / static_cast<double>(compared.size());
}

std::optional<SeenRows> rows_seen_in_training(const Model& model, const RawRows& rows,
                                              std::span<const std::uint32_t> positions, ThreadPool& pool) {
  const TrainingProfile* profile = model.training_rows().profile.get();
  if (profile == nullptr || !profile->hashes.can_tell()) return std::nullopt;
  const std::size_t n_chunks = (positions.size() + kChunkRows - 1) / kChunkRows;
  std::vector<RowHashes::Overlap> overlaps(n_chunks);
  pool.parallel_for(n_chunks, [&](std::size_t chunk) {
    const std::size_t first = chunk * kChunkRows;
    const auto part = positions.subspan(first, std::min(kChunkRows, positions.size() - first));
    Matrix<float> x(part.size(), model.scaler().n_features());
    for (std::size_t i = 0; i < part.size(); ++i)
      model.scaler().transform(rows, part[i], {x.row(i).data(), 1, x.cols});
    overlaps[chunk] = profile->hashes.overlap({x.values.data(), x.rows, x.cols});
    for (std::vector<std::uint32_t>* rows_of : {&overlaps[chunk].compared, &overlaps[chunk].found})
      for (std::uint32_t& row : *rows_of) row = part[row];
  });
  SeenRows seen{.compared = {}, .found = {}, .all = profile->hashes.all};
  for (const RowHashes::Overlap& overlap : overlaps) {
    seen.compared.insert(seen.compared.end(), overlap.compared.begin(), overlap.compared.end());
    seen.found.insert(seen.found.end(), overlap.found.begin(), overlap.found.end());
  }
  return seen;
}

bool is_training_table(const Model& model, const Table& table) {
  const std::string& wanted = model.setup().data_checksum;
  if (wanted.empty()) return false;
  std::vector<SemiLabel> semi = table.semi;
  semi.resize(table.data.size(), SemiLabel::unlabelled);
  return data_checksum(table.data, {}, semi) == wanted ||
         (!table.truth.empty() && data_checksum(table.data, table.truth, semi) == wanted);
}

UnseenRows unseen_rows(const Model& model, const Table& table, HeldOutPart part, bool keep_training_rows,
                       ThreadPool& pool) {
  if (!keep_training_rows && is_training_table(model, table))
    return part == HeldOutPart::test ? test_part(model, table) : calibration_part(model, table, pool);
  const std::size_t n = table.data.size();
  UnseenRows unseen;
  unseen.rows = all_rows(n);
  const std::optional<SeenRows> seen = rows_seen_in_training(model, raw_rows(table.data), unseen.rows, pool);
  if (!seen) {
    unseen.messages.emplace_back(
        "whether the training saw some of these rows, the model cannot tell; `deepsad data check TRAIN "
        "--against FILE` can");
    return unseen;
  }
  const std::size_t n_found = seen->found.size();
  if (keep_training_rows) {
    if (n_found > 0)
      unseen.messages.push_back(count_of(n_found, seen->compared.size()) +
                                " and kept, as asked: their scores are too low");
    return unseen;
  }
  if (!seen->all && seen->share() > kOverlapShare) {
    throw DataError(fmt::format(
        "{}: {}, and the model cannot tell of the other {} rows, as it keeps hashes of a sample of its "
        "training rows only; wanted rows that the training did not see ({})",
        table.data.name, count_of(n_found, seen->compared.size()), n - seen->compared.size(), kKeep));
  }
  if (n_found == n) {
    throw DataError(
        fmt::format("{}: all {} rows are rows that the model was trained on; wanted rows that the training "
                    "did not see ({})",
                    table.data.name, n, kKeep));
  }
  unseen.rows = without(unseen.rows, seen->found);
  if (n_found > 0)
    unseen.messages.push_back(count_of(n_found, seen->compared.size()) +
                              fmt::format(" and left out ({})", kKeep));
  if (!seen->all) unseen.messages.push_back(sample_text(*seen));
  return unseen;
}

}  // namespace deepsad
