#include "core/shared_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "deepsad/core/error.h"

namespace deepsad {

// All symbols at once: a library that lacks one of its own is told here and not in the middle of the work.
SharedLibrary::SharedLibrary(const char* soname, const char* package)
    : soname_(soname), package_(package), handle_(dlopen(soname, RTLD_NOW | RTLD_LOCAL)) {
  if (handle_ == nullptr) {
    const char* reason = dlerror();
    throw Error(fmt::format("{}: cannot be loaded: {}; install the package {}", soname_,
                            reason == nullptr ? "no reason given" : reason, package_));
  }
}

SharedLibrary::Function SharedLibrary::function(const char* name) const {
  void* address = dlsym(handle_, name);
  if (address == nullptr) {
    throw Error(fmt::format("{}: has no function {}; install the package {} of this system's release",
                            soname_, name, package_));
  }
  return Function(address);
}

}  // namespace deepsad
