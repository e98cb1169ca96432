#include <fmt/format.h>

#include <cmath>

#include "deepsad/core/error.h"
#include "deepsad/detectors/kernel_machines.h"
#include "detectors/registry.h"
#include "detectors/support_vector.h"

namespace deepsad {
namespace {

void check_bound(const char* name, double value) {
  if (!(value > 0 && std::isfinite(value)))
    throw InvalidArgument(fmt::format("{} must be positive and finite, got {}", name, value));
}

class Ssad final : public SupportVectorDetector {
 public:
  explicit Ssad(const SsadOptions& options) : SupportVectorDetector(options.kernel), options_(options) {
    if (options.kernel.kernel == "poly")
      throw InvalidArgument("ssad has the kernels rbf and linear, got poly");
    if (!(options.kappa >= 0 && std::isfinite(options.kappa)))
      throw InvalidArgument(fmt::format("kappa must be 0 or more and finite, got {}", options.kappa));
    check_bound("c_normal", options.c_normal);
    check_bound("c_unlabelled", options.c_unlabelled);
    check_bound("c_anomaly", options.c_anomaly);
  }
  [[nodiscard]] std::string method() const override { return "ssad"; }

 protected:
  [[nodiscard]] DualGroup group_of(SemiLabel label) const override {
    switch (label) {
      case SemiLabel::normal:
        return DualGroup::normal;
      case SemiLabel::anomaly:
        return DualGroup::anomaly;
      case SemiLabel::unlabelled:
        break;
    }
    return DualGroup::unlabelled;
  }
  [[nodiscard]] bool trains_on(SemiLabel /*label*/) const override { return true; }
  [[nodiscard]] Bounds bounds(const std::vector<SemiLabel>& semi, const std::vector<bool>& used,
                              double /*nu*/) const override {
    Bounds limits{.upper = std::vector<double>(used.size(), 0)};
    for (std::size_t i = 0; i < used.size(); ++i) {
      if (!used[i]) continue;
      limits.upper[i] = semi[i] == SemiLabel::normal    ? options_.c_normal
                        : semi[i] == SemiLabel::anomaly ? options_.c_anomaly
                                                        : options_.c_unlabelled;
      if (semi[i] != SemiLabel::unlabelled) limits.kappa = options_.kappa;
    }
    return limits;
  }
  [[nodiscard]] double weight_scale(double /*nu*/, std::size_t /*n_used*/) const override { return 1; }
  [[nodiscard]] bool uses_labels() const override { return true; }
  [[nodiscard]] Json method_options() const override {
    return {{"kappa", options_.kappa},
            {"c_normal", options_.c_normal},
            {"c_unlabelled", options_.c_unlabelled},
            {"c_anomaly", options_.c_anomaly}};
  }

 private:
  SsadOptions options_;
};

}  // namespace

std::unique_ptr<Detector> make_ssad(const SsadOptions& options) {
  return std::make_unique<Ssad>(options);
}

std::unique_ptr<Detector> restore_ssad(const std::string& /*method*/, const Json& description,
                                       StateDict tensors, const std::string& /*source*/) {
  const Json& options = description.at("options");
  auto detector =
      std::make_unique<Ssad>(SsadOptions{.kernel = kernel_choice_from_json(description.at("kernel")),
                                         .kappa = options.at("kappa").get<double>(),
                                         .c_normal = options.at("c_normal").get<double>(),
                                         .c_unlabelled = options.at("c_unlabelled").get<double>(),
                                         .c_anomaly = options.at("c_anomaly").get<double>()});
  detector->restore(description, tensors);
  return detector;
}

}  // namespace deepsad
