// The figures that the paper prints, to stand beside measured ones.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace deepsad {

/// Mean and standard deviation of the test AUC over n setups, as shares in [0, 1].
struct PublishedFigure {
  std::string table;  ///< "3"
  std::string dataset;
  std::optional<double> gamma_l;  ///< nothing: any, for a method that does not use labels
  double gamma_p = 0;
  std::optional<std::size_t> n_known_classes;  ///< likewise
  std::string column;
  double mean = 0, standard_deviation = 0;
  std::size_t n = 0;
  bool doubtful = false;  ///< contradicts another table of the same paper
};

struct PublishedFigures {
  std::string source;                ///< what they were taken from
  std::vector<std::string> columns;  ///< the paper's order
  std::vector<PublishedFigure> figures;

  /// The figure of a cell, or nullptr; one that is not doubtful, if there are two. A cell without labelled
  /// anomalies is the same whether its ratio or its number of known classes is 0.
  [[nodiscard]] const PublishedFigure* find(const std::string& dataset, double gamma_l, double gamma_p,
                                            std::size_t n_known_classes, const std::string& column) const;
};

/// The figures of experiments/paper/published.json, which are built in.
[[nodiscard]] const PublishedFigures& published_figures();
/// The same from a file of that form. @throws DataError naming `name` and what is wrong
[[nodiscard]] PublishedFigures parse_published_figures(const std::string& text, const std::string& name);

}  // namespace deepsad
