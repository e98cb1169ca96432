#include "deepsad/evaluation/threshold.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/core/percent_text.h"
#include "evaluation/shares.h"

namespace deepsad {
namespace {

constexpr std::array<const char*, 5> kKindNames{"quantile", "contamination", "target-fpr", "best-f1",
                                                "manual"};
constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool is_share(ThresholdKind kind) {
  return kind == ThresholdKind::quantile || kind == ThresholdKind::contamination ||
         kind == ThresholdKind::target_fpr;
}

std::string target_fpr_promise(const ConformalCalibration& calibration, double alpha) {
  const Interval range = calibration.false_alarm_range(alpha);
  std::string text = fmt::format(
      "Of normal rows like the {} calibration rows at most {} are called anomalous, on average over "
      "calibration sets; with this one set the rate lies between {} and {} (95 % confidence).",
      calibration.size(), short_percent_text(alpha), short_percent_text(range.low),
      short_percent_text(range.high));
  if (calibration.n_trimmed() > 0)
    text += fmt::format(
        " The {} largest calibration scores were taken for anomalies and left out; had they all been normal "
        "rows, the rate could be {}.",
        calibration.n_trimmed(), short_percent_text(calibration.worst_false_alarm_rate(alpha)));
  return text;
}

}  // namespace

const char* threshold_kind_name(ThresholdKind kind) {
  return kKindNames[static_cast<std::size_t>(kind)];
}

ThresholdRequest parse_threshold_request(const std::string& text) {
  constexpr const char* kWanted = "quantile:Q, contamination:SHARE, target-fpr:RATE, best-f1 or manual:SCORE";
  const std::size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  const auto* const found = std::find(kKindNames.begin(), kKindNames.end(), name);
  if (found == kKindNames.end()) throw InvalidArgument(fmt::format("got \"{}\", wanted {}", text, kWanted));
  ThresholdRequest request{.kind = static_cast<ThresholdKind>(found - kKindNames.begin()), .parameter = 0};
  if (request.kind == ThresholdKind::best_f1) {
    if (colon != std::string::npos)
      throw InvalidArgument(fmt::format("got \"{}\", but best-f1 takes no value", text));
    return request;
  }
  if (colon == std::string::npos)
    throw InvalidArgument(fmt::format("got \"{}\" without a value, wanted {}", text, kWanted));
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + colon + 1, end, request.parameter);
  const bool is_number = error == std::errc() && rest == end && std::isfinite(request.parameter);
  if (!is_number || (is_share(request.kind) && !(request.parameter > 0 && request.parameter < 1)))
    throw InvalidArgument(fmt::format("got \"{}\", wanted a number{} after \"{}:\"", text,
                                      is_share(request.kind) ? " in (0, 1)" : "", name));
  return request;
}

std::string threshold_request_text(const ThresholdRequest& request) {
  if (request.kind == ThresholdKind::best_f1) return threshold_kind_name(request.kind);
  return fmt::format("{}:{}", threshold_kind_name(request.kind), request.parameter);
}

Threshold choose_threshold(const ThresholdRequest& request, const ConformalCalibration& calibration,
                           const std::string& rows) {
  if (request.kind == ThresholdKind::manual) return manual_threshold(request.parameter);
  Threshold threshold{.request = request,
                      .value = 0,
                      .n_rows = calibration.size(),
                      .n_trimmed = calibration.n_trimmed(),
                      .rows = rows,
                      .promise = {}};
  const std::vector<float>& scores = calibration.scores();
  switch (request.kind) {
    case ThresholdKind::quantile: {
      const std::size_t position = rows_covering_share(request.parameter, scores.size());
      threshold.value = static_cast<double>(scores[std::clamp<std::size_t>(position, 1, scores.size()) - 1]);
      threshold.promise = fmt::format(
          "At least {} of the {} calibration scores lie at or below it; of later rows nothing is "
          "promised.",
          short_percent_text(request.parameter), calibration.size());
      return threshold;
    }
    case ThresholdKind::contamination: {
      const std::size_t above = rows_within_share(request.parameter, scores.size());
      threshold.value = static_cast<double>(scores[scores.size() - 1 - above]);
      threshold.promise = fmt::format(
          "At most {} of the {} calibration rows lie above it, so about that share of later rows is called "
          "anomalous "
          "if they are like these, with the anomalies among them.",
          short_percent_text(request.parameter), calibration.size());
      return threshold;
    }
    case ThresholdKind::target_fpr:
      threshold.value = calibration.threshold(request.parameter);
      threshold.promise = target_fpr_promise(calibration, request.parameter);
      return threshold;
    default:
      throw InvalidArgument("best-f1 needs labelled rows that are not training rows");
  }
}

Threshold manual_threshold(double value) {
  return {.request = {.kind = ThresholdKind::manual, .parameter = value},
          .value = value,
          .n_rows = 0,
          .n_trimmed = 0,
          .rows = "",
          .promise = "Chosen by hand; nothing is promised."};
}

Threshold best_f1_threshold(std::span<const float> scores, std::span<const TrueLabel> labels,
                            const std::string& rows) {
  if (scores.size() != labels.size())
    throw InvalidArgument(fmt::format("[best_f1] {} scores but {} labels", scores.size(), labels.size()));
  std::vector<std::pair<float, bool>> entries;  // score, whether anomalous
  std::size_t n_anomalies = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (std::isnan(scores[i])) throw NumericError(fmt::format("[best_f1] score {} is NaN", i));
    entries.emplace_back(scores[i], labels[i] == TrueLabel::anomaly);
    if (entries.back().second) ++n_anomalies;
  }
  if (n_anomalies == 0 || n_anomalies == entries.size())
    throw InvalidArgument(
        fmt::format("best-f1 needs both normal and anomalous rows, but {} of {} validation rows are "
                    "anomalous; take target-fpr, which needs normal rows alone",
                    n_anomalies, entries.size()));
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  double best_f1 = -1, value = 0;
  std::size_t true_alarms = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].second) ++true_alarms;
    const bool is_last = i + 1 == entries.size();
    if (!is_last && entries[i + 1].first == entries[i].first) continue;  // equal scores fall together
    const double f1 = 2 * static_cast<double>(true_alarms) / static_cast<double>(i + 1 + n_anomalies);
    if (f1 <= best_f1) continue;
    best_f1 = f1;
    const auto above = static_cast<double>(entries[i].first);
    const double below = is_last ? -kInfinity : static_cast<double>(entries[i + 1].first);
    // Half of floats' sums are exact in double. Beside an infinity the finite one must not become a NaN.
    value = std::isinf(above) || std::isinf(below) ? below : 0.5 * (above + below);
  }
  return {.request = {.kind = ThresholdKind::best_f1, .parameter = 0},
          .value = value,
          .n_rows = entries.size(),
          .n_trimmed = 0,
          .rows = rows,
          .promise = fmt::format(
              "The best F1 ({:.4f}) on {} labelled rows, {} of them anomalous. On later data it is good only "
              "if anomalies are about as frequent there.",
              best_f1, entries.size(),
              short_percent_text(static_cast<double>(n_anomalies) / static_cast<double>(entries.size())))};
}

std::string threshold_to_json(const Threshold& threshold) {
  using Json = nlohmann::ordered_json;
  // JSON has no infinity.
  const Json value =
      std::isfinite(threshold.value) ? Json(threshold.value) : Json(threshold.value > 0 ? "inf" : "-inf");
  return Json{{"kind", threshold_kind_name(threshold.request.kind)},
              {"parameter", threshold.request.parameter},
              {"value", value},
              {"rows_used", threshold.n_rows},
              {"rows_trimmed", threshold.n_trimmed},
              {"rows", threshold.rows},
              {"promise", threshold.promise}}
      .dump();
}

Threshold threshold_from_json(const std::string& text) {
  using Json = nlohmann::json;
  try {
    const Json json = Json::parse(text);
    const auto kind = json.at("kind").get<std::string>();
    const auto* const found = std::find(kKindNames.begin(), kKindNames.end(), kind);
    if (found == kKindNames.end()) throw InvalidArgument(fmt::format("unknown threshold \"{}\"", kind));
    const Json& value = json.at("value");
    const bool is_text = value.is_string();
    if (is_text && value != "inf" && value != "-inf")
      throw InvalidArgument(fmt::format("threshold: got the value {}, wanted a number", value.dump()));
    return {.request = {.kind = static_cast<ThresholdKind>(found - kKindNames.begin()),
                        .parameter = json.at("parameter").get<double>()},
            .value = !is_text         ? value.get<double>()
                     : value == "inf" ? kInfinity
                                      : -kInfinity,
            .n_rows = json.at("rows_used").get<std::size_t>(),
            .n_trimmed = json.at("rows_trimmed").get<std::size_t>(),
            .rows = json.at("rows").get<std::string>(),
            .promise = json.at("promise").get<std::string>()};
  } catch (const Json::exception& error) {
    throw InvalidArgument(fmt::format("not a threshold: {}", error.what()));
  }
}

}  // namespace deepsad
