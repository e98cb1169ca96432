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

std::string scores_csv_header(bool with_fdr) {
  return with_fdr ? "row,score,label,p_value,q_value,fdr_label\n" : "row,score,label,p_value\n";
}

void append_scores_csv(const ScoredRows& rows, std::span<const std::string> ids, std::uint64_t first_row,
                       const BatchDecisions* batch, std::string& text) {
  if (!ids.empty() && ids.size() != rows.size())
    throw InvalidArgument(fmt::format("[scores] {} names for {} rows", ids.size(), rows.size()));
  const auto out = std::back_inserter(text);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (ids.empty())
      fmt::format_to(out, "{}", first_row + i);
    else
      text += csv_field(ids[i]);
    fmt::format_to(out, ",{},", rows.scores[i]);
    if (!rows.anomalous.empty()) text += label_word(rows.anomalous[i] != 0);
    text += ',';
    if (!rows.p_values.empty()) fmt::format_to(out, "{}", rows.p_values[i]);
    if (batch != nullptr)
      fmt::format_to(out, ",{},{}", batch->q_values[i], label_word(batch->q_values[i] <= batch->level));
    text += '\n';
  }
}

}  // namespace deepsad
