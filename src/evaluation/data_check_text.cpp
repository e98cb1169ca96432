// A data check as text and as JSON.
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "data/cell_text.h"
#include "deepsad/evaluation/data_check.h"

namespace deepsad {
namespace {

using Json = nlohmann::ordered_json;

Json number_or_null(double x) {
  return std::isnan(x) ? Json() : Json(x);
}

std::string number_text(double x) {
  return std::isnan(x) ? "" : fmt::format("{:.6g}", x);
}

Json counts_json(const std::optional<LabelCounts>& counts) {
  if (!counts) return {};
  return {{"normal", counts->normal}, {"anomaly", counts->anomaly}, {"unlabelled", counts->unlabelled}};
}

// Names are cut without their quotes here: a column of the table.
std::string name_text(const std::string& name) {
  const std::string quoted = shown(name);
  return quoted.substr(1, quoted.size() - 2);
}

std::string finding_text(const DataFinding& finding) {
  std::string text = fmt::format("{}: {}", severity_name(finding.severity), finding.name);
  for (std::size_t j = 0; j < finding.columns.size(); ++j)
    text += (j == 0 ? ": " : ", ") + name_text(finding.columns[j]);
  return text + fmt::format("\n  seen    {}\n  why     {}\n  do      {}\n", finding.seen, finding.why,
                            finding.advice);
}

}  // namespace

std::string data_check_text(const DataCheck& check) {
  std::string text = fmt::format("{}: {} rows, {} columns", check.file, check.n_rows, check.columns.size());
  if (check.n_sampled < check.n_rows)
    text += fmt::format("; all but counts from a sample of {} rows", check.n_sampled);
  text += "\n\n";
  std::size_t width = 6;
  for (const ColumnSummary& column : check.columns) width = std::max(width, name_text(column.name).size());
  text += fmt::format("{:<{}}  {:<7} {:>9} {:>9} {:>12} {:>12} {:>12}\n", "column", width, "kind", "missing",
                      "different", "smallest", "median", "largest");
  constexpr std::size_t kMostColumns = 100;
  for (std::size_t j = 0; j < std::min(kMostColumns, check.columns.size()); ++j) {
    const ColumnSummary& column = check.columns[j];
    std::string line =
        fmt::format("{:<{}}  {:<7} {:>9} {:>9} {:>12} {:>12} {:>12}", name_text(column.name), width,
                    column.kind, column.n_missing, column.n_distinct, number_text(column.min),
                    number_text(column.median), number_text(column.max));
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  if (check.columns.size() > kMostColumns)
    text += fmt::format("... and {} more (--json has all)\n", check.columns.size() - kMostColumns);
  text += "\n";
  if (check.semi) text += "labels          " + check.semi->text() + "\n";
  if (check.truth)
    text +=
        fmt::format("true labels     {} normal, {} anomalous\n", check.truth->normal, check.truth->anomaly);
  text += fmt::format("copies          {} rows\n", check.n_duplicates);
  if (check.n_in_other) text += fmt::format("in both files   {} rows\n", *check.n_in_other);
  text += "\n";
  for (const std::string& sentence : check.allowances) text += sentence + "\n";
  std::array<std::size_t, 3> n{};
  for (const DataFinding& finding : check.findings) {
    text += "\n" + finding_text(finding);
    ++n[static_cast<std::size_t>(finding.severity)];
  }
  return text + (check.findings.empty()
                     ? "\nno findings\n"
                     : fmt::format("\n{} problems, {} warnings, {} notes\n", n[2], n[1], n[0]));
}

std::string data_check_json(const DataCheck& check) {
  Json json = {{"file", check.file},
               {"rows", check.n_rows},
               {"bad_rows", check.n_bad_rows},
               {"sampled_rows", check.n_sampled},
               {"duplicate_rows", check.n_duplicates},
               {"rows_in_both", check.n_in_other ? Json(*check.n_in_other) : Json()},
               {"labels", counts_json(check.semi)},
               {"true_labels", counts_json(check.truth)},
               {"allowances", check.allowances}};
  json["columns"] = Json::array();
  for (const ColumnSummary& column : check.columns) {
    json["columns"].push_back({{"name", column.name},
                               {"kind", column.kind},
                               {"missing", column.n_missing},
                               {"different", column.n_distinct},
                               {"min", number_or_null(column.min)},
                               {"median", number_or_null(column.median)},
                               {"max", number_or_null(column.max)}});
  }
  json["findings"] = Json::array();
  for (const DataFinding& finding : check.findings) {
    json["findings"].push_back({{"name", finding.name},
                                {"severity", severity_name(finding.severity)},
                                {"columns", finding.columns},
                                {"seen", finding.seen},
                                {"why", finding.why},
                                {"do", finding.advice}});
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace deepsad
