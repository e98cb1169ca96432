#include "deepsad/model/training_rows.h"

#include <algorithm>
#include <bit>
#include <iterator>

#include "deepsad/core/random.h"
#include "evaluation/row_sketch.h"

namespace deepsad {
namespace {

// Room for the sketches: at most so many quantiles of a feature, and so many in all (but three each).
constexpr std::size_t kMaxEdges = 19;
constexpr std::size_t kMinEdges = 3;
constexpr std::size_t kAllEdges = 8192;
constexpr std::size_t kScoreEdges = 99;
constexpr std::size_t kChunkRows = 1024;

std::uint64_t hash_of(std::span<const float> row) {
  std::uint64_t hash = row.size();
  for (const float value : row) {
    const float same = value == 0 ? 0.0F : value;  // -0 is 0
    hash = scrambled(hash + 0x9e3779b97f4a7c15 + std::bit_cast<std::uint32_t>(same));
  }
  return hash;
}

Matrix<float> rows_of(MatrixView<const float> x, std::span<const std::uint32_t> positions) {
  Matrix<float> rows(positions.size(), x.cols());
  for (std::size_t i = 0; i < positions.size(); ++i)
    std::ranges::copy(x.row(positions[i]), rows.row(i).begin());
  return rows;
}

// A few rows are copied at a time: training matrices are large.
std::vector<float> scores_of(const Detector& detector, MatrixView<const float> x,
                             std::span<const std::uint32_t> positions, ThreadPool& pool) {
  std::vector<float> scores(positions.size());
  for (std::size_t first = 0; first < scores.size(); first += kChunkRows) {
    const std::size_t n = std::min(kChunkRows, scores.size() - first);
    const Matrix<float> chunk = rows_of(x, positions.subspan(first, n));
    detector.score({chunk.values.data(), chunk.rows, chunk.cols}, std::span<float>(scores).subspan(first, n),
                   pool);
  }
  return scores;
}

/// The first n (or all) of a random order of the positions that keep(i) names, ascending.
template <class Keep>
std::vector<std::uint32_t> draw(std::uint64_t seed, const char* stream, std::size_t of, std::size_t n,
                                const Keep& keep) {
  std::vector<std::uint32_t> positions;
  for (std::uint32_t i = 0; i < of; ++i)
    if (keep(i)) positions.push_back(i);
  if (positions.size() > n) {
    RandomStream(seed, stream).shuffle(positions);
    positions.resize(n);
    std::sort(positions.begin(), positions.end());
  }
  return positions;
}

/// Rows that were drawn, with their scores.
struct Sample {
  std::vector<std::uint32_t> positions;
  std::vector<float> scores;
};

ExampleRows examples_from(const Detector& detector, const TrainingSet& data, const Sample& sample,
                          std::span<const std::uint32_t> rows, const TrainingRowsOptions& options,
                          ThreadPool& pool) {
  const auto is_candidate = [&](std::uint32_t k) {
    return data.semi[sample.positions[k]] != SemiLabel::anomaly;
  };
  std::vector<float> candidate_scores;
  for (std::uint32_t k = 0; k < sample.positions.size(); ++k)
    if (is_candidate(k)) candidate_scores.push_back(sample.scores[k]);
  std::vector<std::uint32_t> chosen;
  if (!candidate_scores.empty()) {
    const auto middle =
        candidate_scores.begin() + static_cast<std::ptrdiff_t>((candidate_scores.size() - 1) / 2);
    std::nth_element(candidate_scores.begin(), middle, candidate_scores.end());
    const float median = *middle;
    for (const std::uint32_t k :
         draw(options.seed, "examples/typical", sample.positions.size(), options.n_examples,
              [&](std::uint32_t i) { return is_candidate(i) && sample.scores[i] <= median; }))
      chosen.push_back(sample.positions[k]);
  }
  const std::size_t n_typical = chosen.size();
  const auto labelled = [&](SemiLabel label) {
    return draw(options.seed, label == SemiLabel::anomaly ? "examples/anomalous" : "examples/normal",
                data.semi.size(), options.n_examples, [&](std::uint32_t i) {
                  return data.semi[i] == label &&
                         !std::binary_search(chosen.begin(),
                                             chosen.begin() + static_cast<std::ptrdiff_t>(n_typical), i);
                });
  };
  std::vector<std::uint32_t> anomalous = labelled(SemiLabel::anomaly), normal = labelled(SemiLabel::normal);
  const std::size_t half = options.n_examples / 2;
  const std::size_t n_normal = std::min(
      normal.size(), std::max(half, options.n_examples - std::min(options.n_examples, anomalous.size())));
  anomalous.resize(std::min(anomalous.size(), options.n_examples - n_normal));
  normal.resize(n_normal);
  chosen.insert(chosen.end(), anomalous.begin(), anomalous.end());
  chosen.insert(chosen.end(), normal.begin(), normal.end());

  ExampleRows examples{
      .x = rows_of(data.x, chosen), .labels = {}, .scores = {}, .rows = {}, .n_typical = n_typical};
  for (const std::uint32_t position : chosen) {
    examples.labels.push_back(data.semi[position]);
    examples.rows.push_back(rows.empty() ? position : rows[position]);
  }
  examples.scores = scores_of(detector, data.x, chosen, pool);
  return examples;
}

TrainingProfile profile_of(MatrixView<const float> x, const Sample& sample, const TrainingRows* start,
                           ThreadPool& pool) {
  TrainingProfile profile;
  profile.n_rows = sample.positions.size();
  profile.features.resize(x.cols());
  const std::size_t n_edges = std::clamp(kAllEdges / x.cols(), kMinEdges, kMaxEdges);
  std::vector<std::vector<float>> columns(pool.n_threads(), std::vector<float>(profile.n_rows));
  pool.parallel_for_worker(x.cols(), [&](std::size_t j, std::size_t worker) {
    std::vector<float>& column = columns[worker];
    for (std::size_t i = 0; i < column.size(); ++i) column[i] = x(sample.positions[i], j);
    profile.features[j] = sketch_of(column, n_edges);
  });
  profile.scores = sketch_of(sample.scores, kScoreEdges);
  profile.hashes = hash_rows(x);
  if (start != nullptr) {
    const RowHashes unknown{.smallest = {}, .all = false};
    profile.hashes = merged(profile.hashes, start->profile ? start->profile->hashes : unknown);
  }
  return profile;
}

}  // namespace

RowHashes hash_rows(MatrixView<const float> x) {
  RowHashes hashes;
  hashes.smallest.reserve(x.rows());
  for (std::size_t i = 0; i < x.rows(); ++i) hashes.smallest.push_back(hash_of(x.row(i)));
  std::sort(hashes.smallest.begin(), hashes.smallest.end());
  hashes.smallest.erase(std::unique(hashes.smallest.begin(), hashes.smallest.end()), hashes.smallest.end());
  hashes.all = hashes.smallest.size() <= kMaxRowHashes;
  if (!hashes.all) hashes.smallest.resize(kMaxRowHashes);
  hashes.smallest.shrink_to_fit();
  return hashes;
}

RowHashes merged(const RowHashes& a, const RowHashes& b) {
  RowHashes both{.smallest = {}, .all = a.all && b.all};
  std::ranges::set_union(a.smallest, b.smallest, std::back_inserter(both.smallest));
  const auto cut = [&both](std::size_t n) {
    if (n >= both.smallest.size()) return;
    both.smallest.resize(n);
    both.all = false;
  };
  for (const RowHashes* one : {&a, &b}) {  // what one has left out is larger than all that it keeps
    if (one->all) continue;
    const auto end = one->smallest.empty() ? both.smallest.begin()
                                           : std::ranges::upper_bound(both.smallest, one->smallest.back());
    cut(static_cast<std::size_t>(end - both.smallest.begin()));
  }
  cut(kMaxRowHashes);
  return both;
}

RowHashes::Overlap RowHashes::overlap(MatrixView<const float> x) const {
  Overlap overlap;
  if (smallest.empty()) return overlap;
  for (std::uint32_t i = 0; i < x.rows(); ++i) {
    const std::uint64_t hash = hash_of(x.row(i));
    if (!all && hash > smallest.back()) continue;
    overlap.compared.push_back(i);
    if (std::binary_search(smallest.begin(), smallest.end(), hash)) overlap.found.push_back(i);
  }
  return overlap;
}

TrainingRows remember_training_rows(const Detector& detector, const TrainingSet& data,
                                    std::span<const std::uint32_t> rows, const TrainingRowsOptions& options,
                                    ThreadPool& pool) {
  TrainingRows kept;
  if ((options.n_examples == 0 && !options.profile) || data.x.rows() == 0) return kept;
  Sample sample;
  sample.positions =
      draw(options.seed, "profile", data.x.rows(), kProfileRows, [](std::uint32_t) { return true; });
  sample.scores = scores_of(detector, data.x, sample.positions, pool);
  if (options.n_examples > 0) {
    kept.examples =
        std::make_shared<const ExampleRows>(examples_from(detector, data, sample, rows, options, pool));
  }
  if (options.profile)
    kept.profile = std::make_shared<const TrainingProfile>(profile_of(data.x, sample, options.start, pool));
  return kept;
}

}  // namespace deepsad
