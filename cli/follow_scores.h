// deepsad score --follow: a row in, a line out.
#pragma once

#include <memory>

#include "arguments.h"
#include "console.h"
#include "deepsad/model/model.h"

namespace deepsad::cli {

/// Scores rows as they come until the stream ends or a signal asks for the end. @returns the exit code
[[nodiscard]] int follow_scores(const Arguments& arguments, std::shared_ptr<const Model> model,
                                Console& console);

}  // namespace deepsad::cli
