// fuzz_replay TARGET FOLDER [--trace]: every file of the folder through a target, then changed at random,
// with a fixed seed; for builds without libFuzzer. --trace names each input before it runs, which finds the
// one that fails.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string_view>
#include <vector>

#include "fuzz/targets.h"

namespace {

using deepsad::fuzz::kTargets;
using deepsad::fuzz::Target;
using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kRounds = 1000;        // changed copies of each file
constexpr std::size_t kMostBytes = 1 << 16;  // of a changed copy

// One change: a bit, a byte that means something in many formats, a piece left out, doubled or taken from
// another file.
void change(Bytes& bytes, const Bytes& other, std::mt19937& random) {
  const auto below = [&](std::size_t n) { return n == 0 ? 0 : random() % n; };
  const auto at = [](Bytes& b, std::size_t i) { return b.begin() + static_cast<std::ptrdiff_t>(i); };
  const std::size_t place = below(bytes.size());
  const std::size_t length = std::min(bytes.size() - place, 1 + below(16));
  switch (random() % 6) {
    case 0:
      if (!bytes.empty()) bytes[place] = static_cast<std::uint8_t>(bytes[place] ^ (1U << below(8)));
      break;
    case 1: {
      constexpr std::string_view kTelling("\0\xff\x7f\x80\"'=,;\n\r\t 0-e[]{}", 20);
      if (!bytes.empty()) bytes[place] = static_cast<std::uint8_t>(kTelling[below(kTelling.size())]);
      break;
    }
    case 2:
      bytes.erase(at(bytes, place), at(bytes, place + length));
      break;
    case 3: {
      const Bytes piece(at(bytes, place), at(bytes, place + length));
      bytes.insert(at(bytes, place), piece.begin(), piece.end());
      break;
    }
    case 4: {
      const std::size_t from = below(other.size());
      const std::size_t n = std::min(other.size() - from, 1 + below(64));
      const Bytes piece(other.begin() + static_cast<std::ptrdiff_t>(from),
                        other.begin() + static_cast<std::ptrdiff_t>(from + n));
      bytes.insert(at(bytes, place), piece.begin(), piece.end());
      break;
    }
    default:
      if (random() % 4 == 0) bytes.resize(place);
  }
  if (bytes.size() > kMostBytes) bytes.resize(kMostBytes);
}

}  // namespace

int main(int n_arguments, char** arguments) {
  const bool trace = n_arguments == 4 && std::string_view(arguments[3]) == "--trace";
  if (n_arguments != 3 && !trace) {
    std::fprintf(stderr, "usage: fuzz_replay TARGET FOLDER [--trace]\n");
    return 2;
  }
  const std::string_view name = arguments[1];
  const auto* const target =
      std::find_if(kTargets.begin(), kTargets.end(), [&](const Target& t) { return name == t.name; });
  if (target == kTargets.end()) {
    std::fprintf(stderr, "fuzz_replay: unknown target %s\n", arguments[1]);
    return 2;
  }
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(arguments[2])) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  if (paths.empty()) {
    std::fprintf(stderr, "fuzz_replay: %s holds no file\n", arguments[2]);
    return 1;
  }
  std::vector<Bytes> files;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    files.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  std::mt19937 random(1);
  for (std::size_t i = 0; i < files.size(); ++i) {
    for (std::size_t round = 0; round <= kRounds; ++round) {
      Bytes bytes = files[i];
      for (std::size_t n = round == 0 ? 0 : 1 + random() % 4; n > 0; --n)
        change(bytes, files[random() % files.size()], random);
      if (trace) std::fprintf(stderr, "%s, round %zu\n", paths[i].c_str(), round);
      target->run(bytes);
    }
  }
  return 0;
}
