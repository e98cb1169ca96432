#include "report/experiment_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "deepsad/core/csv_text.h"
#include "deepsad/core/error.h"
#include "deepsad/report/experiment_report.h"

namespace deepsad {
namespace {

std::string csv_number(double value) {
  return std::isfinite(value) ? fmt::format("{}", value) : "";
}

// As printed, without what dividing by 100 leaves in the last digits.
std::string published_number(double value) {
  return fmt::format("{:.6g}", value);
}

void csv_line(fmt::memory_buffer& text, const std::vector<std::string>& fields) {
  std::vector<std::string> quoted;
  for (const std::string& field : fields) quoted.push_back(csv_field(field));
  fmt::format_to(std::back_inserter(text), "{}\n", fmt::join(quoted, ","));
}

std::string varied_text(const RowKey& row) {
  std::string text;
  for (const auto& [name, value] : row.varied) text += (text.empty() ? "" : ";") + name + "=" + value;
  return text;
}

std::vector<std::string> row_fields(const Experiment& experiment, const RowKey& row) {
  return {experiment.name,
          row.dataset,
          csv_number(row.gamma_l),
          csv_number(row.gamma_p),
          std::to_string(row.n_known_classes),
          varied_text(row)};
}

std::vector<std::string> with(std::vector<std::string> fields, const std::vector<std::string>& more) {
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

const std::vector<std::string> kRowHeader{"experiment", "dataset", "gamma_l", "gamma_p", "k", "varied"};

// A table as rows of plain text: two lines a row, ours and the paper's, if that has any.
struct TextTable {
  std::string title;
  std::vector<std::string> header;
  struct Line {
    bool is_paper;
    std::vector<std::string> cells;
  };
  std::vector<Line> lines;
};

TextTable text_table(const Experiment& experiment) {
  TextTable table{.title = experiment.name, .header = {"data set"}, .lines = {}};
  const std::vector<RowAxis> axes = varying_axes(experiment);
  for (const RowAxis& axis : axes) table.header.push_back(axis.label);
  table.header.insert(table.header.end(), experiment.columns.begin(), experiment.columns.end());
  for (const ExperimentRow& row : experiment.rows) {
    std::vector<std::string> ours{row.key.dataset}, paper{"paper"};
    for (const RowAxis& axis : axes) {
      ours.push_back(axis_value(row.key, axis.key));
      paper.emplace_back();
    }
    bool any = false;
    for (const auto& cell : row.cells) {
      ours.push_back(!cell ? "" : mean_text(cell->auc.mean, cell->auc.standard_deviation, cell->auc.n));
      if (cell && cell->leaky) ours.back() += " ‡";
      const bool printed = cell && cell->published;
      any = any || printed;
      paper.push_back(!printed ? ""
                               : mean_text(cell->published->mean, cell->published->standard_deviation,
                                           cell->published->n) +
                                     (cell->published->doubtful ? " †" : ""));
    }
    table.lines.push_back({false, std::move(ours)});
    if (any) table.lines.push_back({true, std::move(paper)});
  }
  return table;
}

const char* const kTableNotes =
    "Test AUC in percent, mean and standard deviation over the setups of a cell. ‡: hyper-parameters were "
    "chosen on test rows, or test rows were trained on, so the figure is too good. †: the paper contradicts "
    "itself here.";

std::string markdown_cell(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|' || c == '\\' || c == '*' || c == '_' || c == '`' || c == '<') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

std::string latex_text(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '\\':
        escaped += "\\textbackslash{}";
        break;
      case '~':
        escaped += "\\textasciitilde{}";
        break;
      case '^':
        escaped += "\\textasciicircum{}";
        break;
      case '&':
      case '%':
      case '$':
      case '#':
      case '_':
      case '{':
      case '}':
        escaped += '\\';
        [[fallthrough]];
      default:
        escaped += c;
    }
  }
  escaped = replaced(escaped, " ± ", "\\,$\\pm$\\,");
  escaped = replaced(escaped, "γ\\_l", "$\\gamma_l$");
  escaped = replaced(escaped, "γ\\_p", "$\\gamma_p$");
  escaped = replaced(escaped, "†", "$\\dagger$");
  escaped = replaced(escaped, "‡", "$\\ddagger$");
  return replaced(escaped, "–", "--");
}

}  // namespace

std::vector<RowAxis> varying_axes(const Experiment& experiment) {
  std::set<double> gamma_l, gamma_p;
  std::set<std::size_t> k;
  std::map<std::string, std::set<std::string>> varied;
  bool any_labels = false, any_unlabelled = false;
  for (const ExperimentRow& row : experiment.rows) {
    gamma_p.insert(row.key.gamma_p);
    for (const auto& [name, value] : row.key.varied) varied[name].insert(value);
    const bool labels = row.key.gamma_l > 0 && row.key.n_known_classes > 0;
    any_labels = any_labels || labels;
    any_unlabelled = any_unlabelled || !labels;
    if (!labels) continue;
    gamma_l.insert(row.key.gamma_l);
    k.insert(row.key.n_known_classes);
  }
  std::vector<RowAxis> axes;
  // A row without labels differs from the others by what makes it so.
  const bool k_varies = k.size() > 1;
  const bool gamma_l_varies = gamma_l.size() > 1 || (!k_varies && any_labels && any_unlabelled);
  if (gamma_l_varies) axes.push_back({"gamma_l", "γ_l"});
  if (gamma_p.size() > 1) axes.push_back({"gamma_p", "γ_p"});
  if (k_varies) axes.push_back({"k", "k"});
  for (const auto& [name, values] : varied)
    if (values.size() > 1) axes.push_back({name, name});
  return axes;
}

std::string axis_value(const RowKey& row, const std::string& axis) {
  const bool labels = row.gamma_l > 0 && row.n_known_classes > 0;
  if (axis == "gamma_l") return fmt::format("{}", labels ? row.gamma_l : 0);
  if (axis == "gamma_p") return fmt::format("{}", row.gamma_p);
  if (axis == "k") return std::to_string(labels ? row.n_known_classes : 0);
  const auto entry = row.varied.find(axis);
  return entry == row.varied.end() ? "" : entry->second;
}

std::string row_label(const RowKey& row, const std::vector<RowAxis>& axes) {
  std::string text;
  for (const RowAxis& axis : axes)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", axis.label, axis_value(row, axis.key));
  return text;
}

std::string mean_text(double mean, double standard_deviation, std::size_t n) {
  if (n == 0) return "–";
  if (std::isnan(standard_deviation)) return fmt::format("{:.1f}", 100 * mean);
  return fmt::format("{:.1f} ± {:.1f}", 100 * mean, 100 * standard_deviation);
}

std::string signed_text(double value, int decimals) {
  const std::string digits = fmt::format("{:.{}f}", std::abs(value), decimals);
  const bool zero = digits.find_first_not_of("0.") == std::string::npos;
  return (value < 0 && !zero ? "\u2212" : "+") + digits;  // U+2212, as wide as the plus sign
}

std::string difference_text(double difference, double error) {
  if (std::isnan(difference)) return "";
  std::string text = signed_text(100 * difference, 1);
  if (!std::isnan(error)) text += fmt::format(" ± {:.1f}", 100 * error);
  return text;
}

std::string p_text(double p) {
  return p < 0.001 ? "< 0.001" : fmt::format("{:.3f}", p);
}

std::string cells_csv(std::span<const Experiment> experiments) {
  fmt::memory_buffer text;
  csv_line(text, with(kRowHeader,
                      {"column", "variant", "setups", "failed", "auc_mean", "auc_sd", "auc_se", "ap_mean",
                       "ap_sd", "leaky", "paper_table", "paper_mean", "paper_sd", "paper_setups",
                       "paper_doubtful", "difference", "difference_se", "outside_noise"}));
  for (const Experiment& experiment : experiments) {
    for (const ExperimentRow& row : experiment.rows) {
      for (std::size_t c = 0; c < experiment.columns.size(); ++c) {
        if (!row.cells[c]) continue;
        const ExperimentCell& cell = *row.cells[c];
        const auto& paper = cell.published;
        csv_line(text,
                 with(row_fields(experiment, row.key),
                      {experiment.columns[c], cell.variant, std::to_string(cell.auc.n),
                       std::to_string(cell.n_failed), csv_number(cell.auc.mean),
                       csv_number(cell.auc.standard_deviation), csv_number(cell.auc.standard_error),
                       csv_number(cell.average_precision.mean),
                       csv_number(cell.average_precision.standard_deviation), cell.leaky ? "1" : "0",
                       paper ? paper->table : "", paper ? published_number(paper->mean) : "",
                       paper ? published_number(paper->standard_deviation) : "",
                       paper ? std::to_string(paper->n) : "", paper ? (paper->doubtful ? "1" : "0") : "",
                       csv_number(cell.difference), csv_number(cell.difference_error),
                       paper ? (cell.outside_noise() ? "1" : "0") : ""}));
      }
    }
  }
  return fmt::to_string(text);
}

std::string comparisons_csv(std::span<const Experiment> experiments) {
  fmt::memory_buffer text;
  csv_line(text,
           with(kRowHeader, {"reference", "column", "pairs", "mean_difference", "rank_sum_reference",
                             "rank_sum_column", "p", "exact", "p_holm", "rank_biserial", "cliffs_delta"}));
  for (const Experiment& experiment : experiments)
    for (const ExperimentRow& row : experiment.rows)
      for (const Comparison& c : row.comparisons)
        csv_line(text,
                 with(row_fields(experiment, row.key),
                      {experiment.reference, c.column, std::to_string(c.n), csv_number(c.mean_difference),
                       csv_number(c.wilcoxon.rank_sum_a), csv_number(c.wilcoxon.rank_sum_b),
                       csv_number(c.wilcoxon.p_value), c.wilcoxon.exact ? "1" : "0", csv_number(c.holm_p),
                       csv_number(c.wilcoxon.rank_biserial), csv_number(c.cliffs_delta)}));
  return fmt::to_string(text);
}

std::string setups_csv(std::span<const Experiment> experiments) {
  std::vector<std::string> columns;
  for (const Experiment& experiment : experiments)
    for (const std::string& column : experiment.columns)
      if (std::find(columns.begin(), columns.end(), column) == columns.end()) columns.push_back(column);
  fmt::memory_buffer text;
  csv_line(text, with(with(kRowHeader, {"normal_classes", "known_class", "seed"}), columns));
  for (const Experiment& experiment : experiments) {
    for (const ExperimentRow& row : experiment.rows) {
      std::set<SetupKey> setups;
      for (const auto& cell : row.cells) {
        if (!cell) continue;
        for (const auto& [setup, scores] : cell->setups) setups.insert(setup);
      }
      for (const SetupKey& setup : setups) {
        std::vector<std::string> fields = row_fields(experiment, row.key);
        fields.push_back(fmt::format("{}", fmt::join(setup.normal_classes, " ")));
        fields.push_back(setup.known_class ? std::to_string(*setup.known_class) : "");
        fields.push_back(std::to_string(setup.seed));
        for (const std::string& column : columns) {
          const auto at = std::find(experiment.columns.begin(), experiment.columns.end(), column);
          std::string value;
          if (at != experiment.columns.end()) {
            const auto& cell = row.cells[static_cast<std::size_t>(at - experiment.columns.begin())];
            if (cell && cell->setups.contains(setup)) value = csv_number(cell->setups.at(setup).auc);
          }
          fields.push_back(value);
        }
        csv_line(text, fields);
      }
    }
  }
  return fmt::to_string(text);
}

std::string tables_markdown(std::span<const Experiment> experiments, const std::string& source) {
  std::string text = fmt::format("{}\nPaper: {}.\n", kTableNotes, source);
  for (const Experiment& experiment : experiments) {
    const TextTable table = text_table(experiment);
    text += fmt::format("\n## {}\n\n|", markdown_cell(table.title));
    for (const std::string& name : table.header) text += fmt::format(" {} |", markdown_cell(name));
    text += "\n|";
    for (std::size_t i = 0; i < table.header.size(); ++i) text += i == 0 ? "---|" : "---:|";
    for (const auto& line : table.lines) {
      text += "\n|";
      for (const std::string& cell : line.cells) text += fmt::format(" {} |", markdown_cell(cell));
    }
    text += "\n";
  }
  return text;
}

std::string tables_latex(std::span<const Experiment> experiments, const std::string& source) {
  std::string text = "% Needs the packages booktabs and graphicx.\n";
  for (const Experiment& experiment : experiments) {
    const TextTable table = text_table(experiment);
    const std::size_t n_axes = table.header.size() - 1 - experiment.columns.size();
    text += fmt::format(
        "\n\\begin{{table}}\n\\caption{{{}: {} Paper: "
        "{}.}}\n\\resizebox{{\\textwidth}}{{!}}{{%\n\\begin{{tabular}}{{l{}{}}}\n"
        "\\toprule\n",
        latex_text(table.title), latex_text(kTableNotes), latex_text(source), std::string(n_axes, 'r'),
        std::string(experiment.columns.size(), 'c'));
    const auto add = [&text](const std::vector<std::string>& cells, bool italic) {
      for (std::size_t i = 0; i < cells.size(); ++i) {
        const std::string cell = latex_text(cells[i]);
        text += i == 0 ? "" : " & ";
        text += italic && !cell.empty() ? "\\textit{" + cell + "}" : cell;
      }
      text += " \\\\\n";
    };
    add(table.header, false);
    text += "\\midrule\n";
    for (const auto& line : table.lines) add(line.cells, line.is_paper);
    text += "\\bottomrule\n\\end{tabular}}\n\\end{table}\n";
  }
  return text;
}

std::vector<ReportFile> experiment_report(std::span<const RunRecord> records,
                                          const PublishedFigures& published, const std::string& title,
                                          const std::string& reference) {
  if (records.empty())
    throw InvalidArgument("[experiment_report] no run has ended yet; there is nothing to report");
  std::set<std::string> columns;
  for (const RunRecord& record : records) columns.insert(record.setup.column);
  if (!reference.empty() && !columns.contains(reference))
    throw InvalidArgument(
        fmt::format("[experiment_report] no run of \"{}\" to compare others with; there are: {}", reference,
                    fmt::join(columns, ", ")));
  constexpr const char* kUsualReference = "Deep SAD";
  const std::vector<Experiment> experiments =
      summarize_experiments(records, published, reference.empty() ? kUsualReference : reference);
  const auto file = [](const char* name, const std::string& text) {
    return ReportFile{name, {text.begin(), text.end()}};
  };
  return {file("report.html", experiment_page(experiments, records, published.source, title)),
          file("tables.md", tables_markdown(experiments, published.source)),
          file("tables.tex", tables_latex(experiments, published.source)),
          file("cells.csv", cells_csv(experiments)),
          file("comparisons.csv", comparisons_csv(experiments)),
          file("setups.csv", setups_csv(experiments))};
}

}  // namespace deepsad
