// One run of an experiment: what was asked for, and what came of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace deepsad {

/// Where a run stands in an experiment: its cell (data set, ratios, known classes, column of the table) and
/// its place within the cell (normal and known class, seed). Runs of different columns are pairs when all of
/// dataset, ratios, n_known_classes, normal_classes, known_class and seed agree.
struct RunSetup {
  /// Names the training itself, 16 hexadecimal digits: the same for all setups that one training answers,
  /// such as the cells of a method without labels, whatever the ratio of labels.
  std::string id;
  std::string experiment;       ///< the grid's name: "scenario1"
  std::string dataset;          ///< "mnist"
  std::string column;           ///< the method as tables name it: "SSAD hybrid"
  std::string variant;          ///< "" or one of the settings that compete for the column: "soft-boundary"
  std::string method;           ///< of the registry: "ssad"
  std::string preset = "none";  ///< none, readme, paper
  std::string compat = "none";  ///< none, reference
  std::vector<int> normal_classes;  ///< {0}
  std::optional<int> known_class;   ///< class of the labelled anomalies where the grid names it (k = 1)
  std::size_t n_known_classes = 0;  ///< k; more than one are drawn by the seed
  double gamma_l = 0;               ///< labelled anomalies / all training rows
  double gamma_p = 0;               ///< anomalies among the unlabelled rows
  std::map<std::string, std::string> varied;  ///< further axes of the grid: {"eta", "0.1"}
  std::uint64_t seed = 0;
  std::string options;  ///< every option as JSON; `deepsad train --config` repeats the run from it

  friend bool operator==(const RunSetup&, const RunSetup&) = default;
};

enum class RunState { done, failed };

/// A finished run.
struct RunRecord {
  RunSetup setup;
  RunState state = RunState::done;
  std::string error;  ///< why it failed; "" if it did not
  /// test_auc, test_ap; untrained_auc, untrained_ap (the same network before any training); autoencoder_auc,
  /// autoencoder_ap (of the pretraining); linear_auc, linear_ap (hybrids); train_seconds, test_seconds,
  /// n_train, n_test. What is not defined is absent; no value is NaN.
  std::map<std::string, double> metrics;
  /// Names of what the checks found, and of what makes the metrics too good: "test_leak" (hyper-parameters
  /// chosen on test rows), "test_rows_in_training".
  std::vector<std::string> findings;
  std::string started;  ///< UTC, "2026-01-31T12:00:00Z"
  double seconds = 0;   ///< wall time of the whole run
  std::string version;  ///< of deepsad
  std::string folder;   ///< run folder, or "" if none was kept

  friend bool operator==(const RunRecord&, const RunRecord&) = default;
};

}  // namespace deepsad
