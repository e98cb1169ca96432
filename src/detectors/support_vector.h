// What the one-class SVM and SSAD share: choice of the width, solution, support vectors, score, model file.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "deepsad/detectors/kernel_machines.h"
#include "detectors/network_detector.h"
#include "detectors/pairwise.h"

namespace deepsad {

class SupportVectorDetector : public Detector {
 public:
  [[nodiscard]] std::size_t n_features() const override { return vectors_.cols; }
  void fit(const TrainingSet& data, FitContext& context) override;
  void score(MatrixView<const float> x, std::span<float> scores, ThreadPool& pool) const override;
  [[nodiscard]] bool has_score_gradient() const override { return true; }
  void score_gradient(MatrixView<const float> x, std::span<double> scores, MatrixView<float> gradient,
                      ThreadPool& pool) const override;
  [[nodiscard]] std::string description() const override;
  [[nodiscard]] std::vector<DetectorTensor> tensors() const override;
  [[nodiscard]] const std::vector<PhaseRecord>& phases() const override { return phases_; }
  [[nodiscard]] const std::vector<Finding>& findings() const override { return findings_; }
  [[nodiscard]] std::string fit_report() const override { return report_.dump(); }

  /// Fills a fitted detector from what description() and tensors() gave.
  void restore(const Json& description, const StateDict& tensors);

 protected:
  explicit SupportVectorDetector(const KernelChoice& choice);

  /// What the grid is searched over: a kernel, and the method's own parameter (nu).
  struct Candidate {
    Kernel kernel;
    double nu = 0;
  };
  /// The values of nu to try; one entry if there is nothing to choose.
  [[nodiscard]] virtual std::vector<double> nus() const { return {0}; }
  [[nodiscard]] virtual double default_nu() const { return 0; }
  [[nodiscard]] virtual DualGroup group_of(SemiLabel label) const = 0;
  [[nodiscard]] virtual bool trains_on(SemiLabel label) const = 0;
  /// Bounds of the rows that are trained on (0 for the others), and kappa.
  struct Bounds {
    std::vector<double> upper;
    double kappa = 0;
  };
  [[nodiscard]] virtual Bounds bounds(const std::vector<SemiLabel>& semi, const std::vector<bool>& used,
                                      double nu) const = 0;
  /// By what the weights of the solution, which sum to 1, are to be multiplied.
  [[nodiscard]] virtual double weight_scale(double nu, std::size_t n_used) const = 0;
  [[nodiscard]] virtual bool uses_labels() const = 0;
  [[nodiscard]] virtual Json method_options() const = 0;

 private:
  struct Rows;       // the training rows in the solver's order
  struct Selection;  // what was chosen, and how
  [[nodiscard]] DualSolution solve(const Rows& rows, const std::vector<bool>& used,
                                   const Candidate& candidate, KernelRows& kernel,
                                   const StopToken* stop) const;
  [[nodiscard]] std::vector<Kernel> kernels(MatrixView<const float> x) const;
  [[nodiscard]] Selection select(const Rows& rows, const PairMatrix& pairs, FitContext& context) const;
  [[nodiscard]] double signed_weight(SemiLabel label, double alpha) const;
  void keep(const Rows& rows, const DualSolution& solution, const Candidate& candidate);
  void pack();

  KernelChoice choice_;
  KernelKind kind_;
  Kernel kernel_;
  double nu_ = 0, rho_ = 0;
  std::string selection_ = "none";
  Matrix<float> vectors_;
  std::vector<float> weights_;
  PackedRows packed_;
  std::vector<PhaseRecord> phases_;
  std::vector<Finding> findings_;
  Json report_ = Json::object();
};

[[nodiscard]] Json to_json(const KernelChoice& choice);
[[nodiscard]] KernelChoice kernel_choice_from_json(const Json& json);

/// The tensor of this name. @throws InvalidArgument if there is none
[[nodiscard]] const StateTensor& tensor_named(const StateDict& tensors, const char* name);

/// @throws InvalidArgument "[METHOD] ..." if there are fewer than two rows, or a value is not finite (naming
/// row and column).
void check_rows(const char* method, MatrixView<const float> x);

}  // namespace deepsad
