#include "detectors/registry.h"

#include <fmt/format.h>

#include "deepsad/core/error.h"
#include "detectors/hybrid.h"

namespace deepsad {
namespace {

struct Entry {
  const char* method;
  std::unique_ptr<Detector> (*restore)(const std::string& method, const Json& description, StateDict tensors,
                                       const std::string& source);
};

constexpr Entry kRegistry[] = {
    {"deep_sad", restore_deep_sad},
    {"deep_svdd", restore_deep_sad},
    {"autoencoder", restore_autoencoder},
    {"vae", restore_vae},
    {"dgm_m2", restore_deep_generative},
    {"dgm_m1m2", restore_deep_generative},
    {"classifier", restore_classifier},
    {"oc_svm", restore_one_class_svm},
    {"ssad", restore_ssad},
    {"kde", restore_kde},
    {"isolation_forest", restore_isolation_forest},
};

// A hybrid's tensors are those of its detector and those of its encoder.
std::unique_ptr<Detector> restore_one(const Entry& entry, const Json& description, StateDict tensors,
                                      const std::string& source) {
  if (!description.contains(kHybridNetwork))
    return entry.restore(entry.method, description, std::move(tensors), source);
  StateDict encoder = without_prefix(tensors, kHybridPrefix);
  std::erase_if(tensors, [](const StateTensor& tensor) { return tensor.name.starts_with(kHybridPrefix); });
  return make_hybrid(network_from_json(description.at(kHybridNetwork).dump(), source), std::move(encoder),
                     entry.restore(entry.method, description, std::move(tensors), source));
}

}  // namespace

const std::vector<std::string>& detector_methods() {
  static const std::vector<std::string> methods = [] {
    std::vector<std::string> names;
    for (const Entry& entry : kRegistry) names.emplace_back(entry.method);
    return names;
  }();
  return methods;
}

std::unique_ptr<Detector> restore_detector(const std::string& method, const std::string& description,
                                           std::vector<DetectorTensor> tensors, const std::string& source) {
  for (const Entry& entry : kRegistry) {
    if (method != entry.method) continue;
    try {
      return restore_one(entry, Json::parse(description), std::move(tensors), source);
    } catch (const Json::exception& error) {
      throw ModelError(
          fmt::format("{}: the description of the {} is damaged: {}", source, method, error.what()));
    } catch (const InvalidArgument& error) {
      throw ModelError(fmt::format("{}: {}", source, error.what()));
    }
  }
  throw ModelError(fmt::format("{}: unknown method \"{}\"; this version knows {}", source, method,
                               fmt::join(detector_methods(), ", ")));
}

}  // namespace deepsad
