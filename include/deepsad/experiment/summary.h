// What the runs of a store add up to: cells of tables, differences from published figures, tests between
// methods.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "deepsad/evaluation/statistics.h"
#include "deepsad/experiment/published.h"
#include "deepsad/experiment/record.h"

namespace deepsad {

/// A row of a table: everything that its runs have in common.
struct RowKey {
  std::string dataset;
  double gamma_p = 0, gamma_l = 0;
  std::size_t n_known_classes = 0;
  std::map<std::string, std::string> varied;

  friend auto operator<=>(const RowKey&, const RowKey&) = default;
};

/// One repetition within a cell. Methods are compared setup by setup.
struct SetupKey {
  std::vector<int> normal_classes;
  std::optional<int> known_class;
  std::uint64_t seed = 0;

  friend auto operator<=>(const SetupKey&, const SetupKey&) = default;
};

struct SetupScores {
  double auc = 0;
  std::optional<double> average_precision;
};

/// One method in one row.
struct ExperimentCell {
  std::map<SetupKey, SetupScores> setups;  ///< of the chosen variant
  Summary auc, average_precision;          ///< shares in [0, 1]
  /// Of several variants the one with the largest mean AUC, "" if there is one only. That is a choice on test
  /// rows, as in the paper, so the figure is too good by a little.
  std::string variant;
  std::size_t n_variants = 1;
  std::size_t n_failed = 0;
  bool leaky = false;  ///< a run chose hyper-parameters on test rows, or tested on training rows
  std::optional<PublishedFigure> published;
  double difference = 0;        ///< auc.mean - published.mean; NaN without published figure
  double difference_error = 0;  ///< sqrt(sd^2 / n + published sd^2 / published n); NaN where undefined

  /// More than two standard errors from the published mean.
  [[nodiscard]] bool outside_noise() const;
};

/// The reference method against another, over the setups that both have.
struct Comparison {
  std::string column;
  std::size_t n = 0;           ///< pairs
  double mean_difference = 0;  ///< reference - other
  WilcoxonResult wilcoxon;     ///< a: the reference
  double holm_p = 1;           ///< adjusted over the comparisons of the row
  double cliffs_delta = 0;     ///< of the reference over the other
};

struct ExperimentRow {
  RowKey key;
  std::vector<std::optional<ExperimentCell>> cells;  ///< one for each column
  std::vector<Comparison> comparisons;               ///< empty without the reference
};

/// All methods at once.
struct RankComparison {
  std::vector<std::string> columns;
  std::vector<std::string> left_out;  ///< columns that lack more than half of the setups
  FriedmanResult friedman;
  double critical_difference = 0;  ///< Nemenyi, at kRankAlpha
  /// Whether a block is a normal class of a data set, its setups averaged; else a block is one setup.
  bool averaged_blocks = false;
  std::size_t n_setups = 0;  ///< that all columns have
};
inline constexpr double kRankAlpha = 0.05;

struct Experiment {
  std::string name;
  std::string reference;             ///< the column that others are compared with
  std::vector<std::string> columns;  ///< the paper's order, others behind; untrained networks last
  std::vector<ExperimentRow> rows;
  std::optional<RankComparison>
      ranks;  ///< without untrained networks; nothing if fewer than two blocks or methods
};

/// Name of the column of a method's network before any training.
[[nodiscard]] std::string untrained_column(const std::string& column);

/// Groups records by experiment, row and column. Failed runs are counted, runs without an AUC left out.
/// @param reference the column that others are compared with, and whose untrained network is a column, too;
/// an experiment that lacks it compares with its first column
[[nodiscard]] std::vector<Experiment> summarize_experiments(std::span<const RunRecord> records,
                                                            const PublishedFigures& published,
                                                            const std::string& reference);

}  // namespace deepsad
