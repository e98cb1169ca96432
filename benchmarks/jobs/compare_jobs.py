#!/usr/bin/env python3
"""Whole jobs of the program beside PyTorch (peer.py): process start, data, training, scoring, all files written.

    benchmarks/jobs/compare_jobs.py --program build/benchmark/deepsad --bench build/benchmark/benchmarks/jobs/scoring_bench \\
        --data DATA --out DIR

The two sides run in turns, round by round; a figure is the median over the rounds. The peer's column leaves out the start of
Python and the import of torch, the column behind it does not; ours leave out nothing. Both read the data from the same files.
PyTorch's side of the MNIST job, ten minutes, runs once. --epochs shortens both phases of it on both sides alike. --peer-epochs N
measures PyTorch's side with 1 and with N epochs of each phase and goes on in a straight line; the table then says so.

Needs: python3-torch, python3-numpy, python3-scipy. Writes DIR/jobs.json and DIR/jobs.md.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, os.pardir))
from support.openblas import used_core, with_best_core


def timed(command):
    """Seconds and peak memory of a command, from start to end."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    message = process.stderr.read().decode()
    process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"compare_jobs.py: {' '.join(command)}\nended with {process.returncode}:\n{message}")
    return seconds, usage.ru_maxrss * 1024


def peer(words, threads):
    environment = with_best_core(dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads)))
    start = time.perf_counter()
    done = subprocess.run([sys.executable, os.path.join(HERE, "peer.py"), *words, "--threads", str(threads)],
                          env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return {**json.loads(done.stdout), "with_start": time.perf_counter() - start}


def median(values):
    return statistics.median(values)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="the program deepsad, release build")
    parser.add_argument("--bench", required=True, help="the program scoring_bench")
    parser.add_argument("--data", required=True, help="folder of the data sets")
    parser.add_argument("--out", required=True, help="folder for jobs.json and jobs.md; made if missing")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default 3)")
    parser.add_argument("--epochs", type=int, default=150, help="epochs of each phase of the MNIST job (default 150)")
    parser.add_argument("--peer-epochs", type=int, default=0, help="measure the peer with so many and scale (default: all)")
    parser.add_argument("--parts", nargs="+", choices=["mnist", "cardio", "seeds", "score", "row", "start"],
                        default=["mnist", "cardio", "seeds", "score", "row", "start"], help="default: all")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: processors")
    arguments = parser.parse_args()
    t = arguments.threads
    rows = []

    def say(row):
        rows.append(row)
        print(json.dumps(row), file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as scratch:
        number = 0

        def train(words):
            nonlocal number
            number += 1
            folder = os.path.join(scratch, str(number))
            return folder, timed([arguments.program, "train", *words, "--data-dir", arguments.data, "--out", folder])

        labels = ["--n-known-outlier-classes", "1", "--ratio-known-outlier", "0.01"]
        e = str(arguments.epochs)
        jobs = {
            f"MNIST command of the published README, {e} + {e} epochs":
                (["mnist", "--preset", "readme", *labels, "--ratio-pollution", "0.1", "--n-epochs", e, "--ae-n-epochs", e,
                  "--seed", "1"],
                 ["train", "--data", arguments.data, "--dataset", "mnist", "--epochs", e, "--ae-epochs", e, "--lr", "1e-4",
                  "--ae-lr", "1e-4", "--weight-decay", "0.5e-6", "--ae-weight-decay", "0.5e-3",
                  *(["--milestone", "50"] if arguments.epochs > 50 else [])]),
            "cardio, 100 + 50 epochs":
                (["cardio", *labels, "--seed", "1"],
                 ["train", "--data", arguments.data, "--dataset", "cardio", "--epochs", "50", "--ae-epochs", "100"]),
        }
        model = None
        for name, (ours_words, peer_words) in jobs.items():
            if ours_words[0] not in arguments.parts and not (ours_words[0] == "mnist" and "score" in arguments.parts):
                continue  # scoring needs the model of the first
            scaled = ours_words[0] == "mnist" and 1 < arguments.peer_epochs < arguments.epochs
            if arguments.epochs <= 50 and "--preset" in ours_words:
                ours_words = ours_words + ["--lr-milestone", str(max(1, arguments.epochs - 1))]
            ours, theirs, with_start, memory, their_memory = [], [], [], [], []
            variant = {}
            if ours_words[0] in arguments.parts:
                variant = peer(["trial", *peer_words[1:]], t)
                variant.pop("with_start")
                variant.pop("peak_memory_bytes")
            for number_of_round in range(arguments.rounds):
                folder, (seconds, peak) = train([*ours_words, "--num-threads", str(t)])
                ours.append(seconds)
                memory.append(peak)
                if "mnist" in ours_words:
                    model = os.path.join(folder, "model.safetensors")
                    if "mnist" not in arguments.parts:
                        break
                    if number_of_round > 0:
                        continue

                def with_epochs(n):
                    more = ["--epochs", str(n), "--ae-epochs", str(n), "--milestone", "0"] if scaled else []
                    return peer([*peer_words, *more, "--variant", json.dumps(variant)], t)

                answer = with_epochs(arguments.peer_epochs)
                if scaled:
                    few = with_epochs(1)
                    rest = (arguments.epochs - arguments.peer_epochs) / (arguments.peer_epochs - 1)
                    for key in ("seconds", "with_start"):
                        answer[key] += rest * (answer[key] - few[key])
                with_start.append(answer["with_start"])
                theirs.append(answer["seconds"])
                their_memory.append(answer["peak_memory_bytes"])
            if not theirs:
                continue
            if scaled:
                name += f"; PyTorch's time from 1 + 1 and {arguments.peer_epochs} + {arguments.peer_epochs}"
            say({"job": name, "threads": t, "deepsad": median(ours), "peer": median(theirs),
                 "peer_with_start": median(with_start), "ratio": median(theirs) / median(ours),
                 "ratio_with_start": median(with_start) / median(ours), "deepsad_peak_memory": median(memory),
                 "peer_peak_memory": median(their_memory), "peer_variant": variant})

        grid = ["mnist", "--preset", "readme", *labels, "--n-epochs", "3", "--ae-n-epochs", "3", "--lr-milestone", "2",
                "--seeds", "1-10"]
        if "seeds" in arguments.parts:
            together, after = [], []
            for _ in range(arguments.rounds):
                together.append(train([*grid, "--jobs", str(t)])[1][0])
                after.append(train([*grid, "--jobs", "1"])[1][0])
            say({"job": f"ten seeds of MNIST (3 + 3 epochs), {t} at a time against one after the other on {t} threads",
                 "threads": t, "deepsad": median(together), "peer": median(after),
                 "ratio": median(after) / median(together)})

        if "score" in arguments.parts:
            test_images = os.path.join(arguments.data, "mnist", "t10k-images-idx3-ubyte.gz")
            ours, memory, theirs = [], [], []
            for _ in range(arguments.rounds):
                seconds, peak = min(timed([arguments.program, "score", model, test_images, "--num-threads", str(t)])
                                    for _ in range(5))
                ours.append(seconds)
                memory.append(peak)
                theirs.append(peer(["score", "--data", arguments.data], t))
            for what, key, form in (("with both files read", "whole_seconds", "whole_form"),
                                    ("neither model nor file, warm", "seconds", "form")):
                peer_seconds = median([answer[key] for answer in theirs])
                say({"job": f"score 10,000 MNIST images from files, process start included; PyTorch without its start, {what} "
                            f"({theirs[0][form]})", "threads": t, "deepsad": median(ours), "peer": peer_seconds,
                     "ratio": peer_seconds / median(ours), "deepsad_peak_memory": median(memory),
                     "peer_peak_memory": median([answer["peak_memory_bytes"] for answer in theirs])})

        bench = []
        if "row" in arguments.parts:
            bench = json.loads(subprocess.run([arguments.bench], stdout=subprocess.PIPE, check=True, text=True).stdout)
        for row in bench:
            say({"job": f"one row, {row['network']}, in the library, warm", "threads": 1, "p50": row["p50"],
                 "p99": row["p99"], "rows_per_second": row["rows_per_second"]})

        for words in (["--help"], ["version"], ["train", "--help"]) if "start" in arguments.parts else ():
            times = [timed([arguments.program, *words])[0] for _ in range(21)]
            say({"job": f"deepsad {' '.join(words)}", "threads": 1, "deepsad": median(times)})

    cpu = platform.processor()
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        cpu = next((line.split(": ", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
    about = {"cpu": cpu, "openblas": used_core(), "processors": len(os.sched_getaffinity(0)),
             "load": os.getloadavg()[0],
             "date": datetime.date.today().isoformat(),
             "version": subprocess.run([arguments.program, "version"], stdout=subprocess.PIPE, text=True,
                                       check=True).stdout.splitlines()}
    lines = ["| job | deepsad | peer | ratio | peer with its start | ratio | peak memory, deepsad / peer |",
             "| --- | --- | --- | --- | --- | --- | --- |"]

    def duration(seconds):
        for unit, size in (("s", 1), ("ms", 1e-3)):
            if seconds >= size:
                return f"{seconds / size:.3g} {unit}"
        return f"{seconds / 1e-6:.3g} µs"

    for row in rows:
        if "p50" in row:
            lines.append(f"| {row['job']} | p50 {duration(row['p50'])}, p99 {duration(row['p99'])}; "
                         f"{row['rows_per_second']:.3g} rows/s | | | | | |")
            continue
        other = duration(row["peer"]) if "peer" in row else ""
        ratio = f"{row['ratio']:.1f}×" if "ratio" in row else ""
        memory = (f"{row['deepsad_peak_memory'] / 1e6:.0f} / {row['peer_peak_memory'] / 1e6:.0f} MB"
                  if "deepsad_peak_memory" in row else "")
        start = (f"{duration(row['peer_with_start'])} | {row['ratio_with_start']:.1f}×"
                 if "peer_with_start" in row else " | ")
        lines.append(f"| {row['job']} | {duration(row['deepsad'])} | {other} | {ratio} | {start} | {memory} |")
    os.makedirs(arguments.out, exist_ok=True)
    for name, text in (("jobs.json", json.dumps({"machine": about, "results": rows}, indent=1) + "\n"),
                       ("jobs.md", "\n".join(lines) + "\n")):
        with open(os.path.join(arguments.out, name), "w", encoding="utf-8") as file:
            file.write(text)
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
