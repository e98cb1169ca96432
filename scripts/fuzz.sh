#!/usr/bin/env bash
# Runs the fuzzers of the readers (clang's libFuzzer, address and undefined-behaviour sanitizers), one after the other.
#   scripts/fuzz.sh [SECONDS [TARGET...]]    SECONDS for each target, 600 by default; all targets by default
# What libFuzzer learns is kept in build/fuzz/corpus/TARGET, what it finds in build/fuzz/findings; a finding ends with exit code 1.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-600}
if ! [[ $seconds =~ ^[0-9]+$ ]]; then
  echo "usage: $0 [SECONDS [TARGET...]]" >&2
  exit 2
fi
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || for folder in tests/fuzz/corpus/*/; do targets+=("$(basename "$folder")"); done

scripts/install_packages.sh fuzz
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz
mkdir -p build/fuzz/findings
# Deliberate limits of a run: an input that needs more is a finding.
limits=(-timeout=20 -rss_limit_mb=2048 -max_len=8192)
failed=0
printf '%-12s %12s %10s %10s  %s\n' target inputs seconds corpus finding
for target in "${targets[@]}"; do
  mkdir -p "build/fuzz/corpus/$target"
  log="build/fuzz/findings/$target.log"
  finding=none
  start=$SECONDS
  build/fuzz/tests/fuzz/"${target}_fuzzer" "build/fuzz/corpus/$target" "tests/fuzz/corpus/$target" \
    -max_total_time="$seconds" "${limits[@]}" -artifact_prefix="build/fuzz/findings/$target-" -print_final_stats=1 \
    >"$log" 2>&1 || { finding="see $log"; failed=1; }
  inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  printf '%-12s %12s %10s %10s  %s\n' "$target" "${inputs:-?}" $((SECONDS - start)) "$(ls "build/fuzz/corpus/$target" | wc -l)" "$finding"
done
exit $failed
