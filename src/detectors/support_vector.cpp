#include "detectors/support_vector.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/scoring_only.h"
#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "deepsad/evaluation/roc_auc.h"
#include "detectors/network_detector.h"
#include "detectors/training_checks.h"
#include "kernels/radial/radial.h"

namespace deepsad {
namespace {

constexpr int kFirstGridExponent = -7, kLastGridExponent = 2;  // [4] of kernel_machines.h
constexpr std::size_t kFolds = 5;
constexpr double kLargestTolerance = 0.1;
/// Rows scored at a time by one thread.
constexpr std::size_t kScoreBlock = 32;

constexpr const char* kVectorsTensor = "support_vectors";
constexpr const char* kWeightsTensor = "weights";

const char* width_name(KernelWidth width) {
  switch (width) {
    case KernelWidth::value:
      return "value";
    case KernelWidth::scale:
      return "scale";
    case KernelWidth::median:
      return "median";
    case KernelWidth::grid:
      return "grid";
  }
  return "";
}

// About the first value, so that equal values have variance 0 exactly.
double variance(MatrixView<const float> x) {
  const double n = static_cast<double>(x.rows() * x.cols()), origin = static_cast<double>(x(0, 0));
  double mean = 0, squares = 0;
  for (std::size_t i = 0; i < x.rows(); ++i)
    for (const float v : x.row(i)) mean += (static_cast<double>(v) - origin) / n;
  for (std::size_t i = 0; i < x.rows(); ++i) {
    for (const float v : x.row(i)) {
      const double difference = static_cast<double>(v) - origin - mean;
      squares += difference * difference / n;
    }
  }
  return squares;
}

/// sum_i weights[i] k(value_i).
double kernel_sum(const Kernel& kernel, std::size_t n, float* values, const float* weights) {
  if (kernel.kind == KernelKind::rbf)
    return kernels::weighted_exp_sum(n, values, weights, static_cast<float>(kernel.gamma));
  apply_kernel(kernel, n, values, values);
  return kernels::weighted_sum(n, values, weights);
}

}  // namespace

/// The training rows in the solver's order: unlabelled, normal, anomalous.
struct SupportVectorDetector::Rows {
  Matrix<float> x;
  std::vector<SemiLabel> semi;
  std::array<std::size_t, kDualGroups> group_sizes{};
  std::size_t n_features = 0;
  [[nodiscard]] MatrixView<const float> view() const { return {x.values.data(), x.rows, x.cols}; }
  [[nodiscard]] std::size_t size() const { return x.rows; }
};

struct SupportVectorDetector::Selection {
  Candidate best;
  std::string criterion = "none";
  Json table = Json::array();
  std::vector<DualSolution> solution;  // of the best, if it was solved on all rows on the way
};

SupportVectorDetector::SupportVectorDetector(const KernelChoice& choice)
    : choice_(choice), kind_(kernel_by_name(choice.kernel)) {
  if (choice.width == KernelWidth::value && !(choice.gamma > 0 && std::isfinite(choice.gamma)))
    throw InvalidArgument(fmt::format("gamma must be positive and finite, got {}", choice.gamma));
  if (!(choice.tolerance > 0 && choice.tolerance <= kLargestTolerance)) {
    throw InvalidArgument(
        fmt::format("tolerance must lie in (0, {}], got {}", kLargestTolerance, choice.tolerance));
  }
}

void check_rows(const char* method, MatrixView<const float> x) {
  if (x.rows() < 2 || x.cols() == 0) {
    throw InvalidArgument(fmt::format("[{}] needs at least two rows to train on, got {} of {} features",
                                      method, x.rows(), x.cols()));
  }
  for (std::size_t i = 0; i < x.rows(); ++i) {
    for (std::size_t j = 0; j < x.cols(); ++j) {
      if (!std::isfinite(x(i, j))) {
        throw InvalidArgument(fmt::format("[{}] training row {}, feature {} is {}; all values must be finite",
                                          method, i, j, x(i, j)));
      }
    }
  }
}

std::vector<Kernel> SupportVectorDetector::kernels(MatrixView<const float> x) const {
  const auto derived = [&](double spread, const char* what) {
    if (spread > 0) return std::vector<Kernel>{{kind_, 1 / spread}};
    throw InvalidArgument(fmt::format(
        "[{}] {} is 0, so no kernel width can be derived from the rows; give gamma a value", method(), what));
  };
  if (kind_ == KernelKind::linear) return {{kind_, 1}};
  switch (choice_.width) {
    case KernelWidth::value:
      return {{kind_, choice_.gamma}};
    case KernelWidth::scale:
      return derived(static_cast<double>(x.cols()) * variance(x), "the variance of the training rows");
    case KernelWidth::median:
      return derived(median_squared_distance(x), "the median distance of the training rows");
    case KernelWidth::grid:
      break;
  }
  std::vector<Kernel> grid;
  for (int e = kFirstGridExponent; e <= kLastGridExponent; ++e) grid.push_back({kind_, std::ldexp(1.0, e)});
  return grid;
}

DualSolution SupportVectorDetector::solve(const Rows& rows, const std::vector<bool>& used,
                                          const Candidate& candidate, KernelRows& kernel,
                                          const StopToken* stop) const {
  const Bounds limits = bounds(rows.semi, used, candidate.nu);
  try {
    return solve_dual({.group_sizes = rows.group_sizes,
                       .upper = limits.upper,
                       .total = 1,
                       .kappa = limits.kappa,
                       .tolerance = choice_.tolerance,
                       .max_iterations = 0,
                       .stop = stop},
                      kernel);
  } catch (const InvalidArgument& error) {
    throw InvalidArgument(fmt::format("[{}] {}", method(), error.what()));
  }
}

SupportVectorDetector::Selection SupportVectorDetector::select(const Rows& rows, const PairMatrix& pairs,
                                                               FitContext& context) const {
  const std::vector<Kernel> widths = kernels(rows.view());
  const std::vector<double> nu_values = nus();
  Selection selection;
  selection.best = {widths.front(), nu_values.front()};
  if (widths.size() * nu_values.size() == 1) return selection;
  const auto n_anomalies =
      static_cast<std::size_t>(std::count(rows.semi.begin(), rows.semi.end(), SemiLabel::anomaly));
  const bool leak = context.leaked != nullptr;
  if (!leak && n_anomalies < kMinAnomaliesForSelection) {
    const double median = median_squared_distance(rows.view());
    if (widths.size() > 1 && !(median > 0)) {
      throw InvalidArgument(fmt::format(
          "[{}] the median distance of the training rows is 0, so no kernel width can be derived from them; "
          "give gamma a value",
          method()));
    }
    selection.criterion = "median-heuristic";
    selection.best = {widths.size() > 1 ? Kernel{kind_, 1 / median} : widths.front(), default_nu()};
    context.observer.info(fmt::format(
        "{} labelled anomalies are too few to choose by (at least {}): gamma {:.6g} from the median distance",
        n_anomalies, kMinAnomaliesForSelection, selection.best.kernel.gamma));
    return selection;
  }
  selection.criterion = leak ? "test-leak" : "cross-validation";

  // Folds: anomalies and others each dealt out in a random order. A row outside every fold is always trained
  // on.
  std::vector<std::size_t> fold(rows.size(), kFolds);
  const std::size_t n_folds = leak ? 1 : kFolds;
  if (!leak) {
    std::size_t dealt[2] = {0, 0};
    for (const std::size_t i : RandomStream(context.seed, "selection/folds").permutation(rows.size()))
      fold[i] = dealt[rows.semi[i] == SemiLabel::anomaly ? 1 : 0]++ % kFolds;
  }
  Matrix<float> leaked_pairs;
  if (leak) {
    leaked_pairs = Matrix<float>(context.leaked->x.rows(), pairs.padded());
    pairs.packed().pairs(pairs.value(), context.leaked->x, leaked_pairs.values.data());
  }

  std::vector<double> quality(widths.size() * nu_values.size(), 0);
  std::vector<DualSolution> solutions(leak ? quality.size() : 0);
  // A narrow kernel's sums may be so far below rho that the score keeps nothing of their order: a width is
  // judged by the scores that it will give.
  const auto as_scored = [](double rho, double sum) {
    return static_cast<double>(static_cast<float>(rho - sum));
  };
  const auto evaluate = [&](std::size_t width, std::size_t n_tasks) {
    CachedKernelRows kernel(pairs, widths[width], pairs.budget_left() / n_tasks);
    std::vector<double> scores;
    std::vector<TrueLabel> labels;
    for (std::size_t v = 0; v < nu_values.size(); ++v) {
      double sum = 0;
      for (std::size_t k = 0; k < n_folds; ++k) {
        std::vector<bool> used(rows.size());
        for (std::size_t i = 0; i < rows.size(); ++i) used[i] = trains_on(rows.semi[i]) && fold[i] != k;
        DualSolution solution = solve(rows, used, {widths[width], nu_values[v]}, kernel, context.stop);
        scores.clear();
        labels.clear();
        if (leak) {
          std::vector<float> weights(pairs.padded(), 0.0F), values(pairs.padded());
          for (std::size_t i = 0; i < rows.size(); ++i)
            weights[i] = static_cast<float>(signed_weight(rows.semi[i], solution.alpha[i]));
          for (std::size_t i = 0; i < leaked_pairs.rows; ++i) {
            std::ranges::copy(leaked_pairs.row(i), values.begin());
            scores.push_back(as_scored(
                solution.rho, kernel_sum(widths[width], rows.size(), values.data(), weights.data())));
          }
          labels.assign(context.leaked->labels.begin(), context.leaked->labels.end());
        } else {
          for (std::size_t i = 0; i < rows.size(); ++i) {
            if (fold[i] != k) continue;
            scores.push_back(as_scored(solution.rho, solution.f[i]));
            labels.push_back(rows.semi[i] == SemiLabel::anomaly ? TrueLabel::anomaly : TrueLabel::normal);
          }
        }
        sum += roc_auc(std::span<const double>(scores), labels);
        if (leak) solutions[width * nu_values.size() + v] = std::move(solution);
      }
      quality[width * nu_values.size() + v] = sum / static_cast<double>(n_folds);
    }
  };
  // Neighbouring widths take about the same time: each thread gets every T-th.
  const std::size_t n_tasks = std::min(context.pool.n_threads(), widths.size());
  std::vector<std::size_t> order;
  for (std::size_t t = 0; t < n_tasks; ++t)
    for (std::size_t w = t; w < widths.size(); w += n_tasks) order.push_back(w);
  context.pool.parallel_for(order.size(), [&](std::size_t i) { evaluate(order[i], n_tasks); });

  std::size_t best = 0;
  for (std::size_t c = 0; c < quality.size(); ++c) {
    const Candidate candidate{widths[c / nu_values.size()], nu_values[c % nu_values.size()]};
    Json line{{"gamma", candidate.kernel.gamma}, {"auc", quality[c]}};
    if (nu_values.size() > 1) line["nu"] = candidate.nu;
    context.observer.info(
        fmt::format("{}: gamma {:.8f}{} gives AUC {:.4f}", selection.criterion, candidate.kernel.gamma,
                    nu_values.size() > 1 ? fmt::format(", nu {}", candidate.nu) : "", quality[c]));
    selection.table.push_back(std::move(line));
    if (quality[c] > quality[best]) best = c;
  }
  selection.best = {widths[best / nu_values.size()], nu_values[best % nu_values.size()]};
  if (leak) selection.solution.push_back(std::move(solutions[best]));
  return selection;
}

void SupportVectorDetector::fit(const TrainingSet& data, FitContext& context) {
  beyond_scoring();
  check_rows(method().c_str(), data.x);
  phases_.clear();
  findings_.clear();
  report_ = Json::object();

  Rows rows{.x = Matrix<float>(data.x.rows(), data.x.cols()), .semi = {}, .n_features = data.x.cols()};
  for (std::size_t g = 0; g < kDualGroups; ++g) {
    for (std::size_t i = 0; i < data.x.rows(); ++i) {
      if (static_cast<std::size_t>(group_of(data.semi[i])) != g) continue;
      std::ranges::copy(data.x.row(i), rows.x.row(rows.semi.size()).begin());
      rows.semi.push_back(data.semi[i]);
      ++rows.group_sizes[g];
    }
  }
  const PairMatrix pairs(rows.view(), pair_value(kind_), {.budget = context.memory_budget}, context.pool,
                         context.observer, context.stop);
  Selection selection = select(rows, pairs, context);
  selection_ = selection.criterion;
  std::vector<bool> used(rows.size());
  std::size_t n_used = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    used[i] = trains_on(rows.semi[i]);
    n_used += used[i] ? 1 : 0;
  }
  if (selection.solution.empty()) {
    CachedKernelRows kernel(pairs, selection.best.kernel, pairs.budget_left());
    selection.solution.push_back(solve(rows, used, selection.best, kernel, context.stop));
  }
  const DualSolution& solution = selection.solution.front();
  keep(rows, solution, selection.best);

  report_["n_rows"] = n_used;
  report_["kernel"] = kernel_name(kind_);
  if (kind_ != KernelKind::linear) report_["gamma"] = kernel_.gamma;
  if (default_nu() > 0) report_["nu"] = nu_;
  report_["selection"] = {{"criterion", selection.criterion}, {"candidates", selection.table}};
  const double scale = weight_scale(nu_, n_used);
  report_["solver"] = {{"converged", solution.converged},
                       {"gap", solution.gap},
                       {"iterations", solution.iterations},
                       {"objective", solution.objective * scale * scale},
                       {"free_support_vectors", solution.n_free},
                       {"bounded_support_vectors", solution.n_bounded},
                       {"rho", rho_},
                       {"margin", solution.margin * scale}};
  context.observer.info(
      fmt::format("solver: {} steps, gap {:.2e}, {} support vectors ({} at their bound), gamma {:.6g}",
                  solution.iterations, solution.gap, solution.n_free + solution.n_bounded, solution.n_bounded,
                  kernel_.gamma));

  if (!solution.converged) {
    findings_.push_back(
        {"not_converged",
         fmt::format("the solver stopped after {} steps with a gap of {:.2e}, wanted {:.2e}: the "
                     "scores are approximate. Give a larger tolerance or another kernel width",
                     solution.iterations, solution.gap, choice_.tolerance)});
  }
  if (selection.criterion == "test-leak") {
    findings_.push_back(
        {"test_leak",
         "hyper-parameters were chosen on labelled rows of the test part (asked for by selection "
         "test-leak), so the test AUC is too good; for comparison with the paper only"});
  }
  std::vector<float> training_scores(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i)
    training_scores[i] = static_cast<float>(rho_ - scale * solution.f[i]);
  check_scores_vary(training_scores, findings_);
  if (uses_labels()) {
    check_labels_used(training_scores, rows.semi, findings_);
  } else if (selection.criterion != "cross-validation" && n_used == rows.size()) {
    check_labels_wanted(method(), rows.semi, findings_);
  }
}

double SupportVectorDetector::signed_weight(SemiLabel label, double alpha) const {
  return group_of(label) == DualGroup::anomaly ? -alpha : alpha;
}

void SupportVectorDetector::keep(const Rows& rows, const DualSolution& solution, const Candidate& candidate) {
  const auto n_used = static_cast<std::size_t>(std::count_if(
      rows.semi.begin(), rows.semi.end(), [this](SemiLabel label) { return trains_on(label); }));
  const double scale = weight_scale(candidate.nu, n_used);
  kernel_ = candidate.kernel;
  nu_ = candidate.nu;
  rho_ = solution.rho * scale;
  const auto n_vectors = static_cast<std::size_t>(
      std::count_if(solution.alpha.begin(), solution.alpha.end(), [](double a) { return a > 0; }));
  vectors_ = Matrix<float>(n_vectors, rows.n_features);
  weights_.clear();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!(solution.alpha[i] > 0)) continue;
    std::ranges::copy(rows.x.row(i), vectors_.row(weights_.size()).begin());
    weights_.push_back(static_cast<float>(scale * signed_weight(rows.semi[i], solution.alpha[i])));
  }
  pack();
}

void SupportVectorDetector::pack() {
  packed_ = PackedRows({vectors_.values.data(), vectors_.rows, vectors_.cols});
}

void SupportVectorDetector::score(MatrixView<const float> x, std::span<float> scores,
                                  ThreadPool& pool) const {
  check_scorable(vectors_.cols, !weights_.empty(), x, scores.size());
  std::vector<AlignedBuffer<float>> scratch(pool.n_threads());
  for (auto& buffer : scratch) buffer.resize(kScoreBlock * packed_.padded());
  const std::size_t n_blocks = (x.rows() + kScoreBlock - 1) / kScoreBlock;
  pool.parallel_for_worker(n_blocks, [&](std::size_t block, std::size_t worker) {
    const std::size_t first = block * kScoreBlock, n = std::min(kScoreBlock, x.rows() - first);
    float* values = scratch[worker].data();
    packed_.pairs(pair_value(kind_), x.rows_from(first, n), values);
    for (std::size_t i = 0; i < n; ++i) {
      scores[first + i] = static_cast<float>(
          rho_ - kernel_sum(kernel_, weights_.size(), values + i * packed_.padded(), weights_.data()));
    }
  });
}

// s = rho - sum_i w_i k(v_i, x).
void SupportVectorDetector::score_gradient(MatrixView<const float> x, std::span<double> scores,
                                           MatrixView<float> gradient, ThreadPool& pool) const {
  check_differentiable(vectors_.cols, !weights_.empty(), x, scores.size(), gradient);
  const MatrixView<const float> vectors(vectors_.values.data(), vectors_.rows, vectors_.cols);
  struct Scratch {
    AlignedBuffer<float> values;
    std::vector<double> factors;
  };
  std::vector<Scratch> scratch(pool.n_threads());
  for (Scratch& one : scratch) {
    one.values.resize(packed_.padded());
    one.factors.resize(weights_.size());
  }
  pool.parallel_for_worker(x.rows(), [&](std::size_t i, std::size_t worker) {
    Scratch& own = scratch[worker];
    packed_.pairs(pair_value(kind_), x.rows_from(i, 1), own.values.data());
    double sum = 0;
    for (std::size_t v = 0; v < weights_.size(); ++v) {
      const auto pair = static_cast<double>(own.values[v]), weight = static_cast<double>(weights_[v]);
      const double gamma = kernel_.gamma;
      switch (kind_) {
        case KernelKind::rbf: {
          const double value = weight * std::exp(-gamma * pair);
          sum += value;
          own.factors[v] = 2 * gamma * value;
          break;
        }
        case KernelKind::linear:
          sum += weight * pair;
          own.factors[v] = -weight;
          break;
        case KernelKind::poly:
          sum += weight * gamma * pair * gamma * pair * gamma * pair;
          own.factors[v] = -3 * gamma * weight * gamma * pair * gamma * pair;
          break;
      }
    }
    scores[i] = rho_ - sum;
    if (kind_ == KernelKind::rbf)
      weighted_differences(x.row(i), vectors, own.factors, gradient.row(i));
    else
      weighted_rows(vectors, own.factors, gradient.row(i));
  });
}

std::string SupportVectorDetector::description() const {
  return Json{{"kernel", to_json(choice_)},
              {"options", method_options()},
              {"fitted", {{"gamma", kernel_.gamma}, {"nu", nu_}, {"rho", rho_}, {"selection", selection_}}}}
      .dump();
}

std::vector<DetectorTensor> SupportVectorDetector::tensors() const {
  return {{.name = kVectorsTensor,
           .shape = {vectors_.rows, vectors_.cols},
           .values = {vectors_.values.begin(), vectors_.values.end()},
           .is_count = false,
           .count = 0},
          {.name = kWeightsTensor,
           .shape = {weights_.size()},
           .values = weights_,
           .is_count = false,
           .count = 0}};
}

void SupportVectorDetector::restore(const Json& description, const StateDict& tensors) {
  const Json& fitted = description.at("fitted");
  kernel_ = {kind_, fitted.at("gamma").get<double>()};
  nu_ = fitted.at("nu").get<double>();
  rho_ = fitted.at("rho").get<double>();
  selection_ = fitted.at("selection").get<std::string>();
  const StateTensor &vectors = tensor_named(tensors, kVectorsTensor),
                    &weights = tensor_named(tensors, kWeightsTensor);
  if (tensors.size() != 2 || vectors.shape.size() != 2 || weights.shape != Shape{vectors.shape[0]} ||
      weights.values.empty() || vectors.shape[1] == 0) {
    throw InvalidArgument(
        fmt::format("wanted n support vectors of d values and n weights and nothing else, got "
                    "{} tensors, {} and {}",
                    tensors.size(), to_string(vectors.shape), to_string(weights.shape)));
  }
  vectors_ = Matrix<float>(vectors.shape[0], vectors.shape[1]);
  std::ranges::copy(vectors.values, vectors_.values.begin());
  weights_ = weights.values;
  pack();
}

const StateTensor& tensor_named(const StateDict& tensors, const char* name) {
  const StateTensor* found = find_tensor(tensors, name);
  if (found == nullptr || found->is_count)
    throw InvalidArgument(fmt::format("tensor \"{}\" is missing", name));
  return *found;
}

Json to_json(const KernelChoice& choice) {
  return {{"kernel", choice.kernel},
          {"width", width_name(choice.width)},
          {"gamma", choice.gamma},
          {"tolerance", choice.tolerance}};
}

KernelChoice kernel_choice_from_json(const Json& json) {
  KernelChoice choice{.kernel = json.at("kernel").get<std::string>(),
                      .width = KernelWidth::value,
                      .gamma = json.at("gamma").get<double>(),
                      .tolerance = json.at("tolerance").get<double>()};
  const auto name = json.at("width").get<std::string>();
  for (const KernelWidth width :
       {KernelWidth::value, KernelWidth::scale, KernelWidth::median, KernelWidth::grid})
    if (name == width_name(width)) choice.width = width;
  if (name != width_name(choice.width))
    throw InvalidArgument(fmt::format("unknown kernel width \"{}\"", name));
  return choice;
}

}  // namespace deepsad
