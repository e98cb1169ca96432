// An online test of whether scores still come from where the calibration scores came from: a conformal
// martingale, which is a gambler who bets against it and may get rich by chance only rarely.
//
// [1] Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", Springer 2005, chapters 2 and 7:
//     online conformal p-values are independent and uniform if all rows are exchangeable.
// [2] Vovk, Petej, Nouretdinov, Ahlberg, Carlsson and Gammerman, "Retrain or not retrain: conformal test
//     martingales for change-point detection", COPA 2021: the Simple Jumper and its mixtures.
// [3] Ville, "Etude critique de la notion de collectif", Gauthier-Villars 1939: a martingale that starts at 1
//     ever reaches 1 / alpha with a chance of at most alpha.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "deepsad/core/random.h"

namespace deepsad {

/// Online conformal p-values of scores, one after the other. The n-th score, counted from the first of the
/// reference scores, gets
///   p = (#{i < n: s_i > s} + theta (1 + #{i < n: s_i = s})) / n,   theta uniform on [0, 1),
/// which are independent and uniform if reference and later scores are exchangeable [1]. Later scores are
/// kept as counts between reference scores: scores that no reference score parts count as equal, which
/// changes nothing in the distribution, because their order is random. Memory is that of the reference.
class OnlinePValues {
 public:
  /// @param reference at least one score, in any order   @param seed of the stream "drift/ties" for theta
  /// @throws InvalidArgument if there is none   @throws NumericError if one is NaN
  explicit OnlinePValues(std::span<const float> reference, std::uint64_t seed = 0);

  /// The p-value of the next score, in [0, 1), small for large scores. It then counts as a reference for
  /// those that follow. Cost: O(log reference).
  /// @throws NumericError if the score is NaN
  double next(float score);

 private:
  [[nodiscard]] std::uint64_t count_from(std::size_t cell) const;
  void add(std::size_t cell);

  std::vector<float> values_;          // different reference scores, ascending
  std::vector<std::uint64_t> counts_;  // a Fenwick tree over 2 values + 1 cells: gaps and values, ascending
  std::vector<std::uint64_t> own_;     // of each cell
  std::uint64_t total_ = 0;
  RandomStream random_;
};

/// A mixture of Simple Jumpers [2] over p-values: bets 1 + e (u - 1/2) with e in {-1, 0, 1}, jumping among
/// them at rates from 0.0001 to 1, half of them on u = p (scores rise or fall), half on u = |2 p - 1| (they
/// spread or shrink). A part of the capital is kept back and staked as time goes by, 1 / (1 + log(1 + n))
/// being left after n scores, so that a change is found soon however late it comes. As each bet is fair, the
/// whole is a martingale: if the p-values are independent and uniform, it ever reaches 1 / alpha with a
/// chance of at most alpha [3].
class ConformalMartingale {
 public:
  ConformalMartingale();
  /// @throws InvalidArgument if the p-value is outside [0, 1]
  void add(double p_value);
  /// The capital, 1 at first.
  [[nodiscard]] double value() const { return value_; }
  [[nodiscard]] std::uint64_t n() const { return n_; }

 private:
  static constexpr std::array kJumpRates = {1e-4, 1e-3, 1e-2, 1e-1, 1.0};
  static constexpr std::array kStakes = {-1.0, 0.0, 1.0};
  using Capital = std::array<double, kStakes.size()>;

  std::array<Capital, 2 * kJumpRates.size()> capital_{};
  double reserve_ = 1, value_ = 1;
  std::uint64_t n_ = 0;
};

/// Both together: an alarm, once, when the capital reaches 1 / alpha.
class DriftAlarm {
 public:
  /// @throws InvalidArgument if alpha is outside (0, 1), and as OnlinePValues
  DriftAlarm(std::span<const float> reference, double alpha, std::uint64_t seed = 0);
  /// @returns whether this score set the alarm off; never again after that
  bool add(float score);
  [[nodiscard]] bool raised() const { return raised_; }
  /// The most that an alarm without any change is likely: 1 / the largest capital so far, at most 1.
  [[nodiscard]] double level() const { return 1 / largest_; }
  [[nodiscard]] std::uint64_t n() const { return martingale_.n(); }

 private:
  OnlinePValues p_values_;
  ConformalMartingale martingale_;
  double alpha_, largest_ = 1;
  bool raised_ = false;
};

}  // namespace deepsad
