#include "deepsad/detectors/kernel_machines.h"

#include <fmt/format.h>

#include <algorithm>

#include "deepsad/core/error.h"
#include "detectors/registry.h"
#include "detectors/support_vector.h"

namespace deepsad {
namespace {

constexpr double kNuGrid[] = {0.01, 0.05, 0.1, 0.2, 0.5};

class OneClassSvm final : public SupportVectorDetector {
 public:
  explicit OneClassSvm(const OneClassSvmOptions& options)
      : SupportVectorDetector(options.kernel), options_(options) {
    if (!(options.nu > 0 && options.nu <= 1))
      throw InvalidArgument(fmt::format("nu must lie in (0, 1], got {}", options.nu));
  }
  [[nodiscard]] std::string method() const override { return "oc_svm"; }

 protected:
  [[nodiscard]] std::vector<double> nus() const override {
    if (!options_.nu_grid) return {options_.nu};
    return {std::begin(kNuGrid), std::end(kNuGrid)};
  }
  [[nodiscard]] double default_nu() const override { return options_.nu; }
  [[nodiscard]] DualGroup group_of(SemiLabel /*label*/) const override { return DualGroup::unlabelled; }
  [[nodiscard]] bool trains_on(SemiLabel label) const override {
    return !options_.exclude_labelled_anomalies || label != SemiLabel::anomaly;
  }
  // The problem is solved for weights that sum to 1, so that the tolerance means the same for every nu n.
  [[nodiscard]] Bounds bounds(const std::vector<SemiLabel>& /*semi*/, const std::vector<bool>& used,
                              double nu) const override {
    const auto n = static_cast<double>(std::count(used.begin(), used.end(), true));
    Bounds limits{.upper = std::vector<double>(used.size(), 0)};
    for (std::size_t i = 0; i < used.size(); ++i) limits.upper[i] = used[i] ? 1 / (nu * n) : 0;
    return limits;
  }
  [[nodiscard]] double weight_scale(double nu, std::size_t n_used) const override {
    return nu * static_cast<double>(n_used);
  }
  [[nodiscard]] bool uses_labels() const override { return false; }
  [[nodiscard]] Json method_options() const override {
    return {{"nu", options_.nu},
            {"nu_grid", options_.nu_grid},
            {"exclude_labelled_anomalies", options_.exclude_labelled_anomalies}};
  }

 private:
  OneClassSvmOptions options_;
};

}  // namespace

std::unique_ptr<Detector> make_one_class_svm(const OneClassSvmOptions& options) {
  return std::make_unique<OneClassSvm>(options);
}

std::unique_ptr<Detector> restore_one_class_svm(const std::string& /*method*/, const Json& description,
                                                StateDict tensors, const std::string& /*source*/) {
  const Json& options = description.at("options");
  auto detector = std::make_unique<OneClassSvm>(
      OneClassSvmOptions{.kernel = kernel_choice_from_json(description.at("kernel")),
                         .nu = options.at("nu").get<double>(),
                         .nu_grid = options.at("nu_grid").get<bool>(),
                         .exclude_labelled_anomalies = options.at("exclude_labelled_anomalies").get<bool>()});
  detector->restore(description, tensors);
  return detector;
}

}  // namespace deepsad
