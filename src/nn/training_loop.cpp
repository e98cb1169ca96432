#include "nn/training_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"

namespace deepsad {
namespace {

constexpr double kDecayPerMilestone = 0.1;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Takes the loss of every row of an inference pass.
class ValidationSink final : public Plan<float>::GroupSink {
 public:
  /// @param rows of the training matrix, in the order of the pass
  ValidationSink(const Loss<float>& loss, std::span<const std::uint32_t> rows, std::size_t n_outputs)
      : loss_(loss), rows_(rows), n_outputs_(n_outputs), losses_(rows.size()) {}
  void operator()(std::size_t first_row, std::size_t n_valid, const float* input,
                  const float* output) override {
    AlignedBuffer<float> gradient(n_outputs_ * kernels::kLanes);  // of no use here
    std::array<double, kernels::kLanes> lane_loss{};
    loss_.evaluate({.n_valid = n_valid,
                    .rows = rows_.data() + first_row,
                    .input = input,
                    .output = output,
                    .d_output = gradient.data(),
                    .lane_loss = lane_loss.data(),
                    .scale = 1});
    std::copy_n(lane_loss.data(), n_valid, losses_.data() + first_row);
  }
  [[nodiscard]] double mean() const {
    double sum = 0;
    for (const double loss : losses_) sum += loss;
    return sum / static_cast<double>(losses_.size());
  }

 private:
  const Loss<float>& loss_;
  std::span<const std::uint32_t> rows_;
  std::size_t n_outputs_;
  std::vector<double> losses_;
};

/// One network with its loss on rows of a matrix.
class PlanStep final : public TrainingStep {
 public:
  PlanStep(Plan<float>& plan, const Loss<float>& loss, MatrixView<const float> x)
      : plan_(plan), loss_(loss), x_(x) {}
  PlanStep(const PlanStep&) = delete;
  PlanStep& operator=(const PlanStep&) = delete;
  ~PlanStep() override { plan_.precompute({}); }  // x may be gone before the plan
  double forward_backward(std::span<const std::uint32_t> rows) override {
    if (!precomputed_) plan_.precompute(x_);
    precomputed_ = true;
    return plan_.forward_backward(x_, rows, loss_);
  }
  void update(float learning_rate, float weight_decay) override { plan_.update(learning_rate, weight_decay); }
  [[nodiscard]] std::string non_finite_tensor() const override { return plan_.non_finite_tensor(); }
  [[nodiscard]] std::string first_non_finite(std::span<const std::uint32_t> rows) override {
    return plan_.first_non_finite(x_, rows, loss_);
  }
  [[nodiscard]] double validation_loss(std::span<const std::uint32_t> rows) override {
    if (!inference_) {
      inference_ = plan_.for_inference();
      validation_ = Matrix<float>(rows.size(), x_.cols());
      for (std::size_t i = 0; i < rows.size(); ++i)
        std::copy_n(x_.row(rows[i]).data(), x_.cols(), validation_.row(i).data());
    } else {
      inference_->load(plan_.state());
    }
    ValidationSink sink(loss_, rows, plan_.n_outputs());
    inference_->infer({validation_.values.data(), validation_.rows, validation_.cols}, sink);
    return sink.mean();
  }
  [[nodiscard]] StateDict weights() const override { return plan_.state(); }
  void load(const StateDict& weights) override { plan_.load(weights); }
  [[nodiscard]] StateDict training_state() const override { return plan_.training_state(); }
  void load_training_state(const StateDict& state) override { plan_.load_training_state(state); }

 private:
  Plan<float>& plan_;
  const Loss<float>& loss_;
  MatrixView<const float> x_;
  bool precomputed_ = false;                // at the first step: a phase may be finished already
  std::unique_ptr<Plan<float>> inference_;  // of the validation rows, made at the first need
  Matrix<float> validation_;
};

/// What early stopping makes of the end of an epoch: records the loss, keeps the weights if they are the
/// best.
/// @return whether training ends here
bool ends_early(TrainingStep& step, std::span<const std::uint32_t> validation, EarlyStopping& stopping,
                TrainingHistory& history) {
  const std::size_t epoch = history.epochs.size();
  const double loss = step.validation_loss(validation);
  history.epochs.back().validation_loss = loss;
  if (stopping.is_best(epoch, loss)) stopping.keep(step.weights());
  return stopping.exhausted(epoch);
}

PhaseProgress progress_of(const TrainingStep& step, const TrainingPhase& phase,
                          const std::optional<EarlyStopping>& stopping, const TrainingHistory& history) {
  PhaseProgress progress{.history = history, .finished = false, .state = step.training_state()};
  if (phase.carried) progress.carried = phase.carried();
  if (stopping) {
    progress.history.best_epoch = stopping->best_epoch();
    progress.best_loss = stopping->best_loss();
    progress.best_weights = stopping->best_weights();
  }
  return progress;
}

/// Takes everything back to where the phase was when `saved` was written.
void go_on(const PhaseProgress& saved, TrainingStep& step, const TrainingPhase& phase,
           std::optional<EarlyStopping>& stopping, TrainingHistory& history) {
  history = saved.history;
  if (phase.restore_carried) phase.restore_carried(saved.carried);
  if (saved.finished) {
    step.load(saved.state);
    return;
  }
  step.load_training_state(saved.state);
  if (stopping) {
    stopping.emplace(phase.options.patience, saved.history.best_epoch, saved.best_loss, saved.best_weights);
    history.best_epoch = 0;  // is told at the end
  }
  phase.observer.info(fmt::format("{}: goes on after epoch {} of {}", phase.name, history.epochs.size(),
                                  phase.options.n_epochs));
}

}  // namespace

void validate(const TrainingOptions& options) {
  if (!(options.learning_rate > 0) || !std::isfinite(options.learning_rate)) {
    throw InvalidArgument(
        fmt::format("learning rate must be positive and finite, got {}", options.learning_rate));
  }
  if (!(options.weight_decay >= 0) || !std::isfinite(options.weight_decay)) {
    throw InvalidArgument(
        fmt::format("weight decay must be at least 0 and finite, got {}", options.weight_decay));
  }
  if (!(options.validation_share > 0 && options.validation_share < 1)) {
    throw InvalidArgument(
        fmt::format("validation share must lie in (0, 1), got {}", options.validation_share));
  }
  if (options.batch_size == 0) throw InvalidArgument("batch size must be at least 1, got 0");
  if (!std::is_sorted(options.milestones.begin(), options.milestones.end())) {
    throw InvalidArgument("learning-rate milestones must be in ascending order");
  }
}

double learning_rate_at(const TrainingOptions& options, std::size_t epoch) {
  const std::size_t reached = epoch + (options.reference_quirks ? 1 : 0);
  const auto passed = std::upper_bound(options.milestones.begin(), options.milestones.end(), reached);
  return options.learning_rate *
         std::pow(kDecayPerMilestone, static_cast<double>(passed - options.milestones.begin()));
}

std::vector<std::size_t> batch_ends(std::size_t n, const TrainingOptions& options) {
  std::vector<std::size_t> ends;
  for (std::size_t end = options.batch_size; end <= n; end += options.batch_size) ends.push_back(end);
  const std::size_t rest = n - (ends.empty() ? 0 : ends.back());
  if (options.reference_quirks) {
    if (ends.empty()) {
      throw InvalidArgument(
          fmt::format("the reference drops incomplete batches, so it cannot train on {} rows with batch size "
                      "{}; take a batch size of at "
                      "most {}, or leave --compat reference out",
                      n, options.batch_size, n));
    }
    return ends;
  }
  if (rest == 1 && !ends.empty()) {
    ends.back() = n;
  } else if (rest > 0) {
    ends.push_back(n);
  }
  return ends;
}

std::size_t largest_batch(std::size_t n, const TrainingOptions& options) {
  std::size_t largest = 0;
  std::size_t begin = 0;
  for (const std::size_t end : batch_ends(n, options)) {
    largest = std::max(largest, end - begin);
    begin = end;
  }
  return largest;
}

TrainingHistory train(Plan<float>& plan, const Loss<float>& loss, MatrixView<const float> x,
                      const RowParts& rows, const TrainingPhase& phase) {
  PlanStep step(plan, loss, x);
  return train(step, rows, phase);
}

TrainingHistory train(TrainingStep& step, const RowParts& parts, const TrainingPhase& phase) {
  validate(phase.options);
  const TrainingOptions& options = phase.options;
  const std::span<const std::uint32_t> rows = parts.train;
  if (rows.empty()) throw InvalidArgument(fmt::format("{}: there are no rows to train on", phase.name));
  const std::vector<std::size_t> ends = batch_ends(rows.size(), options);
  std::vector<std::uint32_t> order(rows.size());
  std::optional<EarlyStopping> stopping;
  if (options.patience > 0 && !parts.validation.empty()) stopping.emplace(options.patience);
  TrainingHistory history;
  if (phase.checkpoint != nullptr) {
    if (const PhaseProgress* saved = phase.checkpoint->find(phase.name)) {
      go_on(*saved, step, phase, stopping, history);
      if (saved->finished) return history;
    }
  }
  const double seconds_before = history.seconds;
  history.epochs.reserve(options.n_epochs);
  const auto start = std::chrono::steady_clock::now();
  std::size_t rows_done = 0;
  for (std::size_t epoch = history.epochs.size(); epoch < options.n_epochs; ++epoch) {
    const auto epoch_start = std::chrono::steady_clock::now();
    const double rate = learning_rate_at(options, epoch);
    if (epoch > 0 && rate != history.epochs.back().learning_rate) {
      phase.observer.info(
          fmt::format("{}: learning rate is {:g} from epoch {} on", phase.name, rate, epoch + 1));
    }
    // Each epoch's order follows from its own stream alone, so any epoch can be reproduced by itself.
    std::copy(rows.begin(), rows.end(), order.begin());
    RandomStream(phase.seed, "shuffle/" + phase.shuffle_stream, epoch).shuffle(order);
    double loss_sum = 0;
    std::size_t begin = 0;
    for (std::size_t b = 0; b < ends.size(); ++b) {
      const std::span<const std::uint32_t> batch(order.data() + begin, ends[b] - begin);
      const double batch_loss = step.forward_backward(batch);
      if (!std::isfinite(batch_loss)) {
        const std::string where = step.first_non_finite(batch);
        throw NumericError(fmt::format(
            "{}: the loss is {} in epoch {}, batch {}; first not finite: {}. Try a smaller learning rate "
            "(now {:g}) or look "
            "for extreme values in the data",
            phase.name, std::isnan(batch_loss) ? "not a number" : "infinite", epoch + 1, b + 1,
            where.empty() ? "the loss itself" : where, rate));
      }
      step.update(static_cast<float>(rate), static_cast<float>(options.weight_decay));
      if (phase.after_step) phase.after_step(epoch, batch);
      loss_sum += batch_loss;
      rows_done += batch.size();
      begin = ends[b];
      if (phase.stop != nullptr && phase.stop->stop_requested()) {
        throw Interrupted(fmt::format("{} stopped on request in epoch {} of {}, after batch {} of {}",
                                      phase.name, epoch + 1, options.n_epochs, b + 1, ends.size()));
      }
    }
    history.epochs.push_back({.loss = loss_sum / static_cast<double>(ends.size()),
                              .learning_rate = rate,
                              .seconds = seconds_since(epoch_start)});
    phase.observer.progress({.phase = phase.name,
                             .done = epoch + 1,
                             .total = options.n_epochs,
                             .loss = history.epochs.back().loss,
                             .seconds = seconds_since(start),
                             .rows = rows_done});
    if (stopping && ends_early(step, parts.validation, *stopping, history)) break;
    if (phase.checkpoint != nullptr && phase.checkpoint->due(epoch + 1) && epoch + 1 < options.n_epochs) {
      history.seconds = seconds_before + seconds_since(start);
      phase.checkpoint->save(phase.name, progress_of(step, phase, stopping, history));
    }
  }
  // No loss shows what the last update did.
  if (const std::string tensor = step.non_finite_tensor(); !history.epochs.empty() && !tensor.empty()) {
    throw NumericError(fmt::format(
        "{}: {} is not finite after epoch {}. Try a smaller learning rate (now {:g}) or look for extreme "
        "values in the data",
        phase.name, tensor, history.epochs.size(), history.epochs.back().learning_rate));
  }
  if (stopping && stopping->best_epoch() > 0) {
    if (stopping->best_epoch() < history.epochs.size()) step.load(stopping->best_weights());
    history.best_epoch = stopping->best_epoch();
    phase.observer.info(fmt::format(
        "{}: {} after epoch {} of at most {}; kept epoch {}, with a loss of {:g} on "
        "{} held-out rows",
        phase.name, history.epochs.size() < options.n_epochs ? "stopped" : "ended", history.epochs.size(),
        options.n_epochs, stopping->best_epoch(), stopping->best_loss(), parts.validation.size()));
  }
  history.seconds = seconds_before + seconds_since(start);
  if (phase.checkpoint != nullptr)
    phase.checkpoint->save(phase.name, {.history = history,
                                        .finished = true,
                                        .state = step.weights(),
                                        .carried = phase.carried ? phase.carried() : std::vector<float>{}});
  return history;
}

}  // namespace deepsad
