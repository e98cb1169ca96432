// Command lines that are refused, a table of them.
#pragma once

#include <string>
#include <vector>

namespace deepsad::test {

struct Refusal {
  std::vector<std::string> words;
  int exit_code;
  std::string message;  ///< what the error must say
};

/// Runs `deepsad START WORDS` for each: it must end with the exit code and one message that holds the text,
/// and print nothing.
void expect_refusals(const std::vector<std::string>& start, const std::vector<Refusal>& refusals);

}  // namespace deepsad::test
