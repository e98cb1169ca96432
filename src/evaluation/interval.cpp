#include "deepsad/evaluation/interval.h"

#include <fmt/format.h>

#include "deepsad/core/error.h"
#include "evaluation/distributions.h"

namespace deepsad {

Interval clopper_pearson(std::size_t successes, std::size_t trials, double confidence) {
  if (successes > trials)
    throw InvalidArgument(fmt::format("[clopper_pearson] {} successes of {} trials", successes, trials));
  if (!(confidence > 0 && confidence < 1))
    throw InvalidArgument(
        fmt::format("[clopper_pearson] confidence: got {}, wanted a number in (0, 1)", confidence));
  const double tail = 0.5 * (1 - confidence);
  const auto k = static_cast<double>(successes), n = static_cast<double>(trials);
  return {.low = successes == 0 ? 0 : beta_quantile(k, n - k + 1, tail),
          .high = successes == trials ? 1 : beta_quantile(k + 1, n - k, 1 - tail)};
}

}  // namespace deepsad
