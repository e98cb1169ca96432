// Building the semi-supervised training set: which samples the training sees, and what it may know of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "deepsad/core/reference_random.h"
#include "deepsad/data/dataset.h"

namespace deepsad {

/// Shares of labelled samples and of pollution, wanted or reached.
struct SemiSupervisedRatios {
  double known_normal = 0;   ///< a: labelled normals in the whole training set
  double known_outlier = 0;  ///< b: labelled anomalies in the whole training set
  double pollution = 0;      ///< p: anomalies in its unlabelled part
};

/// Sizes of the four parts of the training set.
struct SemiSupervisedCounts {
  std::size_t known_normal = 0;        ///< KN, semi label +1
  std::size_t unlabelled_normal = 0;   ///< UN, semi label 0
  std::size_t unlabelled_anomaly = 0;  ///< UO, semi label 0: the pollution
  std::size_t known_anomaly = 0;       ///< KO, semi label -1

  [[nodiscard]] std::size_t total() const {
    return known_normal + unlabelled_normal + unlabelled_anomaly + known_anomaly;
  }
  bool operator==(const SemiSupervisedCounts&) const = default;
};

/// The training set, sample by sample, in the order KN, UN, UO, KO.
struct SemiSupervisedSet {
  std::vector<std::uint32_t> rows;  ///< positions in the list of classes that the set was built from
  std::vector<SemiLabel> semi;      ///< what the training may know of rows[i]
  std::vector<TrueLabel> truth;     ///< what rows[i] is; for evaluation only
  SemiSupervisedCounts counts;      ///< as counted in semi and truth
  SemiSupervisedRatios requested;
  SemiSupervisedRatios realised;  ///< the same shares as counted; pollution is 0 if nothing is unlabelled
  std::size_t n_duplicates = 0;   ///< samples that appear twice; only the reference's construction makes any
};

struct SemiSupervisedOptions {
  std::vector<int> normal_classes{0};  ///< every other class is anomalous
  std::vector<int> known_classes{};    ///< anomaly classes that labelled anomalies come from
  SemiSupervisedRatios ratios{};       ///< each in [0, 1), known_normal + known_outlier < 1
};

/// The class of each of the given rows: its original class, or 0 (normal) and 1 (anomaly) where the data has
/// true labels only.
/// @throws DataError if the data has neither
/// @throws InvalidArgument if a row is not there
[[nodiscard]] std::vector<int> sample_classes(const Dataset& data, std::span<const std::uint32_t> rows);
/// The class of every row.
[[nodiscard]] std::vector<int> sample_classes(const Dataset& data);

/// Normal if the sample's class is one of normal_classes, else anomaly.
/// @throws InvalidArgument if normal_classes is empty or has an entry twice
[[nodiscard]] std::vector<TrueLabel> true_labels(std::span<const int> classes,
                                                 std::span<const int> normal_classes);

/// Distinct classes that are not normal, ascending.
[[nodiscard]] std::vector<int> anomaly_classes(std::span<const int> classes,
                                               std::span<const int> normal_classes);

/// Which anomaly classes labelled anomalies come from. n_known = 0: none. n_known = 1: known_outlier_class.
/// n_known > 1: that many distinct ones, drawn uniformly from the stream "known_classes", ascending.
/// (A table with true labels only has the one anomaly class 1: use {1} for any n_known > 0.)
/// @throws InvalidArgument if there are fewer than n_known anomaly classes, or n_known = 1 and
/// known_outlier_class is
///         not an anomaly class
[[nodiscard]] std::vector<int> choose_known_classes(std::uint64_t seed, std::span<const int> anomaly_classes,
                                                    std::size_t n_known, int known_outlier_class);
/// The reference's choice, bit for bit, in the order in which it draws: random.sample from Python's
/// generator, which is advanced only if n_known > 1.
/// @throws as choose_known_classes; also if there are more than 21 anomaly classes
[[nodiscard]] std::vector<int> choose_known_classes_reference(PythonRandom& random,
                                                              std::span<const int> anomaly_classes,
                                                              std::size_t n_known, int known_outlier_class);

/// Sizes of the four parts for n normals, all of which are used. With a, b, p the ratios and
/// N = n / (a + (1-p)(1-a-b)):  KN = a N, UN = n - KN, UO = p (1-a-b) N, KO = b N.
/// KN, UO and KO are rounded down (a value within 1e-6 below an integer counts as that integer, so that
/// rounding errors never cost a sample); KN + UN = n always. Source: the closed form of the linear system in
/// the authors' published code, which rounds all four down.
/// @throws InvalidArgument if a ratio is outside [0, 1) or not a number, or a + b >= 1
[[nodiscard]] SemiSupervisedCounts semi_supervised_counts(std::size_t n_normal,
                                                          const SemiSupervisedRatios& ratios);

/// How far one ratio can go while the other two stay: the largest value that needs no more anomalies than
/// there are, in [0, 1]; negative if the other ratios alone need too many.
struct SemiSupervisedLimits {
  double known_outlier = 0;
  double pollution = 0;
};
/// @param n_known_candidates samples of the known classes   @param n_anomalies samples of all anomaly classes
[[nodiscard]] SemiSupervisedLimits semi_supervised_limits(std::size_t n_normal,
                                                          std::size_t n_known_candidates,
                                                          std::size_t n_anomalies,
                                                          const SemiSupervisedRatios& ratios);

/// The semi-supervised training set, a pure function of its arguments.
/// 1. KN of the n normals become known normals (stream "semi/known_normal"), the others unlabelled.
/// 2. KO samples of the known classes, pooled, become known anomalies (stream "semi/known_anomaly").
/// 3. UO of the remaining anomalies, of all classes, become pollution (stream "semi/pollution").
/// No sample appears twice. Every group is ascending in rows. A larger ratio of known normals or known
/// anomalies keeps the samples that a smaller one labels, the seed being the same.
/// @param classes class of each training sample, see sample_classes(); fewer than 2^32
/// @throws InvalidArgument if a ratio is out of range (see semi_supervised_counts); a ratio needs more
/// anomalies than
///         there are (the message names the largest feasible value); ratios.known_outlier > 0 without known
///         classes; a known class is also normal; no sample has a normal or known class; normal_classes is
///         empty or has an entry twice
[[nodiscard]] SemiSupervisedSet semi_supervised_set(std::span<const int> classes,
                                                    const SemiSupervisedOptions& options, std::uint64_t seed);

/// The four sizes as the reference's 4x4 linear system gives them, before truncation: KN, UN, UO, KO, from LU
/// factorisation with partial pivoting in double, in LAPACK's order of operations. Solutions may miss an
/// integer by one unit in the last place, which then costs a sample.
/// @throws InvalidArgument if a ratio is outside [0, 1) or not a number, or a + b > 1 (the reference fails
/// there)
[[nodiscard]] std::array<double, 4> semi_supervised_solution_reference(std::size_t n_normal,
                                                                       const SemiSupervisedRatios& ratios);

/// The reference's training set, bit for bit, for --compat reference: sizes truncated from the solution
/// above, so that a normal sample may be lost; pollution and labelled anomalies drawn independently, so that
/// a sample may be in both and then counts as labelled twice. Draws permutations of the normals, of all
/// anomalies and of the known classes' samples, in this order, whether they are used or not. counts and
/// realised tell what really came out.
/// @throws InvalidArgument where the reference stops with an error, and as semi_supervised_set for classes
[[nodiscard]] SemiSupervisedSet semi_supervised_set_reference(std::span<const int> classes,
                                                              const SemiSupervisedOptions& options,
                                                              NumpyRandom& random);

}  // namespace deepsad
