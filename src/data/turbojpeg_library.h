// The functions of libjpeg-turbo's TurboJPEG interface that JPEG images are decoded with.
#pragma once

#include <turbojpeg.h>

#include "core/shared_library.h"

namespace deepsad {

struct Turbojpeg {
  SharedLibrary library{"libturbojpeg.so.0", "libturbojpeg0"};
  decltype(&::tjInitDecompress) init_decompress = library.function("tjInitDecompress");
  decltype(&::tjDecompressHeader3) decompress_header = library.function("tjDecompressHeader3");
  decltype(&::tjDecompress2) decompress = library.function("tjDecompress2");
  decltype(&::tjDestroy) destroy = library.function("tjDestroy");
  decltype(&::tjGetErrorStr2) error_string = library.function("tjGetErrorStr2");
};

/// @throws Error if it cannot be loaded
inline const Turbojpeg& turbojpeg() {
  static const Turbojpeg loaded;
  return loaded;
}

}  // namespace deepsad
