// deepsad completion, deepsad manual: what shells and man need, made from the declarations.
#include "commands.h"
#include "shell_completion.h"

namespace deepsad::cli {

int run_completion(const Arguments& arguments, Console& console) {
  console.print(shell_completion(arguments.text("SHELL"), declared_commands()));
  return kDone;
}

int run_manual(const Arguments&, Console& console) {
  console.print(manual_page(declared_commands()));
  return kDone;
}

}  // namespace deepsad::cli
