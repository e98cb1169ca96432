#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "report/chart.h"
#include "report/experiment_tables.h"
#include "report/html.h"

namespace deepsad {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kSlowestRuns = 15;

/// Which colour and sign a column has: the same in all charts.
using Styles = std::map<std::string, std::size_t>;

Styles column_styles(std::span<const Experiment> experiments) {
  Styles styles;
  // References first: theirs is the first colour, shared where experiments have different ones.
  for (const Experiment& experiment : experiments) styles[experiment.reference] = 0;
  std::size_t next = 1;
  for (const Experiment& experiment : experiments)
    for (const std::string& column : experiment.columns)
      if (styles.try_emplace(column, next).second) ++next;
  return styles;
}

Html paragraph(std::string_view plain) {
  return element("p", {}, plain);
}

Html small(const char* css, const std::string& plain) {
  return element("small", {{"class", css}}, plain);
}

// Runs that answer several setups count once.
std::vector<const RunRecord*> distinct_runs(std::span<const RunRecord> records) {
  std::set<std::string> seen;
  std::vector<const RunRecord*> runs;
  for (const RunRecord& record : records)
    if (seen.insert(record.setup.id).second) runs.push_back(&record);
  return runs;
}

// Adds dataset and the varying values in front of a row of cells.
std::vector<HtmlCell> row_cells(const RowKey& row, const std::vector<RowAxis>& axes) {
  std::vector<HtmlCell> cells{text_cell(row.dataset)};
  for (const RowAxis& axis : axes) {
    const std::string value = axis_value(row, axis.key);
    cells.push_back(text_cell(value));
    cells.back().number = true;
    cells.back().sort_key = value;
  }
  return cells;
}

std::vector<std::string> row_columns(const std::vector<RowAxis>& axes) {
  std::vector<std::string> columns{"data set"};
  for (const RowAxis& axis : axes) columns.push_back(axis.label);
  return columns;
}

// @param usual_n how many setups most cells have; others say so
HtmlCell table_cell(const ExperimentCell& cell, std::size_t usual_n) {
  HtmlCell result =
      number_cell(mean_text(cell.auc.mean, cell.auc.standard_deviation, cell.auc.n), cell.auc.mean);
  if (cell.leaky) result.content += Html(" ‡");
  if (cell.published) {
    const PublishedFigure& paper = *cell.published;
    result.content += small("soft", "paper " + mean_text(paper.mean, paper.standard_deviation, paper.n) +
                                        (paper.doubtful ? " †" : ""));
    if (cell.auc.n > 0) {
      const bool outside = cell.outside_noise();
      result.content +=
          small(outside ? "outside" : "soft",
                difference_text(cell.difference, cell.difference_error) + (!outside              ? ""
                                                                           : cell.difference > 0 ? " ▲"
                                                                                                 : " ▼"));
    }
  }
  if (cell.n_variants > 1 && !cell.variant.empty()) result.content += small("soft", cell.variant);
  if (cell.auc.n > 0 && cell.auc.n != usual_n)
    result.content += small("soft", fmt::format("{} setup{}", cell.auc.n, cell.auc.n == 1 ? "" : "s"));
  if (cell.n_failed > 0) result.content += small("outside", fmt::format("{} failed", cell.n_failed));
  return result;
}

Html main_table(const Experiment& experiment, const std::vector<RowAxis>& axes) {
  std::map<std::size_t, std::size_t> sizes;  // how many cells have so many setups
  for (const ExperimentRow& row : experiment.rows)
    for (const auto& cell : row.cells)
      if (cell && cell->auc.n > 0) ++sizes[cell->auc.n];
  std::size_t usual_n = 0;
  for (const auto& [n, n_cells] : sizes)
    if (usual_n == 0 || n_cells >= sizes[usual_n]) usual_n = n;
  HtmlTable table{
      .caption = fmt::format("Test AUC in percent: mean ± standard deviation over {} setups{}", usual_n,
                             sizes.size() > 1 ? ", where a cell does not say otherwise" : ""),
      .columns = row_columns(axes),
      .rows = {}};
  table.columns.insert(table.columns.end(), experiment.columns.begin(), experiment.columns.end());
  for (const ExperimentRow& row : experiment.rows) {
    std::vector<HtmlCell> cells = row_cells(row.key, axes);
    double best = -1;
    for (std::size_t c = 0; c < row.cells.size(); ++c)
      if (row.cells[c] && row.cells[c]->auc.n > 0) best = std::max(best, row.cells[c]->auc.mean);
    for (const auto& cell : row.cells) {
      cells.push_back(cell ? table_cell(*cell, usual_n) : number_cell("", kNaN));
      if (cell && cell->auc.n > 0 && cell->auc.mean == best) cells.back().style = "best";
    }
    table.rows.push_back(std::move(cells));
  }
  return html_table(table);
}

Html precision_table(const Experiment& experiment, const std::vector<RowAxis>& axes) {
  HtmlTable table{.caption = "Average precision in percent: mean ± standard deviation over setups",
                  .columns = row_columns(axes),
                  .rows = {}};
  table.columns.insert(table.columns.end(), experiment.columns.begin(), experiment.columns.end());
  for (const ExperimentRow& row : experiment.rows) {
    std::vector<HtmlCell> cells = row_cells(row.key, axes);
    for (const auto& cell : row.cells) {
      const Summary ap = cell ? cell->average_precision : Summary{.n = 0, .mean = kNaN};
      cells.push_back(number_cell(cell ? mean_text(ap.mean, ap.standard_deviation, ap.n) : "", ap.mean));
    }
    table.rows.push_back(std::move(cells));
  }
  return folded("Average precision", html_table(table));
}

// One chart for each data set, if the rows differ along one axis.
Html curves(const Experiment& experiment, const std::vector<RowAxis>& axes, const Styles& styles,
            std::size_t number) {
  if (axes.size() != 1) return {};
  const RowAxis& axis = axes.front();
  std::vector<std::string> datasets;
  for (const ExperimentRow& row : experiment.rows)
    if (std::find(datasets.begin(), datasets.end(), row.key.dataset) == datasets.end())
      datasets.push_back(row.key.dataset);
  Html charts;
  for (std::size_t d = 0; d < datasets.size(); ++d) {
    std::vector<const ExperimentRow*> rows;
    for (const ExperimentRow& row : experiment.rows)
      if (row.key.dataset == datasets[d]) rows.push_back(&row);
    if (rows.size() < 2) continue;
    // Places are even: the paper's ratios crowd near 0, and other axes are powers.
    Axis x{-0.15, static_cast<double>(rows.size()) - 0.85, false, {}};
    for (std::size_t i = 0; i < rows.size(); ++i)
      x.ticks.push_back({static_cast<double>(i), axis_value(rows[i]->key, axis.key)});
    double low = 100, high = 0;
    const auto see = [&](double value) {
      if (!std::isfinite(value)) return;
      low = std::min(low, value);
      high = std::max(high, value);
    };
    LineChart chart{.text = {.id = fmt::format("curves-{}-{}", number, d),
                             .caption = fmt::format("{}: AUC over {}", datasets[d], axis.label),
                             .note = "",
                             .description = ""},
                    .x_label = axis.label,
                    .y_label = "AUC (%)",
                    .x = x,
                    .y = {},
                    .lines = {},
                    .marks = {},
                    .guide = {}};
    for (std::size_t c = 0; c < experiment.columns.size(); ++c) {
      const bool is_reference = experiment.columns[c] == experiment.reference;
      // Far below the others, it would squeeze them; the table has it.
      if (experiment.columns[c] == untrained_column(experiment.reference)) continue;
      ChartLine chart_line{.name = experiment.columns[c],
                           .points = {},
                           .half_band = {},
                           .style = styles.at(experiment.columns[c]),
                           .strong = is_reference,
                           .dots = true};
      bool any = false;
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto& cell = rows[i]->cells[c];
        const double mean = cell && cell->auc.n > 0 ? 100 * cell->auc.mean : kNaN;
        const double spread = cell && cell->auc.n > 1 ? 100 * cell->auc.standard_deviation : 0;
        any = any || std::isfinite(mean);
        see(mean);
        chart_line.points.push_back({static_cast<double>(i), mean});
        if (is_reference) {
          chart_line.half_band.push_back(spread);
          see(mean - spread);
          see(mean + spread);
        }
        if (is_reference && cell && cell->published) {
          chart.guide.push_back({static_cast<double>(i), 100 * cell->published->mean});
          see(100 * cell->published->mean);
        }
      }
      if (any) chart.lines.push_back(std::move(chart_line));
    }
    if (chart.lines.empty()) continue;
    // The strong line lies on top of the others.
    std::stable_partition(chart.lines.begin(), chart.lines.end(),
                          [](const ChartLine& l) { return !l.strong; });
    chart.y = value_axis(low, std::min(high, 100.0), 6);
    if (chart.y.high > 100) chart.y.high = 100;
    chart.text.note = fmt::format("band: ± standard deviation of {} over setups", experiment.reference);
    if (chart.guide.size() > 1) chart.text.note += "; dotted: the paper's " + experiment.reference;
    std::string first_to_last;
    for (const ChartLine& l : chart.lines)
      first_to_last +=
          fmt::format(" {} from {:.1f} to {:.1f}.", l.name, l.points.front().y, l.points.back().y);
    chart.text.description = fmt::format("Mean test AUC of each method over {}, {} to {}:{}", axis.label,
                                         x.ticks.front().label, x.ticks.back().label, first_to_last);
    charts += line_chart(chart);
  }
  return charts.empty() ? Html() : element("div", {{"class", "figures"}}, charts);
}

Html rank_part(const Experiment& experiment, std::size_t number) {
  if (!experiment.ranks) return {};
  const RankComparison& ranks = *experiment.ranks;
  const std::string blocks =
      ranks.averaged_blocks
          ? fmt::format(
                "{} blocks, each the mean of the setups of one data set and normal class ({} setups in all)",
                ranks.friedman.n_blocks, ranks.n_setups)
          : fmt::format("{} setups", ranks.friedman.n_blocks);
  std::string note = fmt::format(
      "Friedman over {}: χ² {:.1f}, p {}. 1 is best; methods joined by a bar differ by less than Nemenyi's "
      "critical difference at {}.",
      blocks, ranks.friedman.chi_squared, p_text(ranks.friedman.p_value), kRankAlpha);
  if (!ranks.left_out.empty())
    note += fmt::format(" Left out, because most of their setups are missing: {}.",
                        fmt::join(ranks.left_out, ", "));
  std::string description = "Average ranks:";
  for (std::size_t i = 0; i < ranks.columns.size(); ++i)
    description += fmt::format(" {} {:.2f}.", ranks.columns[i], ranks.friedman.average_ranks[i]);
  return critical_difference_diagram({.id = fmt::format("ranks-{}", number),
                                      .caption = "Average ranks of the methods",
                                      .note = note,
                                      .description = description},
                                     ranks.columns, ranks.friedman.average_ranks, ranks.critical_difference);
}

Html comparison_part(const Experiment& experiment, const std::vector<RowAxis>& axes) {
  HtmlTable table{
      .caption = fmt::format("{} against each other method, setup by setup", experiment.reference),
      .columns = row_columns(axes),
      .rows = {}};
  for (const char* name :
       {"method", "pairs", "mean difference", "p (Wilcoxon)", "p (Holm)", "rank-biserial", "Cliff's δ"})
    table.columns.emplace_back(name);
  for (const ExperimentRow& row : experiment.rows) {
    for (const Comparison& c : row.comparisons) {
      std::vector<HtmlCell> cells = row_cells(row.key, axes);
      cells.push_back(text_cell(c.column));
      cells.push_back(number_cell(std::to_string(c.n), static_cast<double>(c.n)));
      cells.push_back(number_cell(difference_text(c.mean_difference, kNaN), c.mean_difference));
      cells.push_back(number_cell(p_text(c.wilcoxon.p_value), c.wilcoxon.p_value));
      cells.push_back(number_cell(p_text(c.holm_p), c.holm_p));
      if (c.holm_p < kRankAlpha) cells.back().style = "best";
      cells.push_back(number_cell(signed_text(c.wilcoxon.rank_biserial, 2), c.wilcoxon.rank_biserial));
      cells.push_back(number_cell(signed_text(c.cliffs_delta, 2), c.cliffs_delta));
      table.rows.push_back(std::move(cells));
    }
  }
  if (table.rows.empty()) return {};
  return folded(
      "Significance and effect sizes",
      html_table(table) +
          element("p", {{"class", "soft"}},
                  fmt::format("Wilcoxon's signed-rank test, two-sided; Holm's correction over the methods of "
                              "a row; bold below {}. Positive: {} is better. Setups of one normal class "
                              "share data, so p-values are too small rather than too large.",
                              kRankAlpha, experiment.reference)));
}

// Mean AUC of the reference for every pair of normal and known anomaly class.
Html heat_map(const Experiment& experiment, const std::string& dataset) {
  const auto column = std::find(experiment.columns.begin(), experiment.columns.end(), experiment.reference);
  if (column == experiment.columns.end()) return {};
  const auto c = static_cast<std::size_t>(column - experiment.columns.begin());
  std::map<std::pair<std::vector<int>, int>, std::vector<double>> values;
  std::set<std::vector<int>> normals;
  std::set<int> knowns;
  for (const ExperimentRow& row : experiment.rows) {
    const bool labels = row.key.gamma_l > 0 && row.key.n_known_classes > 0;
    if (row.key.dataset != dataset || !labels || !row.cells[c]) continue;
    for (const auto& [setup, scores] : row.cells[c]->setups) {
      if (!setup.known_class) continue;
      normals.insert(setup.normal_classes);
      knowns.insert(*setup.known_class);
      values[{setup.normal_classes, *setup.known_class}].push_back(scores.auc);
    }
  }
  if (normals.size() < 2 || knowns.size() < 2) return {};
  double low = 1, high = 0;
  std::map<std::pair<std::vector<int>, int>, double> means;
  for (const auto& [place, aucs] : values) {
    const double mean = summarize(aucs).mean;
    means[place] = mean;
    low = std::min(low, mean);
    high = std::max(high, mean);
  }
  HtmlTable table{
      .caption = fmt::format(
          "{}: {} by normal class (row) and known anomaly class (column), mean over rows with labels",
          dataset, experiment.reference),
      .columns = {"normal"},
      .rows = {}};
  for (const int known : knowns) table.columns.push_back(std::to_string(known));
  for (const std::vector<int>& normal : normals) {
    std::vector<HtmlCell> cells{text_cell(fmt::format("{}", fmt::join(normal, ", ")))};
    for (const int known : knowns) {
      const auto mean = means.find({normal, known});
      if (mean == means.end()) {
        cells.push_back(number_cell("", kNaN));
        continue;
      }
      cells.push_back(number_cell(fmt::format("{:.1f}", 100 * mean->second), mean->second));
      cells.back().heat = high > low ? (mean->second - low) / (high - low) : 0.5;
    }
    table.rows.push_back(std::move(cells));
  }
  return html_table(table);
}

Html heat_maps(const Experiment& experiment) {
  Html maps;
  std::set<std::string> datasets;
  for (const ExperimentRow& row : experiment.rows)
    if (datasets.insert(row.key.dataset).second) maps += heat_map(experiment, row.key.dataset);
  return maps.empty() ? Html() : element("div", {{"class", "figures"}}, maps);
}

// Every published figure beside ours, to be sorted by how far they are apart.
Html paper_part(const Experiment& experiment, const std::vector<RowAxis>& axes) {
  HtmlTable table{.caption = "Cells beside the paper's", .columns = row_columns(axes), .rows = {}};
  for (const char* name :
       {"method", "setups", "ours", "paper", "paper's setups", "difference", "standard errors"})
    table.columns.emplace_back(name);
  std::size_t n_outside = 0;
  for (const ExperimentRow& row : experiment.rows) {
    for (std::size_t c = 0; c < row.cells.size(); ++c) {
      if (!row.cells[c] || !row.cells[c]->published || row.cells[c]->auc.n == 0) continue;
      const ExperimentCell& cell = *row.cells[c];
      const PublishedFigure& paper = *cell.published;
      const double errors = cell.difference / cell.difference_error;
      std::vector<HtmlCell> cells = row_cells(row.key, axes);
      cells.push_back(
          text_cell(experiment.columns[c] + (cell.variant.empty() ? "" : " (" + cell.variant + ")")));
      cells.push_back(number_cell(std::to_string(cell.auc.n), static_cast<double>(cell.auc.n)));
      cells.push_back(
          number_cell(mean_text(cell.auc.mean, cell.auc.standard_deviation, cell.auc.n), cell.auc.mean));
      cells.push_back(
          number_cell(mean_text(paper.mean, paper.standard_deviation, paper.n) + (paper.doubtful ? " †" : ""),
                      paper.mean));
      cells.push_back(number_cell(std::to_string(paper.n), static_cast<double>(paper.n)));
      cells.push_back(number_cell(difference_text(cell.difference, cell.difference_error), cell.difference));
      cells.push_back(number_cell(std::isfinite(errors) ? signed_text(errors, 1) : "–", errors));
      if (cell.outside_noise()) {
        ++n_outside;
        cells.back().style = "best";
      }
      table.rows.push_back(std::move(cells));
    }
  }
  if (table.rows.empty()) return {};
  return folded(fmt::format("Beside the paper: {} of {} cells differ by more than two standard errors",
                            n_outside, table.rows.size()),
                html_table(table));
}

Html experiment_section(const Experiment& experiment, const Styles& styles, std::size_t number) {
  const std::vector<RowAxis> axes = varying_axes(experiment);
  const RowKey& first = experiment.rows.front().key;
  std::string fixed;
  for (const RowAxis& axis : {RowAxis{"gamma_l", "γ_l"}, RowAxis{"gamma_p", "γ_p"}, RowAxis{"k", "k"}}) {
    const bool varies =
        std::any_of(axes.begin(), axes.end(), [&](const RowAxis& other) { return other.key == axis.key; });
    if (!varies) {
      // Of a row with labels, if there is one: without them gamma_l and k say nothing.
      const auto labelled =
          std::find_if(experiment.rows.begin(), experiment.rows.end(),
                       [](const ExperimentRow& r) { return r.key.gamma_l > 0 && r.key.n_known_classes > 0; });
      const RowKey& row = labelled == experiment.rows.end() ? first : labelled->key;
      fixed += fmt::format("{}{} {}", fixed.empty() ? "" : ", ", axis.label, axis_value(row, axis.key));
    }
  }
  Html content;
  if (!fixed.empty())
    content +=
        element("p", {{"class", "soft"}},
                "In all rows: " + fixed +
                    " (γ_l: labelled anomalies / training rows, γ_p: anomalies / unlabelled rows, k: known "
                    "anomaly classes).");
  content += main_table(experiment, axes);
  content += curves(experiment, axes, styles, number);
  content += rank_part(experiment, number);
  content += heat_maps(experiment);
  content += paper_part(experiment, axes);
  content += comparison_part(experiment, axes);
  content += precision_table(experiment, axes);
  return section(experiment.name, content);
}

std::vector<HtmlCell> run_cells(const RunRecord& run) {
  const RunSetup& setup = run.setup;
  return {text_cell(setup.dataset),
          text_cell(setup.column + (setup.variant.empty() ? "" : " (" + setup.variant + ")")),
          text_cell(fmt::format("{}", fmt::join(setup.normal_classes, ", "))),
          number_cell(fmt::format("{}", setup.gamma_l), setup.gamma_l),
          number_cell(fmt::format("{}", setup.gamma_p), setup.gamma_p),
          number_cell(std::to_string(setup.n_known_classes), static_cast<double>(setup.n_known_classes)),
          number_cell(std::to_string(setup.seed), static_cast<double>(setup.seed))};
}

const std::vector<std::string> kRunColumns{"data set", "method", "normal", "γ_l", "γ_p", "k", "seed"};

Html slowest_section(const std::vector<const RunRecord*>& runs) {
  std::vector<const RunRecord*> sorted;
  for (const RunRecord* run : runs)
    if (run->state == RunState::done) sorted.push_back(run);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const RunRecord* a, const RunRecord* b) { return a->seconds > b->seconds; });
  if (sorted.size() > kSlowestRuns) sorted.resize(kSlowestRuns);
  if (sorted.empty()) return {};
  HtmlTable table{
      .caption = fmt::format("The {} slowest runs", sorted.size()), .columns = kRunColumns, .rows = {}};
  table.columns.insert(table.columns.end(), {"time", "run"});
  for (const RunRecord* run : sorted) {
    std::vector<HtmlCell> cells = run_cells(*run);
    cells.push_back(number_cell(duration_text(run->seconds), run->seconds));
    cells.push_back(text_cell(run->setup.id));
    table.rows.push_back(std::move(cells));
  }
  return section("Slowest runs", html_table(table));
}

Html failures_section(const std::vector<const RunRecord*>& runs) {
  HtmlTable table{.caption = "Runs that failed", .columns = kRunColumns, .rows = {}};
  table.columns.insert(table.columns.end(), {"error", "run"});
  for (const RunRecord* run : runs) {
    if (run->state != RunState::failed) continue;
    std::vector<HtmlCell> cells = run_cells(*run);
    cells.push_back(text_cell(run->error));
    cells.back().style = "long";
    cells.push_back(text_cell(run->setup.id));
    table.rows.push_back(std::move(cells));
  }
  if (table.rows.empty()) return section("Failures", element("p", {{"class", "good"}}, "No run failed."));
  return section("Failures", html_table(table));
}

Html findings_section(const std::vector<const RunRecord*>& runs) {
  std::map<std::string, std::map<std::string, std::size_t>> by_name;  // of runs, by column
  for (const RunRecord* run : runs)
    for (const std::string& finding : run->findings) ++by_name[finding][run->setup.column];
  if (by_name.empty())
    return section("Training checks", element("p", {{"class", "good"}}, "Every check of every run passed."));
  HtmlTable table{
      .caption = "What the checks of the runs found", .columns = {"finding", "method", "runs"}, .rows = {}};
  for (const auto& [name, columns] : by_name)
    for (const auto& [column, n] : columns)
      table.rows.push_back(
          {text_cell(name), text_cell(column), number_cell(std::to_string(n), static_cast<double>(n))});
  return section("Training checks", html_table(table));
}

}  // namespace

std::string experiment_page(std::span<const Experiment> experiments, std::span<const RunRecord> records,
                            const std::string& source, const std::string& title) {
  const std::vector<const RunRecord*> runs = distinct_runs(records);
  const auto n_failed = std::count_if(runs.begin(), runs.end(),
                                      [](const RunRecord* run) { return run->state == RunState::failed; });
  double seconds = 0;
  std::set<std::string> versions;
  for (const RunRecord* run : runs) {
    seconds += run->seconds;
    versions.insert(run->version);
  }
  const Styles styles = column_styles(experiments);
  Html body = fact_list({{"runs done", std::to_string(runs.size() - static_cast<std::size_t>(n_failed))},
                         {"runs failed", std::to_string(n_failed)},
                         {"setups answered", std::to_string(records.size())},
                         {"time of all runs", duration_text(seconds)},
                         {"deepsad", fmt::format("{}", fmt::join(versions, ", "))}});
  body += paragraph(
      "Small print in a cell: the paper's figure, and the difference with its standard error; ▲ and ▼ mark "
      "differences "
      "beyond two standard errors. The paper's spread, like ours, is mostly that of the classes and not of "
      "the seeds, "
      "so the error is an upper bound where the same classes were run.");
  body += element(
      "p", {{"class", "soft"}},
      "‡: hyper-parameters were chosen on test rows, or test rows were trained on, so the figure is too "
      "good. †: the paper contradicts itself here. Bold: the largest of a row. Paper: " +
          source + ".");
  for (std::size_t i = 0; i < experiments.size(); ++i) body += experiment_section(experiments[i], styles, i);
  body += failures_section(runs);
  body += findings_section(runs);
  body += slowest_section(runs);
  return html_document(title, "", body);
}

}  // namespace deepsad
