#include "deepsad/detectors/isolation_forest.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "core/scoring_only.h"
#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "detectors/network_detector.h"
#include "detectors/registry.h"
#include "detectors/support_vector.h"
#include "detectors/training_checks.h"

namespace deepsad {
namespace {

constexpr std::size_t kMostTrees = 100'000;
constexpr std::size_t kMostSamples = std::size_t{1}
                                     << 23;  // node numbers stay exact as float in the model file
constexpr double kEuler = 0.5772156649;      // as [1] and scikit-learn write it
/// Rows scored at a time by one thread, and rows that go down a tree side by side.
constexpr std::size_t kScoreBlock = 64, kSideBySide = 8;

constexpr const char* kFeatureTensor = "forest.feature";
constexpr const char* kThresholdTensor = "forest.threshold";
constexpr const char* kLeftTensor = "forest.left";
constexpr const char* kLengthTensor = "forest.path_length";
constexpr const char* kSizesTensor = "forest.nodes_of_tree";

/// Nodes of one tree. Children stand side by side; a row goes right if its feature exceeds the threshold. A
/// leaf is its own left child and has threshold infinity, so that a row which has arrived stays.
struct Tree {
  std::vector<std::uint32_t> feature, left;
  std::vector<float> threshold, path_length;  // path_length of leaves: edges + c(rows)
  std::size_t depth = 0;

  [[nodiscard]] std::size_t size() const { return feature.size(); }
  std::size_t add_nodes(std::size_t n) {
    const std::size_t first = size();
    for (std::size_t i = first; i < first + n; ++i) {
      feature.push_back(0);
      left.push_back(static_cast<std::uint32_t>(i));
      threshold.push_back(std::numeric_limits<float>::infinity());
      path_length.push_back(0);
    }
    return first;
  }
};

Tree grow(MatrixView<const float> x, std::vector<std::uint32_t> rows, RandomStream& random) {
  const std::size_t d = x.cols();
  const auto depth_limit = static_cast<std::size_t>(
      std::ceil(std::log2(static_cast<double>(std::max<std::size_t>(rows.size(), 2)))));
  // The first n_constant features of a node are known to be constant there and below. Siblings reorder only
  // what stands behind, so the prefix stays valid.
  std::vector<std::uint32_t> features(d);
  std::iota(features.begin(), features.end(), 0U);
  struct Pending {
    std::size_t node, begin, end, depth, n_constant;
  };
  Tree tree;
  std::vector<Pending> stack{{tree.add_nodes(1), 0, rows.size(), 0, 0}};
  while (!stack.empty()) {
    auto [node, begin, end, depth, n_constant] = stack.back();
    stack.pop_back();
    tree.depth = std::max(tree.depth, depth);
    std::size_t feature = d;
    float low = 0, high = 0;
    while (depth < depth_limit && end - begin > 1 && n_constant < d && feature == d) {
      const std::size_t at = n_constant + random.below(d - n_constant);
      const std::size_t candidate = features[at];
      low = high = x(rows[begin], candidate);
      for (std::size_t i = begin + 1; i < end; ++i) {
        const float value = x(rows[i], candidate);
        low = std::min(low, value);
        high = std::max(high, value);
      }
      if (low < high)
        feature = candidate;
      else
        std::swap(features[at], features[n_constant++]);
    }
    if (feature == d) {
      tree.path_length[node] =
          static_cast<float>(static_cast<double>(depth) + average_path_length(end - begin));
      continue;
    }
    auto threshold = static_cast<float>(random.uniform(static_cast<double>(low), static_cast<double>(high)));
    if (!(threshold < high)) threshold = low;  // rounded up: both sides must get a row
    const auto middle = std::partition(rows.begin() + static_cast<std::ptrdiff_t>(begin),
                                       rows.begin() + static_cast<std::ptrdiff_t>(end),
                                       [&](std::uint32_t row) { return !(x(row, feature) > threshold); });
    const auto cut = static_cast<std::size_t>(middle - rows.begin());
    const std::size_t left = tree.add_nodes(2);
    tree.feature[node] = static_cast<std::uint32_t>(feature);
    tree.threshold[node] = threshold;
    tree.left[node] = static_cast<std::uint32_t>(left);
    stack.push_back({left, begin, cut, depth + 1, n_constant});
    stack.push_back({left + 1, cut, end, depth + 1, n_constant});
  }
  return tree;
}

/// sums[i] += h(x_i) for all rows of a block.
void add_path_lengths(const Tree& tree, MatrixView<const float> x, double* sums) {
  for (std::size_t first = 0; first < x.rows(); first += kSideBySide) {
    const std::size_t n = std::min(kSideBySide, x.rows() - first);
    std::array<std::uint32_t, kSideBySide> node{};
    std::array<const float*, kSideBySide> row{};
    for (std::size_t r = 0; r < kSideBySide; ++r)
      row[r] = x.data() + (first + std::min(r, n - 1)) * x.stride();
    for (std::size_t step = 0; step < tree.depth; ++step) {
      for (std::size_t r = 0; r < kSideBySide; ++r) {
        const std::uint32_t at = node[r];
        node[r] = tree.left[at] + (row[r][tree.feature[at]] > tree.threshold[at] ? 1U : 0U);
      }
    }
    for (std::size_t r = 0; r < n; ++r) sums[first + r] += static_cast<double>(tree.path_length[node[r]]);
  }
}

class IsolationForest final : public Detector {
 public:
  explicit IsolationForest(const IsolationForestOptions& options) : options_(options) {
    if (options.n_estimators < 1 || options.n_estimators > kMostTrees)
      throw InvalidArgument(
          fmt::format("n_estimators must lie in [1, {}], got {}", kMostTrees, options.n_estimators));
    if (options.max_samples < 2 || options.max_samples > kMostSamples)
      throw InvalidArgument(
          fmt::format("max_samples must lie in [2, {}], got {}", kMostSamples, options.max_samples));
    if (!(options.contamination > 0 && options.contamination <= 0.5))
      throw InvalidArgument(fmt::format("contamination must lie in (0, 0.5], got {}", options.contamination));
  }
  IsolationForest(const IsolationForestOptions& options, const Json& fitted, const StateDict& tensors);

  [[nodiscard]] std::string method() const override { return "isolation_forest"; }
  [[nodiscard]] std::size_t n_features() const override { return n_features_; }
  [[nodiscard]] const std::vector<PhaseRecord>& phases() const override { return phases_; }
  [[nodiscard]] const std::vector<Finding>& findings() const override { return findings_; }
  [[nodiscard]] std::string fit_report() const override { return report_.dump(); }
  void fit(const TrainingSet& data, FitContext& context) override;
  void score(MatrixView<const float> x, std::span<float> scores, ThreadPool& pool) const override;
  [[nodiscard]] std::string description() const override {
    return Json{{"options",
                 {{"n_estimators", options_.n_estimators},
                  {"max_samples", options_.max_samples},
                  {"contamination", options_.contamination},
                  {"exclude_labelled_anomalies", options_.exclude_labelled_anomalies}}},
                {"fitted", {{"n_features", n_features_}, {"psi", psi_}, {"threshold", threshold_}}}}
        .dump();
  }
  [[nodiscard]] std::vector<DetectorTensor> tensors() const override;

 private:
  IsolationForestOptions options_;
  std::vector<Tree> trees_;
  std::size_t n_features_ = 0, psi_ = 0;
  double threshold_ = 0;
  std::vector<PhaseRecord> phases_;
  std::vector<Finding> findings_;
  Json report_ = Json::object();
};

void IsolationForest::fit(const TrainingSet& data, FitContext& context) {
  beyond_scoring();
  check_rows("isolation_forest", data.x);
  findings_.clear();
  report_ = Json::object();
  const std::vector<std::uint32_t> rows = select_rows(data.x.rows(), [&](std::size_t i) {
    return !options_.exclude_labelled_anomalies || data.semi[i] != SemiLabel::anomaly;
  });
  if (rows.size() < 2)
    throw InvalidArgument(
        fmt::format("[isolation_forest] needs at least two rows to train on, got {}", rows.size()));
  n_features_ = data.x.cols();
  psi_ = std::min(options_.max_samples, rows.size());
  trees_.assign(options_.n_estimators, {});
  context.pool.parallel_for(trees_.size(), [&](std::size_t t) {
    if (context.stop != nullptr && context.stop->stop_requested()) return;
    RandomStream random(context.seed, "forest/tree", t);
    // psi of n rows by Floyd's algorithm: psi draws whatever n. In ascending order they lie close in memory.
    std::vector<std::uint32_t> chosen;
    chosen.reserve(psi_);
    std::vector<bool> taken(rows.size());
    for (std::size_t j = rows.size() - psi_; j < rows.size(); ++j) {
      std::size_t pick = random.below(j + 1);
      if (taken[pick]) pick = j;
      taken[pick] = true;
      chosen.push_back(rows[pick]);
    }
    std::sort(chosen.begin(), chosen.end());
    trees_[t] = grow(data.x, std::move(chosen), random);
  });
  if (context.stop != nullptr && context.stop->stop_requested())
    throw Interrupted("stopped while growing trees");

  std::vector<float> scores(data.x.rows());
  score(data.x, scores, context.pool);
  std::vector<float> sorted;
  for (const std::uint32_t row : rows) sorted.push_back(scores[row]);
  std::sort(sorted.begin(), sorted.end());
  const double position = (1 - options_.contamination) * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  threshold_ = std::lerp(static_cast<double>(sorted[below]), static_cast<double>(sorted[above]),
                         position - static_cast<double>(below));
  std::size_t n_nodes = 0;
  for (const Tree& tree : trees_) n_nodes += tree.size();
  report_ = {{"n_rows", rows.size()},
             {"trees", trees_.size()},
             {"rows_of_a_tree", psi_},
             {"nodes", n_nodes},
             {"threshold", threshold_}};
  context.observer.info(fmt::format("isolation forest: {} trees of {} rows, {} nodes, threshold {:.4f}",
                                    trees_.size(), psi_, n_nodes, threshold_));
  check_scores_vary(scores, findings_);
  if (rows.size() == data.x.rows()) check_labels_wanted(method(), data.semi, findings_);
}

void IsolationForest::score(MatrixView<const float> x, std::span<float> scores, ThreadPool& pool) const {
  check_scorable(n_features_, !trees_.empty(), x, scores.size());
  const double scale = -std::numbers::ln2 / (static_cast<double>(trees_.size()) * average_path_length(psi_));
  pool.parallel_for((x.rows() + kScoreBlock - 1) / kScoreBlock, [&](std::size_t block) {
    const std::size_t first = block * kScoreBlock, n = std::min(kScoreBlock, x.rows() - first);
    std::array<double, kScoreBlock> sums{};
    for (const Tree& tree : trees_) add_path_lengths(tree, x.rows_from(first, n), sums.data());
    for (std::size_t i = 0; i < n; ++i) scores[first + i] = static_cast<float>(std::exp(scale * sums[i]));
  });
}

std::vector<DetectorTensor> IsolationForest::tensors() const {
  StateTensor feature{.name = kFeatureTensor, .shape = {}, .values = {}, .is_count = false, .count = 0};
  StateTensor threshold = feature, left = feature, length = feature, sizes = feature;
  threshold.name = kThresholdTensor;
  left.name = kLeftTensor;
  length.name = kLengthTensor;
  sizes.name = kSizesTensor;
  for (const Tree& tree : trees_) {
    for (std::size_t i = 0; i < tree.size(); ++i) {
      const bool leaf = tree.left[i] == i;
      feature.values.push_back(leaf ? -1.0F : static_cast<float>(tree.feature[i]));
      threshold.values.push_back(leaf ? 0.0F : tree.threshold[i]);
      left.values.push_back(leaf ? -1.0F : static_cast<float>(tree.left[i]));
      length.values.push_back(tree.path_length[i]);
    }
    sizes.values.push_back(static_cast<float>(tree.size()));
  }
  std::vector<DetectorTensor> all{feature, threshold, left, length, sizes};
  for (DetectorTensor& tensor : all) tensor.shape = {tensor.values.size()};
  return all;
}

IsolationForest::IsolationForest(const IsolationForestOptions& options, const Json& fitted,
                                 const StateDict& tensors)
    : IsolationForest(options) {
  n_features_ = fitted.at("n_features").get<std::size_t>();
  psi_ = fitted.at("psi").get<std::size_t>();
  threshold_ = fitted.at("threshold").get<double>();
  const auto& feature = tensor_named(tensors, kFeatureTensor).values;
  const auto& threshold = tensor_named(tensors, kThresholdTensor).values;
  const auto& left = tensor_named(tensors, kLeftTensor).values;
  const auto& length = tensor_named(tensors, kLengthTensor).values;
  const auto& sizes = tensor_named(tensors, kSizesTensor).values;
  const auto refuse = [](const char* what) {
    throw InvalidArgument(fmt::format("damaged forest: {}", what));
  };
  const std::size_t n_nodes = feature.size();
  if (threshold.size() != n_nodes || left.size() != n_nodes || length.size() != n_nodes)
    refuse("its tensors have different lengths");
  if (n_features_ == 0 || psi_ < 2 || psi_ > kMostSamples)
    refuse("no features, or an impossible number of rows");
  if (sizes.empty() || sizes.size() > kMostTrees) refuse("no trees, or too many");
  std::size_t begin = 0;
  for (const float size : sizes) {
    if (!(size >= 1) || size > static_cast<float>(n_nodes - begin) || size != std::trunc(size))
      refuse("a tree has an impossible number of nodes");
    const auto n = static_cast<std::size_t>(size);
    Tree tree;
    tree.add_nodes(n);
    std::vector<std::size_t> depth(n, 0);
    for (std::size_t i = 0; i < n; ++i) {
      const float f = feature[begin + i], l = left[begin + i];
      if (!std::isfinite(length[begin + i]) || length[begin + i] < 0)
        refuse("a path length is negative or not finite");
      tree.path_length[i] = length[begin + i];
      tree.depth = std::max(tree.depth, depth[i]);
      if (f == -1) continue;
      // Children stand behind their parent, so every row comes to an end.
      if (!(f >= 0 && f < static_cast<float>(n_features_) && f == std::trunc(f)))
        refuse("a node's feature is unknown");
      if (!(l > static_cast<float>(i) && l + 1 < static_cast<float>(n) && l == std::trunc(l)))
        refuse("a node's children are not in its tree");
      if (!std::isfinite(threshold[begin + i])) refuse("a threshold is not finite");
      tree.feature[i] = static_cast<std::uint32_t>(f);
      tree.left[i] = static_cast<std::uint32_t>(l);
      tree.threshold[i] = threshold[begin + i];
      depth[tree.left[i]] = depth[tree.left[i] + 1] = depth[i] + 1;
    }
    trees_.push_back(std::move(tree));
    begin += n;
  }
  if (begin != n_nodes) refuse("it has nodes of no tree");
}

}  // namespace

double average_path_length(std::size_t m) {
  if (m <= 1) return 0;
  if (m == 2) return 1;
  const auto n = static_cast<double>(m);
  return 2 * (std::log(n - 1) + kEuler) - 2 * (n - 1) / n;
}

std::unique_ptr<Detector> make_isolation_forest(const IsolationForestOptions& options) {
  return std::make_unique<IsolationForest>(options);
}

std::unique_ptr<Detector> restore_isolation_forest(const std::string& /*method*/, const Json& description,
                                                   StateDict tensors, const std::string& /*source*/) {
  const Json& options = description.at("options");
  return std::make_unique<IsolationForest>(
      IsolationForestOptions{
          .n_estimators = options.at("n_estimators").get<std::size_t>(),
          .max_samples = options.at("max_samples").get<std::size_t>(),
          .contamination = options.at("contamination").get<double>(),
          .exclude_labelled_anomalies = options.at("exclude_labelled_anomalies").get<bool>()},
      description.at("fitted"), tensors);
}

}  // namespace deepsad
