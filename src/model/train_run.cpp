#include "deepsad/model/train_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "data/row_positions.h"
#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "deepsad/core/reference_random.h"
#include "deepsad/data/split.h"
#include "deepsad/detectors/autoencoder_cache.h"
#include "deepsad/detectors/hybrid.h"
#include "deepsad/model/calibrate.h"
#include "deepsad/model/own_file.h"
#include "deepsad/nn/generative_network.h"
#include "deepsad/storage/atomic_file.h"
#include "deepsad/storage/checksum.h"
#include "deepsad/storage/run_folder.h"
#include "detectors/autoencoder.h"
#include "detectors/training_checks.h"
#include "kernels/isa.h"
#include "model/choose_detector.h"
#include "model/data_source.h"
#include "model/run_summary.h"
#include "model/train_on_source.h"
#include "model/warm_start.h"
#include "nn/layer_order.h"
#include "nn/plan.h"

namespace deepsad {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kGeneratedSamples = 32;  // of a kind, for the picture: the images of one grid
constexpr std::size_t kGroup = 16;  // samples that the engine works on at a time, and its partial gradients

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Rows of the source that are trained and tested on.
struct Parts {
  std::vector<std::uint32_t> train_rows;        // of source.train
  std::vector<std::uint32_t> test_rows;         // of test_data(source)
  std::vector<std::uint32_t> scaler_rows;       // of source.train: what the model's scaler is fitted on
  std::vector<std::uint32_t> test_scaler_rows;  // of source.train, --compat reference on a table only
};

const Dataset& test_data(const SourceData& source) {
  return source.test ? *source.test : source.train;
}

Parts split(const SourceData& source, std::uint64_t seed, bool reference) {
  Parts parts;
  if (source.own) {
    parts.train_rows = parts.scaler_rows = source.own->parts.training;
    parts.test_rows = source.own->parts.test;
    return parts;
  }
  if (source.test) {
    parts.train_rows = all_rows(source.train.size());
    parts.test_rows = all_rows(source.test->size());
    parts.scaler_rows = parts.train_rows;
    return parts;
  }
  if (reference) {
    ReferenceSplits splits = split_table_reference(source.train.labels, seed);
    parts.train_rows = std::move(splits.first.train);
    parts.test_rows = std::move(splits.second.test);
    parts.test_scaler_rows = std::move(splits.second.train);
  } else {
    TrainTestSplit one = split_table(source.train.labels, seed);
    parts.train_rows = std::move(one.train);
    parts.test_rows = std::move(one.test);
  }
  parts.scaler_rows = parts.train_rows;
  return parts;
}

// What training sees of the data that is tested on: of images nothing, of a table its training part.
SplitToken split_token(const SourceData& source, const Parts& parts, bool reference) {
  SplitToken token;
  if (source.test) return token;
  token.training_saw(parts.train_rows);
  token.training_saw(parts.scaler_rows);
  token.training_saw(parts.test_scaler_rows);
  if (reference) token.allow_training_rows();
  return token;
}

void check_normal_classes(const Dataset& data, std::span<const int> classes, const std::vector<int>& normal) {
  std::vector<int> known(classes.begin(), classes.end());
  std::sort(known.begin(), known.end());
  known.erase(std::unique(known.begin(), known.end()), known.end());
  for (const int wanted : normal) {
    if (std::binary_search(known.begin(), known.end(), wanted)) continue;
    throw InvalidArgument(fmt::format("normal_class {} is not a class of {}; its classes are {}", wanted,
                                      data.name, fmt::join(known, ", ")));
  }
  if (known.size() == normal.size()) {
    throw InvalidArgument(fmt::format("all classes of {} ({}) are normal, so there is no anomaly to detect",
                                      data.name, fmt::join(known, ", ")));
  }
}

// The known anomaly classes, and the semi-supervised set in rows of the source.
struct Selection {
  std::vector<int> known_classes;
  SemiSupervisedSet set;
  std::optional<NumpyRandom> numpy;  // --compat reference: the generator after the set was drawn
};

// One's own rows with the labels that they have.
SemiSupervisedSet own_set(const SourceData& source, const Parts& parts) {
  const std::vector<TrueLabel>& truth = source.train.labels;
  SemiSupervisedSet set;
  set.rows = parts.train_rows;
  for (const std::uint32_t row : set.rows) {
    const SemiLabel label = source.own->semi[row];
    set.semi.push_back(label);
    if (!truth.empty()) set.truth.push_back(truth[row]);
    const bool pollution = !truth.empty() && truth[row] == TrueLabel::anomaly;
    ++(label == SemiLabel::normal    ? set.counts.known_normal
       : label == SemiLabel::anomaly ? set.counts.known_anomaly
       : pollution                   ? set.counts.unlabelled_anomaly
                                     : set.counts.unlabelled_normal);
  }
  const auto share = [](std::size_t part, std::size_t whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
  };
  const SemiSupervisedCounts& counts = set.counts;
  set.realised = {share(counts.known_normal, counts.total()), share(counts.known_anomaly, counts.total()),
                  share(counts.unlabelled_anomaly, counts.unlabelled_normal + counts.unlabelled_anomaly)};
  return set;
}

void check_own_labels(const TrainOptions& options, const SemiSupervisedCounts& counts) {
  if (counts.known_normal + counts.known_anomaly > 0) return;
  if (options.method != "dgm_m2" && options.method != "dgm_m1m2") return;
  throw InvalidArgument(
      fmt::format("option method: no training row of {} is labelled, but {} learns from labels which of its "
                  "two classes is the anomalous one; give label_column, or take the method vae",
                  options.dataset, options.method));
}

Selection select(const TrainOptions& options, const SourceData& source, const Parts& parts, bool reference) {
  if (source.own) {
    Selection own{.known_classes = {}, .set = own_set(source, parts), .numpy = {}};
    check_own_labels(options, own.set.counts);
    return own;
  }
  const std::vector<int> classes = sample_classes(source.train, parts.train_rows);
  check_normal_classes(source.train, classes, options.normal_class);
  const std::vector<int> anomalies = anomaly_classes(classes, options.normal_class);
  const std::uint64_t seed = *options.seed;
  Selection selection;
  // A table has one anomaly class; any wish for known classes means that one.
  const bool single = anomalies.size() == 1;
  const std::size_t n_known =
      single ? std::min<std::size_t>(1, options.n_known_outlier_classes) : options.n_known_outlier_classes;
  const int known_class = single ? anomalies.front() : options.known_outlier_class;
  const auto seed32 = static_cast<std::uint32_t>(seed);
  if (reference) {
    PythonRandom python(seed32);
    selection.known_classes = choose_known_classes_reference(python, anomalies, n_known, known_class);
  } else {
    selection.known_classes = choose_known_classes(seed, anomalies, n_known, known_class);
  }
  const SemiSupervisedOptions wanted{
      .normal_classes = options.normal_class,
      .known_classes = selection.known_classes,
      .ratios = {options.ratio_known_normal, options.ratio_known_outlier, options.ratio_pollution}};
  if (reference) {
    selection.numpy.emplace(seed32);
    selection.set = semi_supervised_set_reference(classes, wanted, *selection.numpy);
  } else {
    selection.set = semi_supervised_set(classes, wanted, seed);
  }
  for (std::uint32_t& row : selection.set.rows) row = parts.train_rows[row];
  return selection;
}

/// The encoder that a hybrid stands on, and where it was trained.
struct TrainedEncoder {
  NetworkDefinition network;
  StateDict state;
  DataSetup setup;
  Scaling scaling;
};

TrainedEncoder load_encoder(const std::string& path) {
  const Model model = Model::load(path);
  const Json description = Json::parse(model.detector().description());
  StateDict encoder;
  if (!is_shallow_method(model.detector().method()))
    encoder = without_prefix(model.detector().tensors(), "encoder.");
  if (encoder.empty() || !description.contains("network")) {
    throw InvalidArgument(fmt::format(
        "option load_ae: {} holds a model of {} without an autoencoder; train deep_sad or deep_svdd with "
        "pretraining, or autoencoder",
        path, model.detector().method()));
  }
  return {network_from_json(description.at("network").dump(), path), std::move(encoder), model.setup(),
          model.scaler().scaling()};
}

const char* compat_of(const DataSetup& setup) {
  return setup.reference_split ? "reference" : "none";
}

// The autoencoder must know rows as they come here, and must not have seen what will be tested.
void check_encoder(const TrainedEncoder& encoder, const TrainOptions& options, const SourceData& source,
                   const Parts& parts) {
  if (encoder.network.encoder.input != source.train.sample_shape) {
    throw InvalidArgument(fmt::format("option load_ae: the encoder takes samples of {} but {} has {}",
                                      to_string(encoder.network.encoder.input), source.train.name,
                                      to_string(source.train.sample_shape)));
  }
  if (!source.train.is_image() && encoder.scaling != scaling_from_name(options.scaling)) {
    throw InvalidArgument(fmt::format(
        "option load_ae: {} was trained on features scaled as {}, but scaling is {}; give --scaling {}",
        options.load_ae, scaling_name(encoder.scaling), options.scaling, scaling_name(encoder.scaling)));
  }
  if (source.test || encoder.setup.data_checksum != source.checksum) return;
  const bool reference = options.compat == "reference";
  if (encoder.setup.test_rows == parts.test_rows && encoder.setup.reference_split == reference) return;
  throw InvalidArgument(fmt::format(
      "option load_ae: {} was trained on another split of {} (seed {}, compat {}), so rows that would be "
      "tested were among its training rows; give --seed {} --compat {}",
      options.load_ae, options.dataset, encoder.setup.seed, compat_of(encoder.setup), encoder.setup.seed,
      compat_of(encoder.setup)));
}

// A tenth of the test part, with its share of anomalies, as the reference takes it: the first of a random
// order of all test rows.
std::vector<std::uint32_t> leaked_positions(std::span<const TrueLabel> labels,
                                            std::span<const std::size_t> order) {
  const auto n_anomalies = static_cast<double>(std::count(labels.begin(), labels.end(), TrueLabel::anomaly));
  const auto n = static_cast<double>(labels.size());
  const double n_chosen = std::floor(0.1 * n);
  auto wanted_anomalies = static_cast<std::size_t>(n_chosen * n_anomalies / n);
  auto wanted_normals = static_cast<std::size_t>(n_chosen * (n - n_anomalies) / n);
  std::vector<std::uint32_t> positions;
  for (const std::size_t i : order) {
    std::size_t& wanted = labels[i] == TrueLabel::anomaly ? wanted_anomalies : wanted_normals;
    if (wanted == 0) continue;
    --wanted;
    positions.push_back(static_cast<std::uint32_t>(i));
  }
  return positions;
}

TestScores test_frame(const SourceData& source, const std::vector<std::uint32_t>& rows,
                      const std::vector<int>& normal, std::shared_ptr<const SplitToken> token) {
  if (rows.empty()) return {.rows = {}, .labels = {}, .scores = {}, .classes = {}, .token = std::move(token)};
  const Dataset& data = test_data(source);
  const std::vector<int> classes = sample_classes(data, rows);
  return {.rows = rows,
          .labels = true_labels(classes, normal),
          .scores = {},
          .classes = classes,
          .token = std::move(token)};
}

// Undefined, not an error, where one's own file has no true labels.
Metrics metrics_of(const TestScores& test) {
  if (!test.rows.empty()) return test_metrics(test);
  return {.roc_auc = std::nan(""), .average_precision = std::nan("")};
}

// Everything that the bits of a run depend on.
std::map<std::string, std::string> checkpoint_identity(const TrainOptions& options,
                                                       const std::string& data_checksum,
                                                       const std::string& instruction_set) {
  std::map<std::string, std::string> identity{{"SHA-256 of the data", data_checksum},
                                              {"instruction set", instruction_set}};
  for (const OptionDeclaration& option : train_option_declarations())
    if (!option.of_the_machine) identity["option " + option.name] = option_value_text(option.get(options));
  // An option may name a file; what counts is what the file holds.
  for (const std::string& path : {options.network.ends_with(".toml") ? options.network : "", options.load_ae,
                                  options.label_file, options.init})
    if (!path.empty()) identity["SHA-256 of " + path] = sha256_hex(read_file(path));
  return identity;
}

// What the model file remembers of its training.
std::string summary_of(const TrainOptions& options, const SemiSupervisedSet& set, const Metrics& metrics) {
  const auto number_or_null = [](double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); };
  Json summary = options_summary(options);
  summary["training_rows"] = set.rows.size();
  summary["known_normal"] = set.counts.known_normal;
  summary["unlabelled_normal"] = set.counts.unlabelled_normal;
  summary["unlabelled_anomaly"] = set.counts.unlabelled_anomaly;
  summary["known_anomaly"] = set.counts.known_anomaly;
  summary["test_auc"] = number_or_null(metrics.roc_auc);
  summary["test_average_precision"] = number_or_null(metrics.average_precision);
  return summary.dump();
}

void find_data_problems(const TrainOptions& options, const SemiSupervisedSet& set, const Metrics& metrics,
                        std::vector<Finding>& findings) {
  if (options.ratio_known_outlier > 0 && set.counts.known_anomaly == 0) {
    findings.push_back(
        {"labels_ignored",
         fmt::format("ratio_known_outlier {} of {} training rows gives no labelled anomaly at all; raise it",
                     options.ratio_known_outlier, set.rows.size())});
  }
  if (options.ratio_known_normal > 0 && set.counts.known_normal == 0) {
    findings.push_back(
        {"labels_ignored",
         fmt::format("ratio_known_normal {} of {} training rows gives no labelled normal row; raise it",
                     options.ratio_known_normal, set.rows.size())});
  }
  if (metrics.n_seen_by_training > 0) {
    findings.push_back(
        {"test_rows_in_training",
         fmt::format(
             "{} of {} test rows belong to the training part, so the AUC is too good (the reference's "
             "behaviour, asked for by --compat reference)",
             metrics.n_seen_by_training, metrics.n_normal + metrics.n_anomaly)});
  }
  check_auc(metrics.roc_auc, metrics.n_normal, metrics.n_anomaly, "test rows", findings);
  if (std::isnan(metrics.roc_auc)) {
    findings.push_back({"one_class_test",
                        fmt::format("the test part holds {} normal and {} anomalous rows: AUC is undefined",
                                    metrics.n_normal, metrics.n_anomaly)});
  }
}

// What training on made of the labels that the old model knew: its training set is drawn again, which is a
// function of the data and its set-up.
void compare_old_labels(const Model& old, const Detector& detector, const Scaler& scaler,
                        const SourceData& source, const Parts& parts, ThreadPool& pool, WarmStart& result) {
  const DataSetup& setup = old.setup();
  const SemiSupervisedSet set = semi_supervised_set(
      sample_classes(source.train, parts.train_rows),
      {.normal_classes = setup.normal_classes,
       .known_classes = setup.known_anomaly_classes,
       .ratios = {setup.ratio_known_normal, setup.ratio_known_outlier, setup.ratio_pollution}},
      setup.seed);
  const auto scores = [&](SemiLabel label) {
    std::vector<std::uint32_t> rows;
    for (std::size_t i = 0; i < set.rows.size(); ++i)
      if (set.semi[i] == label) rows.push_back(parts.train_rows[set.rows[i]]);
    return std::pair{score_rows(old.detector(), scaler, source.train, rows, pool),
                     score_rows(detector, scaler, source.train, rows, pool)};
  };
  const auto [others_before, others_after] = scores(SemiLabel::unlabelled);
  if (others_before.empty()) return;
  for (const SemiLabel label : {SemiLabel::anomaly, SemiLabel::normal}) {
    const auto [before, after] = scores(label);
    if (before.empty()) continue;
    const bool anomalous = label == SemiLabel::anomaly;
    (anomalous ? result.anomalies : result.normals) =
        kept_labels(before, others_before, after, others_after, anomalous);
  }
}

// The chosen rows, scaled. If the part that they come from is to go, it goes before the larger floats come.
Matrix<float> training_matrix(const Scaler& scaler, const Dataset& part, std::span<const std::uint32_t> rows,
                              const SharedWork& shared) {
  const auto* bytes = std::get_if<std::vector<std::uint8_t>>(&part.values);
  if (!shared.rows_taken || bytes == nullptr) return scaler.transform(part, rows);
  Dataset chosen;
  chosen.sample_shape = part.sample_shape;
  const std::size_t d = part.n_features();
  std::vector<std::uint8_t> values(rows.size() * d);
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::copy_n(bytes->data() + rows[i] * d, d, values.data() + i * d);
  chosen.values = std::move(values);
  shared.rows_taken();
  return scaler.transform(chosen);
}

// "21-32-16-8": the sizes of what comes in and of what the layers with weights give.
std::string layer_widths(const NetworkDefinition& network) {
  const std::vector<Shape> shapes = layer_shapes(network.encoder);
  std::string text = std::to_string(n_elements(network.encoder.input));
  for (std::size_t i = 0; i < network.encoder.layers.size(); ++i) {
    const LayerKind kind = network.encoder.layers[i].kind;
    if (kind == LayerKind::linear || kind == LayerKind::conv2d)
      text += fmt::format("-{}", n_elements(shapes[i + 1]));
  }
  return text;
}

void report_own_rows(const OwnRows& rows, const SemiSupervisedCounts& counts, const Observer& observer) {
  for (const std::string& message : rows.messages) observer.info(message);
  const LabelCounts labels{.normal = counts.known_normal,
                           .anomaly = counts.known_anomaly,
                           .unlabelled = counts.unlabelled_normal + counts.unlabelled_anomaly};
  observer.info(fmt::format("training rows: {} ({})", counts.total(), labels.text()));
  observer.info(fmt::format("held out: {} rows to calibrate the threshold on, {} to test on",
                            rows.parts.calibration.size(), rows.parts.test.size()));
}

// Scores of the calibration rows, and the decision made of them.
OwnResult own_result(const SourceData& source, const Detector& detector, const Scaler& scaler,
                     const TrainOptions& options, const TestScores& test, ThreadPool& pool) {
  const OwnRows& rows = *source.own;
  const std::vector<std::uint32_t>& calibration = rows.parts.calibration;
  OwnResult result{.rows = source.own,
                   .calibration_scores = score_rows(detector, scaler, source.train, calibration, pool),
                   .decision = {},
                   .notes = {},
                   .at_threshold = {}};
  std::vector<SemiLabel> labels;
  for (const std::uint32_t row : calibration) labels.push_back(rows.semi[row]);
  ChosenDecision chosen = choose_decision(
      {.scores = result.calibration_scores,
       .labels = labels,
       .name = fmt::format("{} rows of {} held out of training", calibration.size(), rows.name)},
      {.threshold = options.threshold, .contamination = options.calibration_contamination});
  result.decision = std::move(chosen.decision);
  result.notes = std::move(chosen.notes);
  if (result.decision.threshold && !test.rows.empty())
    result.at_threshold = threshold_metrics(test.scores, test.labels, result.decision.threshold->value);
  return result;
}

}  // namespace

TrainRun train_run(const TrainOptions& options, const Observer& observer, const StopToken* stop,
                   const std::function<void(const TrainOptions&)>& on_resolved, RunCheckpoint* checkpoint) {
  validate(options);
  if (is_own_file(options.dataset)) {
    TrainOptions with_seed = options;
    if (!with_seed.seed) with_seed.seed = seed_from_entropy();
    return train_run(with_seed, read_own_file(with_seed), observer, stop, on_resolved, checkpoint);
  }
  ThreadPool pool(options.num_threads);
  const auto start = Clock::now();
  const auto source = std::make_shared<SourceData>(load_source(options.dataset, options.data_dir, pool));
  // Nobody shares the data, so most of MNIST's 47 MB of training images go as soon as their rows are chosen.
  SharedWork alone;
  alone.checkpoint = checkpoint;
  alone.rows_taken = [&] {
    if (source->test) source->train.values = std::vector<std::uint8_t>();
  };
  return train_on_source(source, options, seconds_since(start), pool, observer, stop, on_resolved, alone);
}

TrainRun train_on_source(std::shared_ptr<const SourceData> shared_source, const TrainOptions& given,
                         double load_seconds, ThreadPool& pool, const Observer& observer,
                         const StopToken* stop, const std::function<void(const TrainOptions&)>& on_resolved,
                         const SharedWork& shared) {
  const SourceData& source = *shared_source;
  TrainRun run;
  run.options = given;
  TrainOptions& options = run.options;
  const bool reference = options.compat == "reference";
  options.device = "cpu";  // what auto means in this build
  if (!options.seed) options.seed = seed_from_entropy();
  run.n_threads = pool.n_threads();
  run.instruction_set = kernels::isa_name(kernels::active_isa());

  const auto prepare_start = Clock::now();
  std::optional<StartModel> init;
  if (!options.init.empty()) {
    init = start_from(std::make_shared<const Model>(Model::load(model_file(options.init))), options.init,
                      source.train.sample_shape, source.train.name, options);
  }
  // Refuses bad options before any work.
  std::unique_ptr<Detector> detector = choose_detector(options, source.train, reference);
  const Parts parts = split(source, *options.seed, reference);
  if (source.train.is_image() && options.scaling != "auto") {
    throw InvalidArgument(fmt::format("option scaling: got {}, but {} holds images, which are always x / 255",
                                      options.scaling, source.train.name));
  }
  if (!source.train.is_image()) options.scaling = resolved_scaling(options);
  std::optional<TrainedEncoder> encoder;
  std::optional<AutoencoderDetector> own_autoencoder;  // of a hybrid that is given none
  if (options.hybrid && options.load_ae.empty()) {
    encoder = TrainedEncoder{
        .network = choose_network(options, source.train), .state = {}, .setup = {}, .scaling = {}};
    own_autoencoder.emplace(encoder->network, autoencoder_options(options, reference), "pretraining");
  } else if (options.hybrid) {
    encoder = load_encoder(options.load_ae);
    check_encoder(*encoder, options, source, parts);
    detector = make_hybrid(encoder->network, encoder->state, std::move(detector));
  }
  if (init) {
    check_network(*init, *detector);
    check_unseen(*init, source, test_data(source), parts.test_rows, options.dataset, pool);
  }
  Selection selection = select(options, source, parts, reference);
  if (on_resolved) on_resolved(options);
  if (shared.checkpoint != nullptr)
    shared.checkpoint->bind(checkpoint_identity(options, source.checksum, run.instruction_set));
  run.sources = source.train.sources;
  if (source.test)
    run.sources.insert(run.sources.end(), source.test->sources.begin(), source.test->sources.end());

  const Scaling scaling = scaling_from_name(resolved_scaling(options));
  Scaler scaler = init ? init->model->scaler() : Scaler::fit(source.train, parts.scaler_rows, scaling);
  const Scaler test_scaler =
      parts.test_scaler_rows.empty() ? scaler : Scaler::fit(source.train, parts.test_scaler_rows, scaling);
  // The rows of the old model's training set are scored before and after: the data stays until then.
  Matrix<float> x = training_matrix(scaler, source.train, selection.set.rows, init ? SharedWork{} : shared);
  run.load_seconds = load_seconds + seconds_since(prepare_start);
  const SemiSupervisedCounts& counts = selection.set.counts;
  observer.info(fmt::format("seed {}", *options.seed));
  if (source.own) {
    report_own_rows(*source.own, counts, observer);
    if (given.network.empty() && !options.network.empty() && !is_generative_method(options.method))
      observer.info(fmt::format("chosen from the data: network {}, {} values a layer ({} features)",
                                options.network, layer_widths(choose_network(options, source.train)),
                                source.train.n_features()));
  }
  if (!source.own)
    observer.info(fmt::format(
        "training rows: {} ({} labelled normal, {} unlabelled normal, {} unlabelled anomalous, {} labelled "
        "anomalous); ratios reached: known normal {}, known outlier {}, pollution {}",
        selection.set.rows.size(), counts.known_normal, counts.unlabelled_normal, counts.unlabelled_anomaly,
        counts.known_anomaly, selection.set.realised.known_normal, selection.set.realised.known_outlier,
        selection.set.realised.pollution));
  if (!selection.known_classes.empty()) {
    observer.info(fmt::format("known anomaly classes: {}", fmt::join(selection.known_classes, ", ")));
  }

  const auto token = std::make_shared<SplitToken>(split_token(source, parts, reference));
  run.test = test_frame(source, parts.test_rows, options.normal_class, token);
  FitContext context{.pool = pool,
                     .seed = *options.seed,
                     .observer = observer,
                     .stop = stop,
                     .leaked = nullptr,
                     .memory_budget = static_cast<std::size_t>(options.memory_budget * 1e9),
                     .autoencoders = shared.autoencoders,
                     .checkpoint = shared.checkpoint,
                     .start = init ? &init->tensors : nullptr};
  Matrix<float> leaked_x;
  std::vector<TrueLabel> leaked_labels;
  LabelledRows leaked;
  if (options.selection == "test-leak") {
    std::vector<std::uint32_t> rows;
    const std::size_t n_test = run.test.labels.size();
    const std::vector<std::size_t> order =
        selection.numpy ? selection.numpy->permutation(n_test)
                        : RandomStream(*options.seed, "selection/test-leak").permutation(n_test);
    for (const std::uint32_t position : leaked_positions(run.test.labels, order)) {
      rows.push_back(run.test.rows[position]);
      leaked_labels.push_back(run.test.labels[position]);
    }
    leaked_x = test_scaler.transform(test_data(source), rows);
    leaked = {.x = {leaked_x.values.data(), leaked_x.rows, leaked_x.cols}, .labels = leaked_labels};
    context.leaked = &leaked;
  }
  const TrainingSet training{.x = {x.values.data(), x.rows, x.cols}, .semi = selection.set.semi};
  if (own_autoencoder) {
    own_autoencoder->fit(training, context);
    encoder->state = without_prefix(own_autoencoder->state(), "encoder.");
    detector = make_hybrid(encoder->network, encoder->state, std::move(detector));
  }
  const auto fit_start = Clock::now();
  detector->fit(training, context);
  const double fit_seconds = seconds_since(fit_start);
  std::unique_ptr<Detector> linear;
  double linear_seconds = 0;
  if (options.hybrid && (options.method == "oc_svm" || options.method == "ssad")) {
    TrainOptions linear_options = options;
    linear_options.kernel = "linear";
    linear_options.nu_grid = false;
    linear = make_hybrid(encoder->network, encoder->state, make_shallow(linear_options));
    context.leaked = nullptr;  // a linear kernel has no width to choose
    observer.info("the same with a linear kernel:");
    const auto start = Clock::now();
    linear->fit(training, context);
    linear_seconds = seconds_since(start);
  }
  std::unique_ptr<Detector> untrained;
  if (shared.untrained && (options.method == "deep_sad" || options.method == "deep_svdd")) {
    TrainOptions nothing = options;
    nothing.pretrain = false;
    nothing.n_epochs = 0;
    untrained = choose_detector(nothing, source.train, reference);
    const Observer silent;
    FitContext quiet{.pool = pool, .seed = *options.seed, .observer = silent, .stop = stop};
    untrained->fit(training, quiet);
  }
  TrainingRows remembered =
      remember_training_rows(*detector, training, selection.set.rows,
                             training_rows_options(options, init ? init->model.get() : nullptr), pool);
  // Of the very data that it was trained on, the old model's training set is known as a whole: see below.
  const bool same_data = init && !source.own && init->model->setup().data_checksum == source.checksum;
  if (init) {
    run.warm_start.emplace();
    if (!same_data) compare_examples(*init->model, *detector, training, pool, *run.warm_start);
  }
  x = {};  // the training matrix is needed no more
  run.phases = detector->phases();
  run.findings = detector->findings();
  run.fit_report = detector->fit_report();
  run.train_seconds = run.phases.empty() ? fit_seconds : run.phases.back().history.seconds;
  if (own_autoencoder) {
    run.phases.insert(run.phases.begin(), own_autoencoder->phases().front());
    add_pretraining_findings(*own_autoencoder, run.findings);
  }

  DataSetup setup{.dataset = source.own ? source.own->name : options.dataset,
                  .normal_classes = options.normal_class,
                  .known_anomaly_classes = selection.known_classes,
                  .ratio_known_normal = options.ratio_known_normal,
                  .ratio_known_outlier = options.ratio_known_outlier,
                  .ratio_pollution = options.ratio_pollution,
                  .seed = *options.seed,
                  .test_rows = source.test ? std::vector<std::uint32_t>{} : parts.test_rows,
                  .reference_split = reference && !source.test,
                  .data_checksum = source.checksum};

  const auto score_test = [&](const Detector& scorer) {
    return score_rows(scorer, test_scaler, test_data(source), parts.test_rows, pool);
  };
  const std::unique_ptr<Detector> pretrained = detector->pretrained_autoencoder();
  if (const Detector* autoencoder = own_autoencoder ? &*own_autoencoder : pretrained.get()) {
    const auto start = Clock::now();
    TestScores test = run.test;
    test.scores = score_test(*autoencoder);
    run.autoencoder = AutoencoderResult{.train_seconds = run.phases.front().history.seconds,
                                        .test_seconds = seconds_since(start),
                                        .metrics = metrics_of(test)};
  }
  if (untrained) {
    TestScores test = run.test;
    test.scores = score_test(*untrained);
    run.untrained = metrics_of(test);
  }
  if (linear) {
    const auto start = Clock::now();
    TestScores test = run.test;
    test.scores = score_test(*linear);
    run.linear = LinearResult{
        .train_seconds = linear_seconds, .test_seconds = seconds_since(start), .metrics = metrics_of(test)};
  }
  const auto test_start = Clock::now();
  run.test.scores = score_test(*detector);
  run.test_seconds = seconds_since(test_start);
  run.metrics = metrics_of(run.test);
  if (source.own) run.own = own_result(source, *detector, scaler, options, run.test, pool);
  if (!source.own || source.own->has_truth)
    find_data_problems(options, selection.set, run.metrics, run.findings);
  if (init) {
    TestScores test = run.test;
    test.scores = score_test(init->model->detector());
    run.warm_start->before = metrics_of(test);
    if (same_data) compare_old_labels(*init->model, *detector, scaler, source, parts, pool, *run.warm_start);
    check_labels_kept(*run.warm_start, run.findings);
    if (!run.test.rows.empty())
      observer.info(fmt::format("test AUC {:.4f}, of {} {:.4f}", run.metrics.roc_auc, options.init,
                                run.warm_start->before.roc_auc));
  }
  for (const Finding& finding : run.findings)
    observer.warn(fmt::format("{}: {}", finding.name, finding.text));

  if (source.train.is_image()) run.generated = detector->generate(kGeneratedSamples, *options.seed, pool);
  Model model(std::move(detector), std::move(scaler), source.train.sample_shape, source.train.feature_names,
              std::move(setup), summary_of(options, selection.set, run.metrics));
  if (source.own && source.own->schema) model = model.with_schema(*source.own->schema);
  model = model.with_training_rows(std::move(remembered));
  if (run.own) model = model.with_decision(run.own->decision);
  run.model = std::make_shared<const Model>(std::move(model));
  run.training_set = std::move(selection.set);
  run.test_data = {shared_source, &test_data(source)};
  return run;
}

std::size_t estimated_run_bytes(const SourceData& source, const TrainOptions& given) {
  TrainOptions options = given;
  // What one sample takes: values of all layers, and parameters.
  double values_per_sample = 0, n_learnt = 0, n_outputs = 0;
  NetworkSpec encoder;  // of a method that trains one network on the rows
  const auto add = [&](const NetworkSpec& spec) {
    // Outputs and their gradients, for whole groups of samples. Of a batch norm with the activation and
    // pooling behind it, and of a linear layer with the activation between it and another, only the last
    // output is kept; reshaping keeps nothing of its own.
    const std::vector<Shape> shapes = layer_shapes(spec);
    values_per_sample += 2 * static_cast<double>(n_elements(spec.input));
    bool normalised = false;
    for (std::size_t i = 0; i < spec.layers.size(); ++i) {
      const LayerKind kind = spec.layers[i].kind;
      if (kind == LayerKind::reshape) continue;
      normalised = kind == LayerKind::batch_norm || (normalised && kind == LayerKind::leaky_relu);
      const std::size_t next = layer_behind(spec, i);
      const bool goes_on = normalised ? is_kind(spec, next, LayerKind::leaky_relu) ||
                                            is_kind(spec, next, LayerKind::max_pool2d)
                                      : kind == LayerKind::linear && is_between_linear(spec, next);
      if (!goes_on) values_per_sample += 2 * static_cast<double>(n_elements(shapes[i + 1]));
    }
    n_learnt += static_cast<double>(n_parameters(spec));
  };
  if (is_generative_method(options.method)) {
    const GenerativeKind kind = generative_kind(options.method);
    const GenerativeNetwork network = choose_generative_network(options, source.train);
    const GenerativeSpecs specs = generative_specs(network, kind);
    // An unlabelled row is two entries for encoder and decoder, one with either label.
    for (std::size_t copy = 0; copy < (kind == GenerativeKind::vae ? 1 : kLabelValues); ++copy) {
      add(specs.encoder);
      add(specs.decoder);
    }
    if (specs.classifier) add(*specs.classifier);
    n_outputs = static_cast<double>(2 * network.n_latent);
  } else {
    const NetworkDefinition definition = choose_network(options, source.train);
    add(definition.decoder ? autoencoder(definition) : definition.encoder);
    n_outputs = static_cast<double>(output_shape(definition.encoder)[0]);
    encoder = definition.encoder;
  }
  const auto drawn_rows = [&] {
    const std::vector<int> classes = sample_classes(source.train, all_rows(source.train.size()));
    const auto n_normal = static_cast<double>(std::count_if(classes.begin(), classes.end(), [&](int c) {
      return std::find(options.normal_class.begin(), options.normal_class.end(), c) !=
             options.normal_class.end();
    }));
    const double a = options.ratio_known_normal, b = options.ratio_known_outlier, p = options.ratio_pollution;
    return n_normal / (a + (1 - p) * (1 - a - b));
  };
  const double n_rows = source.own ? static_cast<double>(source.own->parts.training.size()) : drawn_rows();
  const auto n_inputs = static_cast<double>(n_elements(source.train.sample_shape));
  constexpr double kFixed = 8e6;  // scratch of kernels and scoring, code, tables of results
  if (is_shallow_method(options.method)) {
    // The rows as they came, in the detector's order, packed, and in the model; distances and kernel rows.
    const bool has_kernel = options.method == "oc_svm" || options.method == "ssad";
    double matrices = has_kernel ? 2 * n_rows * n_rows : 0;
    if (options.memory_budget > 0) matrices = std::min(matrices, options.memory_budget * 1e9 / sizeof(float));
    return static_cast<std::size_t>((4 * n_rows * n_inputs + matrices) * sizeof(float) + kFixed);
  }
  const auto batch = static_cast<double>(
      std::max({options.batch_size, options.ae_batch_size, options.vae_batch_size}) + kGroup);
  // Weights, two moments, and partial gradients of at most kGroup blocks.
  const double parameters = n_learnt * (3 + kGroup);
  // Codes and scores of the training rows before and after, and the test rows that are scored at a time.
  const double outputs = n_rows * (2 * n_outputs + 4);
  constexpr double kMargin = 1.25;  // packed weights, padding, what the allocator keeps
  const double floats = n_rows * n_inputs + (values_per_sample + n_inputs) * batch + parameters + outputs;
  const auto kept = static_cast<double>(precomputed_bytes(encoder, static_cast<std::size_t>(n_rows)));
  return static_cast<std::size_t>(kMargin * floats * sizeof(float) + kept + kFixed);
}

Evaluation evaluate_model(const Model& model, const std::string& dataset, const std::string& data_dir,
                          std::size_t n_threads, const Observer& observer) {
  const DataSetup& setup = model.setup();
  if (setup.data_checksum.empty()) {
    throw InvalidArgument(
        "the model does not know which data it was trained on, so no rows are certain to be none of its "
        "training rows; "
        "use `deepsad score` for rows of your own");
  }
  if (!dataset.empty() && dataset != setup.dataset) {
    throw InvalidArgument(
        fmt::format("the model was trained on {}, so its normal classes and held-out rows mean nothing for "
                    "{}; use `deepsad score` for "
                    "other data",
                    setup.dataset, dataset));
  }
  ThreadPool pool(n_threads);
  SourceData source = load_source(setup.dataset, data_dir, pool);
  if (source.checksum != setup.data_checksum) {
    throw DataError(
        fmt::format("{}: the data is not what the model was trained on (SHA-256 of its content {}, wanted "
                    "{}), so held-out rows cannot be "
                    "told from training rows",
                    setup.dataset, source.checksum, setup.data_checksum));
  }
  Parts parts;
  if (setup.reference_split) {
    parts = split(source, setup.seed, true);
  } else {
    parts.test_rows = source.test ? all_rows(source.test->size()) : setup.test_rows;
    if (!source.test) parts.train_rows = all_rows_but(setup.test_rows, source.train.size());
  }
  for (const std::uint32_t row : parts.test_rows) {
    if (row >= test_data(source).size()) {
      throw ModelError(fmt::format("the model holds out row {} but {} has {} rows", row, setup.dataset,
                                   test_data(source).size()));
    }
  }
  Evaluation evaluation;
  const auto token = std::make_shared<SplitToken>(split_token(source, parts, setup.reference_split));
  evaluation.test = test_frame(source, parts.test_rows, setup.normal_classes, token);
  if (Json::parse(model.summary()).value("selection", "") == "test-leak") {
    token->selection_saw(parts.test_rows);  // a tenth of them; which, the model does not say
    token->allow_selection_rows();
  }
  const Scaler scaler = parts.test_scaler_rows.empty()
                            ? model.scaler()
                            : Scaler::fit(source.train, parts.test_scaler_rows, model.scaler().scaling());
  const auto start = Clock::now();
  evaluation.test.scores = score_rows(model.detector(), scaler, test_data(source), parts.test_rows, pool);
  evaluation.test_seconds = seconds_since(start);
  evaluation.metrics = test_metrics(evaluation.test);
  if (evaluation.metrics.n_seen_by_training > 0) {
    observer.warn(
        "test_rows_in_training: the model was trained with --compat reference: test rows include training "
        "rows");
  }
  if (evaluation.metrics.n_seen_by_selection > 0) {
    observer.warn(
        "test_leak: the model was trained with --selection test-leak: its hyper-parameters were chosen on a "
        "tenth of the test rows, with their labels");
  }
  evaluation.test_data =
      std::make_shared<const Dataset>(source.test ? std::move(*source.test) : std::move(source.train));
  return evaluation;
}

}  // namespace deepsad
