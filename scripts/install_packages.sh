#!/usr/bin/env bash
# install_packages.sh build|python|test|fuzz|benchmark: installs the Debian packages that the build (and the tests, and the peers of
# the benchmarks) need, only those missing.
set -euo pipefail

build_packages=(
  build-essential cmake ninja-build pkg-config
  libarchive-dev libboost-math-dev libcairo2-dev libcli11-dev libcurl4-openssl-dev libfmt-dev libhwy-dev libisal-dev libopenmpi-dev libpng-dev libsqlite3-dev libssl-dev libturbojpeg0-dev
  libtomlplusplus-dev nlohmann-json3-dev
)
python_packages=(pybind11-dev python3-dev python3-numpy python3-pip python3-scipy python3-sklearn python3-venv)
test_packages=(chromium clang-format debootstrap dpkg-dev fish groff-base zsh googletest libbenchmark-dev libgmock-dev libgtest-dev libmatio-dev mypy nodejs npm openmpi-bin python3 python3-onnx python3-pandas python3-torch)
fuzz_packages=(clang libclang-rt-dev)
benchmark_packages=(libopenblas0-pthread python3-cvxopt python3-numpy python3-scipy python3-sklearn python3-torch)

case "${1:-}" in
  build) wanted=("${build_packages[@]}") ;;
  python) wanted=("${build_packages[@]}" "${python_packages[@]}") ;;
  test) wanted=("${build_packages[@]}" "${python_packages[@]}" "${test_packages[@]}") ;;
  fuzz) wanted=("${build_packages[@]}" "${fuzz_packages[@]}") ;;
  benchmark) wanted=("${build_packages[@]}" "${python_packages[@]}" "${test_packages[@]}" "${benchmark_packages[@]}") ;;
  *) echo "usage: $0 build|python|test|fuzz|benchmark" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "deepsad: this system has no apt-get. Install the counterparts of these Debian packages, then run cmake --preset release:" >&2
  echo "  ${wanted[*]}" >&2
  exit 1
fi
missing=()
for package in "${wanted[@]}"; do
  case "$package" in nodejs | npm)  # often from elsewhere, whose packages Debian's would push out
    command -v "${package/nodejs/node}" >/dev/null && continue ;;
  esac
  state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
    as_root=(sudo)
  else
    echo "deepsad: these packages are missing and installing them needs root: ${missing[*]}" >&2
    echo "Ask an administrator to run:  apt-get install ${missing[*]}" >&2
    exit 1
  fi
fi
echo "deepsad: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
if ! "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; then
  echo "deepsad: apt-get could not install ${missing[*]}; see its message above" >&2
  exit 1
fi
