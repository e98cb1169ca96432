"""Fails if the scoring library holds training code, or shows other symbols than its header declares.

check_symbols.py --nm NM --header deepsad.h --archive libdeepsad_scoring.a --program PROGRAM --whole libdeepsad.a
"""
import argparse
import os
import re
import subprocess

# What training consists of, as names of functions. Each must be in the whole library, so that a renamed function
# does not go unnoticed here.
TRAINING = [
    "kernels::adam(",
    "kernels::conv2d_weight_gradient(",
    "kernels::dense_weight_gradient(",
    "kernels::batch_norm_backward(",
    "::forward_backward(",
    "deepsad::split_off_validation(",
    "deepsad::solve_dual(",
    "deepsad::compute_center(",
    "deepsad::initial_state(",
    "deepsad::check_labels_used(",
    "deepsad::train_run(",
    "deepsad::fit_model(",
    "deepsad::fetch_named_set(",
    "sqlite3_",
    "png_",
]

parser = argparse.ArgumentParser()
for name in ("nm", "header", "archive", "program", "whole"):
    parser.add_argument(f"--{name}", required=True)
arguments = parser.parse_args()


def symbols(path, *options):
    output = subprocess.run([arguments.nm, *options, path], check=True, capture_output=True, text=True).stdout
    return [m.groups() for m in re.finditer(r"^[0-9a-f ]{16} (\w) (.+)$", output, re.MULTILINE)]


problems = []
whole = [name for _, name in symbols(arguments.whole, "-C")]
scoring = [name for _, name in symbols(arguments.archive, "-C")]
program = [name for _, name in symbols(arguments.program, "-C")]
for text in TRAINING:
    if not any(text in name for name in whole):
        problems.append(f"{arguments.whole} has no symbol with \"{text}\": name what took its place in {__file__}")
    for path, names in ((arguments.archive, scoring), (arguments.program, program)):
        found = [name for name in names if text in name]
        if found:
            problems.append(f"{path} holds training code: {found[0]}")
if not any("deepsad::Model::from_bytes(" in name for name in scoring):
    problems.append(f"{arguments.archive} holds no deepsad::Model::from_bytes(: is it the scoring library?")

with open(arguments.header) as header:
    declared = set(re.findall(r"^DEEPSAD_C_API [^;(]*?(deepsad_\w+)\(", header.read(), re.MULTILINE))
shown = {name for kind, name in symbols(arguments.archive, "-g", "--defined-only") if kind not in "VWu"}
for name in sorted(declared - shown):
    problems.append(f"{arguments.archive} lacks {name}, which the header declares")
for name in sorted(shown - declared):
    problems.append(f"{arguments.archive} shows {name}, which the header does not declare")

print(f"{os.path.getsize(arguments.archive)} bytes: {arguments.archive}, {len(shown)} symbols shown")
print(f"{os.path.getsize(arguments.program)} bytes: {arguments.program}, not stripped")
raise SystemExit("\n".join(problems) if problems else 0)
