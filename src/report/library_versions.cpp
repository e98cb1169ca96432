// Which libraries this build has, for `deepsad version`.
#include <archive.h>
#include <cairo.h>
#include <curl/curl.h>
#include <fmt/format.h>
#include <isa-l.h>
#include <openssl/crypto.h>
#include <png.h>
#include <sqlite3.h>
#include <toml++/toml.h>
#include <boost/version.hpp>
#include <nlohmann/json.hpp>

#include "core/shared_library.h"
#include "deepsad/core/error.h"
#include "deepsad/report/system_info.h"

namespace deepsad {
namespace {

std::string dotted(int major, int minor, int patch) {
  return fmt::format("{}.{}.{}", major, minor, patch);
}

// `version` says what a loaded library answers; a library that cannot be loaded becomes its reason.
template <class Ask>
LibraryVersion loaded(const char* name, const char* soname, const char* package, const Ask& version) {
  try {
    const SharedLibrary library(soname, package);
    return {name, version(library), ""};
  } catch (const Error& error) {
    return {name, "", error.what()};
  }
}

}  // namespace

std::vector<LibraryVersion> linked_libraries() {
  return {
      {"fmt", dotted(FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100), ""},
      {"nlohmann-json",
       dotted(NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH), ""},
      {"toml++", dotted(TOML_LIB_MAJOR, TOML_LIB_MINOR, TOML_LIB_PATCH), ""},
      {"Boost.Math", dotted(BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000, BOOST_VERSION % 100), ""},
      {"Highway", DEEPSAD_HIGHWAY_VERSION, ""},
      {"ISA-L", dotted(ISAL_MAJOR_VERSION, ISAL_MINOR_VERSION, ISAL_PATCH_VERSION), ""},
      {"OpenSSL", ::OpenSSL_version(OPENSSL_VERSION_STRING), ""},
      {"libpng", ::png_get_libpng_ver(nullptr), ""},
      {"SQLite", ::sqlite3_libversion(), ""},
  };
}

std::vector<LibraryVersion> libraries_loaded_on_use() {
  return {
      loaded("libcurl", "libcurl.so.4", "libcurl4",
             [](const SharedLibrary& library) -> std::string {
               decltype(&::curl_version_info) info = library.function("curl_version_info");
               return info(CURLVERSION_NOW)->version;
             }),
      loaded("libarchive", "libarchive.so.13", "libarchive13",
             [](const SharedLibrary& library) {
               decltype(&::archive_version_number) number = library.function("archive_version_number");
               return dotted(number() / 1000000, number() / 1000 % 1000, number() % 1000);
             }),
      loaded("Cairo", "libcairo.so.2", "libcairo2",
             [](const SharedLibrary& library) -> std::string {
               decltype(&::cairo_version_string) text = library.function("cairo_version_string");
               return text();
             }),
      loaded("libjpeg-turbo", "libturbojpeg.so.0", "libturbojpeg0",
             [](const SharedLibrary&) -> std::string { return "present"; }),
  };
}

}  // namespace deepsad
