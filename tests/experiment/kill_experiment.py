#!/usr/bin/env python3
"""Kills `deepsad experiment run` again and again (SIGKILL, at random moments, one or two processes on a store), and checks
after every kill that the store is whole and that no run reported done is lost, changed or repeated; at the end, that the
results are those of an undisturbed run, to the last bit.

    tests/experiment/kill_experiment.py --program build/release/deepsad --kills 100 [--seed 1]

Needs python3 alone.
"""

import argparse
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

GRID = """
name = "kills"
datasets = ["toy2d"]
gamma_l = [0, 0.05]
seeds = "1-12"
[options]
n_epochs = 20
ae_n_epochs = 20
[[method]]
column = "Deep SAD"
[[method]]
column = "OC-SVM hybrid"
method = "oc_svm"
options = { hybrid = true, gamma = "scale" }
[[method]]
column = "IF raw"
method = "isolation_forest"
"""


def start(program, folder, store):
    # Its end is waited for with SIGCHLD's default, so that a killed process is a zombie for a moment, as in life.
    return subprocess.Popen([program, "experiment", "run", os.path.join(folder, "kills.toml"), "--store", store, "--jobs", "2"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def results(store):
    """Metrics of all runs that are done, without times; and when each was started."""
    connection = sqlite3.connect(store)
    try:
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok":
            sys.exit(f"kill_experiment.py: the store is damaged: {verdict}")
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchone():
            return {}, {}
        started = dict(connection.execute("SELECT id, started || ' ' || seconds FROM runs WHERE state = 'done'"))
        metrics = {}
        for run, name, value in connection.execute("SELECT run, name, value FROM metrics"):
            if not name.endswith("_seconds"):
                metrics.setdefault(run, {})[name] = value
        if set(metrics) != set(started):
            sys.exit("kill_experiment.py: metrics and finished runs disagree")
        (n_failed,) = connection.execute("SELECT count(*) FROM runs WHERE state = 'failed'").fetchone()
        if n_failed:
            sys.exit(f"kill_experiment.py: {n_failed} runs failed")
        return metrics, started
    finally:
        connection.close()


def finish(program, folder, store):
    process = start(program, folder, store)
    _, err = process.communicate(timeout=300)
    if process.returncode != 0:
        sys.exit(f"kill_experiment.py: exit code {process.returncode}: {err.decode()}")
    return results(store)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None, help="of the random moments; printed if not given")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.randrange(10**6)
    print(f"seed {seed}")
    rng = random.Random(seed)

    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "kills.toml"), "w", encoding="utf-8") as file:
            file.write(GRID)
        began = time.monotonic()
        whole, _ = finish(arguments.program, folder, os.path.join(folder, "whole.sqlite"))
        duration = time.monotonic() - began

        kills = n_stores = 0
        while kills < arguments.kills:
            n_stores += 1
            store = os.path.join(folder, f"killed{n_stores}.sqlite")
            known_metrics, known_started = {}, {}
            while kills < arguments.kills and len(known_metrics) < len(whole):
                processes = [start(arguments.program, folder, store) for _ in range(rng.choice([1, 1, 2]))]
                for process in processes:
                    time.sleep(rng.uniform(0, duration / 4))
                    process.send_signal(signal.SIGKILL)
                    kills += 1
                for process in processes:
                    _, err = process.communicate()
                    if process.returncode not in (0, -signal.SIGKILL):
                        sys.exit(f"kill_experiment.py: exit code {process.returncode}: {err.decode()}")
                if not os.path.exists(store):
                    continue
                metrics, started = results(store)
                for run, value in known_metrics.items():
                    if metrics.get(run) != value or started.get(run) != known_started[run]:
                        sys.exit(f"kill_experiment.py: run {run} was done, and is lost, changed or repeated")
                known_metrics, known_started = metrics, started
            metrics, started = finish(arguments.program, folder, store)
            if metrics != whole:
                sys.exit("kill_experiment.py: the results differ from those of the undisturbed run")
            if any(started[run] != known_started[run] for run in known_started):
                sys.exit("kill_experiment.py: a run that was done was repeated")
        print(f"{kills} kills over {n_stores} stores of {len(whole)} runs: nothing lost, changed or repeated")
    return 0


if __name__ == "__main__":
    sys.exit(main())
