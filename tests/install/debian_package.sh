#!/usr/bin/env bash
# Makes the Debian packages of a build and installs, uses and removes them in a fresh minimal Debian.
#   debian_package.sh BUILD WORK     needs root and Debian's archive (as apt-get is configured here)
set -euo pipefail
build=$1 work=$2
fail() { echo "debian_package.sh: $*" >&2; exit 1; }
[ "$(id -u)" -eq 0 ] || fail "needs root: a Debian root is made with debootstrap. As another user leave this test out: ctest -E install.debian"

rm -rf "$work"
mkdir -p "$work"
(cd "$build" && cpack -G DEB -B "$work/packages" >"$work/cpack.log" 2>&1) || { cat "$work/cpack.log" >&2; fail "cpack failed"; }
rm -rf "$work/packages/_CPack_Packages"
ls -l "$work/packages"

. /etc/os-release
mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' "Created-By: Packages" |
  awk -v release="$VERSION_CODENAME" '$2 == release && $3 == "main" {print $1; exit}')
[ -n "$mirror" ] || fail "apt-get knows no archive of $VERSION_CODENAME"
root=$work/root
debootstrap --variant=minbase "$VERSION_CODENAME" "$root" "$mirror" >"$work/debootstrap.log" 2>&1 ||
  { tail -20 "$work/debootstrap.log" >&2; fail "debootstrap failed"; }
cp /etc/resolv.conf "$root/etc/" 2>/dev/null || true
cp "$work"/packages/*.deb "$root/var/"
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"; }
inside apt-get update -qq
files() { (cd "$root" && find etc usr opt bin lib ! -type d | sort); }

# What it needs, without it: so that removing it must leave just that.
depends=$(inside apt-get install -s --no-install-recommends $(cd "$root" && ls var/deepsad_*.deb | sed 's#^#/#') |
  awk '$1 == "Inst" && $2 != "deepsad" {print $2}')
inside apt-get install -y -qq --no-install-recommends $depends >"$work/apt.log" 2>&1 || { tail -20 "$work/apt.log" >&2; fail "its dependencies cannot be installed"; }
files >"$work/before"

package=/var/$(basename "$root"/var/deepsad_*.deb)
inside dpkg -i "$package" >>"$work/apt.log" 2>&1 || { tail -20 "$work/apt.log" >&2; fail "dpkg -i failed"; }
inside deepsad version | tee "$work/version"
grep -q '^missing' "$work/version" && fail "a library that it loads is not among its dependencies"
inside deepsad train toy2d --out /tmp/run --seed 1 --n-epochs 2 --ae-n-epochs 2
[ -s "$root/tmp/run/page.html" ] || fail "the training left no report: $(ls "$root/tmp/run")"
inside sh -c 'gzip -t /usr/share/man/man1/deepsad.1.gz && test -s /usr/share/bash-completion/completions/deepsad &&
  test -s /usr/share/zsh/vendor-completions/_deepsad && test -s /usr/share/fish/vendor_completions.d/deepsad.fish &&
  test -s /usr/share/doc/deepsad/copyright' || fail "manual page, completions or copyright are not where they belong"
inside dpkg --verify deepsad >"$work/verify"
[ ! -s "$work/verify" ] || { cat "$work/verify" >&2; fail "installed files differ from the package"; }

inside dpkg --purge deepsad >>"$work/apt.log" 2>&1 || fail "dpkg --purge failed"
files >"$work/after"
diff "$work/before" "$work/after" >&2 || fail "removing it leaves or takes away the files above"

# The other packages: all that they depend on exists.
for other in deepsad-mpi libdeepsad-dev; do
  inside sh -c "apt-get install -s --no-install-recommends /var/deepsad_*.deb /var/${other}_*.deb" >"$work/$other.log" 2>&1 ||
    { tail -20 "$work/$other.log" >&2; fail "$other cannot be installed"; }
done
rm -rf "$root"
echo "installs, runs and removes cleanly"
