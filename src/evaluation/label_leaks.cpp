#include "evaluation/label_leaks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "data/cell_text.h"
#include "deepsad/evaluation/roc_auc.h"

namespace deepsad {
namespace {

// Above this AUC a column separates the labels as no honest measurement does.
constexpr double kLeakAuc = 0.999;
// A pair is news only if neither of its columns does nearly as well.
constexpr double kAlreadyStrong = 0.98;
constexpr std::size_t kMaxCategories = 64;       // as in the inference of schemas
constexpr std::size_t kRowsForColumns = 20'000;  // of each label
constexpr std::size_t kRowsForPairs = 1000;      // likewise
constexpr std::size_t kMaxPairs = 20'000;
constexpr double kChance = 1e-6;

// Rows of both labels, a column at a time.
struct Contrast {
  const TableProfile& profile;
  const RowSample& others;  // known normals, or all rows
  bool others_are_known;
  std::vector<TrueLabel> labels;  // of the rows that follow
  std::vector<std::pair<const RowSample*, std::size_t>> rows;

  [[nodiscard]] SampleCell cell(std::size_t row, std::size_t column) const {
    return profile.cell(*rows[row].first, rows[row].second, column);
  }
  [[nodiscard]] std::size_t count(TrueLabel label) const {
    return static_cast<std::size_t>(std::ranges::count(labels, label));
  }
};

Contrast contrast_of(const TableProfile& profile, std::size_t most_rows) {
  const bool known = profile.normals().size() > 0;
  Contrast contrast{profile, known ? profile.normals() : profile.rows(), known, {}, {}};
  const auto add = [&](const RowSample& sample, TrueLabel label) {
    // Evenly spread over the file.
    std::vector<std::size_t> eligible;
    for (std::size_t i = 0; i < sample.size(); ++i)
      if (label == TrueLabel::anomaly || sample.labels[i] != SemiLabel::anomaly) eligible.push_back(i);
    const std::size_t n = std::min(most_rows, eligible.size());
    for (std::size_t k = 0; k < n; ++k) {
      contrast.rows.emplace_back(&sample, eligible[k * eligible.size() / n]);
      contrast.labels.push_back(label);
    }
  };
  add(profile.anomalies(), TrueLabel::anomaly);
  add(contrast.others, TrueLabel::normal);
  return contrast;
}

// log10 of the chance that one random column ranks all of k anomalies first or all last: 2 / C(n + k, k).
double log_chance_of_separation(double k, double n) {
  constexpr double kLn10 = 2.302585092994046;
  return (std::log(2.0) - (std::lgamma(n + k + 1) - std::lgamma(k + 1) - std::lgamma(n + 1))) / kLn10;
}

double distance_from_half(double auc) {
  return std::isnan(auc) ? 0.5 : std::max(auc, 1 - auc);
}

// How well the numbers of a column rank the labels; cells without number are left out.
struct Ranking {
  double auc = 0.5;  // >= 1/2
  bool anomalies_high = true;
  std::size_t n_anomaly = 0, n_normal = 0;
};
Ranking rank_numbers(const Contrast& contrast, std::size_t column) {
  std::vector<double> values;
  std::vector<TrueLabel> labels;
  for (std::size_t i = 0; i < contrast.rows.size(); ++i) {
    const SampleCell cell = contrast.cell(i, column);
    if (!cell.is_number()) continue;
    values.push_back(cell.value());
    labels.push_back(contrast.labels[i]);
  }
  const auto n_anomaly = static_cast<std::size_t>(std::ranges::count(labels, TrueLabel::anomaly));
  const double auc = roc_auc(std::span<const double>(values), labels);
  return {distance_from_half(auc), !(auc < 0.5), n_anomaly, labels.size() - n_anomaly};
}

// How well a row's group tells its label: the AUC of the share of anomalies among the *other* rows of the
// group, so that groups of one row say nothing.
double rank_groups(const std::vector<std::uint64_t>& groups, const std::vector<TrueLabel>& labels) {
  struct Count {
    double anomalies = 0, rows = 0;
  };
  std::unordered_map<std::uint64_t, Count> counts;
  double n_anomalies = 0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    Count& count = counts[groups[i]];
    ++count.rows;
    if (labels[i] != TrueLabel::anomaly) continue;
    ++count.anomalies;
    ++n_anomalies;
  }
  const double base = n_anomalies / static_cast<double>(std::max<std::size_t>(1, groups.size()));
  std::vector<double> scores;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const Count& count = counts[groups[i]];
    const double own = labels[i] == TrueLabel::anomaly ? 1 : 0;
    scores.push_back(count.rows > 1 ? (count.anomalies - own) / (count.rows - 1) : base);
  }
  const double auc = roc_auc(std::span<const double>(scores), labels);
  return std::isnan(auc) ? 0.5 : auc;
}

// The cells of a column as groups; empty if there are too many different ones.
std::vector<std::uint64_t> groups_of(const Contrast& contrast, std::size_t column) {
  std::vector<std::uint64_t> groups;
  std::unordered_map<std::uint64_t, int> known;
  for (std::size_t i = 0; i < contrast.rows.size(); ++i) {
    groups.push_back(contrast.cell(i, column).bits());
    known.try_emplace(groups.back(), 0);
    if (known.size() > kMaxCategories) return {};
  }
  return groups;
}

constexpr const char* kLeakWhy =
    "Such a column was usually filled in after the outcome was known, or from it. A model that sees it looks "
    "perfect in every test and fails on rows whose outcome is not known yet.";
constexpr const char* kLeakAdvice =
    "find out when the column gets its value; unless it is known before the outcome, leave it out "
    "(--ignore-columns). If it is, the rule is the detector and no model is needed.";

std::string others_text(const Contrast& contrast) {
  return contrast.others_are_known ? "normal rows" : "rows that are not labelled anomalous";
}

void add_ranking(const Contrast& contrast, std::size_t column, const Ranking& ranking,
                 std::vector<DataFinding>& findings) {
  findings.push_back(
      {"label_leak",
       Severity::warning,
       {contrast.profile.columns()[column].name},
       fmt::format("alone it ranks {} anomalies {} {} {} with an AUC of {:.4f}{}", ranking.n_anomaly,
                   ranking.anomalies_high ? "above" : "below", ranking.n_normal, others_text(contrast),
                   ranking.auc, ranking.auc == 1 ? ": it separates them without a mistake" : ""),
       kLeakWhy,
       kLeakAdvice});
}

void add_groups(const Contrast& contrast, std::size_t column, const std::vector<std::uint64_t>& groups,
                double auc, std::vector<DataFinding>& findings) {
  std::unordered_map<std::uint64_t, std::pair<std::size_t, std::size_t>> counts;
  std::vector<std::size_t> first_rows;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const auto [entry, is_new] = counts.try_emplace(groups[i], 0, 0);
    if (is_new) first_rows.push_back(i);
    ++(contrast.labels[i] == TrueLabel::anomaly ? entry->second.first : entry->second.second);
  }
  std::string table;
  constexpr std::size_t kShown = 4;
  for (std::size_t k = 0; k < std::min(kShown, first_rows.size()); ++k) {
    const auto& [anomalies, others] = counts[groups[first_rows[k]]];
    table += fmt::format("{}{} in {} anomalies and {} others", k == 0 ? "" : "; ",
                         contrast.profile.text_of(column, contrast.cell(first_rows[k], column)), anomalies,
                         others);
  }
  findings.push_back({"label_leak",
                      Severity::warning,
                      {contrast.profile.columns()[column].name},
                      fmt::format("its values tell the label with an AUC of {:.4f}: {}{}", auc, table,
                                  first_rows.size() > kShown ? "; ..." : ""),
                      kLeakWhy,
                      kLeakAdvice});
}

// A column that is mostly missing in one of the two labels and mostly there in the other.
void find_telling_gap(const Contrast& contrast, std::size_t column, std::vector<DataFinding>& findings) {
  double missing_a = 0, missing_n = 0, n_a = 0, n_n = 0;
  for (std::size_t i = 0; i < contrast.rows.size(); ++i) {
    const double missing = contrast.cell(i, column).is_missing() ? 1 : 0;
    (contrast.labels[i] == TrueLabel::anomaly ? missing_a : missing_n) += missing;
    ++(contrast.labels[i] == TrueLabel::anomaly ? n_a : n_n);
  }
  constexpr double kTellingDifference = 0.3, kSigmas = 5;
  const double difference = missing_a / n_a - missing_n / n_n, share = (missing_a + missing_n) / (n_a + n_n);
  const double deviation = std::sqrt(share * (1 - share) * (1 / n_a + 1 / n_n));
  if (std::abs(difference) < kTellingDifference || std::abs(difference) < kSigmas * deviation) return;
  findings.push_back(
      {"missing_tells_label",
       Severity::warning,
       {contrast.profile.columns()[column].name},
       fmt::format("missing in {:.1f} % of {} anomalies and {:.1f} % of {} {}", 100 * missing_a / n_a, n_a,
                   100 * missing_n / n_n, n_n, others_text(contrast)),
       "Whether the cell is filled depends on the outcome, and deepsad makes a feature of it: the "
       "model learns who filled in the form.",
       "find out why the cells are missing; leave the column out if they are filled in after the "
       "outcome (--ignore-columns)"});
}

// The AUC of the best linear combination of two columns (Fisher's discriminant).
double rank_pair(const std::vector<double>& x, const std::vector<double>& y,
                 const std::vector<TrueLabel>& labels, std::vector<double>& scratch) {
  std::array<double, 2> mx{}, my{}, n{};
  const std::size_t size = labels.size();
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t k = labels[i] == TrueLabel::anomaly ? 1 : 0;
    mx[k] += x[i];
    my[k] += y[i];
    ++n[k];
  }
  for (const std::size_t k : {0U, 1U}) {
    mx[k] /= n[k];
    my[k] /= n[k];
  }
  double xx = 0, xy = 0, yy = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t k = labels[i] == TrueLabel::anomaly ? 1 : 0;
    xx += (x[i] - mx[k]) * (x[i] - mx[k]);
    xy += (x[i] - mx[k]) * (y[i] - my[k]);
    yy += (y[i] - my[k]) * (y[i] - my[k]);
  }
  const double determinant = xx * yy - xy * xy, dx = mx[1] - mx[0], dy = my[1] - my[0];
  if (!(determinant > 1e-12 * xx * yy)) return 0.5;
  const double wx = (yy * dx - xy * dy) / determinant, wy = (xx * dy - xy * dx) / determinant;
  scratch.resize(size);
  for (std::size_t i = 0; i < size; ++i) scratch[i] = wx * x[i] + wy * y[i];
  return distance_from_half(roc_auc(std::span<const double>(scratch), labels));
}

void add_pair(const TableProfile& profile, std::size_t a, std::size_t b, const std::string& seen,
              std::vector<DataFinding>& findings) {
  findings.push_back({"pair_leak",
                      Severity::warning,
                      {profile.columns()[a].name, profile.columns()[b].name},
                      seen,
                      kLeakWhy,
                      "find out when the two columns get their values; unless both are known before the "
                      "outcome, leave one of them out (--ignore-columns)"});
}

// Columns that rank well alone first, so that a limit on pairs drops the least likely.
struct PairCandidate {
  std::size_t column;
  double auc;
};
void keep_the_best(std::vector<PairCandidate>& candidates) {
  std::ranges::stable_sort(candidates, std::greater(), &PairCandidate::auc);
  std::size_t most = 2;
  while ((most + 1) * most / 2 <= kMaxPairs) ++most;
  if (candidates.size() > most) candidates.resize(most);
  std::ranges::sort(candidates, {}, &PairCandidate::column);
}

void find_pairs(const TableProfile& profile, std::vector<PairCandidate> numbers,
                std::vector<PairCandidate> groups, std::vector<DataFinding>& findings) {
  const Contrast contrast = contrast_of(profile, kRowsForPairs);
  constexpr std::size_t kFewestRows = 20;  // of each label
  if (contrast.count(TrueLabel::anomaly) < kFewestRows || contrast.count(TrueLabel::normal) < kFewestRows)
    return;
  constexpr std::size_t kMostFindings = 10;
  const std::size_t most = findings.size() + kMostFindings;
  keep_the_best(numbers);
  keep_the_best(groups);
  std::vector<std::vector<double>> values;
  for (const PairCandidate& candidate : numbers) {
    // Missing cells lie in the middle, where they favour no label.
    std::vector<double>& column = values.emplace_back();
    double sum = 0, n = 0;
    for (std::size_t i = 0; i < contrast.rows.size(); ++i) {
      const SampleCell cell = contrast.cell(i, candidate.column);
      column.push_back(cell.value());
      if (!cell.is_number()) continue;
      sum += cell.value();
      ++n;
    }
    for (double& x : column)
      if (std::isnan(x)) x = sum / std::max(1.0, n);
  }
  std::vector<double> scratch;
  for (std::size_t a = 0; a < numbers.size(); ++a) {
    for (std::size_t b = a + 1; b < numbers.size() && findings.size() < most; ++b) {
      // Without a mistake: that two good measurements separate nearly everything is what one hopes for.
      if (rank_pair(values[a], values[b], contrast.labels, scratch) < 1) continue;
      add_pair(
          profile, numbers[a].column, numbers[b].column,
          fmt::format(
              "a weighted sum of the two separates {} anomalies from {} {} without a mistake; alone they "
              "reach an AUC of {:.3f} and {:.3f}",
              contrast.count(TrueLabel::anomaly), contrast.count(TrueLabel::normal), others_text(contrast),
              numbers[a].auc, numbers[b].auc),
          findings);
    }
  }
  for (std::size_t a = 0; a < groups.size(); ++a) {
    const std::vector<std::uint64_t> first = groups_of(contrast, groups[a].column);
    for (std::size_t b = a + 1; b < groups.size() && findings.size() < most; ++b) {
      std::vector<std::uint64_t> both = groups_of(contrast, groups[b].column);
      if (first.empty() || both.empty()) continue;
      for (std::size_t i = 0; i < both.size(); ++i) both[i] = scrambled(both[i]) + first[i];
      const double auc = rank_groups(both, contrast.labels);
      if (auc < kLeakAuc) continue;
      add_pair(
          profile, groups[a].column, groups[b].column,
          fmt::format(
              "the pair of their values tells the label with an AUC of {:.4f}; alone they reach {:.3f} and "
              "{:.3f}",
              auc, groups[a].auc, groups[b].auc),
          findings);
    }
  }
}

}  // namespace

void find_label_leaks(const TableProfile& profile, std::vector<DataFinding>& findings) {
  const Contrast contrast = contrast_of(profile, kRowsForColumns);
  const std::size_t n_anomaly = contrast.count(TrueLabel::anomaly),
                    n_other = contrast.count(TrueLabel::normal);
  std::size_t n_features = 0;
  for (std::size_t j = 0; j < profile.columns().size(); ++j) n_features += profile.is_feature(j) ? 1 : 0;
  if (n_anomaly == 0 || n_other == 0 || n_features == 0) return;
  const double most = std::log10(kChance / static_cast<double>(n_features));
  if (log_chance_of_separation(static_cast<double>(n_anomaly), static_cast<double>(n_other)) > most) return;
  std::vector<PairCandidate> numbers, groups;
  for (std::size_t j = 0; j < profile.columns().size(); ++j) {
    if (!profile.is_feature(j)) continue;
    const ColumnProfile& column = profile.columns()[j];
    find_telling_gap(contrast, j, findings);
    bool leaks = false;
    double best = 0.5;
    if (column.n_numbers > column.n_texts) {
      const Ranking ranking = rank_numbers(contrast, j);
      best = ranking.auc;
      leaks =
          ranking.auc >= kLeakAuc && log_chance_of_separation(static_cast<double>(ranking.n_anomaly),
                                                              static_cast<double>(ranking.n_normal)) <= most;
      if (leaks) add_ranking(contrast, j, ranking, findings);
      if (!leaks && best < kAlreadyStrong) numbers.push_back({j, best});
    }
    const std::vector<std::uint64_t> cells = leaks ? std::vector<std::uint64_t>{} : groups_of(contrast, j);
    if (cells.empty()) continue;
    const double auc = rank_groups(cells, contrast.labels);
    if (auc >= kLeakAuc)
      add_groups(contrast, j, cells, auc, findings);
    else if (std::max(auc, best) < kAlreadyStrong)
      groups.push_back({j, auc});
  }
  find_pairs(profile, std::move(numbers), std::move(groups), findings);
}

}  // namespace deepsad
