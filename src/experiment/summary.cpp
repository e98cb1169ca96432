#include "deepsad/experiment/summary.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <tuple>
#include <utility>

namespace deepsad {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// What came of one method in one row, variant by variant.
struct Collected {
  std::map<std::string, std::map<SetupKey, SetupScores>> variants;
  std::size_t n_failed = 0;
  bool leaky = false;
};

using CollectedRow = std::map<std::string, Collected>;  // by column

RowKey row_key(const RunSetup& setup) {
  return {setup.dataset, setup.gamma_p, setup.gamma_l, setup.n_known_classes, setup.varied};
}

SetupKey setup_key(const RunSetup& setup) {
  return {setup.normal_classes, setup.known_class, setup.seed};
}

std::optional<double> metric(const RunRecord& record, const char* name) {
  const auto entry = record.metrics.find(name);
  return entry == record.metrics.end() ? std::nullopt : std::optional(entry->second);
}

std::vector<double> aucs(const std::map<SetupKey, SetupScores>& setups) {
  std::vector<double> values;
  for (const auto& [key, scores] : setups) values.push_back(scores.auc);
  return values;
}

ExperimentCell make_cell(const Collected& collected, const RowKey& row, const std::string& column,
                         const PublishedFigures& published) {
  ExperimentCell cell;
  cell.n_variants = collected.variants.size();
  cell.n_failed = collected.n_failed;
  cell.leaky = collected.leaky;
  cell.difference = cell.difference_error = kNaN;
  double best = -1;
  for (const auto& [variant, setups] : collected.variants) {
    const Summary summary = summarize(aucs(setups));
    if (summary.n == 0 || summary.mean <= best) continue;
    best = summary.mean;
    cell.setups = setups;
    cell.variant = cell.n_variants > 1 ? variant : "";
  }
  cell.auc = summarize(aucs(cell.setups));
  std::vector<double> precisions;
  for (const auto& [key, scores] : cell.setups)
    if (scores.average_precision) precisions.push_back(*scores.average_precision);
  cell.average_precision = summarize(precisions);

  // The paper varies nothing else, so a further axis has no printed figure.
  if (!row.varied.empty()) return cell;
  const PublishedFigure* figure =
      published.find(row.dataset, row.gamma_l, row.gamma_p, row.n_known_classes, column);
  if (figure == nullptr) return cell;
  cell.published = *figure;
  cell.difference = cell.auc.mean - figure->mean;
  const double theirs =
      figure->standard_deviation * figure->standard_deviation / static_cast<double>(figure->n);
  cell.difference_error =
      std::sqrt(cell.auc.standard_error * cell.auc.standard_error + theirs);  // NaN for one setup
  return cell;
}

std::vector<Comparison> compare_with(const std::string& reference, const std::vector<std::string>& columns,
                                     const std::vector<std::optional<ExperimentCell>>& cells) {
  const auto at =
      static_cast<std::size_t>(std::find(columns.begin(), columns.end(), reference) - columns.begin());
  if (at == columns.size() || !cells[at]) return {};
  std::vector<Comparison> comparisons;
  std::vector<double> p_values;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (c == at || !cells[c]) continue;
    std::vector<double> ours, others, differences;
    for (const auto& [setup, scores] : cells[at]->setups) {
      const auto other = cells[c]->setups.find(setup);
      if (other == cells[c]->setups.end()) continue;
      ours.push_back(scores.auc);
      others.push_back(other->second.auc);
      differences.push_back(scores.auc - other->second.auc);
    }
    if (ours.empty()) continue;
    comparisons.push_back({.column = columns[c],
                           .n = ours.size(),
                           .mean_difference = summarize(differences).mean,
                           .wilcoxon = wilcoxon_signed_rank(ours, others),
                           .cliffs_delta = cliffs_delta(ours, others)});
    p_values.push_back(comparisons.back().wilcoxon.p_value);
  }
  const std::vector<double> adjusted = holm_adjusted(p_values);
  for (std::size_t i = 0; i < comparisons.size(); ++i) comparisons[i].holm_p = adjusted[i];
  return comparisons;
}

std::optional<RankComparison> compare_ranks(const Experiment& experiment, std::size_t n_methods) {
  using Place = std::pair<std::size_t, SetupKey>;  // row and setup
  std::vector<std::set<Place>> places(n_methods);
  std::size_t most = 0;
  for (std::size_t c = 0; c < n_methods; ++c) {
    for (std::size_t r = 0; r < experiment.rows.size(); ++r) {
      if (!experiment.rows[r].cells[c]) continue;
      for (const auto& [setup, scores] : experiment.rows[r].cells[c]->setups) places[c].emplace(r, setup);
    }
    most = std::max(most, places[c].size());
  }
  RankComparison result;
  std::vector<std::size_t> chosen;
  for (std::size_t c = 0; c < n_methods; ++c) {
    if (2 * places[c].size() >= most) {
      chosen.push_back(c);
      result.columns.push_back(experiment.columns[c]);
    } else {
      result.left_out.push_back(experiment.columns[c]);
    }
  }
  if (chosen.size() < 2) return std::nullopt;
  std::set<Place> common = places[chosen.front()];
  for (const std::size_t c : chosen)
    std::erase_if(common, [&](const Place& place) { return !places[c].contains(place); });
  result.n_setups = common.size();

  // Setups of one normal class share most of their data: they are averaged into one block, as [1] wants one
  // figure a data set, unless that leaves too few blocks to rank.
  constexpr std::size_t kFewBlocks = 5;
  const auto blocks_by = [&](auto&& block_of) {
    std::map<decltype(block_of(*common.begin())), std::pair<std::vector<double>, double>> blocks;
    for (const Place& place : common) {
      auto& [sums, n] = blocks[block_of(place)];
      sums.resize(chosen.size(), 0);
      for (std::size_t i = 0; i < chosen.size(); ++i)
        sums[i] += experiment.rows[place.first].cells[chosen[i]]->setups.at(place.second).auc;
      ++n;
    }
    std::vector<double> values;
    for (const auto& [key, block] : blocks)
      for (const double sum : block.first) values.push_back(sum / block.second);
    return values;
  };
  std::vector<double> values = blocks_by([&](const Place& place) {
    return std::pair(experiment.rows[place.first].key.dataset, place.second.normal_classes);
  });
  result.averaged_blocks = values.size() / chosen.size() >= kFewBlocks;
  if (!result.averaged_blocks) values = blocks_by([](const Place& place) { return place; });
  const std::size_t n_blocks = values.size() / chosen.size();
  if (n_blocks < 2) return std::nullopt;
  result.friedman = friedman({values.data(), n_blocks, chosen.size()});
  result.critical_difference = nemenyi_critical_difference(chosen.size(), n_blocks, kRankAlpha);
  return result;
}

/// Values in the order of their first appearance.
class Order {
 public:
  void see(const std::string& value) { places_.try_emplace(value, places_.size()); }
  [[nodiscard]] std::size_t of(const std::string& value) const { return places_.at(value); }

 private:
  std::map<std::string, std::size_t> places_;
};

// "0.1" before "10" before "full".
bool varied_before(const std::map<std::string, std::string>& a, const std::map<std::string, std::string>& b) {
  for (auto i = a.begin(), j = b.begin(); i != a.end() && j != b.end(); ++i, ++j) {
    if (i->first != j->first) return i->first < j->first;
    if (i->second == j->second) continue;
    char* end_a = nullptr;
    char* end_b = nullptr;
    const double x = std::strtod(i->second.c_str(), &end_a), y = std::strtod(j->second.c_str(), &end_b);
    const bool number_a = *end_a == '\0', number_b = *end_b == '\0';
    if (number_a && number_b && x != y) return x < y;
    if (number_a != number_b) return number_a;
    return i->second < j->second;
  }
  return a.size() < b.size();
}

}  // namespace

bool ExperimentCell::outside_noise() const {
  constexpr double kStandardErrors = 2;
  return std::abs(difference) > kStandardErrors * difference_error;  // false for NaN
}

std::string untrained_column(const std::string& column) {
  return column + ", untrained";
}

std::vector<Experiment> summarize_experiments(std::span<const RunRecord> records,
                                              const PublishedFigures& published,
                                              const std::string& reference) {
  Order experiments, datasets, columns;
  for (const std::string& column : published.columns) columns.see(column);
  std::map<std::string, std::set<std::string>> columns_of;  // of an experiment
  for (const RunRecord& record : records) {
    experiments.see(record.setup.experiment);
    datasets.see(record.setup.dataset);
    columns.see(record.setup.column);
    columns_of[record.setup.experiment].insert(record.setup.column);
  }
  const auto in_order = [&](const std::string& a, const std::string& b) {
    return columns.of(a) < columns.of(b);
  };
  std::map<std::string, std::string> reference_of;
  for (const auto& [experiment, present] : columns_of)
    reference_of[experiment] =
        present.contains(reference) ? reference : *std::min_element(present.begin(), present.end(), in_order);

  std::map<std::string, std::map<RowKey, CollectedRow>> collected;
  for (const RunRecord& record : records) {
    const RunSetup& setup = record.setup;
    CollectedRow& row = collected[setup.experiment][row_key(setup)];
    Collected& cell = row[setup.column];
    if (record.state == RunState::failed) {
      ++cell.n_failed;
      continue;
    }
    for (const std::string& finding : record.findings)
      cell.leaky = cell.leaky || finding == "test_leak" || finding == "test_rows_in_training";
    if (const auto auc = metric(record, "test_auc"))
      cell.variants[setup.variant][setup_key(setup)] = {*auc, metric(record, "test_ap")};
    if (setup.column != reference_of.at(setup.experiment)) continue;
    if (const auto auc = metric(record, "untrained_auc"))
      row[untrained_column(setup.column)].variants[setup.variant][setup_key(setup)] = {
          *auc, metric(record, "untrained_ap")};
  }

  std::vector<Experiment> result;
  for (const auto& [name, rows] : collected) {
    Experiment experiment{
        .name = name, .reference = reference_of.at(name), .columns = {}, .rows = {}, .ranks = {}};
    const std::set<std::string>& present = columns_of.at(name);
    experiment.columns.assign(present.begin(), present.end());
    std::sort(experiment.columns.begin(), experiment.columns.end(), in_order);
    const std::size_t n_methods = experiment.columns.size();
    const std::string untrained = untrained_column(experiment.reference);
    if (std::any_of(rows.begin(), rows.end(),
                    [&](const auto& row) { return row.second.contains(untrained); }))
      experiment.columns.push_back(untrained);
    for (const auto& [key, collected_row] : rows) {
      ExperimentRow row{.key = key, .cells = {}, .comparisons = {}};
      for (const std::string& column : experiment.columns) {
        const auto cell = collected_row.find(column);
        row.cells.push_back(cell == collected_row.end()
                                ? std::nullopt
                                : std::optional(make_cell(cell->second, key, column, published)));
      }
      row.comparisons = compare_with(experiment.reference, experiment.columns, row.cells);
      experiment.rows.push_back(std::move(row));
    }
    std::sort(experiment.rows.begin(), experiment.rows.end(),
              [&](const ExperimentRow& a, const ExperimentRow& b) {
                const auto place = [&](const RowKey& k) {
                  return std::tuple(datasets.of(k.dataset), k.gamma_p, k.gamma_l, k.n_known_classes);
                };
                if (place(a.key) != place(b.key)) return place(a.key) < place(b.key);
                return varied_before(a.key.varied, b.key.varied);
              });
    experiment.ranks = compare_ranks(experiment, n_methods);
    result.push_back(std::move(experiment));
  }
  std::sort(result.begin(), result.end(), [&](const Experiment& a, const Experiment& b) {
    return experiments.of(a.name) < experiments.of(b.name);
  });
  return result;
}

}  // namespace deepsad
