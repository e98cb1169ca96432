// What the shells need to complete a command line, made from the declarations of the commands.
#pragma once

#include <span>
#include <string>

#include "arguments.h"

namespace deepsad::cli {

/// The completion script of bash, zsh or fish. @throws InvalidArgument for another shell
[[nodiscard]] std::string shell_completion(const std::string& shell, std::span<const Command> commands);

/// The manual page deepsad(1) in roff.
[[nodiscard]] std::string manual_page(std::span<const Command> commands);

}  // namespace deepsad::cli
