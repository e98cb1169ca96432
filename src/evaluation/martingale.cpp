#include "deepsad/evaluation/martingale.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "deepsad/core/error.h"

namespace deepsad {

OnlinePValues::OnlinePValues(std::span<const float> reference, std::uint64_t seed)
    : values_(reference.begin(), reference.end()), random_(seed, "drift/ties") {
  if (reference.empty()) throw InvalidArgument("[drift] no reference scores, wanted at least one");
  const auto nan = std::ranges::find_if(values_, [](float x) { return std::isnan(x); });
  if (nan != values_.end())
    throw NumericError(fmt::format("[drift] reference score {} is NaN", nan - values_.begin()));
  std::ranges::sort(values_);
  values_.erase(std::unique(values_.begin(), values_.end()), values_.end());
  const std::size_t n_cells = 2 * values_.size() + 1;
  counts_.resize(n_cells + 1);
  own_.resize(n_cells);
  for (const float score : reference)
    add(2 * static_cast<std::size_t>(std::ranges::lower_bound(values_, score) - values_.begin()) + 1);
}

void OnlinePValues::add(std::size_t cell) {
  ++own_[cell];
  ++total_;
  for (std::size_t i = cell + 1; i < counts_.size(); i += i & (~i + 1)) ++counts_[i];
}

std::uint64_t OnlinePValues::count_from(std::size_t cell) const {
  std::uint64_t below = 0;
  for (std::size_t i = cell; i > 0; i -= i & (~i + 1)) below += counts_[i];
  return total_ - below;
}

double OnlinePValues::next(float score) {
  if (std::isnan(score)) throw NumericError("[drift] a score is NaN");
  const auto at = std::ranges::lower_bound(values_, score);
  const auto k = static_cast<std::size_t>(at - values_.begin());
  const std::size_t cell = at != values_.end() && *at == score ? 2 * k + 1 : 2 * k;
  const std::uint64_t above = count_from(cell + 1), equal = 1 + own_[cell];
  const double p = (static_cast<double>(above) + random_.uniform() * static_cast<double>(equal)) /
                   static_cast<double>(total_ + 1);
  add(cell);
  return p;
}

ConformalMartingale::ConformalMartingale() = default;

void ConformalMartingale::add(double p_value) {
  if (!(p_value >= 0 && p_value <= 1))
    throw InvalidArgument(fmt::format("[drift] p-value {}, wanted one in [0, 1]", p_value));
  ++n_;
  const double left = 1 / (1 + std::log(1 + static_cast<double>(n_)));
  const double fresh = (reserve_ - left) / static_cast<double>(capital_.size() * kStakes.size());
  reserve_ = left;
  value_ = reserve_;
  for (std::size_t c = 0; c < capital_.size(); ++c) {
    const double jump = kJumpRates[c / 2], u = c % 2 == 0 ? p_value : std::abs(2 * p_value - 1);
    Capital& capital = capital_[c];
    const double sum = capital[0] + capital[1] + capital[2];
    for (std::size_t k = 0; k < kStakes.size(); ++k) {
      capital[k] = (1 - jump) * capital[k] + jump * sum / static_cast<double>(kStakes.size()) + fresh;
      capital[k] *= 1 + kStakes[k] * (u - 0.5);
      value_ += capital[k];
    }
  }
}

DriftAlarm::DriftAlarm(std::span<const float> reference, double alpha, std::uint64_t seed)
    : p_values_(reference, seed), alpha_(alpha) {
  if (!(alpha > 0 && alpha < 1))
    throw InvalidArgument(fmt::format("[drift] alpha {}, wanted 0 < alpha < 1", alpha));
}

bool DriftAlarm::add(float score) {
  if (raised_) return false;
  martingale_.add(p_values_.next(score));
  largest_ = std::max(largest_, martingale_.value());
  raised_ = martingale_.value() >= 1 / alpha_;
  return raised_;
}

}  // namespace deepsad
