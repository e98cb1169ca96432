#include "deepsad/report/run_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <future>
#include <nlohmann/json.hpp>
#include <numeric>

#include "deepsad/report/image_grid.h"
#include "deepsad/report/png.h"
#include "deepsad/report/run_page.h"
#include "deepsad/report/system_info.h"
#include "deepsad/report/training_curve.h"

namespace deepsad {
namespace {

using Json = nlohmann::ordered_json;

// One top-level key a line, everything below it on that line: readable, and the scores do not fill pages.
std::string one_key_a_line(const Json& object) {
  std::string text = "{\n";
  for (const auto& [key, value] : object.items())
    text += fmt::format("{}  {}: {}", text.size() > 2 ? ",\n" : "", Json(key).dump(), value.dump());
  return text + "\n}\n";
}

Json ratios(const SemiSupervisedRatios& r) {
  return {{"known_normal", r.known_normal}, {"known_outlier", r.known_outlier}, {"pollution", r.pollution}};
}

Json phase_json(const PhaseRecord& phase) {
  Json losses = Json::array(), rates = Json::array(), validation = Json::array();
  for (const EpochRecord& epoch : phase.history.epochs) {
    losses.push_back(epoch.loss);
    rates.push_back(epoch.learning_rate);
    if (epoch.validation_loss) validation.push_back(*epoch.validation_loss);
  }
  Json json{{"name", phase.name},
            {"time", phase.history.seconds},
            {"epochs", phase.history.epochs.size()},
            {"loss", losses},
            {"learning_rate", rates}};
  if (!validation.empty()) {
    json["validation_loss"] = validation;
    json["best_epoch"] = phase.history.best_epoch;
  }
  return json;
}

std::string autoencoder_json(const AutoencoderResult& result) {
  return one_key_a_line({{"train_time", result.train_seconds},
                         {"test_auc", result.metrics.roc_auc},
                         {"test_time", result.test_seconds},
                         {"test_average_precision", result.metrics.average_precision}});
}

// The drawn images in the order they were drawn, as the other grids.
std::vector<std::uint8_t> generated_grid(const GeneratedSamples& samples,
                                         const std::vector<std::size_t>& shape) {
  std::vector<std::uint8_t> pixels(samples.x.values.size());
  std::transform(samples.x.values.begin(), samples.x.values.end(), pixels.begin(),
                 [](float value) { return static_cast<std::uint8_t>(std::lround(255 * value)); });
  Dataset images;
  images.sample_shape = shape;
  images.values = std::move(pixels);
  std::vector<std::uint32_t> rows(samples.x.rows);
  std::iota(rows.begin(), rows.end(), 0U);
  return encode_png(enlarge(image_grid(images, rows), kGridEnlargement));
}

// What a run on one's own file knows besides.
Json own_json(const TrainRun& run) {
  const OwnRows& rows = *run.own->rows;
  const Decision& decision = run.model->decision();
  Json json{
      {"name", rows.name},
      {"rows",
       {{"training", rows.parts.training.size()},
        {"calibration", rows.parts.calibration.size()},
        {"test", rows.parts.test.size()},
        {"left_out", rows.left_out.size()}}},
      {"labelled", rows.has_labels},
      {"threshold", decision.threshold ? Json::parse(threshold_to_json(*decision.threshold)) : Json(nullptr)},
      {"calibration_rows_trimmed",
       decision.calibration ? Json(decision.calibration->n_trimmed()) : Json(nullptr)},
      {"notes", run.own->notes},
      {"at_threshold", nullptr}};
  if (run.own->at_threshold) {
    const ThresholdMetrics& m = *run.own->at_threshold;
    const auto interval = [](const Interval& i) { return Json{i.low, i.high}; };
    json["at_threshold"] = {{"true_alarms", m.true_alarms},
                            {"false_alarms", m.false_alarms},
                            {"missed", m.missed},
                            {"quiet", m.quiet},
                            {"precision", m.precision},
                            {"recall", m.recall},
                            {"f1", m.f1},
                            {"false_alarm_rate", m.false_alarm_rate},
                            {"precision_interval", interval(m.precision_interval)},
                            {"recall_interval", interval(m.recall_interval)},
                            {"false_alarm_interval", interval(m.false_alarm_interval)}};
  }
  return json;
}

}  // namespace

std::string results_json(const TrainRun& run) {
  Json scores = Json::array();
  for (std::size_t i = 0; i < run.test.scores.size(); ++i)
    scores.push_back({run.test.rows[i], static_cast<int>(run.test.labels[i]), run.test.scores[i]});
  Json phases = Json::array(), findings = Json::array(), files = Json::array();
  for (const PhaseRecord& phase : run.phases) phases.push_back(phase_json(phase));
  for (const Finding& finding : run.findings)
    findings.push_back({{"name", finding.name}, {"text", finding.text}});
  for (const SourceFile& file : run.sources) files.push_back({{"path", file.path}, {"sha256", file.sha256}});
  const SemiSupervisedSet& set = run.training_set;
  const DataSetup& setup = run.model->setup();
  const SystemInfo system = system_info();

  // The keys of the published program of this method, in its order.
  const bool shallow = is_shallow_method(run.options.method);
  Json results{{"train_time", run.train_seconds}};
  if (shallow) results["test_time"] = run.test_seconds;
  results["test_auc"] = run.metrics.roc_auc;
  if (!shallow) results["test_time"] = run.test_seconds;
  results["test_scores"] = std::move(scores);
  if (run.options.method == "oc_svm" || run.options.method == "ssad") {
    results["train_time_linear"] = run.linear ? Json(run.linear->train_seconds) : Json(nullptr);
    results["test_time_linear"] = run.linear ? Json(run.linear->test_seconds) : Json(nullptr);
    results["test_auc_linear"] = run.linear ? Json(run.linear->metrics.roc_auc) : Json(nullptr);
  }

  results.update(Json{{"test_average_precision", run.metrics.average_precision},
                      {"test_rows", {{"normal", run.metrics.n_normal}, {"anomaly", run.metrics.n_anomaly}}},
                      {"dataset", run.options.dataset},
                      {"method", run.options.method},
                      {"network", run.options.network},
                      {"preset", run.options.preset},
                      {"compat", run.options.compat},
                      {"seed", setup.seed},
                      {"normal_classes", setup.normal_classes},
                      {"known_anomaly_classes", setup.known_anomaly_classes},
                      {"training_rows",
                       {{"total", set.rows.size()},
                        {"known_normal", set.counts.known_normal},
                        {"unlabelled_normal", set.counts.unlabelled_normal},
                        {"unlabelled_anomaly", set.counts.unlabelled_anomaly},
                        {"known_anomaly", set.counts.known_anomaly},
                        {"duplicates", set.n_duplicates}}},
                      {"ratios", {{"requested", ratios(set.requested)}, {"realised", ratios(set.realised)}}},
                      {"findings", std::move(findings)},
                      {"fit", run.fit_report.empty() ? Json(nullptr) : Json::parse(run.fit_report)},
                      {"phases", std::move(phases)},
                      {"load_time", run.load_seconds},
                      {"data_files", std::move(files)},
                      {"data_checksum", setup.data_checksum},
                      {"device", "cpu"},
                      {"threads", run.n_threads},
                      {"instruction_set", run.instruction_set},
                      {"processor", system.processor},
                      {"peak_memory_bytes", peak_memory_bytes()},
                      {"deepsad_version", system.version},
                      {"compiler", system.compiler},
                      {"build_type", system.build_type}});
  if (shallow) {
    results["hybrid"] = run.options.hybrid;
    results["load_ae"] = run.options.load_ae;
  }
  if (run.own) results["own_file"] = own_json(run);
  if (run.warm_start) {
    const auto kept = [](const std::optional<KeptLabels>& rows) {
      if (!rows) return Json(nullptr);
      return Json{{"rows", rows->n_rows},
                  {"mean_rank_before", rows->rank_before},
                  {"mean_rank_after", rows->rank_after},
                  {"much_worse", rows->n_worse}};
    };
    results["warm_start"] = {{"init", run.options.init},
                             {"test_auc_before", run.warm_start->before.roc_auc},
                             {"test_average_precision_before", run.warm_start->before.average_precision},
                             {"known_anomaly", kept(run.warm_start->anomalies)},
                             {"known_normal", kept(run.warm_start->normals)}};
  }
  if (run.options.selection == "test-leak") {
    results["test_leak"] = true;
    results["test_leak_note"] =
        "run with --selection test-leak: hyper-parameters were chosen on a tenth of the test part with its "
        "labels, "
        "as in the paper, so the test AUC is too good; for comparison only";
  }
  if (run.options.compat == "reference") {
    results["compat_reference"] = true;
    results["compat_note"] =
        "run with --compat reference: the published code's defects are included (no transfer of pretrained "
        "weights, test rows of tables among the training rows, doubly drawn anomalies, early milestones); "
        "for comparison only";
  }
  return one_key_a_line(results);
}

std::string scores_csv(const TestScores& test) {
  fmt::memory_buffer text;
  fmt::format_to(std::back_inserter(text), "index,label,class,score\n");
  for (std::size_t i = 0; i < test.scores.size(); ++i) {
    const int label = static_cast<int>(test.labels[i]);
    fmt::format_to(std::back_inserter(text), "{},{},{},{}\n", test.rows[i], label,
                   test.classes.empty() ? label : test.classes[i], test.scores[i]);
  }
  return fmt::to_string(text);
}

std::string calibration_csv(const OwnResult& own) {
  const OwnRows& rows = *own.rows;
  fmt::memory_buffer text;
  fmt::format_to(std::back_inserter(text), "row,line,label,score\n");
  for (std::size_t i = 0; i < own.calibration_scores.size(); ++i) {
    const std::uint32_t row = rows.parts.calibration[i];
    fmt::format_to(std::back_inserter(text), "{},{},{},{}\n", row, rows.lines[row],
                   label_name(rows.semi[row]), own.calibration_scores[i]);
  }
  return fmt::to_string(text);
}

void write_run(const RunFolder& folder, const TrainRun& run) {
  // Drawn beside the rest: with loading Cairo and finding a font it takes as long as all other files
  // together.
  std::future<std::vector<std::uint8_t>> curve;
  if (!run.phases.empty()) {
    curve = std::async(std::launch::async | std::launch::deferred, [&run] {
      const std::string title = fmt::format("{} · {} · seed {}", run.model->setup().dataset,
                                            run.options.method, run.model->setup().seed);
      return encode_png(training_curve(run.phases, title));
    });
  }
  if (run.autoencoder && (!run.own || run.own->rows->has_truth)) {
    const char* name = is_generative_method(run.options.method) ? "vae_results.json" : "ae_results.json";
    folder.write(name, autoencoder_json(*run.autoencoder));
  }
  const bool tested = !run.own || run.own->rows->has_truth;
  if (tested) folder.write("scores.csv", scores_csv(run.test));
  if (run.own && !run.own->calibration_scores.empty())
    folder.write("calibration.csv", calibration_csv(*run.own));
  folder.write(kModelFileName, run.model->to_bytes());
  std::vector<ReportFile> pictures;
  if (has_pictures(*run.test_data)) {
    if (!run.test.rows.empty())
      pictures = image_grid_files(*run.test_data, run.test.rows, run.test.labels, run.test.scores);
    for (const GeneratedSamples& samples : run.generated) {
      const std::string name = samples.name.empty() ? "generated.png" : "generated_" + samples.name + ".png";
      pictures.push_back({name, generated_grid(samples, run.test_data->sample_shape)});
    }
  }
  for (const ReportFile& picture : pictures) folder.write(picture.name, picture.bytes);
  folder.write("page.html", run_page(run, pictures));
  if (curve.valid()) folder.write("training_curve.png", curve.get());
  folder.write("results.json", results_json(run));
}

}  // namespace deepsad
