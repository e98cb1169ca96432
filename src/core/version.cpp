#include "deepsad/core/version.h"

namespace deepsad {

std::string_view version() {
  return DEEPSAD_VERSION_STRING;
}

}  // namespace deepsad
