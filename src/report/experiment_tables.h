// The parts of an experiment's report: names that its files share, and one function a file.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "deepsad/experiment/summary.h"

namespace deepsad {

/// Something that can differ between the rows of an experiment: "gamma_l", "gamma_p", "k", or a varied
/// option.
struct RowAxis {
  std::string key;    ///< in CSV
  std::string label;  ///< on pages: "γ_l"
};
/// The axes along which rows of the experiment differ. Rows without labels are the same row whether gamma_l
/// or k is 0, so these two vary only where rows with labels do.
[[nodiscard]] std::vector<RowAxis> varying_axes(const Experiment& experiment);
/// The row's value on an axis: "0.05"; "" if it has none.
[[nodiscard]] std::string axis_value(const RowKey& row, const std::string& axis);
/// "γ_l 0.05, γ_p 0.1" of the given axes.
[[nodiscard]] std::string row_label(const RowKey& row, const std::vector<RowAxis>& axes);

/// "96.4 ± 2.7" of shares, in percent; the mean alone for one run; "–" for none.
[[nodiscard]] std::string mean_text(double mean, double standard_deviation, std::size_t n);
/// "+0.4", with a minus sign of the same width.
[[nodiscard]] std::string signed_text(double value, int decimals);
/// "+0.4 ± 0.6" in percent points, with the standard error.
[[nodiscard]] std::string difference_text(double difference, double error);
/// "0.032", "< 0.001".
[[nodiscard]] std::string p_text(double p);

[[nodiscard]] std::string cells_csv(std::span<const Experiment> experiments);
[[nodiscard]] std::string comparisons_csv(std::span<const Experiment> experiments);
/// AUC of every setup, a column for each method.
[[nodiscard]] std::string setups_csv(std::span<const Experiment> experiments);
[[nodiscard]] std::string tables_markdown(std::span<const Experiment> experiments, const std::string& source);
/// With the packages booktabs and graphicx.
[[nodiscard]] std::string tables_latex(std::span<const Experiment> experiments, const std::string& source);
[[nodiscard]] std::string experiment_page(std::span<const Experiment> experiments,
                                          std::span<const RunRecord> records, const std::string& source,
                                          const std::string& title);

}  // namespace deepsad
