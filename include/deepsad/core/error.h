// The exceptions of the library. Everything the library refuses is one of these; it never prints and never
// exits.
#pragma once

#include <stdexcept>
#include <string>

namespace deepsad {

/// Base of all errors thrown by the library. what() names the place, the value found, the value wanted and
/// the remedy.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// An option or argument is out of its range, or two of them contradict each other. (Program: exit code 2.)
class InvalidArgument : public Error {
 public:
  using Error::Error;
};

/// Input data cannot be used: truncated, inconsistent, non-finite, missing. The message starts with the
/// file's name. (Program: exit code 3.)
class DataError : public Error {
 public:
  using Error::Error;
};

/// A model file is truncated, altered, foreign or newer than this library. (Program: exit code 4.)
class ModelError : public Error {
 public:
  using Error::Error;
};

/// A computation left the real numbers: NaN or infinity in a loss, weight or score. (Program: exit code 1.)
class NumericError : public Error {
 public:
  using Error::Error;
};

/// A test metric was asked for over rows that training or the choice of hyper-parameters saw. (Program: exit
/// code 1.)
class LeakError : public Error {
 public:
  using Error::Error;
};

/// The operating system refused: unwritable folder, full disk, file exists. (Program: exit code 1.)
class IoError : public Error {
 public:
  using Error::Error;
};

/// Work ended early because a StopToken asked for it. (Program: exit code 130.)
class Interrupted : public Error {
 public:
  using Error::Error;
};

/// The name among @p known that is closest to @p name by edit distance, or "" if none is close (more than a
/// third of the letters differ). For "unknown X; did you mean Y?" messages.
[[nodiscard]] std::string nearest_name(const std::string& name, const std::string* known,
                                       std::size_t n_known);

}  // namespace deepsad
