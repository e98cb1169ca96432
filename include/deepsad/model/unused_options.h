// Options that a run never looks at: of other methods, of phases it does not have.
#pragma once

#include <string>
#include <vector>

#include "deepsad/model/train_options.h"

namespace deepsad {

/// Why a run with these options never looks at the option of this name, as a sentence without its end:
/// "method kde does not use it; ssad does", "grid_search_cv is true and chooses it"; "" if it does look at
/// it. What only says where and how to compute (OptionDeclaration::of_the_machine), and what validate()
/// judges, counts as looked at.
/// @throws InvalidArgument for a name that is no option's
[[nodiscard]] std::string why_unused(const std::string& option, const TrainOptions& options);

/// The options that somebody gave although none of the runs looks at them, each with its reason: "PLACE: has
/// no effect: ...", each option once. Not having a pretraining (pretrain = false, transfer = false) may
/// always be said.
/// @param given what was given by hand; config files of whole runs hold every option and do not belong here
/// @param runs the resolved options of each run, at least one
[[nodiscard]] std::vector<std::string> unused_options(const OptionLayer& given,
                                                      const std::vector<TrainOptions>& runs);

/// Refuses them, so that nobody takes their effect for granted.
/// @throws InvalidArgument with the first of unused_options()
void refuse_unused(const OptionLayer& given, const std::vector<TrainOptions>& runs);

}  // namespace deepsad
