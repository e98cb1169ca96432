"""The interchange matrix: the same 1,000 rows of MNIST and of cardio, scored in every way there is.

matrix.py --program deepsad --cpp PROGRAM --c PROGRAM --node NODE --runtime DIR --data DIR --work DIR

Trains one model a data set with the program, has the rows scored by the program, the library in C++, the scoring library in C,
the Python module, ONNX Runtime and PyTorch, prints the table of docs/interchange.md, and fails if any of ours differs from the
program's in a single bit, or one of the last two by more than 1e-5 of a score (of the median score, where that is larger).
"""
import argparse
import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import scipy.io
import torch

import deepsad

sys.path.insert(0, str(Path(__file__).parent.parent))
from torch_networks import deep_sad_networks  # noqa: E402

N_ROWS = 1000
TOLERANCE = 1e-5
OTHERS = ("ONNX Runtime", "PyTorch")  # what sums in an order of its own
# Trained long enough that scores are not all alike; how good they are does not matter here.
EPOCHS = ["--n-epochs", "3", "--ae-n-epochs", "3"]

parser = argparse.ArgumentParser()
for option in ("program", "cpp", "c", "node", "runtime", "data", "work"):
    parser.add_argument(f"--{option}", required=True)
arguments = parser.parse_args()
work, data = Path(arguments.work), Path(arguments.data)
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)


def run(*command, **options):
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {result.returncode}:\n{result.stdout}{result.stderr}")
    return result.stdout


def mnist_rows():
    content = gzip.decompress((data / "mnist" / "t10k-images-idx3-ubyte.gz").read_bytes())
    return np.frombuffer(content, np.uint8, offset=16).reshape(-1, 1, 28, 28)[:N_ROWS]


def cardio_rows():
    return np.ascontiguousarray(scipy.io.loadmat(data / "odds" / "cardio.mat")["X"][:N_ROWS], dtype=np.float64)


def ways(name, rows):
    """Every way's name and scores; the program's first."""
    model = work / name / "model.safetensors"
    run(arguments.program, "train", name, "--seed", "1", *EPOCHS, "--data-dir", data, "--out", work / name, "--quiet")
    np.save(work / f"{name}.npy", rows)
    lines = run(arguments.program, "score", model, work / f"{name}.npy").splitlines()
    column = lines[0].split(",").index("score")
    yield "deepsad score", np.array([np.float32(line.split(",")[column]) for line in lines[1:]])

    raw = work / f"{name}.rows"
    rows.tofile(raw)
    ours, theirs = ("uint8", "uint8") if rows.dtype == np.uint8 else ("double", "float64")
    for way, program in (("C++", arguments.cpp), ("C", arguments.c)):
        run(program, model, raw, ours, N_ROWS, work / f"{name}.scores")
        yield way, np.fromfile(work / f"{name}.scores", np.float32)
    yield "Python", deepsad.load(model).score(rows)

    run(arguments.program, "export", model, "--to", "onnx", "--out", work / f"{name}.onnx")
    shape = ",".join(map(str, rows.shape))
    run(arguments.node, Path(__file__).parent.parent / "node" / "score_rows.mjs", work / f"{name}.onnx", raw, theirs, shape,
        work / f"{name}.scores", cwd=arguments.runtime)
    yield "ONNX Runtime", np.fromfile(work / f"{name}.scores", np.float32)


    run(arguments.program, "export", model, "--to", "torch", "--out", work / f"{name}.tar")
    yield "PyTorch", torch_scores(torch.load(work / f"{name}.tar"), name, rows)


def torch_scores(checkpoint, name, rows):
    network, _ = deep_sad_networks(name)
    network.load_state_dict(checkpoint["net_dict"])
    network.eval()
    if rows.dtype == np.uint8:
        x = rows.astype(np.float32) / 255
    else:
        scaler = {key: np.array(value) for key, value in json.loads(checkpoint["deepsad"]["deepsad.scaler"]).items()}
        span = scaler["max"] - scaler["min"]
        x = ((rows - scaler["mean"]) / scaler["std"] - scaler["min"]) / np.where(span > 0, span, 1)
    with torch.no_grad():
        output = network(torch.from_numpy(x.astype(np.float32)))
        return ((output - torch.tensor(checkpoint["c"])) ** 2).sum(1).numpy()


problems = []
table = {}
for name, rows in (("mnist", mnist_rows()), ("cardio", cardio_rows())):
    if len(rows) != N_ROWS:
        raise SystemExit(f"{name}: {len(rows)} rows")
    expected = None
    for way, scores in ways(name, rows):
        expected = scores if expected is None else expected
        if scores.shape != (N_ROWS,) or not np.isfinite(scores).all() or len(np.unique(scores)) < N_ROWS // 2:
            problems.append(f"{way}, {name}: not {N_ROWS} finite scores that differ")
        difference = np.abs(scores.astype(np.float64) - expected)
        relative = (difference / np.abs(expected)).max()
        n_different = np.count_nonzero(scores.view(np.uint32) != expected.view(np.uint32))
        table.setdefault(way, []).append(f"{n_different} rows, {relative:.1e}" if n_different else "0")
        if way in OTHERS:
            allowed = TOLERANCE * np.maximum(np.abs(expected), np.median(np.abs(expected)))
            if (difference > allowed).any():
                problems.append(f"{way}, {name}: {np.count_nonzero(difference > allowed)} scores differ by more than allowed")
        elif n_different:
            problems.append(f"{way}, {name}: {n_different} scores are not those of the program")

print("| | MNIST | cardio |\n|---|---|---|")
for way, cells in table.items():
    print(f"| {way} | {' | '.join(cells)} |")
raise SystemExit("\n".join(problems) if problems else 0)
