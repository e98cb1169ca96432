#!/usr/bin/env python3
"""What the rates and steps that the program chooses for images of one's own are worth.

    benchmarks/detection/own_images.py --program build/release/deepsad --data DATA --out DIR

Of MNIST, Fashion-MNIST or CIFAR-10 N training images of one class, unlabelled, and max(3, N/100) labelled anomalies of
one other class become an NPZ file; `deepsad train FILE` trains on it, once with what it chooses for images
and once with what it chooses for tables; `deepsad evaluate` tests on the whole official test set. Prints test
AUCs in percent.
"""
import argparse
import gzip
import lzma
import pathlib
import re
import subprocess
import sys

import numpy as np

CLASSES = (0, 2, 8)
LABELS, TRUTH = "1=anomaly,0=unlabeled", "1=anomaly,0=normal"


def idx(path, offset, shape):
    with gzip.open(path) as stream:
        return np.frombuffer(stream.read(), np.uint8, offset=offset).reshape(shape)


def cifar(folder, files):
    rows = np.concatenate([np.frombuffer(lzma.open(folder / f"{name}.bin.xz").read(), np.uint8) for name in files])
    rows = rows.reshape(-1, 1 + 3 * 32 * 32)
    return rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), rows[:, 0]


def images_and_classes(folder, training):
    if folder.name == "cifar10":
        return cifar(folder, [f"data_batch_{i}" for i in range(1, 6)] if training else ["test_batch"])
    part = "train" if training else "t10k"
    return (idx(folder / f"{part}-images-idx3-ubyte.gz", 16, (-1, 28, 28)),
            idx(folder / f"{part}-labels-idx1-ubyte.gz", 8, (-1,)))


def write_training(path, images, classes, normal, n):
    random = np.random.default_rng(10 * normal + n)
    rows = random.permutation(np.flatnonzero(classes == normal))[:n]
    known = (normal + 1 + random.integers(9)) % 10
    anomalies = random.permutation(np.flatnonzero(classes == known))[:max(3, n // 100)]
    chosen = random.permutation(np.concatenate([rows, anomalies]))
    np.savez(path, X=images[chosen], y=(classes[chosen] != normal).astype(int))
    return len(chosen)


def steps(n):
    """What suggested_options() chooses for a table of n rows: batch, epochs, epochs of pretraining."""
    batch = min(128, max(16, 1 << ((n // 16).bit_length() - 1)))
    an_epoch = -(-n // batch)
    return min(50, max(10, -(-300 // an_epoch))), min(200, max(30, -(-1000 // an_epoch)))


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"own_images.py: {' '.join(map(str, command))}: {done.stderr}")
    return done.stdout


def test_auc(program, training, test, out, seed, options):
    model = out / "model"
    model.unlink(missing_ok=True)
    run([program, "train", training, "--label-column", "y", "--label-map", LABELS, "--calibration-share", "0",
         "--threshold", "none", "--seed", str(seed), "-q", "-o", model, *options])
    text = run([program, "evaluate", model, test, "--truth-column", "y", "--truth-map", TRUTH, "--bootstrap", "0"])
    return float(re.search(r"test AUC +([\d.]+)", text).group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="the program deepsad")
    parser.add_argument("--data", required=True, type=pathlib.Path, help="folder with mnist/, fmnist/ and cifar10/")
    parser.add_argument("--out", required=True, type=pathlib.Path, help="folder for files; made if missing")
    parser.add_argument("--set", default="mnist", choices=("mnist", "fmnist", "cifar10"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[300, 1500], help="images of the normal class")
    parser.add_argument("--method", default="deep_sad", choices=("deep_sad", "deep_svdd"))
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    images, classes = images_and_classes(arguments.data / arguments.set, True)
    test_images, test_classes = images_and_classes(arguments.data / arguments.set, False)
    for n in arguments.sizes:
        for_images, for_tables = [], []
        for normal in CLASSES:
            training, test = arguments.out / "training.npz", arguments.out / "test.npz"
            n_rows = write_training(training, images, classes, normal, n)
            np.savez(test, X=test_images, y=(test_classes != normal).astype(int))
            epochs, before = steps(n_rows)
            as_table = ["--lr", "0.001", "--ae-lr", "0.001", "--n-epochs", str(epochs), "--ae-n-epochs", str(before)]
            for seed in range(1, arguments.seeds + 1):
                for aucs, options in ((for_images, []), (for_tables, as_table)):
                    aucs.append(test_auc(arguments.program, training, test, arguments.out, seed,
                                         ["--method", arguments.method, *options]))
        print(f"{arguments.set}, {arguments.method}, {n} rows of classes {CLASSES}: chosen for images "
              f"{np.mean(for_images):.1f} {for_images}, for tables {np.mean(for_tables):.1f} {for_tables}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
