#!/usr/bin/env bash
# Fails, naming file, line and target, if a link of a Markdown page leads to a file that is not there.
set -euo pipefail
cd "$(dirname "$0")/.."
status=0
while IFS=: read -r page line link; do
  target=${link#](}
  target=${target%)}
  target=${target%%#*}
  case "$target" in "" | http://* | https://* | mailto:*) continue ;; esac
  if [ ! -e "$(dirname "$page")/$target" ]; then
    echo "$page:$line: link to $target, which is not there" >&2
    status=1
  fi
done < <(grep -rnoE '\]\([^) ]+\)' --include='*.md' README.md HACKING.md CHANGELOG.md docs)
exit $status
