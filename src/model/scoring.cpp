#include "deepsad/model/scoring.h"

#include <fmt/format.h>

#include <iterator>

#include "deepsad/core/csv_text.h"
#include "deepsad/core/error.h"

namespace deepsad {
namespace {

const char* label_word(bool is_anomaly) {
  return is_anomaly ? "anomaly" : "normal";
}

}  // namespace

ScoredRows decide(const Model& model, std::vector<float> scores, const std::optional<Threshold>& threshold) {
  const Decision& decision = model.decision();
  const std::optional<Threshold>& used = threshold ? threshold : decision.threshold;
  ScoredRows rows;
  rows.scores = std::move(scores);
  if (used)
    for (const float score : rows.scores) rows.anomalous.push_back(used->is_anomalous(score) ? 1 : 0);
  if (decision.calibration)
    for (const float score : rows.scores) rows.p_values.push_back(decision.calibration->p_value(score));
  return rows;
}

ScoredRows score_and_decide(const Model& model, const RawRows& rows,
                            const std::optional<Threshold>& threshold, ThreadPool& pool) {
  return decide(model, model.score(rows, pool), threshold);
}

ScoreColumns score_columns(const Model& model, const std::optional<Threshold>& threshold, bool with_fdr) {
  return {.label = threshold || model.decision().threshold,
          .p_value = model.decision().calibration.has_value(),
          .fdr = with_fdr};
}

std::string scores_csv_header(const ScoreColumns& columns) {
  return fmt::format("row,score{}{}{}\n", columns.label ? ",label" : "", columns.p_value ? ",p_value" : "",
                     columns.fdr ? ",q_value,fdr_label" : "");
}

void append_scores_csv(const ScoredRows& rows, std::span<const std::string> names,
                       const ScoreColumns& columns, const BatchDecisions& batch, std::string& text) {
  if (names.size() != rows.size())
    throw InvalidArgument(fmt::format("[scores] {} names for {} rows", names.size(), rows.size()));
  const auto out = std::back_inserter(text);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    text += csv_field(names[i]);
    fmt::format_to(out, ",{}", rows.scores[i]);
    if (columns.label) {
      text += ',';
      if (!rows.anomalous.empty()) text += label_word(rows.anomalous[i] != 0);
    }
    if (columns.p_value) {
      text += ',';
      if (!rows.p_values.empty()) fmt::format_to(out, "{}", rows.p_values[i]);
    }
    if (columns.fdr) {
      text += ',';
      if (!batch.q_values.empty())
        fmt::format_to(out, "{},{}", batch.q_values[i], label_word(batch.q_values[i] <= batch.level));
      else
        text += ',';
    }
    text += '\n';
  }
}

}  // namespace deepsad
