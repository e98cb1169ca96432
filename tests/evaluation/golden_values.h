// Values that peers computed: tests/golden/*.json, each beside the script that wrote it.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

namespace deepsad {

inline nlohmann::json golden_values(const std::string& file) {
  const std::string path = std::string(DEEPSAD_TESTS_DIR) + "/golden/" + file;
  std::ifstream in(path);
  if (!in) throw std::runtime_error("cannot open " + path);
  return nlohmann::json::parse(in);
}

}  // namespace deepsad
