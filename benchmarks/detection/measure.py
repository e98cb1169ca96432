#!/usr/bin/env python3
"""Detection quality on real data: test AUC of `deepsad train` over seeds, next to the paper's figures.

    benchmarks/detection/measure.py --program build/release/deepsad --data-dir DATA --out DIR [SUITE ...]

A suite is a file beside this script: suites/NAME.json, a list of cells
    {"name": ..., "dataset": ..., "arguments": [...], "seeds": N, "paper": "95.0±1.6"}
Each seed of a cell is one run of the program with one thread; runs go side by side on all processors. A run folder that
already holds results.json is not run again, so an interrupted measurement goes on where it stopped. Writes
DIR/SUITE.json (every figure of every run) and DIR/SUITE.md (mean and standard deviation of each cell).

Needs python3 alone.
"""

import argparse
import concurrent.futures
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def suite_names():
    return sorted(name[:-5] for name in os.listdir(os.path.join(HERE, "suites")) if name.endswith(".json"))


def read_suite(name):
    path = os.path.join(HERE, "suites", name + ".json")
    if not os.path.exists(path):
        raise SystemExit(f"measure.py: no suite \"{name}\"; there are {', '.join(suite_names())}")
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def run(program, data_dir, folder, cell, seed):
    """Figures of one run; trains only if the folder holds no result yet."""
    results = os.path.join(folder, "results.json")
    if not os.path.exists(results):
        command = [program, "train", cell["dataset"], *cell["arguments"], "--data-dir", data_dir,
                   "--seed", str(seed), "--num-threads", "1", "--out", folder]
        if os.path.exists(folder):
            shutil.rmtree(folder)  # a run that was cut off
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stderr}")
    with open(results, encoding="utf-8") as file:
        found = json.load(file)
    return {"seed": seed, "test_auc": found["test_auc"], "average_precision": found["test_average_precision"],
            "train_time": found["train_time"],
            "findings": sorted(finding["name"] for finding in found["findings"])}


def percent(values):
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{100 * statistics.mean(values):.1f}±{100 * spread:.1f}"


def markdown(cells):
    lines = ["| cell | runs | test AUC % | average precision % | paper, AUC % |", "| --- | --- | --- | --- | --- |"]
    for cell in cells:
        runs = cell["runs"]
        lines.append(f"| {cell['name']} | {len(runs)} | {percent([r['test_auc'] for r in runs])} | "
                     f"{percent([r['average_precision'] for r in runs])} | {cell.get('paper', '')} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", help=f"suites to run (default all): {', '.join(suite_names())}")
    parser.add_argument("--program", required=True, help="the program deepsad")
    parser.add_argument("--data-dir", required=True, help="folder of the data sets")
    parser.add_argument("--out", required=True, help="folder for runs and tables; made if missing")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)),
                        help="runs at a time (default: processors)")
    arguments = parser.parse_args()

    for suite in arguments.suites or suite_names():
        cells = read_suite(suite)
        start = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
            for number, cell in enumerate(cells):
                cell["pending"] = [
                    pool.submit(run, arguments.program, arguments.data_dir,
                                os.path.join(arguments.out, suite, f"cell{number:03}", f"seed{seed}"), cell, seed)
                    for seed in range(1, cell["seeds"] + 1)]
            for cell in cells:
                cell["runs"] = [future.result() for future in cell.pop("pending")]
                print(f"{suite}: {cell['name']}: {percent([r['test_auc'] for r in cell['runs']])} "
                      f"(paper {cell.get('paper', '-')})", file=sys.stderr, flush=True)
        about = {"seconds": time.monotonic() - start, "jobs": arguments.jobs,
                 "version": subprocess.run([arguments.program, "version"], capture_output=True, text=True,
                                           check=True).stdout.splitlines()}
        for ending, text in ((".json", json.dumps({"about": about, "cells": cells}, indent=1) + "\n"),
                             (".md", markdown(cells))):
            with open(os.path.join(arguments.out, suite + ending), "w", encoding="utf-8") as file:
                file.write(text)
        print(markdown(cells), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
