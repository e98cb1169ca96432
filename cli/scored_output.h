// Where `deepsad score` puts its results, and what it is told about them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arguments.h"
#include "console.h"
#include "deepsad/data/table_file.h"
#include "deepsad/model/model.h"
#include "deepsad/storage/atomic_file.h"

namespace deepsad::cli {

/// --threshold KIND:VALUE or a score, chosen on the model's calibration rows; empty if it was not given.
/// @throws InvalidArgument naming the option
[[nodiscard]] std::optional<Threshold> threshold_option(const Arguments& arguments, const Model& model);

/// One line on standard error: what was detected and counted in a file.
void note_messages(const std::string& file, const std::vector<std::string>& messages, Console& console);

/// Text to standard output, or to a new file (--out) that appears when it is complete.
class ScoredOutput {
 public:
  /// @param path "" for standard output   @throws IoError if the file cannot be
  ScoredOutput(const std::string& path, Console& console);
  void append(std::string_view text);
  /// Everything has arrived where it belongs.
  void finish();

 private:
  Console& console_;
  std::unique_ptr<NewFile> file_;
};

/// "LINE,REASON", a line of the file of rejected rows.
[[nodiscard]] std::string rejects_csv_line(const RejectedRow& row);
inline constexpr const char* kRejectsHeader = "line,reason\n";

}  // namespace deepsad::cli
