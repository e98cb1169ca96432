// What is wrong with a trained model, or with the rows that it is to score.
#pragma once

#include <string>
#include <vector>

#include "deepsad/core/parallel.h"
#include "deepsad/model/model.h"
#include "deepsad/model/model_rows.h"

namespace deepsad {

/// Something that a user must not overlook; `name` is stable (docs/checks.md).
struct Diagnosis {
  std::string name;
  std::string seen;    ///< what was found, with its figures
  std::string why;     ///< why it matters
  std::string advice;  ///< what to do
};

struct DoctorReport {
  std::string subject;               ///< the model's file or the run's folder
  std::vector<std::string> checked;  ///< what was looked at, a few words each
  std::vector<std::string> skipped;  ///< what could not be, and why
  std::vector<Diagnosis> findings;
};

/// Why a finding matters and what to do, in the words of docs/checks.md; nullptr for an unknown name.
struct FindingAdvice {
  const char* name;
  const char* why;
  const char* advice;
};
[[nodiscard]] const FindingAdvice* find_advice(const std::string& name);
[[nodiscard]] const std::vector<FindingAdvice>& finding_advice();

/// Of the model alone: the centre, and what its example rows show: constant scores, dead units, labelled
/// anomalies that score low.
void examine_model(const Model& model, ThreadPool& pool, DoctorReport& report);

/// Of a finished run: the findings that its results.json holds, its test AUC and test scores.
/// @param folder holds results.json   @throws DataError if that cannot be understood; IoError
void examine_run(const std::string& folder, DoctorReport& report);

/// Levels of the tests for drift.
inline constexpr double kDriftLevel = 0.01;    ///< chance of a false alarm over all features together (Holm)
inline constexpr double kDriftDistance = 0.1;  ///< least difference of distribution functions worth a word

/// Of rows that are scored: constant scores; drift of features and scores against the training rows (of
/// scores against the calibration rows, if there are any); rows that are training rows.
void examine_rows(const Model& model, const ModelRows& rows, ThreadPool& pool, DoctorReport& report);

/// For a person.
[[nodiscard]] std::string doctor_text(const DoctorReport& report);
/// One JSON object.
[[nodiscard]] std::string doctor_json(const DoctorReport& report);

}  // namespace deepsad
