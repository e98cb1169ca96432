#include "deepsad/model/fit_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "deepsad/detectors/hybrid.h"
#include "detectors/autoencoder.h"
#include "detectors/training_checks.h"
#include "model/choose_detector.h"
#include "model/run_summary.h"
#include "model/warm_start.h"

namespace deepsad {
namespace {

void check(const TrainOptions& options, const RowsToFit& data) {
  if (options.selection == "test-leak")
    throw InvalidArgument("option selection: test-leak needs a test part, but rows in memory have none");
  if (!options.load_ae.empty()) {
    throw InvalidArgument(
        "option load_ae: whether another model saw these rows cannot be told; leave it out to train an "
        "autoencoder on them");
  }
  if (!options.init.empty() && data.start == nullptr)
    throw InvalidArgument("option init: a name, but no model to go on from; give RowsToFit::start");
  const std::size_t n = data.rows.size();
  if (!data.semi.empty() && data.semi.size() != n)
    throw InvalidArgument(fmt::format("[fit] {} labels for {} rows", data.semi.size(), n));
  if (!data.sample_shape.empty() && n_elements(data.sample_shape) != data.rows.n_features()) {
    throw InvalidArgument(fmt::format("[fit] samples of {} have {} values, but rows have {}",
                                      to_string(data.sample_shape), n_elements(data.sample_shape),
                                      data.rows.n_features()));
  }
}

void check_features(const Model& start, const std::string& name, const Dataset& schema) {
  const std::vector<std::string>&wanted = start.feature_names(), &found = schema.feature_names;
  if (wanted.empty() || found.empty() || wanted == found || wanted.size() != found.size()) return;
  const auto [of_model, of_rows] = std::ranges::mismatch(wanted, found);
  throw InvalidArgument(
      fmt::format("option init: feature {} of {} is \"{}\", but that of the rows is \"{}\"; give the "
                  "features in the model's order",
                  of_model - wanted.begin(), name, *of_model, *of_rows));
}

// The options about a data set say what the rows are; what is left of them is checked with the others.
void describe_rows(TrainOptions& options, std::span<const SemiLabel> semi) {
  const auto share = [&](SemiLabel label) {
    return static_cast<double>(std::count(semi.begin(), semi.end(), label)) /
           static_cast<double>(std::max<std::size_t>(semi.size(), 1));
  };
  options.ratio_known_normal = share(SemiLabel::normal);
  options.ratio_known_outlier = share(SemiLabel::anomaly);
  options.ratio_pollution = 0;
  options.normal_class = {0};
  options.known_outlier_class = 1;
  options.n_known_outlier_classes = options.ratio_known_outlier > 0 ? 1 : 0;
  if (options.ratio_known_normal + options.ratio_known_outlier == 0 &&
      (options.method == "dgm_m2" || options.method == "dgm_m1m2")) {
    throw InvalidArgument(
        fmt::format("[fit] no row is labelled, but {} learns from labels which of its two classes is the "
                    "anomalous one; label rows +1 (normal) or -1 (anomalous), or take the method vae",
                    options.method));
  }
  if (options.method == "classifier" && options.ratio_known_outlier == 0) {
    throw InvalidArgument(
        "[fit] no row is labelled anomalous, but the classifier learns from labels what is anomalous; label "
        "rows "
        "-1");
  }
  // The ratios' range is that of sets that are drawn; of rows that are given all may be labelled.
  TrainOptions checked = options;
  checked.ratio_known_normal /= 2;
  checked.ratio_known_outlier /= 2;
  validate(checked);
}

Json summary_of(const TrainOptions& options, std::span<const SemiLabel> semi) {
  const auto count = [&](SemiLabel label) { return std::count(semi.begin(), semi.end(), label); };
  Json summary = options_summary(options);
  summary["training_rows"] = semi.size();
  summary["known_normal"] = count(SemiLabel::normal);
  summary["unlabelled"] = count(SemiLabel::unlabelled);
  summary["known_anomaly"] = count(SemiLabel::anomaly);
  return summary;
}

}  // namespace

FittedModel fit_model(const TrainOptions& given, const RowsToFit& data, const Observer& observer,
                      const StopToken* stop) {
  check(given, data);
  const RawRows& rows = data.rows;
  std::vector<SemiLabel> semi(data.semi.begin(), data.semi.end());
  semi.resize(rows.size(), SemiLabel::unlabelled);
  FittedModel fitted{.options = given, .model = nullptr, .phases = {}, .findings = {}, .fit_report = {}};
  TrainOptions& options = fitted.options;
  if (data.start && options.init.empty()) options.init = "the model";
  describe_rows(options, semi);
  const bool reference = options.compat == "reference";
  options.device = "cpu";
  if (!options.seed) options.seed = seed_from_entropy();
  Dataset schema;  // what choices depend on, without values
  schema.name = rows.name;
  schema.sample_shape =
      data.sample_shape.empty() ? std::vector<std::size_t>{rows.n_features()} : data.sample_shape;
  schema.feature_names.assign(rows.feature_names.begin(), rows.feature_names.end());
  std::optional<StartModel> start;
  if (data.start) {
    check_features(*data.start, options.init, schema);
    start = start_from(data.start, options.init, schema.sample_shape, rows.name, options);
  }
  std::unique_ptr<Detector> detector = choose_detector(options, schema, reference);
  if (start) check_network(*start, *detector);
  if (schema.is_image() && options.scaling != "auto") {
    throw InvalidArgument(
        fmt::format("option scaling: got {}, but images are always x / 255", options.scaling));
  }
  if (!schema.is_image()) options.scaling = resolved_scaling(options);

  ThreadPool pool(options.num_threads);
  Scaler scaler = start               ? start->model->scaler()
                  : schema.is_image() ? Scaler::pixels(rows.n_features())
                                      : Scaler::fit_table(rows, scaling_from_name(options.scaling));
  Matrix<float> x(rows.size(), rows.n_features());
  const MatrixView<float> view(x.values.data(), x.rows, x.cols);
  scaler.transform(rows, 0, view);

  const TrainingSet training{.x = view, .semi = semi};
  FitContext context{.pool = pool,
                     .seed = *options.seed,
                     .observer = observer,
                     .stop = stop,
                     .memory_budget = static_cast<std::size_t>(options.memory_budget * 1e9),
                     .start = start ? &start->tensors : nullptr};
  if (options.hybrid) {
    const NetworkDefinition network = choose_network(options, schema);
    AutoencoderDetector autoencoder(network, autoencoder_options(options, reference), "pretraining");
    autoencoder.fit(training, context);
    fitted.phases = autoencoder.phases();
    add_pretraining_findings(autoencoder, fitted.findings);
    detector = make_hybrid(network, without_prefix(autoencoder.state(), "encoder."), std::move(detector));
  }
  detector->fit(training, context);
  fitted.phases.insert(fitted.phases.end(), detector->phases().begin(), detector->phases().end());
  fitted.findings.insert(fitted.findings.end(), detector->findings().begin(), detector->findings().end());
  fitted.fit_report = detector->fit_report();
  if (start) {
    WarmStart kept;
    compare_examples(*start->model, *detector, training, pool, kept);
    check_labels_kept(kept, fitted.findings);
  }
  for (const Finding& finding : fitted.findings)
    observer.warn(fmt::format("{}: {}", finding.name, finding.text));
  DataSetup setup;
  setup.dataset = rows.name;
  setup.seed = *options.seed;
  TrainingRows remembered =
      remember_training_rows(*detector, training, {}, training_rows_options(options, data.start.get()), pool);
  fitted.model = std::make_shared<const Model>(Model(std::move(detector), std::move(scaler),
                                                     schema.sample_shape, schema.feature_names,
                                                     std::move(setup), summary_of(options, semi).dump())
                                                   .with_training_rows(std::move(remembered)));
  return fitted;
}

}  // namespace deepsad
