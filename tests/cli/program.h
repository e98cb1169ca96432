// Runs the real program as a subprocess and catches what it says.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace deepsad::test {

struct Outcome {
  int exit_code = -1;  ///< 128 + signal number if a signal ended it
  std::string out, err;
};

struct RunSetup {
  std::vector<std::string> environment{};  ///< "NAME=value", added to this process's own
  std::string folder{};                    ///< working folder; "" = this process's
  bool close_stdout = false;               ///< start without standard output at all
  std::string stdout_file{};               ///< standard output goes here, e.g. /dev/full; "" = caught
  int stdout_descriptor = -1;              ///< standard output is this open descriptor; -1 = caught
  std::size_t max_file_bytes = 0;          ///< files cannot grow beyond this (a full disk); 0 = no limit
  std::string interrupt_when_exists{};     ///< SIGINT as soon as this file is there
};

/// Runs `deepsad` with these arguments and waits for its end (at most five minutes; then it is killed, exit
/// code 137).
Outcome run_deepsad(const std::vector<std::string>& arguments, const RunSetup& setup = {});

/// A fresh folder that vanishes with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  /// The folder, or a path in it.
  [[nodiscard]] std::string path(const std::string& name = "") const;

 private:
  std::filesystem::path path_;
};

[[nodiscard]] std::string read_text(const std::string& path);
void write_text(const std::string& path, const std::string& text);
/// A MAT file with one matrix of these values, row-major here.
void write_mat_matrix(const std::string& path, const std::string& name, const std::vector<double>& values,
                      std::size_t rows, std::size_t columns);

}  // namespace deepsad::test
