// Train/test split of tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "deepsad/data/dataset.h"

namespace deepsad {

/// Row indices of a Dataset, normals first, then anomalies. The two lists share no row and together hold
/// every row.
struct TrainTestSplit {
  std::vector<std::uint32_t> train;
  std::vector<std::uint32_t> test;
};

/// The paper's random 60:40 split, drawn within each class so that both parts keep the share of anomalies:
/// n_test = ceil(0.4 n), n_train = n - n_test, for normals and anomalies separately. Inside a class the rows
/// are ascending. Drawn from the stream "split" of the seed, index 0 for normals and 1 for anomalies. Source:
/// Ruff et al., Deep Semi-Supervised Anomaly Detection, ICLR 2020, section 4.4.
/// @param labels true label of each row; at least two normals (one to train on, one to test on) and one
/// anomaly (it
///               goes to the test part, whose AUC is undefined without one)
/// @throws DataError if a class has too few rows; the message says which and how many are needed
/// @throws InvalidArgument if there are 2^32 rows or more
[[nodiscard]] TrainTestSplit split_table(std::span<const TrueLabel> labels, std::uint64_t seed);

/// What the reference system draws: its training object and its test object each make a split of their own
/// from one generator, so that about 60 % of the test rows are training rows. For --compat reference, which
/// trains on first.train and tests on second.test, scaled by constants fitted on first.train and second.train
/// respectively.
struct ReferenceSplits {
  TrainTestSplit first;
  TrainTestSplit second;
};

/// Both splits of the reference, bit for bit, rows in the order in which it lists them.
/// @param seed in [0, 2^32), as NumPy's generator takes it
/// @throws DataError if a class has fewer than two rows (the reference stops there too)
/// @throws InvalidArgument if the seed or the number of rows is 2^32 or more
[[nodiscard]] ReferenceSplits split_table_reference(std::span<const TrueLabel> labels, std::uint64_t seed);

/// How many of the test rows are also training rows: 0 in an honest evaluation. Cost: O(n log n).
[[nodiscard]] std::size_t n_shared_rows(std::span<const std::uint32_t> train,
                                        std::span<const std::uint32_t> test);

}  // namespace deepsad
