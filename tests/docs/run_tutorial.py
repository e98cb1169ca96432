#!/usr/bin/env python3
"""Runs every ```sh block of a page as a reader would: in order, in one folder, with deepsad on the PATH.

Usage: run_tutorial.py --program build/dev/deepsad docs/tutorial.md. Fails at the first command that fails, and if
what the page says of the results does not hold.
"""

import argparse
import csv
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

# Commands that end with another exit code than 0 on purpose: none so far.
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def run_blocks(page, program, folder):
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    (bin_folder / "deepsad").symlink_to(program)
    environment = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}"}
    outputs = []
    for block in BLOCK.findall(page):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=folder, env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600)
        if done.returncode != 0:
            raise SystemExit(f"exit code {done.returncode} of\n{block}\n{done.stderr.decode()}")
        outputs.append(done.stdout.decode())
    return outputs


def check(holds, what):
    if not holds:
        raise SystemExit(f"the page says, but it does not hold: {what}")


def check_claims(outputs, folder):
    """What the text between the commands says."""
    check("label_leak: refund" in outputs[1], "the check finds the leak")
    names = [finding["name"] for finding in json.loads((folder / "check.json").read_text())["findings"]]
    check("rows_in_both" not in names and "drift" not in names, "the two files are alike and share no rows")
    evaluation = outputs[4]
    recall = float(re.search(r"anomalies: ([\d.]+) %", evaluation).group(1))
    check(recall > 60, f"most frauds are found; the recall is {recall} %")
    check("false alarms" in evaluation and "recall" in evaluation, "the evaluation judges the threshold")
    auc = float(re.search(r"test AUC\s+([\d.]+) %", evaluation).group(1))
    check(auc > 90, f"the model works; its AUC is {auc} %")
    rows = list(csv.DictReader((folder / "scores.csv").open()))
    check(len(rows) == 300 and rows[0]["row"] == "t0", "a line an order, by its id")
    check(set(rows[0]) == {"row", "score", "label", "p_value"}, "score, label and p-value")
    explanation = next(output for output in outputs if "contribution" in output)
    most_unusual = max(rows, key=lambda row: float(row["score"]))
    check(f"({most_unusual['row']}): score" in explanation, "the most unusual order is explained first")
    check(re.search(r"^  (amount|minutes|items) ", explanation, re.MULTILINE), "columns are named")
    check(any("looked at: " in output for output in outputs), "the doctor says what it looked at")
    check((folder / "bad.csv").read_text() == "line,reason\n", "no order is bad")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("page")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        outputs = run_blocks(Path(arguments.page).read_text(), Path(arguments.program).resolve(), folder)
        check_claims(outputs, folder)
        print(f"{len(outputs)} blocks of commands ran, and what the page says of them holds")


if __name__ == "__main__":
    main()
