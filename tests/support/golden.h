// The golden values that ship beside the project, and the deterministic fill they were made with.
#pragma once

#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

namespace deepsad::testing {

/// One block of seed-golden-values.json; throws if the file or block is missing (a missing file must fail a
/// test).
inline const nlohmann::json& golden(const std::string& block) {
  static const nlohmann::json all = [] {
    const std::string path = std::string(DEEPSAD_SHARED_DIR) + "/spec/seed-golden-values.json";
    std::ifstream in(path);
    if (!in) throw std::runtime_error("cannot open " + path);
    return nlohmann::json::parse(in);
  }();
  return all.at(block);
}

/// The fill u(k, j) of the specification, appendix B.1.
inline double u(std::uint32_t k, std::uint32_t j) {
  std::uint32_t h = k * 2654435761U + (97U * j + 1U);
  h ^= h >> 16;
  h *= 0x85EBCA6BU;
  h ^= h >> 13;
  h *= 0xC2B2AE35U;
  h ^= h >> 16;
  return h / 4294967296.0;
}

}  // namespace deepsad::testing
