#!/usr/bin/env bash
# From a fresh Debian 12 to a trained detector: installs what is missing, builds build/release/deepsad, and trains Deep SAD on
# the built-in signs (class 0 normal, a few labelled anomalies of class 1). The last line printed is the path of the
# run's page: open it in a browser.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install_packages.sh build
cmake --preset release >/dev/null
cmake --build --preset release

exec build/release/deepsad train glyphs --normal-class 0 --known-outlier-class 1 --n-known-outlier-classes 1 \
  --ratio-known-outlier 0.01 --ratio-pollution 0.1 --lr 0.0005 --n-epochs 50 --lr-milestone 35 --ae-lr 0.001 \
  --ae-n-epochs 30 --seed 1 --out runs/demo --new-run "$@"
