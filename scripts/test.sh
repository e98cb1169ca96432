#!/usr/bin/env bash
# Builds and runs all tests: formatting, links of the documentation, the whole suite, then again under the sanitizers. Installs what is missing.
#   scripts/test.sh           everything (what CI runs)
#   scripts/test.sh --quick   the suite alone
set -euo pipefail
cd "$(dirname "$0")/.."

quick=no
case "${1:-}" in
  "") ;;
  --quick) quick=yes ;;
  *) echo "usage: $0 [--quick]" >&2; exit 2 ;;
esac
step() { printf '\n== %s (%s)\n' "$1" "$(date +%H:%M:%S)"; }

step "packages"
scripts/install_packages.sh test

step "format and links"
scripts/check_format.sh
scripts/check_docs.sh

step "build with warnings as errors"
cmake --preset dev >/dev/null
cmake --build --preset dev

step "tests"
ctest --preset dev

if [ "$quick" = no ]; then
  step "build with address and undefined-behaviour sanitizers"
  cmake --preset asan-ubsan >/dev/null
  cmake --build --preset asan-ubsan
  step "tests under address and undefined-behaviour sanitizers"
  ctest --preset asan-ubsan

  step "build with the thread sanitizer"
  cmake --preset tsan >/dev/null
  cmake --build --preset tsan --target threaded_tests
  step "threaded tests under the thread sanitizer"
  # Without address randomisation: g++ 12's thread sanitizer cannot map its shadow on kernels with 32 random bits.
  setarch "$(uname -m)" --addr-no-randomize ctest --preset tsan
fi
step "done"
