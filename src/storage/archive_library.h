// The functions of libarchive that xz and bzip2 streams and archives are read with.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include "core/shared_library.h"

namespace deepsad {

/// archive_NAME is the member NAME.
struct Libarchive {
  SharedLibrary library{"libarchive.so.13", "libarchive13"};
  decltype(&::archive_entry_filetype) entry_filetype = library.function("archive_entry_filetype");
  decltype(&::archive_entry_pathname) entry_pathname = library.function("archive_entry_pathname");
  decltype(&::archive_entry_pathname_utf8) entry_pathname_utf8 =
      library.function("archive_entry_pathname_utf8");
  decltype(&::archive_error_string) error_string = library.function("archive_error_string");
  decltype(&::archive_read_data) read_data = library.function("archive_read_data");
  decltype(&::archive_read_free) read_free = library.function("archive_read_free");
  decltype(&::archive_read_new) read_new = library.function("archive_read_new");
  decltype(&::archive_read_next_header) read_next_header = library.function("archive_read_next_header");
  decltype(&::archive_read_open) read_open = library.function("archive_read_open");
  decltype(&::archive_read_open_filename) read_open_filename = library.function("archive_read_open_filename");
  decltype(&::archive_read_support_filter_bzip2) read_support_filter_bzip2 =
      library.function("archive_read_support_filter_bzip2");
  decltype(&::archive_read_support_filter_xz) read_support_filter_xz =
      library.function("archive_read_support_filter_xz");
  decltype(&::archive_read_support_format_empty) read_support_format_empty =
      library.function("archive_read_support_format_empty");
  decltype(&::archive_read_support_format_raw) read_support_format_raw =
      library.function("archive_read_support_format_raw");
  decltype(&::archive_read_support_format_tar) read_support_format_tar =
      library.function("archive_read_support_format_tar");
  decltype(&::archive_read_support_format_zip) read_support_format_zip =
      library.function("archive_read_support_format_zip");
};

/// @throws Error if it cannot be loaded
inline const Libarchive& libarchive() {
  static const Libarchive loaded;
  return loaded;
}

}  // namespace deepsad
