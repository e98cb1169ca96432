#include "deepsad/evaluation/score_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "data/cell_text.h"
#include "deepsad/core/error.h"
#include "deepsad/core/percent_text.h"
#include "deepsad/evaluation/average_precision.h"
#include "deepsad/evaluation/roc_auc.h"

namespace deepsad {
namespace {

using Json = nlohmann::ordered_json;

std::size_t affordable_repetitions(std::size_t wanted, std::size_t n) {
  constexpr std::size_t kRowsInAll = 50'000'000, kFewest = 100;
  return std::min(wanted, std::max(kFewest, kRowsInAll / std::max<std::size_t>(1, n)));
}

std::vector<GroupMetrics> class_metrics(const ScoresToReport& rows, double threshold) {
  // Classes with rows of both labels are two groups.
  std::vector<std::array<std::size_t, 2>> counts(rows.class_names.size());
  for (std::size_t i = 0; i < rows.classes.size(); ++i) {
    const auto c = static_cast<std::size_t>(rows.classes[i]);
    if (rows.classes[i] < 0 || c >= counts.size())
      throw InvalidArgument(fmt::format("[report_scores] row {} is of class {}, but there are {}", i,
                                        rows.classes[i], counts.size()));
    ++counts[c][static_cast<std::size_t>(rows.labels[i])];
  }
  std::vector<std::string> names;
  std::vector<std::array<int, 2>> group_of(counts.size());
  for (std::size_t c = 0; c < counts.size(); ++c) {
    const bool both = counts[c][0] > 0 && counts[c][1] > 0;
    for (const std::size_t label : {0U, 1U}) {
      if (counts[c][label] == 0) continue;
      group_of[c][label] = static_cast<int>(names.size());
      names.push_back(rows.class_names[c] + (!both ? "" : label == 0 ? " (normal)" : " (anomalous)"));
    }
  }
  std::vector<int> groups;
  for (std::size_t i = 0; i < rows.classes.size(); ++i)
    groups.push_back(
        group_of[static_cast<std::size_t>(rows.classes[i])][static_cast<std::size_t>(rows.labels[i])]);
  return group_metrics(rows.scores, rows.labels, groups, names, threshold);
}

std::vector<GroupMetrics> kind_metrics(const ScoresToReport& rows, double threshold) {
  std::vector<int> groups;
  for (std::size_t i = 0; i < rows.classes.size(); ++i) {
    const std::string& name = rows.class_names[static_cast<std::size_t>(rows.classes[i])];
    const bool known = std::ranges::find(rows.known_classes, name) != rows.known_classes.end();
    groups.push_back(rows.labels[i] == TrueLabel::normal ? -1 : known ? 0 : 1);
  }
  return group_metrics(rows.scores, rows.labels, groups,
                       std::vector<std::string>{"known anomalies", "novel anomalies"}, threshold);
}

std::string range(const Interval& interval) {
  return std::isnan(interval.low)
             ? ""
             : fmt::format("  [{:.2f}, {:.2f}]", 100 * interval.low, 100 * interval.high);
}

Json number(double x) {
  return std::isfinite(x) ? Json(x) : Json();
}
Json interval_json(const Interval& interval) {
  return Json::array({number(interval.low), number(interval.high)});
}
Json groups_json(const std::vector<GroupMetrics>& groups, bool with_alarms) {
  Json list = Json::array();
  for (const GroupMetrics& group : groups) {
    list.push_back({{"name", group.name},
                    {"label", group.label == TrueLabel::normal ? "normal" : "anomaly"},
                    {"rows", group.n},
                    {"alarms", with_alarms ? Json(group.n_alarms) : Json()},
                    {"alarm_share_interval", with_alarms ? interval_json(group.alarm_interval) : Json()},
                    {"auc", number(group.roc_auc)}});
  }
  return list;
}

std::string groups_text(const std::string& title, const std::vector<GroupMetrics>& groups, bool with_alarms) {
  if (groups.empty()) return "";
  constexpr std::size_t kMostShown = 30;
  std::size_t width = title.size();
  const auto shown_name = [](const std::string& name) {
    const std::string quoted = shown(name);
    return quoted.substr(1, quoted.size() - 2);
  };
  for (const GroupMetrics& group : groups) width = std::max(width, shown_name(group.name).size());
  std::string text = fmt::format("\n{:<{}}  {:<9} {:>9} {:>11}{}\n", title, width, "truth", "rows", "AUC",
                                 with_alarms ? fmt::format("{:>12}  [95 %]", "alarms") : "");
  for (std::size_t g = 0; g < std::min(kMostShown, groups.size()); ++g) {
    const GroupMetrics& group = groups[g];
    text += fmt::format("{:<{}}  {:<9} {:>9} {:>11}", shown_name(group.name), width,
                        group.label == TrueLabel::normal ? "normal" : "anomalous", group.n,
                        std::isnan(group.roc_auc) ? "" : percent_text(group.roc_auc));
    if (with_alarms)
      text += fmt::format("{:>12}{}",
                          percent_text(static_cast<double>(group.n_alarms) / static_cast<double>(group.n)),
                          range(group.alarm_interval));
    text.erase(text.find_last_not_of(' ') + 1);
    text += "\n";
  }
  if (groups.size() > kMostShown)
    text += fmt::format("... and {} more (--json has all)\n", groups.size() - kMostShown);
  return text;
}

}  // namespace

ScoreReport report_scores(const ScoresToReport& rows, const std::optional<Threshold>& threshold,
                          std::size_t n_repetitions, ThreadPool& pool) {
  if (!rows.classes.empty() && rows.classes.size() != rows.scores.size())
    throw InvalidArgument(
        fmt::format("[report_scores] {} scores but {} classes", rows.scores.size(), rows.classes.size()));
  ScoreReport report;
  report.roc_auc = roc_auc(rows.scores, rows.labels);
  report.average_precision = average_precision(rows.scores, rows.labels);
  report.n_anomaly = static_cast<std::size_t>(std::ranges::count(rows.labels, TrueLabel::anomaly));
  report.n_normal = rows.labels.size() - report.n_anomaly;
  if (report.n_normal == 0 || report.n_anomaly == 0) report.average_precision = std::nan("");
  report.n_repetitions = affordable_repetitions(n_repetitions, rows.scores.size());
  if (report.n_repetitions > 0 && report.n_normal > 0 && report.n_anomaly > 0)
    report.intervals =
        bootstrap_intervals(rows.scores, rows.labels, {.n_repetitions = report.n_repetitions}, pool);
  report.threshold = threshold;
  if (threshold) report.at_threshold = threshold_metrics(rows.scores, rows.labels, threshold->value);
  const double alarm = threshold ? threshold->value : std::numeric_limits<double>::infinity();
  if (!rows.classes.empty()) {
    report.classes = class_metrics(rows, alarm);
    if (!rows.known_classes.empty()) report.kinds = kind_metrics(rows, alarm);
  }
  return report;
}

std::string score_report_text(const ScoreReport& report) {
  const auto interval = [&](Interval BootstrapIntervals::*which) {
    return report.intervals ? range((*report.intervals).*which) : "";
  };
  std::string text = fmt::format(
      "test AUC           {}{}\n"
      "average precision  {}{}\n"
      "test rows          {} normal, {} anomalous\n",
      percent_text(report.roc_auc), interval(&BootstrapIntervals::roc_auc),
      percent_text(report.average_precision), interval(&BootstrapIntervals::average_precision),
      report.n_normal, report.n_anomaly);
  if (report.at_threshold) {
    const ThresholdMetrics& m = *report.at_threshold;
    text += fmt::format(
        "\nthreshold          {:.6g} ({})\n"
        "false alarms       {} of {} normal rows: {}{}\n"
        "recall             {} of {} anomalies: {}{}\n"
        "precision          {} of {} alarms: {}{}\n"
        "F1                 {}\n",
        report.threshold->value, threshold_request_text(report.threshold->request), m.false_alarms,
        m.false_alarms + m.quiet, percent_text(m.false_alarm_rate), range(m.false_alarm_interval),
        m.true_alarms, m.true_alarms + m.missed, percent_text(m.recall), range(m.recall_interval),
        m.true_alarms, m.true_alarms + m.false_alarms, percent_text(m.precision), range(m.precision_interval),
        percent_text(m.f1));
  }
  text += groups_text("kind", report.kinds, report.threshold.has_value());
  text += groups_text("class", report.classes, report.threshold.has_value());
  if (report.intervals || report.at_threshold) {
    text += fmt::format(
        "\nin brackets: 95 % intervals (shares: Clopper-Pearson{})\n",
        report.intervals
            ? fmt::format("; AUC and average precision: bootstrap, {} repetitions", report.n_repetitions)
            : "");
  }
  return text;
}

std::string score_report_json_keys(const ScoreReport& report) {
  Json json = {{"test_auc", number(report.roc_auc)},
               {"test_average_precision", number(report.average_precision)},
               {"test_rows", {{"normal", report.n_normal}, {"anomaly", report.n_anomaly}}}};
  if (report.intervals) {
    json["bootstrap"] = {{"repetitions", report.n_repetitions},
                         {"confidence", 0.95},
                         {"test_auc", interval_json(report.intervals->roc_auc)},
                         {"test_average_precision", interval_json(report.intervals->average_precision)}};
  }
  if (report.at_threshold) {
    const ThresholdMetrics& m = *report.at_threshold;
    json["threshold"] = {{"kind", threshold_kind_name(report.threshold->request.kind)},
                         {"value", number(report.threshold->value)},
                         {"promise", report.threshold->promise},
                         {"true_alarms", m.true_alarms},
                         {"false_alarms", m.false_alarms},
                         {"missed", m.missed},
                         {"quiet", m.quiet},
                         {"precision", number(m.precision)},
                         {"precision_interval", interval_json(m.precision_interval)},
                         {"recall", number(m.recall)},
                         {"recall_interval", interval_json(m.recall_interval)},
                         {"f1", number(m.f1)},
                         {"false_alarm_rate", number(m.false_alarm_rate)},
                         {"false_alarm_interval", interval_json(m.false_alarm_interval)}};
  }
  if (!report.kinds.empty()) json["kinds"] = groups_json(report.kinds, report.threshold.has_value());
  if (!report.classes.empty()) json["classes"] = groups_json(report.classes, report.threshold.has_value());
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.substr(1, text.size() - 2);
}

}  // namespace deepsad
