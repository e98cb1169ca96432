#include "scored_output.h"

#include <fmt/format.h>

#include "deepsad/core/csv_text.h"
#include "deepsad/core/error.h"
#include "deepsad/data/delimited.h"

namespace deepsad::cli {

std::optional<Threshold> threshold_option(const Arguments& arguments, const Model& model) {
  if (!arguments.has("threshold")) return {};
  const std::string text = arguments.text("threshold");
  if (const auto number = parse_number(text)) return manual_threshold(*number);
  try {
    const ThresholdRequest request = parse_threshold_request(text);
    if (request.kind == ThresholdKind::manual) return manual_threshold(request.parameter);
    if (request.kind == ThresholdKind::best_f1)
      throw InvalidArgument("best-f1 needs labelled rows; `deepsad train --threshold best-f1` chooses it");
    const Decision& decision = model.decision();
    if (!decision.calibration)
      throw InvalidArgument(fmt::format(
          "{} is chosen on calibration rows, and the model has none; wanted a score, such as --threshold 0.5",
          text));
    return choose_threshold(request, *decision.calibration, decision.calibration_rows);
  } catch (const InvalidArgument& error) {
    throw InvalidArgument(fmt::format("--threshold: {}", error.what()));
  }
}

void note_messages(const std::string& file, const std::vector<std::string>& messages, Console& console) {
  std::string found;
  for (const std::string& message : messages) found += (found.empty() ? "" : "; ") + message;
  console.note(fmt::format("{}: {}", file == "-" ? "standard input" : file, found));
}

ScoredOutput::ScoredOutput(const std::string& path, Console& console) : console_(console) {
  if (!path.empty()) file_ = std::make_unique<NewFile>(path);
}

void ScoredOutput::append(std::string_view text) {
  if (file_)
    file_->append(text);
  else
    console_.print(text);
}

void ScoredOutput::finish() {
  if (file_)
    file_->commit();
  else
    console_.flush();
}

std::string rejects_csv_line(const RejectedRow& row) {
  return fmt::format("{},{}\n", row.line, csv_field(row.reason));
}

}  // namespace deepsad::cli
