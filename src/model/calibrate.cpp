#include "deepsad/model/calibrate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "deepsad/core/error.h"
#include "deepsad/evaluation/outstanding.h"
#include "deepsad/model/seen_rows.h"

namespace deepsad {
namespace {

// What threshold auto may promise, best first.
constexpr std::array kRates{0.05, 0.1, 0.2};

struct Sorted {
  std::vector<float> scores;  // of rows not labelled anomalous, ascending
  std::optional<float> largest_normal;
  std::size_t n_normal = 0;
};

Sorted sorted(const CalibrationRows& rows) {
  Sorted result;
  for (std::size_t i = 0; i < rows.scores.size(); ++i) {
    if (std::isnan(rows.scores[i])) throw NumericError(fmt::format("[calibration] score {} is NaN", i));
    if (rows.labels[i] == SemiLabel::anomaly) continue;
    result.scores.push_back(rows.scores[i]);
    if (rows.labels[i] != SemiLabel::normal) continue;
    ++result.n_normal;
    result.largest_normal = std::max(result.largest_normal.value_or(rows.scores[i]), rows.scores[i]);
  }
  std::sort(result.scores.begin(), result.scores.end());
  return result;
}

double share_of(const std::string& contamination) {
  double share = 0;
  (void)std::from_chars(contamination.data(), contamination.data() + contamination.size(), share);
  return share;
}

// How many of the scores are anomalies as far as one can see.
std::size_t n_suspects(const Sorted& rows) {
  const std::size_t n = rows.scores.size();
  if (rows.n_normal == n) return 0;
  std::size_t n_high = n_outstanding(rows.scores);
  if (rows.largest_normal) {
    const auto above =
        rows.scores.end() - std::upper_bound(rows.scores.begin(), rows.scores.end(), *rows.largest_normal);
    n_high = std::min(n_high, static_cast<std::size_t>(above));
  }
  return n_high;
}

std::string suspects_note(std::size_t n_suspects, std::size_t n, bool left_out) {
  const std::string what =
      fmt::format("{} of the {} calibration scores stand clear of the others", n_suspects, n);
  if (left_out) return what + " and are left out, as anomalies among the unlabelled rows";
  // Rounded up, so that the share leaves out all of them.
  const double share = std::ceil(1000 * static_cast<double>(n_suspects) / static_cast<double>(n)) / 1000;
  return what + fmt::format(
                    ". If these rows are anomalies, the threshold is higher than it need be: fewer false "
                    "alarms than promised, but also fewer anomalies found. Then leave them out: "
                    "calibration_contamination {}, or auto",
                    share);
}

Threshold best_f1(const CalibrationRows& rows) {
  std::vector<float> scores;
  std::vector<TrueLabel> labels;
  for (std::size_t i = 0; i < rows.scores.size(); ++i) {
    if (rows.labels[i] == SemiLabel::unlabelled) continue;
    scores.push_back(rows.scores[i]);
    labels.push_back(rows.labels[i] == SemiLabel::normal ? TrueLabel::normal : TrueLabel::anomaly);
  }
  return best_f1_threshold(scores, labels, rows.name);
}

ThresholdRequest automatic_request(const ConformalCalibration& calibration) {
  for (const double rate : kRates)
    if (calibration.rank_for(rate) >= 1) return {ThresholdKind::target_fpr, rate};
  return {ThresholdKind::quantile, 0.99};
}

// Threshold of any kind but best-f1 on a calibration, if there is one.
void add_threshold(const DecisionOptions& options, ChosenDecision& chosen) {
  Decision& decision = chosen.decision;
  std::optional<ThresholdRequest> request;
  if (options.threshold != "auto") request = parse_threshold_request(options.threshold);
  if (request && request->kind == ThresholdKind::manual) {
    decision.threshold = manual_threshold(request->parameter);
  } else if (decision.calibration) {
    if (!request) request = automatic_request(*decision.calibration);
    decision.threshold = choose_threshold(*request, *decision.calibration, decision.calibration_rows);
  } else if (request) {
    throw InvalidArgument(
        fmt::format("threshold {}: there are no calibration rows to choose it on", options.threshold));
  }
}

void add_promise(ChosenDecision& chosen) {
  const std::optional<Threshold>& threshold = chosen.decision.threshold;
  if (!threshold) return;
  chosen.notes.push_back(fmt::format("threshold {:.6g} ({}): {}", threshold->value,
                                     threshold_request_text(threshold->request), threshold->promise));
}

}  // namespace

ChosenDecision choose_decision(const CalibrationRows& rows, const DecisionOptions& options) {
  if (rows.labels.size() != rows.scores.size())
    throw InvalidArgument(
        fmt::format("[calibration] {} scores but {} labels", rows.scores.size(), rows.labels.size()));
  ChosenDecision chosen;
  Decision& decision = chosen.decision;
  Sorted kept = sorted(rows);
  if (!kept.scores.empty()) {
    const bool automatic = options.contamination == "auto";
    const double share = automatic ? 0 : share_of(options.contamination);
    const std::size_t n = kept.scores.size(), n_high = share == 0 ? n_suspects(kept) : 0;
    if (n_high > 0) chosen.notes.push_back(suspects_note(n_high, n, automatic));
    if (automatic) {
      kept.scores.resize(n - n_high);
      decision.calibration = ConformalCalibration::from_parts(std::move(kept.scores), n_high);
    } else {
      decision.calibration.emplace(std::move(kept.scores), share);
    }
  }
  if (decision.calibration) decision.calibration_rows = rows.name;
  if (options.threshold == threshold_kind_name(ThresholdKind::best_f1))
    decision.threshold = best_f1(rows);
  else if (options.threshold != "none")
    add_threshold(options, chosen);
  add_promise(chosen);
  return chosen;
}

ChosenDecision decide_on(ConformalCalibration calibration, const std::string& rows,
                         const DecisionOptions& options) {
  ChosenDecision chosen;
  if (options.contamination == "auto")
    throw InvalidArgument(
        "calibration_contamination: auto never leaves out rows that are labelled normal, but which of the "
        "model's calibration rows are is not known any more; give rows (ROWS of `deepsad threshold`), or a "
        "share");
  const double share = share_of(options.contamination);
  if (share > 0 && calibration.n_trimmed() > 0)
    throw InvalidArgument(
        fmt::format("[calibration] the {} largest scores were left out already", calibration.n_trimmed()));
  if (share > 0) calibration = ConformalCalibration(calibration.scores(), share);
  chosen.decision.calibration = std::move(calibration);
  chosen.decision.calibration_rows = rows;
  if (options.threshold != "none") add_threshold(options, chosen);
  add_promise(chosen);
  return chosen;
}

CalibrationSet calibration_set(const Model& model, const Table& table, bool keep_training_rows,
                               ThreadPool& pool) {
  UnseenRows unseen = unseen_rows(model, table, HeldOutPart::calibration, keep_training_rows, pool);
  CalibrationSet set{.scores = model.score(table.data, unseen.rows, pool),
                     .labels = {},
                     .name = fmt::format("{} rows of {}", unseen.rows.size(), table.data.name),
                     .messages = std::move(unseen.messages)};
  for (const std::uint32_t row : unseen.rows)
    set.labels.push_back(table.semi.empty() ? SemiLabel::unlabelled : table.semi[row]);
  return set;
}

}  // namespace deepsad
