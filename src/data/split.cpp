#include "deepsad/data/split.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "deepsad/core/reference_random.h"

namespace deepsad {
namespace {

using Rows = std::vector<std::uint32_t>;

// ceil(0.4 n) in integers. The reference computes it in double and gets the same: 0.4 n, rounded, never
// passes the integer 2n/5 when that is one.
std::size_t test_size(std::size_t n) {
  return (2 * n + 4) / 5;
}

std::array<Rows, 2> rows_by_label(std::span<const TrueLabel> labels) {
  if (labels.size() > std::numeric_limits<std::uint32_t>::max()) {
    throw InvalidArgument(fmt::format("[split_table] {} rows; at most 2^32 - 1 can be split", labels.size()));
  }
  std::array<Rows, 2> rows;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    rows[labels[i] == TrueLabel::anomaly ? 1 : 0].push_back(static_cast<std::uint32_t>(i));
  }
  return rows;
}

// One class: the first n_test rows of the permutation are test rows, the others training rows.
TrainTestSplit split_class(const Rows& rows, const std::vector<std::size_t>& permutation) {
  TrainTestSplit split;
  const std::size_t n_test = test_size(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i)
    (i < n_test ? split.test : split.train).push_back(rows[permutation[i]]);
  return split;
}

TrainTestSplit normals_then_anomalies(TrainTestSplit normals, const TrainTestSplit& anomalies) {
  normals.train.insert(normals.train.end(), anomalies.train.begin(), anomalies.train.end());
  normals.test.insert(normals.test.end(), anomalies.test.begin(), anomalies.test.end());
  return normals;
}

// A split that leaks would make every later figure a lie, so the promise of the header is checked here and
// not only in tests; the cost is nothing beside the training that follows.
void require_partition(const TrainTestSplit& split, std::size_t n) {
  if (split.train.size() + split.test.size() != n || n_shared_rows(split.train, split.test) != 0) {
    throw Error(
        fmt::format("[split_table] internal error: {} training and {} test rows, {} of them shared, from {}",
                    split.train.size(), split.test.size(), n_shared_rows(split.train, split.test), n));
  }
}

}  // namespace

TrainTestSplit split_table(std::span<const TrueLabel> labels, std::uint64_t seed) {
  const auto rows = rows_by_label(labels);
  if (rows[0].size() < 2) {
    throw DataError(
        fmt::format("[split_table] the table has {} normal row(s) among {}; the 60:40 split needs at least "
                    "2, one to train on and "
                    "one to test on",
                    rows[0].size(), labels.size()));
  }
  if (rows[1].empty()) {
    throw DataError(fmt::format(
        "[split_table] the table has no anomaly among {} rows; the test part needs at least 1, its AUC is "
        "undefined without one",
        labels.size()));
  }
  std::array<TrainTestSplit, 2> parts;
  for (std::size_t label = 0; label < 2; ++label) {
    parts[label] =
        split_class(rows[label], RandomStream(seed, "split", label).permutation(rows[label].size()));
    std::sort(parts[label].train.begin(), parts[label].train.end());
    std::sort(parts[label].test.begin(), parts[label].test.end());
  }
  TrainTestSplit split = normals_then_anomalies(std::move(parts[0]), parts[1]);
  require_partition(split, labels.size());
  return split;
}

ReferenceSplits split_table_reference(std::span<const TrueLabel> labels, std::uint64_t seed) {
  if (seed > std::numeric_limits<std::uint32_t>::max()) {
    throw InvalidArgument(
        fmt::format("[split_table_reference] seed {}; the reference's generator takes 0 to 2^32 - 1", seed));
  }
  const auto rows = rows_by_label(labels);
  for (std::size_t label = 0; label < 2; ++label) {
    if (rows[label].size() < 2) {
      throw DataError(
          fmt::format("[split_table_reference] the table has {} {} row(s) among {}; the reference needs at "
                      "least 2 of each",
                      rows[label].size(), label == 0 ? "normal" : "anomalous", labels.size()));
    }
  }
  NumpyRandom generator(static_cast<std::uint32_t>(seed));
  const auto draw = [&] {
    // Two statements: the normals' permutation must be drawn first.
    TrainTestSplit normals = split_class(rows[0], generator.permutation(rows[0].size()));
    const TrainTestSplit anomalies = split_class(rows[1], generator.permutation(rows[1].size()));
    TrainTestSplit split = normals_then_anomalies(std::move(normals), anomalies);
    require_partition(split, labels.size());
    return split;
  };
  ReferenceSplits splits;
  splits.first = draw();
  splits.second = draw();
  return splits;
}

std::size_t n_shared_rows(std::span<const std::uint32_t> train, std::span<const std::uint32_t> test) {
  Rows sorted(train.begin(), train.end());
  std::sort(sorted.begin(), sorted.end());
  return static_cast<std::size_t>(std::count_if(test.begin(), test.end(), [&](std::uint32_t row) {
    return std::binary_search(sorted.begin(), sorted.end(), row);
  }));
}

}  // namespace deepsad
