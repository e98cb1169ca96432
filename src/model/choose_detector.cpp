#include "model/choose_detector.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include "deepsad/core/error.h"
#include "deepsad/detectors/classifier.h"
#include "deepsad/detectors/isolation_forest.h"
#include "deepsad/detectors/kde.h"
#include "deepsad/detectors/kernel_machines.h"
#include "deepsad/nn/catalogue.h"

namespace deepsad {
namespace {

const char* generative_method(GenerativeKind kind) {
  return kind == GenerativeKind::vae ? "vae" : kind == GenerativeKind::m2 ? "dgm_m2" : "dgm_m1m2";
}

std::string network_file_text(const std::string& path) {
  std::ifstream in(path);
  if (!in) throw InvalidArgument(fmt::format("{}: cannot open the network file", path));
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

KernelChoice kernel_choice(const TrainOptions& options) {
  KernelChoice choice{.kernel = resolved_kernel(options), .tolerance = options.solver_tolerance};
  if (options.gamma == "grid") {
    choice.width = KernelWidth::grid;
  } else if (options.gamma == "scale") {
    choice.width = KernelWidth::scale;
  } else if (options.gamma == "median") {
    choice.width = KernelWidth::median;
  } else {
    choice.width = KernelWidth::value;
    (void)std::from_chars(options.gamma.data(), options.gamma.data() + options.gamma.size(), choice.gamma);
  }
  return choice;
}

// What all phases of a run have in common.
TrainingOptions common_training_options(const TrainOptions& options, bool reference) {
  TrainingOptions training;
  training.reference_quirks = reference;
  training.patience = options.patience;
  training.validation_share = options.validation_share;
  return training;
}

// The phase that trains the detector itself.
TrainingOptions training_options(const TrainOptions& options, bool reference) {
  TrainingOptions training = common_training_options(options, reference);
  training.learning_rate = options.lr;
  training.n_epochs = options.n_epochs;
  training.milestones = options.lr_milestone;
  training.batch_size = options.batch_size;
  training.weight_decay = options.weight_decay;
  return training;
}

}  // namespace

GenerativeKind generative_kind(const std::string& method) {
  return method == "vae"      ? GenerativeKind::vae
         : method == "dgm_m2" ? GenerativeKind::m2
                              : GenerativeKind::m1m2;
}

NetworkDefinition choose_network(TrainOptions& options, const Dataset& data) {
  NetworkDefinition network;
  if (options.network.empty()) {
    network = default_network(data.name, data.sample_shape);
    options.network = network.name;
  } else if (options.network.ends_with(".toml")) {
    network = network_from_toml(network_file_text(options.network), options.network, data.sample_shape);
    return options.rep_dim > 0 ? with_rep_dim(std::move(network), options.rep_dim) : network;
  } else if (generative_kind_of(options.network)) {
    throw InvalidArgument(fmt::format("network {} is for the method {}, but method is {}", options.network,
                                      generative_method(*generative_kind_of(options.network)),
                                      options.method));
  } else {
    const auto& known = network_names();
    // Networks chosen by default for other shapes have names of their own; a stored configuration gives them
    // back.
    if (std::find(known.begin(), known.end(), options.network) == known.end()) {
      NetworkDefinition fallback = default_network(data.name, data.sample_shape);
      network = fallback.name == options.network ? std::move(fallback) : network_by_name(options.network);
    } else {
      network = network_by_name(options.network);
    }
  }
  if (network.encoder.input != data.sample_shape) {
    throw InvalidArgument(
        fmt::format("network {} takes samples of {} but {} has {}; leave the network out to have one chosen",
                    network.name, to_string(network.encoder.input), data.name, to_string(data.sample_shape)));
  }
  if (options.rep_dim > 0) network = with_rep_dim(std::move(network), options.rep_dim);
  return with_slope(std::move(network), options.leaky_relu_slope);
}

GenerativeNetwork choose_generative_network(TrainOptions& options, const Dataset& data) {
  const GenerativeKind kind = generative_kind(options.method);
  if (options.network.ends_with(".toml")) {
    return generative_network_from_toml(network_file_text(options.network), options.network,
                                        data.sample_shape, kind);
  }
  GenerativeNetwork network = default_generative_network(data.name, data.sample_shape, kind);
  if (options.network.empty()) options.network = network.name;
  if (options.network != network.name) {
    const std::optional<GenerativeKind> other = generative_kind_of(options.network);
    if (other && *other != kind) {
      throw InvalidArgument(fmt::format("network {} is for the method {}, but method is {}", options.network,
                                        generative_method(*other), options.method));
    }
    network = generative_network_by_name(options.network, kind);
  }
  if (n_elements(network.input) != n_elements(data.sample_shape)) {
    throw InvalidArgument(
        fmt::format("network {} takes samples of {} but {} has {}; leave the network out to have one chosen",
                    network.name, to_string(network.input), data.name, to_string(data.sample_shape)));
  }
  if (network.classifier_body) {
    NetworkDefinition body{network.name, *network.classifier_body, std::nullopt};
    network.classifier_body = with_slope(std::move(body), options.leaky_relu_slope).encoder;
  }
  return network;
}

AutoencoderOptions autoencoder_options(const TrainOptions& options, bool reference) {
  TrainingOptions training = common_training_options(options, reference);
  training.learning_rate = options.ae_lr;
  training.n_epochs = options.ae_n_epochs;
  training.milestones = options.ae_lr_milestone;
  training.batch_size = options.ae_batch_size;
  training.weight_decay = options.ae_weight_decay;
  return {.training = training, .exclude_labelled_anomalies = options.ae_exclude_labelled_anomalies};
}

std::unique_ptr<Detector> make_shallow(const TrainOptions& options) {
  const bool exclude = options.exclude_labelled_anomalies;
  if (options.method == "oc_svm") {
    return make_one_class_svm({.kernel = kernel_choice(options),
                               .nu = options.nu,
                               .nu_grid = options.nu_grid,
                               .exclude_labelled_anomalies = exclude});
  }
  if (options.method == "ssad") {
    return make_ssad({.kernel = kernel_choice(options),
                      .kappa = options.kappa,
                      .c_normal = options.c_normal,
                      .c_unlabelled = options.c_unlabelled,
                      .c_anomaly = options.c_anomaly});
  }
  if (options.method == "kde") {
    return make_kde({.kernel = resolved_kernel(options),
                     .cross_validate = options.grid_search_cv,
                     .bandwidth = options.bandwidth,
                     .exclude_labelled_anomalies = exclude});
  }
  return make_isolation_forest({.n_estimators = options.n_estimators,
                                .max_samples = options.max_samples,
                                .contamination = options.contamination,
                                .exclude_labelled_anomalies = exclude});
}

namespace {

std::unique_ptr<Detector> make_detector(const TrainOptions& options, const NetworkDefinition& network,
                                        bool reference) {
  const AutoencoderOptions autoencoder = autoencoder_options(options, reference);
  if (options.method == "autoencoder") return make_autoencoder(network, autoencoder);
  const DeepSadOptions deep_sad{.eta = options.eta,
                                .training = training_options(options, reference),
                                .pretrain = options.pretrain,
                                .pretraining = autoencoder,
                                .transfer = options.transfer && !reference,
                                .center_rows = reference || options.center_rows == "all"
                                                   ? CenterRows::all
                                                   : CenterRows::without_labelled_anomalies,
                                .clamp_center = options.clamp_center,
                                .clamp_zeros = !reference,
                                .reference_quirks = reference};
  if (options.method == "classifier") {
    return make_classifier(network, {.training = deep_sad.training,
                                     .class_weights = class_weights_from_name(options.class_weights)});
  }
  if (options.method == "deep_sad") return make_deep_sad(network, deep_sad);
  if (options.method == "deep_svdd") {
    return make_deep_svdd(network,
                          {.base = deep_sad,
                           .objective = options.objective == "soft-boundary" ? SvddObjective::soft_boundary
                                                                             : SvddObjective::one_class,
                           .nu = options.nu,
                           .warm_up_epochs = options.warm_up_epochs});
  }
  throw InvalidArgument(
      fmt::format("unknown method \"{}\"; known: {}", options.method, fmt::join(detector_methods(), ", ")));
}

std::unique_ptr<Detector> make_generative_detector(TrainOptions& options, const Dataset& data,
                                                   bool reference) {
  const GenerativeNetwork network = choose_generative_network(options, data);
  const BoundOptions bound{.log_variance = options.log_variance == "softplus" ? LogVarianceForm::softplus
                                                                              : LogVarianceForm::bounded,
                           .kl = options.kl == "single-sample" ? KlForm::single_sample : KlForm::closed_form};
  TrainingOptions vae_training = common_training_options(options, reference);
  vae_training.learning_rate = options.vae_lr;
  vae_training.n_epochs = options.vae_n_epochs;
  vae_training.milestones = options.vae_lr_milestone;
  vae_training.batch_size = options.vae_batch_size;
  vae_training.weight_decay = options.vae_weight_decay;
  const VaeOptions vae{.training = vae_training,
                       .bound = bound,
                       .score_samples = options.score_samples,
                       .exclude_labelled_anomalies = options.vae_exclude_labelled_anomalies};
  if (options.method == "vae") return make_vae(network, vae);
  DeepGenerativeOptions deep_generative{
      .training = training_options(options, reference),
      .weights = options.dgm_weights == "counts" ? TermWeights::counts : TermWeights::means,
      .bound = bound,
      .pretraining = vae,
      .drop_single_labelled = reference};
  if (options.dgm_alpha >= 0) {
    deep_generative.alpha = options.dgm_alpha;
  } else if (reference) {  // from the ratios asked for, not from those reached
    const double labelled = options.ratio_known_normal + options.ratio_known_outlier;
    deep_generative.alpha = 0.1 * (1 - labelled) / labelled;
  }
  return make_deep_generative(network, generative_kind(options.method), deep_generative);
}

}  // namespace

std::unique_ptr<Detector> choose_detector(TrainOptions& options, const Dataset& data, bool reference) {
  options.class_weights = resolved_class_weights(options, data.is_image());
  if (is_generative_method(options.method)) return make_generative_detector(options, data, reference);
  if (is_shallow_method(options.method)) return make_shallow(options);
  return make_detector(options, choose_network(options, data), reference);
}

}  // namespace deepsad
