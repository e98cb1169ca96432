// Config files: TrainOptions as TOML or JSON.
#pragma once

#include <string>

#include "deepsad/model/train_options.h"

namespace deepsad {

/// Reads a config file: JSON if its first character is '{', else TOML. Keys are the options' names or
/// aliases, all at top level. A config file of the reference works as it is: its keys xp_path and load_config
/// are passed over (where a run is written is for the command line to say), null means not given.
/// @throws InvalidArgument "FILE[:LINE]: ..." for a file that cannot be read or parsed, an unknown key (with
/// the nearest
///         known one), a key given twice, a value of the wrong type, a load_model that is not null.
[[nodiscard]] OptionLayer read_options_file(const std::string& path);
/// The same from text; `name` stands for the file in messages.
[[nodiscard]] OptionLayer parse_options_text(const std::string& text, const std::string& name);

/// All options as a JSON object, one key a line, in declaration order; read_options_file() gives the same
/// options back.
[[nodiscard]] std::string options_to_json(const TrainOptions& options);

}  // namespace deepsad
