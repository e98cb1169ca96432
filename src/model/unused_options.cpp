#include "deepsad/model/unused_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "deepsad/core/error.h"

namespace deepsad {
namespace {

using Names = std::vector<std::string_view>;

bool holds(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool trains_hybrid_autoencoder(const TrainOptions& options) {
  return is_shallow_method(options.method) && options.hybrid && options.load_ae.empty();
}

bool is_svdd(const TrainOptions& options) {
  return options.method == "deep_sad" || options.method == "deep_svdd";
}

// What a method does not use although others do: who does, and what this one has in its place.
std::string belongs_to(const Names& methods, const TrainOptions& options, const std::string& instead = "") {
  std::string text = fmt::format("method {} does not use it", options.method);
  if (!instead.empty()) return text + ", but " + instead;
  const std::string_view last = methods.back();
  const Names others(methods.begin(), methods.end() - 1);
  return text + fmt::format("; {}{}{} {}", fmt::join(others, ", "), others.empty() ? "" : " and ", last,
                            others.empty() ? "does" : "do");
}

// Options that exactly these methods look at, whatever else is given.
struct OfMethods {
  Names options, methods;
};

const std::vector<OfMethods>& options_of_methods() {
  static const std::vector<OfMethods> table{
      {{"eta"}, {"deep_sad"}},
      {{"nu"}, {"deep_svdd", "oc_svm"}},
      {{"warm_up_epochs"}, {"deep_svdd"}},
      {{"center_rows"}, {"deep_sad"}},
      {{"clamp_center", "transfer"}, {"deep_sad", "deep_svdd"}},
      {{"pretrain"}, {"deep_sad", "deep_svdd", "dgm_m1m2"}},
      {{"class_weights"}, {"classifier"}},
      {{"gamma", "selection", "solver_tolerance"}, {"oc_svm", "ssad"}},
      {{"nu_grid"}, {"oc_svm"}},
      {{"kappa", "c_normal", "c_unlabelled", "c_anomaly"}, {"ssad"}},
      {{"grid_search_cv", "bandwidth"}, {"kde"}},
      {{"n_estimators", "max_samples", "contamination"}, {"isolation_forest"}},
      {{"exclude_labelled_anomalies"}, {"oc_svm", "kde", "isolation_forest"}},
      {{"log_variance", "kl"}, {"vae", "dgm_m2", "dgm_m1m2"}},
      {{"score_samples"}, {"vae", "dgm_m1m2"}},
      {{"dgm_alpha", "dgm_weights"}, {"dgm_m2", "dgm_m1m2"}},
  };
  return table;
}

// The three phases and their options, told by the prefix.
constexpr std::array<std::string_view, 6> kOfPhase{"optimizer_name", "lr",         "n_epochs",
                                                   "lr_milestone",   "batch_size", "weight_decay"};

bool is_of_phase(std::string_view name) {
  return std::find(kOfPhase.begin(), kOfPhase.end(), name) != kOfPhase.end();
}

std::string why_unused_training(const std::string& option, const TrainOptions& options) {
  static const Names methods{"deep_sad", "deep_svdd", "classifier", "dgm_m2", "dgm_m1m2"};
  if (holds(methods, options.method)) return "";
  const char* prefix = options.method == "autoencoder" || trains_hybrid_autoencoder(options) ? "ae_"
                       : options.method == "vae"                                             ? "vae_"
                                                                                             : nullptr;
  return belongs_to(methods, options, prefix == nullptr ? "" : prefix + option);
}

std::string why_unused_ae(const std::string& option, const TrainOptions& options) {
  if (options.method == "autoencoder" || trains_hybrid_autoencoder(options)) return "";
  if (is_shallow_method(options.method))
    return options.hybrid
               ? "the autoencoder of load_ae is trained already"
               : fmt::format("{} trains an autoencoder only as a hybrid; give hybrid true", options.method);
  if (!is_svdd(options)) return fmt::format("method {} trains no autoencoder", options.method);
  if (!options.init.empty()) return "a model gone on from (init) is not pretrained";
  if (!options.pretrain) return "pretrain is false";
  if (option == "ae_exclude_labelled_anomalies" && options.method == "deep_svdd")
    return "deep_svdd ignores labels and always leaves labelled anomalies out";
  return "";
}

// Of an option that the method has a use for: what else given takes it away.
std::string why_overruled(const std::string& option, const TrainOptions& options) {
  const bool reference = options.compat == "reference", goes_on = !options.init.empty();
  const auto unless = [](bool overruled, std::string why) {
    return overruled ? std::move(why) : std::string();
  };
  if (option == "eta")
    return unless(
        !is_own_file(options.dataset) && !options.dataset.empty() && options.ratio_known_outlier == 0 &&
            options.ratio_known_normal == 0,
        "it weighs labelled rows, and there are none; give ratio_known_outlier or ratio_known_normal");
  if (option == "nu" && options.method == "oc_svm") return "";  // nu_grid, too, falls back on it
  if (option == "nu" || option == "warm_up_epochs") {
    if (options.objective != "soft-boundary") return "objective is one-class; give objective soft-boundary";
    return unless(option != "nu" && goes_on, "the radius of a model gone on from (init) needs no warming up");
  }
  if (option == "center_rows" && reference) return "compat reference takes all rows";
  if (option == "center_rows" || option == "clamp_center")
    return unless(goes_on, "a model gone on from (init) keeps its center");
  if (option == "pretrain") return unless(goes_on, "a model gone on from (init) is not pretrained");
  if (option == "transfer") {
    if (reference) return "compat reference transfers nothing";
    if (goes_on) return "a model gone on from (init) is not pretrained";
    return unless(!options.pretrain, "pretrain is false");
  }
  if (option == "gamma")
    return unless(resolved_kernel(options) == "linear", "the linear kernel has no width");
  if (option == "bandwidth")
    return unless(options.grid_search_cv, "grid_search_cv is true and chooses it; give grid_search_cv false");
  return "";
}

std::string why_unused_by_networks(const std::string& option, const TrainOptions& options) {
  const bool shallow = is_shallow_method(options.method) && !trains_hybrid_autoencoder(options);
  if (shallow)
    return options.hybrid ? "the autoencoder of load_ae is trained already"
                          : fmt::format("method {} has no network", options.method);
  if (option == "validation_share")
    return options.patience == 0 ? "patience is 0, so that no rows are held out for early stopping" : "";
  if (option != "leaky_relu_slope") return "";
  if (options.method == "vae" || options.method == "dgm_m1m2")
    return fmt::format("the networks of {} have no leaky ReLU units", options.method);
  return options.network.ends_with(".toml") ? "the network file says the slopes" : "";
}

}  // namespace

std::string why_unused(const std::string& option, const TrainOptions& options) {
  const OptionDeclaration* declaration = find_train_option(option);
  if (declaration == nullptr) throw InvalidArgument(fmt::format("unknown option \"{}\"", option));
  if (declaration->of_the_machine) return "";
  const std::string& name = declaration->name;
  for (const OfMethods& entry : options_of_methods()) {
    if (!holds(entry.options, name)) continue;
    return holds(entry.methods, options.method) ? why_overruled(name, options)
                                                : belongs_to(entry.methods, options);
  }
  if (is_of_phase(name)) return why_unused_training(name, options);
  if (name.starts_with("ae_")) return why_unused_ae(name, options);
  if (name.starts_with("vae_")) {
    static const Names methods{"vae", "dgm_m1m2"};
    if (!holds(methods, options.method)) return belongs_to(methods, options);
    return options.method == "dgm_m1m2" && !options.init.empty()
               ? "the VAE of a model gone on from (init) stays as it is"
               : "";
  }
  if (name == "patience" || name == "validation_share" || name == "leaky_relu_slope")
    return why_unused_by_networks(name, options);
  return "";
}

std::vector<std::string> unused_options(const OptionLayer& given, const std::vector<TrainOptions>& runs) {
  std::vector<std::string> unused;
  std::set<const OptionDeclaration*> judged;  // what is varied is given once for each run
  for (const OptionAssignment& assignment : given) {
    const std::string& name = assignment.option->name;
    if (std::holds_alternative<std::monostate>(assignment.value)) continue;
    if ((name == "pretrain" || name == "transfer") && assignment.value == OptionValue(false)) continue;
    if (!judged.insert(assignment.option).second) continue;
    std::vector<std::string> reasons;
    const auto uses = [&](const TrainOptions& options) {
      std::string why = why_unused(name, options);
      if (why.empty()) return true;
      if (std::find(reasons.begin(), reasons.end(), why) == reasons.end()) reasons.push_back(std::move(why));
      return false;
    };
    if (std::any_of(runs.begin(), runs.end(), uses)) continue;
    unused.push_back(fmt::format("{}: has no effect{}: {}", assignment.place,
                                 runs.size() == 1 ? "" : " in any of the runs",
                                 fmt::join(reasons, "; other runs: ")));
  }
  return unused;
}

void refuse_unused(const OptionLayer& given, const std::vector<TrainOptions>& runs) {
  const std::vector<std::string> unused = unused_options(given, runs);
  if (!unused.empty()) throw InvalidArgument(unused.front());
}

}  // namespace deepsad
