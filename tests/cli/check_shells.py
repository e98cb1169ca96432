#!/usr/bin/env python3
"""Completes command lines in real shells (bash, zsh, fish) with the scripts of `deepsad completion`, and checks the manual page with
groff.

    tests/cli/check_shells.py --program build/release/deepsad

Needs the Debian packages bash, fish, groff-base, zsh.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile

# Command line up to the cursor, words that must be offered, words that must not.
CASES = [
    ("tr", {"train"}, {"data"}),
    ("data ", {"list", "info", "fetch"}, {"train"}),
    ("train --meth", {"--method"}, {"--lr"}),
    ("train --method dg", {"dgm_m2", "dgm_m1m2"}, {"deep_sad"}),
    ("train fmn", {"fmnist"}, {"mnist"}),
    ("experiment run --st", {"--store"}, {"--jobs"}),
    ("experiment run --store x --joi", {"--join"}, {"--store"}),
    ("baseline ssad --kap", {"--kappa"}, {"--nu"}),
]


def run(command, **options):
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, **options)
    if result.returncode != 0 or result.stderr:
        sys.exit(f"check_shells.py: {' '.join(command[:2])} ended with {result.returncode}: {result.stderr}")
    return result.stdout


def bash(script, line):
    code = f"""source {script}
COMP_WORDS=(deepsad {line.replace(' ', ' ')}{' ""' if line.endswith(' ') else ''}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
compopt() {{ :; }}  # only within a real completion
_deepsad; printf '%s\\n' "${{COMPREPLY[@]}}" """
    return set(run(["bash", "-c", code]).split())


def fish(script, line):
    lines = run(["fish", "--no-config", "-c", f"source {script}; complete -C 'deepsad {line}'"]).splitlines()
    return {entry.split("\t")[0] for entry in lines}


def zsh(script, line, folder):
    # In a pseudo-terminal: what the shell itself makes of the function. Every match is printed instead of shown.
    shutil.copy(script, os.path.join(folder, "_deepsad"))
    code = f"""
zmodload zsh/zpty
zpty child zsh -f -i
line() {{ zpty -w child "$1" }}
line 'PROMPT=; fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -D'
line 'compadd() {{ local -a found; builtin compadd -O found "$@"; print -r -- "MATCH ${{found[*]}}" >> {folder}/matches; builtin compadd "$@" }}'
line ': > {folder}/ready'
while [[ ! -e {folder}/ready ]] {{ sleep 0.05 }}
zpty -w -n child $'deepsad {line}\\t'
zpty -w -n child $'\\C-u'
line ': > {folder}/done'
repeat 200 {{ [[ -e {folder}/done ]] && break; sleep 0.05 }}
zpty -d child
"""
    for name in ("matches", "ready", "done"):
        if os.path.exists(os.path.join(folder, name)):
            os.remove(os.path.join(folder, name))
    subprocess.run(["zsh", "-f", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    if not os.path.exists(os.path.join(folder, "matches")):
        return set()
    with open(os.path.join(folder, "matches"), encoding="utf-8") as file:
        return set(file.read().split()) - {"MATCH"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    program = parser.parse_args().program
    missing = [shell for shell in ("bash", "zsh", "fish", "groff") if not shutil.which(shell)]
    if missing:
        sys.exit(f"check_shells.py: not installed: {' '.join(missing)}")
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        for shell, complete in (("bash", bash), ("fish", fish), ("zsh", lambda script, line: zsh(script, line, folder))):
            script = os.path.join(folder, "deepsad." + shell)
            with open(script, "w", encoding="utf-8") as file:
                file.write(run([program, "completion", shell]))
            run([shell, "-n", script])
            for line, wanted, unwanted in CASES:
                found = complete(script, line)
                if not wanted <= found or found & unwanted:
                    failures.append(f"{shell}: `deepsad {line}` offers {sorted(found)[:20]}, wanted {sorted(wanted)}")
        page = run([program, "manual"])
        text = run(["groff", "-man", "-Tascii", "-ww"], input=page)
        for word in ("--checkpoint-every", "EXIT STATUS", "deepsad experiment run"):
            if word not in text.replace("\b", ""):
                plain = run(["groff", "-man", "-Tascii", "-P-cbou"], input=page)
                if word not in plain:
                    failures.append(f"the manual page lacks {word}")
    for failure in failures:
        print("check_shells.py: " + failure, file=sys.stderr)
    sys.exit(1 if failures else 0)


main()
