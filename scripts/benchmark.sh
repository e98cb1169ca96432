#!/usr/bin/env bash
# Runs every benchmark beside its peers (PyTorch, scikit-learn, CVXOPT) and writes JSON and Markdown tables.
#   scripts/benchmark.sh DATA OUT            DATA: folder of the data sets; OUT: a new folder
#   scripts/benchmark.sh DATA OUT --quick    fewer rounds, PyTorch's long jobs continued from short ones (the tables say so)
# Takes 60 to 90 minutes on two quiet cores, --quick 12 to 20. A busy machine gives figures that mean little: the tables name the load.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -lt 2 ] || [ $# -gt 3 ] || [ "${3:---quick}" != --quick ]; then
  echo "usage: $0 DATA OUT [--quick]" >&2
  exit 2
fi
data=$1 out=$2
repetitions=3 steps=() jobs=() shallow=()
if [ $# -eq 3 ]; then
  repetitions=1
  steps=(--rounds 5 --seconds 0.25 --networks mnist_LeNet fmnist_LeNet cifar10_LeNet arrhythmia_mlp cardio_mlp
         mnist_VAE mnist_DGM_M2 mnist_DGM_M1M2)
  jobs=(--rounds 1 --peer-epochs 3)
  shallow=(--rounds 1 --ssad-widths 1 --kde-rows 2000)
fi
if [ -e "$out" ]; then
  echo "$0: $out exists already; name a new folder" >&2
  exit 2
fi
mkdir -p "$out"
step() { printf '\n== %s (%s)\n' "$1" "$(date +%H:%M:%S)"; }

scripts/install_packages.sh benchmark
cmake --preset benchmark >/dev/null
cmake --build --preset benchmark
python=/usr/bin/python3  # Debian's, which has Debian's PyTorch and scikit-learn
bench=build/benchmark/benchmarks

step "kernels"
"$bench/kernels/kernel_benchmarks" --benchmark_min_time=0.05 --benchmark_repetitions="$repetitions" \
  --benchmark_enable_random_interleaving=true \
  --benchmark_out="$out/kernels.json" --benchmark_out_format=json >"$out/kernels.txt"

step "training steps beside PyTorch"
"$python" benchmarks/training/compare.py --bench "$bench/training/training_bench" --out "$out" "${steps[@]}"

step "whole jobs beside PyTorch"
"$python" benchmarks/jobs/compare_jobs.py --program build/benchmark/deepsad --bench "$bench/jobs/scoring_bench" \
  --data "$data" --out "$out" "${jobs[@]}"

step "shallow detectors beside scikit-learn and CVXOPT"
"$python" benchmarks/detectors/compare.py --bench "$bench/detectors/shallow_bench" --data "$data/mnist" --out "$out" "${shallow[@]}"

step "done"
cat "$out"/*.md
