// What the targets share.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "deepsad/core/error.h"
#include "deepsad/storage/byte_stream.h"
#include "fuzz/targets.h"

namespace deepsad::fuzz {

/// Ends the process, which the fuzzer reports as a finding.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

/// Runs f; a refusal is a result like any other. @returns whether it was accepted
template <class F>
bool accepted(F&& f) {
  try {
    f();
    return true;
  } catch (const Error& error) {
    require(error.what()[0] != '\0', "an error says why");
    return false;
  }
}

inline std::string text_of(Input input) {
  return {reinterpret_cast<const char*>(input.data()), input.size()};
}

/// The bytes in portions, as a pipe delivers them.
class PortionStream final : public ByteStream {
 public:
  PortionStream(Input bytes, std::size_t portion) : ByteStream("input"), rest_(bytes), portion_(portion) {}
  std::string file_sha256() override { return ""; }

 private:
  std::size_t read_some(std::span<std::uint8_t> dst) override {
    const std::size_t n = std::min({dst.size(), portion_, rest_.size()});
    std::copy_n(rest_.begin(), n, dst.begin());
    rest_ = rest_.subspan(n);
    return n;
  }
  Input rest_;
  std::size_t portion_;
};

}  // namespace deepsad::fuzz
