#!/usr/bin/env bash
# Fails, naming the files, if a source file is not formatted as .clang-format says. --fix formats them.
set -euo pipefail
cd "$(dirname "$0")/.."
# From the folders, not from git: a file that is not added yet counts too.
mapfile -t files < <(find benchmarks cli examples include mpi python src tests -name '*.h' -o -name '*.cpp')
if [ "${1:-}" = --fix ]; then
  exec clang-format -i "${files[@]}"
fi
clang-format --dry-run --Werror "${files[@]}"
echo "${#files[@]} files are formatted"
