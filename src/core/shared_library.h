// Libraries that are loaded when they are first used, and not with the program: each brings up to forty
// others, whose loading takes longer than many a whole job.
#pragma once

#include <string>

namespace deepsad {

/// A shared library of the system, loaded by the constructor and kept until the program ends.
///
/// For each library a struct holds one pointer for every function in use, with the type that its header says:
///
///     struct Zlib {
///       SharedLibrary library{"libz.so.1", "zlib1g"};
///       decltype(&::zlibVersion) version = library.function("zlibVersion");
///     };
///     const Zlib& zlib() { static const Zlib loaded; return loaded; }   // once, from any thread
class SharedLibrary {
 public:
  /// An address that becomes a pointer to a function of whatever type is wanted.
  class Function {
   public:
    explicit Function(void* address) : address_(address) {}
    template <class Type>
    operator Type*() const {  // NOLINT(google-explicit-constructor): its whole purpose
      return reinterpret_cast<Type*>(address_);
    }

   private:
    void* address_;
  };

  /// @param soname the name that its headers belong to, "libz.so.1"
  /// @param package the Debian package that holds it, for the message
  /// @throws Error if it cannot be loaded
  SharedLibrary(const char* soname, const char* package);

  /// @throws Error if the library lacks it
  [[nodiscard]] Function function(const char* name) const;

 private:
  std::string soname_;
  std::string package_;
  void* handle_;
};

}  // namespace deepsad
