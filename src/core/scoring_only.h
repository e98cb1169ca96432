// What separates the scoring library (deepsad_scoring, src/c) from the whole one: the same sources, in which
// nothing behind beyond_scoring() is compiled, so that nothing needs the code that it calls.
#pragma once

#ifdef DEEPSAD_SCORING_ONLY
#include "deepsad/core/error.h"
#endif

namespace deepsad {

/// The first statement of what scoring never does: training, and gradients.
#ifdef DEEPSAD_SCORING_ONLY
[[noreturn]] inline void beyond_scoring() {
  throw InvalidArgument(
      "this program is linked with the scoring library, which does nothing but score; link "
      "deepsad::deepsad instead");
}
#else
constexpr void beyond_scoring() {}
#endif

}  // namespace deepsad
