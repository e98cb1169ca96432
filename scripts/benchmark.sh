#!/usr/bin/env bash
# Runs every benchmark beside its peers (PyTorch, scikit-learn, CVXOPT) and writes JSON and Markdown tables.
#   scripts/benchmark.sh DATA OUT        DATA: folder of the data sets; OUT: a new folder
# Takes about half an hour on two quiet cores. A busy machine gives figures that mean little: the tables name the load.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -ne 2 ]; then
  echo "usage: $0 DATA OUT" >&2
  exit 2
fi
data=$1 out=$2
if [ -e "$out" ]; then
  echo "$0: $out exists already; name a new folder" >&2
  exit 2
fi
mkdir -p "$out"
step() { printf '\n== %s (%s)\n' "$1" "$(date +%H:%M:%S)"; }

scripts/install_packages.sh benchmark
for preset in release dev; do
  cmake --preset "$preset" >/dev/null
  cmake --build --preset "$preset"
done
python=/usr/bin/python3  # Debian's, which has Debian's PyTorch and scikit-learn
bench=build/dev/benchmarks

step "kernels"
"$bench/kernels/kernel_benchmarks" --benchmark_min_time=0.05 --benchmark_repetitions=3 \
  --benchmark_enable_random_interleaving=true --benchmark_report_aggregates_only=true \
  --benchmark_out="$out/kernels.json" --benchmark_out_format=json >"$out/kernels.txt"

step "training steps beside PyTorch"
"$python" benchmarks/training/compare.py --bench "$bench/training/training_bench" --out "$out"

step "whole jobs beside PyTorch"
"$python" benchmarks/jobs/compare_jobs.py --program build/release/deepsad --bench "$bench/jobs/scoring_bench" \
  --data "$data" --out "$out"

step "done"
cat "$out"/*.md
