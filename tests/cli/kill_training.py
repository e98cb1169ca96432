#!/usr/bin/env python3
"""Kills `deepsad train` of every deep method again and again (SIGKILL, at random moments), resumes it, and checks that
the model is that of an undisturbed run, to the last bit.

    tests/cli/kill_training.py --program build/release/deepsad --kills 20 [--seed 1]

Needs python3 alone.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

TRAINING, AUTOENCODER, VAE = ["--n-epochs", "200"], ["--ae-n-epochs", "150"], ["--vae-n-epochs", "150"]
METHODS = {
    "deep_sad": [*TRAINING, *AUTOENCODER],
    "deep_svdd": ["--objective", "soft-boundary", *TRAINING, *AUTOENCODER],
    "autoencoder": AUTOENCODER,
    "vae": VAE,
    "dgm_m2": TRAINING,
    "dgm_m1m2": [*TRAINING, *VAE],
    "classifier": TRAINING,
}
PATIENCE = ["--patience", "60"]
LABELS = ["--n-known-outlier-classes", "1", "--ratio-known-outlier", "0.05", "--seed", "3"]


def read(path):
    with open(path, "rb") as file:
        return file.read()


def run(command, kill_after=None):
    """Whether it ended by itself; then it must have ended well."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _, errors = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return False
    if process.returncode != 0:
        sys.exit(f"kill_training.py: {' '.join(command)} ended with {process.returncode}: {errors.decode()}")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--kills", type=int, default=20, help="most kills of each method")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    resumed = 0
    with tempfile.TemporaryDirectory() as folder:
        for method, options in METHODS.items():
            whole, broken = os.path.join(folder, method), os.path.join(folder, method + "-broken")
            command = [arguments.program, "train", "toy2d", "--method", method, *options, *PATIENCE, *LABELS, "--quiet"]
            begin = time.monotonic()
            run([*command, "--out", whole])
            seconds = time.monotonic() - begin
            kills = 0
            command += ["--checkpoint-every", "1", "--out", broken]
            while not run(command, random.uniform(0, seconds) if kills < arguments.kills else None):
                kills += 1
                if os.path.exists(os.path.join(broken, "config.json")):
                    command = [arguments.program, "train", "--resume", broken, "--quiet"]
                elif os.path.exists(broken):
                    # Killed before its options were stored: a claimed folder without anything to keep.
                    left = [name for name in os.listdir(broken) if not name.endswith(".partial")]
                    if left not in ([], ["log.txt"]) or any(map(os.path.getsize, [os.path.join(broken, f) for f in left])):
                        sys.exit(f"kill_training.py: {method}: without config.json, but {left} is left")
                    shutil.rmtree(broken)
            if read(os.path.join(whole, "model.safetensors")) != read(os.path.join(broken, "model.safetensors")):
                sys.exit(f"kill_training.py: {method}: after {kills} kills the model differs from that of an undisturbed run")
            if sorted(os.listdir(whole)) != sorted(os.listdir(broken)):
                sys.exit(f"kill_training.py: {method}: {os.listdir(broken)} is left, wanted {os.listdir(whole)}")
            n = read(os.path.join(broken, "log.txt")).decode().count(": goes on after epoch ")
            print(f"{method}: {kills} kills, gone on from a checkpoint {n} times, same bits", flush=True)
            resumed += n
    if resumed == 0:
        sys.exit("kill_training.py: no run was ever resumed in the middle of a phase, so nothing was tested")


main()
