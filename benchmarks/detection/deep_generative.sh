#!/bin/sh
# The runs behind the section "Deep generative models" of docs/results.md:
#
#     benchmarks/detection/deep_generative.sh PROGRAM DATA OUT [odds|mnist]
#
# Every line of `deepsad train` makes many runs; OUT/*/summary.csv holds the figures of each. Without a last word, both
# parts run.
set -eu
if [ $# -lt 3 ]; then
  sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
program=$1 data=$2 out=$3 part=${4:-all}
labels="--n-known-outlier-classes 1"

if [ "$part" != mnist ]; then
  for table in thyroid satimage-2; do
    for method in dgm_m2 dgm_m1m2; do
      "$program" train "$table" --data-dir "$data" --method "$method" $labels --ratio-known-outlier 0.01 --seeds 1-10 \
        --vary preset=none,paper --quiet --out "$out/$table-$method"
    done
  done
fi
if [ "$part" != odds ]; then
  # The paper takes every other class in turn as the known anomaly; KNOWN="0 1 ... 9" does, three of them are quicker.
  for normal in 0 2; do
    known=$(echo "${KNOWN:-1 5 9}" | tr ' ' '\n' | grep -v "^$normal\$" | paste -sd,)
    for method in dgm_m1m2 dgm_m2; do
      "$program" train mnist --data-dir "$data" --method "$method" $labels --normal-class "$normal" --preset paper --seed 1 \
        --vary ratio_known_outlier=0.01,0.05 --vary "known_outlier_class=$known" --quiet --out "$out/mnist-$normal-$method"
    done
  done
fi
