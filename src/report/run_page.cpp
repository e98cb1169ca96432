#include "deepsad/report/run_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "deepsad/core/percent_text.h"
#include "deepsad/evaluation/curves.h"
#include "deepsad/evaluation/roc_auc.h"
#include "deepsad/report/system_info.h"
#include "report/chart.h"
#include "report/html.h"

namespace deepsad {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kNormalStyle = 0, kAnomalyStyle = 1;  // the colours of the two classes in every chart

std::string dashed(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

std::string shell_word(const std::string& word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

template <class T>
std::string joined(const std::vector<T>& values) {
  return values.empty() ? "none" : fmt::format("{}", fmt::join(values, ", "));
}

Html paragraph(std::string_view plain) {
  return element("p", {}, plain);
}

std::string phase_title(const PhaseRecord& phase, const std::string& method) {
  if (phase.name != "pretraining") return "Loss of the training";
  return is_generative_method(method) ? "Loss of the pretraining (VAE)"
                                      : "Loss of the pretraining (autoencoder)";
}

Html loss_chart(const PhaseRecord& phase, const std::string& method, std::size_t index) {
  const std::vector<EpochRecord>& epochs = phase.history.epochs;
  double low = 0, high = 0;
  bool any = false;
  ChartLine losses{.name = "loss", .points = {}, .style = kNormalStyle, .strong = true};
  ChartLine validation{.name = "on held-out rows", .points = {}, .style = kAnomalyStyle};
  const auto add = [&](ChartLine& line, std::size_t i, double loss) {
    line.points.push_back({static_cast<double>(i + 1), loss});
    if (!std::isfinite(loss)) return;
    low = any ? std::min(low, loss) : loss;
    high = any ? std::max(high, loss) : loss;
    any = true;
  };
  for (std::size_t i = 0; i < epochs.size(); ++i) {
    add(losses, i, epochs[i].loss);
    if (epochs[i].validation_loss) add(validation, i, *epochs[i].validation_loss);
  }
  if (!any) return {};
  losses.dots = epochs.size() <= 30;
  LineChart chart{
      .text = {.id = fmt::format("loss-{}", index),
               .caption = phase_title(phase, method),
               .note = fmt::format("{} epochs in {}, last loss {}", epochs.size(),
                                   duration_text(phase.history.seconds), short_number(epochs.back().loss)),
               .description = fmt::format("Mean loss of each epoch: {} in the first, {} in the last "
                                          "of {} epochs, lowest {}.",
                                          short_number(epochs.front().loss), short_number(epochs.back().loss),
                                          epochs.size(), short_number(low))},
      .x_label = "epoch",
      .y_label = "",
      .x = epoch_axis(epochs.size(), 8),
      .y = value_axis(low, high, 6),
      .lines = {std::move(losses)}};
  chart.y_label = chart.y.logarithmic ? "loss (log scale)" : "loss";
  if (!validation.points.empty()) {
    chart.lines.push_back(std::move(validation));
    if (phase.history.best_epoch > 0)
      chart.marks.push_back({static_cast<double>(phase.history.best_epoch), "kept"});
  }
  for (std::size_t i = 1; i < epochs.size(); ++i) {
    if (epochs[i].learning_rate == epochs[i - 1].learning_rate) continue;
    chart.marks.push_back({static_cast<double>(i) + 0.5, "rate " + short_number(epochs[i].learning_rate)});
  }
  return line_chart(chart);
}

// The model's threshold; without one what the method itself calls the border between normal and anomalous, if
// it has one.
std::vector<ChartMark> thresholds(const Model& model) {
  if (model.decision().threshold) {
    const double value = model.decision().threshold->value;
    if (!std::isfinite(value)) return {};
    return {{value, "threshold " + short_number(value)}};
  }
  const Detector& detector = model.detector();
  const Json description = Json::parse(detector.description());
  const std::string method = detector.method();
  if (method == "oc_svm" || (method == "deep_svdd" && description.value("objective", "") == "soft-boundary"))
    return {{0, "boundary 0"}};
  if (method == "isolation_forest" && description.contains("fitted")) {
    const double threshold = description.at("fitted").at("threshold").get<double>();
    return {{threshold, "threshold " + short_number(threshold)}};
  }
  return {};
}

Html roc_chart(const TestScores& test, const Metrics& metrics) {
  const Axis share = exact_axis(0, 1, 5);
  return line_chart(
      {.text = {.id = "roc",
                .caption = "ROC curve",
                .note = "area " + percent_text(metrics.roc_auc) + "; dotted: chance",
                .description = fmt::format(
                    "Share of anomalies found against share of normal rows raised as false alarms, for every "
                    "threshold. The area under the curve is {}.",
                    percent_text(metrics.roc_auc))},
       .x_label = "false alarms / normal rows",
       .y_label = "found / anomalies",
       .x = share,
       .y = share,
       .lines = {{.name = "ROC",
                  .points = roc_curve(test.scores, test.labels),
                  .style = kNormalStyle,
                  .strong = true}},
       .guide = {{0, 0}, {1, 1}}});
}

Html precision_recall_chart(const TestScores& test, const Metrics& metrics) {
  const Axis share = exact_axis(0, 1, 5);
  const double chance =
      static_cast<double>(metrics.n_anomaly) / static_cast<double>(metrics.n_anomaly + metrics.n_normal);
  ChartLine curve{.name = "precision", .points = {}, .style = kNormalStyle, .strong = true};
  double recall = 0;
  for (const CurvePoint& p : precision_recall_curve(test.scores, test.labels)) {
    curve.points.push_back({recall, p.y});
    curve.points.push_back(p);
    recall = p.x;
  }
  return line_chart(
      {.text =
           {.id = "precision-recall",
            .caption = "Precision and recall",
            .note = fmt::format("average precision {}; dotted: chance, {}",
                                percent_text(metrics.average_precision), percent_text(chance)),
            .description = fmt::format(
                "Share of anomalies among the rows above the threshold against the share of all anomalies "
                "found. The average precision is {}; scores drawn at random would give {}.",
                percent_text(metrics.average_precision), percent_text(chance))},
       .x_label = "recall: found / anomalies",
       .y_label = "precision",
       .x = share,
       .y = share,
       .lines = {std::move(curve)},
       .guide = {{0, chance}, {1, chance}}});
}

Html score_chart(const TestScores& test, const Model& model) {
  const ScoreHistogram histogram = score_histogram(test.scores, test.labels);
  const std::vector<ChartMark> marks = thresholds(model);
  std::string note = "larger = more anomalous";
  if (!marks.empty())
    note += fmt::format("; dashed: the {} {}", model.decision().threshold ? "model's" : "method's own",
                        marks.front().label);
  if (histogram.n_outside > 0)
    note += fmt::format("; the outermost bars hold {} scores from beyond the axis", histogram.n_outside);
  return histogram_chart(
      {.id = "scores",
       .caption = "Scores of the test rows by class",
       .note = note,
       .description = "Histogram of the scores: for normal and for anomalous test rows the "
                      "share of the class in each of 40 bins. The less the two overlap, the "
                      "better the detector."},
      histogram, marks);
}

Html test_charts(const TestScores& test, const Metrics& metrics, const Model& model) {
  if (test.scores.empty()) return paragraph("There are no test rows.");
  Html charts;
  if (!std::isnan(metrics.roc_auc))
    charts += roc_chart(test, metrics) + precision_recall_chart(test, metrics);
  charts += score_chart(test, model);
  return element("div", {{"class", "figures"}}, charts);
}

// How well each anomalous class is told from the normal rows; the classes that training knew are marked.
Html class_table(const TestScores& test, const Dataset& data, const std::vector<int>& known) {
  if (test.classes.empty()) return {};
  std::vector<float> normal_scores;
  std::map<int, std::vector<float>> by_class;
  std::map<int, bool> is_anomaly;
  for (std::size_t i = 0; i < test.scores.size(); ++i) {
    const bool anomaly = test.labels[i] == TrueLabel::anomaly;
    if (!anomaly) normal_scores.push_back(test.scores[i]);
    by_class[test.classes[i]].push_back(test.scores[i]);
    is_anomaly[test.classes[i]] = anomaly;
  }
  if (by_class.size() < 3 || normal_scores.empty()) return {};
  HtmlTable table{.caption = "Each class against the normal rows",
                  .columns = {"class", "kind", "rows", "median score", "AUC against normal"},
                  .rows = {}};
  for (auto& [c, scores] : by_class) {
    const auto index = static_cast<std::size_t>(c);
    const bool has_name =
        c >= 0 && index < data.class_names.size() && data.class_names[index] != std::to_string(c);
    const bool is_known = std::find(known.begin(), known.end(), c) != known.end();
    std::vector<float> both = normal_scores;
    both.insert(both.end(), scores.begin(), scores.end());
    std::vector<TrueLabel> labels(normal_scores.size(), TrueLabel::normal);
    labels.resize(both.size(), TrueLabel::anomaly);
    const auto middle = scores.begin() + static_cast<std::ptrdiff_t>(scores.size() / 2);
    std::nth_element(scores.begin(), middle, scores.end());
    const auto median = static_cast<double>(*middle);
    std::vector<HtmlCell> row{
        text_cell(has_name ? fmt::format("{} {}", c, data.class_names[index]) : std::to_string(c)),
        text_cell(!is_anomaly[c]  ? "normal"
                  : known.empty() ? "anomaly"
                  : is_known      ? "known anomaly"
                                  : "novel anomaly"),
        number_cell(std::to_string(scores.size()), static_cast<double>(scores.size())),
        number_cell(short_number(median), median)};
    if (is_anomaly[c]) {
      const double auc = roc_auc(std::span<const float>(both), labels);
      row.push_back(number_cell(percent_text(auc), auc));
    } else {
      row.push_back(number_cell("", std::nan("")));
    }
    row.front().sort_key = std::to_string(c);
    table.rows.push_back(std::move(row));
  }
  return html_table(table);
}

Html pictures_section(std::span<const ReportFile> pictures) {
  static const std::map<std::string, std::string> kCaptions{
      {"all_low.png", "The lowest scores of all test images"},
      {"all_high.png", "The highest scores of all test images"},
      {"normals_low.png", "The lowest scores of the normal ones"},
      {"normals_high.png", "The highest scores of the normal ones: the worst false alarms"},
      {"generated.png", "Images drawn by the model"},
      {"generated_normal.png", "Normal images drawn by the model"},
      {"generated_anomalous.png", "Anomalous images drawn by the model, from the same codes"}};
  if (pictures.empty()) return {};
  Html figures;
  for (const ReportFile& picture : pictures) {
    const auto entry = kCaptions.find(picture.name);
    const std::string caption = entry == kCaptions.end() ? picture.name : entry->second;
    figures += element("figure", {},
                       element("figcaption", {}, caption) +
                           png_image(picture.bytes, caption + ", in a grid, ascending in score"));
  }
  return section("Test images", element("div", {{"class", "figures"}}, figures));
}

Html metrics_table(const TrainRun& run) {
  HtmlTable table{.caption = "Test metrics and times",
                  .columns = {"detector", "AUC", "average precision", "training", "scoring"},
                  .rows = {}};
  const auto add = [&](const std::string& name, const Metrics& m, double train, double test) {
    table.rows.push_back({text_cell(name), number_cell(percent_text(m.roc_auc), m.roc_auc),
                          number_cell(percent_text(m.average_precision), m.average_precision),
                          number_cell(duration_text(train), train), number_cell(duration_text(test), test)});
  };
  add(run.options.method, run.metrics, run.train_seconds, run.test_seconds);
  if (run.linear)
    add(run.options.method + ", linear kernel", run.linear->metrics, run.linear->train_seconds,
        run.linear->test_seconds);
  if (run.autoencoder)
    add(is_generative_method(run.options.method) ? "its VAE" : "its autoencoder (reconstruction error)",
        run.autoencoder->metrics, run.autoencoder->train_seconds, run.autoencoder->test_seconds);
  if (run.untrained) {
    const Metrics& m = *run.untrained;
    table.rows.push_back({text_cell("the network before any training"),
                          number_cell(percent_text(m.roc_auc), m.roc_auc),
                          number_cell(percent_text(m.average_precision), m.average_precision),
                          number_cell("", std::nan("")), number_cell("", std::nan(""))});
  }
  return html_table(table);
}

Html checks_section(const std::vector<Finding>& findings) {
  if (findings.empty())
    return section("Training checks",
                   element("p", {{"class", "good"}}, "Every check passed: nothing suspicious was found."));
  Html list;
  for (const Finding& finding : findings)
    list +=
        element("li", {}, element("strong", {{"class", "bad"}}, finding.name) + Html(": " + finding.text));
  return section("Training checks", element("ul", {{"class", "findings"}}, list));
}

// Warnings that no reader may miss.
Html comparison_notes(const TrainOptions& options) {
  Html notes;
  if (options.compat == "reference")
    notes += element("p", {{"class", "bad"}},
                     "Run with --compat reference: the published code's defects are included; for comparison "
                     "only.");
  if (options.selection == "test-leak")
    notes +=
        element("p", {{"class", "bad"}},
                "Run with --selection test-leak: hyper-parameters were chosen on labelled test rows, so the "
                "test AUC is too good; for comparison only.");
  return notes;
}

std::string interval_text(const Interval& interval) {
  return fmt::format("{} to {}", percent_text(interval.low), percent_text(interval.high));
}

// Scores of the calibration rows; those above the largest that was kept were taken for anomalies.
Html calibration_chart(const OwnResult& own, const Model& model) {
  const ConformalCalibration& calibration = *model.decision().calibration;
  const float largest_kept = calibration.scores().back();
  std::vector<TrueLabel> taken;
  for (const float score : own.calibration_scores)
    taken.push_back(score > largest_kept ? TrueLabel::anomaly : TrueLabel::normal);
  const std::vector<ChartMark> marks = thresholds(model);
  return histogram_chart(
      {.id = "calibration",
       .caption = "Scores of the calibration rows",
       .note = marks.empty() ? "larger = more anomalous"
                             : "larger = more anomalous; dashed: the " + marks.front().label,
       .description = "Histogram of the scores of the rows that were held out to calibrate p-values and "
                      "threshold."},
      score_histogram(own.calibration_scores, taken), marks, {"calibration rows", "left out as anomalous"});
}

// What becomes of scores: of a run on one's own file.
Html decision_section(const TrainRun& run) {
  const Decision& decision = run.model->decision();
  Html content;
  if (decision.threshold) {
    const Threshold& threshold = *decision.threshold;
    content +=
        element("p", {},
                element("strong", {},
                        fmt::format("Rows with a score above {:.6g} are called anomalous", threshold.value)) +
                    Html(fmt::format(" ({}).", threshold_request_text(threshold.request))));
  } else {
    content += paragraph("There is no threshold; the model gives scores alone.");
  }
  for (const std::string& note : run.own->notes) content += paragraph(note);
  Html figures;
  if (decision.calibration) figures += calibration_chart(*run.own, *run.model);
  if (run.own->at_threshold) {
    const ThresholdMetrics& m = *run.own->at_threshold;
    const auto row = [](const char* name, double value, const std::string& range) {
      return std::vector<HtmlCell>{text_cell(name), number_cell(percent_text(value), value),
                                   text_cell(range)};
    };
    figures += html_table(
        {.caption =
             fmt::format("Test rows at the threshold: {} of {} anomalies found, {} false alarms among {} "
                         "normal rows",
                         m.true_alarms, m.true_alarms + m.missed, m.false_alarms, m.false_alarms + m.quiet),
         .columns = {"figure", "value", "95 % interval"},
         .rows = {row("recall: anomalies found", m.recall, interval_text(m.recall_interval)),
                  row("precision: alarms that are right", m.precision, interval_text(m.precision_interval)),
                  row("F1", m.f1, ""),
                  row("false alarms among normal rows", m.false_alarm_rate,
                      interval_text(m.false_alarm_interval))},
         .sortable = false});
  }
  return section("Threshold", content + element("div", {{"class", "figures"}}, figures));
}

// The rows of one's own file.
Html own_rows_section(const TrainRun& run) {
  const OwnRows& own = *run.own->rows;
  const SemiSupervisedCounts& counts = run.training_set.counts;
  const auto count_row = [](const char* name, std::size_t n) {
    return std::vector<HtmlCell>{text_cell(name), number_cell(std::to_string(n), static_cast<double>(n))};
  };
  HtmlTable rows{
      .caption = "Rows of " + own.name,
      .columns = {"rows", "number"},
      .rows = {count_row("training, labelled normal", counts.known_normal),
               count_row("training, labelled anomalous", counts.known_anomaly),
               count_row("training, unlabelled", counts.unlabelled_normal + counts.unlabelled_anomaly),
               count_row("calibration", own.parts.calibration.size()),
               count_row("test", own.parts.test.size()), count_row("left out", own.left_out.size())},
      .sortable = false};
  Html list;
  for (const std::string& message : own.messages) list += element("li", {}, message);
  Html content = element("div", {{"class", "figures"}}, html_table(rows)) + element("ul", {}, list);
  if (own.schema) {
    HtmlTable columns{.caption = "What the columns mean",
                      .columns = {"column", "kind", "categories", "missing values", "why"},
                      .rows = {}};
    for (const ColumnSchema& column : own.schema->schema.columns()) {
      constexpr std::size_t kMostShown = 8;
      std::string categories;
      for (std::size_t k = 0; k < std::min(kMostShown, column.categories.size()); ++k)
        categories += (k == 0 ? "" : ", ") + column.categories[k];
      if (column.categories.size() > kMostShown)
        categories += fmt::format(", ... ({})", column.categories.size());
      const bool impute = column.missing == MissingPolicy::impute;
      columns.rows.push_back({text_cell(column.name), text_cell(column_kind_name(column.kind)),
                              text_cell(categories),
                              text_cell(!impute ? ""
                                        : column.kind == ColumnKind::one_hot
                                            ? "a feature of their own"
                                            : fmt::format("{} and a feature of their own", column.imputed)),
                              text_cell(column.why)});
    }
    content += folded(fmt::format("Schema: {} columns, {} features", own.schema->schema.columns().size(),
                                  own.schema->schema.n_features()),
                      html_table(columns));
  }
  return section("Data", content);
}

Html training_set_section(const TrainRun& run) {
  const SemiSupervisedSet& set = run.training_set;
  const SemiSupervisedCounts& counts = set.counts;
  const auto count_row = [](const char* name, std::size_t n) {
    return std::vector<HtmlCell>{text_cell(name), number_cell(std::to_string(n), static_cast<double>(n))};
  };
  HtmlTable rows{
      .caption = "Training rows",
      .columns = {"kind", "rows"},
      .rows = {count_row("unlabelled, normal", counts.unlabelled_normal),
               count_row("unlabelled, anomalous (pollution)", counts.unlabelled_anomaly),
               count_row("labelled normal", counts.known_normal),
               count_row("labelled anomalous", counts.known_anomaly), count_row("all", set.rows.size())},
      .sortable = false};
  const auto ratio_row = [](const char* name, double wanted, double reached) {
    return std::vector<HtmlCell>{text_cell(name), number_cell(short_number(wanted), wanted),
                                 number_cell(short_number(reached), reached)};
  };
  HtmlTable ratios{
      .caption = "Ratios",
      .columns = {"ratio", "asked for", "reached"},
      .rows = {ratio_row("labelled normal", set.requested.known_normal, set.realised.known_normal),
               ratio_row("labelled anomalous", set.requested.known_outlier, set.realised.known_outlier),
               ratio_row("pollution", set.requested.pollution, set.realised.pollution)},
      .sortable = false};
  return section("Training set",
                 element("div", {{"class", "figures"}}, html_table(rows) + html_table(ratios)));
}

Html options_section(const TrainOptions& options) {
  HtmlTable table{
      .caption = "Options as resolved", .columns = {"option", "value", "default", "group"}, .rows = {}};
  std::size_t n_changed = 0;
  for (const OptionDeclaration& option : train_option_declarations()) {
    const std::string value = option_value_text(option.get(options));
    const bool changed = value != option_value_text(option.get(TrainOptions{}));
    n_changed += changed ? 1 : 0;
    std::vector<HtmlCell> row{text_cell(option.name), text_cell(value), text_cell(option.default_text),
                              text_cell(option.group)};
    if (changed) row[0].style = row[1].style = "best";
    table.rows.push_back(std::move(row));
  }
  return section("Options", folded(fmt::format("All {} options; {} differ from their defaults (bold)",
                                               table.rows.size(), n_changed),
                                   html_table(table)));
}

Html machine_section(const TrainRun& run) {
  const SystemInfo system = system_info();
  HtmlTable table{.caption = "What computed it", .columns = {"fact", "value"}, .rows = {}, .sortable = false};
  const auto add = [&](const char* name, const std::string& value) {
    table.rows.push_back({text_cell(name), text_cell(value)});
    table.rows.back().back().style = "long";
  };
  add("deepsad", fmt::format("{} ({}, {})", system.version, system.compiler, system.build_type));
  add("processor", system.processor);
  add("instruction set", run.instruction_set);
  add("threads", std::to_string(run.n_threads));
  add("largest memory", fmt::format("{:.0f} MiB", static_cast<double>(peak_memory_bytes()) / (1 << 20)));
  add("reading and preparing the data", duration_text(run.load_seconds));
  add("checksum of the data", run.model->setup().data_checksum);
  for (const SourceFile& file : run.sources)
    add("file", fmt::format("{} (SHA-256 {})", file.path, file.sha256));
  return section("Machine and data", html_table(table));
}

std::string own_text(const OwnRows& rows) {
  return fmt::format("one's own file {}, {} rows", rows.name, rows.semi.size());
}

std::string setup_text(const DataSetup& setup) {
  return fmt::format("normal class {}; known anomaly class {}", joined(setup.normal_classes),
                     joined(setup.known_anomaly_classes));
}

}  // namespace

std::string replay_command(const TrainOptions& options) {
  std::string command = "deepsad train " + shell_word(options.dataset);
  const TrainOptions start = starting_options(options.preset, options.compat, options.method);
  for (const OptionDeclaration& option : train_option_declarations()) {
    if (option.name == "dataset") continue;
    const std::string value = option_value_text(option.get(options));
    const bool names_the_start =
        option.name == "preset" || option.name == "compat" || option.name == "method";
    if (value == option_value_text(option.get(names_the_start ? TrainOptions{} : start))) continue;
    command += fmt::format(" --{} {}", dashed(option.name), shell_word(value));
  }
  return command;
}

std::string run_page(const TrainRun& run, std::span<const ReportFile> pictures) {
  const TrainOptions& options = run.options;
  const DataSetup& setup = run.model->setup();
  const bool tested = !run.own || run.own->rows->has_truth;
  std::vector<std::pair<std::string, std::string>> facts;
  if (tested) {
    facts = {{"test AUC", percent_text(run.metrics.roc_auc)},
             {"average precision", percent_text(run.metrics.average_precision)},
             {"test normals", std::to_string(run.metrics.n_normal)},
             {"test anomalies", std::to_string(run.metrics.n_anomaly)}};
  }
  if (run.own && run.model->decision().threshold)
    facts.emplace_back("threshold", short_number(run.model->decision().threshold->value));
  facts.emplace_back("training rows", std::to_string(run.training_set.rows.size()));
  facts.emplace_back("network", options.network.empty() ? "none" : options.network);
  facts.emplace_back("training time", duration_text(run.train_seconds));
  Html body = fact_list(facts);
  body += comparison_notes(options);
  body += checks_section(run.findings);
  Html curves;
  for (std::size_t i = 0; i < run.phases.size(); ++i) curves += loss_chart(run.phases[i], options.method, i);
  if (!curves.empty()) body += section("Training", element("div", {{"class", "figures"}}, curves));
  if (run.own) body += decision_section(run);
  if (tested)
    body += section("Test", test_charts(run.test, run.metrics, *run.model) + metrics_table(run) +
                                class_table(run.test, *run.test_data, setup.known_anomaly_classes));
  body += pictures_section(pictures);
  body += run.own ? own_rows_section(run) : training_set_section(run);
  body += options_section(options);
  body += section(
      "Run it again",
      paragraph("Trains with the same options, data and seed, which on the same instruction set gives "
                "the same bits at any number of threads:") +
          command_box(replay_command(options)) +
          element("p", {{"class", "soft"}},
                  run.own
                      ? "The same from the run folder: deepsad train --config config.json. Other rows are "
                        "scored with: deepsad score model.safetensors FILE."
                      : "The same from the run folder: deepsad train --config config.json. The model's "
                        "AUC comes out again with: deepsad evaluate model.safetensors."));
  body += machine_section(run);
  return html_document(fmt::format("{} · {} · seed {}", setup.dataset, options.method, setup.seed),
                       run.own ? own_text(*run.own->rows) : setup_text(setup), body);
}

std::string evaluation_page(const Model& model, const Evaluation& evaluation,
                            std::span<const ReportFile> pictures) {
  const DataSetup& setup = model.setup();
  const Metrics& metrics = evaluation.metrics;
  Html body = fact_list({{"test AUC", percent_text(metrics.roc_auc)},
                         {"average precision", percent_text(metrics.average_precision)},
                         {"test normals", std::to_string(metrics.n_normal)},
                         {"test anomalies", std::to_string(metrics.n_anomaly)},
                         {"scoring time", duration_text(evaluation.test_seconds)}});
  if (metrics.n_seen_by_training > 0)
    body +=
        element("p", {{"class", "bad"}},
                fmt::format("{} test rows were training rows, so the AUC is too good; for comparison only.",
                            metrics.n_seen_by_training));
  if (metrics.n_seen_by_selection > 0)
    body +=
        element("p", {{"class", "bad"}},
                "Hyper-parameters were chosen on labelled test rows, so the AUC is too good; for comparison "
                "only.");
  body +=
      section("Test", test_charts(evaluation.test, metrics, model) +
                          class_table(evaluation.test, *evaluation.test_data, setup.known_anomaly_classes));
  body += pictures_section(pictures);
  return html_document(
      fmt::format("Evaluation: {} · {} · seed {}", setup.dataset, model.detector().method(), setup.seed),
      setup_text(setup), body);
}

}  // namespace deepsad
