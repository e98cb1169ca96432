#include "deepsad/data/semi_supervised.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "data/row_positions.h"
#include "deepsad/core/error.h"
#include "deepsad/core/random.h"

namespace deepsad {
namespace {

using Rows = std::vector<std::uint32_t>;

// A count that misses an integer by less is that integer. Far above the rounding error of the closed form for
// any number of samples that fits memory, far below any difference that a ratio could mean.
constexpr double kCountSlack = 1e-6;
// Feasible maxima are printed rounded down to so many decimals, so that the printed value is itself feasible.
constexpr double kPrintedLimitScale = 1e6;

bool contains(std::span<const int> list, int value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// "1, 2, 3". (g++ 12 warns, wrongly, inside fmt::join.)
std::string list(std::span<const int> numbers) {
  std::string text;
  for (const int number : numbers) text += (text.empty() ? "" : ", ") + std::to_string(number);
  return text;
}

void require_ratio(std::string_view name, double value) {
  if (!(value >= 0 && value < 1)) {  // also true for NaN
    throw InvalidArgument(fmt::format("ratio_{}: found {}, wanted a number in [0, 1)", name, value));
  }
}

void require_ratios(const SemiSupervisedRatios& ratios) {
  require_ratio("known_normal", ratios.known_normal);
  require_ratio("known_outlier", ratios.known_outlier);
  require_ratio("pollution", ratios.pollution);
}

std::size_t round_down(double count) {
  return static_cast<std::size_t>(std::floor(count + kCountSlack));
}

double printable_limit(double limit) {
  return std::max(0.0, std::floor(limit * kPrintedLimitScale) / kPrintedLimitScale);
}

// Positions of the samples by what they are, each list ascending.
struct Candidates {
  Rows normals;
  Rows anomalies;  // of all anomaly classes, the known ones included
  Rows known;      // of the known classes
};

Candidates find_candidates(std::span<const int> classes, const SemiSupervisedOptions& options) {
  if (classes.size() > std::numeric_limits<std::uint32_t>::max()) {
    throw InvalidArgument(fmt::format("[semi_supervised_set] {} samples; at most 2^32 - 1", classes.size()));
  }
  const std::vector<TrueLabel> truth = true_labels(classes, options.normal_classes);
  for (const int normal : options.normal_classes) {
    if (!contains(classes, normal)) {
      throw InvalidArgument(fmt::format("normal_class {}: no training sample has it. Classes: {}", normal,
                                        list(anomaly_classes(classes, {}))));
    }
  }
  for (const int known : options.known_classes) {
    if (contains(options.normal_classes, known)) {
      throw InvalidArgument(
          fmt::format("known anomaly class {} is a normal class; its samples cannot be labelled as "
                      "anomalies. Anomaly classes: {}",
                      known, list(anomaly_classes(classes, options.normal_classes))));
    }
    if (!contains(classes, known)) {
      throw InvalidArgument(
          fmt::format("known anomaly class {}: no training sample has it. Anomaly classes: {}", known,
                      list(anomaly_classes(classes, options.normal_classes))));
    }
  }
  Candidates candidates;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const auto row = static_cast<std::uint32_t>(i);
    if (truth[i] == TrueLabel::normal) {
      candidates.normals.push_back(row);
      continue;
    }
    candidates.anomalies.push_back(row);
    if (contains(options.known_classes, classes[i])) candidates.known.push_back(row);
  }
  return candidates;
}

void append(SemiSupervisedSet& set, std::span<const std::uint32_t> rows, SemiLabel semi, TrueLabel truth) {
  set.rows.insert(set.rows.end(), rows.begin(), rows.end());
  set.semi.insert(set.semi.end(), rows.size(), semi);
  set.truth.insert(set.truth.end(), rows.size(), truth);
}

// Counts what the lists hold, whatever was asked for.
void count(SemiSupervisedSet& set) {
  set.counts = {};
  for (std::size_t i = 0; i < set.rows.size(); ++i) {
    switch (set.semi[i]) {
      case SemiLabel::normal:
        ++set.counts.known_normal;
        break;
      case SemiLabel::anomaly:
        ++set.counts.known_anomaly;
        break;
      case SemiLabel::unlabelled:
        ++(set.truth[i] == TrueLabel::anomaly ? set.counts.unlabelled_anomaly : set.counts.unlabelled_normal);
        break;
    }
  }
  const auto share = [](std::size_t part, std::size_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
  };
  const auto& c = set.counts;
  set.realised = {share(c.known_normal, c.total()), share(c.known_anomaly, c.total()),
                  share(c.unlabelled_anomaly, c.unlabelled_normal + c.unlabelled_anomaly)};
}

void require_feasible(const SemiSupervisedCounts& counts, const Candidates& candidates,
                      const SemiSupervisedOptions& options) {
  const auto& ratios = options.ratios;
  const SemiSupervisedLimits limits = semi_supervised_limits(
      candidates.normals.size(), candidates.known.size(), candidates.anomalies.size(), ratios);
  if (ratios.known_outlier > 0 && options.known_classes.empty()) {
    throw InvalidArgument(
        fmt::format("ratio_known_outlier {} asks for labelled anomalies, but no class is known; set "
                    "n_known_outlier_classes to 1 or more, or ratio_known_outlier to 0",
                    ratios.known_outlier));
  }
  if (counts.known_anomaly > candidates.known.size()) {
    throw InvalidArgument(fmt::format(
        "ratio_known_outlier {} asks for {} labelled anomalies beside {} normals, but the known class(es) {} "
        "have {} training samples; with the other ratios as given it can be at most {}",
        ratios.known_outlier, counts.known_anomaly, candidates.normals.size(), list(options.known_classes),
        candidates.known.size(), printable_limit(limits.known_outlier)));
  }
  const std::size_t left = candidates.anomalies.size() - counts.known_anomaly;
  if (counts.unlabelled_anomaly > left) {
    throw InvalidArgument(fmt::format(
        "ratio_pollution {} asks for {} unlabelled anomalies beside {} normals, but of {} anomalies in the "
        "training data {} are left after {} labelled ones; with the other ratios as given it can be at "
        "most {}",
        ratios.pollution, counts.unlabelled_anomaly, candidates.normals.size(), candidates.anomalies.size(),
        left, counts.known_anomaly, printable_limit(limits.pollution)));
  }
}

// The first `n` of `candidates` in random order, ascending.
Rows draw(const Rows& candidates, std::size_t n, RandomStream stream) {
  Rows order = candidates;
  stream.shuffle(order);
  order.resize(n);
  std::sort(order.begin(), order.end());
  return order;
}

// The members of `from` that are not in `without`; both ascending.
Rows difference(const Rows& from, const Rows& without) {
  Rows rest;
  std::set_difference(from.begin(), from.end(), without.begin(), without.end(), std::back_inserter(rest));
  return rest;
}

void require_choice(std::span<const int> anomaly_classes, std::size_t n_known, int known_outlier_class) {
  if (n_known > anomaly_classes.size()) {
    throw InvalidArgument(fmt::format("n_known_outlier_classes {}: there are only {} anomaly classes",
                                      n_known, anomaly_classes.size()));
  }
  if (n_known == 1 && !contains(anomaly_classes, known_outlier_class)) {
    throw InvalidArgument(fmt::format("known_outlier_class {} is not an anomaly class; wanted one of {}",
                                      known_outlier_class, list(anomaly_classes)));
  }
}

}  // namespace

std::vector<int> sample_classes(const Dataset& data, std::span<const std::uint32_t> rows) {
  const std::size_t n = data.size();
  if (data.classes.empty() && data.labels.empty()) {
    throw DataError(fmt::format(
        "{}: has neither classes nor labels; training needs to know which samples are normal", data.name));
  }
  std::vector<int> classes;
  classes.reserve(rows.size());
  for (const std::uint32_t row : rows) {
    if (row >= n)
      throw InvalidArgument(fmt::format("[sample_classes] row {} of a Dataset with {} rows", row, n));
    classes.push_back(data.classes.empty() ? static_cast<int>(data.labels[row]) : data.classes[row]);
  }
  return classes;
}

std::vector<int> sample_classes(const Dataset& data) {
  return sample_classes(data, all_rows(data.size()));
}

std::vector<TrueLabel> true_labels(std::span<const int> classes, std::span<const int> normal_classes) {
  if (normal_classes.empty()) throw InvalidArgument("normal_class: no class given; wanted at least one");
  for (std::size_t i = 0; i < normal_classes.size(); ++i) {
    if (contains(normal_classes.first(i), normal_classes[i])) {
      throw InvalidArgument(fmt::format("normal_class {} is given twice", normal_classes[i]));
    }
  }
  std::vector<TrueLabel> truth(classes.size());
  std::transform(classes.begin(), classes.end(), truth.begin(), [&](int sample_class) {
    return contains(normal_classes, sample_class) ? TrueLabel::normal : TrueLabel::anomaly;
  });
  return truth;
}

std::vector<int> anomaly_classes(std::span<const int> classes, std::span<const int> normal_classes) {
  std::set<int> distinct(classes.begin(), classes.end());
  for (const int normal : normal_classes) distinct.erase(normal);
  return {distinct.begin(), distinct.end()};
}

std::vector<int> choose_known_classes(std::uint64_t seed, std::span<const int> anomaly_classes,
                                      std::size_t n_known, int known_outlier_class) {
  require_choice(anomaly_classes, n_known, known_outlier_class);
  if (n_known == 0) return {};
  if (n_known == 1) return {known_outlier_class};
  const std::vector<std::size_t> order =
      RandomStream(seed, "known_classes").permutation(anomaly_classes.size());
  std::vector<int> known;
  for (std::size_t i = 0; i < n_known; ++i) known.push_back(anomaly_classes[order[i]]);
  std::sort(known.begin(), known.end());
  return known;
}

std::vector<int> choose_known_classes_reference(PythonRandom& random, std::span<const int> anomaly_classes,
                                                std::size_t n_known, int known_outlier_class) {
  require_choice(anomaly_classes, n_known, known_outlier_class);
  if (n_known == 0) return {};
  if (n_known == 1) return {known_outlier_class};
  return random.sample({anomaly_classes.begin(), anomaly_classes.end()}, n_known);
}

SemiSupervisedCounts semi_supervised_counts(std::size_t n_normal, const SemiSupervisedRatios& ratios) {
  require_ratios(ratios);
  const double a = ratios.known_normal;
  const double b = ratios.known_outlier;
  const double p = ratios.pollution;
  const double unlabelled = 1 - a - b;
  if (!(unlabelled > 0)) {
    throw InvalidArgument(
        fmt::format("ratio_known_normal {} and ratio_known_outlier {} leave nothing unlabelled; their sum "
                    "must be below 1",
                    a, b));
  }
  const auto n = static_cast<double>(n_normal);
  const double total = n / (a + (1 - p) * unlabelled);
  SemiSupervisedCounts counts;
  counts.known_normal = std::min(n_normal, round_down(a * total));
  counts.unlabelled_normal = n_normal - counts.known_normal;
  counts.unlabelled_anomaly = round_down(p * unlabelled * total);
  counts.known_anomaly = round_down(b * total);
  return counts;
}

SemiSupervisedLimits semi_supervised_limits(std::size_t n_normal, std::size_t n_known_candidates,
                                            std::size_t n_anomalies, const SemiSupervisedRatios& ratios) {
  const double a = ratios.known_normal;
  const double b = ratios.known_outlier;
  const double p = ratios.pollution;
  const auto n = static_cast<double>(n_normal);
  const auto known = static_cast<double>(n_known_candidates);
  const auto all = static_cast<double>(n_anomalies);
  // KO <= known and KO + UO <= all, multiplied by a + (1-p)(1-a-b), are linear in b and, separately, in p.
  SemiSupervisedLimits limits;
  limits.known_outlier =
      std::min({known * (a + (1 - p) * (1 - a)) / (n + known * (1 - p)),
                (all * (a + (1 - p) * (1 - a)) - n * p * (1 - a)) / ((1 - p) * (n + all)), 1 - a});
  limits.pollution = std::min((all * (1 - b) - n * b) / ((1 - a - b) * (n + all)), 1.0);
  if (b > 0) {
    // More pollution means more samples, hence more labelled ones among them.
    const double labelled_limit = known == 0 ? -1.0 : 1 - (b * n / known - a) / (1 - a - b);
    limits.pollution = std::min(limits.pollution, labelled_limit);
  }
  return limits;
}

SemiSupervisedSet semi_supervised_set(std::span<const int> classes, const SemiSupervisedOptions& options,
                                      std::uint64_t seed) {
  const Candidates candidates = find_candidates(classes, options);
  const SemiSupervisedCounts counts = semi_supervised_counts(candidates.normals.size(), options.ratios);
  require_feasible(counts, candidates, options);

  // Labelled anomalies first, pollution from what is left: one sample is never both.
  const Rows known_normals =
      draw(candidates.normals, counts.known_normal, RandomStream(seed, "semi/known_normal"));
  const Rows known_anomalies =
      draw(candidates.known, counts.known_anomaly, RandomStream(seed, "semi/known_anomaly"));
  const Rows pollution = draw(difference(candidates.anomalies, known_anomalies), counts.unlabelled_anomaly,
                              RandomStream(seed, "semi/pollution"));
  SemiSupervisedSet set;
  append(set, known_normals, SemiLabel::normal, TrueLabel::normal);
  append(set, difference(candidates.normals, known_normals), SemiLabel::unlabelled, TrueLabel::normal);
  append(set, pollution, SemiLabel::unlabelled, TrueLabel::anomaly);
  append(set, known_anomalies, SemiLabel::anomaly, TrueLabel::anomaly);
  set.requested = options.ratios;
  count(set);
  return set;
}

std::array<double, 4> semi_supervised_solution_reference(std::size_t n_normal,
                                                         const SemiSupervisedRatios& ratios) {
  require_ratios(ratios);
  const double a = ratios.known_normal;
  const double b = ratios.known_outlier;
  const double p = ratios.pollution;
  if (a + b > 1) {
    throw InvalidArgument(
        fmt::format("ratio_known_normal {} and ratio_known_outlier {} add to more than 1; the reference "
                    "system fails there",
                    a, b));
  }
  constexpr std::size_t kOrder = 4;
  std::array<std::array<double, kOrder>, kOrder> m{
      {{1, 1, 0, 0}, {1 - a, -a, -a, -a}, {-b, -b, -b, 1 - b}, {0, -p, 1 - p, 0}}};
  std::array<double, kOrder> x{static_cast<double>(n_normal), 0, 0, 0};
  // As dgesv: the first of the largest pivots, the column scaled by the pivot's reciprocal, then a division
  // by each pivot in the back substitution. The order and kind of each operation decides the last bit, and
  // truncation makes a whole sample of it.
  for (std::size_t k = 0; k < kOrder; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k + 1; i < kOrder; ++i) {
      if (std::abs(m[i][k]) > std::abs(m[pivot][k])) pivot = i;
    }
    if (m[pivot][k] == 0) {
      throw InvalidArgument(
          fmt::format("ratios {}, {}, {} (known normal, known outlier, pollution) make the equations "
                      "singular; the reference "
                      "system stops there",
                      a, b, p));
    }
    std::swap(m[k], m[pivot]);
    std::swap(x[k], x[pivot]);
    const double reciprocal = 1 / m[k][k];
    for (std::size_t i = k + 1; i < kOrder; ++i) {
      m[i][k] *= reciprocal;
      for (std::size_t j = k + 1; j < kOrder; ++j) m[i][j] -= m[i][k] * m[k][j];
    }
  }
  for (std::size_t i = 1; i < kOrder; ++i) {
    for (std::size_t j = 0; j < i; ++j) x[i] -= m[i][j] * x[j];
  }
  for (std::size_t i = kOrder; i-- > 0;) {
    for (std::size_t j = kOrder - 1; j > i; --j) x[i] -= m[i][j] * x[j];
    x[i] /= m[i][i];
  }
  return x;
}

SemiSupervisedSet semi_supervised_set_reference(std::span<const int> classes,
                                                const SemiSupervisedOptions& options, NumpyRandom& random) {
  const Candidates candidates = find_candidates(classes, options);
  const std::array<double, 4> solution =
      semi_supervised_solution_reference(candidates.normals.size(), options.ratios);
  // Truncated toward zero as Python's int() does; rounding may leave a zero count at -1e-13, which int()
  // makes 0.
  std::array<std::size_t, 4> n{};
  std::transform(solution.begin(), solution.end(), n.begin(),
                 [](double value) { return static_cast<std::size_t>(std::max(0.0, std::trunc(value))); });
  const auto [n_known_normal, n_unlabelled_normal, n_pollution, n_known_anomaly] = n;
  if (n_pollution > candidates.anomalies.size() || n_known_anomaly > candidates.known.size()) {
    throw InvalidArgument(fmt::format(
        "the ratios ask for {} unlabelled anomalies of {} and {} labelled ones of {} in the known classes; "
        "the reference system stops there",
        n_pollution, candidates.anomalies.size(), n_known_anomaly, candidates.known.size()));
  }
  const auto permuted = [&random](const Rows& rows) {
    Rows result;
    result.reserve(rows.size());
    for (const std::size_t i : random.permutation(rows.size())) result.push_back(rows[i]);
    return result;
  };
  const Rows normals = permuted(candidates.normals);
  const Rows anomalies = permuted(candidates.anomalies);
  const Rows known = permuted(candidates.known);

  SemiSupervisedSet set;
  const std::span<const std::uint32_t> normal_span(normals);
  append(set, normal_span.first(n_known_normal), SemiLabel::normal, TrueLabel::normal);
  append(set, normal_span.subspan(n_known_normal, n_unlabelled_normal), SemiLabel::unlabelled,
         TrueLabel::normal);
  append(set, std::span(anomalies).first(n_pollution), SemiLabel::unlabelled, TrueLabel::anomaly);
  append(set, std::span(known).first(n_known_anomaly), SemiLabel::anomaly, TrueLabel::anomaly);
  // Semi labels live on the full training set, where the last write wins: a pollution sample that is also
  // labelled reads -1 in both places.
  Rows labelled(known.begin(), known.begin() + static_cast<std::ptrdiff_t>(n_known_anomaly));
  std::sort(labelled.begin(), labelled.end());
  for (std::size_t i = n_known_normal + n_unlabelled_normal, end = i + n_pollution; i < end; ++i) {
    if (std::binary_search(labelled.begin(), labelled.end(), set.rows[i])) {
      set.semi[i] = SemiLabel::anomaly;
      ++set.n_duplicates;
    }
  }
  set.requested = options.ratios;
  count(set);
  return set;
}

}  // namespace deepsad
