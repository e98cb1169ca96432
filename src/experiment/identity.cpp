// What makes two runs the same.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "deepsad/experiment/grid.h"
#include "deepsad/storage/checksum.h"
#include "experiment/identity.h"

namespace deepsad {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kIdentityDigits = 16;

// What the training of an autoencoder depends on besides its own options, which begin with "ae_".
constexpr std::array<std::string_view, 14> kOfAutoencoders{"dataset",
                                                           "normal_class",
                                                           "known_outlier_class",
                                                           "n_known_outlier_classes",
                                                           "scaling",
                                                           "compat",
                                                           "ratio_known_outlier",
                                                           "ratio_known_normal",
                                                           "ratio_pollution",
                                                           "network",
                                                           "rep_dim",
                                                           "leaky_relu_slope",
                                                           "patience",
                                                           "validation_share"};

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

template <class Keep>
std::string digest_of(TrainOptions options, Keep&& keep) {
  static const TrainOptions defaults;
  options.scaling = resolved_scaling(options);
  if (options.scaling == "min-max") options.scaling = defaults.scaling;  // what auto has always meant
  Json given = Json::object();
  for (const OptionDeclaration& option : train_option_declarations()) {
    const OptionValue value = option.get(options);
    if (keep(option) && (option.name == "seed" || value != option.get(defaults)))
      given[option.name] = option_value_text(value);
  }
  const std::string text = given.dump();
  return sha256_hex({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()})
      .substr(0, kIdentityDigits);
}

bool trains_autoencoder(const TrainOptions& options) {
  if (options.method == "autoencoder") return true;
  if (options.method == "deep_sad" || options.method == "deep_svdd") return options.pretrain;
  return options.hybrid && options.load_ae.empty();
}

}  // namespace

std::string run_identity(const TrainOptions& options) {
  return digest_of(options, [](const OptionDeclaration& option) { return !option.of_the_machine; });
}

std::string run_group(const TrainOptions& options) {
  if (!trains_autoencoder(options)) return run_identity(options);
  const bool labelled = options.ratio_known_outlier > 0;
  return digest_of(options, [labelled](const OptionDeclaration& option) {
    const std::string& name = option.name;
    if (name == "ae_exclude_labelled_anomalies") return labelled;
    return name == "seed" || name.starts_with("ae_") || contains(kOfAutoencoders, name);
  });
}

}  // namespace deepsad
