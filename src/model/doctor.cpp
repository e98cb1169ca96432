#include "deepsad/model/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>

#include "deepsad/core/error.h"
#include "deepsad/detectors/deep_sad.h"
#include "deepsad/evaluation/drift.h"
#include "deepsad/model/seen_rows.h"
#include "deepsad/storage/atomic_file.h"
#include "detectors/network_detector.h"
#include "detectors/training_checks.h"
#include "model/columns.h"

namespace deepsad {
namespace {

using Json = nlohmann::ordered_json;

// Scored rows whose features are compared at a time; more rows than these make no test better.
constexpr std::size_t kDriftRows = 20000;
constexpr std::size_t kShownColumns = 5, kShownRows = 5;
constexpr std::size_t kLeastRows = 20;  // fewer say nothing about a distribution

bool has(const DoctorReport& report, const std::string& name) {
  return std::any_of(report.findings.begin(), report.findings.end(),
                     [&](const Diagnosis& finding) { return finding.name == name; });
}

void add(DoctorReport& report, const std::string& name, const std::string& seen) {
  Diagnosis finding{.name = name, .seen = seen, .why = {}, .advice = {}};
  if (const FindingAdvice* advice = find_advice(name)) {
    finding.why = advice->why;
    finding.advice = advice->advice;
  }
  report.findings.push_back(std::move(finding));
}

// What training's own checks say now; what is there already is not said twice.
void add_new(DoctorReport& report, const std::vector<Finding>& findings, const std::string& of) {
  for (const Finding& finding : findings)
    if (!has(report, finding.name)) add(report, finding.name, of + finding.text);
}

void check_center(const Model& model, DoctorReport& report) {
  const std::vector<DetectorTensor> tensors = model.detector().tensors();
  const auto center =
      std::find_if(tensors.begin(), tensors.end(), [](const DetectorTensor& t) { return t.name == "c"; });
  const std::string& method = model.detector().method();
  if (center == tensors.end() || (method != "deep_sad" && method != "deep_svdd")) return;
  report.checked.emplace_back("centre");
  const auto margin = static_cast<float>(kCenterMargin);
  const auto n = std::count_if(center->values.begin(), center->values.end(),
                               [&](float c) { return std::abs(c) == margin; });
  if (2 * static_cast<std::size_t>(n) <= center->values.size() || has(report, "center_mostly_clamped"))
    return;
  add(report, "center_mostly_clamped",
      fmt::format("{} of {} components of the centre are +-{}, where those that lay near 0 were pushed", n,
                  center->values.size(), kCenterMargin));
}

// Units that say nothing, and, of networks whose outputs are compared with a centre, whether they are one
// point.
void check_network(const Model& model, MatrixView<const float> x, const std::string& of, ThreadPool& pool,
                   DoctorReport& report) {
  const std::optional<ScoringNetwork> network = model.detector().scoring_network();
  if (!network || x.rows() < kLeastRowsForUnits) return;
  report.checked.push_back("units of the network, on " + of);
  const bool has_center = network->form == ScoreForm::squared_distance;
  std::vector<Finding> findings;
  check_units(network->network, network->state, has_center, x, pool, findings);
  if (has_center) {
    const Matrix<float> outputs = network_outputs(network->network, network->state, x, pool);
    check_no_collapse({outputs.values.data(), outputs.rows, outputs.cols}, findings);
  }
  add_new(report, findings, of + ": ");
}

void check_examples(const Model& model, ThreadPool& pool, DoctorReport& report) {
  const ExampleRows* examples = model.training_rows().examples.get();
  if (examples == nullptr) {
    report.skipped.emplace_back("scores of example rows: the model holds none (--example-rows)");
    return;
  }
  const MatrixView<const float> x(examples->x.values.data(), examples->x.rows, examples->x.cols);
  std::vector<float> scores(examples->size());
  model.detector().score(x, scores, pool);
  std::vector<Finding> findings;
  report.checked.push_back(fmt::format("scores of {} example rows", examples->size()));
  check_scores_vary(scores, findings);
  check_labels_used(scores, examples->labels, findings);
  add_new(report, findings, "example rows: ");
  check_network(model, x, "example rows", pool, report);
}

std::string names_of_features(const std::vector<ExplainedColumn>& columns,
                              const std::vector<DriftTest>& tests, const std::vector<std::size_t>& found,
                              const Model& model) {
  std::string text;
  for (std::size_t k = 0; k < std::min(found.size(), kShownColumns); ++k) {
    const std::size_t feature = found[k];
    const DriftTest& test = tests[feature];
    const auto column = std::find_if(columns.begin(), columns.end(), [&](const ExplainedColumn& c) {
      return std::find(c.features.begin(), c.features.end(), feature) != c.features.end();
    });
    const double edge = model.scaler().raw_value(feature, static_cast<double>(test.edge));
    text +=
        fmt::format("{}{} ({:.0f} % {} {:.6g} then, {:.0f} % now)", k == 0 ? "" : ", ",
                    column == columns.end() ? std::to_string(feature) : column->name, 100 * test.share_then,
                    test.share_then == 0 ? "below" : "up to", edge, 100 * test.share_now);
  }
  if (found.size() > kShownColumns) text += fmt::format(" and {} more", found.size() - kShownColumns);
  return text;
}

void check_feature_drift(const Model& model, const TrainingProfile& profile, const Matrix<float>& x,
                         ThreadPool& pool, DoctorReport& report) {
  report.checked.push_back(fmt::format("drift of {} features", x.cols));
  std::vector<DriftTest> tests(x.cols);
  std::vector<std::vector<float>> columns(pool.n_threads(), std::vector<float>(x.rows));
  pool.parallel_for_worker(x.cols, [&](std::size_t j, std::size_t worker) {
    for (std::size_t i = 0; i < x.rows; ++i) columns[worker][i] = x.row(i)[j];
    tests[j] = drift_from(profile.features[j], profile.n_rows, columns[worker]);
  });
  const std::vector<std::size_t> found = drifted(tests, kDriftLevel, kDriftDistance);
  if (found.empty()) return;
  add(report, "feature_drift",
      fmt::format("{} of {} features are distributed otherwise than in training (Kolmogorov-Smirnov, largest "
                  "distance {:.2f}, Holm-corrected level {}): {}",
                  found.size(), x.cols, tests[found.front()].distance, kDriftLevel,
                  names_of_features(explained_columns(model), tests, found, model)));
}

// Training scores are lower than those of new rows of the same kind; calibration rows were held out.
void check_score_drift(const Model& model, const TrainingProfile* profile, std::span<const float> scores,
                       DoctorReport& report) {
  const auto& calibration = model.decision().calibration;
  DistributionSketch sketch;
  std::size_t n_then = 0;
  const char* than = "the training rows";
  if (calibration && calibration->size() >= kLeastRows) {
    sketch = sketch_of(calibration->scores(), 99);
    n_then = calibration->size();
    than = "the calibration rows";
  } else if (profile != nullptr) {
    sketch = profile->scores;
    n_then = profile->n_rows;
  } else {
    return;
  }
  report.checked.emplace_back("drift of scores");
  const DriftTest test = drift_from(sketch, n_then, scores);
  if (test.p_value > kDriftLevel || test.distance < kDriftDistance) return;
  add(report, "score_drift",
      fmt::format("scores are distributed otherwise than those of {} (Kolmogorov-Smirnov distance {:.2f}, "
                  "p-value {:.2g}): {:.0f} % were {} {:.4g} then, {:.0f} % are now",
                  than, test.distance, test.p_value, 100 * test.share_then,
                  test.share_then == 0 ? "below" : "up to", test.edge, 100 * test.share_now));
}

void check_overlap(const Model& model, const ModelRows& rows, ThreadPool& pool, DoctorReport& report) {
  const std::optional<SeenRows> seen = rows_seen_in_training(model, rows.rows, rows.chosen, pool);
  if (!seen) return;
  report.checked.push_back(seen->all ? std::string("overlap with training rows")
                                     : fmt::format("overlap with training rows, on {} rows that a sample of "
                                                   "hashes can tell",
                                                   seen->compared.size()));
  if (seen->share() <= kOverlapShare) return;
  std::vector<std::string> examples;
  for (const std::uint32_t row : seen->found)
    if (examples.size() < kShownRows) examples.push_back(rows.name_of(row));
  add(report, "training_rows_scored",
      fmt::format("{} of {} rows compared ({:.1f} %) are training rows, to the bit; such as rows {}",
                  seen->found.size(), seen->compared.size(), 100 * seen->share(), fmt::join(examples, ", ")));
}

}  // namespace

const std::vector<FindingAdvice>& finding_advice() {
  static const std::vector<FindingAdvice> table{
      {"nothing_transferred", "pretraining had no effect",
       "leave out --compat reference and --transfer false"},
      {"center_mostly_clamped",
       "the centre says little about the data; the usual sign of an untrained network",
       "pretrain, or pretrain longer"},
      {"untrained", "training did nothing", "more epochs, a larger learning rate"},
      {"ranking_unchanged", "training changed the scores but not which rows are more anomalous than others",
       "more epochs, a larger learning rate, more labels; or take the pretrained network as it is"},
      {"constant_scores", "nothing can be ranked",
       "train longer, lower the learning rate, check that the features vary"},
      {"collapse", "the network maps everything to one point", "fewer epochs, a larger --eta, no biases"},
      {"posterior_collapse", "the code says nothing of the rows, all reconstructions are the same",
       "train longer, or on more rows"},
      {"dead_units", "a part of the network takes no part: it is smaller than it looks",
       "a lower learning rate, fewer epochs, a smaller network"},
      {"anomaly_term_explodes", "one labelled row alone says where training goes",
       "check the label of the row, lower --eta or the learning rate, pretrain"},
      {"labels_ignored", "the labels had no effect",
       "train longer, raise --eta or the ratio, or take deep_sad"},
      {"test_rows_in_training", "the AUC is too good", "leave out --compat reference"},
      {"test_leak", "the AUC is too good", "leave out --selection test-leak"},
      {"not_converged", "the scores are approximate", "a larger --solver-tolerance, another --gamma"},
      {"one_class_test", "AUC and average precision are undefined", "other classes, or another data set"},
      {"auc_below_half", "the model ranks anomalies as the most normal rows",
       "check whether labels or classes are swapped; label some anomalies; another method"},
      {"feature_drift", "the model was trained on other data, and its scores and thresholds may not hold",
       "look at these columns (units, encodings, a changed source); train anew on rows of today"},
      {"score_drift",
       "thresholds and false-alarm rates hold for scores as they were; more anomalies, or drift, move them",
       "see which rows score high (deepsad explain); calibrate or train anew"},
      {"training_rows_scored",
       "training rows score lower than new ones: figures from these rows are too good",
       "score rows that the training did not see"}};
  return table;
}

const FindingAdvice* find_advice(const std::string& name) {
  for (const FindingAdvice& advice : finding_advice())
    if (name == advice.name) return &advice;
  return nullptr;
}

void examine_model(const Model& model, ThreadPool& pool, DoctorReport& report) {
  check_center(model, report);
  check_examples(model, pool, report);
}

void examine_run(const std::string& folder, DoctorReport& report) {
  const std::string path = folder + "/results.json";
  const std::vector<std::uint8_t> bytes = read_file(path);
  try {
    const Json results = Json::parse(bytes);
    report.checked.emplace_back("findings of the training");
    for (const Json& finding : results.at("findings"))
      add(report, finding.at("name").get<std::string>(), finding.at("text").get<std::string>());
    std::vector<float> scores;
    for (const Json& entry : results.at("test_scores")) {
      const Json& score = entry.at(2);
      if (score.is_number()) scores.push_back(score.get<float>());
    }
    std::vector<Finding> findings;
    if (scores.empty())
      report.skipped.emplace_back("test AUC and scores: the run held no rows out");
    else
      report.checked.push_back(fmt::format("test AUC and {} test scores", scores.size()));
    check_scores_vary(scores, findings);
    const Json& auc = results.at("test_auc");
    if (auc.is_number()) {
      check_auc(auc.get<double>(), results.at("test_rows").at("normal").get<std::size_t>(),
                results.at("test_rows").at("anomaly").get<std::size_t>(), "test rows", findings);
    }
    add_new(report, findings, "test rows: ");
  } catch (const Json::exception& error) {
    throw DataError(fmt::format("{}: not the results of a run: {}", path, error.what()));
  }
}

void examine_rows(const Model& model, const ModelRows& rows, ThreadPool& pool, DoctorReport& report) {
  // The anomalies of a test part are meant to differ. Evenly spread, so that no part of a long file is left
  // out.
  const std::vector<std::uint32_t>& from = rows.normal.empty() ? rows.chosen : rows.normal;
  const std::size_t n = std::min(from.size(), kDriftRows);
  std::vector<std::uint32_t> positions(n);
  for (std::size_t i = 0; i < n; ++i) positions[i] = from[i * from.size() / n];
  Matrix<float> x(n, model.scaler().n_features());
  for (std::size_t i = 0; i < n; ++i)
    model.scaler().transform(rows.rows, positions[i], {x.row(i).data(), 1, x.cols});
  std::vector<float> scores(n);
  model.detector().score({x.values.data(), n, x.cols}, scores, pool);
  std::vector<Finding> findings;
  report.checked.push_back(fmt::format("scores of {} {}rows of {}", n,
                                       rows.normal.empty() ? "" : "held-out normal ", rows.rows.name));
  check_scores_vary(scores, findings);
  const std::string of = "rows of " + rows.rows.name;
  add_new(report, findings, of + ": ");
  check_network(model, {x.values.data(), n, x.cols}, of, pool, report);
  const TrainingProfile* profile = model.training_rows().profile.get();
  if (profile == nullptr) {
    report.skipped.emplace_back(
        "drift of features and overlap: the model holds no profile (--training-profile)");
  } else if (!profile->hashes.can_tell()) {
    report.skipped.emplace_back(
        "overlap with training rows: a model that this one goes on from held no profile "
        "(--training-profile)");
  }
  check_overlap(model, rows, pool, report);
  if (n < kLeastRows) {
    report.skipped.push_back(fmt::format("drift: {} rows say little, wanted {} or more", n, kLeastRows));
    return;
  }
  if (profile != nullptr) check_feature_drift(model, *profile, x, pool, report);
  check_score_drift(model, profile, scores, report);
}

std::string doctor_text(const DoctorReport& report) {
  std::string text =
      fmt::format("{}: {}\n", report.subject,
                  report.findings.empty()       ? "nothing found"
                  : report.findings.size() == 1 ? "1 finding"
                                                : fmt::format("{} findings", report.findings.size()));
  const auto out = std::back_inserter(text);
  for (const Diagnosis& finding : report.findings) {
    fmt::format_to(out, "\n{}\n  seen        {}\n", finding.name, finding.seen);
    if (!finding.why.empty()) fmt::format_to(out, "  matters     {}\n", finding.why);
    if (!finding.advice.empty()) fmt::format_to(out, "  what to do  {}\n", finding.advice);
  }
  fmt::format_to(out, "\nlooked at: {}\n", fmt::join(report.checked, "; "));
  if (!report.skipped.empty()) fmt::format_to(out, "not looked at: {}\n", fmt::join(report.skipped, "; "));
  return text;
}

std::string doctor_json(const DoctorReport& report) {
  Json findings = Json::array();
  for (const Diagnosis& finding : report.findings) {
    findings.push_back(
        {{"name", finding.name}, {"seen", finding.seen}, {"why", finding.why}, {"advice", finding.advice}});
  }
  return Json{{"subject", report.subject},
              {"findings", findings},
              {"checked", report.checked},
              {"skipped", report.skipped}}
             .dump(2) +
         "\n";
}

}  // namespace deepsad
